"""Two kills of what is quick to run, and that a writer who does not care is found out."""

from pathlib import Path

import pytest

from faults.kill import Trial, kill
from faults.trials import TRIALS, Batch, broken


class Careless(Trial):
    """Writes a JSON file piece by piece under its final name; the second run takes what is there for whole."""

    name = "careless"
    _code = """
import sys, time, pathlib
file = pathlib.Path("rows.json")
if not file.exists():
    with file.open("w") as out:
        for part in ["[1", ", 2", ", 3", "]"]:
            out.write(part); out.flush(); time.sleep(0.4)
"""

    def command(self, inputs: Path, work: Path) -> list[object]:
        return ["-c", self._code]

    def halves(self, inputs: Path, work: Path) -> list[str]:
        return broken(work)

    def result(self, inputs: Path, work: Path) -> str:
        return (work / "rows.json").read_text()


def figures(capsys: pytest.CaptureFixture) -> dict[str, str]:
    out = capsys.readouterr().out
    return dict(word.split("=") for word in out.splitlines()[-1].split() if "=" in word)


def test_half_a_file_is_found(capsys: pytest.CaptureFixture) -> None:
    assert kill(Careless(), 2, report=lambda _: None) == 1
    told = figures(capsys)
    assert told["kills"] == "2" and int(told["half_files"]) > 0


def test_two_kills_of_a_batch_lose_nothing(capsys: pytest.CaptureFixture) -> None:
    assert kill(Batch(count=6), 2, report=lambda _: None) == 0
    told = figures(capsys)
    assert told["kills"] == "2" and told["half_files"] == told["failures"] == "0"


def test_two_kills_of_publish_lose_nothing(capsys: pytest.CaptureFixture) -> None:
    assert kill(TRIALS["publish"](), 2, report=lambda _: None) == 0
    told = figures(capsys)
    assert told["kills"] == "2" and told["half_files"] == told["failures"] == "0"
