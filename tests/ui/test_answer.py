"""The answer in HTML, its boxes and its report."""

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detector import Detector, Face, Result, Verdict, picture, words
from detector.model_folder import ModelFolder, no_signs_shares
from detector.provenance import Finding
from detector.result import Evidence, Warning, WarningCode
from detector.verdict import Tail
from tests.support.measured import measured_on_unseen
from ui import answer, boxes, parts, report
from ui.shapes import BOX_COLOURS

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
    warning = Warning(WarningCode.TINY_FACE, ATTACK)
    told = result_with(judged, provenance=(Finding(ATTACK, ATTACK, ATTACK, ATTACK),), warnings=(warning,))
    pages = (answer.evidence_html(told), answer.verdict_html(told, model), parts.error_html(ATTACK, ATTACK))
    for page in pages:
        assert "<script" not in page and "<img" not in page and "&lt;script" in page


@pytest.mark.parametrize(
    ("p_fake", "shown"),
    [
        (0.0, "below 1"),
        (0.0099, "below 1"),
        (0.01, "1"),
        (0.934, "93"),
        (0.99, "99"),
        (0.9901, "above 99"),
        (1.0, "above 99"),
    ],
)
def test_a_score_is_never_certain(p_fake: float, shown: str) -> None:
    assert parts.score_words(p_fake) == shown


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
            (Verdict.NO_SIGNS, 2900, 2100),
        )
    )
    of = dataclasses.replace(judged, faces=crowd, picture=dataclasses.replace(judged.picture, width=3200, height=2400))
    drawn = boxes.draw(np.full((1200, 1600, 3), 200, np.uint8), of)
    assert drawn.size == (1600, 1200)
    pixels = np.asarray(drawn)
    assert all((pixels == BOX_COLOURS[face.verdict]).all(axis=2).any() for face in crowd)
    grey = BOX_COLOURS[Verdict.UNCERTAIN]
    assert max(grey) - min(grey) < 24


def test_many_faces_are_shown_up_to_a_bound(judged: Result, model: ModelFolder) -> None:
    face = judged.faces[0]
    crowd: tuple[Face, ...] = (face,) * (answer.SHOWN_FACES + 6)
    page = answer.cards_html(result_with(judged, faces=crowd), model)
    assert page.count("<article") == answer.SHOWN_FACES and "6 more faces" in page


def test_a_crop_on_the_page_is_small(judged: Result, model: ModelFolder) -> None:
    page = answer.cards_html(judged, model)
    start = page.index("base64,") + 7
    data = base64.b64decode(page[start : page.index('"', start)])
    assert Image.open(io.BytesIO(data)).size == judged.faces[0].crop.shape[:2]
    assert len(data) < 60_000


def test_a_card_tells_which_of_two_looks_speaks(judged: Result, model: ModelFolder) -> None:
    tight = model.networks[0]
    wide = dataclasses.replace(tight, config=dataclasses.replace(tight.config, crop_margin=2.2))
    one = dataclasses.replace(model, networks=(tight, tight))
    two = dataclasses.replace(model, networks=(tight, wide))
    face = dataclasses.replace(judged.faces[0], verdict=Verdict.LIKELY_FAKE, evidence=Evidence.SURROUNDINGS)
    around = result_with(judged, faces=(face,))
    assert "Most of it comes from the picture around the face." in text(answer.cards_html(around, two))
    assert "The face and its surroundings" in text(answer.cards_html(around, two))
    assert "Most of it" not in text(answer.cards_html(around, one))
    unsuspected = result_with(judged, faces=(dataclasses.replace(face, verdict=Verdict.NO_SIGNS),))
    assert "Most of it" not in text(answer.cards_html(unsuspected, two))


def test_a_face_that_is_not_judged_shows_why_and_no_score(judged: Result, model: ModelFolder) -> None:
    face = dataclasses.replace(judged.faces[0], verdict=Verdict.UNCERTAIN, doubts=(WarningCode.COVERED_FACE,))
    told = result_with(judged, verdict=Verdict.UNCERTAIN, faces=(face,))
    page, cards = answer.verdict_html(told, model), text(answer.cards_html(told, model))
    assert "Too little of the face shows for a verdict." in text(page) and "Score" not in page
    assert "This face is covered, by a mask, a bar or something else" in cards and "Score" not in cards
    group = result_with(told, faces=(face, judged.faces[0]))
    assert "Too little of one of the 2 faces shows for a verdict" in text(answer.verdict_html(group, model))


def test_the_scale_shows_the_threshold_of_so_many_faces(judged: Result, model: ModelFolder) -> None:
    calibration = dataclasses.replace(
        model.calibration, likely_fake_from=0.8, leans_fake_from=None, tail=Tail(0.0, 0.5, 0.0)
    )
    model = dataclasses.replace(model, config=dataclasses.replace(model.config, calibration=calibration))
    assert "likely forged from 80," in answer.verdict_html(judged, model)
    crowd = result_with(judged, faces=judged.faces * 20)
    assert f"likely forged from {100 * 4 * 20**0.5 / (1 + 4 * 20**0.5):.0f}," in answer.verdict_html(crowd, model)


# --- What stands beside a verdict ------------------------------------------------------------------------------------


def text(page: str) -> str:
    """The words of a page, one space between them."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_no_signs_stands_beside_both_shares_and_the_generators(judged: Result, model: ModelFolder) -> None:
    face = dataclasses.replace(judged.faces[0], verdict=Verdict.NO_SIGNS)
    told, measured = result_with(judged, verdict=Verdict.NO_SIGNS, faces=(face,)), measured_on_unseen(model)
    seen = words.of_100(no_signs_shares(measured.metrics).seen)
    page = text(answer.verdict_html(told, measured))
    assert "No signs of forgery found" in page and words.NOT_PROOF in page
    assert "15 of 100 faces by generators the detector has never seen score this low" in page
    assert f"{seen} faces forged in the ways it was trained on score this low" in page
    places = [page.index(part) for part in ("Stable Diffusion 3 (2024): 26", "Gemini 3 Pro Image (2025): 14",
                                            "inswapper: 10")]  # fmt: skip
    assert places == sorted(places)
    card = text(answer.cards_html(told, measured))
    assert "Score this low: 15 of 100 faces by generators the detector has never seen," in card
    assert f"{seen[0].lower()}{seen[1:]} faces forged in the ways it was trained on." in card


def test_likely_forged_stands_beside_how_many_real_faces_score_as_high(judged: Result, model: ModelFolder) -> None:
    page = text(answer.verdict_html(result_with(judged, verdict=Verdict.LIKELY_FAKE), measured_on_unseen(model)))
    assert "Fewer than 1 of 100 real faces from collections the detector has never seen score this high" in page
    assert "12 of 100 faces by generators the detector has never seen score this high" in page


@pytest.mark.parametrize("seen", [True, False])
def test_what_was_never_measured_is_said_plainly(judged: Result, model: ModelFolder, seen: bool) -> None:
    metrics = dataclasses.replace(model.metrics, sets=model.metrics.seen) if seen else None
    older = dataclasses.replace(model, read_metrics=lambda: metrics)
    page = text(answer.verdict_html(result_with(judged, verdict=Verdict.NO_SIGNS), older))
    assert "Not measured on generators the detector has never seen – any number of their faces may" in page
    assert ("Not measured on faces forged in the ways it was trained on" in page) != seen
    accused = text(answer.verdict_html(result_with(judged, verdict=Verdict.LIKELY_FAKE), older))
    assert "Not measured on real faces from collections the detector has never seen" in accused


def test_nothing_is_claimed_where_it_cannot_tell(judged: Result, model: ModelFolder) -> None:
    for verdict in (Verdict.UNCERTAIN, Verdict.NO_FACE):
        assert words.facts(verdict, measured_on_unseen(model).metrics) == () == words.facts(verdict, None)
        assert "never seen" not in answer.verdict_html(result_with(judged, verdict=verdict), model)


@pytest.mark.parametrize("share", [0.0, 0.0099, 0.99001, 1.0])
def test_a_measured_share_is_never_none_or_all(share: float) -> None:
    assert words.of_100(share) == ("Fewer than 1 of 100" if share < 0.5 else "More than 99 of 100")


def test_the_scale_names_its_ends(judged: Result, model: ModelFolder) -> None:
    page = answer.verdict_html(judged, model)
    ends = re.search(r'<div class="ends">(.*?)</div>', page).group(1)
    assert re.findall(r"<span>(.*?)</span>", ends) == ["no signs", "can’t tell", "likely forged"]


def test_absence_of_signs_is_never_called_real() -> None:
    """Neither in the words of the verdict nor in those for programs."""
    assert not any("real" in (str(verdict) + words.VERDICTS[verdict]).lower() for verdict in Verdict)


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
    page = report.as_html(judged, picture.read(hopper).pixels, model, "officer.jpg")
    loads = _Loads(page).found
    assert len(loads) == 1 + 2 * len(judged.faces)  # the picture, and every face with its map
    assert all(source.startswith("data:image/webp;base64,") for source in loads)
    for told in (judged.picture.sha256, judged.model.digest, "officer.jpg", "What this cannot tell", "Face by face"):
        assert told in page
    assert "url(" not in page and "@import" not in page


def test_a_report_without_a_face_has_no_faces(detector: Detector, no_face: np.ndarray) -> None:
    page = report.as_html(detector.detect(no_face), picture.read(no_face).pixels, detector.model, "page.png")
    assert "No face found" in page and "Face by face" not in page and "of 100" not in page


def test_a_file_name_in_a_report_is_only_text(judged: Result, model: ModelFolder, hopper: Path) -> None:
    page = report.as_html(judged, picture.read(hopper).pixels, model, ATTACK)
    assert "<script" not in page and "&lt;script" in page
    assert json.loads(report.as_json(judged, ATTACK))["file"] == ATTACK


def test_the_json_report_is_the_result(judged: Result) -> None:
    told = json.loads(report.as_json(judged, "officer.jpg"))
    assert told == {"file": "officer.jpg", "error": None, **judged.to_dict()}
