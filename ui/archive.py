"""Zip files of strangers: the pictures in them, read one at a time into memory and never unpacked to disk."""

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from detector import ImageError, picture, walk
from ui import uploads
from ui.zip_names import names_of

_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # of a zip, and of an empty one
_CHUNK = 1 << 20
_SMALL = 1_000_000  # bytes: what unpacks to no more may shrink as it likes
_DIRECTORY_BYTES = 2_000_000  # of the list of a zip's files: some ten thousands

_LEADS_OUT = "Its path leads out of the zip: pack it again without “..” and without a leading slash."
_LINK = "This is a link or a device, not a file: put the picture itself into the zip."
_LOCKED = "It is locked with a password: pack the zip without one."
_METHOD = "Its compression is not supported: make an ordinary zip."
_NESTED = "A zip in a zip is not opened: take it out and send it by itself."
_TIGHT = f"It unpacks to over {uploads.UNPACKED_RATIO} times its size, as no photograph does: send the picture itself."
_DAMAGED = "It is damaged in the zip and could not be unpacked: pack the zip again."
_NO_ZIP = "This zip could not be opened: it is damaged, or not a zip. Pack it again."
_CROWDED = f"This zip lists far too many files: pack the pictures alone, at most {uploads.BATCH_FILES}."
_LARGE = f"This zip is larger than the limit of {uploads.ZIP_BYTES / 1e6:.0f} MB: split it."


@dataclass
class Listed:
    """How many more files the zips of one batch may list, those that are passed over among them."""

    left: int = 100 * uploads.BATCH_FILES


@dataclass(frozen=True)
class Entry:
    """A file of a zip. `name` is its path in there, fit to be shown; `size` what it unpacks to, in bytes, as the zip
    says, 0 where it is refused."""

    name: str
    size: int
    refusal: str | None
    _zip: zipfile.ZipFile = field(repr=False)
    _info: zipfile.ZipInfo = field(repr=False)

    def read(self) -> bytes:
        """Its bytes. From any thread, while the zip is open. Raises ImageError."""
        if self.refusal:
            raise ImageError(self.refusal)
        data = bytearray()
        try:
            with self._zip.open(self._info) as stream:
                while chunk := stream.read(_CHUNK):
                    data += chunk
                    if len(data) > picture.MAX_BYTES:  # whatever size the zip told
                        raise picture.oversize(picture.MAX_BYTES)
        except ImageError:
            raise
        except Exception:  # zipfile and zlib raise many things on hostile data
            raise ImageError(_DAMAGED) from None
        if data.startswith(_STARTS):
            raise ImageError(_NESTED)
        return bytes(data)


def is_zip(source: str | bytes, name: str) -> bool:
    """Whether the file at the path `source`, or of these bytes, begins like a zip or is called one by its `name`."""
    if name.lower().endswith(".zip"):
        return True
    if isinstance(source, bytes):
        return source.startswith(_STARTS)
    try:
        with open(source, "rb") as file:
            return file.read(4) in _STARTS
    except OSError:  # who reads it as a picture says what is wrong
        return False


@contextmanager
def opened(source: str | bytes, listed: Listed | None = None) -> Iterator[list[Entry]]:
    """The files of a zip, a path or bytes, in its own order, without folders and what systems add unasked. They count
    against what is left in `listed`, by default what one batch may have.

    Raises ImageError for what is not a zip, is too large, lists too many files or has none.
    """
    listed = listed or Listed()
    if listed.left < 0:
        raise ImageError(_CROWDED)
    try:
        raw = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb", buffering=0)  # noqa: SIM115
    except OSError:
        raise ImageError(_NO_ZIP) from None
    with _Bounded(raw) as file:
        if file.seek(0, os.SEEK_END) > uploads.ZIP_BYTES:
            raise ImageError(_LARGE)
        try:
            archive = zipfile.ZipFile(file)
        except ImageError:
            raise
        except Exception:  # as in Entry.read
            raise ImageError(_NO_ZIP) from None
        infos = archive.infolist()
        listed.left -= len(infos)
        if listed.left < 0:
            raise ImageError(_CROWDED)
        named = zip(infos, names_of(infos), strict=True)
        entries = [_entry(archive, info, name) for info, name in named if not _is_noise(info, name)]
        if not entries:
            raise ImageError("There is no picture in this zip: add some and pack it again.")
        yield entries


class _Bounded(io.BufferedReader):
    """zipfile reads the list of a zip's files in one go: that of millions would fill the memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _DIRECTORY_BYTES:
            raise ImageError(_CROWDED)
        return super().read(size)


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _is_noise(info: zipfile.ZipInfo, name: str) -> bool:
    """A folder, or a file that the system of whoever packed the zip has added: ".DS_Store", "__MACOSX/…"."""
    parts = _parts(name)
    added = any(walk.added_by_systems(part) for part in parts if part != "..")
    return not parts or added or info.is_dir()  # in this order: zipfile fails on an empty name


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Entry:
    refusal = _refusal(info, name)
    return Entry(uploads.plain_name(name), 0 if refusal else info.file_size, refusal, archive, info)


def _refusal(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why this file of a zip is not even unpacked."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if PureWindowsPath(name).anchor or ".." in _parts(name):
        return _LEADS_OUT
    if kind not in (0, stat.S_IFREG):
        return _LINK
    if info.flag_bits & 0x41:  # encrypted, strongly or not
        return _LOCKED
    # The others unpack a chunk without a bound on what comes out.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return _METHOD
    if name.lower().endswith(".zip"):
        return _NESTED
    if info.file_size > picture.MAX_BYTES:
        return str(picture.oversize(picture.MAX_BYTES))
    if info.file_size > max(_SMALL, uploads.UNPACKED_RATIO * info.compress_size):
        return _TIGHT
    return None
