"""The places where a file may keep metadata: EXIF, XMP, IPTC, comments and text chunks.

EXIF, IPTC and all containers but two are read by Pillow. PNG and WebP are walked here, since Pillow reads the chunks
behind a PNG's pixels only with these, and takes memory for a WebP's before its metadata. XMP is parsed here because
Pillow's `getxmp` drops the namespaces, and a name alone does not tell whose label it is.
"""

import io
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from defusedxml import ElementTree
from PIL import Image, ImageFile, IptcImagePlugin

from detector.picture import FORMATS
from detector.provenance.untrusted import MAX_TEXT, SCAN, decode

log = logging.getLogger(__name__)

MAX_TEXTS = 64
MAX_CHUNKS = 20_000
MAX_EXIF = 8_000_000
MAX_NOTES = 200  # of the editor of a Samsung phone
EXIF_TAGS = {
    0x000B: "ProcessingSoftware",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x9286: "UserComment",  # where Fooocus writes it
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9F: "XPSubject",
}

EXIF_IFD_TAGS = {
    0x829A: "ExposureTime",
    0x829D: "FNumber",
    0x8827: "ISOSpeedRatings",
    0x9003: "DateTimeOriginal",
    0x9286: "UserComment",
    0x920A: "FocalLength",
    0xA434: "LensModel",
}

IPTC_FIELDS = {(2, 65): "OriginatingProgram", (2, 110): "Credit", (2, 120): "Caption"}
OPENERS = {"MPO": "JPEG", "HEIC": "HEIF"}  # Picture.format -> the name of Pillow's opener, where they differ
RAW_PROFILE = "Raw profile type "
XMP_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


@dataclass
class Metadata:
    """What the container holds, by place. Texts are pairs of a lower-case key and a value."""

    data: bytes = field(repr=False)
    container: str
    exif: dict[str, Any] = field(default_factory=dict)
    xmp: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (namespace, name) -> values
    texts: list[tuple[str, str]] = field(default_factory=list)
    iptc: dict[str, str] = field(default_factory=dict)


def read_metadata(data: bytes, format_: str | None) -> Metadata:
    """Raises where the container is none of FORMATS, or not the one called `format_`."""
    allowed: tuple[str, ...] = FORMATS if format_ is None else (OPENERS.get(format_, format_),)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and "PNG" in allowed:
        return _read_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and "WEBP" in allowed:
        return _read_webp(data)
    allowed = tuple(name for name in allowed if name in FORMATS and name not in ("PNG", "WEBP"))
    with Image.open(io.BytesIO(data), formats=allowed) as image:
        metadata = Metadata(data, image.format or "")
        for part in (_exif_of, _xmp_of, _comment_of, _iptc_of):
            _attempt(part, metadata, image)
    _attempt(_samsung_of, metadata)
    return metadata


def _attempt(part: Callable[..., None], *arguments: object) -> None:
    try:
        part(*arguments)
    except MemoryError:
        raise
    except Exception as error:  # hostile data: this part says nothing
        log.info("%s: %r", part.__name__.strip("_"), error)


def _exif_of(metadata: Metadata, image: Image.Image) -> None:
    if len(image.info.get("exif") or b"") <= MAX_EXIF:
        _take_exif(metadata, image.getexif())


def _xmp_of(metadata: Metadata, image: Image.Image) -> None:
    packet = image.info.get("xmp")
    if isinstance(packet, (bytes, str)):
        read_xmp(metadata, packet)


def _comment_of(metadata: Metadata, image: Image.Image) -> None:
    comment = image.info.get("comment")
    if isinstance(comment, (bytes, str)) and len(comment) <= MAX_TEXT:
        metadata.texts.append(("comment", decode(comment)))


def _iptc_of(metadata: Metadata, image: ImageFile.ImageFile) -> None:
    if image.format not in ("JPEG", "MPO", "TIFF"):
        return
    for key, value in (IptcImagePlugin.getiptcinfo(image) or {}).items():
        if key in IPTC_FIELDS:
            value = value[0] if isinstance(value, list) else value
            metadata.iptc[IPTC_FIELDS[key]] = decode(value[:SCAN])


def _samsung_of(metadata: Metadata) -> None:
    """The notes that Samsung's phones append to a file: "SEFH", a count, and a place for each, counted backwards
    from there (ExifTool's Samsung.pm)."""
    data = metadata.data
    if not data.endswith(b"SEFT") or metadata.container not in ("JPEG", "MPO", "HEIF"):
        return
    start = len(data) - 8 - struct.unpack_from("<I", data, len(data) - 8)[0]
    if start < 0:
        return
    magic, _, count = struct.unpack_from("<4sII", data, start)
    for number in range(min(count, MAX_NOTES) if magic == b"SEFH" else 0):
        _, _, offset, length = struct.unpack_from("<HHII", data, start + 12 + 12 * number)
        begin = max(start - offset, 0)
        note = data[begin : begin + min(length, SCAN)]
        named = 8 + struct.unpack_from("<I", note, 4)[0]
        metadata.texts.append((decode(note[8:named]).lower(), decode(note[named:])))


def _read_png(data: bytes) -> Metadata:
    metadata = Metadata(data, "PNG")
    position, left = 8, 4 * MAX_TEXT  # `left` bounds what all texts together may unfold to
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data) or kind == b"IEND":
            break
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"comf") and length <= max(MAX_TEXT, MAX_EXIF):
            body = data[position + 8 : end]
            if zlib.crc32(kind + body) != struct.unpack_from(">I", data, end)[0]:
                log.info("PNG: a %s chunk is damaged", kind.decode())
            elif kind == b"eXIf":
                _attempt(_take_exif_bytes, metadata, body)
            elif len(metadata.texts) < MAX_TEXTS:
                try:
                    key, value = _png_text(kind, body, min(left, MAX_TEXT))
                except Exception as error:  # hostile data
                    log.info("PNG text: %r", error)
                else:
                    left -= len(value)
                    if key == "XML:com.adobe.xmp":
                        _attempt(read_xmp, metadata, value)
                    elif key.startswith(RAW_PROFILE):
                        _attempt(_take_raw_profile, metadata, key, value)
                    else:
                        metadata.texts.append((key.lower(), value))
        position = end + 4
    return metadata


def _png_text(kind: bytes, body: bytes, limit: int) -> tuple[str, str]:
    key, _, rest = body.partition(b"\0")
    packed, encoding = kind == b"zTXt", "latin-1"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed, encoding = rest[:1] == b"\1", "utf-8"
        rest = rest[2:].split(b"\0", 2)[2]
    if packed:
        unpacker = zlib.decompressobj()
        rest = unpacker.decompress(rest, limit + 1)
    if len(rest) > limit:
        raise ValueError("longer than the limit")
    if encoding == "latin-1":  # most tools write UTF-8 into it all the same
        return key.decode("latin-1"), decode(rest)
    return key.decode("latin-1"), decode(rest.decode(encoding, "replace"))


def _take_raw_profile(metadata: Metadata, key: str, value: str) -> None:
    """What ImageMagick and others keep as text: a name, a length and the bytes in hexadecimal digits."""
    _, _, digits = value.split(None, 2)
    body = bytes.fromhex(digits)
    if body.startswith(XMP_APP1):
        read_xmp(metadata, body[len(XMP_APP1) :])
    elif body.startswith(b"Exif\0\0") or key.removeprefix(RAW_PROFILE) == "exif":
        _take_exif_bytes(metadata, body)
    elif key.removeprefix(RAW_PROFILE) == "xmp":
        read_xmp(metadata, body)
    elif key.removeprefix(RAW_PROFILE) in ("iptc", "8bim"):
        _take_iptc(metadata, body)


def _take_iptc(metadata: Metadata, body: bytes) -> None:
    """The records of IPTC's second part, wherever they begin: each is a mark, two numbers, a length and a value."""
    position = max(body.find(b"\x1c\2"), 0)
    for _ in range(MAX_TEXTS):
        if body[position : position + 1] != b"\x1c":
            break
        record, number, length = struct.unpack_from(">BBH", body, position + 1)
        if name := IPTC_FIELDS.get((record, number)):
            metadata.iptc[name] = decode(body[position + 5 : position + 5 + min(length, SCAN)])
        position += 5 + length


def _read_webp(data: bytes) -> Metadata:
    metadata = Metadata(data, "WEBP")
    position = 12
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length] if kind in (b"EXIF", b"XMP ") else b""
        if kind == b"EXIF" and length == len(body) <= MAX_EXIF:
            _attempt(_take_exif_bytes, metadata, body)
        elif kind == b"XMP " and length == len(body):
            _attempt(read_xmp, metadata, body)
        position += 8 + length + length % 2
    return metadata


def _take_exif_bytes(metadata: Metadata, body: bytes) -> None:
    exif = Image.Exif()
    exif.load(body)
    _take_exif(metadata, exif)


def _take_exif(metadata: Metadata, exif: Image.Exif) -> None:
    for tags, values in ((EXIF_TAGS, exif), (EXIF_IFD_TAGS, exif.get_ifd(0x8769))):
        for tag, name in tags.items():
            value = values.get(tag)
            if isinstance(value, (bytes, str)):
                if len(value) <= 2 * MAX_TEXT and (text := _exif_text(name, value)):
                    metadata.exif[name] = text
            elif value is not None:
                metadata.exif[name] = value


def _exif_text(name: str, value: bytes | str) -> str:
    if name == "UserComment":
        return _user_comment(value)
    if name.startswith("XP") and isinstance(value, bytes):  # Windows' own fields
        return value.decode("utf-16-le", "replace").strip("\0 ")
    return decode(value)


def _user_comment(value: bytes | str) -> str:
    """EXIF names the encoding in eight bytes, but not the byte order, and writers disagree on it."""
    if isinstance(value, str):
        return value.strip("\0 ")
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":
        big = body[:200:2].count(0) >= body[1:200:2].count(0)
        return body.decode("utf-16-be" if big else "utf-16-le", "replace").strip("\0 \ufeff")
    return decode(body if code in (b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8)) else value)


def read_xmp(metadata: Metadata, packet: bytes | str) -> None:
    """The properties of the picture itself: those of its ingredients and its history lie deeper and are left out."""
    if len(packet) > MAX_TEXT:
        raise ValueError("the XMP packet is longer than the limit")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    root = ElementTree.fromstring(packet.strip(b"\0 \r\n\t"), forbid_dtd=True)
    rdf = root if root.tag == RDF + "RDF" else root.find(RDF + "RDF")
    if rdf is None:
        return
    for description in rdf.findall(RDF + "Description")[:MAX_TEXTS]:
        for name, value in description.attrib.items():
            _add_property(metadata, name, value)
        for element in list(description)[:1000]:
            for value in _element_values(element):
                _add_property(metadata, element.tag, value)


def _element_values(element: Any) -> Iterator[str]:
    if element.text and element.text.strip():
        yield element.text
    if RDF + "resource" in element.attrib:
        yield element.attrib[RDF + "resource"]
    for kind in ("Alt", "Bag", "Seq"):
        for item in element.findall(f"{RDF}{kind}/{RDF}li")[:MAX_TEXTS]:
            if item.text:
                yield item.text
            if RDF + "resource" in item.attrib:
                yield item.attrib[RDF + "resource"]


def _add_property(metadata: Metadata, name: str, value: str) -> None:
    namespace, _, local = name.lstrip("{").partition("}")
    values = metadata.xmp.setdefault((namespace.rstrip("/"), local), [])
    if len(values) < MAX_TEXTS:
        values.append(value.strip())
