"""The crop of a face: its geometry is defined here, for training, measuring and serving alike.

The finder's box reaches from the hairline to the chin and is taller than wide. The crop is a square about the
features: its side is `margin` times the root of the box's area (the steadiest of the box's measures across poses), its
centre lies DOWN of the box's height below the box's centre. What lies outside the picture repeats the picture's edge.
"""

import numpy as np
from PIL import Image

DOWN = 0.07

Box = tuple[float, float, float, float]


def crop_square(
    box: Box, margin: float, *, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float, float]:
    """Left, top and side, in pixels, of the crop round a face's `box` (left, top, right, bottom).

    Training varies `scale`, of the side, and `shift`, in face sides (the root of the box's area).
    """
    left, top, right, bottom = box
    width, height = max(right - left, 1.0), max(bottom - top, 1.0)
    face = (width * height) ** 0.5
    side = face * margin * scale
    x = (left + right - side) / 2 + shift[0] * face
    y = (top + bottom - side) / 2 + DOWN * height + shift[1] * face
    return x, y, side


def crop_face(
    pixels: np.ndarray,
    box: Box,
    size: int,
    margin: float,
    *,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """The crop of the face in `box` of `pixels` uint8 RGB (H, W, 3), as uint8 RGB (size, size, 3).

    Training varies `scale`, `shift` and `resample`; serving leaves them alone.
    """
    height, width = pixels.shape[:2]
    x, y, wanted = crop_square(box, margin, scale=scale, shift=shift)
    side = max(2, round(wanted))
    x0, y0 = round(x), round(y)
    x1, y1 = x0 + side, y0 + side
    first_row, first_column = min(max(y0, 0), height - 1), min(max(x0, 0), width - 1)
    part = pixels[first_row : max(min(y1, height), 1), first_column : max(min(x1, width), 1)]
    if part.shape[:2] != (side, side):
        rows = np.clip(np.arange(y0, y1), 0, height - 1) - first_row
        columns = np.clip(np.arange(x0, x1), 0, width - 1) - first_column
        part = part[rows][:, columns]
    return np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize((size, size), resample, reducing_gap=3.0))
