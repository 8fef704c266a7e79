"""The tab "About": what the detector does, how often it is wrong, where its model comes from, and how to call it.

Also the API's endpoint /model. What depends on the model is fetched when the page is opened: it is not loaded before.
"""

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from detector import Detector
from detector.model_folder.store import ModelFolder
from detector.provenance import excerpt
from ui import charts, figures, intake, snippets
from ui.answer import LIMITS
from ui.parts import lead_html, panel_html, table_html

_LEAD = lead_html(
    "How good is it, and what is it for?",
    "What the detector does, how often it was wrong when it was tested, what it learned from, and how to use it from "
    "your own programs.",
)
_PURPOSE = panel_html(
    "What it does",
    """<ol class="steps"><li><b>It finds the faces</b> in a photograph and cuts each out.</li>
<li><b>A neural network scores each face</b> from 0 to 100: of many test faces with a score of 80, about 80 of 100 were
forged.</li>
<li><b>It gives a verdict only where it was right often enough</b> when it was tested. In between it says “I can’t
tell”.</li>
<li><b>It reads what the file says of itself</b>: Content Credentials, camera data, marks of image generators. They
stand beside the verdict and never change it.</li></ol>
<p>It is for a second look at a photograph before it is believed or passed on, by somebody who also asks where it comes
from. It is not for deciding about a person, for watching people, or for declaring a picture genuine.</p>""",
)
_WAITING = '<p class="page soft">The figures of the model are on their way.</p>'
_PRIVACY = panel_html(
    "Privacy",
    """<dl class="pairs"><dt>What is sent</dt><dd>The picture that you add, to the computer that runs this page. Nothing
else of yours.</dd>
<dt>What is kept</dt><dd>The picture and what was drawn of it, for about an hour; then they are deleted. A picture
that you make a link to, for a day. Your network
address, in memory, for as long as your pictures of the last minutes are counted.</dd>
<dt>What is logged</dt><dd>How many pictures and faces were judged, and how long it took. No picture, no file name, no
score.</dd>
<dt>Who else learns of it</dt><dd>Nobody: no analytics, no fonts or scripts from elsewhere, and no picture is used for
training. Where a host such as Hugging Face runs this page, it carries the traffic, as for any website.</dd></dl>""",
)

API_DESCRIPTION = (
    "Which model answers: where it comes from (source, repo, revision; note says why, where it stands in for another), "
    "its architecture, input size in pixels, SHA-256, bands (below real_below the verdict is likely_real, from "
    "fake_above likely_fake), the rate at which verdicts were right on validation pictures, format version, date, and "
    "its figures by test set and condition, each with its value and the low and high end of its 95% interval."
)


def build(detector: Callable[[], Detector]) -> None:
    """Lay the tab out in the `gr.Blocks` that is open. `detector` is called when the page is opened, not before."""

    def of_the_model() -> str:
        return model_html(detector().model)

    def model() -> dict[str, Any]:
        return describe(detector().model)

    gr.HTML(_LEAD + _PURPOSE + LIMITS)
    shown = gr.HTML(_WAITING, elem_id="figures", js_on_load=charts.SCRIPT)
    gr.HTML(_PRIVACY + calls_html(), elem_id="calls", js_on_load=_CALLS_SCRIPT)

    # Without triggers: when the page is opened. queue=False: no visitor waits for another one's picture.
    gr.on(None, of_the_model, None, shown, queue=False, show_progress="hidden", api_visibility="private")
    gr.api(model, api_name="model", api_description=API_DESCRIPTION)


def describe(folder: ModelFolder) -> dict[str, Any]:
    """What the endpoint /model answers: plain types only, and no path."""
    info, config, bands = folder.info, folder.config, folder.calibration
    return {
        "source": info.source,
        "repo": info.repo,
        "revision": info.revision,
        "note": info.note,
        "architecture": info.architecture,
        "input_size": folder.input_size,
        "sha256": info.sha256,
        "bands": {"real_below": bands.real_below, "fake_above": bands.fake_above},
        "stated_rate": _share(config.get("stated_rate")),
        "format_version": config["format_version"],
        "date": excerpt(config["date"], 20) if isinstance(config.get("date"), str) else None,
        "figures": figures.summary(folder.metrics),
    }


def _share(value: object) -> float | None:
    """A number from 0 to 1, None for anything else that a stranger's file may say."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= 1 else None


def model_html(folder: ModelFolder) -> str:
    """The sections that tell of one model: its figures, its data, its versions."""
    return figures.section_html(folder.metrics) + training_html(folder) + record_html(folder)


# --- The model -------------------------------------------------------------------------------------------------------


def training_html(folder: ModelFolder) -> str:
    """What the model learned from, and on what terms: from config.json."""
    try:
        rows = [
            [
                escape(excerpt(name)),
                *(
                    f"{int(splits[split]['real']):,} real<small>{int(splits[split]['fake']):,} forged</small>"
                    for split in ("train", "validation")
                ),
                f'<span class="wide">{escape(excerpt(splits.get("terms") or "Terms: see the source", 400))}</span>',
            ]
            for name, splits in folder.config["data"].items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):  # a stranger's file
        rows = []
    table = table_html("Faces, by collection", ["Collection", "To learn", "To adjust", "What it is; its terms"], rows)
    return panel_html(
        "What it learned from",
        (table if rows else "<p>This model’s folder does not say what it learned from.</p>")
        + "<p>The program is free to use (Apache-2.0). A model carries the strictest terms of its data: the one that "
        "is shipped with the program is <b>for non-commercial research and education only</b>.</p>",
    )


def record_html(folder: ModelFolder) -> str:
    """Which model this is, to cite it."""
    told = describe(folder)
    bands, rate = told["bands"], told["stated_rate"]
    rows = {
        "Model": f"{told['repo']}@{told['revision']}" if told["repo"] else told["source"],
        **({"Why this model": told["note"]} if told["note"] else {}),
        "Architecture": f"{told['architecture']}, {told['input_size']} × {told['input_size']} pixels",
        "SHA-256": told["sha256"],
        "Verdicts": f"likely real below a score of {100 * bands['real_below']:.1f}, "
        f"likely forged from {100 * bands['fake_above']:.1f}",
        "Right on validation pictures": f"{100 * rate:.0f} of 100 verdicts"
        if isinstance(rate, float)
        else "not stated",
        "Format version": told["format_version"],
        "Made on": told["date"] or "not stated",
        "Measured on": folder.metrics.get("date") or "not measured",
        "Measured with": folder.metrics.get("command") or "–",
    }
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in rows.items())
    return (
        '<section class="page panel record" aria-label="Which model this is"><h2>Which model this is</h2>'
        f"<dl>{cells}</dl></section>"
    )


# --- Calling it ------------------------------------------------------------------------------------------------------


def calls_html() -> str:
    """How to ask from elsewhere. The addresses are those of a page on the reader's own machine: _CALLS_SCRIPT puts in
    those of the page that is looked at."""
    url = snippets.HERE
    items = (
        ("curl", "in one line", snippets.curl(url)),
        ("Python", "nothing to install", snippets.python(url)),
        ("JavaScript", "in a browser, or Node.js 20", snippets.javascript(url)),
        ("Assistants: MCP", "this page is an MCP server", snippets.mcp(url)),
        ("Command line", "in a copy of this program", snippets.SHELL),
        ("Python package", "the same, without a server", snippets.PACKAGE),
    )
    limit = f" Up to {intake.PER_MINUTE} pictures a minute are judged." if intake.PER_MINUTE else ""
    return panel_html(
        "Use it from your own programs",
        "<p>Every call answers with the same object: the verdict, the score of each face, what the file says of "
        "itself, and checksums of picture and model. "
        f'<a href="api/docs">All calls, their answers and errors</a>.{limit}</p>'
        f'<div class="calls" data-here="{url}">{"".join(_call(*item) for item in items)}</div>',
    )


def _call(title: str, needs: str, code: str) -> str:
    return (
        f'<article class="call"><div class="head"><h3>{escape(title)}</h3><p class="soft">{escape(needs)}</p>'
        f'<button type="button" class="copy" aria-label="Copy: {escape(title)}">Copy</button></div>'
        f'<pre tabindex="0" role="region" aria-label="{escape(title)}"><code>{escape(code)}</code></pre></article>'
    )


_CALLS_SCRIPT = """
const here = new URL('.', location.href).href.replace(/\\/$/, '');
const calls = element.querySelector('.calls');
calls.querySelectorAll('code').forEach(code => {
  code.textContent = code.textContent.replaceAll(calls.dataset.here, here);
});
element.addEventListener('click', async event => {
  const button = event.target.closest('.copy');
  if (!button) return;
  const code = button.closest('.call').querySelector('code');
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {  // not allowed, or a page without TLS: select it, so that one key copies it
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
});
"""
