"""Things drawn over a face: bars, masks, stickers, blurred and pixelated parts. For the network that notices them."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_COLOURS = (
    *((0, 0, 0), (255, 255, 255), (128, 128, 128), (220, 30, 30), (250, 220, 60), (60, 120, 60)),
    *((130, 175, 214), (150, 190, 215), (235, 238, 240), (25, 25, 28), (120, 170, 160), (90, 90, 120), (200, 170, 160)),
)
Fill = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def cover(pixels: np.ndarray, keypoints: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """The picture uint8 (H, W, 3) with a cover of one of KINDS over the face at `keypoints` (5, 2; order as in
    detector.face_detector)."""
    where, filled = KINDS[kind]
    picture, eye_distance = Image.fromarray(pixels), _Face(keypoints).across
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in where(_Face(keypoints), rng)], fill=255)
    if rng.random() < 0.4:
        mask = mask.filter(ImageFilter.GaussianBlur(eye_distance * float(rng.uniform(0.01, 0.05))))
    picture.paste(filled(picture, eye_distance, rng), (0, 0), mask)
    return np.asarray(picture)


class _Face:
    """A face's own axes: from eye to eye, and from the eyes down to the mouth."""

    def __init__(self, keypoints: np.ndarray) -> None:
        self.eyes, self.mouth = keypoints[:2].mean(axis=0), keypoints[3:].mean(axis=0)
        down, right = self.mouth - self.eyes, keypoints[1] - keypoints[0]
        self.down = max(float(np.hypot(*down)), 1.0)
        self.across = max(float(np.hypot(*right)), 0.6 * self.down)  # of a face in profile, too
        self.y = down / self.down
        self.x = np.array([self.y[1], -self.y[0]])

    def at(self, x: float, y: float) -> np.ndarray:
        """A point, x in distances of the eyes from the middle, y from the eyes (0) to the mouth (1)."""
        point: np.ndarray = self.eyes + self.x * x * self.across + self.y * y * self.down
        return point

    def bar(self, top: float, bottom: float, half: float) -> np.ndarray:
        return np.array([self.at(-half, top), self.at(half, top), self.at(half, bottom), self.at(-half, bottom)])


def _over_eyes(face: _Face, rng: np.random.Generator) -> np.ndarray:
    half = rng.uniform(0.2, 0.45)
    return face.bar(-half, half, rng.uniform(0.85, 1.3))


def _lower_half(face: _Face, rng: np.random.Generator) -> np.ndarray:
    return face.bar(rng.uniform(0.3, 0.6), rng.uniform(1.4, 2.0), rng.uniform(0.8, 1.2))


def _whole(face: _Face, rng: np.random.Generator) -> np.ndarray:
    return face.bar(rng.uniform(-0.9, -0.4), rng.uniform(1.4, 2.0), rng.uniform(0.8, 1.2))


def _mask(face: _Face, rng: np.random.Generator) -> np.ndarray:
    top, side, chin = rng.uniform(0.25, 0.55), rng.uniform(0.8, 1.15), rng.uniform(1.7, 2.0)
    right = [(0, top), (0.45 * side, top + 0.08), (side, top + rng.uniform(0.1, 0.4)), (0.85 * side, 1.2), (0.4, chin)]
    points = [*right, *((-x, y) for x, y in reversed(right[1:]))]
    return np.array([face.at(x + rng.normal(0, 0.02), y + rng.normal(0, 0.02)) for x, y in points])


def _spot(face: _Face, rng: np.random.Generator) -> np.ndarray:
    """Round, over the middle of the face or a good part of it."""
    middle = face.at(rng.uniform(-0.3, 0.3), rng.uniform(0.1, 0.9))
    turns = np.linspace(0, 2 * np.pi, 40)[:, None]
    radii = face.across * rng.uniform(0.6, 1.25) * rng.uniform(0.85, 1.15, 2)
    spot: np.ndarray = middle + radii * np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    return spot


def _flat(picture: Image.Image, scale: float, rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", picture.size, tuple(_COLOURS[rng.integers(len(_COLOURS))]))


def _cloth(picture: Image.Image, scale: float, rng: np.random.Generator) -> Image.Image:
    """A colour with folds, shade, noise, and now and then a pattern."""
    base = np.array(_COLOURS[rng.integers(len(_COLOURS))], float)
    y, x = np.mgrid[0 : picture.height, 0 : picture.width] / scale
    slope = rng.normal(0, 0.25)
    light = 1 + rng.uniform(-0.3, 0.3) * (x - x.mean()) + rng.uniform(-0.3, 0.1) * (x - x.mean()) ** 2
    light += rng.uniform(0, 0.12) * np.sin((y + slope * x) * rng.uniform(6, 25) + rng.uniform(0, 6))
    cloth = base * light[..., None] + rng.normal(0, rng.uniform(0, 8), (*x.shape, 3))
    if rng.random() < 0.25:
        other = np.array(_COLOURS[rng.integers(len(_COLOURS))], float)
        wave = np.sin(x * rng.uniform(5, 30) + rng.uniform(0, 6)) * np.sin(y * rng.uniform(5, 30) + rng.uniform(0, 6))
        cloth = np.where((wave > rng.uniform(-0.2, 0.6))[..., None], other * light[..., None], cloth)
    return Image.fromarray(np.clip(cloth, 0, 255).astype(np.uint8))


def _blur(picture: Image.Image, scale: float, rng: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(scale * float(rng.uniform(0.15, 0.4))))


def _pixels(picture: Image.Image, scale: float, rng: np.random.Generator) -> Image.Image:
    block = max(2.0, scale * rng.uniform(0.15, 0.45))
    few = picture.resize([max(1, round(side / block)) for side in picture.size], Image.Resampling.BOX)
    return few.resize(picture.size, Image.Resampling.NEAREST)


Place = Callable[[_Face, np.random.Generator], np.ndarray]
KINDS: dict[str, tuple[Place, Fill]] = {
    "flat bar over the eyes": (_over_eyes, _flat),
    "blurred eyes": (_over_eyes, _blur),
    "pixelated eyes": (_over_eyes, _pixels),
    "flat bar over the mouth": (_lower_half, _flat),
    "blurred lower half": (_lower_half, _blur),
    "pixelated lower half": (_lower_half, _pixels),
    "flat mask": (_mask, _flat),
    "mask of cloth": (_mask, _cloth),
    "pixelated face": (_whole, _pixels),
    "sticker": (_spot, _flat),
    "sticker with a pattern": (_spot, _cloth),
}
