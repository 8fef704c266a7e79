"""The real app in a process of its own."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN = 300  # seconds: a few on an idle machine
_LAUNCHED = "To create a public link"  # gradio answers before its own checks are over, and ends if those fail


@dataclass(frozen=True)
class RunningApp:
    """`url` ends without a slash; `log` is what the process has written so far; `cache` is where gradio keeps
    files."""

    url: str
    log_file: Path
    cache: Path
    pid: int

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


def free_port() -> int:
    """A port of the loopback that nobody listens on, below those that systems give out by themselves: one of these can
    be another process's before the app has started."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serve(
    *arguments: str,
    command: tuple[str, ...] = ("app.py",),
    per_minute: int = 0,
    python: str = sys.executable,
    root: Path = ROOT,
    port: int | None = None,
    **variables: str,
) -> Iterator[RunningApp]:
    """`python app.py` in the folder `root` on `port` of the loopback, by default a free one, with a cache of its own,
    stopped at the end. `per_minute` limits the pictures of a visitor; 0 does not. `variables` are further ones of its
    environment."""
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        cache, log = Path(folder, "cache"), Path(folder, "log")
        environment = os.environ | {
            "GRADIO_TEMP_DIR": str(cache),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "DETECTOR_PICTURES_PER_MINUTE": str(per_minute),
            "DETECTOR_BATCHES_PER_MINUTE": "0",
            "DETECTOR_MEGABYTES_PER_MINUTE": "0",
            "PYTHONPATH": str(root),
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, *command, "--port", str(port), *arguments],
                cwd=root,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        app = RunningApp(f"http://127.0.0.1:{port}", log, cache, process.pid)
        try:
            _wait_for(app, process)
            yield app
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(app: RunningApp, process: subprocess.Popen) -> None:
    end = time.monotonic() + _READY_WITHIN
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The app ended with status {process.returncode}:\n{app.log}")
        try:
            with urllib.request.urlopen(f"{app.url}/config", timeout=5):
                if _LAUNCHED in app.log:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The app was not ready within {_READY_WITHIN} s:\n{app.log}")
