"""The gallery of the game: the bundled pictures, a folder, or a data set on the Hub."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detector import ImageError, picture, settings, walk
from detector.errors import Told

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent / "gallery"
LIST = "gallery.json"
MOST = 50  # pictures of each kind that are taken of a large collection, evenly spread
_TOLD = ("made", "source", "caption")
_KINDS = {"real": False, "fake": True}


@dataclass(frozen=True)
class Shown:
    """One picture of the game. `made`, `source` and `caption` are sentences for the player, empty where nobody wrote
    any; `who` is seen in it, where that is known."""

    file: Path
    is_fake: bool
    made: str = ""
    source: str = ""
    caption: str = ""
    who: str = ""

    @property
    def person(self) -> str:
        """Nobody is shown twice in a game."""
        return self.who or str(self.file)


class GalleryError(Told):
    """A gallery that cannot be used; the message is a sentence for whoever configured it."""


Look = Callable[[Path], object]  # raises ImageError where there is no picture


def load(place: str | None = None, look: Look = picture.read) -> list[Shown]:
    """The pictures of `place`: a folder, or a data set `owner/name` or `owner/name@revision` on the Hub; the bundled
    ones for None, and, with a line in the log, where `place` cannot be used.

    A folder holds a gallery.json like the bundled one's, or pictures below folders called Real and Fake.
    """
    if place:
        try:
            return read(Path(place) if Path(place).is_dir() else _download(place), look)
        except GalleryError as error:
            log.warning("%s The game shows the bundled pictures.", error)
        except (OSError, ValueError):  # of a name that nothing can have, or a folder that may not be opened
            log.warning("DETECTOR_GALLERY cannot be opened: check it. The game shows the bundled pictures.")
    return read(BUNDLED, look)


def read(folder: Path, look: Look = picture.read) -> list[Shown]:
    """The pictures of a folder that can be read, at most MOST of each kind. Raises GalleryError without both kinds."""
    listed = _listed(folder) if (folder / LIST).exists() else _by_folder(folder)
    kept = [shown for is_fake in (False, True) for shown in _some([s for s in listed if s.is_fake is is_fake])]
    kept = [shown for shown in kept if _readable(shown.file, look)]
    if len({shown.is_fake for shown in kept}) < 2:
        raise GalleryError(f"The gallery {folder.name} needs pictures of both kinds, in folders called Real and Fake.")
    return kept


def _listed(folder: Path) -> list[Shown]:
    try:
        rows = json.loads((folder / LIST).read_text("utf-8"))
        listed = [
            Shown(
                folder / row["file"],
                _KINDS[row["label"]],
                row["made"],
                row["source"],
                row["caption"],
                row.get("who", ""),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalleryError(f"The {LIST} of {folder.name} is invalid ({error!r}): fix it.") from None
    names = [shown.file.relative_to(folder) if shown.file.is_relative_to(folder) else None for shown in listed]
    if any(name is None or ".." in name.parts for name in names):
        raise GalleryError(f"The {LIST} of {folder.name} names files outside of it: fix it.")
    return listed


def _by_folder(folder: Path) -> list[Shown]:
    found = []
    for file in walk.pictures(folder, walk.PassedOver()):
        kinds = [_KINDS[part.lower()] for part in file.relative_to(folder).parts[:-1] if part.lower() in _KINDS]
        if kinds:
            found.append(Shown(file, kinds[-1]))
    return found


def _some(listed: list[Shown]) -> list[Shown]:
    step = max(1.0, len(listed) / MOST)
    return [listed[int(i * step)] for i in range(min(MOST, len(listed)))]


def _readable(file: Path, look: Look) -> bool:
    try:
        look(file)
    except ImageError as error:
        log.warning("A picture of the gallery is left out: %s", error)
        return False
    return True


def _download(name: str) -> Path:
    """The folder with the pictures of a data set on the Hub, from the cache where it was fetched before."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise GalleryError(
            f"The gallery {name} is not a folder, and huggingface_hub is not installed to fetch it."
        ) from None
    repo, _, revision = name.partition("@")
    patterns = [LIST, *(f"*{form(suffix)}" for suffix in sorted(picture.SUFFIXES) for form in (str, str.upper))]
    try:
        folder = snapshot_download(repo, repo_type="dataset", revision=revision or None, allow_patterns=patterns)
    except (OSError, ValueError) as error:  # HfHubHTTPError is an OSError, a malformed name a ValueError
        log.info("The Hub's answer: %s", error)
        raise GalleryError(
            f"The gallery {name} is not a folder here and could not be fetched from the Hub: check its name."
        ) from None
    return Path(folder)


def configured(look: Look) -> list[Shown]:
    """What the environment variable DETECTOR_GALLERY names, or the bundled pictures."""
    return load(settings.read().gallery, look)
