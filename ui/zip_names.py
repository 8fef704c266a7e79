"""What the files of a zip are called. Many packers write names in an encoding of their own and do not say which."""

import zipfile
import zlib
from collections.abc import Sequence

import chardet

_IN_UTF8 = 0x800  # of a file's flags
_UNICODE_PATH = 0x7075  # Info-ZIP's field for the name in UTF-8
# What macOS writes, Windows in Japan, China, Taiwan and Korea, in the West, and where Cyrillic is read.
_ENCODINGS = ("utf-8", "cp932", "gb18030", "big5", "cp949", "cp437", "cp850", "cp866")


def names_of(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The path of each file as its packer meant it."""
    told = [_told(info) for info in infos]
    raw = [_raw(info) if name is None else b"" for info, name in zip(infos, told, strict=True)]
    # All names together: one alone may be too short to tell by.
    found = chardet.detect(b"\n".join(filter(None, raw)), include_encodings=_ENCODINGS, no_match_encoding="cp437")
    encoding = found["encoding"] or "cp437"
    return [data.decode(encoding, "replace") if name is None else name for data, name in zip(raw, told, strict=True)]


def _told(info: zipfile.ZipInfo) -> str | None:
    """The name where the zip says its encoding, or where every encoding gives the same."""
    if info.flag_bits & _IN_UTF8 or info.orig_filename.isascii():
        return info.filename
    fields = info.extra
    while len(fields) >= 4:
        kind, size = int.from_bytes(fields[:2], "little"), int.from_bytes(fields[2:4], "little")
        field, fields = fields[4 : 4 + size], fields[4 + size :]
        # Its checksum tells whether the name was changed later by a program that does not know the field.
        if kind == _UNICODE_PATH and field[:5] == b"\1" + zlib.crc32(_raw(info)).to_bytes(4, "little"):
            return field[5:].decode("utf-8", "replace")
    return None


def _raw(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("cp437").partition(b"\0")[0]  # zipfile has decoded it with this
