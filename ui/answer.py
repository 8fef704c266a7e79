"""The answer for one picture in HTML, piece by piece: the tab and the report show the same.

Every string in it may come from a stranger's file: all are escaped.
"""

from html import escape

from detector import Face, Result, Verdict, cutout, messages, quality
from detector.model_folder import ModelFolder
from detector.provenance import Finding, ListOwner, Signature
from detector.result import Evidence
from detector.shares import Shares
from detector.verdict import Calibration
from ui.components import figure_html, score_words
from ui.icons import TONES, icon, tone_of

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
    "warnings": "What makes this answer weak",
    "score": "Score: {score} on a scale from 0 to 100",
    "scale": "Score {score} of 100. No signs of forgery below {low}, leaning from {leans}, likely forged from {high}.",
    "no_signs": "no signs",
    "uncertain": "can’t tell",
    "leans_fake": "leans",
    "likely_fake": "likely forged",
    "faces": "Face by face",
    "order": "The most suspicious face comes first and decides the verdict.",
    "colours": "Colour marks where the traces of a forgery lie.",
    "more_faces": "{n} more faces were judged, none more suspicious than these.",
    "traces": "Traces of a forgery, in colour",
    "no_traces": "No traces of a forgery found in it.",
    "card": "Face {n}",
    "face_alt": "Face {n}, cut out of the picture",
    "traces_alt": "Face {n} with its traces of a forgery marked in colour",
    "face_score": "Score: {score} of 100.",
    "face_size": "{width} × {height} pixels; face detector’s score {found} of 1.",
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

LIMITS_LIST = f"<ul>{''.join(f'<li>{escape(limit)}</li>' for limit in messages.LIMITS)}</ul>"
LIMITS = (
    f'<section class="page panel limits" aria-label="{LABELS["limits"]}"><h2>{LABELS["limits"]}</h2>'
    f"{LIMITS_LIST}</section>"
)


def verdict_html(result: Result, model: ModelFolder) -> str:
    """The headline, what it means, how rare the score is, and the warnings."""
    told, origin = result.headline, result.origin.kind
    scored = result.score is not None and not result.undecidable
    tone = tone_of(result.verdict, origin)
    warnings = "".join(f"<li>{escape(warning.text)}</li>" for warning in result.warnings)
    return (
        f'<section class="page panel verdict {tone}" data-verdict="{result.verdict}" data-origin="{origin}">'
        f'<div class="top">{icon(tone)}<h2>{escape(told.title)}</h2></div>'
        + "".join(f'<p class="plain">{escape(line)}</p>' for line in told.lines)
        + (_score_html(result, model.calibration.among(result.judged)) if scored else "")
        + (f'<div class="warnings"><h3>{LABELS["warnings"]}</h3><ul>{warnings}</ul></div>' if warnings else "")
        + "</section>"
    )


def _score_html(result: Result, calibration: Calibration) -> str:
    """Where the score lies between the thresholds, and how rare it is."""
    assert result.score is not None
    low, leans, high = (
        100 * threshold
        for threshold in (calibration.no_signs_below, calibration.leans_from, calibration.likely_fake_from)
    )
    score, rarity = score_words(result.score), messages.rarity(result.verdict, result.shares, result.judged)
    alt = LABELS["scale"].format(score=score, low=f"{low:.0f}", leans=f"{leans:.0f}", high=f"{high:.0f}")
    zones = {"no_signs": low, "uncertain": leans - low, "leans_fake": high - leans, "likely_fake": 100 - high}
    bar = "".join(f'<i class="{name}" style="width:{width:.2f}%"></i>' for name, width in zones.items())
    ends = "".join(f"<span>{LABELS[name]}</span>" for name, width in zones.items() if width)
    return (
        f'<div class="score"><p>{LABELS["score"].format(score=f"<b>{score}</b>")}</p>'
        f'<div class="scale" role="img" aria-label="{alt}"><div class="mark">'
        f'<i style="left:{100 * result.score:.2f}%"></i></div><div class="bar">{bar}</div>'
        f'<div class="ends">{ends}</div></div><p class="rarity">{escape(rarity)}</p></div>'
    )


def cards_html(result: Result, model: ModelFolder) -> str:
    """A card for each of the most suspicious faces, up to SHOWN_FACES."""
    shown = result.faces[:SHOWN_FACES]
    rest = len(result.faces) - len(shown)
    more = f'<p class="soft">{LABELS["more_faces"].format(n=rest)}</p>' if rest else ""
    faces = "".join(_card(number, face, result, model) for number, face in enumerate(shown, 1))
    order = "" if len(shown) == 1 else f"{LABELS['order']} "
    colours = LABELS["colours"] if any(map(cutout.has_traces, shown)) else ""
    return (
        '<section class="page" aria-label="The faces">'
        f'<h2>{LABELS["faces"]}</h2><p class="soft">{order}{colours}</p>'
        f'<div class="cards{" one" if len(shown) == 1 else ""}">{faces}</div>{more}' + "</section>"
    )


def _card(number: int, face: Face, result: Result, model: ModelFolder) -> str:
    tone = TONES[face.verdict]
    left, top, right, bottom = face.box
    seen, traces = cutout.of_face(face, result, model)
    size = LABELS["face_size"].format(width=right - left, height=bottom - top, found=f"{face.detection_score:.2f}")
    line = "" if face.shares == Shares() else messages.rarity(face.verdict, face.shares)
    shown, whence = EVIDENCE[face.evidence]
    margins = {network.config.crop_margin for network in model.networks}
    if len(margins) == 1 or face.verdict is Verdict.NO_SIGNS:
        whence = ""
    score = f"{LABELS['face_score'].format(score=f'<b>{score_words(face.score)}</b>')} {whence}"
    why = " ".join(quality.SENTENCES[code][1] for code in face.doubts)
    name = LABELS["card"].format(n=number)
    return (
        f'<article class="card {tone}" data-face="{number}" aria-label="{name}"><div class="head">'
        f'<span class="number">{number}</span><h3>{messages.VERDICTS[face.verdict]}</h3>{icon(tone)}</div>'
        f'<div class="pair">{figure_html(seen, LABELS["face_alt"].format(n=number), shown)}'
        + (figure_html(traces, LABELS["traces_alt"].format(n=number), LABELS["traces"]) if traces else "")
        + f'</div><div class="words"><p>{why or score}</p>'
        + ("" if traces else f"<p>{LABELS['no_traces']}</p>")
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
