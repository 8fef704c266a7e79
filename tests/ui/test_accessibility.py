"""axe-core's rules on every tab, wide and narrow, light and dark, before and after a verdict; names for all that is
reached, and the keyboard for all that moves."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from tests.support.running_app import ASTRONAUT, answer, give
from ui.example_pictures import FOLDER

if TYPE_CHECKING:
    from playwright.sync_api import Page


def violations(page: "Page") -> list[str]:
    """What axe finds on the page as it stands: rule, selector and how to mend it."""
    # Until a fade is over, colours are paler than they will be.
    page.wait_for_function("() => document.getAnimations().every(one => one.playState !== 'running')")
    return [
        f"{found['id']} {node['target']}: {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        for node in found["nodes"]
    ]


def nameless(page: "Page") -> list[str]:
    """What the keyboard reaches and a screen reader has no name for, or only the key of a translation."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in tree
        if not node["ignored"]
        and any(found["name"] == "focusable" and found["value"]["value"] for found in node.get("properties", ()))
    ]
    assert len(told) > 5
    return [f"{role} {name!r}" for role, name in told if not name or name.startswith("common.")]


# Opens what is folded; of each table's hundreds of rows, which are made alike, some are enough.
_UNFOLD = """() => { document.querySelectorAll('details.fold').forEach(fold => fold.open = true);
document.querySelectorAll('tbody').forEach(body => [...body.rows].slice(4).forEach(row => row.remove())) }"""
_HEAR = """() => { window.heard = []; new MutationObserver(() => document.querySelectorAll('[role=status]').forEach(
place => window.heard.push(place.textContent))).observe(document,
{subtree: true, childList: true, characterData: true}) }"""


def test_every_control_has_a_name_and_every_word_is_one(look: Callable[..., "Page"], tmp_path: Path) -> None:
    with Image.open(ASTRONAUT) as image:
        twice = Image.new("RGB", (image.width * 2, image.height))
        twice.paste(image, (0, 0))
        twice.paste(image, (image.width, 0))
    twice.save(tmp_path / "twice.png")
    page = look()
    page.get_by_role("tab", name="Detect").wait_for()
    page.evaluate(_HEAR)
    found = {}
    for name in [tab.inner_text() for tab in page.get_by_role("tab").all()]:
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tabpanel").filter(visible=True).get_by_role("heading", level=2).first.wait_for()
        found[name] = nameless(page)
    page.get_by_role("tab", name="Detect").click()
    give(page, tmp_path / "twice.png")
    answer(page)
    page.locator("#compared img").first.wait_for()
    page.wait_for_function("() => window.heard.includes('Done')")
    page.get_by_role("button", name="Make a link").click()
    page.locator("#link").wait_for()
    found["two faces and a link"] = nameless(page)
    page.locator("#upload").get_by_label("Remove Image").click()
    page.get_by_label("Capture from camera").click()
    page.locator("#upload").get_by_text("Click to Access Webcam").click()
    page.wait_for_function("() => document.querySelector('#upload video')?.videoWidth")
    found["the camera"] = nameless(page)
    page.get_by_role("tab", name="Batch").click()
    page.locator("#batch-upload input[type=file]").first.set_input_files(ASTRONAUT)
    page.locator("#batch-upload .file-preview").wait_for()
    page.locator("#batch-start").click()
    page.locator("#batch-status .ended").wait_for()
    # gradio puts the button that opens the list of files into another one; both have a name and the keyboard's focus.
    nested = "nested-interactive ['button[aria-label=\"Add files\"]']"
    found["a batch"] = nameless(page) + [one for one in violations(page) if not one.startswith(nested)]
    page.get_by_role("tab", name="Game").click()
    page.locator("#play").click()
    page.locator("#guess-real").click()
    page.locator("#told [data-truth]").wait_for()
    found["a round of the game"] = nameless(page) + violations(page)
    assert found == dict.fromkeys(found, [])
    assert not [words for words in page.evaluate("window.heard") if "common." in words]


def test_the_keyboard_moves_the_slider(look: Callable[..., "Page"]) -> None:
    page = look()
    give(page, FOLDER / "generated.jpg")
    answer(page)
    page.locator("#compared img").first.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#compared input')"):
            break
    assert page.evaluate("document.activeElement.ariaLabel") == "How much of the traces is shown"
    covered = "getComputedStyle(document.querySelectorAll('#compared img')[1]).clipPath"
    before = page.evaluate(covered)
    page.keyboard.press("End")
    page.wait_for_function(f"before => {covered} !== before", arg=before)
    assert page.evaluate(covered).endswith(" 100%)")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_nobody_is_shut_out(look: Callable[..., "Page"], width: int, scheme: str) -> None:
    page = look(width, scheme)
    page.get_by_role("tab", name="Detect").wait_for()
    tabs = [tab.inner_text() for tab in page.get_by_role("tab").all()]
    found = {}
    for name in tabs:
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tabpanel").filter(visible=True).get_by_role("heading", level=2).first.wait_for()
        page.evaluate(_UNFOLD)
        found[name] = violations(page)
    page.get_by_role("tab", name="Detect").click()
    give(page, ASTRONAUT)
    answer(page)
    page.locator("#compared img").first.wait_for()
    found["a verdict"] = violations(page)
    page.goto(f"{page.url.rstrip('/')}/api/docs")
    found["plain HTTP"] = violations(page)
    assert found == dict.fromkeys(found, [])
    assert len(tabs) > 1
