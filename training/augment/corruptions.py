"""Named alterations of a picture, with five severities: to train with, and to measure robustness with.

Names and severities follow ImageNet-C (Hendrycks and Dietterich 2019, section 3) where it has the alteration. Written
on OpenCV and Pillow: of the augmentation libraries under a permissive licence, the one that has these (albumentations)
is no longer released, and none draws from a generator handed to the call, which repeatable threads need.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

SEVERITIES = (1, 2, 3, 4, 5)
Alteration = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
Corrupt = Callable[[np.ndarray, int], np.ndarray]  # of a picture's pixels and the number of its row


def apply(name: str, pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """`pixels` (H, W, 3) uint8 RGB altered by `name`, one of NAMES; the same shape comes back.

    `severity` 1..5, fractions between the five steps are allowed; `rng` is where every draw comes from.
    Raises KeyError for an unknown name.
    """
    return ALTERATIONS[name](pixels, float(severity), rng)


def measuring_rng(name: str, severity: int, index: int) -> np.random.Generator:
    """The generator for picture `index` of a measurement: repeatable, and never a stream that training draws from."""
    return np.random.default_rng([0x3EA5, NAMES.index(name), severity, index])


def _step(severity: float, values: tuple[float, ...]) -> float:
    return float(np.interp(severity, SEVERITIES, values))


def _clip(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _unit(pixels: np.ndarray) -> float:
    """Lengths below are for a picture of 256 pixels: this scales them."""
    return float(max(pixels.shape[:2]) / 256)


def _blur(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    sigma = _step(severity, (0.6, 1.0, 1.5, 2.1, 3.0)) * _unit(pixels)
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma))
    length = max(3, int(sigma * 4) | 1)  # motion: a line at any angle
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()))


def _noise(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    sigma = _step(severity, (5, 10, 16, 24, 36))
    shape = pixels.shape if rng.random() < 0.7 else (*pixels.shape[:2], 1)
    return _clip(pixels + rng.standard_normal(shape, np.float32) * sigma)


def encoded(pixels: np.ndarray, format_: str, quality: int, **options: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_, quality=quality, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _jpeg(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    quality = round(_step(severity, (80, 65, 50, 35, 20)))
    return encoded(pixels, "JPEG", quality, subsampling=int(rng.choice((0, 2), p=(0.2, 0.8))))


def _webp(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    return encoded(pixels, "WEBP", round(_step(severity, (80, 65, 50, 35, 20))), method=0)


_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)


def _down_scale(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    factor = _step(severity, (0.8, 0.65, 0.5, 0.38, 0.27))
    height, width = pixels.shape[:2]
    small = (max(8, round(width * factor)), max(8, round(height * factor)))
    down, up = (Image.Resampling(_FILTERS[i]) for i in rng.integers(len(_FILTERS), size=2))
    return np.asarray(Image.fromarray(pixels).resize(small, down).resize((width, height), up))


def _snow(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    flakes = (rng.random((height, width), np.float32) < _step(severity, (0.004, 0.008, 0.014, 0.022, 0.032))) * 255.0
    size = rng.uniform(0.6, 1.6) * _unit(pixels)
    flakes = cv2.GaussianBlur(flakes.astype(np.float32), (0, 0), size)
    flakes *= 235.0 / max(float(flakes.max()), 1.0)
    white = _step(severity, (0.05, 0.1, 0.15, 0.22, 0.3))
    pale = pixels * (1 - white) + 255.0 * white
    return _clip(np.maximum(pale, 0) + flakes[..., None] * 1.4)


def _rain(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    drops = np.zeros((height, width), np.uint8)
    unit = _unit(pixels)
    length, slant = _step(severity, (8, 11, 14, 18, 24)) * unit, rng.uniform(-0.5, 0.5)
    for _ in range(int(_step(severity, (40, 80, 130, 190, 260)))):
        x, y = rng.uniform(-10, width), rng.uniform(-length, height)
        end = (int(x + slant * length), int(y + length))
        cv2.line(drops, (int(x), int(y)), end, int(rng.integers(150, 255)), max(1, round(unit)), cv2.LINE_AA)
    strength = _step(severity, (0.3, 0.4, 0.5, 0.6, 0.7))
    cover = drops[..., None] / 255.0 * strength
    dim = 1 - _step(severity, (0.03, 0.06, 0.1, 0.15, 0.2))
    return _clip(pixels * dim * (1 - cover) + 220.0 * cover)


def _fog(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    cloud = np.zeros((height, width), np.float32)
    for cells in (2, 4, 8, 16):  # plasma: octaves of smooth noise
        coarse = rng.random((cells + 1, cells + 1), np.float32)
        cloud += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / cells
    cloud = (cloud - cloud.min()) / max(float(np.ptp(cloud)), 1e-6)
    thickness = _step(severity, (0.2, 0.32, 0.44, 0.56, 0.68))
    cover = (thickness * (0.5 + 0.5 * cloud))[..., None]
    return _clip(pixels * (1 - cover) + rng.uniform(200, 245) * cover)


def _blocks(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    altered = pixels.copy()
    height, width = pixels.shape[:2]
    for _ in range(int(round(_step(severity, (2, 4, 6, 9, 13))))):
        h, w = (int(side * rng.uniform(0.04, 0.13)) for side in (height, width))
        y, x = rng.integers(0, height - h), rng.integers(0, width - w)
        altered[y : y + h, x : x + w] = 0 if rng.random() < 0.7 else rng.integers(0, 256, 3)
    return altered


def _colour_cast(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    reach = _step(severity, (0.06, 0.11, 0.17, 0.24, 0.32))
    gains = 1 + rng.uniform(-reach, reach, 3)
    return _clip(pixels * gains + rng.uniform(-reach, reach, 3) * 60)


def _saturation(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    reach = _step(severity, (0.2, 0.35, 0.5, 0.7, 0.9))
    factor = 1 - reach if rng.random() < 0.5 else 1 + reach * 1.4
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return _clip(grey + (pixels - grey) * factor)


def _contrast(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    reach = _step(severity, (0.15, 0.25, 0.38, 0.5, 0.65))
    factor = 1 - reach if rng.random() < 0.5 else 1 + reach * 1.3
    mean = pixels.mean()
    return _clip(mean + (pixels - mean) * factor)


def _grey(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    share = _step(severity, (0.4, 0.6, 0.8, 1.0, 1.0))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    if severity > 4:  # toned, as old prints are
        grey = grey * (1 + rng.uniform(-0.12, 0.12, 3) * (severity - 4))
    return _clip(pixels * (1 - share) + grey * share)


def _brightness(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    reach = _step(severity, (0.15, 0.3, 0.45, 0.65, 0.9))
    gamma = 1 + reach if rng.random() < 0.5 else 1 / (1 + reach)
    table = (np.linspace(0, 1, 256) ** gamma * 255).astype(np.uint8)
    return np.asarray(table[pixels])


def _sharpen(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    amount = _step(severity, (0.4, 0.7, 1.1, 1.6, 2.2))
    smooth = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.6, 1.2) * _unit(pixels))
    return np.asarray(cv2.addWeighted(pixels, 1 + amount, smooth, -amount, 0))


def _sensor_noise(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """More of it where there is more light; as cameras work it up, colour in larger grains than brightness."""
    sigma = _step(severity, (3, 6, 10, 15, 22))
    height, width = pixels.shape[:2]
    light = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 0.5)[..., None]
    colour = cv2.GaussianBlur(rng.standard_normal((height, width, 3), np.float32), (0, 0), 1.2)
    grain = light / light.std() + 0.7 * colour / colour.std()
    return _clip(pixels + sigma * np.sqrt(0.2 + pixels / np.float32(255)) * grain)


def _screenshot(pixels: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Shown in another size, in a screen's colours, and made a picture of again."""
    factor = _step(severity, (0.95, 0.85, 0.75, 0.65, 0.55)) * rng.uniform(0.95, 1.0)
    factor = factor if rng.random() < 0.5 else 1 / factor
    height, width = pixels.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    there, back = (Image.Resampling(_FILTERS[i]) for i in rng.integers(len(_FILTERS), size=2))
    shown = Image.fromarray(pixels).resize(size, there).resize((width, height), back)
    reach = _step(severity, (0.02, 0.04, 0.06, 0.08, 0.1))
    gamma = rng.uniform(1 - reach, 1 + reach, 3)
    return _clip((np.asarray(shown) / np.float32(255)) ** gamma * 255 + 0.5)


ALTERATIONS: dict[str, Alteration] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "webp": _webp,
    "down-scale": _down_scale,
    "snow": _snow,
    "rain": _rain,
    "fog": _fog,
    "blocks": _blocks,
    "colour-cast": _colour_cast,
    "saturation": _saturation,
    "contrast": _contrast,
    "grey": _grey,
    "brightness": _brightness,
    "sharpen": _sharpen,
    "sensor-noise": _sensor_noise,
    "screenshot": _screenshot,
}
NAMES = tuple(ALTERATIONS)


def web(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As pictures reach people: half size, JPEG 60 to 80. Smaller than what came in, (H/2, W/2, 3)."""
    return encoded(_shrunk(pixels, 2), "JPEG", int(rng.integers(60, 81)))


def hard(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As pictures look when passed on many times: quarter size, JPEG 40. (H/4, W/4, 3)."""
    return encoded(_shrunk(pixels, 4), "JPEG", 40)


def web_measured(pixels: np.ndarray, index: int) -> np.ndarray:
    """`web` for picture `index` of a measurement, the same every time."""
    return web(pixels, measuring_rng("jpeg", 3, index))


def hard_measured(pixels: np.ndarray, index: int) -> np.ndarray:
    """`hard` for picture `index` of a measurement, the same every time."""
    return hard(pixels, measuring_rng("jpeg", 4, index))


def _shrunk(pixels: np.ndarray, factor: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = (max(1, width // factor), max(1, height // factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


_WEATHER = ("snow", "rain", "fog", "blocks")
_COLOUR = ("colour-cast", "saturation", "contrast", "grey", "brightness")
_FOCUS = ("blur", "noise", "sharpen", "sensor-noise")
_SCREEN = ("screenshot",)
TRAINING = (
    _WEATHER + _COLOUR + _FOCUS + _SCREEN
)  # what training draws; sizes and encodings are training.augment.formats


def for_training(pixels: np.ndarray, rng: np.random.Generator, names: tuple[str, ...] = NAMES) -> np.ndarray:
    """A random chain of the alterations in `names`, about half of the pictures little changed.

    Weather comes before colour, focus and noise, and a screen shows all of them. Sizes and encodings are the business
    of training.augment.formats.
    """

    def draw(group: tuple[str, ...], chance: float, top: float = 5.0) -> None:
        nonlocal pixels
        group = tuple(name for name in group if name in names)
        if group and rng.random() < chance:
            name = group[rng.integers(len(group))]
            pixels = apply(name, pixels, rng.uniform(0.5, top), rng)

    draw(_WEATHER, 0.2)
    draw(_COLOUR, 0.35)
    draw(_COLOUR, 0.15, 3.0)
    draw(_FOCUS, 0.3, 4.0)
    draw(_SCREEN, 0.1)
    return pixels
