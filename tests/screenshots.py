"""Pictures of every tab for the README: `python -m tests.screenshots`, from the repository's root.

Starts the app, uses each tab as a visitor would, with photographs in the public domain (ui/examples), and writes
docs/TAB-wide.png and docs/TAB-narrow.png, for Detect in dark too; of the static page docs/web-wide.png and
docs/web-narrow.png, and what links to the page show, ui/link-preview.jpg. Needs the extra `tests`, Chromium and npm.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detector import Detector, picture
from tests.support import ROOT
from tests.support.running_app import browser, serve
from tests.support.web_page import served
from ui import boxes
from ui import link_preview as preview
from ui.components import data_url
from ui.theme import CSS
from web.build import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs"
EXAMPLES = ROOT / "ui" / "examples"
WIDTHS = {"wide": 1280, "narrow": 360}


def detect(page: "Page") -> None:
    page.locator("#upload input[type=file]").first.set_input_files(EXAMPLES / "generated.jpg")
    page.locator("#verdict [data-verdict]").wait_for()
    page.locator("#compared img").first.wait_for()


def batch(page: "Page") -> None:
    pictures = [*sorted(EXAMPLES.glob("*.jpg")), *sorted((ROOT / "ui" / "gallery").glob("*.jpg"))[:4]]
    page.locator("#batch-upload input[type=file]").first.set_input_files(pictures)
    page.locator("#batch-start").click()
    page.get_by_text(f"{len(pictures)} pictures judged").first.wait_for()


def game(page: "Page") -> None:
    page.locator("#play").click()
    page.locator("#stage img").wait_for()
    page.keyboard.press("r")
    page.locator("#told img").first.wait_for()


def about(page: "Page") -> None:
    page.locator("#figures table").first.wait_for()


TABS: dict[str, Callable[["Page"], None]] = {"Detect": detect, "Batch": batch, "Game": game, "About": about}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__.partition(":")[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: docs)")
    parser.add_argument("--dark", action="store_true", help="every tab in dark too")
    parser.add_argument("--web", action="store_true", help="the static page only")
    options = parser.parse_args()
    with browser() as chromium:
        link_preview(chromium)
        static_page(chromium, options.out)
    if options.web:
        return
    with serve() as app, browser() as chromium:
        for tab, use in TABS.items():
            for scheme in ("light", "dark") if options.dark or tab == "Detect" else ("light",):
                for name, width in WIDTHS.items():
                    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    page.set_default_timeout(120_000)
                    page.goto(app.url)
                    page.get_by_role("tab", name=tab).click()
                    use(page)
                    page.wait_for_timeout(1500)  # pictures fade in
                    suffix = "" if scheme == "light" else "-dark"
                    file = options.out / f"{tab.lower()}-{name}{suffix}.png"
                    page.screenshot(path=file, full_page=True)
                    page.close()


def link_preview(chromium: "Browser") -> None:
    """What a link to the page shows: the name, the question, and a face with its box."""
    photo = picture.read(EXAMPLES / "astronaut.jpg")
    marked = data_url(boxes.draw(photo.pixels, Detector.load().detect(photo)))
    page = chromium.new_page(viewport={"width": 1200, "height": 630})
    page.set_content(
        f"""<style>{CSS} body {{ margin: 0; height: 630px; display: flex; font-family: sans-serif; }}
        main {{ flex: 1; padding: 64px 52px !important; align-content: center; }} h1 {{ font-size: 34px !important; }}
        h2 {{ font-size: 66px !important; line-height: 1.08 !important; margin: 22px 0 !important; }}
        p {{ font-size: 30px !important; color: var(--soft) !important; }} img {{ height: 630px; }}</style>
        <body class="gradio-container"><main class="page masthead"><h1>Deepfake Image Detector</h1>
        <h2>Was a face in this photo forged?</h2><p>Every face is judged. It says so when it can’t tell.</p></main>
        <img src="{marked}">"""
    )
    page.screenshot(path=preview.PICTURE, type="jpeg", quality=80)
    page.close()


def static_page(chromium: "Browser", out: Path) -> None:
    """The page that judges in the browser, after three pictures, one of them open."""
    with tempfile.TemporaryDirectory() as folder, served(build(Path(folder) / "page")) as url:
        for name, width in WIDTHS.items():
            page = chromium.new_page(viewport={"width": width, "height": 1240})
            page.goto(url)
            page.locator("[data-state=ready]").wait_for()
            page.locator("#choose").set_input_files([EXAMPLES / "astronaut.jpg", EXAMPLES / "galaxies.jpg"])
            page.locator("[data-state=judged]").wait_for()
            page.locator(".result summary").first.click()
            page.locator(".marked canvas").wait_for()
            page.screenshot(path=out / f"web-{name}.png", full_page=name == "narrow")
            page.close()


if __name__ == "__main__":
    main()
