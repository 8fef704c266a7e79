"""Who signed a picture, as the page, the API and the report show it: one app with a trust list of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gradio_client import handle_file

from tests.support.credentials import Authority, signed
from tests.support.marked_files import AI
from tests.support.running_app import RunningApp, answer, api_client, give, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Example Pictures")


@pytest.fixture(scope="module")
def app(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    trusted = tmp_path_factory.mktemp("list") / "trusted.pem"
    trusted.write_bytes(authority.pem)
    with serve(DETECTOR_TRUST_LIST=str(trusted)) as app:
        yield app


@pytest.fixture(scope="module")
def pictures(authority: Authority, hopper: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A photograph signed by somebody on the list, by somebody who took the same name, and changed afterwards."""
    folder = tmp_path_factory.mktemp("signed")
    photo = hopper.read_bytes()
    trusted = signed(authority.signer("Example Pictures"), photo, "image/jpeg", [AI])
    forged = signed(Authority("Example Pictures").signer("Example Pictures"), photo, "image/jpeg", [AI])
    changed = bytearray(trusted)
    changed[-60] ^= 0xFF
    files = {"trusted": trusted, "unknown": forged, "changed": bytes(changed)}
    for name, data in files.items():
        (folder / f"{name}.jpg").write_bytes(data)
    return {name: folder / f"{name}.jpg" for name in files}


@pytest.mark.slow
def test_the_api_says_who_signed(app: RunningApp, pictures: dict[str, Path]) -> None:
    client = api_client(app.url)
    for code, picture in pictures.items():
        (finding,) = client.predict(handle_file(str(picture)), api_name="/detect")["provenance"]
        assert finding["signature"] == code
        assert (finding["trust_list"] or {}).get("owner") == (None if code == "changed" else "administrator")


WORDS = {
    "trusted": "Signer on the trust list set up here",
    "unknown": "Signer unknown",
    "changed": "Changed after signing",
}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_the_page_says_who_signed(
    look: Callable[..., "Page"], app: RunningApp, pictures: dict[str, Path], width: int, scheme: str
) -> None:
    page = look(width, scheme, app.url)
    for code, words in WORDS.items():
        give(page, pictures[code])  # each in the place of the one before
        tag = page.locator(f"#evidence [data-signature={code}], #verdict [role=alert]")
        tag.wait_for()
        assert tag.inner_text() == words
        said = page.locator("#evidence").inner_text()
        assert ("by a signer on the trust list set up here of " in said) == (code == "trusted")
        assert ("signed by “Example Pictures”" in said) == (code == "trusted")
        page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_the_report_says_who_signed(
    look: Callable[..., "Page"], chromium: "Browser", app: RunningApp, pictures: dict[str, Path], tmp_path: Path
) -> None:
    page = look(url=app.url)
    give(page, pictures["trusted"])
    answer(page)
    for words, name in (("Download the report", "report.html"), ("Download as JSON", "report.json")):
        with page.expect_download() as download:
            page.get_by_text(words).click()
        download.value.save_as(tmp_path / name)
    (finding,) = json.loads((tmp_path / "report.json").read_text())["provenance"]
    assert finding["signature"] == "trusted" and finding["trust_list"]["owner"] == "administrator"
    report = chromium.new_page()
    report.goto((tmp_path / "report.html").as_uri())
    assert report.locator("[data-signature=trusted]").inner_text() == "Signer on the trust list set up here"
    report.close()
