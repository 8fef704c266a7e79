"""Files of a repository on the Hub, checked and kept: within a bounded time, or a reason why not. snapshot_download
alone bounds no time and compares no hashes.

The client library is imported when it is needed, since it takes longer to import than a picture takes to judge.
"""

import hashlib
import io
import os
import queue
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from detector import files
from detector.errors import ModelError

T = TypeVar("T")

WITHIN = 25.0  # seconds for all requests of a start together
_TIMEOUT = 10.0  # seconds without a byte from the server
WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds before each new attempt
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubTrouble(Exception):
    """The Hub could not be asked for now. The message is a clause, to follow "because". `wait` is how many seconds the
    Hub asks for before the next attempt, None where another attempt is of no use."""

    def __init__(self, reason: str, wait: float | None = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Snapshot:
    """Files of a repository at the commit `revision`, in `folder`. The cache owns them: they are only read."""

    folder: Path
    revision: str


def parse(text: str) -> tuple[str, str | None] | None:
    """(repository, revision or None) of `owner/name` or `owner/name@revision`; None for what has another form."""
    repo, at, revision = text.partition("@")
    if not _NAME.fullmatch(repo) or (at and not _REVISION.fullmatch(revision)):
        return None
    return repo, revision or None


def is_commit(revision: str) -> bool:
    """Whether the revision can never name anything else."""
    return _COMMIT.fullmatch(revision) is not None


def pull(
    repo: str,
    revision: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    check: Callable[[Path], Iterable[str]],
    limit: int,
    refresh: bool = False,
) -> Snapshot:
    """The files at what `revision`, a branch, tag or commit, means now; those that the cache has are not sent again,
    unless `refresh` is set. Every file is compared with the hash that the Hub lists.

    `check` is called with the folder when the first required file is there, before the others are fetched, and names
    further files that are required; `limit` is the largest size of a file, in bytes. Raises ModelError where the Hub
    refuses or has no such thing, HubTrouble where it could not be asked within WITHIN seconds. A download that is late
    goes on in the background, for the next call.
    """

    def attempt() -> Snapshot:
        try:
            return _pull(repo, revision, required, optional, check, limit, refresh)
        except (ModelError, HubTrouble):
            raise
        except Exception as error:
            raise explain(error, repo, revision) from error

    with _lock:
        if repo in late_downloads and late_downloads[repo].is_alive():
            raise HubTrouble("an earlier download of it is still going on", None)
    try:
        return within(WITHIN, lambda stop: retried(attempt, stop))
    except Late as late:
        with _lock:
            late_downloads[repo] = late.thread
        raise HubTrouble(f"the Hub did not send it within {WITHIN:.0f} seconds", None) from None


_lock = threading.Lock()
late_downloads: dict[str, threading.Thread] = {}


class Late(Exception):
    """No answer within the time; `thread` is still at it."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self.thread = thread


@dataclass(frozen=True)
class _Failed:
    error: BaseException


def within(seconds: float, attempt: Callable[[threading.Event], T]) -> T:
    """The answer of `attempt`, in a thread that can be left behind: a server may drip bytes for ever. The event that it
    is given is set then. Raises Late, or what `attempt` raises."""
    answers: queue.SimpleQueue[T | _Failed] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            answers.put(attempt(stop))
        except BaseException as error:  # the native part of the client raises such
            answers.put(_Failed(error))

    thread = threading.Thread(target=work, daemon=True, name="hub")
    thread.start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        stop.set()
        raise Late(thread) from None
    if isinstance(answer, _Failed):
        raise answer.error
    return answer


def retried(attempt: Callable[[], T], stop: threading.Event | None = None) -> T:
    """What `attempt` returns, tried again after each of WAITS for as long as it raises HubTrouble that may pass."""
    stop = stop or threading.Event()
    for pause in WAITS:
        try:
            return attempt()
        except HubTrouble as trouble:
            if trouble.wait is None or trouble.wait > _TIMEOUT or stop.wait(max(pause, trouble.wait)):
                raise
    return attempt()


def _pull(
    repo: str,
    revision: str,
    required: Sequence[str],
    optional: Sequence[str],
    check: Callable[[Path], Iterable[str]],
    limit: int,
    refresh: bool,
) -> Snapshot:
    from huggingface_hub import HfApi

    api = HfApi()
    info = api.model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT)
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}

    def check_listed(names: Iterable[str]) -> None:
        for name in names:
            if name not in listed:
                raise ModelError(
                    f"{repo} on the Hub has no {name}, so it is not a model for this detector: check the name."
                )
            if (listed[name].size or 0) > limit:
                raise ModelError(f"{name} of {repo} is larger than any model should be: it was not loaded.")

    names = [*required, *(name for name in optional if name in listed)]
    check_listed(names)
    for number, name in enumerate(names):
        path = Path(api.hf_hub_download(repo, name, revision=info.sha, force_download=refresh))
        if not is_as_listed(path, listed[name]):
            drop(path)
            raise HubTrouble("other bytes arrived than the Hub lists")
        if number == 0:
            further = [name for name in check(path.parent) if name not in names]
            check_listed(further)
            names += further
    return Snapshot(path.parent, info.sha or path.parent.name)


def drop(path: Path) -> None:
    """Take a file out of the cache, which keeps its bytes elsewhere."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def is_as_listed(content: bytes | Path, sibling: Any) -> bool:
    """Whether bytes, or a file of any size, are what the Hub lists as `sibling` (huggingface_hub.hf_api.RepoSibling,
    with its metadata)."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as opened:
        if sibling.lfs is not None:
            return hashlib.file_digest(opened, "sha256").hexdigest() == str(sibling.lfs.sha256)
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        head = b"blob %d\0" % size  # git names a file by the hash of this and its bytes
        blob = hashlib.file_digest(opened, lambda: hashlib.sha1(head, usedforsecurity=False))
    return sibling.blob_id is None or blob.hexdigest() == str(sibling.blob_id)


def remember(snapshot: Snapshot, revision: str) -> None:
    """Note in the cache that `revision` means this snapshot, for when the Hub is away. Only a snapshot that was found
    whole and usable should be."""
    if is_commit(revision):
        return
    reference = snapshot.folder.parent.parent / "refs" / revision
    try:
        reference.parent.mkdir(parents=True, exist_ok=True)
        files.write(reference, snapshot.revision.encode())
    except OSError:  # a cache that may only be read serves as well
        pass


def cached(repo: str, revision: str, required: Sequence[str]) -> Snapshot | None:
    """What is kept of `revision` from before, None where a file is missing. Asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name, revision=revision) for name in required]
    paths = [path for path in found if isinstance(path, str)]
    if len(paths) < len(found):
        return None
    folder = Path(paths[0]).parent
    return Snapshot(folder, folder.name)


def explain(error: Exception, repo: str, revision: str | None = None) -> ModelError | HubTrouble:
    """What a failed call of the client means: a refusal that lasts, or trouble that may pass."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, ConnectionError) and (told := re.search(r"\((\d{3}) ", str(error))):
        status = int(told[1])  # the native part of the client tells it in words only
    refusal = _refusal(error, status, repo, revision)
    return ModelError(refusal) if refusal else _trouble(error, status)


def _refusal(error: Exception, status: int | None, repo: str, revision: str | None) -> str | None:
    from huggingface_hub import errors, get_token

    match error:
        case errors.GatedRepoError():
            return f"{repo} on the Hub asks to accept its terms first: do so on its page, and set HF_TOKEN."
        case errors.RepositoryNotFoundError() if get_token():
            return f"The Hub has no {repo}, or your token may not see it: check the name and the token."
        case errors.RepositoryNotFoundError():
            return f"The Hub has no public {repo}: check the name, or set HF_TOKEN if it is private."
        case errors.RevisionNotFoundError():
            return f"{repo} has no revision {revision}: name a branch, a tag or a whole commit."
        case errors.DisabledRepoError():
            return f"The Hub has closed {repo}: choose another model."
        case errors.HFValidationError():
            return f"{repo} is not a valid name on the Hub: write owner/name or owner/name@revision."
        case errors.HfHubHTTPError() | ConnectionError() if status == 401:
            return "The Hub rejects your token: make a new one and set HF_TOKEN."
        case errors.HfHubHTTPError() | ConnectionError() if status == 403:
            return f"Your token may not do this with {repo}: use one that may."
    return None


def _trouble(error: Exception, status: int | None) -> HubTrouble:
    import httpx2
    from huggingface_hub import errors

    match error:
        case errors.OfflineModeIsEnabled():
            return HubTrouble("HF_HUB_OFFLINE is set", None)
        case errors.HfHubHTTPError():
            after = error.response.headers.get("retry-after", "")
            lasting = status is not None and status < 500 and status not in (408, 429)
            wait = None if lasting else float(after) if after.isdigit() else 0.0
            return HubTrouble(f"the Hub answered with error {status}", wait)
        case httpx2.TimeoutException():
            return HubTrouble("the Hub did not answer in time")
        case httpx2.ConnectError():
            return HubTrouble("the Hub could not be reached")
        case httpx2.HTTPError() | errors.LocalEntryNotFoundError() | ConnectionError():
            return HubTrouble("the connection to the Hub broke")
        case OSError(errno=int()):
            return HubTrouble("the cache of downloads could not be written", None)
    return HubTrouble("what the Hub sent could not be used")
