"""The fields that a camera writes."""

import re
from collections.abc import Iterator

from detector.provenance.containers import Metadata
from detector.provenance.finding import CAMERA_EXIF, Finding, Suggests
from detector.provenance.programs import GENERATORS, named
from detector.provenance.sentences import CAMERA
from detector.text import excerpt

SHOT_FIELDS = ("DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength", "LensModel")


def camera_fields(metadata: Metadata) -> Iterator[Finding]:
    """A maker and a model alone are in scans and exports too: the circumstances of a shot must be there with them."""
    make, model = metadata.exif.get("Make"), metadata.exif.get("Model")
    if not isinstance(make, str) or not isinstance(model, str) or named(GENERATORS, make) or named(GENERATORS, model):
        return
    shot = [name for name in SHOT_FIELDS if metadata.exif.get(name) not in (None, "", 0)]
    if len(shot) < 3:
        return
    make, model = excerpt(make, 40), excerpt(model, 60)
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    taken = excerpt(metadata.exif.get("DateTimeOriginal", ""), 19)
    dated = re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", taken)
    when = CAMERA["taken"].format(time=taken.replace(":", "-", 2)) if dated else ""
    summary = CAMERA["fields"].format(camera=camera, taken=when, n=len(shot), all=len(SHOT_FIELDS))
    yield Finding(CAMERA_EXIF, summary, CAMERA["meaning"], Suggests.CAMERA, by=camera)
