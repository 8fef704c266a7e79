"""The pictures of a folder: one walk for the command line, bulk judging, forging, training and the game."""

import os
import re
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detector.picture import SUFFIXES, begins_like_a_picture
from detector.text import visible

# What systems put beside people's pictures, in small letters: Windows, macOS' zips, Linux, Synology, QNAP. Hidden
# files and folders are another part: thumbnails, waste bins, and what macOS writes as "._photo.jpg".
_ADDED = frozenset(
    "thumbs.db ehthumbs.db desktop.ini $recycle.bin found.000 __macosx lost+found @eadir #recycle #snapshot @recycle "
    "@recently-snapshot".split()
) | {"system volume information"}
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,6}")  # what another file has, and no part of a name such as "Mr. Smith"
_NAMED = 5


@dataclass
class PassedOver:
    """What a walk did not take for pictures: how many files and folders that systems add, and files of other kinds."""

    added: int = 0
    others: Counter[str] = field(default_factory=Counter)  # by suffix in small letters

    def __str__(self) -> str:
        """A sentence, "" where nothing was passed over."""
        ordered = sorted(self.others.items(), key=lambda item: (-item[1], item[0]))
        kinds = [f"{count} {visible(kind) or 'without a suffix'}" for kind, count in ordered[:_NAMED]]
        if more := sum(count for _, count in ordered[_NAMED:]):
            kinds.append(f"{more} of other kinds")
        if self.added:
            kinds.append(f"{self.added} that systems add (hidden files, thumbnails)")
        return f"Skipped, not pictures: {', '.join(kinds)}." if kinds else ""


def added_by_systems(name: str) -> bool:
    """Whether a file or folder of this name was added by the system, not by a person."""
    return name.startswith(".") or name.lower() in _ADDED


def suffix_of(name: str) -> str:
    """The suffix in small letters; "" where the name has none that tells a kind of file."""
    suffix = os.path.splitext(name)[1]
    return suffix.lower() if _SUFFIX.fullmatch(suffix) else ""


def pictures(folder: Path, passed: PassedOver, also: Container[str] = ()) -> Iterator[Path]:
    """The files below a folder, in the order of their names, that are called as the kinds that are read, or `also` by
    these suffixes; of those without a suffix, what begins like a picture. Linked folders are walked as others are. A
    folder that cannot be opened comes itself: reading it says so. What is left out is counted in `passed`."""
    yield from _below(folder, passed, also, frozenset())


def _below(folder: Path, passed: PassedOver, also: Container[str], above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    try:
        told = folder.stat()
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    here = (told.st_dev, told.st_ino)
    if here in above:  # a link that leads back
        return
    for entry in found:
        if added_by_systems(entry.name):
            passed.added += 1
        elif _is_folder(entry):
            yield from _below(folder / entry.name, passed, also, above | {here})
        elif (suffix := suffix_of(entry.name)) in SUFFIXES or suffix in also or (not suffix and _is_picture(entry)):
            yield folder / entry.name
        else:
            passed.others[suffix] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to where nobody may look
        return False


def _is_picture(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file():  # a pipe would be waited for
            return False
        with open(entry, "rb") as file:
            return begins_like_a_picture(file.read(16))
    except OSError:
        return False
