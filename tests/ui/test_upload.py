"""What the field of the tab Detect takes, and what it says of the rest, in a real browser."""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from detector import Detector, picture
from tests.support.running_app import ASTRONAUT, answer, give
from tests.ui.test_bad_input import PORTRAIT, heic, saved
from ui import components

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOWN = "#upload .image-frame img"

_FILES = """const files = new DataTransfer();
for (const [name, type, data, more] of given) {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  files.items.add(new File([bytes, new Uint8Array(more)], name, {type}));
}"""
_BUTTON = f"""given => {{ {_FILES} const input = document.querySelector('#upload input[type=file]');
input.files = files.files; input.dispatchEvent(new Event('change', {{bubbles: true}})) }}"""
_DROP = f"""given => {{ {_FILES} const onto = document.querySelector('{SHOWN}, #upload button[aria-dropeffect]');
for (const name of ['dragenter', 'dragover', 'drop']) onto.dispatchEvent(
  new DragEvent(name, {{bubbles: true, cancelable: true, dataTransfer: files}})) }}"""


def sent(page: "Page", how: str, *files: tuple[str, str, bytes], more: int = 0) -> None:
    """Give `files` (name, type and bytes, `more` zeros behind) to the field as a visitor's system would."""
    page.locator("#upload input[type=file]").first.wait_for(state="attached")
    given = [(name, kind, base64.b64encode(data).decode(), more) for name, kind, data in files]
    page.evaluate({"button": _BUTTON, "drop": _DROP}[how], given)


def note(page: "Page") -> str:
    said = page.locator("#upload-note p:not(:empty)")
    said.wait_for()
    return said.inner_text()


def tiff() -> bytes:
    return saved(PORTRAIT, "TIFF")


def plain() -> bytes:
    return saved(PORTRAIT, "JPEG")


# --- Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["button", "drop"])
def test_what_the_browser_does_not_know_is_judged_and_shown(look: Callable[..., "Page"], how: str) -> None:
    page = look()
    for name, make in {"IMG_0001.HEIC": heic, "DSC00001.HIF": heic, "holiday": plain, "scan.TIF": tiff}.items():
        sent(page, how, (name, "", make()))  # the second in the place of the first
        page.locator(f"#record:has-text('{expected(make())}')").wait_for(state="attached")
        assert page.locator("#cards [data-face]").count() == 1, name
        page.wait_for_function(f"() => document.querySelector('{SHOWN}')?.naturalWidth > 0")
    assert page.locator(".toast-body").count() == 0


def expected(data: bytes) -> str:
    """What the record tells of this file."""
    return picture.read(data).sha256


def test_the_list_to_choose_from_shows_them_too(look: Callable[..., "Page"]) -> None:
    page = look()
    with page.expect_file_chooser() as chooser:
        page.locator("#upload button[aria-dropeffect]").click()
    accepted = (chooser.value.element.get_attribute("accept") or "").split(",")
    assert {"image/*", ".heic", ".heif", ".hif", ".avif"} <= set(accepted)


def test_a_link_to_such_a_picture_shows_it(look: Callable[..., "Page"]) -> None:
    page = look()
    sent(page, "button", ("IMG_0001.HEIC", "", heic()))
    answer(page)
    page.get_by_role("button", name="Make a link").click()
    page.wait_for_function("() => document.querySelector('#link textarea, #link input')?.value.startsWith('http')")
    page.goto(page.locator("#link textarea, #link input").input_value())
    answer(page)
    page.wait_for_function(f"() => document.querySelector('{SHOWN}')?.naturalWidth > 0")


def test_what_is_no_picture_is_told_what_to_do(look: Callable[..., "Page"]) -> None:
    page = look()
    posted: list[int] = []
    page.on("request", lambda request: posted.append(len(request.post_data_buffer or b"")))
    film = ("film.mp4", "video/mp4", b"\0\0\0\x18ftypmp42")
    sent(page, "button", film, more=picture.MAX_BYTES)
    page.locator("#verdict [role=alert]").wait_for()
    said = page.locator("#verdict").inner_text()
    assert "This is a video (MP4)" in said and "take a screenshot" in said
    assert 0 < max(posted) < 100_000, "a film is not sent to be refused"
    sent(page, "drop", ("letter.pdf", "application/pdf", b"%PDF-1.7"))
    page.get_by_text("This is a PDF, not a picture").wait_for()


def test_a_picture_that_is_too_large_is_not_sent(look: Callable[..., "Page"]) -> None:
    page = look()
    sent(page, "button", ("large.tif", "image/tiff", tiff()), more=picture.MAX_BYTES)
    assert note(page) == "The file is larger than the limit of 30 MB: scale it down and try again."
    sent(page, "drop", ("large.HEIC", "", heic()), more=picture.MAX_BYTES)
    assert page.get_by_text("Your answer appears here").is_visible()
    give(page, ASTRONAUT)
    answer(page)
    page.locator("#upload-note p:empty").wait_for(state="attached")


def test_of_several_the_first_is_judged_and_the_rest_named(look: Callable[..., "Page"]) -> None:
    page = look()
    sent(page, "drop", ("a.jpg", "image/jpeg", plain()), ("b.jpg", "image/jpeg", plain()))
    assert "Batch takes many" in note(page)
    answer(page)


# --- Addresses and the clipboard -------------------------------------------------------------------------------------


@pytest.fixture
def copied(look: Callable[..., "Page"]) -> Callable[..., "Page"]:
    """The page, where a visitor has copied what is given: by type, text or base64 of a picture."""

    def copy(page: "Page | None" = None, **given: str) -> "Page":
        page = page or look()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.evaluate(
            """async given => { const kinds = {text: 'text/plain', png: 'image/png'}, item = {};
            for (const [kind, value] of Object.entries(given)) item[kinds[kind]] = kind === 'text' ? value
              : new Blob([Uint8Array.from(atob(value), letter => letter.charCodeAt(0))], {type: kinds[kind]});
            await navigator.clipboard.write([new ClipboardItem(item)]) }""",
            given,
        )
        page.locator("#upload input[type=file]").first.wait_for(state="attached")
        return page

    return copy


@pytest.mark.parametrize("how", ["keys", "button"])
def test_an_address_is_not_fetched_and_that_is_told(copied: Callable[..., "Page"], how: str) -> None:
    page = None
    for text in ("https://example.org/face.jpg", " www.example.org/a ", "file:///C:/holiday.jpg"):
        page = copied(page, text=text)
        page.evaluate("() => document.querySelector('#upload-note p').replaceChildren()")
        paste(page, how)
        assert note(page) == components.ADDRESS
        assert page.get_by_text("Your answer appears here").is_visible()
    give(page, ASTRONAUT)  # and the field takes files as before
    answer(page)


def paste(page: "Page", how: str) -> None:
    if how == "keys":
        page.locator("body").press("Control+v")
    else:
        page.get_by_label("Paste from clipboard").click()


@pytest.mark.parametrize("how", ["keys", "button"])
def test_a_picture_on_the_clipboard_is_taken_rather_than_its_address(copied: Callable[..., "Page"], how: str) -> None:
    png = base64.b64encode(ASTRONAUT.read_bytes()).decode()
    page = copied(text="https://example.org/face.jpg", png=png)
    paste(page, how)
    assert answer(page) == Detector.load().detect(ASTRONAUT).verdict
    assert page.locator("#upload-note p").inner_text() == ""


def test_a_picture_that_is_an_address_itself_is_taken(copied: Callable[..., "Page"]) -> None:
    page = copied(text=f"data:image/jpeg;base64,{base64.b64encode(plain()).decode()}")
    paste(page, "keys")
    page.locator(f"#record:has-text('{expected(plain())}')").wait_for(state="attached")


def test_a_clipboard_without_a_picture_is_told(copied: Callable[..., "Page"]) -> None:
    page = copied(text="holiday.jpg")
    paste(page, "keys")
    assert page.locator("#upload-note p").inner_text() == ""  # words may be meant for something else
    paste(page, "button")
    assert "no picture on the clipboard" in note(page)


def test_an_address_that_is_dropped_is_told(look: Callable[..., "Page"]) -> None:
    page = look()
    page.locator("#upload input[type=file]").first.wait_for(state="attached")
    page.evaluate(
        """() => { const dataTransfer = new DataTransfer();
        dataTransfer.setData('text/uri-list', 'https://example.org/face.jpg');
        document.querySelector('#upload button[aria-dropeffect]').dispatchEvent(
          new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer})) }"""
    )
    assert note(page) == components.ADDRESS


# --- Without a network -----------------------------------------------------------------------------------------------


def test_an_old_answer_goes_with_its_picture_without_a_network(look: Callable[..., "Page"]) -> None:
    page = look()
    give(page, ASTRONAUT)
    answer(page)
    page.locator(SHOWN).wait_for()
    page.context.set_offline(True)
    page.locator("#upload").get_by_label("Remove Image").click()
    page.get_by_text("Your answer appears here").wait_for()
    assert not page.locator("#evidence").is_visible() and not page.locator("#cards").is_visible()
    give(page, ASTRONAUT)
    assert note(page) == "The picture did not reach this site: check your connection and add it again."
    assert page.get_by_text("Your answer appears here").is_visible()
    page.context.set_offline(False)
    page.locator(".toast-body").first.wait_for(state="detached")
    give(page, ASTRONAUT)
    assert answer(page) != "error"
