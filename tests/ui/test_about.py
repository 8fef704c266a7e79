"""The tab About, the endpoint /model, and the texts that others call the detector with."""

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

from detector import Detector, Result, messages
from detector.model_folder import (
    CONDITIONS,
    DataRoles,
    Figure,
    Measured,
    MeasuredSet,
    Metrics,
    ModelFolder,
    Robustness,
    Roc,
    SeverityFigures,
    no_signs_shares,
    store,
)
from tests.support import ROOT
from tests.support.measured import figure, measured_on_unseen
from tests.support.running_app import ASTRONAUT, ATTACK, RunningApp, overflow
from ui import about, caught, curves, figures, snippets

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
    """The page with the tab open, the figures there, and all that is folded opened."""
    page = look(*arguments)
    page.get_by_role("tab", name="About").click()
    page.locator("#figures table").first.wait_for()
    assert not page.locator("#figures .chart").first.is_visible()
    for fold in page.locator("details.fold > summary").all():
        fold.press("Enter")
    page.locator("#figures .chart .line.on").first.wait_for()
    return page


@pytest.fixture(scope="module")
def unfolded(look_once: Callable[..., "Page"]) -> "Page":
    return opened(look_once)


def percent(figure: Figure) -> list[str]:
    return [f"{100 * figure.value:.1f}%", f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"]


# --- The page --------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_model(unfolded: "Page", bundled: ModelFolder) -> None:
    page = unfolded
    sets = (*bundled.metrics.unseen, *bundled.metrics.seen)
    tables = page.locator("#figures section", has=page.get_by_role("heading", name="All figures")).locator("table")
    conditions = [c for c in CONDITIONS if any(c in one.conditions for one in sets)]
    assert tables.count() == len(conditions)
    for condition, table in zip(conditions, tables.all(), strict=True):
        titles = table.locator("thead th").all_inner_texts()
        names = table.locator("tbody th").all_inner_texts()
        shown = [figures.set_title(one) for one in sets if condition in one.conditions]
        assert [name for name in names if not name.startswith("–")] == shown  # the unseen ones first
        measured = next(one for one in sets if condition in one.conditions and one.clean.fake and one.clean.real)
        found = measured.conditions[condition]
        row = table.locator("tbody tr").nth(names.index(figures.set_title(measured)))
        cells = dict(zip(titles, row.locator("th, td").all_inner_texts(), strict=True))
        assert cells["Faces found"].split() == [f"{found.judged:,}", "of", f"{found.n:,}"]
        assert cells["Kind"] == {"unseen": "never seen", "seen": "trained on"}[measured.role]
        assert cells["AUC"].split("\n") == [
            f"{found.auc.value:.3f}", f"{found.auc.low:.3f} to {found.auc.high:.3f}"
        ]  # fmt: skip
        for key in ("abstention_rate", "selective_risk", "real_likely_fake", "fake_no_signs", "false_negative_rate"):
            assert cells[figures.FIGURES[key][0]].split("\n") == percent(found.figures[key])
    words = page.locator("#figures").inner_text()
    assert bundled.info.digest in words
    assert all(of.terms in words for of in bundled.config.data.train.values())
    assert str(ROOT) not in page.content() and sys.prefix not in page.content()
    assert overflow(page) <= 0


def test_it_opens_with_what_is_caught_and_a_row_a_set(look: Callable[..., "Page"], bundled: ModelFolder) -> None:
    page, metrics = look(), bundled.metrics
    line = caught.line(metrics)
    page.locator("#promise").get_by_text(line).wait_for()  # on the first screen
    page.get_by_role("tab", name="About").click()
    opening = page.locator("#figures > div section, #figures section").first
    opening.get_by_text(line).wait_for()
    unseen, seen = opening.locator("table").all()
    assert unseen.locator("tbody tr").count() == len(metrics.unseen)
    assert "Stable Diffusion 3, 2024" in unseen.locator("tbody th").all_inner_texts()
    assert not any("unseen-" in row or "test" in row for row in opening.locator("tbody th").all_inner_texts())
    assert page.evaluate("document.documentElement.scrollHeight") < 2500, "what else there is is folded"
    tested = [one for one in metrics.seen if one.split == "test"]
    assert seen.locator("tbody tr").count() == len(tested)


def test_the_line_is_counted_from_the_sets_never_seen(bundled: ModelFolder) -> None:
    clean = [one.clean for one in bundled.metrics.unseen]

    def mean(kind: str) -> float:
        likely = [getattr(one, f"{kind}_likely_fake") for one in clean]
        leans = [getattr(one, f"{kind}_leans_fake") for one in clean]
        shares = [a.value + b.value for a, b in zip(likely, leans, strict=True) if a and b]
        return sum(shares) / len(shares)

    told = f"likely or leans forged in {100 * mean('fake'):.0f} of 100, and in {100 * mean('real'):.0f} of 100 real"
    assert told in caught.line(bundled.metrics)
    assert caught.line(None) == caught.line(Metrics(())) == caught.UNMEASURED
    only_likely = measured_on_unseen(bundled).metrics
    assert "it says likely forged in" in caught.line(only_likely) and "leans" not in caught.line(only_likely)


def test_each_claim_says_how_often_it_is_made(bundled: ModelFolder) -> None:
    told = dict(caught.verdicts(bundled.metrics))
    assert list(told) == ["Likely forged", next(name for name in told if "eans" in name), "No signs of forgery found"]
    shares = r"Gives this answer to (fewer than )?\d+ in 100 real faces; catches \d+ in 100 forgeries"
    assert re.fullmatch(rf"{shares} of unfamiliar generators\.", told["Likely forged"])


def test_unseen_generators_come_first_one_by_one(bundled: ModelFolder) -> None:
    page = about.model_html(measured_on_unseen(bundled))
    overview, rest = page.split("<h2>Every figure</h2>")[1].split('aria-label="All figures"')
    unseen, seen = overview.split("<h3>Generators and cameras it was trained on</h3>")
    assert "<h3>Generators and cameras it has never seen</h3>" in unseen
    names = re.findall(r'<span class="of">(.*?)</span>', unseen)
    assert names == ["Stable Diffusion 3 (2024)", "Gemini 3 Pro Image (2025)", "inswapper", "congress, validation"]
    bars = re.findall(r'<span class="words">(.*?)</span></li>', unseen)
    parts = ["<b>3</b> likely forged", "<b>71</b> no verdict", "<b>26</b> no signs"]
    assert re.findall(r'<span class="whole">(.*?)</span>', f"{bars[0]}</span>") == parts
    assert "<b>&lt;1</b> likely forged" in bars[3]
    assert "<b>0</b>" not in page and "<b>100</b>" not in page, "which no test can show"
    assert all(f"{one.name}, test" in seen for one in bundled.metrics.seen if one.split == "test" and one.clean.fake)
    rows = re.findall(r'<th scope="row">(.*?)</th>', rest)
    assert rows[:3] == ["two-generators, validation", "– Stable Diffusion 3 (2024)", "– Gemini 3 Pro Image (2025)"]
    assert "Real people, by group" in page and "Before 1950" in page and "0.4%" in page
    assert "To adjust, never to learn" in page


def test_what_was_never_measured_is_said(bundled: ModelFolder) -> None:
    seen = dataclasses.replace(bundled.metrics, sets=bundled.metrics.seen)
    seen_only = dataclasses.replace(bundled, read_metrics=lambda: seen)
    page = about.model_html(seen_only)
    assert "never measured on generators and cameras that it has not seen" in page
    assert "Real people, by group" not in page


def test_every_chart_can_be_read_without_eyes_and_without_a_mouse(unfolded: "Page", bundled: ModelFolder) -> None:
    page = unfolded
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
    sets = (*bundled.metrics.unseen, *bundled.metrics.seen)
    assert page.locator("[data-chart=roc] .line").count() == sum(one.roc is not None for one in sets)
    assert page.locator("[data-chart=robustness] svg").count() == len(bundled.metrics.robustness.corruptions)
    confusion = next(one.clean.confusion for one in sets if one.clean.fake and one.clean.real)
    name = next(figures.set_title(one) for one in sets if one.clean.confusion is confusion)
    counts = page.locator(".confusion", has_text=name).first.locator("td b").all_inner_texts()
    assert counts == [f"{n:,}" for n in dataclasses.asdict(confusion).values()]


def test_a_pointer_moves_along_the_line(unfolded: "Page") -> None:
    page = unfolded
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


def test_the_snippets_name_this_page(unfolded: "Page", running_app: RunningApp) -> None:
    page = unfolded
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
    return [str(expected.verdict), str(expected.to_dict()["score"])]


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


@pytest.mark.slow
def test_the_package_and_shell_snippets_run(photo: Path, expected: Result, python: Callable) -> None:
    assert python("-c", snippets.PACKAGE, cwd=photo).stdout.split() == [
        str(expected.verdict), str(expected.score)
    ]  # fmt: skip
    shutil.copytree(photo, photo / "holiday", ignore=shutil.ignore_patterns("holiday"))
    for line in snippets.SHELL.splitlines():
        words = line.partition(" > ")[0].split()[1:]
        ran = python(*words, cwd=photo)
        assert ran.returncode == 0 and "photo.jpg" in ran.stdout, ran.stderr


@pytest.mark.parametrize("snippet", [snippets.python, snippets.javascript, snippets.curl])
def test_the_readme_has_the_same_text(snippet: Callable[[str], str]) -> None:
    told = "".join((ROOT / name).read_text() for name in ("README.md", "docs/api.md"))
    assert textwrap.indent(snippet(snippets.HERE), "    ") in told


def test_the_endpoint_tells_of_the_model(client: Client, bundled: ModelFolder) -> None:
    told = client.predict(api_name="/model")
    assert told == json.loads(json.dumps(about.describe(bundled)))
    assert told["digest"] == bundled.info.digest and told["source"] == "bundled"
    assert told["format_version"] == bundled.config.format_version
    assert told["thresholds"] == {
        "no_signs_below": bundled.calibration.no_signs_below,
        "leans_fake_from": bundled.calibration.leans_fake_from,
        "likely_fake_from": bundled.calibration.likely_fake_from,
    }
    for role, sets in (("unseen", bundled.metrics.unseen), ("seen", bundled.metrics.seen)):
        assert [(one["name"], one["split"]) for one in told["figures"][role]] == [(one.name, one.split) for one in sets]
    assert told["no_signs"] == no_signs_shares(bundled.metrics).to_dict()
    [first, *_] = told["figures"]["seen"]
    assert first["conditions"]["clean"]["auc"] == dataclasses.asdict(bundled.metrics.seen[0].clean.auc)
    assert str(ROOT) not in json.dumps(told)
    described = client.view_api(return_format="dict")["named_endpoints"]["/model"]
    assert described["parameters"] == [] and described["description"] == about.API_DESCRIPTION


def test_the_endpoint_tells_unseen_and_seen_apart(bundled: ModelFolder) -> None:
    told = about.describe(measured_on_unseen(bundled))
    assert [one["name"] for one in told["figures"]["unseen"]] == ["two-generators", "swaps", "congress"]
    assert told["figures"]["unseen"][0]["generators"][0] == {"name": "Stable Diffusion 3", "year": 2024}
    assert told["figures"]["unseen"][0]["conditions"]["clean"]["fake_no_signs"]["value"] == 0.2
    assert told["no_signs"]["unseen"] == pytest.approx(0.15)
    assert [one["name"] for one in told["no_signs"]["generators"]][:1] == ["Stable Diffusion 3"]


# --- Models of others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metrics", [None, Metrics(())])
def test_a_model_without_figures_has_a_page(bundled: ModelFolder, metrics: Metrics | None) -> None:
    folder = dataclasses.replace(bundled, read_metrics=lambda: metrics)
    page = about.model_html(folder)
    assert "No figures came with this model" in page and bundled.info.digest in page and "<svg" not in page
    assert about.describe(folder)["figures"] == {"unseen": [], "seen": []}


def test_figures_of_any_number_of_sets_are_shown() -> None:
    """Nothing judged, no class of the two, no verdict, a curve without a point: tables without a chart."""
    bare = Measured(n=5, judged=0, fake=0, real=0, no_face=1.0)
    undecided = Measured(n=5, judged=5, fake=5, real=0, abstention_rate=figure(1.0), fake_no_signs=figure(0.0))
    accused = Measured(n=5, judged=5, fake=0, real=5, real_likely_fake=figure(0.2))
    for measured in (bare, undecided, accused):
        for role in ("unseen", "seen"):
            one = MeasuredSet("walls", "test", role, {"clean": measured}, roc=Roc((), ()))
            page = figures.section_html(Metrics((one,))) + curves.section_html(Metrics((one,)))
            assert "All figures" in page and "data-chart" not in page
    odd = Robustness("walls", 5, "", {"blur": (SeverityFigures(1, 0),)})
    assert "data-chart" not in curves.section_html(Metrics((one,), robustness=odd))


def test_names_of_a_stranger_are_escaped(bundled: ModelFolder) -> None:
    text = json.dumps(measured_on_unseen(bundled).metrics.to_dict()).replace('"blur"', '"<script>"')
    for name in ("openforensics", "Stable Diffusion 3", "congress", "since 1950"):
        text = text.replace(name, name + ATTACK.replace('"', "'"))
    train = dataclasses.replace(next(iter(bundled.config.data.train.values())), terms=ATTACK)
    config = dataclasses.replace(bundled.config, date=ATTACK, data=DataRoles({ATTACK: train}))
    metrics = Metrics.from_dict(json.loads(text))
    page = about.model_html(dataclasses.replace(bundled, read_metrics=lambda: metrics, config=config))
    assert "data-chart" in page and "&lt;script" in page
    assert "<script" not in page and "<img" not in page


def test_what_the_folder_does_not_say_is_left_open(bundled: ModelFolder) -> None:
    config = dataclasses.replace(bundled.config, data=DataRoles(), date=None, limits=None)
    page = about.model_html(dataclasses.replace(bundled, config=config, read_metrics=lambda: None))
    assert "does not say what it learned from" in page and "not stated" in page
    train = dataclasses.replace(next(iter(bundled.config.data.train.values())), terms=None)
    older = dataclasses.replace(bundled, config=dataclasses.replace(config, data=DataRoles({"mine": train})))
    assert "Terms: see the source" in about.model_html(older)


@pytest.mark.parametrize(("share", "told"), [(0, "<1"), (0.004, "<1"), (0.01, "1"), (0.696, "70"), (1, ">99")])
def test_a_share_is_so_many_of_100(share: float, told: str) -> None:
    assert messages.per_100(share) == told
