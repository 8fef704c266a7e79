"""The real app, and a real browser to look at it: for tests of the page and its screenshots."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from skimage import data_dir

from benchmarks.running_app import RunningApp as RunningApp
from benchmarks.running_app import free_port as free_port
from benchmarks.running_app import serve as serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ASTRONAUT = Path(data_dir, "astronaut.png")
ATTACK = "<img src=x onerror=\"window.broken='in'\"><script>window.broken='in'</script>${window.broken='in'}{{value}}"
PATIENCE = 90_000  # ms: an idle machine needs two seconds
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera, which films a moving pattern
    "--use-fake-ui-for-media-stream",  # and a visitor who lets the page use it
)


@contextmanager
def browser() -> Iterator["Browser"]:
    """Headless Chromium. Raises RuntimeError, with what to install, where there is none."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise RuntimeError(
            "The pages are looked at with Chromium: install it, on Debian by `apt-get install chromium`."
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def nothing_kept(chromium: "Browser", cache: Path, *names: str) -> Iterator["Page"]:
    """The page of an app whose files are in `cache`. At the end: there were more, some of these `names`, than it began
    with, and none of them is left when its time is over."""
    from gradio.route_utils import delete_files_created_by_app

    import app
    from detector import Detector
    from ui import intake

    def files() -> set[str]:
        return {file.name for file in cache.rglob("*.*")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        blocks = app.build(Detector.load)
        examples = files()
        _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(Detector.load))
        try:
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(url)
            yield page
            page.close()
            assert files() > examples | set(names)
            assert blocks.delete_cache == (600, intake.KEPT_SECONDS)
            delete_files_created_by_app(blocks, -1)
            assert files() == examples
        finally:
            blocks.close()


def give(page: "Page", picture: Path) -> None:
    """Add a picture on the tab Detect."""
    page.locator("#upload input[type=file]").first.set_input_files(picture)


def answer(page: "Page") -> str:
    """The verdict's name on the tab Detect, or "error", once it is there."""
    found = page.locator("#verdict [data-verdict], #verdict [role=alert]")
    found.wait_for()
    return found.get_attribute("data-verdict") or "error"


def overflow(page: "Page") -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def post(app: RunningApp, picture: object, endpoint: str = "detect") -> str:
    """What a client without manners gets: the raw answer to `picture`, unchecked by gradio_client."""
    request = urllib.request.Request(
        f"{app.url}/gradio_api/call/{endpoint}",
        json.dumps({"data": [picture]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/{endpoint}/{event}", timeout=60) as response:
        return response.read().decode()
