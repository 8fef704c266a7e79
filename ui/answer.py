"""The answer for one picture in HTML, piece by piece: the tab and the report show the same.

Every string in it may come from a stranger's file: all are escaped.
"""

from html import escape
from typing import Any

from detector import Face, Result, Verdict, heatmap
from detector.model_folder.store import ModelFolder
from ui.parts import FACE_WORDS, VERDICT_WORDS, out_of_100, picture_html
from ui.theme import TONES, icon

SHOWN_FACES = 24  # cards; the JSON has every face

_SUGGESTS = {
    "ai_made": "Points to AI",
    "edited": "Points to editing",
    "camera": "Points to a camera",
    "neutral": "Tells little",
}

LIMITS = """<section class="page panel limits" aria-label="What this cannot tell"><h2>What this cannot tell</h2><ul>
<li>Whether the story is true. A real photograph with a false caption passes as real.</li>
<li>Anything outside the faces. A changed background, a removed person or a made-up scene goes unseen.</li>
<li>Every kind of forgery. It knows the kinds it was trained on; a new generator’s faces may pass as real.</li>
<li>Anything about drawings, paintings and masks. It seldom notices that a picture is one, and where one is taken for a
face, the score means nothing.</li>
<li>Much about poor copies. Small, blurred, filtered or often-shared pictures lose their traces, and real ones are
then called forged more often.</li>
<li>The odds where you found it. A score is measured on a collection of test pictures; forgeries may be rarer, or more
common, where you are.</li>
<li>Enough to accuse anybody. Look for the first place the picture appeared, ask who took it, and get a second
opinion.</li></ul></section>"""


def verdict_html(result: Result, model: ModelFolder) -> str:
    """The verdict in words, shape and colour, its score and the warnings."""
    score = "" if result.p_fake is None else _score_html(result.p_fake, model)
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings)
    return (
        f'<section class="page panel verdict {TONES[result.verdict]}" data-verdict="{result.verdict}">'
        f'<div class="top">{icon(TONES[result.verdict])}<h2>{VERDICT_WORDS[result.verdict]}</h2></div>'
        f'<p class="plain">{_sentence(result)}</p>{score}'
        + (f'<ul class="warnings" aria-label="Warnings">{warnings}</ul>' if warnings else "")
        + "</section>"
    )


def _sentence(result: Result) -> str:
    count = len(result.faces)
    who = "The face" if count == 1 else f"The most suspicious of {count} faces"
    match result.verdict:
        case Verdict.LIKELY_FAKE:
            return f"{who} carries traces that forged faces carry."
        case Verdict.UNCERTAIN:
            return f"{who} could be either: its traces point neither way clearly enough."
        case Verdict.LIKELY_REAL:
            who = "The face carries none" if count == 1 else f"None of the {count} faces carries any"
            return f"{who} of the traces of a forgery that the detector knows."
    return (
        "The detector judges photographed faces only and saw none here, so it has nothing to say about this picture. "
        "That does not mean that the picture is real."
    )


def _score_html(p_fake: float, model: ModelFolder) -> str:
    low, high = 100 * model.calibration.real_below, 100 * model.calibration.fake_above
    words = out_of_100(p_fake)
    return (
        f'<div class="score"><p>Of 100 test faces with this score, <b>{words.removesuffix(" of 100")}</b> '
        f"{'was' if p_fake < 0.015 else 'were'} forged.</p>"
        f'<div class="scale" role="img" aria-label="Score: {words} forged. Likely real below {low:.0f}, likely forged '
        f'from {high:.0f}, in between no verdict."><div class="mark"><i style="left:{100 * p_fake:.2f}%"></i></div>'
        f'<div class="bar"><i class="r" style="width:{low:.2f}%"></i><i class="u" style="width:{high - low:.2f}%"></i>'
        f'<i class="f" style="width:{100 - high:.2f}%"></i></div>'
        '<div class="ends"><span>likely real</span><span>can’t tell</span><span>likely forged</span></div></div>'
        f"{_measured_html(model.metrics)}</div>"
    )


def _measured_html(metrics: dict[str, Any]) -> str:
    """Which pictures the score was measured on."""
    tests = {name: s["clean"] for name, s in metrics.get("sets", {}).items() if name.endswith(" test")}
    if not tests:
        return ""
    names = [name.removesuffix(" test") for name in tests]
    words = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    count = sum(figures["judged"] for figures in tests.values())
    return (
        f'<p class="soft">Measured on {count:,} faces that it was not trained on, from {escape(words)}; half of them '
        "forged.</p>"
    )


def cards_html(result: Result) -> str:
    """A card for each of the most suspicious faces, up to SHOWN_FACES."""
    shown = result.faces[:SHOWN_FACES]
    rest = len(result.faces) - len(shown)
    more = f'<p class="soft">{rest} more faces were judged, none more suspicious than these.</p>' if rest else ""
    faces = "".join(_card(number, face) for number, face in enumerate(shown, 1))
    order = "" if len(shown) == 1 else "The most suspicious face comes first and decides the verdict. "
    return (
        '<section class="page" aria-label="The faces">'
        + f'<h2>Face by face</h2><p class="soft">{order}Colour marks where the traces of a forgery lie; no colour, no '
        "traces.</p>" + f'<div class="cards{" one" if len(shown) == 1 else ""}">{faces}</div>{more}' + "</section>"
    )


def _card(number: int, face: Face) -> str:
    tone = TONES[face.verdict]
    left, top, right, bottom = face.box
    heat = heatmap.overlay(face.crop, face.activation)
    return (
        f'<article class="card {tone}" data-face="{number}" aria-label="Face {number}"><div class="head">'
        f'<span class="number">{number}</span><h3>{FACE_WORDS[face.verdict]}</h3>{icon(tone)}</div><div class="pair">'
        f"<figure>{picture_html(face.crop, f'Face {number}, cut out of the picture')}<figcaption>The face</figcaption>"
        f"</figure><figure>{picture_html(heat, f'Face {number} with its traces of a forgery marked in colour')}"
        "<figcaption>Traces of a forgery, in colour</figcaption></figure></div>"
        f'<div class="words"><p class="facts">Forged in '
        f"{out_of_100(face.p_fake)} test faces with this score.</p>"
        f'<p class="soft">{right - left} × {bottom - top} pixels; face finder’s score {face.score:.2f} of 1.</p></div>'
        "</article>"
    )


def evidence_html(result: Result) -> str:
    """What the file says of itself. Every string in it may come from a stranger's file."""
    items = "".join(
        f'<li><h3>{escape(finding.source)}<span class="tag">{escape(_SUGGESTS.get(finding.suggests, ""))}</span></h3>'
        f'<p>{escape(finding.summary)}</p><p class="meaning">{escape(finding.meaning)}</p></li>'
        for finding in result.provenance
    )
    return (
        '<section class="page panel evidence" aria-label="What the file says about itself">'
        "<h2>What the file says about itself</h2>"
        '<p class="soft">Marks that cameras and programs leave in the file. They stand beside the verdict and never '
        "change the score.</p>"
        + (f"<ul>{items}</ul>" if items else '<p class="absent">Nothing about its origin was found in this file.</p>')
        + '<p class="absent soft">A mark that is absent proves nothing: most websites and messengers strip them, and '
        "anybody can remove or forge them.</p></section>"
    )


def record_html(result: Result) -> str:
    """What somebody who writes about the picture notes down: checksums, sizes, versions."""
    file, model = result.picture, result.model
    size = "" if file.bytes is None else f", {file.bytes / 1000:,.0f} kB"
    name = f"{model.repo}@{model.revision}" if model.repo else model.architecture
    rows = {
        "Picture": f"{file.format or 'picture'}, {file.width} × {file.height} pixels{size}",
        "SHA-256 of the picture": file.sha256,
        "Model": name,
        "SHA-256 of the model": model.sha256,
        "Time taken": f"{result.seconds.get('total', 0):.2f} s",
    }
    if model.note:
        rows["Why this model"] = model.note
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items())
    return f'<details class="page record"><summary>For your records</summary><dl>{cells}</dl></details>'
