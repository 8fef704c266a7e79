"""The browser says what Python says: boxes, scores and verdicts of more than 200 pictures of all kinds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from detector import Detector, ImageError, Result
from detector.quality import SENTENCES
from tests.support import ROOT
from tests.support.measured import without_transformer
from tests.support.web_page import give, served
from tests.web.pictures import write
from web.build import build

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["tests.support.web_page"]

EXAMPLES = ROOT / "ui" / "examples"


def pairs(here: dict[str, Any], there: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The faces of both answers, each with the nearest of the other."""
    left = list(there["faces"])
    for face in here["faces"]:
        distances = [np.abs(np.subtract(face["box"], other["box"])).max() for other in left]
        yield face, left.pop(int(np.argmin(distances)))


def agree(box: list[int], other: list[int]) -> bool:
    """To 2 pixels or 2% of the face's side."""
    side = max(box[2] - box[0], box[3] - box[1])
    return bool(np.abs(np.subtract(box, other)).max() <= max(2, 0.02 * side))


def test_the_browser_agrees_with_python(
    visitor: Callable[..., "Page"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = without_transformer(tmp_path / "model")
    monkeypatch.setattr("detector.face_detector.MOST_FACES", 20)  # and of the page, which is told: 200 take long
    pictures = write(tmp_path)
    assert len(pictures) >= 200
    with served(build(tmp_path / "page", str(model))) as url:
        shown = give(visitor(url), pictures)
    detector = Detector.load(model)
    expected = [answer.to_dict() for answer in detector.detect_many(pictures) if not isinstance(answer, ImageError)]
    assert len(expected) == len(pictures) and [row["error"] for row in shown] == [None] * len(pictures)
    for row, answer, file in zip(shown, expected, pictures, strict=True):
        for name in ("width", "height", "format", "bytes", "sha256"):
            assert row["picture"][name] == answer["picture"][name], (file.name, name)
        assert len(row["faces"]) == len(answer["faces"]), file.name
    faces = [pair for both in zip(expected, shown, strict=True) for pair in pairs(*both)]
    assert len(faces) >= 200
    assert [(face["box"], other["box"]) for face, other in faces if not agree(face["box"], other["box"])] == []
    apart = np.array([abs(face["score"] - other["score"]) for face, other in faces])
    assert apart.max() <= 0.05 and (apart <= 0.02).mean() >= 0.99
    assert np.mean([face["verdict"] == other["verdict"] for face, other in faces]) >= 0.99
    assert np.mean([row["verdict"] == answer["verdict"] for row, answer in zip(shown, expected, strict=True)]) >= 0.99
    warned = [[[warning["code"] for warning in one["warnings"]] for one in both] for both in (shown, expected)]
    assert np.mean([row == answer for row, answer in zip(*warned, strict=True)]) >= 0.99
    assert {code for codes in warned[1] for code in codes} == set(SENTENCES)  # of every kind there is a picture
    doubted = [[other["doubts"] == face["doubts"] for face, other in faces]]
    assert np.mean(doubted) >= 0.99


def test_the_bundled_model_says_the_same(visitor: Callable[..., "Page"], url: str, detector: Detector) -> None:
    pictures = [*EXAMPLES.glob("*.jpg")]
    shown = give(visitor(url), pictures)
    for row, answer in zip(shown, detector.detect_many(pictures), strict=True):
        assert isinstance(answer, Result)
        assert row["verdict"] == answer.verdict and len(row["faces"]) == len(answer.faces)
        for face, other in pairs(row, answer.to_dict()):
            assert face["score"] == pytest.approx(other["score"], abs=0.05), row["picture"]


def test_networks_are_put_together_as_python_does(visitor: Callable[..., "Page"], measured: Path, hopper: Path) -> None:
    detector = Detector.load(measured.parent / "model")
    assert [network.config.fusion for network in detector.model.networks] == ["sum", "sum", "max"]
    expected = detector.detect(hopper).to_dict()
    with served(measured) as url:
        [shown] = give(visitor(url), [hopper])
    for name in ("box", "evidence", "verdict"):
        assert shown["faces"][0][name] == expected["faces"][0][name]
    assert shown["score"] == pytest.approx(expected["score"], abs=0.002)
    assert shown["model"] == expected["model"]
