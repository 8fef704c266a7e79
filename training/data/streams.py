"""The splits of a source that is streamed, by `datasets`: which rows there are, of which class, and what they hold.

The labels are read first: they are a small column of a parquet file, or part of a picture's path. They tell how many
pictures there are, and which of them are held out.
"""

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
from datasets.arrow_writer import ArrowWriter
from huggingface_hub import HfApi

from detector import picture
from training.data import face_cache, tables
from training.data.face_cache import Split
from training.data.sources import Source
from training.errors import TrainingError
from training.files import atomic_path, write
from training.hub import retries

log = logging.getLogger(__name__)

_SHARDS = 1024  # at most, since each becomes a data set of its own
_FETCHED = 4  # picture files that each of the ten readers of a shuffled stream asks for at the same time
_NAMED = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("string")})
_FEATURES = datasets.Features({"image": datasets.Value("binary"), "target": datasets.Value("float32")})


@dataclass(frozen=True)
class Stream:
    """A split as it is streamed: `rows` in the source's order, with columns `image` (the file) and `target`, and the
    targets of all of them, float32 (N,), 1 is fake. Of `spec`, which names the commit."""

    name: str
    spec: str
    rows: datasets.IterableDataset
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    def count(self) -> dict[str, int]:
        """As Split.count(), of all pictures: which of them show a face is seen on the way."""
        fake = int(self.targets.sum())
        return {"fake": fake, "real": len(self) - fake}


def asked(call: Callable[[], Any], spec: str, *, again: bool = False) -> Any:
    """What a call of `datasets` returns, which tries again by itself while it reads, but not while it opens a set: that
    is what `again` is for. Raises TrainingError or ModelError."""
    if not Path(spec).exists():
        return retries.asked(call, spec.partition("@")[0], again=again)
    try:
        return call()
    except (OSError, ValueError) as error:
        raise TrainingError(f"{Path(spec).name} could not be read ({error}): get another copy.") from error


def open_train(source: Source, *, cache: Path | None = None, limit: int | None = None) -> Stream:
    """The train split of a source, its pictures not yet read: the rows that face_cache.load() would take. The labels
    are kept in `cache`. Raises TrainingError, or ModelError where the Hub refuses."""
    return _open(source, "train", cache, limit)


def load(source: Source, split: str, *, cache: Path | None = None, limit: int | None = None) -> Split:
    """What face_cache.load() gives, of a source on the Hub without a download of its other splits: the pictures that
    are wanted are read from the stream once and kept in `cache`."""
    if Path(source.spec).exists():
        return face_cache.load(source, split, cache=cache, limit=limit)
    stream = _open(source, split, cache, limit)
    folder = cache or face_cache.cache_beside(source.spec)
    file = folder / f"pictures-{split}-{_key(stream.spec, split, limit)}.arrow"
    if len(stream) and not file.exists():
        log.info("%s: reading %d pictures of %s", source.name, len(stream), split)
        folder.mkdir(parents=True, exist_ok=True)
        _keep(stream, file)
    rows = datasets.Dataset.from_file(str(file)) if len(stream) else datasets.Dataset.from_dict({})
    return face_cache.with_faces(source, rows, stream.targets, split, cache)


def splits_of(source: Source) -> set[str]:
    """As tables.splits_of(), without a download."""
    return set(tables.read(source.spec, streaming=True))


def _keep(stream: Stream, file: Path) -> None:
    features = datasets.Features({"image": datasets.Image(decode=False)})
    with atomic_path(file) as beside, ArrowWriter(path=str(beside), features=features) as writer:
        rows = iter(stream.rows)
        while (row := asked(lambda: next(rows, None), stream.spec)) is not None:
            writer.write({"image": {"bytes": row["image"], "path": None}})
        writer.finalize()


def _open(source: Source, split: str, cache: Path | None, limit: int | None) -> Stream:
    spec = _at_its_commit(source.spec)
    if tables.excluded(spec):
        raise TrainingError(f"{source.name} lists pictures to exclude: read it without --streaming.")
    available = asked(lambda: _single_files(spec) or tables.read(spec, streaming=True), spec, again=True)
    rows = tables.split_in(available, split, source).reshard()  # parquet in row groups
    if split == "train" and face_cache.PAIR in (rows.column_names or ()):
        raise TrainingError(f"{source.name} holds pairs, whose halves come together: read it without --streaming.")
    shards = max(1, min(rows.num_shards, _SHARDS))
    labels = asked(lambda: _labels(Source(spec), source, split, rows, shards, cache), spec)
    targets = np.concatenate([*labels, np.empty(0, np.float32)])
    keep = tables.rows_of(split, targets, held_out="validation" not in available, limit=limit)
    parts, first = [], 0
    for number, of_shard in enumerate(labels):
        here = keep[(keep >= first) & (keep < first + len(of_shard))] - first
        first += len(of_shard)
        if len(here):
            part = rows.shard(shards, number) if shards > 1 else rows
            if len(here) < len(of_shard):
                part = part.filter(partial(_is_among, frozenset(here.tolist())), with_indices=True)
            parts.append(part)
    kept = datasets.concatenate_datasets(parts) if parts else rows.take(0)
    contents = partial(_contents, _target_of(rows.features["label"]))
    columns = rows.column_names
    kept = kept.map(contents, batched=True, batch_size=_FETCHED, remove_columns=columns, features=_FEATURES)
    return Stream(source.name, spec, kept, targets[keep])


def _single_files(spec: str) -> dict[str, datasets.IterableDataset] | None:
    """The splits of a repository of picture files on the Hub, whose folders name their class; None of any other place.
    What `datasets` itself opens of such a repository cannot be copied, so neither joined nor interleaved."""
    if Path(spec).exists():
        return None
    repo, _, commit = spec.partition("@")
    builder = datasets.load_dataset_builder(repo, revision=commit)
    if builder.info.builder_name == "parquet":
        return None
    splits = {str(name): [str(url) for url in urls] for name, urls in (builder.config.data_files or {}).items()}
    for url in (url for urls in splits.values() for url in urls):
        if Path(url).suffix.lower() not in picture.SUFFIXES:
            raise TrainingError(
                f"{repo} has {url.removeprefix(f'hf://datasets/{spec}/')}, which a stream from the Hub cannot read: "
                f"name {repo}@refs/convert/parquet, the copy that the Hub makes, or leave --streaming out."
            )
    return {
        name: datasets.IterableDataset.from_generator(_named, features=_NAMED, gen_kwargs={"urls": urls})
        for name, urls in splits.items()
    }


def _named(urls: list[str]) -> Iterator[dict[str, Any]]:
    for url in urls:
        yield {"image": {"bytes": None, "path": url}, "label": Path(url).parent.name}


def _is_among(wanted: frozenset[int], _: dict[str, Any], index: int) -> bool:
    return index in wanted


def _target_of(feature: Any) -> Callable[[Any], float]:
    if isinstance(feature, datasets.ClassLabel):
        return [tables.target_of(name) for name in feature.names].__getitem__
    return tables.target_of


def _contents(target_of: Callable[[Any], float], batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    with ThreadPoolExecutor(_FETCHED) as pool:
        images = list(pool.map(_content, batch["image"]))
    return {"image": images, "target": [target_of(label) for label in batch["label"]]}


def _content(image: dict[str, Any]) -> bytes:
    if image["bytes"] is not None:
        return bytes(image["bytes"])
    with fsspec.open(image["path"], "rb") as file:
        return bytes(file.read())


def _at_its_commit(spec: str) -> str:
    if Path(spec).exists():
        return spec
    name, _, revision = spec.partition("@")
    with retries.time_for(0):
        info = retries.asked(lambda: HfApi().dataset_info(name, revision=revision or None, timeout=10), name)
    return f"{name}@{info.sha}"


def _labels(
    at: Source, source: Source, split: str, rows: datasets.IterableDataset, shards: int, cache: Path | None
) -> list[np.ndarray]:
    """Targets of the rows of each shard."""
    file = (cache or face_cache.cache_beside(at.spec)) / f"labels-{split}-{_key(at.spec, split, shards)}.npy"
    if not Path(at.spec).exists() and file.exists():
        kept = np.load(file)
        return [part[part >= 0].astype(np.float32) for part in kept]
    if rows.info.builder_name == "parquet":
        available = tables.read(at.spec, streaming=True, columns=["label"])
        only = tables.split_in(available, split, source).reshard()
    else:  # of a folder of pictures the label is in the path
        only = rows.select_columns(["label"])
    log.info("%s: reading the labels of %s in %d parts", source.name, split, shards)
    found = [tables.targets_of(only.shard(shards, number) if shards > 1 else only, source) for number in range(shards)]
    if not Path(at.spec).exists():
        table = np.full((len(found), max(map(len, found), default=0)), -1, np.int8)
        for line, part in zip(table, found, strict=True):
            line[: len(part)] = part
        file.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, table)
        write(file, buffer.getvalue())
    return found


def _key(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16]
