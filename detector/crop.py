"""The crop of a face: its geometry is defined here, for training, measuring and serving alike.

The face detector's box reaches from the hairline to the chin and is taller than wide. The crop is a square about the
features: its side is `margin` times the root of the box's area (the steadiest of the box's measures across poses), its
centre lies DOWN of the box's height below the box's centre. What lies outside the picture repeats the picture's edge.

A face that is turned by more than UPRIGHT is set upright: by quarter turns, which lose nothing, and where more than
UPRIGHT is left, by one affine resampling.
"""

import math

import numpy as np
from PIL import Image

DOWN = 0.07
# Degrees; one in a hundred upright portraits has more. Of 298 photographs tilted by 20 degrees, 4 were accused with
# their crops as they lay, 1 with them turned; where a face leans less, resampling costs more than it gains.
UPRIGHT = 20.0
LOOSE = 0.1  # by how much the box of a face tilted by 45 degrees is too large
GAP = 3.0  # a crop is made of an area that was first reduced to this many times its size

Box = tuple[float, float, float, float]


def roll(keypoints: np.ndarray) -> float:
    """Degrees, -180 to 180, by which a face is turned clockwise, by the line of its eyes and the way from them down to
    its mouth. `keypoints` (5, 2) as in detector.face_detector."""
    right_eye, left_eye, _, right_corner, left_corner = np.asarray(keypoints, float)
    eyes = left_eye - right_eye
    mouth = (right_corner + left_corner - right_eye - left_eye) / 2
    return math.degrees(math.atan2(eyes[1] - mouth[0], eyes[0] + mouth[1]))


def turns(roll: float) -> tuple[int, float]:
    """How a face is set upright: by quarter turns counter-clockwise, 0 to 3, and then by so many degrees more, 0 where
    the quarter turns suffice."""
    quarters = 0 if abs(roll) <= UPRIGHT else round(roll / 90)
    tilt = roll - 90 * quarters
    return quarters % 4, 0.0 if abs(tilt) <= UPRIGHT else tilt


def loose(roll: float) -> float:
    """By what factor the face detector's box of a face is too large."""
    return 1 + LOOSE * math.sin(math.radians(2 * abs(turns(roll)[1])))


def turned_box(box: Box, quarters: int, width: float, height: float) -> Box:
    """Where `box` of a picture of this size is after so many quarter turns counter-clockwise."""
    for _ in range(quarters):
        box = (box[1], width - box[2], box[3], width - box[0])
        width, height = height, width
    return box


def crop_square(
    box: Box, margin: float, *, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float, float]:
    """Left, top and side, in pixels, of the crop round an upright face's `box` (left, top, right, bottom).

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
    roll: float = 0.0,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    tilt: float = 0.0,
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """The crop of the face in `box` of `pixels` uint8 RGB (H, W, 3), as uint8 RGB (size, size, 3); `roll` as roll()
    gives it of the face's keypoints.

    Training varies `scale`, `shift`, `tilt` in degrees and `resample`; serving leaves them alone.
    """
    quarters, left = turns(roll)
    tilt += left
    box = turned_box(box, quarters, pixels.shape[1], pixels.shape[0])
    pixels = np.rot90(pixels, quarters)
    x, y, side = crop_square(box, margin, scale=scale / loose(roll), shift=shift)
    if tilt:
        about = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        part = _tilted(pixels, about, (x + side / 2 - about[0], y + side / 2 - about[1]), side, tilt, size)
    else:
        part = _square(pixels, round(x), round(y), max(2, round(side)))
    return np.asarray(Image.fromarray(part).resize((size, size), resample, reducing_gap=GAP))


def places(box: Box, margin: float, out: int, roll: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Where in the picture the pixels of a crop lie: x and y, float (out, out) each. The rest as of crop_face."""
    quarters, tilt = turns(roll)
    middle, centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    across, down = half[::-1] if quarters % 2 else half
    left, top, side = crop_square((-across, -down, across, down), margin, scale=1 / loose(roll))
    steps = (np.arange(out) + 0.5) * side / out
    x, y = (left + steps)[None], (top + steps)[:, None]
    angle = math.radians(90 * quarters + tilt)
    cos, sin = math.cos(angle), math.sin(angle)
    return middle + cos * x - sin * y, centre + sin * x + cos * y


def inside(size: tuple[int, int], box: Box, margin: float, out: int, roll: float = 0.0) -> np.ndarray:
    """Which pixels of a crop show the picture, bool (out, out): the others repeat its edge. `size` is the picture's
    width and height, the rest as of crop_face."""
    x, y = places(box, margin, out, roll)
    within: np.ndarray = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    return within


def _square(pixels: np.ndarray, x0: int, y0: int, side: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    x1, y1 = x0 + side, y0 + side
    first_row, first_column = min(max(y0, 0), height - 1), min(max(x0, 0), width - 1)
    part = pixels[first_row : max(min(y1, height), 1), first_column : max(min(x1, width), 1)]
    if part.shape[:2] != (side, side):
        rows = np.clip(np.arange(y0, y1), 0, height - 1) - first_row
        columns = np.clip(np.arange(x0, x1), 0, width - 1) - first_column
        part = part[rows][:, columns]
    return np.ascontiguousarray(part)


def _tilted(
    pixels: np.ndarray,
    about: tuple[float, float],
    offset: tuple[float, float],
    side: float,
    tilt: float,
    size: int,
) -> np.ndarray:
    """The square whose middle is `offset` from `about`, turned about that by `tilt` degrees; a large one is reduced."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    x = about[0] + cos * offset[0] - sin * offset[1]
    y = about[1] + sin * offset[0] + cos * offset[1]
    factor = max(1, int(side / size / GAP))
    reach = math.ceil(side * 2**0.5 / factor + 2) * factor  # the side of what holds it
    left, top = round(x - reach / 2), round(y - reach / 2)
    image = Image.fromarray(_square(pixels, left, top, reach))
    image = image.reduce(factor) if factor > 1 else image
    out = max(2, round(side / factor))
    step = side / factor / out
    half = step * out / 2
    across = (x - left) / factor - (cos - sin) * half
    down = (y - top) / factor - (sin + cos) * half
    matrix = (cos * step, -sin * step, across, sin * step, cos * step, down)
    return np.asarray(image.transform((out, out), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC))
