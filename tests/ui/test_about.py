"""The tab About, the endpoint /model, and the texts that others call the detector with."""

import copy
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gradio_client import Client
from PIL import Image

from detector import Detector, Result
from detector.model_folder import store
from detector.model_folder.store import ModelFolder
from tests.support import ROOT
from tests.support.running_app import ASTRONAUT, ATTACK, RunningApp, overflow
from ui import about, charts, figures, snippets

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def bundled() -> ModelFolder:
    return store.load()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `photo.jpg` of the snippets."""
    folder = tmp_path_factory.mktemp("photo")
    with Image.open(ASTRONAUT) as image:
        image.save(folder / "photo.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def expected(photo: Path) -> Result:
    return Detector.load().detect(photo / "photo.jpg")


def opened(look: Callable[..., "Page"], *arguments: Any) -> "Page":
    """The page with the tab open and the figures there."""
    page = look(*arguments)
    page.get_by_role("tab", name="About").click()
    page.locator("#figures .chart .line.on").first.wait_for()
    return page


def percent(figure: dict[str, float]) -> tuple[str, str]:
    return f"{100 * figure['value']:.1f}%", f"{100 * figure['low']:.1f} to {100 * figure['high']:.1f}"


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_model(look: Callable[..., "Page"], bundled: ModelFolder) -> None:
    page = opened(look)
    name, conditions = next((n, c) for n, c in bundled.metrics["sets"].items() if n.endswith(" test"))
    tables = page.locator("#figures section", has=page.get_by_role("heading", name="All figures")).locator("table")
    assert tables.count() == len(figures.CONDITIONS)
    for condition, table in zip(figures.CONDITIONS, tables.all(), strict=True):
        found = conditions[condition]
        titles = table.locator("thead th").all_inner_texts()
        row = table.locator("tbody tr", has_text=name.replace(" ", ", "))
        cells = dict(zip(titles, row.locator("th, td").all_inner_texts(), strict=True))
        assert cells["Faces found"].split() == [f"{found['judged']:,}", "of", f"{found['n']:,}"]
        auc = found["auc"]
        assert cells["Told apart (AUC)"].split("\n") == [
            f"{auc['value']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}"
        ]  # fmt: skip
        for key in ("uncertain", "error_when_decided", "called_likely_fake_though_real", "missed_fakes"):
            assert tuple(cells[figures.FIGURES[key][0]].split("\n")) == percent(found[key])
    words = page.locator("#figures").inner_text()
    assert bundled.info.sha256 in words
    assert all(data["terms"] in words for data in bundled.config["data"].values())
    assert str(ROOT) not in page.content() and sys.prefix not in page.content()
    assert overflow(page) <= 0


def test_every_chart_can_be_read_without_eyes_and_without_a_mouse(
    look: Callable[..., "Page"], bundled: ModelFolder
) -> None:
    page = opened(look)
    for key in ("roc", "reliability", "robustness"):
        chart = page.locator(f"[data-chart={key}]")
        assert all(image.get_attribute("aria-label") for image in chart.get_by_role("img").all())
        chart.locator("summary").click()
        assert chart.locator("details table tbody tr").count() >= 5 and chart.locator("details table").is_visible()
        slider = chart.get_by_role("slider")
        before, place = (
            chart.locator(".readout").inner_text(),
            chart.locator(".marker").first.get_attribute("transform"),
        )
        slider.focus()
        page.keyboard.press("ArrowLeft")
        said = chart.locator(".readout").inner_text()
        assert said == slider.get_attribute("aria-valuetext") != before
        assert chart.locator(".marker").first.get_attribute("transform") != place
        shown = chart.locator(".line.on").first.get_attribute("data-line")
        chart.get_by_role("radio").first.focus()
        page.keyboard.press("ArrowRight")
        assert chart.locator(".line.on").first.get_attribute("data-line") != shown
    assert page.locator("[data-chart=roc] .line").count() == len(bundled.metrics["curves"])
    assert page.locator("[data-chart=robustness] svg").count() == len(bundled.metrics["robustness"]["corruptions"])
    counts = page.locator(".confusion").first.locator("td b").all_inner_texts()
    confusion = next(c for n, c in bundled.metrics["sets"].items() if n.endswith(" test"))["clean"]["confusion"]
    assert counts == [f"{n:,}" for n in confusion.values()]


def test_a_pointer_moves_along_the_line(look: Callable[..., "Page"]) -> None:
    page = opened(look)
    plot = page.locator("[data-chart=roc] svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 10)
    far = page.locator("[data-chart=roc] .readout").inner_text()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 10)
    near = page.locator("[data-chart=roc] .readout").inner_text()
    accused = [float(re.search(r"[\d.]+", words).group()) for words in (near, far)]
    assert accused[0] < accused[1]


def test_narrow_and_dark(look: Callable[..., "Page"]) -> None:
    page = opened(look, 360, "dark")
    assert overflow(page) <= 0
    for place in ("#figures .scroll", "#calls pre"):
        assert page.locator(place).first.evaluate("box => box.scrollWidth > box.clientWidth")  # scrolls by itself
    ground, ink = (
        page.locator(place).first.evaluate(f"box => getComputedStyle(box).{style}.match(/\\d+/g).map(Number)")
        for place, style in (("#figures .panel", "backgroundColor"), ("#figures .panel", "color"))
    )
    assert max(ground[:3]) < 60 and min(ink[:3]) > 180


def test_the_snippets_name_this_page(look: Callable[..., "Page"], running_app: RunningApp) -> None:
    page = opened(look)
    shown = page.locator("#calls pre code").all_text_contents()
    url = running_app.url
    calls = [snippets.curl(url), snippets.python(url), snippets.javascript(url), snippets.mcp(url)]
    assert shown == [*calls, snippets.SHELL, snippets.PACKAGE]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: Python", exact=True).click()
    page.locator(".copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == shown[1]


# --- Calling it ------------------------------------------------------------------------------------------------------


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(expected: Result) -> list[str]:
    return [str(expected.verdict), str(expected.to_dict()["p_fake"])]


def test_the_python_snippet_runs(running_app: RunningApp, photo: Path, expected: Result) -> None:
    told = run(photo, sys.executable, "-c", snippets.python(running_app.url))
    assert told.split()[-2:] == said(expected)


def test_the_curl_snippet_runs(running_app: RunningApp, photo: Path, expected: Result) -> None:
    answered = json.loads(run(photo, "sh", "-c", snippets.curl(running_app.url)))
    assert answered["verdict"] == str(expected.verdict) and answered["picture"]["sha256"] == expected.picture.sha256


def test_the_javascript_snippet_runs(
    look: Callable[..., "Page"], running_app: RunningApp, photo: Path, expected: Result
) -> None:
    """In a browser, with the file of a field as its comment says, and as it stands where there is Node.js."""
    code = snippets.javascript(running_app.url)
    page = look()
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'mine'}))")
    field = page.locator("#mine")
    field.set_input_files(photo / "photo.jpg")
    lines = [line for line in code.splitlines() if line and "openAsBlob" not in line]
    lines[0] = lines[0].replace("body: photo", "body: input.files[0]")
    with page.expect_console_message(lambda message: str(expected.verdict) in message.text) as said_there:
        field.evaluate(f"async input => {{ {' '.join(lines)} }}")
    assert said_there.value.text.split() == said(expected)
    if shutil.which("node"):
        (photo / "ask.mjs").write_text(code)
        assert run(photo, "node", "ask.mjs").split() == said(expected)


def test_the_package_and_shell_snippets_run(photo: Path, expected: Result, python: Callable) -> None:
    assert python("-c", snippets.PACKAGE, cwd=photo).stdout.split() == [
        str(expected.verdict), str(expected.p_fake)
    ]  # fmt: skip
    shutil.copytree(photo, photo / "holiday", ignore=shutil.ignore_patterns("holiday"))
    for line in snippets.SHELL.splitlines():
        words = line.partition(" > ")[0].split()[1:]
        ran = python(*words, cwd=photo)
        assert ran.returncode == 0 and "photo.jpg" in ran.stdout, ran.stderr


@pytest.mark.parametrize("snippet", [snippets.python, snippets.javascript, snippets.curl])
def test_the_readme_has_the_same_text(snippet: Callable[[str], str]) -> None:
    assert textwrap.indent(snippet(snippets.HERE), "    ") in (ROOT / "README.md").read_text()


def test_the_endpoint_tells_of_the_model(client: Client, bundled: ModelFolder) -> None:
    told = client.predict(api_name="/model")
    assert told == json.loads(json.dumps(about.describe(bundled)))
    assert told["sha256"] == bundled.info.sha256 and told["source"] == "bundled" and told["format_version"] == 1
    assert told["bands"] == bundled.config["bands"] and told["stated_rate"] == bundled.config["stated_rate"]
    assert told["figures"].keys() == bundled.metrics["sets"].keys()
    name = next(iter(told["figures"]))
    assert told["figures"][name]["clean"]["auc"] == bundled.metrics["sets"][name]["clean"]["auc"]
    assert str(ROOT) not in json.dumps(told)
    described = client.view_api(return_format="dict")["named_endpoints"]["/model"]
    assert described["parameters"] == [] and described["description"] == about.API_DESCRIPTION


# --- Models of others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [{}, {"sets": {}}])
def test_a_model_without_figures_has_a_page(bundled: ModelFolder, metrics: dict) -> None:
    folder = dataclasses.replace(bundled, metrics=metrics)
    page = about.model_html(folder)
    assert "No figures came with this model" in page and bundled.info.sha256 in page and "<svg" not in page
    assert about.describe(folder)["figures"] == {}


@pytest.mark.parametrize(
    "metrics",
    [
        {"sets": []},
        {"sets": {"a test": 5}},
        {"sets": {"a test": {"clean": {"auc": {"value": "<b>", "low": 0, "high": 1}}}}},
        {"sets": {"a test": {"clean": {"uncertain": {"value": float("nan")}}}}},
        {"sets": {"a test": {}}, "curves": {"a test": {"roc": {}}}},
        {"sets": {"a test": {}}, "robustness": {"pictures": 3}},
    ],
)
def test_figures_that_make_no_sense_are_not_shown(bundled: ModelFolder, metrics: Any) -> None:
    page = about.model_html(dataclasses.replace(bundled, metrics=metrics))
    assert ("could not be read" in page) != ("No figures came" in page) and bundled.info.sha256 in page


def test_figures_of_any_number_of_sets_are_shown(bundled: ModelFolder) -> None:
    whole = bundled.metrics
    name, conditions = next((n, c) for n, c in whole["sets"].items() if not n.endswith(" test"))
    bare = {key: {"n": 5, "judged": 0, "fake": 0, "real": 0, "no_face": 1.0} for key in figures.CONDITIONS}
    undecided = copy.deepcopy(conditions)
    del undecided["hard"]["error_when_decided"]
    undecided["hard"]["uncertain"] = {"value": 1.0, "low": 1.0, "high": 1.0}
    for sets in ({name: conditions}, {"walls test": bare}, {"odd": undecided}):
        page = figures.section_html({"sets": sets, "curves": {}, "robustness": {}, "ablations": [{}]})
        assert "All figures" in page and "data-chart" not in page


def test_names_of_a_stranger_are_escaped(bundled: ModelFolder) -> None:
    text = (
        json.dumps(bundled.metrics).replace("openforensics", ATTACK.replace('"', "'")).replace('"blur"', '"<script>"')
    )
    config = {**bundled.config, "date": ATTACK, "data": {ATTACK: {**bundled.config["data"]["dfdc"], "terms": ATTACK}}}
    page = about.model_html(dataclasses.replace(bundled, metrics=json.loads(text), config=config))
    assert "data-chart" in page and "&lt;script" in page
    assert "<script" not in page and "<img" not in page


def test_what_the_folder_does_not_say_is_left_open(bundled: ModelFolder) -> None:
    config = {key: bundled.config[key] for key in ("format_version", "architecture")}
    page = about.model_html(dataclasses.replace(bundled, config=config, metrics={}))
    assert "does not say what it learned from" in page and "not stated" in page
    entry = {key: bundled.config["data"]["dfdc"][key] for key in ("train", "validation")}
    older = dataclasses.replace(bundled, config={**config, "data": {"mine": entry}})
    assert "Terms: see the source" in about.model_html(older)


@pytest.mark.parametrize(("share", "words"), [(0, "0"), (0.004, "<1"), (0.01, "1"), (0.696, "70"), (1, "100")])
def test_a_share_is_so_many_of_100(share: float, words: str) -> None:
    assert charts.per_100(share) == words
