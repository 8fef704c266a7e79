"""The real app, through its real client and in a real browser."""

import base64
import json
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, PngImagePlugin

from detector import Detector, ImageError, Result, Verdict, messages
from detector.heatmap import overlay
from tests.support import ROOT
from tests.support.running_app import (
    ASTRONAUT,
    ATTACK,
    RunningApp,
    answer,
    give,
    nothing_kept,
    overflow,
    post,
)
from ui import components, uploads

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route


@pytest.fixture(scope="module")
def judged() -> Result:
    return Detector.load().detect(ASTRONAUT)


def broken_file(folder: Path) -> tuple[Path, str]:
    """A file that is no picture, and the sentence that says so."""
    path = folder / "holiday.jpg"
    path.write_text("not a picture")
    with pytest.raises(ImageError) as error:
        Detector.load().detect(path)
    return path, str(error.value)


# --- The API ---------------------------------------------------------------------------------------------------------


def test_the_endpoint_answers_what_the_detector_answers(client: Client, judged: Result) -> None:
    answered, expected = client.predict(picture=handle_file(ASTRONAUT), api_name="/detect"), judged.to_dict()
    assert answered.pop("seconds").keys() == expected.pop("seconds").keys()
    assert answered == expected


def test_the_endpoints_are_these_and_described(client: Client) -> None:
    told = client.view_api(return_format="dict")
    assert set(told["named_endpoints"]) == {"/detect", "/heatmap", "/detect_batch", "/model"}
    assert not told["unnamed_endpoints"]
    for endpoint in told["named_endpoints"].values():
        assert len(endpoint["description"]) > 60
        assert all(p["parameter_name"] and p["type"] for p in endpoint["parameters"])
    described = told["named_endpoints"]["/detect"]["description"]
    assert all(str(verdict) in described for verdict in Verdict)
    assert "no_signs means that no signs of forgery were found, never that the picture is real" in described


def test_the_heat_map_of_a_face_comes_as_a_picture(client: Client, judged: Result) -> None:
    with Image.open(client.predict(picture=handle_file(ASTRONAUT), face=1, api_name="/heatmap")) as marked:
        size, expected = marked.size, overlay(judged.faces[0].crop, judged.faces[0].activation)
        difference = np.asarray(marked.convert("RGB").resize(expected.shape[1::-1]), int) - expected
    assert size == (512, 512) and np.abs(difference).mean() < 6  # WebP, and there and back in size


@pytest.mark.parametrize("face", [0, 2, 1.5, -1])
def test_a_face_that_is_not_there_is_told(client: Client, face: float) -> None:
    with pytest.raises(AppError, match="whole number from 1 to 1"):
        client.predict(picture=handle_file(ASTRONAUT), face=face, api_name="/heatmap")


def test_a_bad_file_gets_its_sentence(client: Client, tmp_path: Path) -> None:
    path, sentence = broken_file(tmp_path)
    with pytest.raises(AppError) as error:
        client.predict(picture=handle_file(path), api_name="/detect")
    assert str(error.value) == sentence


@pytest.mark.parametrize("nothing", [None, [], {}, "x", 5, [None], {"path": 5}, {"url": 5}], ids=repr)
def test_what_is_no_file_gets_a_sentence(running_app: RunningApp, nothing: object) -> None:
    for endpoint in ("detect", "heatmap"):
        if endpoint == "heatmap" and nothing == "x":
            continue  # post() gives one value, and the number of the face is left out
        told = post(running_app, nothing, endpoint)
        assert told.startswith("event: error") and uploads.NO_PICTURE in told


def test_a_data_url_is_judged_and_bounded(running_app: RunningApp, judged: Result) -> None:
    whole = base64.b64encode(ASTRONAUT.read_bytes()).decode()
    assert judged.picture.sha256 in post(running_app, {"url": f"data:image/png;base64,{whole}"})
    assert "cannot" in (cut := post(running_app, {"url": "data:image/png;base64,AAAA"})) or "not a picture" in cut
    assert "30 MB" in post(running_app, {"url": "data:image/png;base64," + "A" * 41_000_000})


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["bare", "with meta"])
def test_files_of_the_server_cannot_be_named(running_app: RunningApp, meta: dict) -> None:
    for path in (str(ASTRONAUT), "app.py", str(running_app.cache / ".." / "log")):
        answered = post(running_app, {"path": path, **meta})
        assert answered.startswith("event: error")
        assert "sha256" not in answered and str(ROOT) not in answered


def test_nobody_skips_the_queue(running_app: RunningApp) -> None:
    request = urllib.request.Request(f"{running_app.url}/gradio_api/run/detect", b'{"data": [null]}')
    request.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=60)
    assert error.value.code == 404


def upload(app: RunningApp, data: bytes) -> str:
    """The path under which the server keeps `data`, sent as a file without gradio_client."""
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + data + b"\r\n--x--\r\n"
    request = urllib.request.Request(f"{app.url}/gradio_api/upload", body)
    request.add_header("Content-Type", "multipart/form-data; boundary=x")
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)[0]


def test_a_picture_over_the_limit_is_refused(running_app: RunningApp) -> None:
    path = upload(running_app, bytes(30_000_001))
    told = post(running_app, {"path": path, "meta": {"_type": "gradio.FileData"}})
    assert "larger than the limit of 30 MB" in told and path not in told


def test_a_file_over_the_limit_of_zips_does_not_arrive(running_app: RunningApp) -> None:
    with pytest.raises((urllib.error.HTTPError, ConnectionError)) as error:
        upload(running_app, bytes(uploads.ZIP_BYTES + 1))
    assert not isinstance(error.value, urllib.error.HTTPError) or error.value.code == 413


def test_no_response_names_a_path_of_the_server(running_app: RunningApp) -> None:
    pages = ["/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"]
    texts = [urllib.request.urlopen(running_app.url + page, timeout=60).read().decode() for page in pages]
    texts += [post(running_app, picture) for picture in (None, "x", 5, {}, {"path": 5}, {"path": "/nothing"})]
    for text in texts:
        for place in (str(ROOT), sys.prefix, "site-packages", "Traceback"):
            assert place not in text


# --- The page --------------------------------------------------------------------------------------------------------


def test_a_portrait_is_judged_in_the_open(look: Callable[..., "Page"], judged: Result) -> None:
    page = look()
    give(page, ASTRONAUT)
    assert answer(page) == judged.verdict
    shown = page.locator("#verdict").inner_text()
    assert f"Score: {components.score_words(judged.score)} on a scale" in shown
    assert judged.headline.title in shown and messages.rarity(judged.verdict, judged.shares) in shown
    marked = page.locator("#marked img")
    marked.wait_for()
    assert "1 face marked" in marked.get_attribute("alt")
    card = page.locator("#cards [data-face='1']")
    image = card.locator("img")  # the face alone: there is nothing to see in its heat map
    assert image.evaluate("image => image.complete && image.naturalWidth > 0") and image.get_attribute("alt")
    assert page.locator("#compared img").count() == 1
    evidence = page.locator("#evidence").inner_text()
    assert "absent proves nothing" in evidence and "of 100" not in evidence
    assert "What this cannot tell" in page.content()
    assert judged.picture.sha256 in page.locator("#record").text_content()
    assert str(ROOT) not in page.content() and sys.prefix not in page.content()
    assert overflow(page) <= 0

    page.locator("#upload").get_by_label("Remove Image").click()
    page.get_by_text("Your answer appears here").wait_for()
    assert not page.locator("#cards").is_visible() and not page.locator("#evidence").is_visible()


_FILE = """data => { const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), files = new DataTransfer();
files.items.add(new File([bytes], 'moved.png', {type: 'image/png'})); return files }"""


def test_a_picture_can_be_dropped(look: Callable[..., "Page"], judged: Result) -> None:
    page = look()
    files = page.evaluate_handle(_FILE, base64.b64encode(ASTRONAUT.read_bytes()).decode())
    for event in ("dragenter", "dragover", "drop"):
        page.get_by_label("Drop an image file").dispatch_event(event, {"dataTransfer": files})
    assert answer(page) == judged.verdict


def test_a_picture_can_be_pasted(look: Callable[..., "Page"], judged: Result) -> None:
    page = look()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    source = "data:image/png;base64," + base64.b64encode(ASTRONAUT.read_bytes()).decode()
    page.evaluate(
        """async source => navigator.clipboard.write([
        new ClipboardItem({'image/png': await (await fetch(source)).blob()})])""",
        source,
    )

    def paste_first(route: "Route") -> None:
        page.locator("body").press("Control+v")
        route.continue_()

    page.route("**/assets/index-*.js", paste_first, times=1)  # nothing of gradio's runs before it
    page.reload()
    assert answer(page) == judged.verdict
    page.get_by_role("button", name="No face").click()
    page.locator("#verdict [data-verdict=no_face]").wait_for()
    page.locator("body").press("Control+v")  # in the place of another
    page.locator(f"#verdict [data-verdict={judged.verdict}]").wait_for()
    page.locator("#upload").get_by_label("Remove Image").click()
    page.get_by_text("Your answer appears here").wait_for()
    page.get_by_label("Paste from clipboard").click()
    assert answer(page) == judged.verdict


def test_a_picture_can_be_taken_with_the_camera(look: Callable[..., "Page"]) -> None:
    page = look(360)
    page.get_by_label("Capture from camera").click()
    page.locator("#upload").get_by_text("Click to Access Webcam").click()
    page.wait_for_function("() => document.querySelector('#upload video')?.videoWidth")
    page.get_by_label("capture photo").click()
    assert answer(page) == Verdict.NO_FACE  # the camera films a pattern
    assert "PicturePNG" in page.locator("#record").text_content()


def test_dark_and_narrow(look: Callable[..., "Page"], judged: Result) -> None:
    page = look(360, "dark")
    give(page, ASTRONAUT)
    assert answer(page) == judged.verdict
    page.locator("#marked img").wait_for()
    assert overflow(page) <= 0
    ground, ink = (
        page.evaluate(f"getComputedStyle(document.querySelector('{place}')).{style}.match(/\\d+/g).map(Number)")
        for place, style in (("body", "backgroundColor"), ("#evidence h2", "color"))
    )
    assert max(ground[:3]) < 60 and min(ink[:3]) > 180
    page.wait_for_function(  # the answer came into sight by itself
        "() => { const box = document.querySelector('#verdict [data-verdict]').getBoundingClientRect(); "
        "return box.top >= -1 && box.bottom <= innerHeight + 1 }"
    )


def test_a_picture_without_a_face_gets_no_score(look: Callable[..., "Page"]) -> None:
    page = look()
    page.get_by_role("button", name="No face").click()
    assert answer(page) == Verdict.NO_FACE
    words = page.locator("#verdict").inner_text()
    assert "No face found" in words and "of 100" not in words and "%" not in words
    assert page.locator("#verdict .scale").count() == 0
    assert not page.locator("#cards").is_visible() and page.locator("#evidence").is_visible()


def test_a_bad_file_is_told_calmly(look: Callable[..., "Page"], tmp_path: Path) -> None:
    path, sentence = broken_file(tmp_path)
    page = look(360)
    give(page, path)
    assert answer(page) == "error"
    words = page.locator("#verdict").inner_text()
    assert sentence in words and "Traceback" not in words and str(tmp_path) not in page.content()
    assert overflow(page) <= 0


def test_the_report_can_be_taken_away(
    look: Callable[..., "Page"], chromium: "Browser", judged: Result, tmp_path: Path
) -> None:
    page = look()
    give(page, ASTRONAUT)
    answer(page)
    for label, name in (("Download the report", "report.html"), ("Download as JSON", "report.json")):
        with page.expect_download() as download:
            page.get_by_text(label).click()
        download.value.save_as(tmp_path / name)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["file"] == "astronaut.png" and told["picture"]["sha256"] == judged.picture.sha256
    report = chromium.new_page()
    report.goto((tmp_path / "report.html").as_uri())
    assert judged.picture.sha256 in report.content() and overflow(report) <= 0
    assert all(report.evaluate("[...document.images].map(image => image.naturalWidth > 0)"))
    report.close()


def test_a_link_reopens_the_result_for_who_has_it(look: Callable[..., "Page"], judged: Result) -> None:
    page = look()
    assert not page.locator("#link").is_visible()
    give(page, ASTRONAUT)
    answer(page)
    page.get_by_role("button", name="Make a link").click()
    page.wait_for_function("document.querySelector('#link textarea, #link input')?.value.startsWith('http')")
    assert "sees your picture" in page.locator("#link").inner_text()
    url = page.locator("#link").locator("textarea, input").input_value()
    page.locator("#upload").get_by_label("Remove Image").click()
    page.locator("#link").wait_for(state="hidden")
    page.goto(url)
    assert answer(page) == judged.verdict
    assert judged.picture.sha256 in page.locator("#record").text_content()
    page.goto(url[:-3] + "xxx")
    page.get_by_text("This link has expired or is wrong").wait_for()
    assert page.get_by_text("Your answer appears here").is_visible()


_MADE = """old => { const [link, remove] = ['link', 'link-remove'].map(box =>
document.querySelector(`#${box}`)?.querySelector('textarea, input')?.value ?? '');
return link.startsWith('http') && link !== old && remove.startsWith(link) }"""


def test_who_made_a_link_sees_its_end_and_deletes_it(look: Callable[..., "Page"]) -> None:
    page, other, url = look(), look(), ""
    give(page, ASTRONAUT)
    answer(page)
    for how in ("now", "later"):
        page.get_by_role("button", name="Make a link").click()
        page.wait_for_function(_MADE, arg=url)
        ends = re.search(r"until (\d\d \w+ \d{4}, \d\d:\d\d) UTC", page.locator("#link").inner_text())
        left = datetime.strptime(ends[1], "%d %B %Y, %H:%M").replace(tzinfo=UTC) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=50) < left <= timedelta(days=1)
        url, delete = (
            page.locator(f"#{box}").locator("textarea, input").input_value() for box in ("link", "link-remove")
        )
        assert len(delete) > len(url) + 20
        if how == "now":
            other.goto(delete[:-3] + "xxx")  # who only has the link cannot
            other.get_by_text("This link has expired or is wrong").wait_for()
        other.goto(url)
        answer(other)
        if how == "now":
            page.get_by_role("button", name="Delete the link now").click()
            page.locator("#link-box").wait_for(state="hidden")
        else:
            other.goto(delete)
            other.get_by_text("the picture behind it are deleted").wait_for()
        other.goto(url)
        other.get_by_text("This link has expired or is wrong").wait_for()


def test_another_face_can_be_compared(look: Callable[..., "Page"], tmp_path: Path) -> None:
    with Image.open(ASTRONAUT) as image:
        twice = Image.new("RGB", (image.width * 2, image.height))
        twice.paste(image, (0, 0))
        twice.paste(image.rotate(8), (image.width, 0))
    twice.save(tmp_path / "twice.png")
    page = look()
    give(page, tmp_path / "twice.png")
    answer(page)
    assert page.locator("#cards article").count() == 2
    first = page.locator("#compared img").first.get_attribute("src")
    page.locator("#which").get_by_text("Face 2").click()
    page.wait_for_function("old => document.querySelector('#compared img')?.src != old", arg=first)


def test_what_a_file_says_is_never_run(look: Callable[..., "Page"], tmp_path: Path) -> None:
    with Image.open(ASTRONAUT) as image:
        image.load()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", f"Adobe Photoshop {ATTACK}")
    texts.add_text("parameters", f"{ATTACK}\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8, Model: x")
    exif = Image.Exif()
    exif[0x0131] = f"Adobe Photoshop {ATTACK}"
    image.save(tmp_path / "said.png", pnginfo=texts, exif=exif)
    page = look()
    give(page, tmp_path / "said.png")
    answer(page)
    page.locator("#evidence li").first.wait_for()
    assert "Photoshop" in page.locator("#evidence").inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator("#evidence img, #evidence script").count() == 0


def test_nothing_is_kept_when_its_time_is_over(chromium: "Browser", tmp_path: Path) -> None:
    with nothing_kept(chromium, tmp_path) as page:
        for name in ("mine.png", "again.png"):  # the second finds components that the first has updated
            shutil.copy(ASTRONAUT, tmp_path / name)
            give(page, tmp_path / name)
            page.locator("#upload img").wait_for()
            answer(page)
            page.locator("#compared img").first.wait_for()
            (tmp_path / name).unlink()
            page.locator("#upload").get_by_label("Remove Image").click()
            page.get_by_text("Your answer appears here").wait_for()


def test_the_log_keeps_counts_not_pictures(running_app: RunningApp, client: Client) -> None:
    client.predict(picture=handle_file(ASTRONAUT), api_name="/detect")
    assert "1 picture, 1 faces" in running_app.log
    # What visitors uploaded, that is: gradio's own trace names a path that somebody tried to read from the server.
    assert not any(name in running_app.log for name in ("holiday", "twice", "said.png", "Photoshop"))
