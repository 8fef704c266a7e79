"""The real app, and a real browser to look at it: for tests of the page and its screenshots."""

import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from skimage import data_dir

from benchmarks.browser import browser as browser
from benchmarks.running_app import RunningApp as RunningApp
from benchmarks.running_app import free_port as free_port
from benchmarks.running_app import serve as serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

ASTRONAUT = Path(data_dir, "astronaut.png")
ATTACK = "<img src=x onerror=\"window.broken='in'\"><script>window.broken='in'</script>${window.broken='in'}{{value}}"
PATIENCE = 90_000  # ms: an idle machine needs two seconds


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
