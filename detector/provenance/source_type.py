"""IPTC's and C2PA's "digital source type": what it says of a picture, in words."""

import re

from detector.provenance.finding import Suggests

# All of IPTC's values, in lower case, the retired ones too, and the C2PA's own -> what they say of the picture.
SOURCE_TYPES = {
    "trainedalgorithmicmedia": "ai",
    "trainedalgorithmicdata": "ai",
    "algorithmicmedia": "algorithm",
    "compositewithtrainedalgorithmicmedia": "ai_edit",
    "compositesynthetic": "synthetic_edit",
    "algorithmicallyenhanced": "edit",
    "minorhumanedits": "edit",
    "humanedits": "edit",
    "composite": "edit",
    "compositecapture": "edit",
    "digitalcapture": "camera",
    "computationalcapture": "camera",
    "negativefilm": "camera",
    "positivefilm": "camera",
    "print": "print",
    "screencapture": "screen",
    "virtualrecording": "virtual",
    "digitalcreation": "drawn",
    "digitalart": "drawn",
    "softwareimage": "drawn",
    "datadrivenmedia": "data",
}

# What is said -> words and what they suggest; what matters most first.
SAYINGS = {
    "ai": ("was made by generative AI", Suggests.AI_MADE),
    "algorithm": ("was made by a computer program alone, without a camera", Suggests.NEUTRAL),
    "ai_edit": ("was edited with generative AI, or holds parts made by it", Suggests.AI_EDITED),
    "synthetic_edit": ("was put together with synthetic parts", Suggests.AI_EDITED),
    "edit": ("was edited", Suggests.EDITED),
    "camera": ("was taken with a camera", Suggests.CAMERA),
    "screen": ("is a capture of a screen", Suggests.NEUTRAL),
    "virtual": ("is a recording of a virtual event", Suggests.NEUTRAL),
    "print": ("was digitised from a print", Suggests.NEUTRAL),
    "drawn": ("was made by a person with a program, without a camera", Suggests.NEUTRAL),
    "data": ("was made by a program from data", Suggests.NEUTRAL),
}


PATTERN = r"(?:https?://(?:cv\.iptc\.org/newscodes/|c2pa\.org/)digitalsourcetype/|digsrctype:)?(\w{1,60})/?"


def source_type(value: object) -> str | None:
    """The key of SAYINGS for a digital source type, given as its address or its bare name."""
    match = isinstance(value, str) and re.fullmatch(PATTERN, value.strip(), re.I)
    return SOURCE_TYPES.get(match[1].lower()) if match else None
