"""The answer for one picture in HTML, piece by piece: the tab and the report show the same.

Every string in it may come from a stranger's file: all are escaped.
"""

from html import escape

from detector import Face, Result, Verdict, heatmap, quality, words
from detector.model_folder import ModelFolder
from detector.provenance import Finding, ListOwner, Signature
from detector.result import Evidence
from detector.verdict import Calibration
from ui.parts import HOW_OFTEN_WRONG, OF_EACH, facts_html, picture_html, score_words
from ui.shapes import TONES, icon

SHOWN_FACES = 24  # cards; the JSON has every face

SUGGESTS = {
    "ai_made": "Points to AI",
    "ai_edited": "Points to editing with AI",
    "edited": "Points to editing",
    "camera": "Points to a camera",
    "neutral": "Tells little",
}
SIGNATURES = {
    Signature.TRUSTED: "Signer on {list}",
    Signature.UNKNOWN: "Signer unknown",
    Signature.UNCHECKED: "Signer not checked",
    Signature.EXPIRED: "Certificate has run out",
    Signature.REVOKED: "Certificate revoked",
    Signature.CHANGED: "Changed after signing",
    Signature.INVALID: "Signature not valid",
}
LISTS = {ListOwner.C2PA: "the C2PA trust list", ListOwner.ADMINISTRATOR: "the trust list set up here"}

# What is written round the figures; the static page shows the same.
LABELS = {
    "limits": "What this cannot tell",
    "warnings": "Warnings",
    "facts": HOW_OFTEN_WRONG,
    "of_each": OF_EACH,
    "score": "Score: {score} on a scale from 0 to 100",
    "scale": "Score {score} of 100. No signs of forgery below {low}, likely forged from {high}, in between no verdict.",
    "no_signs": "no signs",
    "uncertain": "can’t tell",
    "likely_fake": "likely forged",
    "faces": "Face by face",
    "order": "The most suspicious face comes first and decides the verdict.",
    "colours": "Colour marks where the traces of a forgery lie; no colour, no traces.",
    "more_faces": "{n} more faces were judged, none more suspicious than these.",
    "traces": "Traces of a forgery, in colour",
    "card": "Face {n}",
    "face_alt": "Face {n}, cut out of the picture",
    "traces_alt": "Face {n} with its traces of a forgery marked in colour",
    "face_score": "Score: {score} of 100.",
    "face_size": "{width} × {height} pixels; face finder’s score {found} of 1.",
    "records": "For your records",
    "error": "This picture could not be judged",
    "evidence": "What the file says about itself",
    "evidence_role": (
        "Marks that cameras and programs leave in the file. They stand beside the verdict and never change the score."
    ),
    "evidence_none": "Nothing about its origin was found in this file.",
    "evidence_absent": (
        "A mark that is absent proves nothing: most websites and messengers strip them, and anybody can remove or "
        "forge them."
    ),
}
# By where most of a face's score comes from: what its crop shows, and how that is told.
EVIDENCE = {
    Evidence.FACE: ("The face", "Most of it comes from the face itself."),
    Evidence.SURROUNDINGS: ("The face and its surroundings", "Most of it comes from the picture around the face."),
}

LIMITS = (
    f'<section class="page panel limits" aria-label="{LABELS["limits"]}"><h2>{LABELS["limits"]}</h2><ul>'
    + "".join(f"<li>{escape(limit)}</li>" for limit in words.LIMITS)
    + "</ul></section>"
)


def verdict_html(result: Result, model: ModelFolder) -> str:
    """The verdict in words, shape and colour, its score and the warnings."""
    calibration = model.calibration.among(result.judged)
    scale = "" if result.p_fake is None or result.undecidable else _scale_html(result.p_fake, calibration)
    warnings = "".join(f"<li>{escape(warning.text)}</li>" for warning in result.warnings)
    return (
        f'<section class="page panel verdict {TONES[result.verdict]}" data-verdict="{result.verdict}">'
        f'<div class="top">{icon(TONES[result.verdict])}<h2>{words.VERDICTS[result.verdict]}</h2></div>'
        f'<p class="plain">{words.sentence(result.verdict, len(result.faces), judged=not result.undecidable)}</p>'
        f"{facts_html(words.facts(result.verdict, model.metrics))}{scale}"
        + (f'<ul class="warnings" aria-label="{LABELS["warnings"]}">{warnings}</ul>' if warnings else "")
        + "</section>"
    )


def _scale_html(p_fake: float, calibration: Calibration) -> str:
    low, high = 100 * calibration.no_signs_below, 100 * calibration.likely_fake_from
    score = score_words(p_fake)
    alt = LABELS["scale"].format(score=score, low=f"{low:.0f}", high=f"{high:.0f}")
    return (
        f'<div class="score"><p>{LABELS["score"].format(score=f"<b>{score}</b>")}</p>'
        f'<div class="scale" role="img" aria-label="{alt}"><div class="mark">'
        f'<i style="left:{100 * p_fake:.2f}%"></i></div><div class="bar"><i class="c" style="width:{low:.2f}%"></i>'
        f'<i class="u" style="width:{high - low:.2f}%"></i><i class="f" style="width:{100 - high:.2f}%"></i></div>'
        f'<div class="ends"><span>{LABELS["no_signs"]}</span><span>{LABELS["uncertain"]}</span>'
        f"<span>{LABELS['likely_fake']}</span></div></div></div>"
    )


def cards_html(result: Result, model: ModelFolder) -> str:
    """A card for each of the most suspicious faces, up to SHOWN_FACES."""
    shown = result.faces[:SHOWN_FACES]
    rest = len(result.faces) - len(shown)
    more = f'<p class="soft">{LABELS["more_faces"].format(n=rest)}</p>' if rest else ""
    faces = "".join(_card(number, face, model) for number, face in enumerate(shown, 1))
    order = "" if len(shown) == 1 else f"{LABELS['order']} "
    return (
        '<section class="page" aria-label="The faces">'
        f'<h2>{LABELS["faces"]}</h2><p class="soft">{order}{LABELS["colours"]}</p>'
        f'<div class="cards{" one" if len(shown) == 1 else ""}">{faces}</div>{more}' + "</section>"
    )


def _card(number: int, face: Face, model: ModelFolder) -> str:
    tone = TONES[face.verdict]
    left, top, right, bottom = face.box
    heat = heatmap.overlay(face.crop, face.activation)
    size = LABELS["face_size"].format(width=right - left, height=bottom - top, found=f"{face.score:.2f}")
    line = words.facts_line(face.verdict, model.metrics)
    shown, whence = EVIDENCE[face.evidence]
    margins = {network.config.crop_margin for network in model.networks}
    if len(margins) == 1 or face.verdict is Verdict.NO_SIGNS:
        whence = ""
    score = f"{LABELS['face_score'].format(score=f'<b>{score_words(face.p_fake)}</b>')} {whence}"
    why = " ".join(quality.SENTENCES[code][1] for code in face.doubts)
    name = LABELS["card"].format(n=number)
    return (
        f'<article class="card {tone}" data-face="{number}" aria-label="{name}"><div class="head">'
        f'<span class="number">{number}</span><h3>{words.VERDICTS[face.verdict]}</h3>{icon(tone)}</div>'
        f'<div class="pair"><figure>{picture_html(face.crop, LABELS["face_alt"].format(n=number))}'
        f"<figcaption>{shown}</figcaption>"
        f"</figure><figure>{picture_html(heat, LABELS['traces_alt'].format(n=number))}"
        f"<figcaption>{LABELS['traces']}</figcaption></figure></div>"
        f'<div class="words"><p>{why or score}</p>'
        + (f'<p class="soft">{escape(line)}</p>' if line else "")
        + f'<p class="soft">{size}</p></div></article>'
    )


def evidence_html(result: Result) -> str:
    """What the file says of itself. Every string in it may come from a stranger's file."""
    items = "".join(
        f"<li><h3>{escape(finding.source)}{_tags_html(finding)}</h3>"
        f'<p>{escape(finding.summary)}</p><p class="meaning">{escape(finding.meaning)}</p></li>'
        for finding in result.provenance
    )
    return (
        f'<section class="page panel evidence" aria-label="{LABELS["evidence"]}"><h2>{LABELS["evidence"]}</h2>'
        f'<p class="soft">{LABELS["evidence_role"]}</p>'
        + (f"<ul>{items}</ul>" if items else f'<p class="absent">{LABELS["evidence_none"]}</p>')
        + f'<p class="absent soft">{LABELS["evidence_absent"]}</p></section>'
    )


def _tags_html(finding: Finding) -> str:
    tags = f'<span class="tag">{escape(SUGGESTS.get(finding.suggests, ""))}</span>'
    if finding.signature is None:
        return tags
    words = SIGNATURES[finding.signature].format(list=LISTS[finding.trust_list.owner] if finding.trust_list else "")
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
        "Digest of the model": model.digest,
        "Time taken": f"{result.seconds.get('total', 0):.2f} s",
    }
    if model.note:
        rows["Why this model"] = model.note
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items())
    return f'<details class="page record"><summary>{LABELS["records"]}</summary><dl>{cells}</dl></details>'
