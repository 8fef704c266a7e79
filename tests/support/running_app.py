"""The real app, and a real browser to look at it: for tests of the page and its screenshots."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gradio_client import Client
from skimage import data_dir

from benchmarks.browser import browser as browser
from benchmarks.running_app import RunningApp as RunningApp
from benchmarks.running_app import free_port as free_port
from benchmarks.running_app import serve as serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ASTRONAUT = Path(data_dir, "astronaut.png")
ATTACK = "<img src=x onerror=\"window.broken='in'\"><script>window.broken='in'</script>${window.broken='in'}{{value}}"
PATIENCE = 90_000  # ms: an idle machine needs two seconds


def api_client(url: str) -> Client:
    """gradio's client, with more patience than its 5 seconds for each request."""
    return Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE / 1000})


def changed(code: str) -> tuple[str, ...]:
    """The command of the app with `code` run before it: for what takes long, or is counted by a clock."""
    return "-c", f"import runpy, sys\n{code}\nsys.argv[0] = 'app.py'\nrunpy.run_path('app.py', run_name='__main__')"


def limited(per_minute: int, **variables: str) -> AbstractContextManager[RunningApp]:
    """The app with limits, and an hour for each minute: on a busy machine a few calls may take longer than one."""
    hour = changed("import limits; limits.RateLimitItemPerMinute = limits.RateLimitItemPerHour")
    return serve(command=hour, per_minute=per_minute, **variables)


@contextmanager
def no_trace(app: RunningApp) -> Iterator[None]:
    """Nothing goes wrong inside, by the log: what stands there already is of other tests, which may have meant it."""
    before = len(app.log)
    yield
    assert "Traceback" not in app.log[before:]


def until(happened: Callable[[], object]) -> None:
    """Waits as long as a busy machine may take."""
    end = time.monotonic() + PATIENCE / 1000
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def batches(app: RunningApp) -> int:
    """How many have ended. A test that leaves one running waits for its end, so that the next one can count."""
    return app.log.count("1 batch, ")


@contextmanager
def nothing_kept(chromium: "Browser", cache: Path, *names: str) -> Iterator["Page"]:
    """The page of an app whose files are in `cache`. At the end: there were more, some of these `names`, than it began
    with, and none of them is left when its time is over."""
    import app
    from detector import Detector
    from ui.storage import Folder

    def files() -> set[str]:
        return {file.name for file in cache.rglob("*.*")}

    with pytest.MonkeyPatch.context() as patch:
        place = Folder(cache)
        patch.setenv("GRADIO_TEMP_DIR", str(place.uploads))
        blocks = app.build(Detector.load)
        place.keep_what_is_there()
        examples = files()
        _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(Detector.load))
        try:
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(url)
            yield page
            page.close()
            assert files() > examples | set(names)
            patch.setattr("ui.storage.KEPT_SECONDS", 0)
            place.sweep()
            assert files() == examples
        finally:
            blocks.close()
            place.end()


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
