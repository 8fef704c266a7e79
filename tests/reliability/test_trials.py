"""Small versions of the trials of disks and the running app."""

import random
import threading
import time
from pathlib import Path

import pytest

from tests.reliability import deletion, disk
from tests.reliability.soak import Calls, Wrong
from tests.support.running_app import RunningApp


def test_model_folders_that_are_not_what_they_say(tmp_path: Path) -> None:
    tally = disk.Tally()
    disk.model_folders(tmp_path, tally, lengths=4)
    assert tally.findings == [] and tally.cases > 20


def test_a_folder_that_should_have_been_refused_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "loaded", lambda folders: ["judged"] * len(folders))
    tally = disk.Tally()
    disk.model_folders(tmp_path, tally, lengths=2)
    assert len(tally.findings) == tally.cases - 1


@pytest.fixture
def calls(running_app: RunningApp) -> Calls:
    return Calls(running_app.url, random.Random(1))


@pytest.mark.parametrize("name", ["detect", "detect_seed", "batch", "heatmap", "model"])
def test_good_calls_are_answered(calls: Calls, name: str) -> None:
    getattr(calls, name)()


@pytest.mark.parametrize("name", ["broken", "no_picture", "data_url", "elsewhere", "hang_up", "bad_zip", "nonsense"])
def test_bad_calls_are_refused(calls: Calls, name: str) -> None:
    for _ in range(4):
        getattr(calls, name)()


def test_an_answer_that_is_not_what_it_must_be_is_found(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "portrait", calls.portrait.resize((64, 64)).convert("L").convert("RGB").rotate(90))
    with pytest.raises(Wrong):
        calls.detect()
    monkeypatch.setattr(calls, "answer", lambda *_: ("complete", [{}]))
    with pytest.raises(Wrong):
        calls.no_picture()


def test_no_picture_is_older_than_promised(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    # Overdue after 12 seconds, killed after 18: what was sent in the first 6 can be found, however slow the start was.
    assert deletion.soak(tmp_path, minutes=0.4, kept=2, every=18, small_disk=False) == 0
    said = dict(word.split("=") for word in capsys.readouterr().out.split() if "=" in word)
    assert int(said["files"]) > 10 and int(said["kills"]) > 0 and int(said["looks"]) > 10


def test_a_picture_that_is_older_is_found(tmp_path: Path) -> None:
    watch = deletion.Watch(tmp_path, kept=-1, late=0)
    (tmp_path / "sent.jpg").touch()
    watch.running.set()
    looking = threading.Thread(target=watch.look)
    looking.start()
    end = time.monotonic() + 60
    while not watch.findings and time.monotonic() < end:
        looking.join(0.1)
    watch.over.set()
    looking.join()
    assert watch.findings and watch.findings[0].startswith("overdue: sent.jpg")
