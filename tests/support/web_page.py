"""The static page as it is built, on a server of its own, in a real browser.

A module that needs it says `pytest_plugins = ["tests.support.web_page"]`.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.measured import write
from tests.support.running_app import PATIENCE
from web.build import build
from web.serve import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the bundled model. Needs npm, and says so."""
    return build(tmp_path_factory.mktemp("web") / "page")


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with a model of three networks, measured on unseen generators, that calls photographs no_signs."""
    folder = tmp_path_factory.mktemp("web-measured")
    model = write(folder / "model", [{"weight": 0.7}, {"crop_margin": 2.2, "weight": 0.4}, {"fusion": "max"}])
    return build(folder / "page", str(model))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with server(folder) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def url(built: Path) -> Iterator[str]:
    with served(built) as address:
        yield address


@pytest.fixture
def visitor(chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Opens a page in a browser that has never been there, and waits until it is ready. At the end: nothing was asked
    of any other server, and nothing but questions for files was sent."""
    contexts: list[BrowserContext] = []
    asked: list[tuple[str, str]] = []

    def visit(url: str, width: int = 1280, scheme: str = "light", wait: bool = True, **options: Any) -> "Page":
        context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
        contexts.append(context)
        context.on("request", lambda request: asked.append((request.method, request.url)))
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        if wait:
            page.locator("[data-state=ready]").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert asked
    assert {(method, url.split(":")[0]) for method, url in asked} <= {("GET", "http"), ("GET", "blob")}
    assert [url for _, url in asked if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:"))] == []


def give(page: "Page", pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """What the page says of the pictures, by its own download, in the order of `pictures`; their names differ."""
    page.locator("#choose").set_input_files(pictures)
    page.locator("[data-state=judged]").wait_for(timeout=600_000)
    with page.expect_download() as download:
        page.locator("#json").click()
    lines = download.value.path().read_text("utf-8").splitlines()
    rows = {row["file"]: row for row in map(json.loads, lines)}
    assert len(rows) == len(lines) == len(pictures)
    return [rows[picture.name] for picture in pictures]
