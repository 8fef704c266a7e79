"""Two kills of what is quick to run, and that a writer who does not care is found out."""

from pathlib import Path

import pytest

from detector.model_folder import store
from tests.reliability.kill import Trial, kill
from tests.reliability.trials import Batch, Export, broken


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

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        return ["-c", self._code]

    def broken(self, work: Path) -> list[str]:
        return broken(work)

    def result(self, work: Path) -> str:
        return (work / "rows.json").read_text()


def test_half_a_file_is_found(capsys: pytest.CaptureFixture) -> None:
    assert kill(Careless(), 2) == 1
    said = capsys.readouterr().out
    assert "FINDING half a file under its final name: rows.json" in said and "kills=2" in said


def test_two_kills_of_a_batch_lose_nothing(capsys: pytest.CaptureFixture) -> None:
    batch = Batch()
    batch.photographs = 6
    assert kill(batch, 2) == 0
    assert "kills=2" in capsys.readouterr().out


def test_two_kills_of_publish_lose_nothing(capsys: pytest.CaptureFixture) -> None:
    assert kill("publish", 2) == 0
    assert "kills=2" in capsys.readouterr().out


def test_what_an_export_left_is_compared(tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(store.BUNDLED)
    trial = Export()
    config, networks, weights = found = trial.result(tmp_path)
    assert trial.broken(tmp_path) == [] and trial.same(found, found)
    assert not trial.same((config, networks[:1], weights), found)
