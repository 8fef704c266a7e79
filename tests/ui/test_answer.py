"""The answer in HTML, its boxes and its report."""

import base64
import dataclasses
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detector import Detector, Face, Result, Verdict, picture
from detector.model_folder.store import ModelFolder
from detector.provenance import Finding
from ui import answer, boxes, parts, report
from ui.theme import BOX_COLOURS

ATTACK = "<img src=x onerror=\"window.broken='in'\"><script>window.broken='in'</script>${window.broken='in'}{{value}}"


@pytest.fixture(scope="module")
def judged(detector: Detector, hopper: Path) -> Result:
    return detector.detect(hopper)


@pytest.fixture
def model(detector: Detector) -> ModelFolder:
    return detector.model


def result_with(judged: Result, **changes: Any) -> Result:
    return dataclasses.replace(judged, **changes)


def test_every_string_of_a_stranger_is_escaped(judged: Result, model: ModelFolder) -> None:
    told = result_with(judged, provenance=(Finding(ATTACK, ATTACK, ATTACK, ATTACK),), warnings=(ATTACK,))
    pages = (answer.evidence_html(told), answer.verdict_html(told, model), parts.error_html(ATTACK, ATTACK))
    for page in pages:
        assert "<script" not in page and "<img" not in page and "&lt;script" in page


@pytest.mark.parametrize(
    ("p_fake", "words"),
    [
        (0.0, "fewer than 1"),
        (0.0099, "fewer than 1"),
        (0.01, "about 1"),
        (0.934, "about 93"),
        (0.99, "about 99"),
        (0.9901, "more than 99"),
        (1.0, "more than 99"),
    ],
)
def test_a_score_is_a_frequency_and_never_certain(p_fake: float, words: str) -> None:
    assert parts.out_of_100(p_fake) == f"{words} of 100"


def test_each_verdict_has_words_and_a_shape_of_its_own(judged: Result, model: ModelFolder) -> None:
    pages = {}
    for verdict in Verdict:
        empty = {"p_fake": None, "faces": ()} if verdict is Verdict.NO_FACE else {}
        page = answer.verdict_html(result_with(judged, verdict=verdict, **empty), model)
        pages[verdict] = page[page.index("<svg") : page.index("</svg>")], page[page.index("<h2>") : page.index("</h2>")]
    assert len({shape for shape, _ in pages.values()}) == len({words for _, words in pages.values()}) == len(Verdict)
    assert "of 100" not in answer.verdict_html(
        result_with(judged, verdict=Verdict.NO_FACE, p_fake=None, faces=()), model
    )


def test_boxes_are_numbered_on_a_small_copy(judged: Result) -> None:
    face = judged.faces[0]
    crowd = tuple(
        dataclasses.replace(face, box=(x, y, x + 300, y + 300), verdict=verdict)
        for verdict, x, y in (
            (Verdict.LIKELY_FAKE, 0, 0),
            (Verdict.UNCERTAIN, 1000, 900),
            (Verdict.LIKELY_REAL, 2900, 2100),
        )
    )
    drawn = boxes.draw(np.full((2400, 3200, 3), 200, np.uint8), crowd)
    assert drawn.size == (1600, 1200)
    pixels = np.asarray(drawn)
    assert all((pixels == BOX_COLOURS[face.verdict]).all(axis=2).any() for face in crowd)
    grey = BOX_COLOURS[Verdict.UNCERTAIN]
    assert max(grey) - min(grey) < 24


def test_many_faces_are_shown_up_to_a_bound(judged: Result) -> None:
    face = judged.faces[0]
    crowd: tuple[Face, ...] = (face,) * (answer.SHOWN_FACES + 6)
    page = answer.cards_html(result_with(judged, faces=crowd))
    assert page.count("<article") == answer.SHOWN_FACES and "6 more faces" in page


def test_a_crop_on_the_page_is_small(judged: Result) -> None:
    page = answer.cards_html(judged)
    start = page.index("base64,") + 7
    data = base64.b64decode(page[start : page.index('"', start)])
    assert Image.open(io.BytesIO(data)).size == judged.faces[0].crop.shape[:2]
    assert len(data) < 60_000


def test_a_score_says_what_it_was_measured_on(judged: Result, model: ModelFolder) -> None:
    tests = {name: s["clean"]["judged"] for name, s in model.metrics["sets"].items() if name.endswith(" test")}
    page = answer.verdict_html(judged, model)
    assert f"{sum(tests.values()):,} faces" in page and all(name.removesuffix(" test") in page for name in tests)
    unmeasured = dataclasses.replace(model, metrics={})
    assert "Measured" not in answer.verdict_html(judged, unmeasured)


# --- The report ------------------------------------------------------------------------------------------------------


class _Loads(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]
        assert tag not in ("script", "link", "iframe", "object", "form")


def test_the_report_is_whole_and_loads_nothing(judged: Result, model: ModelFolder, hopper: Path) -> None:
    page = report.as_html(judged, picture.read(hopper), model, "officer.jpg")
    loads = _Loads(page).found
    assert len(loads) == 1 + 2 * len(judged.faces)  # the picture, and every face with its map
    assert all(source.startswith("data:image/webp;base64,") for source in loads)
    for told in (judged.picture.sha256, judged.model.sha256, "officer.jpg", "What this cannot tell", "Face by face"):
        assert told in page
    assert "url(" not in page and "@import" not in page


def test_a_report_without_a_face_has_no_faces(detector: Detector, no_face: np.ndarray) -> None:
    page = report.as_html(detector.detect(no_face), picture.read(no_face), detector.model, "page.png")
    assert "No face found" in page and "Face by face" not in page and "of 100" not in page


def test_a_file_name_in_a_report_is_only_text(judged: Result, model: ModelFolder, hopper: Path) -> None:
    page = report.as_html(judged, picture.read(hopper), model, ATTACK)
    assert "<script" not in page and "&lt;script" in page
    assert json.loads(report.as_json(judged, ATTACK))["file"] == ATTACK


def test_the_json_report_is_the_result(judged: Result) -> None:
    told = json.loads(report.as_json(judged, "officer.jpg"))
    assert told == {"file": "officer.jpg", "error": None, **judged.to_dict()}
