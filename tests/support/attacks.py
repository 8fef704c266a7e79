"""Files that are made to exhaust whoever reads them, each of at most 3 MB: name -> bytes."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
from PIL import Image

MOST_BYTES = 3_000_000


def tiny_faces(across: int = 100) -> bytes:
    """A PNG of `across` x `across` faces of 24 pixels."""
    face = (
        Image.fromarray(skimage.data.astronaut()).crop((172, 60, 279, 188)).resize((32, 38), Image.Resampling.LANCZOS)
    )
    tile = Image.new("RGB", (40, 44), (90, 110, 130))
    tile.paste(face, (4, 3))
    picture = Image.fromarray(np.tile(np.asarray(tile.quantize(48).convert("RGB")), (across, across, 1)))
    file = io.BytesIO()
    picture.quantize(48).save(file, "PNG", compress_level=9)
    return file.getvalue()


def exif_overlap(entries: int = 8_000, size: int = 1_000_000) -> bytes:
    """A PNG whose EXIF has many entries that all have the same megabyte for a value."""
    head = b"II*\0\x08\0\0\0"
    start = 8 + 2 + 12 * entries + 4
    ifd = struct.pack("<H", entries)
    ifd += b"".join(struct.pack("<HHII", 0x1000 + number, 7, size, start) for number in range(entries))
    return _png_with(b"eXIf", head + ifd + bytes(4) + b"\x55" * size)


def tiff_overlap(entries: int = 8_000, size: int = 1_200_000) -> bytes:
    """A TIFF whose directory has many tags that all have the same megabyte for a value."""
    needed = [(256, 3, 1, 64), (257, 3, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
              (277, 3, 1, 1), (278, 3, 1, 64), (279, 4, 1, 4096)]  # fmt: skip
    pixels, start = bytes(range(256)) * 16, 8 + 4096
    tags = needed + [(0x9000 + number, 7, size, start) for number in range(entries)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", start + size) + pixels + b"\x55" * size + directory


def tiff_tiles(side: int = 690) -> bytes:
    """A TIFF in tiles of 16 x 16 pixels, whose header says 1 x 1."""
    count = side * side
    offsets, start = struct.pack(f"<{count}I", *([8] * count)), 8 + 16
    sizes = struct.pack(f"<{count}H", *([1] * count))
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1),
            (322, 4, 1, 1), (323, 4, 1, 1), (324, 4, count, start), (325, 3, count, start + len(offsets))]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    at = start + len(offsets) + len(sizes)
    return b"II*\0" + struct.pack("<I", at) + bytes(16) + offsets + sizes + directory


def jpeg_scans(count: int = 25_000, side: int = 1024) -> bytes:
    """A progressive JPEG that repeats its last, empty scans."""
    file = io.BytesIO()
    Image.new("L", (side, side), 127).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rfind(b"\xff\xda")
    scan, end = data[last:-2], data[-2:]
    return data[:last] + scan * min(count, (MOST_BYTES - len(data)) // len(scan)) + end


def gif_comments(count: int = 1_000) -> bytes:
    """A GIF of comment blocks, which Pillow joins one by one."""
    file = io.BytesIO()
    Image.new("P", (64, 64)).save(file, "GIF")
    data = file.getvalue()
    at = data.index(b"\x2c", 13)
    comment = b"\x21\xfe" + (b"\xff" + b"x" * 255) * 11 + b"\0"
    return data[:at] + comment * min(count, (MOST_BYTES - len(data)) // len(comment)) + data[at:]


def jpeg_exif(count: int = 60_000) -> bytes:
    """A JPEG of short EXIF segments, which Pillow joins one by one."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    data = file.getvalue()
    body = b"Exif\0\0" + b"x" * 24
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + segment * min(count, (MOST_BYTES - len(data)) // len(segment)) + data[2:]


def hidden_names(count: int = 41_000) -> bytes:
    """A zip that lists the same hidden file over and over, as many times as its list may be long."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(".a", b"")
    data = file.getvalue()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = data[start:end] * count
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return data[:start] + directory + tail


def _png_with(kind: bytes, body: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    data = file.getvalue()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


PICTURES: dict[str, Callable[[], bytes]] = {
    "10,000 tiny faces": tiny_faces,
    "overlapping EXIF entries": exif_overlap,
    "overlapping TIFF tags": tiff_overlap,
    "tiles of one pixel": tiff_tiles,
    "a JPEG of 25,000 scans": jpeg_scans,
    "GIF comment blocks": gif_comments,
    "JPEG EXIF segments": jpeg_exif,
}


# A module that Python loads at its start: faults of decoders that no file is known for.
_FAULTS = """
import io, os, time
import PIL.ImageFile
whole = PIL.ImageFile.ImageFile.__init__
def begin(self, file=None, *rest, **options):
    data = file.getvalue() if isinstance(file, io.BytesIO) else b""
    if b"crash" in data:
        os.abort()
    if b"hang" in data:
        time.sleep(1000)
    if b"spin" in data:
        while True:
            pass
    if b"grow" in data:
        bytes(10_000_000_000)
    if b"shot" in data:
        try:
            os.close(os.open(os.environ["SHOT"], os.O_CREAT | os.O_EXCL))
            os.kill(os.getpid(), 9)
        except FileExistsError:
            pass
    whole(self, file, *rest, **options)
PIL.ImageFile.ImageFile.__init__ = begin
from ai_edge_litert.interpreter import Interpreter
allocate = Interpreter.allocate_tensors
def allocate_tensors(self):
    if b"crash" in (self._model_content or b"")[-8:]:
        os.abort()
    return allocate(self)
Interpreter.allocate_tensors = allocate_tensors
"""


@pytest.fixture
def poison(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In workers the bytes `crash` end the process, `hang` and `spin` take for ever, one of them on the processor,
    `grow` takes 10 GB, and `shot` is killed by somebody else once. A network that ends with `crash` does too."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(_FAULTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SHOT", str(folder / "shot"))
