"""The splits of a source, at hand or streamed: the one place where that is decided."""

from pathlib import Path

from training.data import face_cache, streams, tables
from training.data.face_cache import Split
from training.data.sources import Source
from training.data.streams import Stream


def open_split(
    source: Source, split: str, *, streaming: bool, cache: Path | None = None, limit: int | None = None
) -> Split:
    """A split with the faces of its pictures, see face_cache.load(); with `streaming` no other split is downloaded."""
    return (streams if streaming else face_cache).load(source, split, cache=cache, limit=limit)


def open_train(
    source: Source, *, streaming: bool, cache: Path | None = None, limit: int | None = None
) -> Split | Stream:
    """The train split; with `streaming` its pictures are read while the network trains."""
    if streaming:
        return streams.open_train(source, cache=cache, limit=limit)
    return face_cache.load(source, "train", cache=cache, limit=limit)


def splits_of(source: Source, *, streaming: bool) -> set[str]:
    """Names of the splits that the source itself has."""
    return (streams if streaming else tables).splits_of(source)
