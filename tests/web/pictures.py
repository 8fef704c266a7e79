"""More than 200 pictures of all kinds that people have, made of photographs that packages and this repository carry."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageOps
from skimage import data

from detector.face_detector import FaceDetector
from tests.support import ROOT
from training.augment import covers

_EXAMPLES = ROOT / "ui" / "examples"
_LONGEST = (64, 96, 128, 160, 224, 300, 384, 480, 512, 640)


def write(folder: Path) -> list[Path]:
    """The files, in `folder`; the same ones every time."""
    dice = random.Random(18)
    files = []
    for number, (image, suffix, options) in enumerate(_pictures(dice)):
        file = folder / f"{number:03}.{suffix}"
        image.save(file, **options)
        files.append(file)
    return files


def _photographs() -> list[Image.Image]:
    gallery = sorted((ROOT / "ui" / "gallery").glob("*.jpg"))[::2]  # enough, and half the time
    examples = [path for path in sorted(_EXAMPLES.glob("*.jpg")) if path.stem not in ("galaxies", "group")]
    paths = [*gallery, *examples]
    paths.append(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    return [Image.open(path).convert("RGB") for path in paths] + [Image.fromarray(data.astronaut())]


def _pictures(dice: random.Random) -> Iterator[tuple[Image.Image, str, dict[str, Any]]]:
    photographs = _photographs()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number, photo in enumerate(photographs):
        sizes = dice.sample(_LONGEST, 8)
        small = [_scaled(photo, size) for size in sizes]
        yield small[0], "jpg", {"quality": dice.randint(30, 95)}
        yield small[1], "png", {}
        yield small[2], "webp", {"quality": dice.randint(40, 95)}
        yield ImageOps.grayscale(small[3]), dice.choice(("jpg", "png")), {}
        yield _with_alpha(small[4]), "png", {}
        yield _turned(small[5], 1 + number % 8), "jpg", {"quality": 90, "exif": _exif(1 + number % 8)}
        blurred = small[6].filter(ImageFilter.GaussianBlur(dice.uniform(0, 2.5)))
        yield _noisy(blurred, number) if number % 3 else blurred, "jpg", {"icc_profile": profile}
        if number % 3 == 0:
            yield _covered(_scaled(photo, 300), number // 3), "png", {}
        yield _cut(small[7], dice), "jpg", {"subsampling": dice.choice((0, 1, 2)), "progressive": number % 2 == 0}
    crowd, sky = (Image.open(_EXAMPLES / f"{name}.jpg").convert("RGB") for name in ("group", "galaxies"))
    # No face is surely upright here, so each is searched turned, too: a few, since that takes long.
    for photo, size, suffix in ((crowd, 512, "webp"), (crowd, 300, "png"), (sky, 300, "jpg")):
        yield _scaled(photo, size), suffix, {}
    yield _with_alpha(_scaled(sky, 160)), "png", {}
    for orientation in range(1, 9):  # in the other formats that may say it
        photo = _turned(_scaled(photographs[orientation], 240), orientation)
        yield photo, ("png", "webp")[orientation % 2], {"exif": _exif(orientation)}
    yield _scaled(photographs[-1], 256).quantize(64), "gif", {}
    yield _scaled(photographs[-1], 256), "bmp", {}
    yield _scaled(photographs[-1], 256), "avif", {"quality": 80}
    yield _group(photographs, 4, 120), "jpg", {"quality": 85}
    yield _group(photographs, 5, 90), "png", {}
    astronaut = photographs[-1]
    yield astronaut.crop((0, 0, 512, 139)), "png", {}  # a face without its chin
    yield _drawing(), "png", {}
    for size, photo in zip((800, 1200, 1600, 2400, 4400), photographs[-5:], strict=True):
        yield _scaled(photo, size), "jpg", {"quality": 88}
    yield _group(photographs, 3, 600), "jpg", {"quality": 85}
    for number, degrees in enumerate((28, 45, 63, 90, 110, 135, 160, 180, 200, 225, 270, 315)):
        photo = _scaled(photographs[number], dice.choice((160, 240, 300)))
        yield photo.rotate(degrees, Image.Resampling.BICUBIC, expand=True), "jpg", {"quality": 90}
    tight = photographs[-2].crop((120, 40, 400, 360))
    for degrees, colour in ((8, "black"), (-15, "white"), (30, "tan"), (120, "black")):
        yield tight.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=colour), "jpg", {"quality": 90}
    dark = Image.new("RGB", (256, 256), (2, 2, 2))
    for suffix, photo in zip(("gif", "webp", "png"), photographs, strict=False):
        frames = [dark, ImageOps.fit(photo, (256, 256)), dark]
        yield dark, suffix, {"save_all": True, "append_images": frames, "duration": 100, "quality": 90}
    large = _turned(photographs[-1].resize((7300, 5600)), 6)  # above the limit of what is decoded
    yield large, "jpg", {"quality": 60, "exif": _exif(6)}


def _scaled(photo: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(photo.size)
    return photo.resize([max(48, round(side * scale)) for side in photo.size], Image.Resampling.LANCZOS)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _turned(photo: Image.Image, orientation: int) -> Image.Image:
    """As a camera stores it that says `orientation`."""
    way = Image.Transpose
    undo = {2: way.FLIP_LEFT_RIGHT, 3: way.ROTATE_180, 4: way.FLIP_TOP_BOTTOM, 5: way.TRANSPOSE}
    undo |= {6: way.ROTATE_90, 7: way.TRANSVERSE, 8: way.ROTATE_270}
    return photo.transpose(undo[orientation]) if orientation > 1 else photo


def _with_alpha(photo: Image.Image) -> Image.Image:
    """Fading out to the right."""
    height, width = photo.height, photo.width
    alpha = np.tile(np.linspace(255, 90, width).astype(np.uint8), (height, 1))
    return Image.fromarray(np.dstack([np.asarray(photo), alpha]), "RGBA")


def _drawing() -> Image.Image:
    """Flat colours and a few lines."""
    drawing = Image.new("RGB", (400, 400), (214, 226, 240))
    pen = ImageDraw.Draw(drawing)
    pen.ellipse([80, 50, 320, 370], fill=(236, 190, 160), outline="black", width=5)
    for left in (130, 230):
        pen.ellipse([left, 160, left + 40, 185], fill="white", outline="black", width=3)
    pen.chord([150, 250, 250, 320], 0, 180, fill=(190, 50, 60))
    return drawing


def _cut(photo: Image.Image, dice: random.Random) -> Image.Image:
    """Without a part at an edge, so that a face may be cut off."""
    width, height = photo.size
    left, top = round(width * dice.uniform(0, 0.3)), round(height * dice.uniform(0, 0.3))
    box = (left, top, max(left + 32, width - left // 2), max(top + 32, height - top // 2))
    return photo.crop(box)


def _covered(photo: Image.Image, seed: int) -> Image.Image:
    """With a bar, a mask or a sticker over a face."""
    pixels = np.asarray(photo)
    kind = list(covers.KINDS)[seed % len(covers.KINDS)]
    for face in FaceDetector().find(pixels)[:1]:
        pixels = covers.cover(pixels, face.keypoints, kind, np.random.default_rng(seed))
    return Image.fromarray(pixels)


def _noisy(photo: Image.Image, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 12, (photo.height, photo.width, 3))
    return Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))


def _group(photographs: list[Image.Image], across: int, side: int) -> Image.Image:
    """Many people in one picture."""
    sheet = Image.new("RGB", (across * side, across * side), "grey")
    for number in range(across * across):
        photo = ImageOps.fit(photographs[number % len(photographs)], (side, side))
        sheet.paste(photo, (number % across * side, number // across * side))
    return sheet
