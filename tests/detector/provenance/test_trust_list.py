"""Where the trust list comes from: a server on the loopback that is well, away, slow or bad, a file, and the cache."""

import datetime
import http.server
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from detector.errors import SettingError
from detector.provenance import ListOwner, Signature, read, trust_list
from detector.provenance.trust_list import FetchedList, FileList, parse
from tests.support.credentials import Authority, signed
from tests.support.marked_files import AI, save
from tests.support.running_app import free_port

TODAY = datetime.datetime.now(datetime.UTC).date().isoformat()
Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Answers as `respond` does; `asked` are the paths so far."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.respond: Respond = lambda handler: None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.respond(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def sends(self, **files: bytes) -> "Server":
        """The files, by their paths without the slash; 404 for others."""

        def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
            body = files.get(handler.path.strip("/"))
            handler.send_response(404 if body is None else 200)
            handler.send_header("Content-Length", str(len(body or b"")))
            handler.end_headers()
            handler.wfile.write(body or b"")

        self.respond = respond
        return self

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def clock() -> Authority:
    return Authority("Clock", "Clock Root")


@pytest.fixture(scope="module")
def picture(authority) -> bytes:
    return signed(authority.signer(), save("JPEG"), "image/jpeg", [AI])


def source(server: Server, folder: Path | None) -> FetchedList:
    return FetchedList(ListOwner.C2PA, [f"{server.url}/signers", f"{server.url}/clocks"], folder)


def kept(folder: Path) -> Path:
    (path,) = folder.glob("*.json")
    return path


def test_it_is_fetched_once_and_kept_with_its_date(server, authority, clock, picture, tmp_path):
    server.sends(signers=b"Subject\tCN=Example\r\n" + authority.pem, clocks=clock.pem + authority.pem)
    first = source(server, tmp_path)
    for _ in range(3):
        (finding,) = read(picture, "JPEG", first)
        assert finding.signature is Signature.TRUSTED
        assert finding.trust_list.owner == "c2pa" and finding.trust_list.date == TODAY
    again = source(server, tmp_path).current()  # as the next process finds it
    assert again == first.current() and server.asked == ["/signers", "/clocks"]
    assert again.signers.encode().strip() == authority.pem.strip()
    assert again.time_stamps.encode().strip() == clock.pem.strip()  # what is on both is a signer's authority


def test_nothing_is_fetched_before_there_is_a_need(server, tmp_path):
    assert read(save("JPEG"), "JPEG", source(server, tmp_path)) == () and server.asked == []


def test_it_is_refreshed_after_a_day(server, authority, clock, tmp_path):
    server.sends(signers=clock.pem, clocks=clock.pem)
    assert clock.pem.decode().strip() in source(server, tmp_path).current().signers
    age(kept(tmp_path), trust_list.FRESH + 60)
    server.sends(signers=authority.pem, clocks=clock.pem)
    assert authority.pem.decode().strip() in source(server, tmp_path).current().signers
    assert len(server.asked) == 4


def age(path: Path, seconds: float) -> None:
    """Make what is kept, and the note of the last attempt, older."""
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, "fetched": content["fetched"] - seconds}))
    marker = path.with_suffix(".tried")
    os.utime(marker, (time.time() - seconds, time.time() - seconds))


def test_an_old_list_serves_while_the_server_is_away(server, authority, clock, picture, tmp_path):
    server.sends(signers=authority.pem, clocks=clock.pem)
    source(server, tmp_path).current()
    age(kept(tmp_path), 3 * 86400)
    server.sends()
    (finding,) = read(picture, "JPEG", source(server, tmp_path))
    assert finding.signature is Signature.TRUSTED and finding.trust_list.date < TODAY


def garbage(authority: Authority) -> dict[str, Respond]:
    def body(status: int, content: bytes, **headers: str) -> Respond:
        def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        return respond

    damaged = authority.pem.replace(b"MII", b"MIA", 1)
    return {
        "not found": body(404, authority.pem),
        "elsewhere": body(302, authority.pem, Location="/signers"),
        "a page": body(200, b"<html>Log in to the network</html>"),
        "nothing": body(200, b""),
        "no certificate": body(200, authority.pem.replace(b"CERTIFICATE", b"PRIVATE KEY")),
        "damaged": body(200, authority.pem + damaged),
        "cut off": body(200, authority.pem[: len(authority.pem) // 2]),
        "too large": body(200, authority.pem + b"\n" * trust_list.MAX_BYTES),
        "packed": body(200, b"\x1f\x8b" + bytes(1000), **{"Content-Encoding": "gzip"}),
        "hung up": lambda handler: handler.connection.close(),
    }


@pytest.mark.parametrize("kind", garbage(Authority()))
def test_what_is_no_list_is_not_kept(kind, server, authority, picture, tmp_path, caplog):
    server.respond = garbage(authority)[kind]
    this = source(server, tmp_path)
    for _ in range(3):
        (finding,) = read(picture, "JPEG", this)
        assert finding.signature is Signature.UNCHECKED
    assert len(server.asked) == 1 and not list(tmp_path.glob("*.json"))  # and it is not asked again
    assert "trust list could not be fetched" in caplog.text


def test_a_server_that_is_away_costs_no_time_and_is_asked_again_later(authority, clock, server, tmp_path, monkeypatch):
    address = f"http://127.0.0.1:{free_port()}/signers"
    this = FetchedList(ListOwner.C2PA, [address], tmp_path)
    started = time.monotonic()
    assert this.current() is this.current() is None
    assert time.monotonic() - started < 60
    this.addresses = [f"{server.url}/signers"]  # it is there again
    server.sends(signers=authority.pem)
    assert this.current() is None and server.asked == []
    monkeypatch.setattr(trust_list, "RETRY", 0.0)
    assert this.current() is not None


def test_another_process_does_not_ask_again_either(server, authority, tmp_path):
    server.sends()
    assert source(server, tmp_path).current() is None and len(server.asked) == 1
    (marker,) = tmp_path.glob("*.tried")
    os.utime(marker, (time.time() - 60, time.time() - 60))  # not just now, when all would try
    server.sends(signers=authority.pem, clocks=authority.pem)
    assert source(server, tmp_path).current() is None and len(server.asked) == 1
    os.utime(marker, (time.time() - 2 * trust_list.RETRY,) * 2)
    assert source(server, tmp_path).current() is not None


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trust list"]


def test_a_slow_server_holds_nobody_up_and_its_list_comes_later(server, authority, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(trust_list, "WITHIN", 2.0)
    go_on = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for byte in authority.pem:
            handler.wfile.write(bytes([byte]))
            go_on.wait(0.1)

    server.respond = drip
    this = source(server, tmp_path)
    started = time.monotonic()
    for _ in range(10):
        (finding,) = read(picture, "JPEG", this)
        assert finding.signature is Signature.UNCHECKED
    assert time.monotonic() - started < 10 * trust_list.WITHIN  # once, not for each
    go_on.set()
    for thread in fetching():
        thread.join(60)
    (finding,) = read(picture, "JPEG", this)
    assert finding.signature is Signature.TRUSTED and server.asked == ["/signers", "/clocks"]


def test_a_fetch_gives_up_at_last(server, authority, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(trust_list, "WITHIN", 0.3)
    monkeypatch.setattr(trust_list, "FETCHED_WITHIN", 1.0)
    stop = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not stop.wait(0.05):
            handler.wfile.write(b"\n")

    server.respond = drip
    this = source(server, tmp_path)
    assert this.current() is None
    [thread] = fetching()
    thread.join(20)
    stop.set()
    assert not thread.is_alive() and "could not be fetched" in caplog.text


def test_many_threads_fetch_once(server, authority, clock, tmp_path):
    server.sends(signers=authority.pem, clocks=clock.pem)
    this = source(server, tmp_path)
    with ThreadPoolExecutor(16) as pool:
        lists = list(pool.map(lambda _: this.current(), range(64)))
    assert len(set(lists)) == 1 and lists[0] is not None and len(server.asked) == 2


@pytest.mark.slow
def test_many_processes_share_what_one_keeps(server, authority, clock, picture, tmp_path):
    server.sends(signers=authority.pem, clocks=clock.pem)
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        said = pool.starmap(signature, [(server.url, tmp_path, picture)] * 12, chunksize=1)
    assert said == ["trusted"] * 12 and len(server.asked) <= 6
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".tried"]


def signature(url: str, folder: Path, picture: bytes) -> str:
    """In a process of its own."""
    trust_list.WITHIN = 30.0
    this = FetchedList(ListOwner.C2PA, [f"{url}/signers", f"{url}/clocks"], folder)
    (finding,) = read(picture, "JPEG", this)
    return str(finding.signature)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: path.write_text("[1]"),
        lambda path: path.write_text(path.read_text().replace("MII", "MIA")),
        lambda path: path.write_text(path.read_text().replace("http://", "http://else")),
        lambda path: path.write_text(path.read_text().replace('"fetched": ', '"fetched": NaN, "was": ')),
        lambda path: path.write_text(path.read_text().replace('"fetched": ', '"fetched": "x", "was": ')),
        lambda path: path.write_text(path.read_text().replace('"fetched": 1', '"fetched": 9')),  # the far future
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_cache_is_fetched_anew(change, server, authority, clock, tmp_path):
    server.sends(signers=authority.pem, clocks=clock.pem)
    source(server, tmp_path).current()
    change(kept(tmp_path))
    assert source(server, tmp_path).current().used.date == TODAY and len(server.asked) == 4


@pytest.mark.parametrize("folder", [None, Path(os.devnull, "cache")])
def test_without_a_cache_it_is_kept_in_memory(folder, server, authority, clock):
    server.sends(signers=authority.pem, clocks=clock.pem)
    this = source(server, folder)
    assert this.current() is this.current() is not None and len(server.asked) == 2


# --- A file of the administrator's -----------------------------------------------------------------------------------


def test_a_file_is_read_again_when_it_changes(authority, clock, picture, tmp_path):
    path = tmp_path / "own.pem"
    path.write_bytes(clock.pem)
    this = FileList(path)
    assert read(picture, "JPEG", this)[0].signature is Signature.UNKNOWN
    path.write_bytes(clock.pem + authority.pem)
    os.utime(path, (0, 1_700_000_000))
    (finding,) = read(picture, "JPEG", this)
    assert finding.signature is Signature.TRUSTED
    assert (finding.trust_list.owner, finding.trust_list.date) == ("administrator", "2023-11-14")
    assert "by a signer on the trust list set up here of 14 November 2023" in finding.meaning
    for break_it in (lambda: path.write_bytes(b"half a l"), path.unlink):
        break_it()
        assert read(picture, "JPEG", this)[0].signature is Signature.TRUSTED


def test_the_official_list_is_the_default_and_none_is_none(monkeypatch):
    monkeypatch.delenv(trust_list.SETTING)
    official = trust_list.from_environment()
    assert isinstance(official, FetchedList) and official is trust_list.from_environment()
    assert [address.rpartition("/")[2] for address in official.addresses] == [
        "C2PA-TRUST-LIST.pem",
        "C2PA-TSA-TRUST-LIST.pem",
    ]
    monkeypatch.setenv(trust_list.SETTING, "none")
    assert trust_list.from_environment() is None
    monkeypatch.setenv(trust_list.SETTING, "https://lists.example.org/own.pem")
    own = trust_list.from_environment()
    assert own.addresses == ["https://lists.example.org/own.pem"] and own.owner is ListOwner.ADMINISTRATOR


@pytest.mark.parametrize("setting", ["http://example.org/list.pem", "ftp://x", "/no/such/file", __file__, "nnoe"])
def test_a_wrong_setting_is_a_sentence(setting, monkeypatch, python, hopper):
    monkeypatch.setenv(trust_list.SETTING, setting)
    with pytest.raises(SettingError, match=r"^DETECTOR_TRUST_LIST [^/]+ https://|^DETECTOR_TRUST_LIST [^/]+\."):
        trust_list.from_environment()
    ran = python("-m", "detector", hopper, **{trust_list.SETTING: setting})
    assert ran.returncode == 2 and ran.stdout == ""
    assert ran.stderr.startswith("DETECTOR_TRUST_LIST") and ran.stderr.count("\n") == 1


def test_the_certificates_of_a_list(authority, clock):
    assert len(parse(authority.pem + b"\r\n# a line of text\n" + clock.pem)) == 2
    for nothing in (b"", b"text", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"):
        with pytest.raises(ValueError):
            parse(nothing)


@pytest.fixture(autouse=True)
def _patient(caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(trust_list, "WITHIN", 30.0)  # a busy machine may need seconds to import the HTTP client
