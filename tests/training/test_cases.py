"""Cases: pictures whose verdict was wrong once, and how a model is judged by them."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector import Verdict
from detector.model_folder import BUNDLED
from training import __main__ as command_line
from training.errors import TrainingError
from training.evaluation import cases


@pytest.fixture
def folder(tmp_path: Path, hopper: Path, no_face: np.ndarray) -> Path:
    shutil.copy(hopper, tmp_path / "hopper.jpg")
    Image.fromarray(no_face).save(tmp_path / "page.png")
    return tmp_path


def listed(folder: Path, *rows: str) -> Path:
    (folder / "cases.csv").write_text("\n".join(["file,expected,note", *rows]) + "\n")
    return folder


def test_the_command_tells_each_and_ends_well_where_none_is_wrong(folder: Path, capsys: pytest.CaptureFixture) -> None:
    listed(folder, 'hopper.jpg,real,"a photograph of 1983, discussion 3"', "page.png,no_face,")
    assert command_line.main(["evaluate", str(BUNDLED), "--cases", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok     real") and lines[0].endswith("hopper.jpg  a photograph of 1983, discussion 3")
    assert lines[1].startswith("ok     no_face  no_face") and lines[2] == "0 of 2 wrong"


def test_what_is_wrong_is_told_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    listed(folder, "hopper.jpg,no_face,", "page.png,real,", "page.png,fake,", "broken.png,real,", "hopper.jpg,real,")
    assert command_line.main(["evaluate", str(BUNDLED), "--cases", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["WRONG"] * 4 + ["ok"] and lines[5] == "4 of 5 wrong"
    assert "not a picture" in lines[3]


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [("real", {"likely_fake", "no_face"}), ("fake", set(Verdict) - {"likely_fake", "leans_fake", "uncertain"})],
)
def test_to_abstain_is_never_wrong(expected: str, wrong: set[str], detector, hopper: Path) -> None:
    result = detector.detect(hopper)
    case = cases.Case(hopper, expected)
    outcomes = {str(v): cases.Outcome(case, dataclasses.replace(result, verdict=v)).is_wrong for v in Verdict}
    assert {verdict for verdict, is_wrong in outcomes.items() if is_wrong} == {str(v) for v in wrong}
    assert not outcomes["uncertain"] and not outcomes["leans_fake"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "lists no picture"),
        (["nothing.jpg,real,"], "line 2: there is no picture 'nothing.jpg'"),
        (["../secret.jpg,real,"], "line 2: there is no picture"),
        (["hopper.jpg,real,", "hopper.jpg,Real,"], "line 3: write real or fake or no_face"),
        (["hopper.jpg"], "line 2: write real or fake or no_face"),
    ],
)
def test_a_list_that_makes_no_sense_is_told(folder: Path, rows: list[str], why: str) -> None:
    (folder.parent / "secret.jpg").write_bytes(b"x")
    with pytest.raises(TrainingError, match=why):
        cases.read(listed(folder, *rows))


def test_a_folder_without_a_list_is_told(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert command_line.main(["evaluate", str(BUNDLED), "--cases", str(folder)]) == 2
    assert "has no cases.csv that can be read" in capsys.readouterr().err


def test_cases_and_data_are_not_mixed(folder: Path) -> None:
    for arguments in (["--cases", str(folder), "--data", "x"], []):
        with pytest.raises(SystemExit) as ended:
            command_line.main(["evaluate", str(BUNDLED), *arguments])
        assert ended.value.code == 2
