"""Splits of a source as tables: pictures undecoded, labels by name.

A source is a Hub id or a folder of parquet files, which `datasets` reads, or a folder of pictures, which
training.data.folders does.
"""

import glob
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import datasets
import httpx2
import numpy as np
import pyarrow as pa
from huggingface_hub import HfApi

from detector.model_folder import hub
from training.data import folders
from training.data.sources import Source
from training.errors import TrainingError
from training.hub import download

AnyRows: TypeAlias = datasets.Dataset | datasets.IterableDataset
T = TypeVar("T")

HELD_OUT = 0.1  # of a train split, where a source has no validation split of its own


def target_of(label: str) -> float:
    """The data sets' words turned into P(fake): `Fake` is 1.0 and `Real` 0.0, whatever number a set gives them.

    Raises TrainingError for any other word.
    """
    try:
        return {"fake": 1.0, "real": 0.0}[label.strip().lower()]
    except KeyError:
        raise TrainingError(f"The label {label!r} is neither Fake nor Real.") from None


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


def excluded(spec: str) -> set[str]:
    """sha256 of the pictures that the set is read without; training.data.dedup lists them. Raises TrainingError."""
    file = next((file for name in folders.EXCLUDED if (file := Path(spec) / name).is_file()), None)
    lines = set(file.read_text("utf-8").split()) if file else set()
    if file and not all(re.fullmatch("[0-9a-f]{64}", line) for line in lines):
        raise TrainingError(
            f"{file.name} of {file.parent.name} lists names, which two pictures may share: delete it, and run "
            "`python -m training dedup` again."
        )
    return lines


def without(rows: datasets.Dataset, digests: set[str]) -> datasets.Dataset:
    """The rows but those of pictures with these sha256."""
    if not digests:
        return rows
    return rows.select([index for index, row in enumerate(rows) if digest_of(file_of(row)) not in digests])


def file_of(row: dict[str, Any]) -> bytes:
    """The picture file of a row, as it is."""
    value = row["image"]
    content: bytes = value["bytes"] if value["bytes"] is not None else Path(value["path"]).read_bytes()
    return content


def digest_of(file: bytes) -> str:
    """What a picture is known by, whatever it is called: the sha256 of its bytes."""
    return hashlib.sha256(file).hexdigest()


def name_of(row: dict[str, Any]) -> str:
    """The file name of a row's picture, "" where it has none."""
    return Path(row["image"]["path"] or "").name


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
        what = "holds no pictures" if path.is_dir() else "is not a folder here, and the Hub does not have it"
        raise TrainingError(f"{spec} {what}: check the name and the connection.") from error
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
    files = folders.parquet_files(path)
    if not files:
        found = folders.read(path)
        return {split: rows.to_iterable_dataset() for split, rows in found.items()} if how["streaming"] else found
    by_split: dict[str, list[str]] = {}
    for file in files:
        by_split.setdefault(_split_of(file.relative_to(path)), []).append(glob.escape(str(file)))
    loaded: dict[str, AnyRows] = datasets.load_dataset("parquet", data_files=by_split, **how)
    return loaded


def _split_of(file: Path) -> str:
    """What a parquet file's name says, or else the folders that it lies in."""
    words = re.findall("[a-z]+", file.stem.lower())[:1]
    return folders.split_of([*words, *file.parts[:-1]]) or file.stem.partition("-")[0]


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
