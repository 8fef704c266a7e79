"""What a visitor meets first: examples that answer as they are called, and what to do with an open answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from detector import Detector, Result, Verdict, cutout
from detector.provenance import OriginKind
from tests.support.running_app import answer, give, overflow
from tests.ui.test_accessibility import violations
from ui import next_steps
from ui.example_pictures import FILES, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


def promised(name: str, result: Result) -> bool:
    """Whether the answer is what the example's name says."""
    return {
        "A real portrait": len(result.faces) == 1 and result.verdict is Verdict.NO_SIGNS,
        "A forged face": len(result.faces) == 1 and result.verdict is Verdict.LIKELY_FAKE,
        "A file that says AI": result.origin.kind is OriginKind.DECLARED_AI,
        "One it can’t tell": result.verdict in next_steps.OPEN and result.origin.kind is OriginKind.NONE,
        "A group": len(result.faces) > 3 and result.verdict is not Verdict.LIKELY_FAKE,
        "No face": result.verdict is Verdict.NO_FACE,
    }[name]


@pytest.mark.parametrize("name", FILES)
def test_an_example_answers_as_its_name_promises(detector: Detector, name: str) -> None:
    result = detector.detect(FOLDER / FILES[name])
    assert promised(name, result), (result.verdict, len(result.faces), result.origin)


def test_examples_are_few_small_and_told_of() -> None:
    told = (FOLDER / "README.md").read_text("utf-8")
    files = {file.name for file in FOLDER.iterdir()} - {"README.md"}
    assert files == set(FILES.values()) and all(f"| {name} |" in told for name in files)
    assert all((FOLDER / name).stat().st_size < 100_000 for name in files)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_examples_are_thumbnails_with_names_and_work_by_keyboard(
    look: Callable[..., "Page"], width: int, scheme: str
) -> None:
    page = look(width, scheme)
    page.locator("#examples button").first.wait_for()
    assert page.locator("#examples button").all_inner_texts() == list(FILES)
    page.wait_for_function("[...document.querySelectorAll('#examples img')].every(image => image.naturalWidth > 0)")
    for name, verdict in (("A real portrait", "no_signs"), ("A forged face", "likely_fake"), ("No face", "no_face")):
        page.get_by_role("button", name=name).press("Enter")
        page.locator(f"#verdict [data-verdict={verdict}]").wait_for()
        assert page.locator("#verdict .next").count() == 0
    assert overflow(page) <= 0


def sites(page: "Page", place: str) -> list[tuple[str, str, str]]:
    found = page.locator(f"{place} .next a").all()
    return [(link.inner_text(), link.get_attribute("href"), link.get_attribute("rel")) for link in found]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_an_open_answer_says_what_to_do_next(look: Callable[..., "Page"], width: int, scheme: str) -> None:
    """And sends nothing: the links are front pages, whatever the picture is."""
    page = look(width, scheme)
    page.get_by_role("button", name="One it can’t tell").click()
    assert answer(page) in next_steps.OPEN
    assert page.locator("#verdict .next .steps > li").count() == 3
    assert sites(page, "#verdict") == [(*site, "noopener noreferrer") for site in next_steps.LOOK_UP]
    assert not any("?" in address or "#" in address for _, address in next_steps.LOOK_UP)
    page.locator("#verdict .next a").first.focus()
    assert page.evaluate("document.activeElement.textContent") == "Google Lens"
    assert violations(page) == [] and overflow(page) <= 0
    page.locator("#upload").get_by_label("Remove Image").click()
    page.locator("#verdict .next").wait_for(state="detached")


def test_an_open_answer_says_why_where_there_is_a_reason(look: Callable[..., "Page"]) -> None:
    page = look(360)
    page.get_by_role("button", name="A group").click()
    assert answer(page) in next_steps.OPEN
    why = page.locator("#verdict .warnings").inner_text()
    assert "What makes this answer weak" in why and "too small to be judged" in why and "too blurred" in why
    assert page.locator("#verdict .next").is_visible()
    assert violations(page) == [] and overflow(page) <= 0


# --- The face and its traces -----------------------------------------------------------------------------------------


def test_traces_are_shown_where_there_are_any(look: Callable[..., "Page"]) -> None:
    page = look()
    for name, images in (("A real portrait", 1), ("A forged face", 2)):
        page.get_by_role("button", name=name).click()
        page.wait_for_function(f"() => document.querySelectorAll('#compared img').length === {images}")
        page.wait_for_function(f"() => document.querySelectorAll('#cards img').length === {images}")
        assert page.locator("#compared input").count() == images - 1
        shown = page.locator("#compared").inner_text() + page.locator("#cards").inner_text()
        assert shown.count("No traces of a forgery found") == (2 if images == 1 else 0)


def at_the_edge(folder: "Path", angle: int) -> "Path":
    """A face whose hair lies beyond the picture's left and upper edge, the whole turned."""
    with Image.open(FOLDER / "generated.jpg") as image:
        image.crop((90, 60, 640, 640)).rotate(angle, expand=True).save(folder / "edge.png")
    return folder / "edge.png"


@pytest.mark.parametrize("angle", [0, 90, 180])
def test_a_crop_ends_where_the_picture_does(detector: Detector, tmp_path: "Path", angle: int) -> None:
    result = detector.detect(at_the_edge(tmp_path, angle))
    [face] = result.faces
    whole = face.crop.astype(int)
    assert (np.abs(np.diff(whole[:, :6], axis=1)).max() == 0) or (np.abs(np.diff(whole[:6], axis=0)).max() == 0)
    image, traces = cutout.of_face(face, result, detector.model)
    assert traces is not None and traces.size == image.size != whole.shape[:2]
    shown = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(np.diff(shown[:, :3], axis=1)).max() > 0 and np.abs(np.diff(shown[:3], axis=0)).max() > 0


def test_what_a_turned_crop_lacks_is_clear(detector: Detector, tmp_path: "Path") -> None:
    with Image.open(FOLDER / "generated.jpg") as image:
        image.rotate(40, expand=True, fillcolor=(0, 0, 0)).crop((150, 150, 750, 750)).save(tmp_path / "turned.png")
    result = detector.detect(tmp_path / "turned.png")
    image, _ = cutout.of_face(result.faces[0], result, detector.model)
    assert image.mode == "RGBA" and 0 < (np.asarray(image)[..., 3] == 0).mean() < 0.5


def test_a_face_well_inside_is_shown_whole(detector: Detector) -> None:
    result = detector.detect(FOLDER / "portrait.jpg")
    image, traces = cutout.of_face(result.faces[0], result, detector.model)
    assert np.array_equal(np.asarray(image), result.faces[0].crop) and traces is None


def test_at_the_edge_in_the_browser(look: Callable[..., "Page"], tmp_path: "Path") -> None:
    page = look()
    give(page, at_the_edge(tmp_path, 0))
    answer(page)
    page.locator("#cards img").first.wait_for()
    shapes = "[...document.querySelectorAll('#cards img, #compared img')].map(i => [i.naturalWidth, i.naturalHeight])"
    page.wait_for_function(f"{shapes}.every(([width]) => width > 0)")
    assert all(width != height for width, height in page.evaluate(shapes))
