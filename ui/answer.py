"""The answer for one picture in HTML, piece by piece: the tab and the report show the same.

Every string in it may come from a stranger's file: all are escaped.
"""

from html import escape

from detector import Face, Result, Verdict, heatmap, words
from detector.model_folder import ModelFolder
from detector.provenance import Finding, ListOwner, Signature
from detector.result import Evidence
from detector.verdict import Calibration
from ui.parts import facts_html, picture_html, score_words
from ui.theme import TONES, icon

SHOWN_FACES = 24  # cards; the JSON has every face

_SUGGESTS = {
    "ai_made": "Points to AI",
    "edited": "Points to editing",
    "camera": "Points to a camera",
    "neutral": "Tells little",
}
_SIGNATURES = {
    Signature.TRUSTED: "Signer on {list}",
    Signature.UNKNOWN: "Signer unknown",
    Signature.UNCHECKED: "Signer not checked",
    Signature.EXPIRED: "Certificate has run out",
    Signature.REVOKED: "Certificate revoked",
    Signature.CHANGED: "Changed after signing",
    Signature.INVALID: "Signature not valid",
}
_LISTS = {ListOwner.C2PA: "the C2PA trust list", ListOwner.ADMINISTRATOR: "the trust list set up here"}

_EVIDENCE = {
    Evidence.FACE: ("The face", "Most of it comes from the face itself."),
    Evidence.SURROUNDINGS: ("The face and its surroundings", "Most of it comes from the picture around the face."),
}

LIMITS = """<section class="page panel limits" aria-label="What this cannot tell"><h2>What this cannot tell</h2><ul>
<li>Whether the story is true. A real photograph with a false caption shows no signs of forgery.</li>
<li>Anything outside the faces. A changed background, a removed person or a made-up scene goes unseen.</li>
<li>Every kind of forgery. It knows the kinds it was trained on; faces by a newer generator may show it no
signs at all.</li>
<li>Anything about drawings, paintings and masks. It seldom notices that a picture is one, and where one is taken for a
face, the score means nothing.</li>
<li>Much about poor copies. Small, blurred, filtered or often-shared pictures lose their traces, and real ones are
then called forged more often.</li>
<li>The odds where you found it. Its figures come from collections of test pictures; forgeries may be rarer, or more
common, where you are.</li>
<li>Enough to accuse anybody. Look for the first place the picture appeared, ask who took it, and get a second
opinion.</li></ul></section>"""


def verdict_html(result: Result, model: ModelFolder) -> str:
    """The verdict in words, shape and colour, its score and the warnings."""
    scale = "" if result.p_fake is None else _scale_html(result.p_fake, model.calibration)
    warnings = "".join(f"<li>{escape(warning.text)}</li>" for warning in result.warnings)
    return (
        f'<section class="page panel verdict {TONES[result.verdict]}" data-verdict="{result.verdict}">'
        f'<div class="top">{icon(TONES[result.verdict])}<h2>{words.VERDICTS[result.verdict]}</h2></div>'
        f'<p class="plain">{_sentence(result)}</p>{facts_html(words.facts(result.verdict, model.metrics))}{scale}'
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
        case Verdict.NO_SIGNS:
            who = "The face carries none" if count == 1 else f"None of the {count} faces carries any"
            return f"{who} of the traces of a forgery that the detector knows. {words.NOT_PROOF}"
    return (
        "The detector judges photographed faces only and saw none here, so it has nothing to say about this picture. "
        "That does not mean that the picture is real."
    )


def _scale_html(p_fake: float, calibration: Calibration) -> str:
    low, high = 100 * calibration.no_signs_below, 100 * calibration.likely_fake_from
    return (
        f'<div class="score"><p>Score: <b>{score_words(p_fake)}</b> on a scale from 0 to 100</p>'
        f'<div class="scale" role="img" aria-label="Score {score_words(p_fake)} of 100. No signs of forgery below '
        f'{low:.0f}, likely forged from {high:.0f}, in between no verdict."><div class="mark">'
        f'<i style="left:{100 * p_fake:.2f}%"></i></div><div class="bar"><i class="c" style="width:{low:.2f}%"></i>'
        f'<i class="u" style="width:{high - low:.2f}%"></i><i class="f" style="width:{100 - high:.2f}%"></i></div>'
        '<div class="ends"><span>no signs</span><span>can’t tell</span><span>likely forged</span></div></div></div>'
    )


def cards_html(result: Result, model: ModelFolder) -> str:
    """A card for each of the most suspicious faces, up to SHOWN_FACES."""
    shown = result.faces[:SHOWN_FACES]
    rest = len(result.faces) - len(shown)
    more = f'<p class="soft">{rest} more faces were judged, none more suspicious than these.</p>' if rest else ""
    faces = "".join(_card(number, face, model) for number, face in enumerate(shown, 1))
    order = "" if len(shown) == 1 else "The most suspicious face comes first and decides the verdict. "
    return (
        '<section class="page" aria-label="The faces">'
        + f'<h2>Face by face</h2><p class="soft">{order}Colour marks where the traces of a forgery lie; no colour, no '
        "traces.</p>" + f'<div class="cards{" one" if len(shown) == 1 else ""}">{faces}</div>{more}' + "</section>"
    )


def _card(number: int, face: Face, model: ModelFolder) -> str:
    tone = TONES[face.verdict]
    left, top, right, bottom = face.box
    heat = heatmap.overlay(face.crop, face.activation)
    line = words.facts_line(face.verdict, model.metrics)
    shown, whence = _EVIDENCE[face.evidence]
    if len(model.networks) == 1 or face.verdict is Verdict.NO_SIGNS:
        whence = ""
    return (
        f'<article class="card {tone}" data-face="{number}" aria-label="Face {number}"><div class="head">'
        f'<span class="number">{number}</span><h3>{words.VERDICTS[face.verdict]}</h3>{icon(tone)}</div>'
        f'<div class="pair"><figure>{picture_html(face.crop, f"Face {number}, cut out of the picture")}'
        f"<figcaption>{shown}</figcaption>"
        f"</figure><figure>{picture_html(heat, f'Face {number} with its traces of a forgery marked in colour')}"
        "<figcaption>Traces of a forgery, in colour</figcaption></figure></div>"
        f'<div class="words"><p>Score: <b>{score_words(face.p_fake)}</b> of 100. {whence}</p>'
        + (f'<p class="soft">{escape(line)}</p>' if line else "")
        + f'<p class="soft">{right - left} × {bottom - top} pixels; face finder’s score {face.score:.2f} of 1.</p>'
        "</div></article>"
    )


def evidence_html(result: Result) -> str:
    """What the file says of itself. Every string in it may come from a stranger's file."""
    items = "".join(
        f"<li><h3>{escape(finding.source)}{_tags_html(finding)}</h3>"
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


def _tags_html(finding: Finding) -> str:
    tags = f'<span class="tag">{escape(_SUGGESTS.get(finding.suggests, ""))}</span>'
    if finding.signature is None:
        return tags
    words = _SIGNATURES[finding.signature].format(list=_LISTS[finding.trust_list.owner] if finding.trust_list else "")
    return f'{tags}<span class="tag" data-signature="{finding.signature}">{words}</span>'


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
