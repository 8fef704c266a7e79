"""What a picture file says of its own origin, in words. Evidence beside the verdict: it never changes the score.

Everything here is a statement of the file, and a file can lie. So a mark counts only where its container really keeps
such marks, and only in a form too specific to stand in an ordinary photograph by chance. That nothing was found
proves nothing. Nothing is fetched: neither manifests kept elsewhere, nor revocation lists, nor trust lists.
"""

import io
import json
import logging
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from defusedxml import ElementTree
from PIL import Image, IptcImagePlugin

from detector.picture import FORMATS

log = logging.getLogger(__name__)

CONTENT_CREDENTIALS = "Content Credentials (C2PA)"
CAMERA_EXIF = "Camera EXIF"
XMP_IPTC = "XMP/IPTC"
GENERATOR_MARK = "Generator's mark"
EDITOR_MARK = "Editor's mark"
AIGC_LABEL = "AIGC label (TC260)"

MAX_BYTES = 64_000_000  # of a file; picture.read allows less
MAX_TEXT = 2_000_000  # of one text, XMP packet or JSON: the largest ComfyUI workflows take about one
MAX_TEXTS = 64
MAX_CHUNKS = 20_000
MAX_EXIF = 8_000_000
MAX_MANIFESTS = 200
MAX_READS = 80_000  # by the native library, whose time grows with the square of the boxes: large PNGs take 40,000
SCAN = 64_000  # a text is searched in its first and last so many characters
EXCERPT = 120


@dataclass(frozen=True)
class Finding:
    """One thing that the file says of its origin.

    `source` is where it says so, `summary` one sentence on what was found, `meaning` one sentence on what that does
    and does not tell. `suggests` is "ai_made", "edited", "camera" or "neutral". All are plain text without markup.
    """

    source: str
    summary: str
    meaning: str
    suggests: str


def read(data: bytes | None, format: str | None) -> tuple[Finding, ...]:
    """What the file `data` says of its origin, the strongest evidence first; () where there is no file.

    `format` is the name that Pillow or `picture.Picture` gives it, None to find out. Never raises: what cannot be
    read says nothing, and the log has the reason.
    """
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_BYTES:
        return ()
    try:
        metadata = _metadata(data, format)
    except Exception as error:  # a parser may raise anything on hostile data
        log.info("No metadata: %r", error)
        return ()
    findings: list[Finding] = []
    for step in (_content_credentials, _source_types, _aigc_labels, _generators, _editors, _camera):
        try:
            findings += step(metadata)
        except Exception as error:  # as above; one broken part must not hide the others
            log.warning("%s skipped: %r", step.__name__.strip("_"), error)
    return tuple(dict.fromkeys(findings))


def excerpt(text: object, limit: int = EXCERPT) -> str:
    """A stranger's text made fit to be shown: one line, no control characters, no HTML or Markdown, `limit` at most."""
    text = str(text)[: limit * 20]
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = re.sub(r"[<>\[\]`*|\\\"]", "", text).replace("://", " ").replace("&", "and")
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


# --- Containers: the places where a file may keep metadata -----------------------------------------------------------

EXIF_TAGS = {
    0x000B: "ProcessingSoftware",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
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
OPENERS = {"MPO": "JPEG", "HEIC": "HEIF"}  # Picture.format -> the name of Pillow's opener, where they differ
MIME = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "HEIF": "image/heic",
}


@dataclass
class _Metadata:
    """What the container holds, by place. Texts are pairs of a lower-case key and a value."""

    data: bytes = field(repr=False)
    container: str
    exif: dict[str, Any] = field(default_factory=dict)
    xmp: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (namespace, name) -> values
    texts: list[tuple[str, str]] = field(default_factory=list)
    iptc: dict[str, str] = field(default_factory=dict)


def _metadata(data: bytes, format_: str | None) -> _Metadata:
    """Raises where the container is none of FORMATS, or not the one called `format_`."""
    allowed = FORMATS if format_ is None else (OPENERS.get(format_, format_),)
    # PNG and WebP are walked here: Pillow stops before the pixels, and marks may stand behind them.
    if data.startswith(b"\x89PNG\r\n\x1a\n") and "PNG" in allowed:
        return _read_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and "WEBP" in allowed:
        return _read_webp(data)
    allowed = tuple(name for name in allowed if name in FORMATS and name not in ("PNG", "WEBP"))
    with Image.open(io.BytesIO(data), formats=allowed) as image:
        metadata = _Metadata(data, image.format or "")
        for part in (_exif_of, _xmp_of, _comment_of, _iptc_of):
            _attempt(part, metadata, image)
    return metadata


def _attempt(part: Callable[..., None], *arguments: object) -> None:
    try:
        part(*arguments)
    except Exception as error:  # hostile data: this part says nothing
        log.info("%s: %r", part.__name__.strip("_"), error)


def _exif_of(metadata: _Metadata, image: Image.Image) -> None:
    if len(image.info.get("exif") or b"") <= MAX_EXIF:
        _take_exif(metadata, image.getexif())


def _xmp_of(metadata: _Metadata, image: Image.Image) -> None:
    packet = image.info.get("xmp")
    if isinstance(packet, (bytes, str)):
        _take_xmp(metadata, packet)


def _comment_of(metadata: _Metadata, image: Image.Image) -> None:
    comment = image.info.get("comment")
    if isinstance(comment, (bytes, str)) and len(comment) <= MAX_TEXT:
        metadata.texts.append(("comment", _text(comment)))


def _iptc_of(metadata: _Metadata, image: Image.Image) -> None:
    if image.format not in ("JPEG", "MPO", "TIFF"):
        return
    names = {(2, 65): "OriginatingProgram", (2, 110): "Credit", (2, 120): "Caption"}
    for key, value in (IptcImagePlugin.getiptcinfo(image) or {}).items():
        if key in names:
            value = value[0] if isinstance(value, list) else value
            metadata.iptc[names[key]] = _text(value[:SCAN])


def _read_png(data: bytes) -> _Metadata:
    metadata = _Metadata(data, "PNG")
    position, left = 8, 4 * MAX_TEXT  # `left` bounds what all texts together may unfold to
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data) or kind == b"IEND":
            break
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") and length <= max(MAX_TEXT, MAX_EXIF):
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
                        _attempt(_take_xmp, metadata, value)
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
        return key.decode("latin-1"), _text(rest)
    return key.decode("latin-1"), rest.decode(encoding, "replace")


def _read_webp(data: bytes) -> _Metadata:
    metadata = _Metadata(data, "WEBP")
    position = 12
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length] if kind in (b"EXIF", b"XMP ") else b""
        if kind == b"EXIF" and length == len(body) <= MAX_EXIF:
            _attempt(_take_exif_bytes, metadata, body)
        elif kind == b"XMP " and length == len(body):
            _attempt(_take_xmp, metadata, body)
        position += 8 + length + length % 2
    return metadata


def _take_exif_bytes(metadata: _Metadata, body: bytes) -> None:
    exif = Image.Exif()
    exif.load(body)
    _take_exif(metadata, exif)


def _take_exif(metadata: _Metadata, exif: Image.Exif) -> None:
    for tags, values in ((EXIF_TAGS, exif), (EXIF_IFD_TAGS, exif.get_ifd(0x8769))):
        for tag, name in tags.items():
            value = values.get(tag)
            if name == "UserComment" and isinstance(value, (bytes, str)) and len(value) <= 2 * MAX_TEXT:
                metadata.exif[name] = _user_comment(value)
            elif isinstance(value, (bytes, str)):
                if len(value) <= MAX_TEXT and (text := _text(value)):
                    metadata.exif[name] = text
            elif value is not None:
                metadata.exif[name] = value


def _user_comment(value: bytes | str) -> str:
    """EXIF names the encoding in eight bytes, but not the byte order, and writers disagree on it."""
    if isinstance(value, str):
        return value.strip("\0 ")
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":
        big = body[:200:2].count(0) >= body[1:200:2].count(0)
        return body.decode("utf-16-be" if big else "utf-16-le", "replace").strip("\0 \ufeff")
    return _text(body if code in (b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8)) else value)


def _text(value: bytes | str) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return value.strip("\0 \r\n\t")


RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def _take_xmp(metadata: _Metadata, packet: bytes | str) -> None:
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


def _add_property(metadata: _Metadata, name: str, value: str) -> None:
    namespace, _, local = name.lstrip("{").partition("}")
    values = metadata.xmp.setdefault((namespace.rstrip("/"), local), [])
    if len(values) < MAX_TEXTS:
        values.append(value.strip())


# --- Content Credentials ---------------------------------------------------------------------------------------------

C2PA_SETTINGS: dict[str, Any] = {
    "version": 1,
    "verify": {"verify_after_reading": True, "verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": [], "decode_identity_assertions": False},
}
# Failures that leave the picture and its claim whole, and only the signer unproven. The library calls a picture
# "Invalid" once the certificate of its signer has run out, so its own word is not taken.
UNPROVEN = ("signingCredential.untrusted", "signingCredential.expired", "claimSignature.outsideValidity", "timeStamp.")
BOUND = ("assertion.dataHash.match", "assertion.bmffHash.match", "assertion.boxesHash.match")
DAMAGED = ("Assertion", "AssertionNotFound", "Decoding", "Manifest", "Signature", "Verify")

# IPTC's and C2PA's "digital source type" -> what it says of the picture.
SOURCE_TYPES = {
    "trainedalgorithmicmedia": "ai",
    "trainedalgorithmicdata": "ai",
    "algorithmicmedia": "algorithm",
    "compositewithtrainedalgorithmicmedia": "ai_edit",
    "compositesynthetic": "synthetic_edit",
    "algorithmicallyenhanced": "edit",
    "minorhumanedits": "edit",
    "humanedits": "edit",
    "composite": "edit",
    "compositecapture": "edit",
    "digitalcapture": "camera",
    "computationalcapture": "camera",
    "negativefilm": "camera",
    "positivefilm": "camera",
}
# What is said -> words and what they suggest; what matters most first.
SAYINGS = {
    "ai": ("was made by generative AI", "ai_made"),
    "algorithm": ("was made by a computer program alone, without a camera", "ai_made"),
    "ai_edit": ("was edited with generative AI, or holds parts made by it", "edited"),
    "synthetic_edit": ("was put together with synthetic parts", "edited"),
    "edit": ("was edited", "edited"),
    "camera": ("was taken with a camera", "camera"),
}
EDIT_ACTIONS = frozenset(
    "c2pa." + name
    for name in "edited color_adjustments adjustedColor changedSpeed cropped deleted drawing enhanced filtered "
    "orientation placed removed resized resized.proportional dubbed addedText".split()
)


def _source_type(value: object) -> str | None:
    """The key of SAYINGS for a digital source type, given as its address or its bare name."""
    match = isinstance(value, str) and re.fullmatch(
        r"(?:https?://(?:cv\.iptc\.org/newscodes/|c2pa\.org/)digitalsourcetype/|digsrctype:)?(\w{1,60})/?",
        value.strip(),
        re.I,
    )
    return SOURCE_TYPES.get(match[1].lower()) if match else None


class _Bounded(io.BytesIO):
    """A file that ends in an error after MAX_READS, so that no layout of it can keep the library busy for long."""

    reads = 0

    def _count(self) -> None:
        self.reads += 1
        if self.reads > MAX_READS:
            raise OSError("too many reads")

    def readinto(self, buffer: Any) -> int:
        self._count()
        return super().readinto(buffer)

    def read(self, size: int | None = -1) -> bytes:
        self._count()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._count()
        return super().seek(offset, whence)


def _content_credentials(metadata: _Metadata) -> list[Finding]:
    mime = MIME.get(metadata.container)
    # Every embedded manifest store bears this label: without it, or the address of one elsewhere, spare the library.
    if mime is None or (b"c2pa" not in metadata.data and (NS_DCTERMS, "provenance") not in metadata.xmp):
        return []
    try:
        import c2pa  # late: a native library of 23 MB that few pictures need
    except Exception as error:  # absent, or not made for this machine
        log.warning("Content Credentials are not read, c2pa cannot be loaded: %r", error)
        return []
    try:
        # A context of its own for every picture: sharing one between threads or over a fork is refused.
        with c2pa.Context.from_dict(C2PA_SETTINGS) as context:
            reader = c2pa.Reader.try_create(mime, _Bounded(metadata.data), None, context)
            if reader is None:
                return []
            with reader:
                text = reader.json()
    except c2pa.C2paError as error:
        return _unreadable_credentials(c2pa.C2paError, error)
    if len(text) > 8 * MAX_TEXT:
        raise ValueError("the manifest store is longer than the limit")
    return [_judge_credentials(json.loads(text))]


def _unreadable_credentials(base: type[Exception], error: Exception) -> list[Finding]:
    log.info("Content Credentials: %s", excerpt(error, 300))
    if str(error).startswith("Remote: must fetch"):
        return [
            Finding(
                CONTENT_CREDENTIALS,
                "The file says that its Content Credentials are kept on a web site.",
                "They were not fetched, since a picture is checked here without asking anyone, so this tells nothing.",
                "neutral",
            )
        ]
    if isinstance(error, tuple(getattr(base, name) for name in DAMAGED)):
        return [_broken("Content Credentials are attached, but they are damaged and cannot be read.")]
    return []


def _broken(summary: str) -> Finding:
    return Finding(
        CONTENT_CREDENTIALS,
        summary,
        "Nothing that they say can be believed; ordinary programs that resave a picture break them too, "
        "so this alone is no sign of a forgery.",
        "neutral",
    )


def _judge_credentials(store: dict[str, Any]) -> Finding:
    results = _dict(store.get("validation_results"))
    active = _dict(results.get("activeManifest"))
    succeeded = _codes(active.get("success"))
    failed = _codes(active.get("failure")) | _codes(store.get("validation_status"))
    for delta in _list(results.get("ingredientDeltas")):
        failed |= _codes(_dict(_dict(delta).get("validationDeltas")).get("failure"))
    whole = "claimSignature.validated" in succeeded and not succeeded.isdisjoint(BOUND)
    if not whole or any(not code.startswith(UNPROVEN) for code in failed):
        log.info("Content Credentials fail: %s", excerpt(sorted(failed), 300))
        if any(code.endswith(".mismatch") for code in failed):
            return _broken("Content Credentials are attached, but they are broken: they no longer match this picture.")
        return _broken("Content Credentials are attached, but they are not valid: their signature cannot be accepted.")

    manifests = _dict(store.get("manifests"))
    manifest = _dict(manifests.get(store.get("active_manifest")))
    sayings, tools = _history(manifests, manifest)
    signature = _dict(manifest.get("signature_info"))
    signer = excerpt(signature.get("issuer") or signature.get("common_name") or "", 60)
    generators = _list(manifest.get("claim_generator_info")) or [{"name": manifest.get("claim_generator") or ""}]
    generator = excerpt(_dict(generators[0]).get("name") or "", 60)
    said = [words for key, (words, _) in reversed(SAYINGS.items()) if key in sayings]
    statement = f"the picture {' and '.join(said)}" if said else "nothing of how the picture was made"
    details = [("signed by", signer), ("written with", generator), ("tool:", tools[0] if tools else "")]
    named = ", ".join(f"{role} “{name}”" for role, name in details if name)
    if "signingCredential.trusted" in succeeded and not failed:
        meaning = "The picture is unchanged since it was signed, by a signer on a trusted list."
    else:
        expired = "signingCredential.expired" in failed
        reason = "the certificate has run out" if expired else "no list of trusted signers is used"
        meaning = (
            "The picture is unchanged since it was signed, but who signed it is not verifiable here "
            f"({reason}), and anyone can sign under any name."
        )
    suggests = next((suggests for key, (_, suggests) in SAYINGS.items() if key in sayings), "neutral")
    summary = f"Intact Content Credentials say {statement}{f' ({named})' if named else ''}."
    return Finding(CONTENT_CREDENTIALS, summary, meaning, suggests)


def _history(manifests: dict[str, Any], manifest: dict[str, Any]) -> tuple[set[str], list[str]]:
    """What a manifest and those of the pictures that it was made from say, and the tools named for what AI did."""
    sayings: set[str] = set()
    tools: list[str] = []
    seen: set[str] = set()
    queue: list[tuple[dict[str, Any], bool]] = [(manifest, True)]  # (manifest, is it of this picture or only of a part)
    while queue and len(seen) < MAX_MANIFESTS:
        manifest, own = queue.pop(0)
        for saying, tool in _statements(manifest):
            if not own:  # a photograph or a retouched picture put into this one says nothing of the whole
                saying = "ai_edit" if saying in ("ai", "ai_edit") else "edit"
            sayings.add(saying)
            if tool and saying in ("ai", "ai_edit"):
                tools.append(excerpt(tool, 60))
        for ingredient in _list(manifest.get("ingredients"))[:MAX_MANIFESTS]:
            ingredient = _dict(ingredient)
            label = ingredient.get("active_manifest")
            relationship = ingredient.get("relationship")
            if isinstance(label, str) and label not in seen and relationship in ("parentOf", "componentOf"):
                seen.add(label)
                failed = _codes(ingredient.get("validation_status"))
                failed |= _codes(
                    _dict(_dict(ingredient.get("validation_results")).get("activeManifest")).get("failure")
                )
                if all(code.startswith(UNPROVEN) for code in failed):
                    queue.append((_dict(manifests.get(label)), own and relationship == "parentOf"))
    if "ai" in sayings:
        sayings.discard("ai_edit")
    if sayings & {"ai", "algorithm", "ai_edit", "synthetic_edit"}:
        sayings.discard("edit")  # said already; a generator's own steps (a watermark, a resize) are no edits to a photo
    return sayings, tools


def _statements(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for assertion in _list(manifest.get("assertions"))[:1000]:
        assertion = _dict(assertion)
        label, data = str(assertion.get("label")), _dict(assertion.get("data"))
        if label.startswith("c2pa.actions"):
            for action in _list(data.get("actions"))[:1000]:
                yield from _action_statements(_dict(action))
        elif label.startswith(("stds.iptc", "c2pa.metadata", "cawg.metadata")):
            for key, value in data.items():
                if key.lower().endswith("digitalsourcetype") and (saying := _source_type(value)):
                    yield saying, ""


def _action_statements(action: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name, agent = action.get("action"), action.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    saying = _source_type(action.get("digitalSourceType"))
    if saying == "ai" and name != "c2pa.created":
        saying = "ai_edit"  # a step within the picture, such as a generative fill
    if saying:
        yield saying, agent if isinstance(agent, str) else ""
    if name in EDIT_ACTIONS:
        yield "edit", ""


def _codes(statuses: object) -> set[str]:
    return {str(_dict(status).get("code")) for status in _list(statuses)}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# --- XMP and IPTC ----------------------------------------------------------------------------------------------------

NS_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29"
NS_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0"
NS_XMP = "http://ns.adobe.com/xap/1.0"
NS_DC = "http://purl.org/dc/elements/1.1"
NS_DCTERMS = "http://purl.org/dc/terms"
NS_EXIF = "http://ns.adobe.com/exif/1.0"
NS_TIFF = "http://ns.adobe.com/tiff/1.0"
NS_AIGC = "http://www.tc260.org.cn/ns/AIGC/1.0"
UNSIGNED = "Such a label is unsigned, so anyone can add, change or remove it; honest programs add it to what they make."


def _source_types(metadata: _Metadata) -> Iterator[Finding]:
    """IPTC's digital source type, the name of the AI system, and the credit lines of Google's and Apple's tools."""
    sayings: dict[str, str] = {}
    for name in ("DigitalSourceType", "DigitalSourceFileType", "DigitalSourcefileType"):
        for value in metadata.xmp.get((NS_IPTC_EXT, name), []):
            if saying := _source_type(value):
                sayings.setdefault(saying, "The label “digital source type”")
    for value in metadata.xmp.get((NS_IPTC_EXT, "AISystemUsed"), []):
        if value:
            sayings.setdefault("ai", f"The label “AI system used: {excerpt(value, 60)}”")
    credits = [*metadata.xmp.get((NS_PHOTOSHOP, "Credit"), []), metadata.iptc.get("Credit", "")]
    for credit in credits:
        # A credit names people and agencies, who may well report on a generator: only the tools' own phrases count.
        if re.fullmatch(r"edited with google ai\.?", credit, re.I):
            sayings.setdefault("ai_edit", f"The credit line “{excerpt(credit)}”")
        elif re.fullmatch(r"apple image playground", credit, re.I) or (
            re.match(MADE_WITH, credit, re.I) and _named(GENERATORS, credit)
        ):
            sayings.setdefault("ai", f"The credit line “{excerpt(credit)}”")
    for saying, (words, suggests) in SAYINGS.items():
        if saying in sayings:
            yield Finding(XMP_IPTC, f"{sayings[saying]} says that the picture {words}.", UNSIGNED, suggests)


def _aigc_labels(metadata: _Metadata) -> Iterator[Finding]:
    """The label that China asks of generators (GB 45438-2025): JSON in XMP, a PNG text or the EXIF user comment."""
    candidates = [*metadata.xmp.get((NS_AIGC, "AIGC"), [])]
    candidates += [value for key, value in metadata.texts if key == "aigc"]
    direct = {name: values[0] for (namespace, name), values in metadata.xmp.items() if namespace == NS_AIGC and values}
    labels = [direct, *(_json(text) for text in candidates)]
    labels.append(_dict(_json(metadata.exif.get("UserComment", ""))).get("AIGC"))
    for label in labels:
        label = _dict(label)
        label = _dict(label.get("AIGC")) or label
        producers = [label.get(name) for name in ("ContentProducer", "ContentPropagator", "ProduceID", "PropagateID")]
        named = [name for name in producers if isinstance(name, str) and name]
        kind = str(label.get("Label"))
        if kind not in ("1", "2", "3") or not named:
            continue
        by = f" (named in it: “{excerpt(named[0], 60)}”)"
        if kind == "1":
            summary = f"China's AIGC label says that the picture was made by generative AI{by}."
        else:
            doubt = "possibly" if kind == "2" else "suspected to be"
            summary = f"China's AIGC label says that the picture is {doubt} AI-made{by}."
        yield Finding(AIGC_LABEL, summary, UNSIGNED, "ai_made" if kind == "1" else "neutral")
        return


# --- Generators' and editors' marks ----------------------------------------------------------------------------------

MADE_WITH = r"(?:made|created|generated|designed|powered) (?:with|by|using|in) "
# Matched at the beginning of a field that names the program, never in captions. A name that is also a word, a camera
# or another program (Gemini, Imagen, Flux, Grok) needs more than itself.
GENERATORS = {
    "Midjourney": r"mid ?journey\b",
    "DALL·E": r"(?:openai )?dall[-·•. ]?e\b",
    "OpenAI's image generator": r"(?:openai|chatgpt|gpt-image|gpt-4o image)\b",
    "Adobe Firefly": r"adobe firefly\b",
    "Google's image generator": r"(?:google (?:ai|gemini|imagen|generative ai)|imagen[- ]?[2-9]|nano banana)\b",
    "FLUX": r"(?:flux[. -]?[12](?:\.\d)?\b|flux[. -](?:dev|schnell|pro|kontext)\b|black forest labs\b)",
    "Stable Diffusion": r"(?:stable[- ]?diffusion|stability[. ]ai|sdxl|sd\.next|dreamstudio|automatic1111)\b",
    "Grok": r"(?:xai grok|grok(?:[ -]\d)?[ -]imag(?:e|ine))\b",
    "NovelAI": r"novelai\b",
    "InvokeAI": r"invoke-?ai\b",
    "ComfyUI": r"comfyui\b",
    "Fooocus": r"(?:ruined ?)?fooocus\b",
    "Draw Things": r"draw things(?: [\d.]+)?$",
    "SwarmUI": r"(?:stable)?swarmui\b",
    "DiffusionBee": r"diffusion ?bee\b",
    "Mochi Diffusion": r"mochi diffusion\b",
    "Easy Diffusion": r"easy ?diffusion\b",
    "Leonardo.Ai": r"leonardo(?:\.| )ai\b",
    "Ideogram": r"ideogram(?:\.ai| ai| \d|$)",
    "Microsoft's image generator": r"(?:bing image creator|(?:microsoft )?image creator from|microsoft designer)\b",
    "Meta AI": r"(?:meta ai|imagined? with (?:meta )?ai)\b",
    "Apple Image Playground": r"(?:apple )?image playground\b",
    "NightCafe": r"nightcafe\b",
    "Craiyon": r"craiyon\b",
    "Recraft": r"recraft(?:\.ai| ai| v?\d|$)",
    "Playground AI": r"playground ?ai\b",
    "Krea": r"krea(?:\.ai| ai)\b",
    "Runway": r"runway ?ml\b",
    "Seedream": r"seedream\b",
    "Jimeng": r"(?:jimeng|即梦)",
    "Doubao": r"(?:doubao|豆包)",
    "Kling": r"kling ?ai\b",
    "Qwen-Image": r"qwen-image\b",
    "StyleGAN": r"(?:stylegan|thispersondoesnotexist)\b",
}
FACE_EDITORS = {
    "FaceApp": r"face ?app\b",
    "Facetune": r"facetune",
    "Remini": r"remini\b",
    "Reface": r"reface(?: app| ai|$)",
    "Lensa": r"lensa\b",
    "YouCam": r"youcam\b",
    "BeautyPlus": r"beauty ?plus\b",
    "Meitu": r"(?:meitu|美图)",
    "AirBrush": r"airbrush(?: app| \d|$)",
    "DeepFaceLab": r"deepfacelab\b",
    "FaceFusion": r"facefusion\b",
}
EDITORS = {
    "Adobe Lightroom": r"adobe (?:photoshop )?lightroom\b|lightroom\b",
    "Adobe Photoshop": r"adobe photoshop\b|photoshop\b",
    "Adobe Camera Raw": r"adobe camera raw\b",
    "GIMP": r"(?:the )?gimp\b|gnu image manipulation",
    "Snapseed": r"snapseed\b",
    "Affinity": r"affinity\b",
    "Pixelmator": r"pixelmator\b",
    "Paint.NET": r"paint\.net\b",
    "Capture One": r"capture one\b",
    "darktable": r"darktable\b",
    "RawTherapee": r"rawtherapee\b",
    "Luminar": r"luminar\b",
    "DxO PhotoLab": r"dxo\b",
    "PaintShop Pro": r"(?:corel )?paint ?shop ?pro\b",
    "Topaz": r"topaz\b",
    "Photopea": r"photopea\b",
    "Pixlr": r"pixlr\b",
    "Canva": r"canva\b",
    "PicsArt": r"picsart\b",
    "VSCO": r"vsco\b",
    "Fotor": r"fotor\b",
    "PhotoScape": r"photoscape\b",
    "Polarr": r"polarr\b",
    "Photoleap": r"photoleap\b",
    "Krita": r"krita\b",
    "Picasa": r"picasa\b",
    "ACDSee": r"acdsee\b",
    "Windows Photo Editor": r"windows photo (?:editor|gallery)\b|microsoft windows photo",
}
GENERATING_NODE = re.compile(r"sampler|checkpoint|unet|diffusion|vae ?decode|latent|flux|cliptextencode", re.I)
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def _named(table: dict[str, str], text: str) -> str | None:
    """The program of `table` whose name `text` begins with."""
    text = text[:200].strip()
    for name, pattern in table.items():
        if re.match(rf"(?:{MADE_WITH})?(?:{pattern})", text, re.I):
            return name
    return None


def _program_fields(metadata: _Metadata) -> Iterator[tuple[str, str]]:
    """The fields that name the program that wrote the file, as (place, value)."""
    for name in ("Software", "ProcessingSoftware", "Make", "Model"):
        if isinstance(value := metadata.exif.get(name), str):
            yield f"the EXIF field {name}", value
    for key, value in metadata.texts:
        if key in ("software", "generator"):
            yield "a text field of the file", value
    for namespace, name in ((NS_XMP, "CreatorTool"), (NS_TIFF, "Software"), (NS_TIFF, "Make"), (NS_TIFF, "Model")):
        for value in metadata.xmp.get((namespace, name), []):
            yield f"the XMP field {name}", value
    if "OriginatingProgram" in metadata.iptc:
        yield "the IPTC field for the program", metadata.iptc["OriginatingProgram"]


def _free_fields(metadata: _Metadata) -> Iterator[tuple[str, str]]:
    """The fields that hold text of any kind, as (lower-case key, value)."""
    yield from metadata.texts
    for name in ("UserComment", "ImageDescription", "Make", "Model"):
        if isinstance(value := metadata.exif.get(name), str):
            # ComfyUI writes EXIF fields as "prompt:{…}" and "workflow:{…}".
            key, colon, rest = value.partition(":")
            if colon and key.lower() in ("prompt", "workflow"):
                yield key.lower(), rest
            else:
                yield name.lower(), value
    for namespace, name in ((NS_DC, "description"), (NS_EXIF, "UserComment")):
        for value in metadata.xmp.get((namespace, name), []):
            yield name.lower(), value
    if "Caption" in metadata.iptc:
        yield "description", metadata.iptc["Caption"]


def _generators(metadata: _Metadata) -> Iterator[Finding]:
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if name := _named(GENERATORS, value):
            found.setdefault(name, f"{place} says “{excerpt(value, 60)}”")
    keys = {key: value for key, value in metadata.texts}
    untold: dict[str, str] = {}
    for key, value in _free_fields(metadata):
        mark = _mark(key, value, keys)
        if mark and mark[2]:
            found.setdefault(mark[0], mark[1])
        elif mark:
            untold.setdefault(mark[0], mark[1])
    for name, evidence in list(found.items())[:5]:
        yield Finding(
            GENERATOR_MARK,
            f"The file bears the mark of {name}, a generator of pictures: {evidence}.",
            "The program or a copy of its fields wrote this; such marks are unsigned, can be forged, and do not tell "
            "how much of the picture is generated.",
            "ai_made",
        )
    for name, evidence in untold.items():
        if name not in found:
            yield Finding(
                GENERATOR_MARK,
                f"The file went through {name}: {evidence}, but none of the steps in it is known to generate pictures.",
                "Such programs also resize and convert ordinary photographs, so this tells little.",
                "neutral",
            )


def _mark(key: str, value: str, keys: dict[str, str]) -> tuple[str, str, bool] | None:
    """(program, its mark, whether it generated anything) for a text field that only a generator writes."""
    if key in ("parameters", "usercomment", "comment", "description", "imagedescription"):
        scheme = keys.get("fooocus_scheme", "").lower()
        if _is_settings(value):
            if key == "parameters" and scheme in ("fooocus", "a1111"):
                return "Fooocus", "it holds the settings of a generation", True
            return "a Stable Diffusion program", "it holds the settings of a generation (steps, sampler, seed)", True
        if re.search(rf"\bJob ID: {UUID}", _ends(value), re.I):
            return "Midjourney", "its description ends in a Midjourney job number", True
    if not value.lstrip().startswith("{"):
        if key == "dream" and value.startswith('"'):
            options = value.rpartition('"')[2]
            if all(re.search(pattern, options) for pattern in (r" -s ?\d", r" -S ?\d", r" -C ?\d")):
                return "InvokeAI", "it holds the settings of a generation", True
        return None
    if key not in MARK_KEYS:
        return None
    content = _dict(_json(value))
    if isinstance(content.get("sui_image_params"), dict) and len(content["sui_image_params"]) > 2:
        return "SwarmUI", "it holds the settings of a generation", True
    if key in ("prompt", "workflow", "usercomment"):
        nodes = _node_types(content)
        if len(nodes) > 1:
            generates = any(GENERATING_NODE.search(node) for node in nodes)
            return "ComfyUI", "it holds a graph of processing steps", generates
    if key == "parameters" and keys.get("fooocus_scheme", "").lower() in ("fooocus", "a1111"):
        if len(content.keys() & {"prompt", "base_model", "seed", "sampler", "performance", "styles"}) > 2:
            return "Fooocus", "it holds the settings of a generation", True
    if key == "usercomment" and content.get("metadata_scheme") == "fooocus" and "base_model" in content:
        return "Fooocus", "it holds the settings of a generation", True
    invoke = {
        "positive_prompt",
        "negative_prompt",
        "model",
        "seed",
        "steps",
        "scheduler",
        "generation_mode",
        "app_version",
    }
    if key == "invokeai_metadata" and len(content.keys() & invoke) > 2:
        return "InvokeAI", "it holds the settings of a generation", True
    if (
        key == "sd-metadata"
        and isinstance(content.get("image"), dict)
        and content.keys() & {"app_id", "model", "model_hash"}
    ):
        return "InvokeAI", "it holds the settings of a generation", True
    if (
        key == "comment"
        and len(content.keys() & {"prompt", "uc", "steps", "sampler", "seed", "scale", "n_samples"}) > 3
    ):
        return "NovelAI", "it holds the settings of a generation", True
    return None


MARK_KEYS = frozenset("parameters prompt workflow usercomment invokeai_metadata sd-metadata comment".split())


def _is_settings(text: str) -> bool:
    """The last line that AUTOMATIC1111's web UI, its relatives and Civitai write: "Steps: 20, Sampler: …, Seed: …"."""
    text = _ends(text)
    return (
        re.search(r"\bSteps: \d{1,5},", text) is not None
        and re.search(r"\bSeed: \d", text) is not None
        and sum(
            re.search(pattern, text) is not None
            for pattern in (
                r"\bSampler: \w",
                r"\b(?:CFG|Guidance) [sS]cale: \d",
                r"\bSize: \d+x\d+",
                r"\bModel(?: hash)?: \w",
            )
        )
        > 1
    )


def _ends(text: str) -> str:
    return text if len(text) <= 2 * SCAN else text[:SCAN] + "\n" + text[-SCAN:]


def _node_types(content: dict[str, Any]) -> list[str]:
    """The kinds of node of a ComfyUI graph, [] where this is none: its `prompt` form or its `workflow` form."""
    if isinstance(content.get("prompt"), dict):  # Civitai keeps both forms in one object
        content = content["prompt"]
    nodes = content.get("nodes")
    if isinstance(nodes, list) and isinstance(content.get("links"), list):
        kinds = [node.get("type") if isinstance(node, dict) and "id" in node else None for node in nodes]
    else:
        kinds = [
            node.get("class_type") if isinstance(node, dict) and isinstance(node.get("inputs"), dict) else None
            for node in content.values()
            if isinstance(node, dict)
        ]
    return kinds if kinds and all(isinstance(kind, str) for kind in kinds) else []


def _json(text: object) -> Any:
    """Parsed JSON, None where it is none: deep nesting and endless numbers included."""
    if not isinstance(text, str) or len(text) > MAX_TEXT or not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _editors(metadata: _Metadata) -> Iterator[Finding]:
    found: dict[str, str] = {}
    for place, value in _program_fields(metadata):
        if not place.endswith(("Make", "Model")) and (name := _named(FACE_EDITORS, value) or _named(EDITORS, value)):
            found.setdefault(name, f"{place} says “{excerpt(value, 60)}”")
    for name, evidence in list(found.items())[:5]:
        if name in FACE_EDITORS:
            meaning = (
                "This app can change faces, but the file does not tell what was changed, and the field can be forged."
            )
        else:
            meaning = (
                "Most published photographs pass through such a program, and the file does not tell what was changed."
            )
        yield Finding(EDITOR_MARK, f"The file was saved by {name}: {evidence}.", meaning, "edited")


# --- Camera ----------------------------------------------------------------------------------------------------------

SHOT_FIELDS = ("DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength", "LensModel")


def _camera(metadata: _Metadata) -> Iterator[Finding]:
    """A maker and a model alone are in scans and exports too: the circumstances of a shot must be there with them."""
    make, model = metadata.exif.get("Make"), metadata.exif.get("Model")
    if not isinstance(make, str) or not isinstance(model, str) or _named(GENERATORS, make) or _named(GENERATORS, model):
        return
    shot = [name for name in SHOT_FIELDS if metadata.exif.get(name) not in (None, "", 0)]
    if len(shot) < 3:
        return
    make, model = excerpt(make, 40), excerpt(model, 60)
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    taken = excerpt(metadata.exif.get("DateTimeOriginal", ""), 19)
    on = f", taken at {taken.replace(':', '-', 2)}" if re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", taken) else ""
    yield Finding(
        CAMERA_EXIF,
        f"The file carries the fields that a camera writes: {camera}{on}, with {len(shot)} of {len(SHOT_FIELDS)} "
        "details of the shot.",
        "EXIF is easily forged or copied from another picture, and it stays when a photograph is changed afterwards.",
        "camera",
    )
