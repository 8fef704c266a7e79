"""Where it is hosted: a Space on ZeroGPU, a Space without the package `spaces`, a container."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from gradio_client import handle_file

from tests.support import ROOT
from tests.support.running_app import ASTRONAUT, api_client, serve
from tests.ui.test_http_api import ask

pytestmark = pytest.mark.slow

# --- ZeroGPU ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of what gives GPUs out on such a Space, and what was asked of it so far."""
    lines: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            lines.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", lines
    server.shutdown()
    server.server_close()


def test_on_zerogpu_it_starts_and_takes_nothing_of_the_quota(asked: tuple[str, list[str]]) -> None:
    """With the real package: without a decorated function it would not report, and the Space would end with an error.
    A call of such a function would ask for /schedule."""
    url, lines = asked
    with serve(SPACES_ZERO_GPU="true", SPACES_ZERO_DEVICE_API_URL=url, SPACE_ID="owner/name") as app:
        assert lines == ["/startup-report"]
        assert ask(f"{app.url}/api/detect", ASTRONAUT.read_bytes()).status == 200
        assert api_client(app.url).predict(handle_file(ASTRONAUT), api_name="/detect")["faces"]
        assert lines == ["/startup-report"]


def test_it_starts_where_spaces_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text("raise ImportError('No module named spaces')")
    code = "import app; print(app.demo is not None, hasattr(app, '_needs_no_gpu'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


# --- A container ------------------------------------------------------------------------------------------------------


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, in order."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line and line[0] != "#"]


def test_the_container_runs_from_what_is_copied(tmp_path: Path) -> None:
    """Its files, its command and its health check, on another port and without the container."""
    instructions = dict(dockerfile())
    assert "--require-hashes -r pre-requirements.txt" in instructions["RUN"]
    for _, words in (line for line in dockerfile() if line[0] == "COPY"):
        *sources, target = shlex.split(words)
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("*.keras"))
            else:
                shutil.copy(ROOT / source, tmp_path / target)
    assert instructions["EXPOSE"] == "7860" and instructions["ENV"] == "GRADIO_SERVER_NAME=0.0.0.0"
    python, *command = json.loads(instructions["CMD"])
    assert python == "python" and command == ["app.py", "--port", "7860"]
    check = json.loads(re.search(r"CMD (\[.*\])", instructions["HEALTHCHECK"])[1])
    with serve(root=tmp_path, GRADIO_SERVER_NAME="0.0.0.0") as app:
        port = app.url.rpartition(":")[2]
        checking = [sys.executable, *(word.replace("7860", port) for word in check[1:])]
        assert subprocess.run(checking, timeout=120).returncode == 0
    assert subprocess.run(checking, timeout=120, stderr=subprocess.DEVNULL).returncode != 0, "nothing is there"


def test_the_container_runs_as_nobody_of_importance() -> None:
    names = [name for name, _ in dockerfile()]
    assert dict(dockerfile())["USER"] not in ("root", "0") and names.index("USER") < names.index("CMD")
    assert re.fullmatch(r"python:3\.12-slim@sha256:[0-9a-f]{64}", dict(dockerfile())["FROM"])
    assert len(names) <= 16


def test_the_container_passes_signals_on_and_buries_the_dead() -> None:
    assert json.loads(dict(dockerfile())["ENTRYPOINT"]) == ["tini", "--"]
    assert any("apt-get install" in words and "tini" in words for name, words in dockerfile() if name == "RUN")
    assert "--stop-timeout 15" in (ROOT / "docs" / "hosting.md").read_text()  # Docker's own is 10 s


def test_what_is_copied_is_sent_to_the_builder() -> None:
    """.dockerignore leaves all out but what COPY names: neither data sets nor runs of trainings are sent."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for name, words in dockerfile() if name == "COPY" for source in shlex.split(words)[:-1]}
    assert kept == copied
