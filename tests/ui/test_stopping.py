"""SIGTERM and SIGINT: what has begun is answered, nothing else begins, and nothing of visitors stays."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.running_app import ASTRONAUT, PATIENCE, RunningApp, changed, serve
from tests.ui.test_app import upload
from tests.ui.test_batch import many
from tests.ui.test_http_api import ask

pytestmark = pytest.mark.slow


def patient(seconds: float) -> tuple[str, ...]:
    """The app with another time for those who have asked: pictures take long on a busy machine."""
    return changed(f"from ui import gradio_patches; gradio_patches.ANSWERING_SECONDS = {seconds}")


def ended(app: RunningApp) -> int | None:
    """Its exit status, when it has ended."""
    return psutil.Process(app.pid).wait(PATIENCE / 1000)


def files(app: RunningApp) -> list[Path]:
    return [path for path in app.cache.rglob("*") if not path.is_dir()]


def test_those_who_have_asked_are_answered(tmp_path: Path) -> None:
    with serve(command=patient(600)) as app:
        sent = upload(app, many(tmp_path, 6).read_bytes())
        batch = json.dumps({"data": [[{"path": sent, "orig_name": "many.zip"}]]}).encode()
        call = f"{app.url}/gradio_api/call/detect_batch"
        event = ask(call, batch, {"Content-Type": "application/json"}).json["event_id"]
        crowd = [let_in(app) for _ in range(4)]
        psutil.Process(app.pid).terminate()
        late = ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes())
        while late.status == 200:  # the signal was on its way
            late = ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes())
        assert (late.status, late.code) == (503, "stopping") and int(late.headers["Retry-After"]) > 0
        for one in crowd:
            one.send(ASTRONAUT.read_bytes())
        for one in crowd:
            response = http.client.HTTPResponse(one)
            response.begin()
            assert response.status == 200 and json.load(response)["faces"]
            one.close()
        told = ask(f"{call}/{event}").body.decode()
        assert len(json.loads(told.partition("event: complete\ndata: ")[2])[0]) == 6
        assert ended(app) == 0 and files(app) == [] and "Traceback" not in app.log


def begun(app: RunningApp, path: str) -> http.client.HTTPConnection:
    """Whoever listens to a batch of this one file, once it is at work."""
    call = {"data": [[{"path": path}]], "session_hash": "begun"}
    kind = {"Content-Type": "application/json"}
    ask(f"{app.url}/gradio_api/call/detect_batch", json.dumps(call).encode(), kind)
    listening = http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=60)
    listening.request("GET", "/gradio_api/queue/data?session_hash=begun")
    told = listening.getresponse()
    while b"process_starts" not in told.readline():
        pass
    return listening


def let_in(app: RunningApp) -> socket.socket:
    """A request that the app waits for the picture of: it asks for it."""
    asking = socket.create_connection((urlsplit(app.url).hostname, urlsplit(app.url).port), timeout=60)
    length = ASTRONAUT.stat().st_size
    asking.send(f"POST /api/detect HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n".encode())
    asking.send(b"Expect: 100-continue\r\n\r\n")
    assert asking.recv(1000).startswith(b"HTTP/1.1 100")
    return asking


@pytest.mark.parametrize(
    ("seconds", "signals"),
    [(1, [signal.SIGINT]), (600, [signal.SIGINT, signal.SIGTERM])],
    ids=["its time is over", "who says it twice"],
)
def test_it_waits_no_longer_than_it_says(tmp_path: Path, seconds: float, signals: list[signal.Signals]) -> None:
    with serve(command=patient(seconds)) as app:
        listening = begun(app, upload(app, many(tmp_path, 200).read_bytes()))
        for kind in signals:
            psutil.Process(app.pid).send_signal(kind)
            with suppress(OSError, http.client.HTTPException):  # it has ended meanwhile
                while ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes()).status == 200:  # the signal was on its way
                    pass
        assert ended(app) == 0 and files(app) == [] and "1 batch, 200 pictures" not in app.log
        listening.close()


@pytest.mark.parametrize(
    ("code", "variables"),
    [("app.main(sys.argv[1:])", {"SYSTEM": "spaces", "SPACE_ID": "owner/name"}),
     ("app.demo.launch(server_port=int(sys.argv[2]))", {})],
    ids=["on a Space", "by somebody else's script"],
)  # fmt: skip
def test_wherever_it_is_hosted(code: str, variables: dict[str, str]) -> None:
    with serve(command=("-c", f"import sys, app; sys.exit({code} and 0)"), **variables) as app:
        policy = ask(app.url).headers["Content-Security-Policy"]
        assert ("https://huggingface.co" in policy) == bool(variables)
        assert ask(f"{app.url}/monitoring").status == 404
        upload(app, ASTRONAUT.read_bytes())
        psutil.Process(app.pid).terminate()
        assert ended(app) == 0 and files(app) == []


def test_what_a_killed_one_left_goes_with_the_next_start(tmp_path: Path) -> None:
    with serve(GRADIO_TEMP_DIR=str(tmp_path)) as app:
        upload(app, ASTRONAUT.read_bytes())
        psutil.Process(app.pid).kill()
        ended(app)
    [left] = tmp_path.rglob("a.png")
    with serve(GRADIO_TEMP_DIR=str(tmp_path)):
        assert not left.exists()


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "--map-root-user", "--pid", "--fork", "true"], check=False).returncode != 0,
    reason="needs a process number of its own",
)
def test_as_the_first_process_of_a_container(tmp_path: Path) -> None:
    """The system ends such a one by no signal that it does not handle itself."""
    starter = tmp_path / "python"
    starter.write_text(f'#!/bin/sh\nexec unshare --map-root-user --pid --fork {sys.executable} "$@"\n')
    starter.chmod(0o755)
    with serve(python=str(starter)) as app:
        upload(app, ASTRONAUT.read_bytes())
        [first] = psutil.Process(app.pid).children()
        first.terminate()
        assert ended(app) == 0 and files(app) == []
