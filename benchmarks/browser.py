"""A real browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
