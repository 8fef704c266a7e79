"""axe-core's rules on every tab, wide and narrow, light and dark, before and after a verdict."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.running_app import ASTRONAUT, answer, give

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nobody_is_shut_out(look: Callable[..., "Page"], width: int, scheme: str) -> None:
    page = look(width, scheme)
    page.get_by_role("tab", name="Detect").wait_for()
    tabs = [tab.inner_text() for tab in page.get_by_role("tab").all()]
    found = {}
    for name in tabs:
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tabpanel").filter(visible=True).get_by_role("heading", level=2).first.wait_for()
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
