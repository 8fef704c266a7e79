"""Folders of pictures as data sets: the folders that a picture lies in tell its split and its class.

Splits are called as the library datasets has them (train, validation, test and their synonyms), classes Real and Fake,
both in any case; the outermost split and the innermost class on the way count, and all other folders are free:
`Dataset/Train/Fake/sdxl/a.png`. A metadata.jsonl or metadata.csv with a column `file_name` adds columns, as there.
"""

import csv
import functools
import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import datasets
from datasets.data_files import SPLIT_KEYWORDS

from detector import walk
from detector.text import visible
from training.augment.forge import MANIFEST
from training.errors import TrainingError

log = logging.getLogger(__name__)

FACES = ".faces"  # the cache of faces, which is kept beside the data
# In a set's folder, now and formerly: sha256 of pictures that are read as if they were not there.
EXCLUDED = ("excluded.txt", "left-out.txt")
PARQUET = ".parquet"
_METADATA = ("metadata.jsonl", "metadata.csv")
_SPLITS = {word: str(split) for split, words in SPLIT_KEYWORDS.items() for word in words}
_CLASSES = {
    **dict.fromkeys(("real", "reals", "0_real"), "Real"),
    **dict.fromkeys(("fake", "fakes", "1_fake"), "Fake"),
}
_COLUMNS = ("generator", "pair", "group")  # of metadata, that mean something here
_NAMED = 5


def read(folder: Path) -> dict[str, datasets.Dataset]:
    """The splits of a folder, pictures undecoded and in the order of their names; one that names no splits is all
    train. What has no class, and what no split where others have one, is left out, counted and named. Raises
    TrainingError where nothing is left, FileNotFoundError where there are no pictures at all."""
    files, passed = _walked(folder)
    metadata = {path: row for file in files if file.name in _METADATA for path, row in _told(file)}
    by_split: dict[str | None, list[tuple[Path, str]]] = {}
    without_class: list[Path] = []
    for file in (file for file in files if file.name not in _METADATA):
        parts = file.relative_to(folder).parts[:-1]
        label = metadata.get(os.path.normpath(file), {}).get("label") or _last(parts, _CLASSES)
        if label is None:
            without_class.append(file)
        else:
            by_split.setdefault(split_of(parts), []).append((file, label))
    if not by_split and not without_class:
        raise FileNotFoundError(folder)
    if not by_split:
        raise TrainingError(
            f"{folder.name} has {len(without_class)} pictures, and none lies in a folder called Real or Fake: lay them "
            "out as train/Real/… and train/Fake/…, with more folders in those where you like."
        )
    without_split = [file for file, _ in by_split.pop(None, [])] if len(by_split) > 1 else []
    _say(
        folder,
        passed,
        {"as they lie in no folder called Real or Fake": without_class, "as they lie in no split": without_split},
    )
    return {split or "train": _rows(pictures, metadata) for split, pictures in by_split.items()}


def photographs(folder: Path) -> datasets.Dataset | None:
    """The pictures of a folder that says nothing of labels, in the order of their names; None for any other place."""
    if not folder.is_dir():
        return None
    files, passed = _walked(folder)
    if any(_is_parquet(file) or file.name in _METADATA for file in files):
        return None
    if any(_last(file.relative_to(folder).parts[:-1], _CLASSES) for file in files):
        return None
    _say(folder, passed, {})
    return _rows([(file, "") for file in files], {}).remove_columns("label")


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files below a folder, in the order of their names."""
    return [file for file in _walked(folder)[0] if _is_parquet(file)]


def _is_parquet(file: Path) -> bool:
    return walk.suffix_of(file.name) == PARQUET


def split_of(words: Iterable[str]) -> str | None:
    """The split that the first known one of these words names."""
    return next((_SPLITS[word.strip().lower()] for word in words if word.strip().lower() in _SPLITS), None)


def _last(parts: Sequence[str], known: dict[str, str]) -> str | None:
    return next((known[part.strip().lower()] for part in reversed(parts) if part.strip().lower() in known), None)


def _walked(folder: Path) -> tuple[list[Path], walk.PassedOver]:
    """Pictures, metadata and parquet files, and what else there is beside what is written here."""
    passed = walk.PassedOver()
    files = []
    for file in walk.pictures(folder, passed, (PARQUET, ".jsonl", ".csv", ".json", ".txt")):
        suffix = walk.suffix_of(file.name)
        if file.is_dir():
            raise TrainingError(f"{visible(file.name)} could not be opened: check that you may read it.")
        if file.name in _METADATA or suffix not in (".jsonl", ".csv", ".json", ".txt"):
            files.append(file)
        elif file.name not in (*EXCLUDED, MANIFEST):
            passed.others[suffix] += 1
    passed.added -= (folder / FACES).exists()
    return files, passed


def _told(file: Path) -> Iterable[tuple[str, dict[str, str]]]:
    """What a metadata file says of each picture, by its path. One without a column `file_name` is another program's."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = (
                list(csv.DictReader(lines))
                if file.suffix == ".csv"
                else [json.loads(line) for line in lines if line.strip()]
            )
    except (ValueError, csv.Error):
        raise TrainingError(f"{file.name} in {file.parent.name} could not be read: mend it or take it away.") from None
    for row in rows:
        if isinstance(row, dict) and isinstance(name := row.get("file_name"), str):
            yield os.path.normpath(file.parent / name), {key: str(value or "") for key, value in row.items() if key}


def _rows(pictures: list[tuple[Path, str]], metadata: dict[str, dict[str, str]]) -> datasets.Dataset:
    told = [metadata.get(os.path.normpath(file), {}) for file, _ in pictures]
    table = {
        "image": [{"bytes": None, "path": str(file)} for file, _ in pictures],
        "label": [label for _, label in pictures],
        "stamp": [_stamp(file) for file, _ in pictures],  # of other contents, other rows
        **{name: [row.get(name, "") for row in told] for name in _COLUMNS if any(name in row for row in told)},
    }
    words = datasets.Value("string")
    features = {name: datasets.Image(decode=False) if name == "image" else words for name in table}
    return datasets.Dataset.from_dict(table, features=datasets.Features(features))


def _stamp(file: Path) -> str:
    try:
        return f"{(told := file.stat()).st_size} {told.st_mtime_ns}"
    except OSError:  # reading it says so
        return ""


def _say(folder: Path, passed: walk.PassedOver, left: dict[str, list[Path]]) -> None:
    if told := str(passed):
        _once(f"{folder.name}: {told}")
    for where, files in left.items():
        if files:
            names = "; ".join(visible(str(file.relative_to(folder))) for file in files[:_NAMED])
            more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
            _once(f"{folder.name}: left out, {where}: {len(files)} of the pictures, {names}{more}")


@functools.cache
def _once(sentence: str) -> None:
    """A folder is read once for each of its splits."""
    log.warning("%s", sentence)
