"""The tab "About": what the detector does, how often it is wrong, where its model comes from, and how to call it.

Also the API's endpoint /model. What depends on the model is fetched when the page is opened: it is not loaded before.
"""

from collections.abc import Callable
from dataclasses import asdict
from html import escape
from typing import Any

import gradio as gr

from detector import Detector, settings
from detector.model_folder import CalibrationLimits, Counts, ModelFolder, no_signs_shares
from detector.text import excerpt
from ui import caught, charts, curves, figures, snippets
from ui.answer import LABELS, LIMITS_LIST
from ui.components import fold_html, lead_html, panel_html, table_html

_LEAD = lead_html(
    "How good is it, and what is it for?",
    "How often it was wrong in tests, set by set, and below everything else there is to know about it.",
)
_PURPOSE = fold_html(
    "What it does, and what it is for",
    """<ol class="steps"><li><b>It finds the faces</b> in a photograph and cuts each out.</li>
<li><b>A neural network scores each face</b> from 0 to 100: the higher, the more traces of a forgery.</li>
<li><b>It says “likely forged” only where hardly any real face scores as high</b>, and “no signs of forgery found” only
where few forged faces score as low. In between it says that it can’t tell. It never says “real”: a new kind of forgery
may leave no traces that it knows.</li>
<li><b>It reads what the file says of itself</b>: Content Credentials, camera data, marks of image generators. They
stand beside the verdict and never change it.</li></ol>
<p>It is for a second look at a photograph before it is believed or passed on, by somebody who also asks where it comes
from. It is not for deciding about a person, for watching people, or for declaring a picture genuine.</p>""",
)
_OPENING = "In short"
_WAITING = '<p class="page soft">Loading the model’s figures…</p>'
_PRIVACY = """<dl class="pairs"><dt>What is sent</dt><dd>The picture that you add, to the computer that runs this
page. Nothing else of yours.</dd>
<dt>What is kept</dt><dd>The picture and what was drawn from it; they are deleted within about an hour. A picture
that you make a link to: {days}, or until you delete it. Your network
address, in memory, for as long as your pictures of the last minutes are counted.</dd>
<dt>What is logged</dt><dd>How many pictures and faces were judged, and how long it took. No picture, no file name, no
score.</dd>
<dt>Third parties</dt><dd>Nobody: no analytics, no fonts or scripts from elsewhere, and no picture is used for
training. The list of trusted signers of Content Credentials is fetched once a day, and nothing of a picture goes with
the request. Where a host such as Hugging Face runs this page, it carries the traffic, as for any website.</dd></dl>"""

API_DESCRIPTION = (
    "Which model answers: where it comes from (source: bundled, folder or hub; repo, revision; note says why, where it "
    "stands in for another), its architecture, networks, digest, thresholds (below no_signs_below the verdict is "
    "no_signs, from likely_fake_from likely_fake, for one of several faces from a higher value; from leans_fake_from, "
    "where it is measured, leans_fake), the limits they were fitted to hold, format version and "
    "date. no_signs tells how many forgeries get that verdict, as shares from 0 to 1: of generators that the model has "
    "never seen (unseen; generators has each) and of the kinds that it was trained on (seen); null where not measured. "
    "figures has the sets of test pictures, unseen and seen apart, by condition, each figure with its value, the low "
    "and high end of its 95% interval and the number of faces."
)


def build(detector: Callable[[], Detector]) -> None:
    """Lay the tab out in the `gr.Blocks` that is open. `detector` is called when the page is opened, not before."""

    def of_the_model() -> str:
        return model_html(detector().model)

    def model() -> dict[str, Any]:
        return describe(detector().model)

    gr.HTML(_LEAD)
    shown = gr.HTML(_WAITING, elem_id="figures", js_on_load=charts.SCRIPT)
    gr.HTML(_PURPOSE + fold_html(LABELS["limits"], f'<div class="limits">{LIMITS_LIST}</div>') + privacy_html())
    gr.HTML(calls_html(), elem_id="calls", js_on_load=_CALLS_SCRIPT)

    # Without triggers: when the page is opened. queue=False: no visitor waits for another one's picture.
    gr.on(None, of_the_model, None, shown, queue=False, show_progress="hidden", api_visibility="private")
    gr.api(  # type: ignore[attr-defined]  # gradio exports it by a star
        model, api_name="model", api_description=API_DESCRIPTION
    )


def describe(folder: ModelFolder) -> dict[str, Any]:
    """What the endpoint /model answers: plain types only, and no path."""
    info, config, calibration = folder.info, folder.config, folder.calibration
    return {
        "source": str(info.source),
        "repo": info.repo,
        "revision": info.revision,
        "note": info.note,
        "architecture": info.architecture,
        "networks": [asdict(network) for network in config.networks],
        "digest": info.digest,
        "thresholds": {
            "no_signs_below": calibration.no_signs_below,
            "leans_fake_from": calibration.leans_fake_from,
            "likely_fake_from": calibration.likely_fake_from,
        },
        "limits": config.limits and asdict(config.limits),
        "format_version": config.format_version,
        "date": config.date and excerpt(config.date, 20),
        "no_signs": no_signs_shares(folder.metrics).to_dict(),
        "figures": figures.summary(folder.metrics),
    }


def model_html(folder: ModelFolder) -> str:
    """What one model catches, and, folded, all its figures, its data and its versions."""
    curve = curves.section_html(folder.metrics)
    return (
        opening_html(folder)
        + fold_html("Every figure", figures.section_html(folder.metrics))
        + (fold_html("Curves and charts", curve) if curve else "")
        + training_html(folder)
        + record_html(folder)
    )


def privacy_html() -> str:
    days = settings.read().link_days
    return fold_html("Privacy", _PRIVACY.format(days="for a day" if days == 1 else f"for {days} days"))


def opening_html(folder: ModelFolder) -> str:
    """In a line what it catches and what not, then verdict by verdict, then set by set."""
    metrics = folder.metrics
    line = f'<p class="line">{escape(caught.line(metrics))}</p>'
    if not metrics or not metrics.sets:
        return panel_html(_OPENING, line)
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(says)}</dd>" for name, says in caught.verdicts(metrics))
    return panel_html(_OPENING, f'{line}<dl class="pairs">{told}</dl>{caught.table(metrics, folder.config.data)}')


# --- The model -------------------------------------------------------------------------------------------------------


def training_html(folder: ModelFolder) -> str:
    """What the model learned from, and what it was only adjusted or tested on, and on what terms: from config.json."""
    data = folder.config.data
    rows = [
        [escape(excerpt(name)), "To learn", _counts(of.train), _counts(of.validation), _terms(of.terms)]
        for name, of in data.train.items()
    ]
    for use, sets in (("To adjust, never to learn", data.unseen), ("To test only", data.test)):
        rows += [[escape(excerpt(name)), use, "–", _counts(of.counts), _terms(of.terms)] for name, of in sets.items()]
    header = ["Collection", "What for", "Faces learned from", "Other faces", "What it is; its terms"]
    return fold_html(
        "What it learned from",
        (
            table_html("Faces, by collection", header, rows)
            if rows
            else "<p>This model’s folder does not say what it learned from.</p>"
        )
        + "<p>The program is free to use (Apache-2.0). A model carries the strictest terms of its data: the one that "
        "is shipped with the program is <b>for non-commercial research and education only</b>.</p>",
    )


def _counts(counts: Counts) -> str:
    return f"{counts.real:,} real<small>{counts.fake:,} forged</small>"


def _terms(terms: str | None) -> str:
    return f'<span class="wide">{escape(excerpt(terms or "Terms: see the source", 400))}</span>'


def record_html(folder: ModelFolder) -> str:
    """Which model this is, to cite it."""
    told = describe(folder)
    low, high = (100 * told["thresholds"][name] for name in ("no_signs_below", "likely_fake_from"))
    metrics = folder.metrics
    sizes = " and ".join(dict.fromkeys(f"{n.input_size} × {n.input_size} pixels" for n in folder.config.networks))
    rows = {
        "Model": f"{told['repo']}@{told['revision']}" if told["repo"] else told["source"],
        **({"Why this model": told["note"]} if told["note"] else {}),
        "Architecture": f"{told['architecture']}, {sizes}",
        "Digest": told["digest"],
        "Verdicts": f"no signs of forgery below a score of {low:.1f}, likely forged from {high:.1f}",
        "Calibration limits": _limits(folder.config.limits),
        "Format version": told["format_version"],
        "Made on": told["date"] or "not stated",
        "Measured on": (metrics and metrics.date) or "not measured",
        "Measured with": (metrics and metrics.command) or "–",
    }
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in rows.items())
    return fold_html("Which model this is", f'<div class="record"><dl>{cells}</dl></div>')


def _limits(limits: CalibrationLimits | None) -> str:
    if limits is None:
        return "not stated"
    everywhere = "" if limits.max_leans_rate is None else ", on average over the collections,"
    return (
        f"of real faces at most {limits.max_false_positive_rate:.1%}{everywhere} likely forged; without signs at most "
        f"{limits.max_unseen_no_signs:.0%} of the forgeries of each unseen set and {limits.max_seen_no_signs:.1%} of "
        "those of seen kinds"
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
    most = settings.read().pictures_per_minute
    limit = f" Up to {most} pictures a minute are judged." if most else ""
    return fold_html(
        "Use it from your own programs",
        "<p>Every call returns the same object: the verdict, the score of each face, what the file says of "
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
