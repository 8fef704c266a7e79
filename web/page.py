"""page.json: the words and rules of the static page, taken from where the detector and the app have them."""

from dataclasses import asdict
from typing import Any

import numpy as np

from detector import covering, crop, face_detector, frames, headline, heatmap, messages, picture, quality
from detector.model_folder.store import ModelFolder
from detector.other_kinds import NOT_READ, OTHER_KINDS
from detector.provenance import (
    c2pa,
    finding,
    forms,
    from_environment,
    programs,
    sentences,
    source_type,
    trust_list,
    untrusted,
    xmp,
)
from detector.sessions import Session
from detector.verdict import SUSPICION, USUAL_TAIL
from ui import caught, next_steps
from ui.answer import EVIDENCE, LABELS, LISTS, SHOWN_FACES, SIGNATURES, SUGGESTS
from ui.components import ACCEPT, ADDRESS, SCORE_ABOVE, SCORE_BELOW
from ui.icons import BOX_COLOURS, DECLARED, TONES, icon

FORMATS = "JPEG, PNG, WebP, GIF, BMP or, where the browser knows it, AVIF"

# What only this page has to say.
_WORDS = {
    "loading": "The detector is getting ready: {n} of {all} MB",
    "ready": "Ready.",
    "offline": "Ready, also offline.",
    "judging": "Looking at picture {n} of {all}…",
    "judged": ("1 picture judged.", "{n} pictures judged."),
    "judged_some": "{n} of {all} judged, {failed} could not be.",
    "address": ADDRESS,
    "marked": "Your picture; each of its faces ({n}) has a numbered box",
    "model": "Model: {name}, {digest}.",
    "no_start": "The detector could not be started in this browser: update it, or try another one.",
    "not_secure": "The detector needs HTTPS or localhost: open this page that way.",
    "no_file": "A part of the detector could not be loaded: check the network, and load the page again.",
    "damaged_file": "A part of the detector arrived damaged: load the page again.",
    "unexpected": "Something went wrong on this page, not with your picture: load the page again.",
}
_RECORDS = {
    "picture": "Picture",
    "picture_sha256": "SHA-256 of the picture",
    "model": "Model",
    "model_digest": "Digest of the model",
    "seconds": "Time taken",
}


def content(model: ModelFolder) -> dict[str, Any]:
    """All of page.json but its list of files, in plain types."""
    calibration = model.calibration
    return {
        "model": {**asdict(model.info), "source": str(model.info.source)},
        "networks": [{name: getattr(network.config, name) for name in _NETWORK} for network in model.networks],
        "calibration": {**asdict(calibration), "tail": asdict(calibration.tail or USUAL_TAIL)},
        "crop": {name.lower(): getattr(crop, name) for name in ("DOWN", "UPRIGHT", "LOOSE", "GAP")},
        "face_detector": _face_detector(),
        "covering": {"file": covering.MODEL.name, "size": covering.SIZE, "margin": covering.MARGIN},
        "quality": {
            **{name.lower(): getattr(quality, name) for name in _QUALITY},
            "sentences": {str(code): sentences for code, sentences in quality.SENTENCES.items()},
            "doubts": list(map(str, quality.DOUBTS)),
            "covered": covering.COVERED,
        },
        "heatmap": {
            "stops": heatmap.STOPS.tolist(),
            "colours": heatmap.COLOURS.tolist(),
            "full": heatmap.FULL,
            "strength": heatmap.STRENGTH,
            "seen": heatmap.SEEN,
        },
        "accept": ACCEPT,
        "limits": {name.lower(): getattr(picture, name) for name in _LIMITS},
        "frames": {"looked_at": frames.LOOKED_AT, "blank": frames.BLANK},
        "raw": frames.RAW,
        "errors": _errors(),
        "other_kinds": [
            {"told": told.format(name), "at": at, "start": list(start)} for told, name, at, start in OTHER_KINDS
        ],
        "suspicion": [str(verdict) for verdict in SUSPICION],
        "verdicts": _verdicts(),
        "provenance": _provenance(),
        "tags": {"suggests": SUGGESTS, "signatures": SIGNATURES, "lists": LISTS},
        "not_judged": {"title": headline.NOT_JUDGED_TITLE, "sentences": headline.NOT_JUDGED},
        "headline": {**headline.WORDS, "trusted": headline.TRUSTED, "taken": headline.TAKEN},
        "declared": {"tone": DECLARED, "icon": icon(DECLARED)},
        "shares": messages.SHARES,
        "curves": asdict(model.curves) if model.curves else None,
        "error_icon": icon("error"),
        "score": {"above": SCORE_ABOVE, "below": SCORE_BELOW},
        "shown_faces": SHOWN_FACES,
        "labels": LABELS,
        "evidence": {str(part): {"crop": crop_words, "told": told} for part, (crop_words, told) in EVIDENCE.items()},
        "promise": caught.line(model.metrics),
        "cannot": messages.LIMITS,
        "next": {"open": list(map(str, next_steps.OPEN)), "title": next_steps.TITLE, "steps": next_steps.STEPS},
        "records": _RECORDS,
        "words": _WORDS,
    }


_NETWORK = ("file", "input_size", "crop_margin", "weight", "fusion")
_LIMITS = ("MAX_BYTES", "MAX_PIXELS", "MAX_JPEG_PIXELS", "MAX_WHOLE_PIXELS", "MIN_SIDE")
_QUALITY = (
    *("TINY_FACE", "MANY_FACES", "CUT_OFF", "BLURRED", "FEW_COLOURS", "FLAT"),
    *("LEVELS", "RIM", "LEAST_CORNER", "BENT", "CORNERS", "APART", "EMPTY"),
)
_FACE_DETECTOR = (
    *("MIN_FACE", "MIN_SCORE", "SMALL_SCORE", "GLANCE", "SURE", "LEANING", "EIGHTHS", "COARSE", "FINE", "ENLARGED"),
    *("LEAST", "SMALL", "LARGE", "HINT", "SPARE", "BORDER"),
    *("STEP", "MEAN", "STRIDES", "ANCHORS", "CENTRE_VARIANCE", "SIZE_VARIANCE", "IOU", "MOST_FACES", "MOST_BOXES"),
)


def _verdicts() -> dict[str, Any]:
    return {
        str(verdict): {
            "words": text,
            "title": headline.TITLES[verdict],
            "sentences": headline.SENTENCES[verdict],
            "yet": headline.YET.get(verdict),
            "tone": TONES[verdict],
            "icon": icon(TONES[verdict]),
            "box": BOX_COLOURS.get(verdict),
        }
        for verdict, text in headline.VERDICTS.items()
    }


def _face_detector() -> dict[str, Any]:
    side = 4 * face_detector.STEP
    maps = Session(face_detector.MODEL.read_bytes(), 1).run(np.zeros((1, side, side, 3), np.uint8))
    return {
        **{name.lower(): getattr(face_detector, name) for name in _FACE_DETECTOR},
        "file": face_detector.MODEL.name,
        "output_strides": [side // values.shape[1] for values in maps],  # in the order of the network's outputs
    }


def _provenance() -> dict[str, Any]:
    """The tables and words of detector.provenance, and the trust list that is in force where the page is built: it may
    ask nobody for one."""
    source = from_environment()
    trusted = source.current() if source else None
    return {
        "max_text": untrusted.MAX_TEXT,
        "scan": untrusted.SCAN,
        "programs": {name: getattr(programs, name.upper()) for name in _TABLES}
        | {"generating_node": programs.GENERATING_NODE.pattern},
        "forms": {
            **{name: getattr(forms, name.upper()) for name in _PATTERNS},
            "forms": [asdict(form) for form in forms.FORMS],
            "text_places": sorted(forms.TEXT_PLACES),
            "json_places": sorted(forms.JSON_PLACES),
        },
        "source_type": source_type.PATTERN,
        "source_types": source_type.SOURCE_TYPES,
        "sayings": source_type.SAYINGS,
        "credits": xmp.CREDITS,
        "words": {name: getattr(sentences, name.upper()) for name in ("marks", "labels", "camera", "credentials")},
        "sources": {
            "credentials": finding.CONTENT_CREDENTIALS,
            "camera": finding.CAMERA_EXIF,
            "xmp": finding.XMP_IPTC,
            "generator": finding.GENERATOR_MARK,
            "editor": finding.EDITOR_MARK,
            "aigc": finding.AIGC_LABEL,
        },
        "c2pa": {
            "settings": c2pa.settings(trusted),
            "mime": {**c2pa.MIME, "HEIC": c2pa.MIME["HEIF"]},
            "unproven": c2pa.UNPROVEN,
            "bound": c2pa.BOUND,
            "trusted": c2pa.TRUSTED,
            "revoked": c2pa.REVOKED,
            "wrong_certificate": c2pa.WRONG_CERTIFICATE,
            "edit_actions": sorted(c2pa.EDIT_ACTIONS),
            "signers": trust_list.SIGNERS,
            "list": {"used": asdict(trusted.used), "words": c2pa.in_words(trusted.used)} if trusted else None,
        },
    }


_TABLES = ("generators", "face_editors", "editors", "made_with", "uuid")
_PATTERNS = ("settings_all", "settings_two", "dream_all", "job", "signature", "restored", "samsung_ai")


def _errors() -> dict[str, str]:
    limit = f"{picture.MAX_PIXELS / 1e6:.0f}"
    return {
        "empty": picture.EMPTY,
        "oversize": str(picture.oversize(picture.MAX_BYTES)),
        "drawing": picture.DRAWING,
        "not_read": NOT_READ.format("{name}"),
        "no_picture": picture.NO_PICTURE.format(formats=FORMATS),
        "damaged": picture.DAMAGED,
        "too_small": picture.TOO_SMALL.replace("{least}", f"{picture.MIN_SIDE}"),
        "too_large": picture.TOO_LARGE.format(size=picture.MEGAPIXELS, limit=limit),
        "not_here": "This browser does not read {name} files: save the picture as JPEG or PNG.",
        "unreadable": "The file could not be read: check that you may open it.",
    }
