"""The static page as a visitor uses it, alone with its own files."""

import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from detector import Detector, ImageError, cutout, messages, picture
from tests.detector.test_frames import raw_file
from tests.support import ROOT
from tests.support.running_app import overflow
from tests.support.web_page import give, served
from tests.ui.test_accessibility import nameless, violations
from tests.ui.test_first_minute import at_the_edge
from ui import caught, next_steps

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["tests.support.web_page"]

EXAMPLES = ROOT / "ui" / "examples"


def outcome(page: "Page") -> str:
    """The verdict's name, or "error", of the first row."""
    return page.locator(".result").first.get_attribute("data-outcome") or ""


# --- A verdict ------------------------------------------------------------------------------------------------------


def test_a_verdict_is_told_in_the_words_of_the_app(
    visitor: Callable[..., "Page"], measured: Path, hopper: Path
) -> None:
    expected = Detector.load(measured.parent / "model").detect(hopper)
    with served(measured) as url:
        page = visitor(url)
        [row] = give(page, [hopper])
        assert row["verdict"] == outcome(page) == "no_signs"
        panel = page.locator("[data-verdict=no_signs]")
        said = re.sub(r"\s+", " ", panel.inner_text())
        assert all(told in said for told in (expected.headline.title, *expected.headline.lines))
        rarity = messages.rarity(expected.verdict, expected.shares)
        card = page.locator("[data-verdict] ~ section .card")
        assert rarity in said and rarity in card.inner_text()
        assert [limit.inner_text() for limit in page.locator("#limits li").all()] == list(messages.LIMITS)
        assert page.locator(".marked canvas").count() == 1
        page.locator(".record summary").click()
        assert row["picture"]["sha256"] in page.locator(".record").inner_text()
        face = card.locator("canvas").first.evaluate(_MEAN)
        assert sum(face) > 0
        assert page.locator(".next").count() == 0


def test_an_open_answer_says_what_to_do_next_and_traces_are_shown_where_there_are_any(
    visitor: Callable[..., "Page"], url: str, detector: Detector
) -> None:
    page = visitor(url)
    assert page.locator("#promise").inner_text() == caught.line(detector.model.metrics)
    [row] = give(page, [EXAMPLES / "astronaut.jpg"])
    assert row["verdict"] in next_steps.OPEN and page.locator(".next .steps > li").count() == 3
    links = page.locator(".next a").all()
    assert [(link.inner_text(), link.get_attribute("href")) for link in links] == list(next_steps.LOOK_UP)
    assert {link.get_attribute("rel") for link in links} == {"noopener noreferrer"}
    assert violations(page) == [] and overflow(page) <= 0
    assert page.locator(".card canvas").count() == 1 and page.locator(".card").get_by_text("No traces").is_visible()
    page.locator("#clear").click()
    give(page, [EXAMPLES / "generated.jpg"])
    assert page.locator(".next").count() == 0 and page.locator(".card").get_by_text("No traces").count() == 0
    face, heat = (canvas.evaluate(_MEAN) for canvas in page.locator(".card canvas").all())
    assert 5 < sum(abs(a - b) for a, b in zip(face, heat, strict=True)) < 200


def test_a_crop_ends_where_the_picture_does_as_in_python(
    visitor: Callable[..., "Page"], url: str, detector: Detector, tmp_path: Path
) -> None:
    page = visitor(url)
    for angle in (0, 90):
        file = at_the_edge(tmp_path, angle)
        result = detector.detect(file)
        image, _ = cutout.of_face(result.faces[0], result, detector.model)
        give(page, [file])
        canvas = page.locator(".card canvas").first
        size = [int(canvas.get_attribute(side) or 0) for side in ("width", "height")]
        assert max(abs(a - b) for a, b in zip(size, image.size, strict=True)) <= 2 and size[0] != size[1]
        page.locator("#clear").click()


_MEAN = """canvas => { const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
const sum = [0, 0, 0]; data.forEach((value, i) => { if (i % 4 < 3) sum[i % 4] += value; });
return sum.map(value => value / (data.length / 4)); }"""


def test_many_pictures_by_drop_and_paste_and_the_most_suspicious_comes_first(
    visitor: Callable[..., "Page"], url: str
) -> None:
    page = visitor(url)
    names = ["galaxies.jpg", "astronaut.jpg", "portrait.jpg"]
    page.evaluate(_DROP, [["drop", name, list((EXAMPLES / name).read_bytes())] for name in names])
    page.evaluate(_DROP, [["paste", "broken.jpg", [0xFF, 0xD8, 0xFF, 0, 1, 2]]])
    page.get_by_text("3 of 4 judged, 1 could not be.").wait_for()
    assert ".heic" in page.locator("#choose").get_attribute("accept").split(",")
    page.evaluate(_PASTE, "https://example.org/a.jpg")
    page.get_by_text("That is a link, and this page fetches nothing").wait_for()
    rows = page.locator(".result").all()
    outcomes = [row.get_attribute("data-outcome") for row in rows]
    order = ["declared_ai", *map(str, messages.VERDICTS), "error"]
    assert outcomes == sorted(outcomes, key=lambda one: order.index(one or ""))
    assert outcomes[-2:] == ["no_face", "error"]
    assert [row.get_attribute("open") for row in rows] == [None] * 4
    page.locator(".result summary").first.focus()
    page.keyboard.press("Enter")
    page.locator(".result .marked canvas").wait_for()
    page.keyboard.press("Enter")
    page.locator(".result .marked canvas").wait_for(state="detached")
    page.locator("#clear").click()
    assert page.locator(".result").count() == 0 and page.locator("#tools").is_hidden()
    assert page.evaluate("document.activeElement.id") == "choose"


_PASTE = """text => { const clipboardData = new DataTransfer(); clipboardData.setData('text', text);
  document.body.dispatchEvent(new ClipboardEvent('paste', {bubbles: true, clipboardData})); }"""
_DROP = """given => { for (const [kind, name, bytes] of given) {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'}));
  const options = {bubbles: true, cancelable: true};
  document.body.dispatchEvent(kind === 'drop' ? new DragEvent(kind, {...options, dataTransfer: data})
    : new ClipboardEvent(kind, {...options, clipboardData: data})); } }"""


def test_what_cannot_be_judged_gets_its_sentence(
    visitor: Callable[..., "Page"], url: str, hopper: Path, tmp_path: Path
) -> None:
    small, heic = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (20, 40)).save(small, "PNG")
    Image.new("RGB", (64, 64)).save(heic, "HEIF")
    photo = hopper.read_bytes()
    broken = {
        "empty.jpg": b"",
        "drawing.svg": b"\n<svg xmlns='http://www.w3.org/2000/svg'/>",
        "print.pdf": b"%PDF-1.7 and so on",
        "film.mp4": b"\0\0\0\x18ftypmp42" + bytes(picture.MAX_BYTES),
        "small.png": small.getvalue(),
        "letter.txt": b"Dear Sir or Madam",
        "truncated.jpg": photo[: len(photo) // 2],
        "phone.heic": heic.getvalue(),
        "camera.nef": raw_file("NIKON CORPORATION", subfile=1, sub_ifds=8),
        "camera.cr2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(200),
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    rows = {row["file"]: row for row in give(visitor(url), [tmp_path / name for name in broken])}
    for name in ("empty.jpg", "drawing.svg", "print.pdf", "film.mp4", "small.png", "camera.nef", "camera.cr2"):
        with pytest.raises(ImageError) as expected:
            picture.read(tmp_path / name)
        assert rows[name]["error"] == str(expected.value)
    assert rows["letter.txt"]["error"].startswith("This is not a picture that can be read: use JPEG, PNG")
    assert rows["truncated.jpg"]["error"] == picture.DAMAGED
    assert rows["phone.heic"]["error"] == "This browser does not read HEIC files: save the picture as JPEG or PNG."


# --- Nothing leaves -------------------------------------------------------------------------------------------------


class _Ear(BaseHTTPRequestHandler):
    """Another server, which writes down what reaches it."""

    heard: list[str] = []

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.path}")
        self.send_response(200)
        for name, value in {"Cross-Origin-Resource-Policy": "cross-origin", "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    _Ear.heard.clear()
    with HTTPServer(("127.0.0.1", 0), _Ear) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


_SEND = """async url => { const attempts = [
  () => fetch(url + 'fetch', {method: 'POST', mode: 'no-cors', body: 'picture'}),
  () => fetch(url + 'cors', {method: 'POST', body: 'picture'}),
  () => typeof Image !== 'undefined' && new Promise(done => { const image = new Image();
    image.onload = image.onerror = done; image.src = url + 'image'; }),
  () => navigator.sendBeacon?.(url + 'beacon', 'picture'),
  () => typeof importScripts !== 'undefined' && importScripts(url + 'script'),
]; for (const attempt of attempts) { try { await attempt(); } catch {} } }"""


def test_no_picture_can_leave(visitor: Callable[..., "Page"], url: str, elsewhere: str, chromium, tmp_path) -> None:
    """A script in the page or in its worker that tries to reach another server is held back by the page's policy."""
    page = visitor(url, service_workers="block")  # which would stop them, too
    [row] = give(page, [EXAMPLES / "astronaut.jpg"])
    assert row["faces"]
    page.evaluate(_SEND, elsewhere)
    judging = [worker for worker in page.workers if worker.url.startswith("blob:")]
    assert judging
    for worker in judging:
        worker.evaluate(_SEND, elsewhere)
    page.wait_for_timeout(500)
    assert _Ear.heard == []
    # The same attempts from a page without a policy do arrive.
    (tmp_path / "index.html").write_text("<!doctype html><title>Open</title>")
    with served(tmp_path) as open_page:
        other = chromium.new_page()
        other.goto(open_page)
        other.evaluate(_SEND, elsewhere)
        other.close()
    assert {line.split("/")[1] for line in _Ear.heard} >= {"fetch", "cors", "image"}


def test_the_server_says_what_the_page_cannot(visitor: Callable[..., "Page"], url: str) -> None:
    """Nobody shows it in a frame, and no script of it opens a window, through which it could tell somebody."""
    page = visitor(url)
    assert page.evaluate("window.open('about:blank')") is None
    frame = page.context.new_page()
    frame.goto(f"{url}notice.txt")
    frame.evaluate("url => document.body.append(Object.assign(document.createElement('iframe'), {src: url}))", url)
    frame.wait_for_timeout(1000)
    assert all(inner.url.startswith("chrome-error:") for inner in frame.frames[1:]) and len(frame.frames) == 2


def test_a_second_visit_needs_no_network(visitor: Callable[..., "Page"], built: Path) -> None:
    with served(built) as url:
        page = visitor(url)
        page.get_by_text("Ready, also offline.").wait_for()
        page.close()
    again = page.context.new_page()
    again.goto(url)
    again.locator("[data-state=ready]").wait_for()
    [row] = give(again, [EXAMPLES / "astronaut.jpg"])
    assert row["faces"] and outcome(again) == row["verdict"]


def test_a_changed_network_is_not_used(visitor: Callable[..., "Page"], built: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(built, tmp_path / "page")
    network = changed / json.loads((changed / "page.json").read_text())["networks"][0]["file"]
    content = bytearray(network.read_bytes())
    content[-1000] ^= 1
    network.write_bytes(content)
    with served(changed) as url:
        page = visitor(url, wait=False)
        page.locator("[data-state=failed]").wait_for()
        assert page.locator("#said").inner_text().startswith("A part of the detector arrived damaged")


# --- For everybody --------------------------------------------------------------------------------------------------


def test_nobody_is_shut_out(visitor: Callable[..., "Page"], url: str) -> None:
    page = visitor(url)

    def looks() -> dict[str, list[str]]:
        """What axe finds, and whether the page is too wide: wide and light, narrow and dark."""
        found = {}
        for width, scheme in ((1280, "light"), (360, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            page.locator("html.dark" if scheme == "dark" else "html:not(.dark)").wait_for()
            found[f"{width} {scheme}"] = violations(page) + ["too wide"] * (overflow(page) > 0)
        return found

    assert (found := looks()) == dict.fromkeys(found, [])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    give(page, [EXAMPLES / "astronaut.jpg"])
    page.locator(".marked canvas").wait_for()
    page.locator(".record summary").click()
    assert nameless(page) == []
    assert (found := looks()) == dict.fromkeys(found, [])


def test_a_telephone_may_use_its_camera(visitor: Callable[..., "Page"], url: str) -> None:
    page = visitor(url, 360, wait=False, has_touch=True, is_mobile=True)
    assert page.locator(".camera").is_visible()
    assert page.locator("#camera").get_attribute("capture") == "environment"
    assert visitor(url, wait=False).locator(".camera").is_hidden()
