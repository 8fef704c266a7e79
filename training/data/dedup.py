"""Pictures of one set that another holds too, at whatever size and quality: photographs are passed on, and a set by
another name need not be unseen."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from detector.crop import crop_face
from training.data import face_cache, folders, tables
from training.data.face_cache import Face, Split
from training.data.sources import Source
from training.errors import TrainingError
from training.files import write

log = logging.getLogger(__name__)

_SIZE, _MARGIN = 32, 1.2
# The same photograph in two sizes has 0.97 at least, the most alike of two photographs 0.96.
_DUPLICATES_FROM = 0.97


def exclude(places: Sequence[str], split: str, data: Sequence[str], *, cache: Path | None = None) -> None:
    """List in every folder the pictures of its `split` that are in the train splits of `data` too: from then on it is
    read without them. Raises TrainingError."""
    for folder in places:
        if not Path(folder).is_dir():
            raise TrainingError(f"{folder} is not a folder here: what is excluded from a set is listed in its folder.")
    known = [face_cache.load(Source.parse(text), "train", cache=cache) for text in data]
    for folder in places:
        before = tables.excluded(folder)
        of = face_cache.load(Source(folder), split, cache=cache)
        found = digests(of, known) - before
        if found:
            write(Path(folder) / folders.EXCLUDED[0], ("\n".join(sorted(before | found)) + "\n").encode())
        log.info("%s %s: %d pictures excluded, which are trained on", of.name, split, len(found))


def digests(of: Split, among: Sequence[Split], threads: int = 4) -> set[str]:
    """sha256 of the pictures of a split whose labelled face is in one of the others: the correlation of the two
    faces' small grey crops is that of one photograph."""
    known = np.concatenate([_thumbnails(split, threads) for split in among])
    alike = (_thumbnails(of, threads) @ known.T).max(axis=1, initial=-1.0)
    found = [face.index for face, most in zip(of.faces, alike, strict=True) if most > _DUPLICATES_FROM]
    return {tables.digest_of(of.file(index)) for index in found}


def _thumbnails(split: Split, threads: int) -> np.ndarray:
    """float32 (N, 1024), each of mean 0 and length 1."""

    def one(face: Face) -> np.ndarray:
        crop = crop_face(split.pixels(face), face.box, _SIZE, _MARGIN, roll=face.roll)
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()
        grey -= grey.mean()
        return np.asarray(grey / (np.linalg.norm(grey) + 1e-6))

    with ThreadPoolExecutor(threads) as pool:
        return np.array(list(pool.map(one, split.faces)), np.float32).reshape(-1, _SIZE**2)
