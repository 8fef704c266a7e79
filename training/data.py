"""Pictures and labels in, batches of face crops out.

A source is a Hub id, a folder of pictures (`Real/` and `Fake/` in splits) or a folder of parquet files; all are read
by `datasets` with the pictures undecoded. Faces are found once, by the detector's own finder, and kept in a cache.
The pipeline is Grain's: globally shuffled from a seed, resumable at any batch, and free of any Keras backend.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import datasets
import grain
import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi
from PIL import Image

from detector import faces, hub, picture
from detector.errors import ImageError
from detector.model_folder.schema import Generator
from detector.result import Face as JudgedFace
from training import corruptions, download, forge
from training.errors import TrainingError
from training.files import whole
from training.source import Source, generator

AnyRows = datasets.Dataset | datasets.IterableDataset
T = TypeVar("T")
AnyFace = TypeVar("AnyFace", faces.FoundFace, JudgedFace)
log = logging.getLogger(__name__)

HELD_OUT = 0.1  # of a train split, where a source has no validation split of its own
_MAX_NAMED = 20


@dataclass(frozen=True)
class Face:
    """Row `index` of its split: `target` is 1.0 for a forged face, 0.0 for a real one. `box` is the face that the
    label is about, the one nearest to the middle; `keypoints` (6, 2) as in detector.faces; `count` all faces found."""

    index: int
    target: float
    box: tuple[float, float, float, float]
    keypoints: np.ndarray
    count: int


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
        return _bytes(self.rows[index]["image"])

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


def target_of(label: str) -> float:
    """The data sets' words turned into P(fake): `Fake` is 1.0 and `Real` 0.0, whatever number a set gives them.

    Raises TrainingError for any other word.
    """
    try:
        return {"fake": 1.0, "real": 0.0}[label.strip().lower()]
    except KeyError:
        raise TrainingError(f"The label {label!r} is neither Fake nor Real.") from None


def load(source: Source, split: str, *, cache: Path | None = None, limit: int | None = None) -> Split:
    """Split `train`, `validation` or `test` of a source, with the faces of its pictures.

    Where a source has no validation split, the last tenth of each class of its train split is held out for it:
    neighbouring pictures often show the same person, so none is picked at random. `limit` takes that many pictures
    of each class, evenly spread. `cache` is where faces are kept: beside the data by default, else in the user's cache.
    Raises TrainingError where the split or the labels are not as they should be.
    """
    with _loading:
        available = read(source.spec)
        rows = split_in(available, split, source)
        targets = targets_of(rows, source)
        keep = rows_of(split, targets, held_out="validation" not in available, limit=limit)
        return with_faces(source, rows.select(keep), targets[keep], split, cache)


# `datasets` is not made for threads that load at the same time; and who waits finds the faces in the cache.
_loading = threading.Lock()


def split_in(available: dict[str, T], split: str, source: Source) -> T:
    """The rows that `split` is taken from. Raises TrainingError where there are none: no part of another split is
    called a test."""
    if split == "test" and source.merged_from:
        raise TrainingError(
            f"{source.name} has lost the official splits of {source.merged_from}, so that no part of it is a test: "
            "take the original."
        )
    held_out = split == "validation" and "validation" not in available
    wanted = "train" if held_out else split
    if wanted not in available:
        raise TrainingError(f"{source.name} has no {split} split: it has {', '.join(sorted(available))}.")
    return available[wanted]


def rows_of(split: str, targets: np.ndarray, *, held_out: bool, limit: int | None) -> np.ndarray:
    """Which of the rows with these targets belong to `split`, ascending: see `load`."""
    keep = np.arange(len(targets))
    if held_out and split in ("train", "validation"):
        tail = np.zeros(len(targets), bool)
        for value in (0.0, 1.0):
            of_class = np.flatnonzero(targets == value)
            tail[of_class[len(of_class) - round(len(of_class) * HELD_OUT) :]] = True
        keep = np.flatnonzero(tail if split == "validation" else ~tail)
    if limit is not None:
        parts = [keep[targets[keep] == value] for value in (0.0, 1.0)]
        spread = [part[np.unique(np.linspace(0, len(part) - 1, min(limit, len(part))).astype(int))] for part in parts]
        keep = np.sort(np.concatenate(spread))
    return keep


def pinned(text: str) -> str:
    """A source as the command line names it, a Hub id with the commit that its revision is now: what is trained on
    today can be had again. Without the Hub it stays as it is, and the copy in the cache is used."""
    source = Source.parse(text)
    if Path(source.spec).exists():
        return text
    name, _, revision = source.spec.partition("@")
    try:
        commit = HfApi().dataset_info(name, revision=revision or None, timeout=10).sha
    except (OSError, ValueError, httpx2.HTTPError):  # where there is no such set, load() says so
        return text
    return f"{name}@{commit}" + (f":{source.weight:g}" if source.weight != 1 else "")


def splits_of(source: Source) -> set[str]:
    """Names of the splits that the source itself has."""
    return set(read(source.spec))


def read(spec: str, *, streaming: bool = False, columns: Sequence[str] | None = None) -> dict[str, AnyRows]:
    """All splits that a source has, their pictures undecoded: datasets.Dataset, or datasets.IterableDataset with
    `streaming`. `columns` leaves the others of a parquet file unread. Raises TrainingError."""
    how = {"streaming": streaming, **({"columns": list(columns)} if columns else {})}
    path = Path(spec).resolve()  # the same folder, the same fingerprint
    try:
        if path.is_dir():
            loaded = _read_folder(path, how)
        elif path.exists():
            raise TrainingError(f"{path.name} is a file: give the folder that it is in.")
        else:
            name, _, revision = spec.partition("@")
            if streaming:
                loaded = datasets.load_dataset(name, revision=revision or None, **how)
            else:
                loaded = download.prepared(name, revision or None)
            if not streaming and hub.is_commit(revision) and not _is_at(loaded, revision):
                raise TrainingError(f"{name} is kept here at another revision only: connect, or name no revision.")
    except (FileNotFoundError, ConnectionError) as error:
        what = "holds no pictures" if path.is_dir() else "is no folder here, and the Hub did not give it"
        raise TrainingError(f"{spec} {what}: look at the name and the connection.") from error
    except (datasets.exceptions.DatasetGenerationError, pa.ArrowInvalid) as error:
        raise TrainingError(f"{spec} could not be read ({error.__cause__ or error}): get another copy.") from error
    result = {}
    for split, rows in loaded.items():
        missing = set(columns or ("image", "label")) - set(rows.column_names or ())
        if missing:
            raise TrainingError(f"{spec} lacks the column {' and '.join(sorted(missing))}.")
        undecoded = "image" in rows.column_names
        result[str(split)] = rows.cast_column("image", datasets.Image(decode=False)) if undecoded else rows
    return result


def _is_at(loaded: dict[str, datasets.Dataset], commit: str) -> bool:
    """Whether it is that revision: without the Hub `datasets` gives the one that it read last, whichever was asked
    for. It keeps each in a folder of the commit's name."""
    return all(commit in Path(file["filename"]).parts for rows in loaded.values() for file in rows.cache_files)


def _read_folder(path: Path, how: dict[str, Any]) -> dict[str, AnyRows]:
    files = [file for file in sorted(path.rglob("*.parquet")) if not _hidden(file.relative_to(path))]
    if not files:
        return datasets.load_dataset("imagefolder", data_dir=str(path), drop_labels=False, **how)
    by_split: dict[str, list[str]] = {}
    for file in files:
        by_split.setdefault(_split_of(file.stem), []).append(str(file))
    return datasets.load_dataset("parquet", data_files=by_split, **how)


def _hidden(path: Path) -> bool:
    """As the cache of faces is, which is kept beside the data."""
    return any(part.startswith(".") for part in path.parts)


def _split_of(stem: str) -> str:
    for split in ("train", "validation", "test"):
        if stem.startswith(split):
            return split
    return {"valid": "validation", "val": "validation"}.get(stem.split("-")[0], stem.split("-")[0])


def targets_of(rows: AnyRows, source: Source) -> np.ndarray:
    """float32 (rows,), 1 is fake. Raises TrainingError for labels that are not Fake and Real."""
    feature = rows.features["label"]
    labels = list(rows["label"])
    if any(label is None or label == -1 for label in labels):  # -1 is what `datasets` writes for an unknown label
        raise TrainingError(f"Some pictures of {source.name} have no label: each must be called Fake or Real.")
    if isinstance(feature, datasets.ClassLabel):
        values = [target_of(name) for name in feature.names]
        return np.array([values[label] for label in labels], np.float32)
    if labels and isinstance(labels[0], str):
        return np.array([target_of(label) for label in labels], np.float32)
    raise TrainingError(f"The labels of {source.name} have no names: they must be called Fake and Real.")


def _bytes(value: dict) -> bytes:
    return value["bytes"] if value["bytes"] is not None else Path(value["path"]).read_bytes()


def with_faces(source: Source, rows: datasets.Dataset, targets: np.ndarray, split: str, cache: Path | None) -> Split:
    """The split that these rows are, its faces found or taken from the cache."""
    if not len(rows):  # `datasets` gives such a split no columns
        return Split(source.name, rows, targets, [], [], [])
    key = hashlib.sha256(f"{rows._fingerprint} {faces.FINDER_VERSION}".encode()).hexdigest()[:16]
    folder = cache or cache_beside(source.spec)
    file = folder / f"faces-{faces.FINDER_VERSION}-{split}-{key}.parquet"
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
        with whole(file) as beside:
            found.to_parquet(beside)
    table = pq.read_table(file).to_pydict()
    kept, broken, faceless = [], [], []
    for index, problem in enumerate(table["problem"]):
        if problem == "no face":
            faceless.append(_row_name(rows, index))
        elif problem:
            broken.append(f"{_row_name(rows, index)}: {problem}")
        else:
            points = np.array(table["keypoints"][index], np.float32).reshape(6, 2)
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
_finder: faces.FaceFinder | None = None


def _find_row(row: dict, index: int) -> dict:
    global _finder
    _finder = _finder or faces.FaceFinder()  # one a process
    nothing = {"box": [], "keypoints": [], "count": 0}
    try:
        pixels = picture.read(_bytes(row["image"])).pixels
    except (ImageError, OSError) as error:
        return {"problem": str(error), **nothing}
    found = _finder.find(pixels, sure=0)
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
    path = rows[index]["image"].get("path")
    return f"row {index}" + (f" ({Path(path).name})" if path else "")


def cache_beside(spec: str) -> Path:
    """Where faces are kept unless another folder is named."""
    path = Path(spec)
    if path.is_dir() and os.access(path, os.W_OK):
        return path / ".faces"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "deepfake-image-detector" / "faces"


# ---- crops -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CropOptions:
    """How training varies the crop path. `jitter` 0 is the serving crop itself; 1 the full variation of scale (0.8 to
    1.25), shift (0.12 face sides) and resampling. `corruptions` are names of training.corruptions. `self_blend` is the
    chance that a real face is blended with itself into a forgery (training.forge)."""

    size: int
    margin: float
    jitter: float = 1.0
    corruptions: tuple[str, ...] = corruptions.NAMES
    self_blend: float = 0.0


def serving_crops(
    split: Split, size: int, margin: float, alter: Callable[[np.ndarray, int], np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Crops uint8 (N, size, size, 3) as the app would cut them, and targets float32 (N,).

    `alter(pixels, row number)` changes a picture before, and may change its size.
    """
    crops = np.empty((len(split), size, size, 3), np.uint8)
    for i, face in enumerate(split.faces):
        pixels, box = split.pixels(face), face.box
        if alter is not None:
            before = pixels.shape[1]
            pixels = alter(pixels, face.index)
            box = tuple(value * pixels.shape[1] / before for value in box)
        crops[i] = faces.cut(pixels, box, size, margin)
    return crops, split.targets


def training_crop(split: Split, face: Face, options: CropOptions, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One crop uint8 (size, size, 3) and its target, varied by `rng`."""
    return varied_crop(split.pixels(face), face, options, rng)


def varied_crop(
    pixels: np.ndarray, face: Face, options: CropOptions, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """The same of a picture uint8 (H, W, 3) that is at hand."""
    target = face.target
    if target == 0.0 and options.self_blend and rng.random() < options.self_blend:
        pixels, target = forge.self_blend(pixels, face.keypoints, rng), 1.0
    before = pixels.shape[1]
    if options.corruptions:
        side = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        pixels = corruptions.for_training(pixels, side, rng, options.corruptions)
    box = tuple(value * pixels.shape[1] / before for value in face.box)
    jitter = options.jitter
    crop = faces.cut(
        pixels,
        box,
        options.size,
        options.margin,
        scale=float(np.exp(rng.uniform(-0.22, 0.22) * jitter)),
        shift=tuple(rng.uniform(-0.12, 0.12, 2) * jitter),
        resample=Image.Resampling(rng.choice(_RESAMPLING)) if jitter else Image.Resampling.BILINEAR,
    )
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return crop, target


# The serving filter half of the time.
_RESAMPLING = [Image.Resampling.BILINEAR] * 3 + [
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
]


def training_batches(
    splits: list[tuple[Split, float]],
    options: CropOptions,
    batch_size: int,
    seed: int,
    threads: int = 4,
    part: tuple[int, int] = (0, 1),
) -> "grain.DatasetIterator | _Part":
    """An endless iterator of (crops uint8 (B, S, S, 3), targets float32 (B, 1)).

    Every source is drawn in proportion to its size times its weight, each of its pictures once before any a second
    time, real and fake mixed by a global shuffle. `get_state()` and `set_state()` of the iterator resume it exactly.
    With `part` (index, count) only that part of each batch is read and cut; together the parts are the batches that
    are read otherwise, and the state is that of the whole, from which any number of parts goes on.
    """
    sources = []
    for number, (split, _) in enumerate(splits):
        crop = _Crop(split, options)
        source = grain.MapDataset.source(range(len(split))).seed(seed + number).shuffle().repeat().random_map(crop)
        sources.append(source)
    sizes = np.array([len(split) * weight for split, weight in splits], float)
    mixed = grain.MapDataset.mix(sources, weights=list(sizes / sizes.sum())) if len(sources) > 1 else sources[0]
    index, count = part
    if count > 1:
        own = mixed.batch(batch_size // count, drop_remainder=True, batch_fn=stack)[index::count]
        reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)
        return _Part(iter(own.to_iter_dataset(reading)), batch_size)
    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * batch_size)
    batches = mixed.to_iter_dataset(reading).batch(batch_size, drop_remainder=True, batch_fn=stack)
    return iter(batches)


@dataclass(frozen=True)
class _Crop(grain.transforms.RandomMap):
    split: Split
    options: CropOptions

    def random_map(self, element: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        return training_crop(self.split, self.split.faces[element], self.options, rng)


@dataclass
class _Part:
    """One part of each batch, its state told in crops of the whole."""

    parts: grain.DatasetIterator
    batch_size: int

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        return next(self.parts)

    def get_state(self) -> dict[str, int]:
        return {"next_index": self.parts.get_state()["next_index"] * self.batch_size}

    def set_state(self, state: dict[str, int]) -> None:
        self.parts.set_state({"next_index": state["next_index"] // self.batch_size})


def stack(items: list[tuple[np.ndarray, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([crop for crop, _ in items]), np.array([[target] for _, target in items], np.float32)


def steps_per_epoch(splits: list[tuple[Split, float]], batch_size: int) -> int:
    """Batches until as many pictures have gone by as the weighted sources hold."""
    return max(1, round(sum(len(split) * weight for split, weight in splits) / batch_size))
