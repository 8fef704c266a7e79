"""The button "This is wrong": where a report goes, and what is in it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image, PngImagePlugin

from detector import Detector, Result, messages
from tests.support.running_app import ASTRONAUT, RunningApp, answer, give, overflow, serve
from tests.ui.test_accessibility import violations
from ui import feedback

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPORTS = "https://github.com/owner/name/issues/new?title={title}&body={body}"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph whose name and file say something."""
    texts, exif = PngImagePlugin.PngInfo(), Image.Exif()
    texts.add_text("Software", "Adobe Photoshop Secretly")
    exif[0x010F] = "Secret Camera"
    path = tmp_path / "secret-holiday.png"
    with Image.open(ASTRONAUT) as image:
        image.save(path, pnginfo=texts, exif=exif)
    return path


@pytest.fixture
def judged(photo: Path) -> Result:
    return Detector.load().detect(photo)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"SPACE_ID": "owner/app"}, "https://huggingface.co/spaces/owner/app/discussions/new?title={title}&descript"),
        ({"DETECTOR_REPORTS": REPORTS, "SPACE_ID": "owner/app"}, REPORTS),
        ({"DETECTOR_REPORTS": "https://github.com/owner/name"}, None),
        ({"DETECTOR_REPORTS": "javascript:alert('{body}')", "SPACE_ID": "owner/app"}, None),
    ],
)
def test_the_address(
    variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("DETECTOR_REPORTS", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = feedback.address()
    assert found == expected if expected is None else found.startswith(expected)
    assert bool(caplog.messages) == ("DETECTOR_REPORTS" in variables and expected is None)


def reported(href: str, body: str) -> tuple[str, dict]:
    """The title of the report, and what its JSON says."""
    asked = parse_qs(urlsplit(href).query)
    return asked["title"][0], json.loads(asked[body][0].partition("```json")[2].partition("```")[0])


def test_the_report_says_enough_and_nothing_of_the_picture(
    look: Callable[..., "Page"], photo: Path, judged: Result
) -> None:
    with serve(SPACE_ID="owner/app") as app:
        page = look(360, url=app.url)
        give(page, photo)
        assert answer(page) == judged.verdict
        link = page.get_by_role("link", name="This is wrong")
        href = link.get_attribute("href")
        assert link.get_attribute("target") == "_blank" and "noopener" in link.get_attribute("rel")
        assert overflow(page) <= 0 and violations(page) == []
    assert href.startswith("https://huggingface.co/spaces/owner/app/discussions/new?") and len(href) < 4000
    title, told = reported(href, "description")
    assert messages.VERDICTS[judged.verdict] in title and judged.picture.sha256[:12] in title
    assert told == json.loads(json.dumps(feedback.facts(judged)))
    assert told["picture"] == judged.to_dict()["picture"] and told["model"]["digest"] == judged.model.digest
    assert told["score"] == judged.to_dict()["score"] and len(told["faces"]) == 1
    for secret in ("secret", "Secret", "Photoshop", "Camera", "data:"):
        assert secret not in href


def test_a_crowd_fits_into_an_address(judged: Result) -> None:
    crowd = dataclasses.replace(judged, faces=judged.faces * 60)
    assert len(feedback.link_html(crowd, REPORTS)) < 8000


def test_without_an_address_there_is_no_button(look: Callable[..., "Page"], running_app: RunningApp) -> None:
    page = look()
    give(page, ASTRONAUT)
    answer(page)
    assert page.get_by_text("This is wrong").count() == 0
