"""What is fuzzed: one function a room, that takes the bytes of a file and raises where a promise is broken.

The documented errors are answers, not findings: ImageError for pictures and zips, ModelError for a model folder.
"""

import hashlib
import json
import random
import re
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from detector import ImageError, ModelError, picture, provenance
from detector.model_folder import store

Mutate = Callable[[bytes, int], bytes]  # the fuzzer's own: bytes and how many it may become

MODEL = b"the network that the seed configurations are of; nothing runs it"

_SENTENCE = 300  # characters that a person reads
_ENTRIES = 20  # of a zip that are unpacked in a run


class Broken(AssertionError):
    """A promise that was not kept; the message says which."""


def look_at_picture(data: bytes) -> None:
    """detector.picture.read: pixels within the limits, or a sentence."""
    try:
        read = picture.read(data)
    except ImageError as error:
        _check_sentence(str(error))
        return
    pixels = read.pixels
    _check(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3, "pixels are not uint8 RGB")
    _check(min(pixels.shape[:2]) >= picture.MIN_SIDE, "a side is shorter than the limit")
    _check(pixels.shape[0] * pixels.shape[1] <= picture.MAX_PIXELS, "more pixels than the limit")
    _check(read.sha256 == hashlib.sha256(data).hexdigest(), "the checksum is of another file")


def read_provenance(data: bytes) -> None:
    """detector.provenance.read: findings in plain words, whatever the file; it never raises."""
    for finding in provenance.read(data, None):
        _check(finding.suggests in list(provenance.Suggests), f"suggests {finding.suggests!r}")
        for text in (finding.source, finding.summary, finding.meaning):
            _check(0 < len(text) <= 3 * _SENTENCE, f"a text of {len(text)} characters")
            _check("<" not in text and "\n" not in text and "\0" not in text, f"markup or control in {text!r}")
            text.encode()  # no half of a surrogate pair: no client could read it


def open_zip(data: bytes) -> None:
    """ui.archive: the entries of a zip, each its bytes or a sentence."""
    from ui import archive, uploads  # late, as below: gradio, which only these two need

    archive.is_zip(data, "")
    try:
        with archive.opened(data) as entries:
            for entry in entries[:_ENTRIES]:
                name = entry.name.replace("\u200c", "").replace("\u200d", "")  # joiners, which some scripts need
                _check(name.isprintable(), "a name with controls")
                _check(len(entry.name) <= uploads.LONGEST_NAME, "a name too long to read")
                entry.name.encode()
                try:
                    _check(len(entry.read()) <= picture.MAX_BYTES, "an entry larger than the limit")
                except ImageError as error:
                    _check_sentence(str(error))
    except ImageError as error:
        _check_sentence(str(error))


def load_config(data: bytes) -> None:
    """detector.model_folder.store.load of a folder with this config.json, and what the page says of such a model."""
    from ui import about

    folder = _model_folder()
    (folder / store.CONFIG).write_bytes(data)
    try:
        loaded = store.load(folder)
    except ModelError as error:
        _check_sentence(str(error))
        return
    sha256 = hashlib.sha256(MODEL).hexdigest()
    _check(all(network.sha256 == sha256 for network in loaded.config.networks), "a model of another hash was taken")
    for network in loaded.config.networks:
        sound = 32 <= network.input_size <= 1024 and 0.5 <= network.crop_margin <= 4
        _check(sound, "a size or margin outside the limits")
    p = loaded.calibration.score(np.array([-1e30, 0, 1e30]))
    _check(bool(np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()), "P(fake) outside [0, 1]")
    _as_sent(asdict(loaded.info))
    _as_sent(about.describe(loaded))
    about.model_html(loaded).encode()


def _as_sent(answer: dict[str, Any]) -> None:
    """As gradio sends it, which orjson writes, and as the command line prints it."""
    import orjson

    orjson.dumps(answer)
    json.dumps(answer, ensure_ascii=False).encode()


@cache
def _model_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="reliability-"))
    (folder / store.MODEL).write_bytes(MODEL)
    return folder


def _check(kept: bool, what: str) -> None:
    if not kept:
        raise Broken(what)


def _check_sentence(text: str) -> None:
    _check(text.endswith(".") and len(text) <= _SENTENCE, f"no sentence for a person: {text[:_SENTENCE]!r}")
    _check(text.isprintable(), f"characters that cannot be shown: {text!r}")
    text.encode()


# ---- mutations that keep what is checked before the interesting part ---------------------------------------------


def mutate_picture(data: bytes, limit: int, draw: random.Random, mutate: Mutate) -> bytes:
    """PNG chunks mostly get their checksums right again: nothing behind a wrong one is read."""
    data = _repeated(data, limit, draw) if draw.random() < 0.02 else mutate(data, limit)
    if not data.startswith(_PNG) or draw.random() < 0.2:
        return data
    out, at = bytearray(_PNG), len(_PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        out += data[at:end] + zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out + data[at:])[:limit]


def _repeated(data: bytes, limit: int, draw: random.Random) -> bytes:
    """With some part of it many times over, as long as a file may be: readers are slow where there is much of one."""
    start = draw.randrange(max(1, len(data)))
    part = data[start : start + draw.choice((2, 12, 64, 512, 4096))]
    return data[:start] + part * draw.randrange(max(1, (limit - len(data)) // max(1, len(part)) + 1)) + data[start:]


_PNG = b"\x89PNG\r\n\x1a\n"


def mutate_config(data: bytes, limit: int, draw: random.Random, mutate: Mutate) -> bytes:
    """Half of the time values of the JSON are replaced, removed or renamed: changed bytes are rarely JSON."""
    content = None
    try:
        content = json.loads(data) if draw.random() < 0.5 else None
        for _ in range(draw.randint(1, 3)):
            content = content and _changed(content, draw)
        changed = json.dumps(content).encode()
    except (ValueError, RecursionError):
        changed = b""
    return changed if content and 0 < len(changed) <= limit else mutate(data, limit)


def _changed(content: Any, draw: random.Random) -> Any:
    """A copy with one value changed, somewhere on a random way down."""
    if isinstance(content, dict) and content and draw.random() < 0.9:
        key = draw.choice(list(content))
        match draw.randrange(8):
            case 0:
                return {k: v for k, v in content.items() if k != key}
            case 1:
                return {**content, draw.choice([key + "_", "calibration", "versions", "data", "bands"]): _nasty(draw)}
            case 2:
                return {**content, key: content[draw.choice(list(content))]}
        return {**content, key: _changed(content[key], draw)}
    if isinstance(content, list) and content and draw.random() < 0.7:
        at = draw.randrange(len(content))
        return [*content[:at], _changed(content[at], draw), *content[at + 1 :]]
    return _nasty(draw)


_NUMBERS = (
    0,
    1,
    -1,
    2,
    32,
    224,
    1024,
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    1e-320,
    0.999999,
    *map(float, ("nan", "inf")),
)
_TEXTS = (
    "",
    "0",
    "nan",
    "-inf",
    "1e999",
    "1_0",
    " 2 ",
    "x" * 70_000,
    "\ud800",
    "\u202e",
    "a\nb\0",
    "<script>",
    "../..",
)
_COUNTS = {"train": {"real": 1, "fake": "2"}, "validation": {"real": 1e300, "fake": None}}
_VALUES = (*_NUMBERS, *_TEXTS, None, True, [], {}, [[]], [1, 2], {"real_below": 0.2, "fake_above": 0.9}, {"a": _COUNTS})


def _nasty(draw: random.Random) -> Any:
    value = draw.choice(_VALUES)
    for _ in range(draw.choice((5, 200, 900)) if draw.random() < 0.05 else 0):
        value = [value]
    return value


def mutate_zip(data: bytes, limit: int, draw: random.Random, mutate: Mutate) -> bytes:
    """Half of the time fields of the headers get numbers at their limits."""
    headers = [match.start() for match in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", data)]
    if not headers or draw.random() < 0.5:
        return mutate(data, limit)
    changed = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        size = draw.choice((2, 4))
        at = draw.choice(headers) + 4 + draw.randrange(0, 42, 2)
        top = (1 << 8 * size) - 1
        number = draw.choice((0, 1, 2, 8, 9, 12, 14, 20, 99, top, top - 1, top // 2, len(data), draw.randint(0, top)))
        changed[at : at + size] = number.to_bytes(size, "little")
    return bytes(changed[:limit])


@dataclass(frozen=True)
class Target:
    run: Callable[[bytes], None]
    mutate: Callable[[bytes, int, random.Random, Mutate], bytes]


TARGETS = {
    "picture": Target(look_at_picture, mutate_picture),
    "provenance": Target(read_provenance, mutate_picture),
    "zip": Target(open_zip, mutate_zip),
    "config": Target(load_config, mutate_config),
}
