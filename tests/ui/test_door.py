"""The door of the running app: what is closed, limits of size, time and number, and headers on every answer."""

import asyncio
import http.client
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn import Config

import app
from detector import Detector, settings
from detector.errors import SettingError
from tests.support.running_app import (
    ASTRONAUT,
    RunningApp,
    answer,
    changed,
    free_port,
    give,
    limited,
    post,
    serve,
    until,
)
from tests.ui.test_app import upload
from tests.ui.test_http_api import ask
from ui import door, rate_limit, server, uploads
from ui.door import Door

if TYPE_CHECKING:
    from playwright.sync_api import Page

CALL = "/gradio_api/call/detect"
JSON = {"Content-Type": "application/json"}


def address(app: RunningApp) -> tuple[str, int]:
    parts = urlsplit(app.url)
    return parts.hostname or "", parts.port or 0


# --- What is closed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=http://127.0.0.1:9/x", "/gradio_api/file=https://example.org/x.png",
     "/gradio_api/file=/etc/passwd", "/gradio_api/file=.", "/gradio_api/file/etc/passwd", "/gradio_api/proxy=https://example.org/",
     "/gradio_api/process_recording", "/gradio_api/component_server", "/gradio_api/deep_link?session_hash=a",
     "/monitoring", "/login", "/openapi.json", "//config", "/gradio_api/../login"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_closed(running_app: RunningApp, path: str) -> None:
    for body in (None, b"{}"):
        answered = ask(running_app.url + path, body, JSON)
        assert answered.status == 404 and answered.json == {"detail": "There is nothing at this address."}


class _Listener:
    """An address that somebody may be made to ask."""

    def __enter__(self) -> "_Listener":
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(3)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/a.jpg"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def was_asked(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except TimeoutError:
            return False
        return True


def test_no_address_is_fetched(running_app: RunningApp) -> None:
    meta = {"meta": {"_type": "gradio.FileData"}}
    with _Listener() as listener:
        for named in (listener.url, "http://localhost.example.org/", "https://example.org/a.jpg"):
            ways = ({"path": named, **meta}, {"path": named}, {"url": named}, {"path": None, "url": named, **meta})
            for picture in ways:
                assert uploads.NO_PICTURE in post(running_app, picture)
        assert not listener.was_asked()


@pytest.mark.slow
def test_gradio_is_handed_no_address(monkeypatch: pytest.MonkeyPatch, detector: Detector) -> None:
    """It would fetch these: it knows private networks, and neither that of shared addresses nor a limit of size."""
    asked: list[str] = []

    async def fetch(url: str, cache_dir: str) -> str:
        asked.append(url)
        raise OSError

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    blocks = app.build(lambda: detector)
    function = next(fn for fn in blocks.fns.values() if fn.api_name == "detect")
    for named in ("https://example.org/a.jpg", "http://100.100.100.200/latest/meta-data"):
        given = [{"path": named, "meta": {"_type": "gradio.FileData"}}]
        with ThreadPoolExecutor(1) as beside:
            [received] = beside.submit(asyncio.run, blocks.preprocess_data(function, given, None)).result()
        assert received["path"] is None
    assert asked == []


def test_a_path_that_is_no_file_sent_is_refused(running_app: RunningApp) -> None:
    """gradio would list the folder for deletion, and never delete anything again."""
    sent = upload(running_app, ASTRONAUT.read_bytes())
    folder = sent.rpartition("/")[0]
    for path in (folder, str(running_app.cache), f"{sent}/..", f"{folder}/../..", "", "\0"):
        for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
            assert uploads.NO_PICTURE in post(running_app, {"path": path, **meta})
    assert "sha256" in post(running_app, {"path": sent, "meta": {"_type": "gradio.FileData"}})


# --- How much, how slowly, how often ----------------------------------------------------------------------------------


def answered(app: RunningApp, path: str, kind: str, chunk: bytes, times: int) -> tuple[int, bytes, int]:
    """Send `chunk` again and again, without a length, until there is an answer: its status, its body, the chunks."""
    asking = http.client.HTTPConnection(*address(app), timeout=60)
    asking.putrequest("POST", path)
    asking.putheader("Content-Type", kind)
    asking.putheader("Transfer-Encoding", "chunked")
    asking.endheaders()
    sent = 0
    while sent < times:
        try:
            asking.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        except OSError:
            break
        sent += 1
        asking.sock.setblocking(False)
        try:
            if asking.sock.recv(1, socket.MSG_PEEK):
                break
        except BlockingIOError:
            time.sleep(0.002)
        finally:
            asking.sock.settimeout(60)
    if sent == times:
        asking.send(b"0\r\n\r\n")
    response = asking.getresponse()
    told = response.status, response.read(), sent
    asking.close()
    return told


FIELD = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n'


@pytest.mark.parametrize(
    ("path", "kind", "first", "chunk", "status"),
    [(CALL, "application/json", b"", b" " * 1_000_000, 413), (CALL, "application/json", b"", b"[]," * 300_000, 413),
     (CALL, "text/plain", b"", b"x" * 1_000_000, 413),
     ("/gradio_api/queue/join", "application/json", b"", b"[" * 99_999, 413),
     ("/gradio_api/cancel", "application/json", b"", b" " * 9_000, 413),
     ("/gradio_api/mcp/", "application/json", b"", b" " * 1_000_000, 413),
     ("/api/detect", "image/jpeg", b"", b"x" * 1_000_000, 413), ("/", "text/plain", b"", b"x" * 1_000_000, 404),
     ("/gradio_api/upload", "multipart/form-data; boundary=x", FIELD, b"x" * 1_000_000, 400)],
)  # fmt: skip
def test_a_body_without_end_costs_little(
    running_app: RunningApp, path: str, kind: str, first: bytes, chunk: bytes, status: int
) -> None:
    """300 of them would come."""
    server, most = psutil.Process(running_app.pid), 0
    before, done = server.memory_info().rss, threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, server.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        told, body, sent = answered(running_app, path, kind, first + chunk, 300)
    finally:
        done.set()
        thread.join()
    assert told == status and sent < 60 and most - before < 200e6
    assert b"Traceback" not in body and b"  File" not in body


def test_an_upload_is_files_and_so_many(running_app: RunningApp) -> None:
    before = set(running_app.cache.rglob("tmp*"))
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a.png"\r\n\r\nx\r\n'
    for body in (part % b"files" * 201, part % b"files" * 3 + b"--x\r\nContent-Disposition: form-data; name", FIELD):
        assert ask(f"{running_app.url}/gradio_api/upload", body, kind).status in (200, 400)
    body = part % b"other" + b"--x--\r\n"
    assert ask(f"{running_app.url}/gradio_api/upload", body, kind).json == []
    assert set(running_app.cache.rglob("tmp*")) <= before, "nothing of them is left"


def test_who_still_sends_reads_why_it_is_refused(running_app: RunningApp) -> None:
    """A client that closes its connection after each answer finds no broken one in the middle of a photograph."""
    for _ in range(3):
        with closing(http.client.HTTPConnection(urlsplit(running_app.url).netloc, timeout=60)) as connection:
            connection.request("POST", "/gradio_api/nothing", bytes(6_000_000), {"Connection": "close"})
            assert connection.getresponse().status == 404


def test_who_leaves_in_the_middle_leaves_nothing(running_app: RunningApp) -> None:
    before, log = set(running_app.cache.rglob("tmp*")), running_app.log
    for _ in range(5):
        with socket.create_connection(address(running_app)) as sending:
            sending.send(b"POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n")
            sending.send(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
            sending.send(FIELD.replace(b'"files"', b'"files"; filename="a.jpg"') + bytes(300_000))
            time.sleep(0.2)
    until(lambda: set(running_app.cache.rglob("tmp*")) <= before)
    assert "Traceback" not in running_app.log.removeprefix(log)


def test_a_slow_request_ends(running_app: RunningApp) -> None:
    """Its first lines after ten seconds, whether they drip or not, and a connection that has had an answer, too."""
    begun, ended = time.monotonic(), threading.Event()
    sockets = [socket.create_connection(address(running_app), timeout=90) for _ in range(3)]
    sockets[1].send(b"GET / HTTP/1.1\r\n")
    sockets[2].send(b"GET /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"200 OK" in sockets[2].recv(100_000)
    sockets[2].send(b"GET")

    def drip() -> None:
        while not ended.wait(0.5):
            for one in sockets[1:]:
                with suppress(OSError):
                    one.send(b"a")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        for one in sockets:
            with suppress(ConnectionResetError):
                while one.recv(100_000):  # a TimeoutError where it does not end
                    pass
        assert time.monotonic() - begun > 8
    finally:
        ended.set()
        dripping.join()
        for one in sockets:
            one.close()


def through_a_door(app: Any, body: AsyncIterator[bytes], path: str = "/api/detect") -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(Door(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, content=body)

    with ThreadPoolExecutor(1) as beside:  # the browser has a loop in this thread
        return beside.submit(asyncio.run, go()).result()


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()
    await PlainTextResponse("read")(scope, receive, send)


@pytest.mark.parametrize("path", ["/api/detect", "/gradio_api/upload", CALL])
def test_a_body_that_drips_ends(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.2)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b"x"
            await asyncio.sleep(0.1)

    response = through_a_door(reads_all, drip(), path)
    assert response.status_code == 408 and "took too long to arrive" in response.text
    if path.startswith("/api"):
        assert response.json()["error"]["code"] == "timeout"


def test_what_comes_steadily_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.2)

    async def steadily() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(100_000)  # two seconds' worth
            await asyncio.sleep(0.1)

    assert through_a_door(reads_all, steadily()).text == "read"


def test_who_takes_nothing_of_an_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READER_SECONDS", 0.5)
    gone = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        waiting = asyncio.ensure_future(receive())
        while not waiting.done():
            await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        gone.set()

    running = server.Server(Config(endless, port=free_port(), lifespan="off", log_level="critical"))
    running.run_in_thread()
    try:
        with socket.create_connection(("127.0.0.1", running.config.port)) as reader:
            reader.send(b"GET /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            assert gone.wait(60)
    finally:
        running.close()
        running.thread.join()


def test_who_takes_an_answer_slowly_gets_it() -> None:
    """However long it takes, as long as there is some of it every minute."""
    waiting, dropped, left = [], [], [900_000.0]
    connection = server.Connection.__new__(server.Connection)
    connection.loop = SimpleNamespace(call_later=lambda _, *call: waiting.append(call) or SimpleNamespace(cancel=list))
    connection.transport = SimpleNamespace(get_write_buffer_size=lambda: left[0], abort=lambda: dropped.append(1))
    connection.watch_reader()
    for left[0] in (700_000, 550_000, 440_000, 400_000):
        assert not dropped
        look, *most = waiting.pop()
        look(*most)
    assert dropped and not waiting


@pytest.mark.slow
def test_more_connections_than_files_may_be_open_change_nothing() -> None:
    """1,400 that say nothing or half a line: who asks is answered, and the log is not filled."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    few = changed("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))")
    with serve(command=few) as app:
        crowd = [socket.create_connection(address(app), timeout=30) for _ in range(1400)]
        try:
            for one in crowd[::2]:
                with suppress(OSError):
                    one.send(b"POST /api/detect HTTP/1.1\r\nHost")
            for _ in range(5):
                assert ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes()).status == 200
            assert psutil.Process(app.pid).num_fds() < 700
        finally:
            for one in crowd:
                one.close()
        assert len(app.log) < 5000 and "Too many open files" not in app.log


@pytest.mark.slow
def test_one_visitor_has_so_many_requests_at_once(running_app: RunningApp) -> None:
    streams = []
    for number in range(door.AT_ONCE):
        one = http.client.HTTPConnection(*address(running_app), timeout=60)
        one.request("GET", f"/gradio_api/heartbeat/many{number}")
        streams.append((one, one.getresponse()))
    assert ask(f"{running_app.url}/robots.txt").status == 429
    other = http.client.HTTPConnection(*address(running_app), timeout=60, source_address=("127.0.0.9", 0))
    other.request("GET", "/robots.txt")
    assert other.getresponse().status == 200, "others are not kept out"
    other.close()
    for one, _ in streams:
        one.close()
    until(lambda: ask(f"{running_app.url}/robots.txt").status == 200)


@pytest.mark.slow
def test_uploads_count_too() -> None:
    with limited(per_minute=2, DETECTOR_BATCHES_PER_MINUTE="1", DETECTOR_MEGABYTES_PER_MINUTE="3") as app:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'

        def send(size: int, source: str) -> tuple[int, str, str | None]:
            asking = http.client.HTTPConnection(*address(app), timeout=60, source_address=(source, 0))
            asking.request("POST", "/gradio_api/upload", head + bytes(size) + b"\r\n--x--\r\n", kind)
            response = asking.getresponse()
            told = response.status, response.read().decode(), response.headers["Retry-After"]
            asking.close()
            return told

        assert [send(10, "127.0.0.2")[0] for _ in range(3)] == [200] * 3
        status, said, wait = send(10, "127.0.0.2")
        assert status == 429 and said.startswith("That was more than 3 uploads in a minute") and int(wait) > 0
        assert send(2_000_000, "127.0.0.3")[0] == 200
        status, said, _ = send(2_000_000, "127.0.0.3")
        assert status == 429 and said.startswith("That was more than 3 megabytes in a minute")


@pytest.mark.parametrize(
    ("address", "visitor"),
    [("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"),
     ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
     ("2001:db8:1:2::1", "2001:db8:1:2::/64"), ("2001:db8:1:3::1", "2001:db8:1:3::/64"), ("unix:", "unix:")],
)  # fmt: skip
def test_who_counts_as_one(address: str, visitor: str) -> None:
    assert rate_limit.visitor_of(HTTPConnection({"type": "http", "client": (address, 1)})) == visitor


# --- Headers ----------------------------------------------------------------------------------------------------------


def test_every_answer_has_them(running_app: RunningApp) -> None:
    sent = upload(running_app, ASTRONAUT.read_bytes())
    pages = ["/", "/config", "/api/docs", "/api/nothing", "/nothing", "/theme.css", f"/gradio_api/file={sent}"]
    for page in pages:
        headers = ask(running_app.url + page).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors" in headers["Content-Security-Policy"], page
    assert "sandbox" in headers["Content-Security-Policy"] and "no-store" in headers["Cache-Control"]
    nonces = {ask(running_app.url).headers["Content-Security-Policy"].partition("nonce-")[2][:20] for _ in range(3)}
    assert len(nonces) == 3


@pytest.mark.parametrize("path", ["/login", "/api/detect", "/gradio_api/upload", CALL])
def test_a_refusal_can_be_read_where_an_answer_could(running_app: RunningApp, path: str) -> None:
    """By a page that runs elsewhere on this machine; a stranger's may not ask a detector on localhost."""
    for origin, allowed in (("http://localhost:3000", "http://localhost:3000"), ("https://example.org", None)):
        asking = http.client.HTTPConnection(*address(running_app), timeout=60)
        asking.request("POST", path, headers={"Origin": origin, "Content-Length": "3000000000"})
        refused = asking.getresponse()
        assert refused.status in (404, 413) and refused.headers["Access-Control-Allow-Origin"] == allowed
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
        asking.close()


def test_what_is_not_of_the_page_does_not_run(look: Callable[..., "Page"], running_app: RunningApp) -> None:
    page = look()
    give(page, ASTRONAUT)
    answer(page)
    violations = page.evaluate(
        """async () => {
        const seen = []; document.addEventListener('securitypolicyviolation', e => seen.push(e.effectiveDirective));
        const script = document.createElement('script'); script.textContent = 'window.ran = true';
        document.head.append(script);
        document.body.insertAdjacentHTML('beforeend', '<img src="data:x" onerror="window.ran = true">');
        await fetch('https://example.org/').catch(() => 0);
        await new Promise(done => setTimeout(done, 500));
        return [seen, window.ran ?? null] }"""
    )
    assert violations[1] is None
    assert {"script-src-elem", "script-src-attr", "connect-src"} <= set(violations[0])


def test_the_page_breaks_none_of_its_own_rules(look: Callable[..., "Page"], running_app: RunningApp) -> None:
    said: list[str] = []
    page = look()
    page.on("console", lambda message: said.append(message.text))
    page.reload()
    give(page, ASTRONAUT)
    answer(page)
    page.locator("#marked img").wait_for()
    for tab in ("Batch", "Game", "About"):
        page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(500)
    page.goto(f"{running_app.url}/api/docs")
    assert [text for text in said if "Content Security Policy" in text or "404" in text] == []


@pytest.mark.parametrize(
    ("given", "space", "expected"),
    [("", "", "'self'"), ("", "owner/name", "'self' https://huggingface.co"), ("*", "", "*"),
     ("'none'", "", "'none'"), ("https://*.example.org https://a.b:8443", "", "https://*.example.org https://a.b:8443")],
)  # fmt: skip
def test_who_may_frame_the_page_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, given: str, space: str, expected: str
) -> None:
    monkeypatch.setenv("DETECTOR_FRAME_ANCESTORS", given)
    monkeypatch.setenv("SPACE_ID", space)
    assert settings.read().frame_ancestors == expected
    assert door.policy().endswith(f"frame-ancestors {expected}")


@pytest.mark.parametrize("given", ["https://a; script-src *", "https://a, b", "example.org\r\nX: 1", "*\n"])
def test_no_other_rule_comes_in_with_it(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DETECTOR_FRAME_ANCESTORS", given)
    if given.strip() == "*":
        assert settings.read().frame_ancestors == "*"
        return
    with pytest.raises(SettingError, match="DETECTOR_FRAME_ANCESTORS must name"):
        settings.read()
