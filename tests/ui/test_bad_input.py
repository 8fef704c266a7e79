"""Files that a stranger may send: the page and the API give the same verdict or the same sentence, and live on."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from pillow_heif import from_pillow

from tests.support import ROOT
from tests.support.running_app import PATIENCE, RunningApp

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PORTRAIT = Image.open(ROOT / "ui" / "examples" / "astronaut.jpg").convert("RGB")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def heic() -> bytes:
    buffer = io.BytesIO()
    from_pillow(PORTRAIT).save(buffer, quality=80)
    return buffer.getvalue()


def turned() -> bytes:
    """Lying on its side, with the word of the camera that it does."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(PORTRAIT.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif)


def deep() -> bytes:
    """16-bit grey."""
    return saved(Image.fromarray(np.asarray(PORTRAIT.convert("L")).astype(np.uint16) * 257), "PNG")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"><script>alert(1)</script></svg>'
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "vast.png": (lambda: saved(Image.new("1", (10_000, 10_000)), "PNG"), "100 megapixels"),
    "cut.jpg": (lambda: saved(PORTRAIT, "JPEG")[:20_000], "cut off"),
    "drawing.svg": (lambda: SVG, "SVG"),
    "script.png": (lambda: SVG, "SVG"),
    "words.jpg": (lambda: b"no picture", "not a picture"),
    "nothing.png": (lambda: b"", "empty"),
    "tiny.png": (lambda: saved(PORTRAIT.resize((20, 20)), "PNG"), "at least 32"),
}
JUDGED: dict[str, Callable[[], bytes]] = {
    "phone.heic": heic,
    "turned.jpg": turned,
    "deep.png": deep,
    "moving.gif": lambda: saved(PORTRAIT, "GIF"),
    "clear.webp": lambda: saved(PORTRAIT.convert("RGBA"), "WEBP"),
    "print.jpg": lambda: saved(PORTRAIT.convert("CMYK"), "JPEG"),
}


@pytest.fixture
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The file of the row of a table that a test is about."""
    name = request.param
    path = tmp_path / name
    path.write_bytes(JUDGED[name]() if name in JUDGED else REFUSED[name][0]())
    return path


@pytest.mark.parametrize("file", REFUSED, indirect=True)
def test_the_api_refuses_in_a_sentence(client: Client, file: Path) -> None:
    with pytest.raises(AppError, match=REFUSED[file.name][1]) as error:
        client.predict(picture=handle_file(file), api_name="/detect")
    assert len(str(error.value)) < 160 and str(file.parent) not in str(error.value)


@pytest.mark.parametrize("file", JUDGED, indirect=True)
def test_the_api_sees_the_face_in_every_kind_of_file(client: Client, file: Path) -> None:
    answered = client.predict(picture=handle_file(file), api_name="/detect")
    assert len(answered["faces"]) == 1 and answered["verdict"] != "no_face"
    left, top, right, bottom = answered["faces"][0]["box"]
    assert 150 < (left + right) / 2 < 300 and 60 < (top + bottom) / 2 < 190  # upright


def test_the_page_says_the_same(running_app: RunningApp, chromium: "Browser", tmp_path: Path) -> None:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(running_app.url)
    for name, (make, sentence) in REFUSED.items():
        (tmp_path / name).write_bytes(make())
        page.locator("#upload input[type=file]").first.set_input_files(tmp_path / name)
        page.locator("#verdict [role=alert]").wait_for()
        assert sentence in page.locator("#verdict").inner_text(), name
        assert page.locator("#cards").is_hidden()
        page.locator("#upload").get_by_label("Remove Image").click()
        page.get_by_text("Your answer appears here").wait_for()
    for name, make in JUDGED.items():
        (tmp_path / name).write_bytes(make())
        page.locator("#upload input[type=file]").first.set_input_files(tmp_path / name)
        page.locator("#verdict [data-verdict]").wait_for()
        assert page.locator("#cards [data-face]").count() == 1, name
        page.locator("#upload").get_by_label("Remove Image").click()
        page.get_by_text("Your answer appears here").wait_for()
    page.close()
