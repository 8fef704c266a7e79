"""Pictures older than promised, counted under faults: `python -m tests.reliability deletion --minutes 10`.

Visitors send pictures, leave in the middle, send them under names and fields that nobody asks for, and name folders as
pictures; meanwhile the disk is full now and then, and the app is killed and started again. What they send is kept for
`kept` seconds instead of an hour. A finding is a file that is older while the app runs, one that is left after its end,
or an end with another status than 0.
"""

import math
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil

from tests.reliability import disk, seeds
from tests.reliability.report import conclude, progress
from tests.reliability.soak import Calls
from tests.support import ROOT
from tests.support.running_app import RunningApp, free_port, serve

_CLIENTS = 3
_ROOM = 200 << 20  # bytes of the disk
_OF_THE_PAGE = {path.name for path in (ROOT / "ui" / "examples").iterdir()}
_APP = """
import runpy, sys
from ui import storage
storage.KEPT_SECONDS, storage.link_seconds = {kept}, lambda: {kept}
storage.SWEEP_SECONDS = {every}
sys.argv[0] = "app.py"
runpy.run_path("app.py", run_name="__main__")
"""
_HEAD = b'--x\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n'


class Visitors:
    """Of an app that may be another one, at the same address, in the next moment."""

    def __init__(self, url: str, number: int) -> None:
        self._draw = random.Random(number)
        self._calls = Calls(url, self._draw)
        self._address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._url = url
        self.kinds: list[Callable[[], object]] = [
            self._calls.detect, self._calls.heatmap, self._calls.batch, self._calls.hang_up, self.leave,
            self.another_field, self.odd_name, self.folder, self.never_asked,
        ]  # fmt: skip

    def act(self) -> str:
        kind = self._draw.choice(self.kinds)
        with suppress(Exception):  # the app may be gone, or its disk full: what counts is what is left
            kind()
        return kind.__name__

    def leave(self) -> None:
        """In the middle of an upload."""
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        with socket.create_connection(self._address, timeout=10) as sending:
            sending.send(
                head.encode() + b"Content-Length: 900000\r\n\r\n" + _HEAD % (b"files", b"a.jpg") + bytes(300_000)
            )

    def another_field(self) -> None:
        self._send(b"other", b"a.jpg")

    def odd_name(self) -> None:
        self._send(b"files", self._draw.choice((b"..", b".", b"a" * 300, b"%00", b"\xff")))

    def never_asked(self) -> None:
        self._send(b"files", b"a.jpg")

    def folder(self) -> None:
        path = self._calls.upload(self._photo())["path"]
        self._calls.answer("detect", [{"path": str(Path(path).parents[1]), "meta": {"_type": "gradio.FileData"}}])

    def _photo(self) -> bytes:
        return self._draw.choice(list(seeds.pictures().values())) + self._draw.randbytes(8)

    def _send(self, field: bytes, name: bytes) -> None:
        body = _HEAD % (field, name) + self._photo() + b"\r\n--x--\r\n"
        self._calls.http("/gradio_api/upload", body, "multipart/form-data; boundary=x")


class Watch:
    """Looks, while the app runs, for files that are older than was promised."""

    def __init__(self, place: Path, kept: float, late: float) -> None:
        self._place, self._kept, self._late = place, kept, late
        self.running, self.over = threading.Event(), threading.Event()
        self.seen, self.oldest, self.looks, self.findings = set[str](), 0.0, 0, list[str]()

    def look(self) -> None:
        while not self.over.wait(0.5):
            self.looks += 1
            if self.running.is_set():
                ages = self.ages()
                self.oldest = max([self.oldest, *ages.values()])
                if self.running.is_set():
                    old = [f"{name}, {age:.0f} s" for name, age in ages.items() if age > self._kept + self._late]
                    self.findings += [f"overdue: {name}" for name in old]

    def ages(self) -> dict[str, float]:
        """Seconds since each visitor's file was written or asked for."""
        found = {}
        for folder, _, names in os.walk(self._place):  # folders may go meanwhile
            for name in {*names} - _OF_THE_PAGE - {"filler"}:
                file = Path(folder, name)
                with suppress(OSError):
                    if file.suffix != ".lock":
                        found[str(file.relative_to(self._place))] = time.time() - file.lstat().st_ctime
        self.seen |= found.keys()
        return found


def deletion(minutes: float, kept: float = 60, every: float = 60) -> int:
    """Returns the exit status. There is a fault every `every` seconds: a kill and a full disk by turns."""
    if (status := disk.again_with_small_disks("deletion", "--minutes", str(minutes), "--kept", str(kept),
                                              "--every", str(every))) is not None:  # fmt: skip
        return status
    with TemporaryDirectory(prefix="reliability-") as folder, disk.full(Path(folder, "disk"), _ROOM):
        return soak(Path(folder, "disk"), minutes, kept, every)


def soak(place: Path, minutes: float, kept: float, every: float, *, small_disk: bool = True) -> int:
    """`deletion` in the folder `place`, which is a small disk or one that is never full."""
    counts: Counter[str] = Counter()
    looked, port, end = kept / 10, free_port(), math.inf
    watch = Watch(place, kept, late=max(10, 2 * looked))  # seconds that a busy machine may keep the sweeper waiting

    def visit(number: int) -> None:
        visitors = Visitors(f"http://127.0.0.1:{port}", number)
        while not watch.over.wait(0.2):
            counts[visitors.act()] += 1

    work = [watch.look, *(partial(visit, number) for number in range(_CLIENTS))]
    while not watch.over.is_set():
        command = ("-c", _APP.format(kept=kept, every=looked))
        with serve(command=command, port=port, GRADIO_TEMP_DIR=str(place)) as app:
            if end == math.inf:
                end = time.monotonic() + 60 * minutes
                for one in work:
                    threading.Thread(target=one, daemon=True).start()
            watch.running.set()
            _pause(end, every)
            if small_disk:
                counts["full_disks"] += 1
                _fill(place)
                _pause(end, every)
            watch.running.clear()
            if time.monotonic() < end:
                os.kill(app.pid, signal.SIGKILL)
                counts["kills"] += 1
            else:
                watch.over.set()
                watch.findings += _ended(app, watch)
        progress(f"{sum(counts.values())} events, {len(watch.seen)} files, {len(watch.findings)} findings")
    return conclude(
        "deletion", watch.findings, minutes=minutes, kept=kept, **counts, looks=watch.looks, files=len(watch.seen),
        oldest_s=watch.oldest,
    )  # fmt: skip


def _pause(end: float, seconds: float) -> None:
    time.sleep(max(0.0, min(seconds, end - time.monotonic())))


def _fill(place: Path) -> None:
    """The disk, to the last byte, for five seconds."""
    filler = place / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    time.sleep(5)
    filler.unlink()


def _ended(app: RunningApp, watch: Watch) -> list[str]:
    process = psutil.Process(app.pid)
    process.terminate()
    status = process.wait(60)
    told = "could not be deleted" in app.log or "The sweep ended" in app.log
    return [
        *([f"the app ended with status {status}"] if status else []),
        *([f"the log says {app.log[-500:]}"] if told else []),
        *(f"left at the end: {name}" for name in watch.ages()),
    ]
