"""Bytes, path, PIL image or numpy array -> an upright RGB picture, or an ImageError with a sentence for a person."""

import hashlib
import io
import os
import stat
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from detector import other_kinds
from detector.errors import ImageError

register_heif_opener(thumbnails=False)

# Only decoders meant for photographs: a stranger's file must not reach the others. JPEG includes MPO, what some cameras
# and telephones write.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF")
FORMAT_NAMES = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF"
SUFFIXES = frozenset(".jpg .jpeg .jpe .jfif .mpo .png .webp .avif .gif .bmp .tif .tiff .heic .heif".split())

MAX_PIXELS = 40_000_000
MAX_BYTES = 30_000_000
MIN_SIDE = 32

# What a person is told where a picture cannot be judged.
EMPTY = "The file is empty: choose another one."
OVERSIZE = "The file is larger than the limit of {limit} MB: save it smaller and try again."
DRAWING = "SVG files are drawings, not photographs: save the picture as JPEG or PNG."
NO_PICTURE = "This is not a picture that can be read: use {formats}."
DAMAGED = "The picture is damaged and could not be decoded: get another copy of it."
TOO_SMALL = "The picture is {width} x {height} pixels: at least {least} on each side are needed to see a face."
MEGAPIXELS = "has {megapixels} megapixels"
TOO_LARGE = "The picture {size}, the limit is {limit}: scale it down and try again."


@dataclass(frozen=True)
class Picture:
    """An upright picture.

    `pixels` is uint8 RGB (height, width, 3), 0..255. `data` are the bytes of the file it came from, None for a PIL
    image or an array. `sha256` is of `data`, or of the pixels where there is no file. `seconds` is what reading took.
    """

    pixels: np.ndarray = field(repr=False)
    format: str | None
    sha256: str
    data: bytes | None = field(repr=False, default=None)
    seconds: float = field(compare=False, default=0.0)

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


Source = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Picture


def read(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES, min_side: int = MIN_SIDE
) -> Picture:
    """Read one picture, upright and in RGB.

    `source` is a path, the bytes of a file, a PIL image, or an array: uint8 or uint16, (H, W), (H, W, 1), (H, W, 3)
    or (H, W, 4) with alpha; a Picture comes back as it is. The first frame of an animation is taken; transparency is
    laid over white; 16-bit samples are scaled to 8; the EXIF orientation is applied. `max_pixels` and `max_bytes` bound
    what is decoded.

    Raises ImageError for anything that is not such a picture, is cut off, or is outside the limits.
    """
    if isinstance(source, Picture):
        return source
    started = time.perf_counter()
    picture = _read(source, max_pixels, max_bytes, min_side)
    return replace(picture, seconds=time.perf_counter() - started)


def _read(source: Source, max_pixels: int, max_bytes: int, min_side: int) -> Picture:
    if isinstance(source, np.ndarray):
        return _from_image(_array_to_image(source), None, None, max_pixels, min_side)
    if isinstance(source, Image.Image):
        return _from_image(source, source.format, None, max_pixels, min_side)
    if isinstance(source, (str, os.PathLike)):
        source = read_file(Path(os.fsdecode(source)), max_bytes)
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise ImageError(f"A picture can be a path, bytes, a PIL image or an array, not {type(source).__name__}.")
    data = bytes(source)
    if not data:
        raise ImageError(EMPTY, "empty")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!")) and b"<svg" in head):
        raise ImageError(DRAWING, "unsupported_format")
    if told := other_kinds.sentence_for(data):
        raise ImageError(told, "unsupported_format")
    if len(data) > max_bytes:  # a film is too large and no picture: the latter is of more use
        raise oversize(max_bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning; the limit below is stricter
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(NO_PICTURE.format(formats=FORMAT_NAMES)) from None
    except Image.DecompressionBombError:
        raise _too_large(None, max_pixels) from None
    except Exception:  # a decoder may raise anything on a hostile header
        raise ImageError("The picture is damaged and could not be opened: get another copy of it.", "damaged") from None
    return _from_image(image, image.format, data, max_pixels, min_side)


def oversize(max_bytes: int) -> ImageError:
    """The error for a file of more than `max_bytes` bytes, which need not have been counted to the end."""
    return ImageError(OVERSIZE.format(limit=f"{max_bytes / 1e6:.0f}"), "too_large")


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file, of a larger one only the first `max_bytes` + 1. Raises ImageError."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with open(path, "rb") as file:
                return file.read(max_bytes + 1)
        if stat.S_ISDIR(mode):
            os.scandir(path).close()  # one that cannot be opened is told so
    except FileNotFoundError:
        raise ImageError(f"There is no file called {path.name}.", "unreadable") from None
    except (OSError, ValueError):  # ValueError: no file can have this name
        raise ImageError(f"{path.name} could not be read: check that you may open it.", "unreadable") from None
    if stat.S_ISDIR(mode):
        raise ImageError(f"{path.name} is a folder, not a picture.", "unreadable")
    raise ImageError(f"{path.name} is a pipe or a device: save the picture to a file and name that.", "unreadable")


def _array_to_image(array: np.ndarray) -> Image.Image:
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ImageError(f"An array must hold uint8 or uint16 samples, not {array.dtype}.")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(f"An array must be (H, W), (H, W, 3) or (H, W, 4), not {array.shape}.")
    return Image.fromarray(np.ascontiguousarray(array))


def _from_image(image: Image.Image, format_: str | None, data: bytes | None, max_pixels: int, min_side: int) -> Picture:
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(width * height, max_pixels)
    if min(width, height) < min_side:
        raise ImageError(TOO_SMALL.format(width=width, height=height, least=min_side), "too_small")
    try:
        image.load()
        image = _upright_rgb(image)
    except (OSError, SyntaxError, EOFError) as error:
        if "truncated" in str(error).lower() or "not enough" in str(error).lower():
            raise ImageError(
                "The picture is cut off, the end of the file is missing: get another copy of it.", "damaged"
            ) from None
        raise ImageError(DAMAGED, "damaged") from None
    except ImageError:
        raise
    except Exception:  # a decoder may raise anything on hostile data
        raise ImageError(DAMAGED, "damaged") from None
    pixels = np.asarray(image)
    digest = hashlib.sha256(data if data is not None else pixels.tobytes()).hexdigest()
    return Picture(pixels, {"MPO": "JPEG", "HEIF": "HEIC"}.get(format_ or "", format_), digest, data)


def _too_large(pixels: int | None, limit: int) -> ImageError:
    size = MEGAPIXELS.format(megapixels=f"{pixels / 1e6:.0f}") if pixels else "is far too large"
    return ImageError(TOO_LARGE.format(size=size, limit=f"{limit / 1e6:.0f}"), "too_large")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if image.mode == "La":  # premultiplied: Pillow only knows the way back to LA
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    samples = np.asarray(image)
    if samples.dtype.kind == "f":  # floating-point TIFF: 0..1 by convention
        top = float(np.nanmax(samples, initial=0.0))
        samples = np.nan_to_num(samples) / (1.0 if top <= 1.0 else top) * 255.0
        return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    return Image.fromarray((np.clip(samples, 0, 65535) // 257).astype(np.uint8))
