"""What fuzzing found stays mended; every seed is answered as promised; the fuzzer itself runs where it is installed."""

import hashlib
import json
import random
import subprocess
import sys
import types
from functools import cache
from pathlib import Path

import pytest

from tests.reliability.fuzz import fuzz, judge_in_workers
from tests.reliability.seeds import SEEDS
from tests.reliability.targets import TARGETS, Broken
from tests.support import ROOT
from tests.support.attacks import poison as poison


@cache
def seeds(name: str) -> dict[str, bytes]:
    return SEEDS[name]()


def config(**changes: object) -> bytes:
    return json.dumps({**json.loads(seeds("config")["shown.json"]), **changes}).encode()


# name of what was wrong -> (target, input)
FOUND = {
    "a format version of 400 digits in the sentence": ("config", lambda: config(format_version=10**400)),
    "a number of 70,000 letters in the sentence": ("config", lambda: config(temperature="x" * 70_000)),
    "a name of 70,000 letters for the architecture": ("config", lambda: config(architecture="x" * 70_000)),
    "half a surrogate pair for the architecture": ("config", lambda: config(architecture="\ud800")),
    "half a surrogate pair for the date": ("config", lambda: config(date="\ud800")),
    "half a surrogate pair for a collection": ("config", lambda: config(data=collections("\ud800", 1))),
    "a file without a name in a zip": ("zip", lambda: seeds("zip")["stored.zip"].replace(b"plain.jpg", b"\0lain.jpg")),
    "an endless number of faces": ("config", lambda: config(data=collections("a", float("inf")))),
    "a share that is no number": ("config", lambda: config(calibration=limits(float("nan")))),
    "a share nested too deep to be sent": ("config", lambda: config(calibration=limits(nested(500)))),
    "a date that is no text": ("config", lambda: config(date=nested(500))),
}


def collections(name: str, faces: float) -> dict[str, object]:
    return {"train": {name: {split: {"real": faces, "fake": 1} for split in ("train", "validation")}}}


def limits(share: object) -> dict[str, object]:
    return {"max_unseen_no_signs": share, "max_false_positive_rate": 0.01, "max_seen_no_signs": 0.01}


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("case", FOUND)
def test_what_was_found_is_mended(case: str) -> None:
    target, make = FOUND[case]
    TARGETS[target].run(make())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_neighbours_are_answered(name: str) -> None:
    draw = random.Random(1)
    target = TARGETS[name]

    def mutate(data: bytes, limit: int) -> bytes:
        changed = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed[: draw.choice((limit, len(data), len(data) // 2))])

    for data in seeds(name).values():
        target.run(data)
        for _ in range(8):  # each further from the seed, as the fuzzer goes
            data = target.mutate(data, 1 << 16, draw, mutate) or data
            target.run(data)


def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reliability.targets.hashlib", types.SimpleNamespace(sha256=hashlib.sha1))
    with pytest.raises(Broken, match="the checksum is of another file"):
        TARGETS["picture"].run(seeds("picture")["plain.jpg"])


def test_what_ends_a_worker_is_a_finding(poison: None, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("plain", "crash")]
    for file in files:
        file.write_bytes(seeds("picture")["plain.jpg"] + file.name.encode())
    found = tmp_path / "found"
    found.mkdir()
    judge_in_workers(files, found)
    assert sorted(file.name for file in found.iterdir()) == ["crashed-crash", "crashed-crash.txt"]


def test_the_fuzzer_runs(tmp_path: Path) -> None:
    words = ("fuzz", "picture", "--runs", "200", "--findings", tmp_path / "found", "--corpus", tmp_path / "corpus")
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(word.split("=") for word in done.stdout.split() if "=" in word)
    assert int(figures["runs"]) >= 200 and figures["failures"] == "0" and int(figures["peak_mb"]) > 20
    assert list((tmp_path / "corpus").iterdir())


# Long enough for a finding, and one is enough.
SLOW_ONCE = (
    "import time; end = time.process_time() + (0 if hasattr(real, 'was') else 2.2); real.was = True; "
    "any(time.process_time() > end for _ in iter(int, 1))"
)


@pytest.mark.parametrize(
    ("body", "finding"),
    [("raise KeyError('odd')", "KeyError"), ("import os; os.abort()", "crash"),
     ("import time; x = 'x' * 1_100_000_000; time.sleep(2)", "oom"), (SLOW_ONCE, "slow")],
)  # fmt: skip
def test_the_fuzzer_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, body: str, finding: str) -> None:
    """A room with a fault of each kind, put in by a module that Python loads at its start."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'tests.reliability.fuzz' in ' '.join(sys.orig_argv):\n"
        "    import detector.picture as room\n"
        "    real = room.read\n"
        "    def read(data):\n"
        "        if b'PNG' in data[:8]:\n"
        f"            {body}\n"
        "        return real(data)\n"
        "    room.read = read\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert fuzz("picture", 60, findings=tmp_path / "found") == 1
    assert [file for file in (tmp_path / "found").iterdir() if file.name.startswith(finding)]
    assert "FINDING" in capsys.readouterr().out
