"""A Hub on the loopback, for the real clients: repositories with commits, both upload paths, rights and faults.

Only tests know of it: a client finds it by HF_ENDPOINT, or by the patched constant of its library.
"""

import asyncio
import base64
import datetime
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvicorn
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

OWNER, READER, STRANGER = "hf_owner", "hf_reader", "hf_stranger"  # tokens of the users owner, reader and stranger
_LARGE = (".tflite", ".keras", ".png", ".jpg", ".parquet", ".bin")  # stored apart from the commit, as LFS does


@dataclass(frozen=True)
class Stored:
    """A file of a commit. `xet` is its hash in the content-addressed store, None where it came by LFS."""

    content: bytes
    large: bool
    xet: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self) -> str:
        """git's name of the blob: of a large file that of its pointer."""
        content = self.content
        if self.large:
            content = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(content)}\n"
            content = content.encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def lfs(self) -> dict[str, Any]:
        return {"size": len(self.content), "sha256": self.sha256, "oid": self.sha256, "pointerSize": 134}


@dataclass(frozen=True)
class Commit:
    oid: str
    message: str
    files: dict[str, Stored]
    parent: "Commit | None" = None


@dataclass
class Repository:
    private: bool
    owner: str
    branches: dict[str, Commit]
    gated: bool = False
    tags: dict[str, Commit] = field(default_factory=dict)
    pulls: dict[str, Commit] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"
    sdk: str | None = None  # of a Space

    def commits(self, revision: str = "main") -> list[Commit]:
        """The newest first."""
        return list(_line(self.find(revision)))

    def find(self, revision: str) -> Commit | None:
        named = {**self.branches, **self.tags, **self.pulls, **{f"refs/heads/{k}": v for k, v in self.branches.items()}}
        if revision in named:
            return named[revision]
        heads = (*self.branches.values(), *self.pulls.values())
        return next((c for head in heads for c in _line(head) if c.oid == revision), None)


def _line(commit: Commit | None) -> Iterator[Commit]:
    while commit:
        yield commit
        commit = commit.parent


@dataclass
class Fault:
    """Happens to the next `times` requests whose "METHOD path" the pattern `match` finds. `kind` is a status (429, 500,
    503, …), "slow" (the body drips), "late" (no answer for `seconds` or until `release` is set), "cut" (half a body),
    "wrong" (other bytes of the same length), "gone" (no such repository any more) or "lost" (done, but the answer is
    a 500)."""

    kind: int | str
    match: str = ""
    times: int = 1_000_000
    seconds: float = 60.0
    release: threading.Event = field(default_factory=threading.Event)


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Hub:
    """Its state, for tests to set up and to look at; an ASGI application. `url` has no slash at its end."""

    def __init__(self, folder: Path, *, xet: bool, part: int | None = None) -> None:
        """`xet` offers the content-addressed store; `part` is the size in bytes of the parts of a multipart upload."""
        self.url, self.xet, self.part = "", xet, part
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.users = {OWNER: "owner", READER: "reader", STRANGER: "stranger"}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self._store = folder / "cas"
        self._store.mkdir(parents=True)
        self._large: dict[str, Stored] = {}
        self._parts: dict[tuple[str, int], bytes] = {}
        self._lock = threading.Lock()

    def __getitem__(self, repo: str) -> Repository:
        """By "owner/name", or "spaces/owner/name"."""
        return self.repositories[_kind_and_name(repo)]

    def put(self, repo: str, files: dict[str, bytes], **options: Any) -> str:
        """Commit `files` to a repository, made where there is none, past every check. Returns the commit."""
        kind, name = _kind_and_name(repo)
        here = self.repositories.get((kind, name)) or self._create(kind, name, **options)
        stored = {path: Stored(content, path.endswith(_LARGE)) for path, content in files.items()}
        return self._commit(here, "main", "put", {**here.branches["main"].files, **stored}).oid

    def _create(self, kind: str, name: str, private: bool = False, gated: bool = False) -> Repository:
        owner = name.partition("/")[0]
        first = Commit(hashlib.sha1(f"{kind}/{name}".encode()).hexdigest(), "initial commit", {})
        here = self.repositories[kind, name] = Repository(private, owner, {"main": first}, gated)
        return here

    def _commit(self, here: Repository, branch: str, message: str, files: dict[str, Stored]) -> Commit:
        parent = here.find(branch)
        names = "".join(f"{path} {stored.blob_id}\n" for path, stored in sorted(files.items()))
        oid = hashlib.sha1(f"{parent.oid}{message}{time.time_ns()}{names}".encode()).hexdigest()
        commit = Commit(oid, message, files, parent)
        (here.pulls if branch.startswith("refs/pr/") else here.branches)[branch] = commit
        return commit

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        line = f"{request.method} {unquote(scope['raw_path'].decode())}"
        with self._lock:
            self.requests.append(line)
            fault = next((f for f in self.faults if f.times and re.search(f.match, line)), None)
            if fault:
                fault.times -= 1
        kind = fault.kind if fault else None
        if kind == "late":
            end = time.monotonic() + fault.seconds
            while time.monotonic() < end and not fault.release.is_set():
                await asyncio.sleep(0.05)
        if isinstance(kind, int):
            response: Response = JSONResponse({"error": "This happens on request."}, kind)
        elif kind == "gone":
            response = _error(_Refused(404, "RepoNotFound", "Repository not found"))
        else:
            body = await request.body()
            response = await asyncio.to_thread(self._answer, request, body)
        if kind == "lost":
            response = JSONResponse({"error": "This happens on request."}, 500)
        await response(scope, receive, _faulty(send, kind) if request.method == "GET" else send)

    def _answer(self, request: Request, body: bytes) -> Response:
        segments = [unquote(part) for part in request.scope["raw_path"].decode().strip("/").split("/")]
        try:
            with self._lock:
                return self._route(request, request.method, segments, body)
        except _Refused as refused:
            return _error(refused)

    def _route(self, request: Request, method: str, segments: list[str], body: bytes) -> Response:
        user = self._user(request)
        kind = segments.pop(0) if segments[0] in ("datasets", "spaces") else "models"
        match method, segments:
            case "GET", ["api", "whoami-v2"]:
                if user is None:
                    raise _Refused(401, "", "Invalid credentials in Authorization header")
                return JSONResponse({"type": "user", "name": user, "orgs": [], "auth": {"type": "access_token"}})
            case "POST", ["api", "repos", "create"]:
                return self._create_repo(user, json.loads(body))
            case "POST", ["api", "validate-yaml"]:
                return _check_card(json.loads(body), request.headers.get("accept") == "text/plain")
            case "GET", ["lfs", sha256]:
                return _file(request, self._large[sha256].content, sha256)
            case "PUT", ["upload", sha256, part]:
                self._parts[sha256, int(part)] = body
                return Response(headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
            case "POST", ["complete", sha256]:
                self._join(sha256)
                return JSONResponse({})
            case "POST", ["verify"]:
                wanted = json.loads(body)
                self._join(wanted["oid"])
                return JSONResponse({})
            case _, ["api", ("models" | "datasets" | "spaces") as kind, owner, name, *rest]:
                return self._api(request, user, kind, f"{owner}/{name}", method, rest, body)
            case "POST", [owner, name, "info", "lfs", "objects", "batch"]:
                self._find(kind, f"{owner}/{name.removesuffix('.git')}", user, write=True)
                return JSONResponse({"transfer": "basic", "objects": self._batch(json.loads(body)["objects"])})
            case (("GET" | "HEAD"), [owner, name, "resolve", revision, *path]):
                return self._resolve(request, kind, f"{owner}/{name}", user, revision, "/".join(path))
        raise _Refused(404, "", "No such address")

    def _user(self, request: Request) -> str | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        return self.users.get(token)

    def _find(self, kind: str, name: str, user: str | None, *, write: bool = False) -> Repository:
        here = self.repositories.get((kind, name))
        if here is None or (here.private and user not in (here.owner, "reader")):
            raise _Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if write and user != here.owner:
            raise _Refused(403, "", "You don't have the rights to write here")
        return here

    def _create_repo(self, user: str | None, wanted: dict[str, Any]) -> Response:
        owner = wanted.get("organization") or user
        if user is None:
            raise _Refused(401, "", "Invalid username or password.")
        if owner != user:
            raise _Refused(403, "", f"You don't have the rights to create a model under the namespace {owner}")
        kind, name = f"{wanted.get('type') or 'model'}s", f"{owner}/{wanted['name']}"
        url = f"{self.url}/{'' if kind == 'models' else kind + '/'}{name}"
        if (kind, name) in self.repositories:
            return JSONResponse({"error": "You already created this repo", "url": url}, 409)
        here = self._create(kind, name, wanted.get("visibility") == "private")
        here.variables = {v["key"]: v["value"] for v in wanted.get("variables", [])}
        here.hardware = wanted.get("hardware", here.hardware)
        here.sdk = wanted.get("sdk")
        return JSONResponse({"url": url, "name": name})

    def _api(
        self, request: Request, user: str | None, kind: str, name: str, method: str, rest: list[str], body: bytes
    ) -> Response:
        here = self._find(kind, name, user)
        match method, rest:
            case "GET", [] | ["revision", _]:
                return JSONResponse(self._info(here, name, _at(here, rest[1] if rest else "main")))
            case "GET", ["tree", revision, *folder]:
                files = _at(here, revision).files
                below = "/".join(folder) + "/" if folder and folder[0] else ""
                names = [path for path in files if path.startswith(below)]
                return JSONResponse(_folders(names) + [_entry(path, files[path]) for path in names])
            case "POST", ["paths-info", revision]:
                files = _at(here, revision).files
                asked = [unquote(p.partition("=")[2].replace("+", " ")) for p in body.decode().split("&")]
                folders = [f for f in _folders(list(files)) if f["path"] in asked]
                return JSONResponse(folders + [_entry(path, files[path]) for path in asked if path in files])
            case "GET", ["refs"]:
                return JSONResponse(
                    {
                        "branches": _refs("heads", here.branches),
                        "tags": _refs("tags", here.tags),
                        "pullRequests": _refs("pr", here.pulls),
                        "converts": [],
                    }
                )
            case "GET", ["commits", revision]:
                now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
                return JSONResponse(
                    [
                        {"id": c.oid, "title": c.message, "message": "", "date": now, "authors": []}
                        for c in _line(_at(here, revision))
                    ]
                )
            case "GET", [("xet-read-token" | "xet-write-token") as wanted, *_] if self.xet:
                self._find(kind, name, user, write="write" in wanted)
                store, end = f"local://{self._store}", int(time.time()) + 3600
                names = {"X-Xet-Cas-Url": store, "X-Xet-Access-Token": "any", "X-Xet-Token-Expiration": str(end)}
                return JSONResponse({"casUrl": store, "accessToken": "any", "exp": end}, headers=names)
            case "POST", ["preupload", revision]:
                files = _at(here, revision).files
                return JSONResponse({"files": [_mode(f["path"], files) for f in json.loads(body)["files"]]})
            case "POST", ["commit", branch]:
                return self._take_commit(request, kind, here, name, user, branch, body)
            case "POST", ["tag", revision]:
                self._find(kind, name, user, write=True)
                tag = json.loads(body)["tag"]
                if tag in here.tags:
                    raise _Refused(409, "", "This tag exists already")
                here.tags[tag] = _at(here, revision)
                return JSONResponse({})
            case "GET", ["runtime"]:
                return JSONResponse(_runtime(here))
            case "POST", ["hardware"]:
                self._find(kind, name, user, write=True)
                here.hardware = json.loads(body)["flavor"]
                return JSONResponse(_runtime(here))
            case "GET", ["variables"]:
                return JSONResponse({k: {"key": k, "value": v} for k, v in here.variables.items()})
            case "POST", ["variables"]:
                self._find(kind, name, user, write=True)
                wanted = json.loads(body)
                here.variables[wanted["key"]] = wanted["value"]
                return JSONResponse({k: {"key": k, "value": v} for k, v in here.variables.items()})
        raise _Refused(404, "", "No such address")

    def _info(self, here: Repository, name: str, commit: Commit) -> dict[str, Any]:
        siblings = []
        for path, stored in commit.files.items():
            siblings.append({"rfilename": path, "size": len(stored.content), "blobId": stored.blob_id})
            if stored.large:
                siblings[-1]["lfs"] = stored.lfs
        return {
            "id": name,
            "modelId": name,
            "sha": commit.oid,
            "private": here.private,
            "gated": "auto" if here.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": siblings,
        }

    def _take_commit(
        self, request: Request, kind: str, here: Repository, name: str, user: str | None, branch: str, body: bytes
    ) -> Response:
        pull = request.query_params.get("create_pr") == "1"
        self._find(kind, name, user, write=not pull)
        head = _at(here, branch)
        files, message = dict(head.files), ""
        for line in filter(None, body.split(b"\n")):
            item = json.loads(line)
            value = item["value"]
            match item["key"]:
                case "header":
                    message = value["summary"]
                    if value.get("parentCommit", head.oid) != head.oid:
                        raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
                case "file":
                    files[value["path"]] = Stored(base64.b64decode(value["content"]), large=False)
                case "lfsFile":
                    files[value["path"]] = self._uploaded(value["oid"])
                case "deletedFile":
                    if files.pop(value["path"], None) is None:
                        raise _Refused(404, "EntryNotFound", "A file with this name doesn't exist")
        base = f"{self.url}/{'' if kind == 'models' else kind + '/'}{name}"
        if pull:
            number = len(here.pulls) + 1
            branch = f"refs/pr/{number}"
            here.pulls[branch] = head
        commit = self._commit(here, branch, message, files)
        answer = {"success": True, "commitOid": commit.oid, "commitUrl": f"{base}/commit/{commit.oid}"}
        return JSONResponse({**answer, "pullRequestUrl": f"{base}/discussions/{number}"} if pull else answer)

    def _resolve(self, request: Request, kind: str, name: str, user: str | None, revision: str, path: str) -> Response:
        here = self._find(kind, name, user)
        if here.gated and user != here.owner:
            raise _Refused(403, "GatedRepo", "Access to this model is restricted")
        commit = _at(here, revision)
        stored = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.oid}
        if stored is None:
            return _error(_Refused(404, "EntryNotFound", "Entry not found"), headers)
        if not stored.large:
            return _file(request, stored.content, stored.blob_id, headers)
        self._large[stored.sha256] = stored
        headers |= {"X-Linked-Etag": f'"{stored.sha256}"', "X-Linked-Size": str(len(stored.content))}
        if stored.xet and self.xet:
            token = f"{self.url}/api/{kind}/{name}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": stored.xet, "Link": f'<{token}>; rel="xet-auth"'}
        # Another origin than the Hub's own, as a CDN is: a client stops there, and keeps its token.
        return RedirectResponse(f"{self.url}/lfs/{stored.sha256}".replace("127.0.0.1", "localhost"), 302, headers)

    # --- Uploads ------------------------------------------------------------------------------------------------------

    def _batch(self, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**wanted, "actions": self._actions(**wanted)} for wanted in objects if wanted["oid"] not in self._large
        ]

    def _actions(self, oid: str, size: int, **_: Any) -> dict[str, Any]:
        verify = {"verify": {"href": f"{self.url}/verify"}}
        if self.part is None or size <= self.part:
            return {"upload": {"href": f"{self.url}/upload/{oid}/1"}, **verify}
        parts = {str(n): f"{self.url}/upload/{oid}/{n}" for n in range(1, -(-size // self.part) + 1)}
        return {"upload": {"href": f"{self.url}/complete/{oid}", "header": {"chunk_size": str(self.part), **parts}}}

    def _join(self, sha256: str) -> None:
        if sha256 in self._large:  # two files of one content are one upload
            return
        parts = sorted(number for oid, number in self._parts if oid == sha256)
        content = b"".join(self._parts.pop((sha256, number)) for number in parts)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _Refused(400, "", "The content is not what its name says")
        self._large[sha256] = Stored(content, large=True)

    def _uploaded(self, sha256: str) -> Stored:
        if sha256 not in self._large:
            found = _in_store(self._store, sha256)
            if found is None:
                raise _Refused(400, "", f"{sha256} was not uploaded")
            self._large[sha256] = Stored(found[1], large=True, xet=found[0])
        return self._large[sha256]


def _in_store(store: Path, sha256: str) -> tuple[str, bytes] | None:
    """The hash and the content of a file in the content-addressed store: its shards name the SHA-256 of each."""
    import hf_xet

    for shard in store.rglob("*.mdb"):
        content, place = shard.read_bytes(), 48  # after the header
        while content[place : place + 32] != b"\xff" * 32:
            flags, entries = struct.unpack_from("<II", content, place + 32)
            checked = bool(flags & 1 << 31)
            end = place + 48 * (1 + entries * (1 + checked))
            size = sum(struct.unpack_from("<I", content, place + 48 * (1 + n) + 36)[0] for n in range(entries))
            if flags & 1 << 30 and _words(content[end : end + 32]) == sha256:
                name = _words(content[place : place + 32])
                target = store / f"{sha256}.out"
                with hf_xet.XetSession().new_file_download_group(endpoint=f"local://{store}", token="any") as group:
                    group.start_download_file(hf_xet.XetFileInfo(name, size), str(target))
                return name, target.read_bytes()
            place = end + (48 if flags & 1 << 30 else 0)
    return None


def _kind_and_name(repo: str) -> tuple[str, str]:
    kind, _, name = repo.partition("/") if repo.count("/") == 2 else ("models", "", repo)
    return kind, name


def _words(digest: bytes) -> str:
    """The store writes a hash as four little-endian words."""
    return "".join(digest[i : i + 8][::-1].hex() for i in range(0, 32, 8))


def _at(here: Repository, revision: str) -> Commit:
    commit = here.find(revision)
    if commit is None:
        raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return commit


def _entry(path: str, stored: Stored) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(stored.content), "oid": stored.blob_id}
    if stored.large:
        entry["lfs"] = stored.lfs
    if stored.xet:
        entry["xetHash"] = stored.xet
    return entry


def _folders(paths: list[str]) -> list[dict[str, Any]]:
    folders = {str(parent) for path in paths for parent in Path(path).parents} - {"."}
    return [{"type": "directory", "path": folder, "oid": "0" * 40, "size": 0} for folder in sorted(folders)]


def _refs(kind: str, named: dict[str, Commit]) -> list[dict[str, str]]:
    return [
        {"name": name, "ref": name if kind == "pr" else f"refs/{kind}/{name}", "targetCommit": commit.oid}
        for name, commit in named.items()
    ]


def _mode(path: str, files: dict[str, Stored]) -> dict[str, Any]:
    old, large = files.get(path), path.endswith(_LARGE)
    oid = None if old is None else old.sha256 if large else old.blob_id
    return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}


def _runtime(here: Repository) -> dict[str, Any]:
    return {"stage": "RUNNING", "hardware": {"current": None, "requested": here.hardware}, "storage": None}


def _check_card(wanted: dict[str, Any], plain: bool) -> Response:
    """What the Hub refuses in a card: no YAML, or none of the licences that it knows. `plain` asks for words alone."""
    found = re.match(r"---\n(.*?)\n---", wanted["content"], re.S)
    if not found:
        return JSONResponse({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    errors = []
    try:
        card = yaml.safe_load(found[1])
        if not re.fullmatch(r"[a-z0-9.+-]+", str(card.get("license", "other"))):
            errors.append({"message": '"license" must be one of [apache-2.0, mit, other, …]'})
        if wanted["repoType"] == "space" and card.get("sdk") not in ("gradio", "docker", "static"):
            errors.append({"message": '"sdk" must be one of [gradio, docker, static]'})
    except yaml.YAMLError:
        errors.append({"message": "Invalid YAML"})
    if plain:
        return Response(
            "\n".join(error["message"] for error in errors), 400 if errors else 200, media_type="text/plain"
        )
    return JSONResponse({"errors": errors, "warnings": []}, 400 if errors else 200)


def _file(request: Request, content: bytes, etag: str, headers: dict[str, str] | None = None) -> Response:
    headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **(headers or {})}
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if found:
        start, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return Response(content[start : end + 1], 206, headers, "application/octet-stream")
    return Response(content, 200, headers, "application/octet-stream")


def _error(refused: _Refused, headers: dict[str, str] | None = None) -> Response:
    headers = dict(headers or {})
    if refused.code:
        headers["X-Error-Code"] = refused.code
    if refused.message:
        headers["X-Error-Message"] = refused.message
    return JSONResponse({"error": refused.message}, refused.status, headers)


def _faulty(send: Any, kind: int | str | None) -> Any:
    """`send` with the fault `kind` in the body."""

    async def faulty(message: dict[str, Any]) -> None:
        body = message.get("body") or b""
        if message["type"] != "http.response.body" or not body:
            await send(message)
        elif kind == "wrong":
            await send({**message, "body": bytes([byte ^ 1 for byte in body[:64]]) + body[64:]})
        elif kind == "cut":
            await send({**message, "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.05)  # else the connection may close before it is written
            raise ConnectionAbortedError
        else:
            for i in range(0, len(body), 16):
                await send({**message, "body": body[i : i + 16], "more_body": True})
                await asyncio.sleep(0.5)
            await send({**message, "body": b"", "more_body": False})

    return faulty if kind in ("slow", "cut", "wrong") else send


@contextmanager
def serve(folder: Path, *, xet: bool = True, part: int | None = None) -> Iterator[Hub]:
    """A Hub on a free port, in a thread of its own; `folder` is for what it stores. Stopped at the end."""
    hub = Hub(folder, xet=xet, part=part)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    hub.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    configuration = uvicorn.Config(
        hub, log_config=None, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield hub
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
