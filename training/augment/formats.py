"""Make the pictures of all sources alike before a face is cut out.

Data sets differ in size, format and JPEG quality, and a network learns that before it learns a generator's traces
(Grommelt et al. 2024, Fake or JPEG, arXiv:2403.17608). So every picture, real or forged, is scaled so that its face has
a size drawn from one distribution, and goes through one to three rounds of JPEG or WebP, as it does on its way.
"""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from detector.crop import Box, crop_square

_NEAREST = 1.2  # face sides: where a picture ends at the nearest
_DARK = 16  # of 255: a compressed black
_KERNELS = (
    Image.Resampling.LANCZOS,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)
_JPEG, _BEST_QUALITY = 0.75, 96


class History(NamedTuple):
    """What pictures go through: the side in pixels of the smallest faces that are made, the root of the box's area, the
    chances of one, two and three rounds of encoding, and the least quality of each."""

    least_face: float
    rounds: tuple[float, float, float]
    least_quality: int


ANY = History(36.0, (0.5, 0.3, 0.2), 45)
# Of pairs, whose halves differ in nothing but traces that few pixels and hard compression wipe out.
OF_PAIRS = History(64.0, (0.65, 0.25, 0.1), 55)


def surroundings(
    pixels: np.ndarray, box: Box, reach: float, rng: np.random.Generator, frame: np.ndarray | None = None
) -> tuple[np.ndarray, Box]:
    """The part of a picture uint8 (H, W, 3) within `reach` face sides of the middle of the face, and the box in it.

    Half of the pictures end nearer to the face, at random, or how much the data sets keep around a face would tell them
    apart. Dark lines along the picture's edges are left out for the same reason: those of `frame`, a picture of the
    same size, where two pictures are to be cut alike. The part's edges lie up to eight pixels further out at random: a
    JPEG's blocks start anywhere in it.
    """
    if rng.random() < 0.5:
        reach = float(np.exp(rng.uniform(np.log(min(_NEAREST, reach)), np.log(reach))))
    x, y, side = crop_square(box, reach)
    looked_at = pixels if frame is None else frame
    (first_column, width), (first_row, height) = (_without_frame(looked_at, box, axis) for axis in (1, 0))
    left, top = (max(n, int(v) - int(rng.integers(8))) for v, n in ((x, first_column), (y, first_row)))
    right, bottom = min(width, int(x + side) + int(rng.integers(8))), min(height, int(y + side) + int(rng.integers(8)))
    part = pixels[top : max(bottom, top + 16), left : max(right, left + 16)]
    return part, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def _without_frame(pixels: np.ndarray, box: Box, axis: int) -> tuple[int, int]:
    """The first row (`axis` 0) or column (1) that is not dark for the most part, and the one behind the last; the box
    stays inside."""
    length = pixels.shape[axis]
    near, far = max(0, int(box[1 - axis])), min(length, int(box[3 - axis]) + 1)
    lines = pixels if axis == 0 else pixels.transpose(1, 0, 2)

    def is_dark(line: int) -> bool:
        return bool((lines[line].max(axis=-1) <= _DARK).mean() > 0.5)

    first = next((line for line in range(near) if not is_dark(line)), near)
    last = next((line for line in range(length - 1, far - 1, -1) if not is_dark(line)), far - 1)
    return first, last + 1


def scaled(
    pixels: np.ndarray, box: Box, largest: float, rng: np.random.Generator, history: History = ANY
) -> tuple[np.ndarray, Box]:
    """The picture scaled down by a random kernel, so that its face has a side between least_face and `largest` pixels,
    all sides equally likely on a logarithmic scale; a smaller face stays as it is."""
    face = max(((box[2] - box[0]) * (box[3] - box[1])) ** 0.5, 1.0)
    top = min(face, largest)
    if top <= history.least_face:
        return pixels, box
    return resized(pixels, box, float(np.exp(rng.uniform(np.log(history.least_face), np.log(top)))) / face, rng)


def reencoded(pixels: np.ndarray, box: Box, rng: np.random.Generator, history: History = ANY) -> tuple[np.ndarray, Box]:
    """The picture after one to three rounds of JPEG or WebP of random quality, at times made smaller between them."""
    for number in range(1 + int(rng.choice(3, p=history.rounds))):
        if number and rng.random() < 0.4:
            pixels, box = resized(pixels, box, rng.uniform(0.7, 1.0), rng)
        quality = int(rng.integers(history.least_quality, _BEST_QUALITY))
        buffer = io.BytesIO()
        if rng.random() < _JPEG:
            Image.fromarray(pixels).save(
                buffer, "JPEG", quality=quality, subsampling=int(rng.choice((0, 2), p=(0.3, 0.7)))
            )
        else:
            Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=0)
        pixels = np.asarray(Image.open(buffer).convert("RGB"))
    return pixels, box


def resized(pixels: np.ndarray, box: Box, factor: float, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """The picture in another size, by a random kernel, and the box in it."""
    height, width = pixels.shape[:2]
    size = (max(16, round(width * factor)), max(16, round(height * factor)))
    across, down = size[0] / width, size[1] / height
    kernel = _KERNELS[rng.integers(len(_KERNELS))]
    resized = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, kernel))
    return resized, (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
