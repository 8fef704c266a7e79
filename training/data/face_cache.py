"""The faces of a split: found once, by the face detector, and kept in a cache."""

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import datasets
import numpy as np
import pyarrow.parquet as pq

from detector import crop, face_detector, picture, settings
from detector.errors import ImageError
from detector.model_folder import Generator
from detector.result import Face as JudgedFace
from training.data import folders, tables
from training.data.sources import Source, generator
from training.errors import TrainingError
from training.files import atomic_path

AnyFace = TypeVar("AnyFace", face_detector.DetectedFace, JudgedFace)
log = logging.getLogger(__name__)

PAIR = "pair"  # the column that names the pair whose half a picture is
_MAX_NAMED = 20
SURELY_A_FACE = 0.3  # least score in data sets, whose pictures are known to show a face


@dataclass(frozen=True)
class Face:
    """Row `index` of its split: `target` is 1.0 for a forged face, 0.0 for a real one. `box` is the face that the
    label is about, the one nearest to the middle; `keypoints` (5, 2) as in detector.face_detector; `count` all faces
    found."""

    index: int
    target: float
    box: tuple[float, float, float, float]
    keypoints: np.ndarray
    count: int

    @property
    def roll(self) -> float:
        return crop.roll(self.keypoints)


@dataclass(frozen=True)
class Split:
    """One split of one source, its faces found. `labels` float32, 1 for fake, are those of all `rows`; `broken` and
    `faceless` name the rows that `faces` leaves out."""

    name: str
    rows: datasets.Dataset
    labels: np.ndarray
    faces: list[Face]
    broken: list[str]
    faceless: list[str]

    def __len__(self) -> int:
        return len(self.faces)

    def file(self, index: int) -> bytes:
        """The picture file of row `index`, as it is."""
        return tables.file_of(self.rows[index])

    def pixels(self, face: Face) -> np.ndarray:
        """The whole picture that `face` is in, uint8 RGB (H, W, 3)."""
        return picture.read(self.file(face.index)).pixels

    def column(self, name: str) -> np.ndarray:
        """What the column `name` says of each row, str (rows,); "" where it says nothing or is not there."""
        if name not in (self.rows.column_names or ()):
            return np.full(len(self.rows), "")
        return np.array([str(value or "") for value in self.rows[name]])

    def generators(self, source: Source) -> tuple[Generator, ...]:
        """What made its fakes: as the column `generator` says, else as is known of the source."""
        names = np.unique(self.column("generator")[self.labels > 0.5])
        named = tuple(generator(str(name)) for name in names if name)
        known = source.generator if (self.labels > 0.5).any() else None
        return named or ((known,) if known else ())

    def pairs(self) -> list[tuple[int, int]]:
        """Numbers in `faces` of a fake face and the real one that it was made of: the column `pair` says the same of
        both. What has no counterpart is a face like any other."""
        names = self.column(PAIR)
        real = {names[face.index]: n for n, face in enumerate(self.faces) if face.target == 0.0}
        fakes = [(n, names[face.index]) for n, face in enumerate(self.faces) if face.target == 1.0]
        return [(n, real[name]) for n, name in fakes if name and name in real]

    def part(self, index: int, count: int) -> "Split":
        """Every `count`th face, from `index` on."""
        return replace(self, faces=self.faces[index::count])

    @property
    def targets(self) -> np.ndarray:
        """float32 (len,), 1 is fake."""
        return np.array([face.target for face in self.faces], np.float32)

    def count(self) -> dict[str, int]:
        fake = int(self.targets.sum())
        return {
            "fake": fake,
            "real": len(self) - fake,
            "broken": len(self.broken),
            "no_face": len(self.faceless),
        }


def load(source: Source, split: str, *, cache: Path | None = None, limit: int | None = None) -> Split:
    """Split `train`, `validation` or `test` of a source, with the faces of its pictures.

    Where a source has no validation split, the last tenth of each class of its train split is held out for it:
    neighbouring pictures often show the same person, so none is picked at random. `limit` takes that many pictures
    of each class, evenly spread. `cache` is where faces are kept: beside the data by default, else in the user's cache.
    Raises TrainingError where the split or the labels are not as they should be.
    """
    with _loading:
        available = tables.read(source.spec)
        rows = tables.without(tables.split_in(available, split, source), tables.excluded(source.spec))
        targets = tables.targets_of(rows, source)
        keep = tables.rows_of(split, targets, held_out="validation" not in available, limit=limit)
        return with_faces(source, rows.select(keep), targets[keep], split, cache)


# `datasets` is not made for threads that load at the same time; and who waits finds the faces in the cache.
_loading = threading.Lock()


def with_faces(source: Source, rows: datasets.Dataset, targets: np.ndarray, split: str, cache: Path | None) -> Split:
    """The split that these rows are, its faces found or taken from the cache."""
    if not len(rows):  # `datasets` gives such a split no columns
        return Split(source.name, rows, targets, [], [], [])
    key = hashlib.sha256(f"{rows._fingerprint} {face_detector.VERSION}".encode()).hexdigest()[:16]
    folder = cache or cache_beside(source.spec)
    file = folder / f"faces-{face_detector.VERSION}-{split}-{key}.parquet"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        processes = min(os.cpu_count() or 1, len(rows) // 200)
        found = rows.map(
            _find_row,
            with_indices=True,
            remove_columns=rows.column_names,
            num_proc=processes if processes > 1 else None,  # 1 would start a process of its own
            desc=f"faces of {source.name} {split}",
            new_fingerprint=key,
            load_from_cache_file=False,
            features=_FACE_FEATURES,
        )
        with atomic_path(file) as beside:
            found.to_parquet(beside)
    table = pq.read_table(file).to_pydict()
    kept, broken, faceless = [], [], []
    for index, problem in enumerate(table["problem"]):
        if problem == "no face":
            faceless.append(_row_name(rows, index))
        elif problem:
            broken.append(f"{_row_name(rows, index)}: {problem}")
        else:
            points = np.array(table["keypoints"][index], np.float32).reshape(5, 2)
            kept.append(Face(index, float(targets[index]), tuple(table["box"][index]), points, table["count"][index]))
    for what, names in (("could not be read", broken), ("show no face", faceless)):
        if names:
            more = "" if len(names) <= _MAX_NAMED else f" and {len(names) - _MAX_NAMED} more"
            log.warning("%s %s: %d %s: %s%s", source.name, split, len(names), what, "; ".join(names[:_MAX_NAMED]), more)
    return Split(source.name, rows, targets, kept, broken, faceless)


_FACE_FEATURES = datasets.Features(
    {
        "problem": datasets.Value("string"),
        "box": datasets.Sequence(datasets.Value("float32")),
        "keypoints": datasets.Sequence(datasets.Value("float32")),
        "count": datasets.Value("int32"),
    }
)
_finder: face_detector.FaceDetector | None = None


def _find_row(row: dict[str, Any], index: int) -> dict[str, Any]:
    global _finder  # noqa: PLW0603
    _finder = _finder or face_detector.FaceDetector()  # one a process
    nothing = {"box": [], "keypoints": [], "count": 0}
    try:
        pixels = picture.read(tables.file_of(row)).pixels
    except (ImageError, OSError) as error:
        return {"problem": str(error), **nothing}
    found = _finder.find(pixels, min_score=SURELY_A_FACE)
    if not found:
        return {"problem": "no face", **nothing}
    face = labelled_face(found, pixels.shape[1], pixels.shape[0])
    return {"problem": "", "box": list(face.box), "keypoints": face.keypoints.ravel().tolist(), "count": len(found)}


def labelled_face(found: Sequence[AnyFace], width: int, height: int) -> AnyFace:
    """The face that a picture's label is about: the one whose box is nearest to the middle."""

    def distance(face: AnyFace) -> float:
        left, top, right, bottom = face.box
        return float(np.hypot((left + right - width) / 2, (top + bottom - height) / 2))

    return min(found, key=distance)


def _row_name(rows: datasets.Dataset, index: int) -> str:
    name = tables.name_of(rows[index])
    return f"row {index}" + (f" ({name})" if name else "")


def cache_beside(spec: str) -> Path:
    """Where faces are kept unless another folder is named."""
    path = Path(spec)
    if path.is_dir() and os.access(path, os.W_OK):
        return path / folders.FACES
    if (caches := settings.caches()) is None:
        raise TrainingError("There is no home folder to keep faces in: name a folder with --cache.")
    return caches / "faces"
