"""What visitors sent is deleted in its time, whatever it is and whatever else happens."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gradio as gr
import pytest

import app
from detector import Detector
from tests.support import ROOT
from ui import gradio_patches, storage
from ui.storage import Folder


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.end()
    assert list(tmp_path.iterdir()) == [], "nothing is left at the end"


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(storage.time, "time", lambda: now + seconds)


def test_what_is_old_goes_whatever_it_is(
    place: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "not sent by anybody"
    outside.touch()
    (place.uploads / "example.jpg").touch()
    place.keep_what_is_there()
    (place.uploads / "folder" / "in" / "folders").mkdir(parents=True)
    (place.uploads / "folder" / os.fsdecode(b"\xff\n.jpg")).touch()
    (place.uploads / "link").symlink_to(outside)
    (place.uploads / "links").symlink_to(outside.parent)
    os.mkfifo(place.uploads / "pipe")
    (place.links / "token.jpeg").touch()
    (place.uploads / "copy.jpg").touch()
    os.utime(place.uploads / "copy.jpg", (0, 0))  # as copies have: of an old picture, but sent now
    before = set(place.uploads.rglob("*"))
    place.sweep()
    assert set(place.uploads.rglob("*")) == before
    later(monkeypatch, storage.KEPT_SECONDS - 1)  # before the next look they would be too old
    place.sweep()
    assert [path.name for path in place.uploads.rglob("*")] == ["example.jpg"]
    assert outside.exists() and (place.links / "token.jpeg").exists()
    later(monkeypatch, storage.link_seconds())
    place.sweep()
    assert not list(place.links.iterdir()) and (place.uploads / "example.jpg").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a mount that cannot be written to is Linux's")
def test_what_cannot_be_deleted_is_told_and_the_rest_goes(
    place: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("held.jpg", "secret name.jpg"):
        (place.uploads / name).touch()
    unlink = os.unlink

    def refuse(path: str) -> None:  # root, as tests may be, is refused nothing
        if path.endswith("held.jpg"):
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "unlink", refuse)
        later(patch, storage.KEPT_SECONDS)
        with caplog.at_level(logging.ERROR):
            place.sweep()
    assert [path.name for path in place.uploads.iterdir()] == ["held.jpg"]
    assert "1 files of visitors could not be deleted" in caplog.text and "Operation not permitted" in caplog.text
    assert "held.jpg" not in caplog.text


def test_a_sweep_that_fails_is_not_the_last(
    place: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(storage, "KEPT_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "link_seconds", lambda: 1 / 0)
        place.watch()
    (place.uploads / "sent.jpg").touch()
    end = time.monotonic() + 30
    while (place.uploads / "sent.jpg").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "The sweep ended early" in caplog.text


_DIES = """
import os, sys
from pathlib import Path
from ui.storage import Folder
folder = Folder(Path(sys.argv[1]))
(folder.uploads / "sent.jpg").touch()
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(place: Folder, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DIES, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    processes[0].communicate("")
    place.sweep()
    assert len(list(tmp_path.rglob("sent.jpg"))) == 1, "that of the living one"
    processes[1].communicate("")
    place.sweep()
    assert not list(tmp_path.rglob("sent.jpg"))


def test_a_process_that_ends_in_a_sweep_says_nothing(
    place: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ended_first() -> float:
        place.end()
        return 0.0

    monkeypatch.setattr(storage, "link_seconds", ended_first)
    place.sweep()
    assert not caplog.records


def test_a_system_that_clears_old_files_leaves_the_lock(place: Folder, tmp_path: Path) -> None:
    """Without it others would take the folder for one left behind."""
    [lock] = tmp_path.glob("*.lock")
    os.utime(lock, (0, 0))
    place.sweep()
    assert time.time() - lock.stat().st_mtime < 60


def test_files_are_never_served_half_written(tmp_path: Path) -> None:
    """Whoever finds a file under its name finds all of it, however many keep the same one at that moment."""
    data, done, seen = bytes(300_000), threading.Event(), []
    path = Path(gradio_patches.save_bytes(data, "image.webp", str(tmp_path)))

    def look() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):
                seen.append(path.stat().st_size)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for number in range(300):
            if number % 3 == 0:  # it is swept meanwhile
                path.unlink()
            assert gradio_patches.save_bytes(data, "image.webp", str(tmp_path)) == str(path)
    finally:
        done.set()
        thread.join()
    assert set(seen) == {len(data)}


@pytest.mark.slow
def test_gradio_lists_nothing(detector: Detector) -> None:
    """Its own deletion is off, and lists that nobody shortens would grow for ever."""
    blocks = app.build(lambda: detector)
    assert blocks.delete_cache in (None, (None, None)) and not blocks.temp_file_sets
    shown = next(block for block in blocks.blocks.values() if isinstance(block, gr.components.Component))
    for files in (blocks.upload_file_set, shown.temp_files):
        files.add("a")
        files.update(["b"])
        assert not files
