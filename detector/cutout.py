"""A face as it was cut out, and the traces of a forgery in it: nothing but what the picture shows."""

import numpy as np
from PIL import Image

from detector import crop, heatmap
from detector.model_folder import ModelFolder
from detector.result import Evidence, Face, Result
from detector.verdict import Verdict

Cutouts = tuple[Image.Image, Image.Image | None]


def has_traces(face: Face) -> bool:
    """Whether there are any to see: a face without signs of a forgery has none, whatever a part of it shows."""
    return face.verdict is not Verdict.NO_SIGNS and heatmap.shows(face.activation)


def of_face(face: Face, result: Result, model: ModelFolder) -> Cutouts:
    """The face, and the same with its traces in colour; None for these where there are none to see. What lies outside
    the picture is cut off, or clear where the crop was turned."""
    margins = [network.config.crop_margin for network in model.networks]
    margin = max(margins) if face.evidence is Evidence.SURROUNDINGS else min(margins)
    size = result.picture.width, result.picture.height
    shown = crop.inside(size, face.box, margin, len(face.crop), face.roll)
    if not shown.any():  # a box of a pixel at the rim
        shown[:] = True
    marked = heatmap.overlay(face.crop, face.activation) if has_traces(face) else None
    return _cut(face.crop, shown), None if marked is None else _cut(marked, shown)


def _cut(pixels: np.ndarray, shown: np.ndarray) -> Image.Image:
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image = Image.fromarray(pixels[part])
    if not shown[part].all():
        image.putalpha(Image.fromarray(shown[part].astype(np.uint8) * 255))
    return image
