"""The splits of a source, at hand or streamed: the one place where that is decided."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data import face_cache, streaming, streams, tables
from training.data.crops import CropOptions, training_batches
from training.data.face_cache import Split
from training.data.sources import Source, by_role
from training.data.streams import Stream
from training.errors import TrainingError
from training.options import FitOptions


def open_split(
    source: Source, split: str, *, streaming: bool, cache: Path | None = None, limit: int | None = None
) -> Split:
    """A split with the faces of its pictures, see face_cache.load(); with `streaming` no other split is downloaded."""
    load = streams.load if streaming else face_cache.load
    return load(source, split, cache=cache, limit=limit)


def open_train(
    source: Source, *, streaming: bool, cache: Path | None = None, limit: int | None = None
) -> Split | Stream:
    """The train split; with `streaming` its pictures are read while the network trains."""
    if streaming:
        return streams.open_train(source, cache=cache, limit=limit)
    return face_cache.load(source, "train", cache=cache, limit=limit)


def splits_of(source: Source, *, streaming: bool) -> set[str]:
    """Names of the splits that the source itself has."""
    return streams.splits_of(source) if streaming else tables.splits_of(source)


@dataclass(frozen=True)
class RunData:
    """What a run of `fit` trains on, each split (Split or Stream) with its weight, and what it is validated on."""

    train: list[tuple[Any, float]]
    validation: list[Split]
    unseen: list[Split]

    @classmethod
    def open(cls, options: FitOptions, cache: Path | None = None) -> "RunData":
        """Raises TrainingError where there is nothing to train on, or nothing that an AUC could be computed of."""
        sources, unseen_sources = by_role(options.data, options.unseen)
        reading: dict[str, Any] = {"streaming": options.streaming, "cache": cache, "limit": options.limit}
        train = [(open_train(source, **reading), source.weight) for source in sources]
        validation = [open_split(source, "validation", **reading) for source in sources]
        unseen = [open_split(source, "validation", **reading) for source in unseen_sources]
        empty = [split.name for split, _ in train if not len(split)]
        if empty or not sum(map(len, (*validation, *unseen))):
            raise TrainingError(
                f"No face to {'train on in ' + empty[0] if empty else 'validate on'}: look at the pictures."
            )
        if len({target for split in unseen or validation for target in split.targets}) < 2:
            which = "unseen" if unseen else "validation"
            raise TrainingError(
                f"The {which} sets need both real and fake faces, in whichever of them: name more of them."
            )
        return cls(train, validation, unseen)

    def counts(self) -> list[list[Any]]:
        """Of every split how many faces it has, and of which kind."""
        splits = (*(split for split, _ in self.train), *self.validation, *self.unseen)
        return [[len(split), split.count()] for split in splits]

    def batches(self, options: FitOptions, part: tuple[int, int]) -> Any:
        """An endless iterator of crops and targets that can be resumed: training_batches(), or streaming.Batches."""
        crops = CropOptions(
            options.size,
            options.margin,
            options.jitter,
            options.corruptions,
            options.self_blend,
            options.reencode,
            options.reencode_pairs,
        )
        batching = (self.train, crops, options.batch_size, options.seed, options.threads)
        if options.streaming:
            return streaming.Batches(*batching, block=options.streaming_block)
        return training_batches(*batching, part, options.crop_processes)
