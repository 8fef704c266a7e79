"""Which picture of a file people see: of a TIFF's pages not the preview, of an animation no blank frame, and of a
camera's raw file none, since what can be read of one is a preview."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

# What tells a camera's raw file from another TIFF: tags and values (TIFF 6.0; TIFF/EP, ISO 12234-2; DNG 1.7)
RAW: dict[str, Any] = {
    "subfile": 254,
    "compression": 259,
    "photometric": 262,
    "make": 271,
    "sub_ifds": 330,
    "dng_version": 50706,
    "reduced": 1,  # a bit of the subfile's type
    "sensor": [32803, 34892],  # photometric: a colour filter array, linear raw
    "compressions": [32767, 32770, 34713, 65535],  # Sony's, Samsung's, Nikon's and Pentax'
    "makers": {"nikon": "NEF", "sony": "ARW", "pentax": "PEF", "ricoh": "PEF", "samsung": "SRW", "hasselblad": "3FR"},
    "unnamed": "Camera raw",
}
_OLD_SUBFILE, _MASK = 255, 4

LOOKED_AT = 24  # frames or pages, at most
BLANK = 6.0  # standard deviation of grey values, 0..255: a frame with less shows nothing
_PREVIEW = 4  # times as many pixels has the picture that a page of the same shape is a preview of


@dataclass(frozen=True)
class Frame:
    """What is seen of a file: an upright RGB `image`, its `number` from 1 on among those that are no previews, and
    whether there are `more`."""

    image: Image.Image
    number: int = 1
    more: bool = False


def camera_raw(data: bytes) -> str | None:
    """The name of a camera's raw format, where `data` is such a TIFF."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    try:
        file.seek(tags.next)
        tags.load(file)
        maker = str(tags.get(RAW["make"], "")).lower()
        raw = tags.get(RAW["photometric"]) in RAW["sensor"] or tags.get(RAW["compression"]) in RAW["compressions"]
        preview = int(tags.get(RAW["subfile"], 0)) & RAW["reduced"] and RAW["sub_ifds"] in tags
    except Exception:  # hostile tags: opening the file says what is wrong
        return None
    if RAW["dng_version"] in tags:
        return "DNG"
    if not (raw or preview):
        return None
    return str(next((name for start, name in RAW["makers"].items() if maker.startswith(start)), RAW["unnamed"]))


def seen(image: Image.Image, upright: Callable[[Image.Image], Image.Image], max_pixels: int) -> Frame:
    """The first page or frame of an opened file that shows something, made upright RGB by `upright`, which may raise;
    the very first where none does. At most LOOKED_AT are looked at, and not many more pixels than `max_pixels`."""
    if image.format in ("JPEG", "MPO", "HEIF"):  # what lies beside their main picture is no frame
        return Frame(upright(image), more=image.format == "HEIF" and getattr(image, "n_frames", 1) > 1)
    numbers, left, place = _numbers(image), 2 * max_pixels, 0
    first = next(numbers, 0)
    image.seek(first)
    following: int | None = first
    while following is not None and left > 0:
        left -= image.width * image.height
        place += 1
        shown = upright(image)
        shown = shown.copy() if shown is image else shown
        following = next(numbers, None)
        if place == 1 and following is None or not _is_blank(shown):
            return Frame(shown, place, more=place > 1 or following is not None)
        del shown
    image.seek(first)
    return Frame(upright(image), more=True)


def _numbers(image: Image.Image) -> Iterator[int]:
    """The frames that are no previews, each sought before it is named; a damaged one ends them."""
    previews = _previews(image) if isinstance(image, TiffImagePlugin.TiffImageFile) else set()
    # An APNG may hold a picture for programs that know no animations.
    start = 1 if image.info.get("default_image") else 0
    for number in range(start, start + LOOKED_AT):
        if number in previews:
            continue
        try:
            image.seek(number)
        except Exception:
            return
        yield number


def _previews(image: TiffImagePlugin.TiffImageFile) -> set[int]:
    """The pages of a TIFF that are said to be reduced or a mask, or are small beside another one of the same shape;
    none where that would leave no page."""
    sizes: dict[int, tuple[int, int]] = {}
    found, pages = set(), 0
    for number in range(LOOKED_AT):
        try:
            image.seek(number)
        except Exception:
            break
        pages += 1
        kind = int(image.tag_v2.get(RAW["subfile"], 0))
        if kind & (RAW["reduced"] | _MASK) or image.tag_v2.get(_OLD_SUBFILE) == 2:
            found.add(number)
        else:
            sizes[number] = image.size
    for number, (width, height) in sizes.items():
        for w, h in sizes.values():
            if w * h >= _PREVIEW * width * height and abs(w * height / (h * width) - 1) < 0.02:
                found.add(number)
    return found if len(found) < pages else set()


def _is_blank(image: Image.Image) -> bool:
    grey = np.asarray(image.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0).convert("L"), np.float32)
    return float(grey.std()) < BLANK
