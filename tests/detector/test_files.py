"""What is written appears at once or not at all, whoever else writes, and a person is told why not."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from detector import files
from detector.model_folder import BUNDLED
from tests.support import ROOT
from training import __main__ as training

EXAMPLE = ROOT / "ui" / "examples" / "astronaut.jpg"


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    files.write(place, b"old")
    with pytest.raises(RuntimeError), files.atomic_path(place) as beside:
        beside.write_bytes(b"new, half wri")
        assert place.read_bytes() == b"old"
        raise RuntimeError
    assert place.read_bytes() == b"old" and list(tmp_path.iterdir()) == [place]
    with files.atomic_path(place) as beside:
        beside.write_bytes(b"new")
    assert place.read_bytes() == b"new" and list(tmp_path.iterdir()) == [place]


# Ten threads write one file, with contents of very different lengths, and read it between.
WRITERS = """
import hashlib, pathlib, sys, threading
from detector import files
path, process = pathlib.Path(sys.argv[1]), sys.argv[2]
gate = threading.Barrier(10)
def write(thread):
    gate.wait()
    for number in range(20):
        content = f"{process} {thread} {number}".encode() * (1 + number * 7919 % 30_000)
        files.write(path, hashlib.sha256(content).digest() + content)
        kept = path.read_bytes()
        if hashlib.sha256(kept[32:]).digest() != kept[:32]:
            print("half a file was read")
threads = [threading.Thread(target=write, args=[number]) for number in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.slow
def test_ten_threads_of_three_processes_on_one_file(tmp_path: Path) -> None:
    state = tmp_path / "state"
    words = [sys.executable, "-c", WRITERS, str(state)]
    writers = [
        subprocess.Popen([*words, str(n)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for n in range(3)
    ]
    assert [writer.communicate()[0] for writer in writers] == [""] * 3
    assert list(tmp_path.iterdir()) == [state]


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "The disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only"), (errno.EIO, None)],
)
def test_a_person_is_told_why_nothing_can_be_written(number: int, told: str | None) -> None:
    sentence = files.write_error_hint(OSError(number, "no words for a person"))
    assert sentence is None if told is None else told in sentence and sentence.endswith(".")


def run(*words: object, largest: int, **options: object) -> subprocess.CompletedProcess[str]:
    """A command that may write no file of more than `largest` bytes: what a full disk is, for its user."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, text=True, stderr=subprocess.PIPE, preexec_fn=limit, check=False, **options
    )


def test_rows_that_find_no_room_end_in_a_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = run("detector", EXAMPLE, "--jsonl", largest=1 << 20, stdout=full)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("The disk is full")


@pytest.mark.slow
def test_a_heat_map_that_finds_no_room_is_not_there(tmp_path: Path) -> None:
    words = ("detector", EXAMPLE, "--heatmaps", tmp_path)
    done = run(*words, largest=4096, stdout=subprocess.DEVNULL)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("The disk is full")
    assert list(tmp_path.iterdir()) == []
    assert run(*words, largest=1 << 30, stdout=subprocess.DEVNULL).returncode == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_training_ends_in_a_sentence_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("training.augment.forge.forge", full)
    assert training.main(["forge", str(BUNDLED), "--out", "nowhere"]) == 2
    told = capsys.readouterr().err
    assert told == "The disk is full, or you may not write more to it: make room, and run the command again.\n"
