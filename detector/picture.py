"""Bytes, path, PIL image or numpy array -> an upright RGB picture, or an ImageError with a sentence for a person."""

import hashlib
import io
import os
import stat
import struct
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from detector import frames, other_kinds
from detector.errors import ImageError
from detector.upright import upright_rgb

register_heif_opener(thumbnails=False)

# Only decoders meant for photographs: a stranger's file must not reach the others. JPEG includes MPO, what some cameras
# and phones write.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF")
FORMAT_NAMES = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF"
SUFFIXES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in {*FORMATS, "MPO"})

MAX_PIXELS = 40_000_000
MAX_JPEG_PIXELS = 250_000_000  # a JPEG above MAX_PIXELS is decoded at a half, a quarter or an eighth of its sides
MAX_WHOLE_PIXELS = 60_000_000  # of a JPEG in several scans, progressive ones say, of which libjpeg holds all
HEIC_SHARE = 1.25  # of MAX_PIXELS: a HEIC up to it is decoded, and halved at once
MAX_BYTES = 30_000_000
MIN_SIDE = 32

# What a person is told where a picture cannot be judged.
EMPTY = "The file is empty: choose another one."
OVERSIZE = "The file is larger than the limit of {limit} MB: scale it down and try again."
DRAWING = "SVG files are drawings, not photographs: save the picture as JPEG or PNG."
NO_PICTURE = "This is not a picture that can be read: use {formats}."
DAMAGED = "The picture is damaged and could not be decoded: get another copy of it."
TOO_MUCH = "The picture took too much time or memory to read: save it again as JPEG or PNG, and retry."
TOO_SMALL = "The picture is {width} x {height} pixels: at least {least} on each side are needed to see a face."
MEGAPIXELS = "has {megapixels} megapixels"
TOO_LARGE = "The picture {size}, the limit is {limit}: scale it down and try again."


@dataclass(frozen=True)
class Picture:
    """An upright picture.

    `pixels` is uint8 RGB, 0..255, (height, width, 3), or reduced by a whole factor where a JPEG or HEIC is too large;
    `size` is then its own width and height. `frame` counts from 1, where the file holds
    `more_frames` or pages. `data` are the bytes of the file it came from, None for a PIL image or an array. `sha256` is
    of `data`, or of the pixels where there is no file. `seconds` is what reading took.
    """

    pixels: np.ndarray = field(repr=False)
    format: str | None
    sha256: str
    data: bytes | None = field(repr=False, default=None)
    size: tuple[int, int] | None = None
    frame: int = 1
    more_frames: bool = False
    seconds: float = field(compare=False, default=0.0)

    @property
    def width(self) -> int:
        return self.size[0] if self.size else int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return self.size[1] if self.size else int(self.pixels.shape[0])


Source = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Picture


def read(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES, min_side: int = MIN_SIDE
) -> Picture:
    """Read one picture, upright and in RGB.

    `source` is a path, the bytes of a file, a PIL image, or an array: uint8 or uint16, (H, W), (H, W, 1), (H, W, 3) in
    the order RGB (OpenCV reads BGR: give `array[:, :, ::-1]`) or (H, W, 4) with alpha; a Picture comes back as it is.
    Of several frames or pages the first that shows something is taken; transparency is laid over white; 16-bit samples
    are scaled to 8; the EXIF orientation is applied, that in XMP is not, as in browsers. `max_pixels` and `max_bytes`
    bound what is decoded.

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
        raise ImageError(f"A picture must be a path, bytes, a PIL image or an array, not {type(source).__name__}.")
    data = bytes(source)
    _refuse_other_kinds(data)
    if len(data) > max_bytes:  # a film is too large and no picture: the latter is of more use
        raise oversize(max_bytes)
    image = _opened(data, max_pixels)
    return _from_image(image, image.format, data, max_pixels, min_side)


def _refuse_other_kinds(data: bytes) -> None:
    """Raise ImageError for a file of a known kind that is not read."""
    if not data:
        raise ImageError(EMPTY, "empty")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!")) and b"<svg" in head):
        raise ImageError(DRAWING, "unsupported_format")
    if told := other_kinds.sentence_for(data):
        raise ImageError(told, "unsupported_format")
    if (raw := frames.camera_raw(data)) is not None:
        raise ImageError(other_kinds.NOT_READ.format(raw), "unsupported_format")


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return _opened_as_known(data)
    except (UnidentifiedImageError, SyntaxError):
        raise ImageError(NO_PICTURE.format(formats=FORMAT_NAMES)) from None
    except Image.DecompressionBombError:
        raise _too_large(None, max_pixels) from None
    except MemoryError:
        raise ImageError(TOO_MUCH, "resource_limit") from None
    except Exception:  # a decoder may raise anything on a hostile header
        raise ImageError("The picture is damaged and could not be opened: get another copy of it.", "damaged") from None


def _opened_as_known(data: bytes) -> Image.Image:
    """As Image.open does, without its limit, which is below the largest that phones make and whose warning could
    only be silenced in the whole process. The limits here are checked before anything is decoded."""
    for name in FORMATS:
        if _is(name, data[:16]):
            factory = JpegImagePlugin.JpegImageFile if name == "JPEG" else Image.OPEN[name][0]
            try:
                return factory(io.BytesIO(data), "")
            except (SyntaxError, IndexError, TypeError, struct.error):  # of another kind after all
                continue
    raise UnidentifiedImageError


def begins_like_a_picture(head: bytes) -> bool:
    """Whether a file that begins with these 16 bytes is likely a picture of a kind that is read."""
    # Two letters, which a text may begin with, and four bytes of a BMP that are always zero.
    return any(_is(name, head) for name in FORMATS) and (not head.startswith(b"BM") or head[6:10] == bytes(4))


def _is(name: str, head: bytes) -> bool:
    accept = Image.OPEN[name][1]
    return accept is not None and accept(head) is True


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
    def upright(image: Image.Image) -> Image.Image:
        large = data is not None and format_ == "HEIF" and image.width * image.height > max_pixels
        _check_size(image, round(HEIC_SHARE * max_pixels) if large else max_pixels, min_side)
        if large:
            image.load()
        return upright_rgb(image.reduce(2) if large else image)

    whole = image.size
    if data is not None and format_ == "JPEG":
        _reduce(image, data, max_pixels)
    try:
        frame = frames.seen(image, upright, max_pixels) if data is not None else frames.Frame(upright(image))
    except (OSError, SyntaxError, EOFError) as error:
        if "truncated" in str(error).lower() or "not enough" in str(error).lower():
            raise ImageError(
                "The picture is cut off, the end of the file is missing: get another copy of it.", "damaged"
            ) from None
        raise ImageError(DAMAGED, "damaged") from None
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(TOO_MUCH, "resource_limit") from None
    except Exception:  # a decoder may raise anything on hostile data
        raise ImageError(DAMAGED, "damaged") from None
    pixels = np.asarray(frame.image)
    digest = hashlib.sha256(data if data is not None else pixels.tobytes()).hexdigest()
    name = {"MPO": "JPEG", "HEIF": "HEIC"}.get(format_ or "", format_)
    size = None
    if format_ in ("JPEG", "HEIF") and 2 * frame.image.width * frame.image.height < whole[0] * whole[1]:
        size = whole if (whole[0] > whole[1]) == (frame.image.width > frame.image.height) else whole[::-1]
    return Picture(pixels, name, digest, data, size, frame.number, frame.more)


def _check_size(image: Image.Image, max_pixels: int, min_side: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(width * height, max_pixels)
    if min(width, height) < min_side:
        raise ImageError(TOO_SMALL.format(width=width, height=height, least=min_side), "too_small")


def _reduce(image: Image.Image, data: bytes, max_pixels: int) -> None:
    """Let a large JPEG be decoded at the largest fraction of its sides that `max_pixels` allows."""
    width, height = image.size
    most = MAX_JPEG_PIXELS if _in_one_scan(data) else MAX_WHOLE_PIXELS
    if width * height <= most:
        factor = next((f for f in (1, 2, 4, 8) if -(-width // f) * -(-height // f) <= max_pixels), 1)
        if factor > 1:
            image.draft(None, (width // factor, height // factor))


def _too_large(pixels: int | None, limit: int) -> ImageError:
    size = MEGAPIXELS.format(megapixels=f"{pixels / 1e6:.0f}") if pixels else "is far too large"
    return ImageError(TOO_LARGE.format(size=size, limit=f"{limit / 1e6:.0f}"), "too_large")


def _in_one_scan(jpeg: bytes) -> bool:
    """Whether the first scan holds all components, at full precision (ISO 10918-1, B.2)."""
    at, components = 2, 0
    while jpeg[at : at + 1] == b"\xff" and at + 10 <= len(jpeg):
        marker = jpeg[at + 1]
        if marker == 0xDA:
            return jpeg[at + 4] == components
        if marker in (0xC0, 0xC1):  # the sequential ones by Huffman
            components = jpeg[at + 9]
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return False
