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

from detector import Detector, Face, Result, Verdict, heatmap, messages, picture
from detector.model_folder import ModelFolder
from detector.provenance import Finding, Signature, Suggests
from detector.result import Evidence, Warning, WarningCode
from detector.shares import Share, Shares
from detector.verdict import Tail
from ui import answer, boxes, components, report
from ui.icons import BOX_COLOURS

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
    pages = (answer.evidence_html(told), answer.verdict_html(told, model), components.error_html(ATTACK, ATTACK))
    for page in pages:
        assert "<script" not in page and "<img" not in page and "&lt;script" in page


@pytest.mark.parametrize(
    ("score", "shown"),
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
def test_a_score_is_never_certain(score: float, shown: str) -> None:
    assert components.score_words(score) == shown


def test_each_verdict_has_words_and_a_shape_of_its_own(judged: Result, model: ModelFolder) -> None:
    pages = {}
    for verdict in Verdict:
        empty = {"score": None, "faces": ()} if verdict is Verdict.NO_FACE else {}
        page = answer.verdict_html(result_with(judged, verdict=verdict, **empty), model)
        pages[verdict] = page[page.index("<svg") : page.index("</svg>")], page[page.index("<h2>") : page.index("</h2>")]
    assert len({shape for shape, _ in pages.values()}) == len({words for _, words in pages.values()}) == len(Verdict)
    assert "of 100" not in answer.verdict_html(
        result_with(judged, verdict=Verdict.NO_FACE, score=None, faces=()), model
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
    assert "Can’t tell: the face cannot be judged" in text(page) and "Score" not in page
    assert "This face is covered, by a mask, a bar or something else" in cards and "Score" not in cards
    group = result_with(told, faces=(face, judged.faces[0]))
    assert "At least one of the 2 faces is too small, cut off, blurred, covered or near an empty corner" in text(
        answer.verdict_html(group, model)
    )


def test_the_scale_shows_the_threshold_of_so_many_faces(judged: Result, model: ModelFolder) -> None:
    calibration = dataclasses.replace(
        model.calibration, likely_fake_from=0.8, leans_fake_from=None, tail=Tail(0.0, 0.5, 0.0)
    )
    model = dataclasses.replace(model, config=dataclasses.replace(model.config, calibration=calibration))
    assert "likely forged from 80." in answer.verdict_html(judged, model)
    crowd = result_with(judged, faces=judged.faces * 20)
    assert f"likely forged from {100 * 4 * 20**0.5 / (1 + 4 * 20**0.5):.0f}." in answer.verdict_html(crowd, model)


# --- What stands beside a verdict ------------------------------------------------------------------------------------


def text(page: str) -> str:
    """The words of a page, one space between them."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


SHARES = Shares(Share(0.031, 0.02, 0.043), Share(0.42, 0.37, 0.47), Share(0.8, 0.76, 0.84))


def test_how_rare_a_score_is_stands_beside_it(judged: Result, model: ModelFolder) -> None:
    """High scores and low ones, of a picture and of each of its faces."""
    face = dataclasses.replace(judged.faces[0], verdict=Verdict.LEANS_FAKE, shares=SHARES)
    told = result_with(judged, verdict=Verdict.LEANS_FAKE, faces=(face,), shares=SHARES)
    high = (
        "This score or a higher one is given to 3 of 100 real faces (2 to 4), to 42 of 100 faces forged in ways it has "
        "never seen (37 to 47) and to 80 of 100 faces forged in ways it was trained on (76 to 84)."
    )
    page, cards = text(answer.verdict_html(told, model)), text(answer.cards_html(told, model))
    assert "Leans forged, but not enough to say so" in page and high in page and high in cards
    group = text(answer.verdict_html(result_with(told, faces=(face,) * 4), model))
    assert "is given to a face in 3 of 100 photographs with 4 real faces each (2 to 4), to 42 of 100" in group
    cleared = dataclasses.replace(face, verdict=Verdict.NO_SIGNS)
    low = text(answer.verdict_html(result_with(told, verdict=Verdict.NO_SIGNS, faces=(cleared,)), model))
    assert (
        messages.NOT_PROOF in low and "A lower score is given to 97 of 100 real faces (96 to 98), to 58 of 100" in low
    )


def test_what_was_never_measured_is_said_plainly(judged: Result, model: ModelFolder) -> None:
    seen = result_with(judged, verdict=Verdict.UNCERTAIN, shares=dataclasses.replace(SHARES, unseen=None))
    page = text(answer.verdict_html(seen, model))
    assert "It was never measured on faces forged in ways it has never seen." in page and "real faces (2 to 4)" in page
    page = text(answer.verdict_html(result_with(judged, shares=Shares()), model))
    assert "How rare such a score is was never measured for this model." in page


@pytest.mark.parametrize(("trust", "by"), [("verified", "Example"), ("intact", "Example"), ("written", None)])
def test_a_file_that_declares_ai_leads_with_that(
    judged: Result, model: ModelFolder, trust: str, by: str | None
) -> None:
    """Whatever the faces showed, which comes after; the score stays."""
    signature = {"verified": Signature.TRUSTED, "intact": Signature.UNKNOWN, "written": None}[trust]
    finding = Finding("a", "b", "c", Suggests.AI_MADE, signature, by=by)
    for verdict in Verdict:
        empty = {"score": None, "faces": ()} if verdict is Verdict.NO_FACE else {}
        told = result_with(judged, verdict=verdict, provenance=(finding,), **empty)
        page = answer.verdict_html(told, model)
        assert "<h2>This file says that it was made with AI</h2>" in page and 'panel verdict fake"' in page
        assert f"What the detector says about the faces: {messages.TITLES[verdict]}." in text(page)
        assert ("Example says so and signed it" if by else "A mark in the file says so, and nobody signed it") in page
        assert told.to_dict()["headline"] == "This file says that it was made with AI"
        assert told.score is None or f"<b>{components.score_words(judged.score)}</b>" in page


def test_a_camera_and_a_high_score_disagree(judged: Result, model: ModelFolder) -> None:
    shot = (Finding("a", "b", "c", Suggests.CAMERA, Signature.TRUSTED, by="Leica"),)
    accused = text(answer.verdict_html(result_with(judged, verdict=Verdict.LIKELY_FAKE, provenance=shot), model))
    assert "Signed by a camera, yet likely forged: the two disagree" in accused
    assert "Leica vouches with its signature that a camera took the picture" in accused
    assert messages.SENTENCES[Verdict.LIKELY_FAKE][0] in accused and "One of the two misleads" in accused
    clear = text(answer.verdict_html(result_with(judged, verdict=Verdict.NO_SIGNS, provenance=shot), model))
    assert "No signs of forgery found" in clear and "Leica vouches" in clear and "disagree" not in clear


def test_an_edit_is_a_headline_where_it_is_signed(judged: Result, model: ModelFolder) -> None:
    for signature, told in ((Signature.TRUSTED, True), (None, False)):
        edited = (Finding("a", "It was cropped.", "c", Suggests.EDITED, signature, by="Example"),)
        page = answer.verdict_html(result_with(judged, verdict=Verdict.NO_SIGNS, provenance=edited), model)
        assert ("found; the file says that it was edited</h2>" in page) == told and "It was cropped. Example" in page


@pytest.mark.parametrize("share", [0.0, 0.0099, 0.99001, 1.0])
def test_a_measured_share_is_never_none_or_all(share: float) -> None:
    assert messages.of_100(share) == ("fewer than 1 of 100" if share < 0.5 else "more than 99 of 100")


def test_the_scale_names_its_ends(judged: Result, model: ModelFolder) -> None:
    page = answer.verdict_html(judged, model)
    ends = re.search(r'<div class="ends">(.*?)</div>', page).group(1)
    assert re.findall(r"<span>(.*?)</span>", ends) == ["no signs", "can’t tell", "leans", "likely forged"]


def test_absence_of_signs_is_never_called_real() -> None:
    """Neither in the words of the verdict nor in those for programs."""
    assert not any("real" in (str(verdict) + messages.VERDICTS[verdict]).lower() for verdict in Verdict)


# --- The report ------------------------------------------------------------------------------------------------------


class _Loads(HTMLParser):
    """Collects what a page would fetch, and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        addresses = [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]
        (self.links if tag == "a" else self.found).extend(addresses)
        assert tag not in ("script", "link", "iframe", "object", "form")


def test_the_report_is_whole_and_loads_nothing(judged: Result, model: ModelFolder, hopper: Path) -> None:
    page = report.as_html(judged, picture.read(hopper).pixels, model, "officer.jpg")
    loads = _Loads(page)
    maps = [heatmap.shows(face.activation) for face in judged.faces]
    assert len(loads.found) == 1 + len(maps) + sum(maps)  # the picture, every face, and its map where it shows traces
    assert all(source.startswith("data:image/webp;base64,") for source in loads.found)
    assert all(link.startswith("https://") for link in loads.links)
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
