"""Face crops in batches, cut as the detector cuts them and varied for training.

The pipeline is Grain's: globally shuffled from a seed, resumable at any batch, and free of any Keras backend.
"""

import sys
from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from typing import NamedTuple

import grain
import numpy as np
from absl import flags
from PIL import Image

from detector.crop import crop_face, turns
from training.augment import corruptions, forge, formats
from training.data.face_cache import Face, Split
from training.errors import TrainingError


@dataclass(frozen=True)
class CropOptions:
    """How training varies the crop path. `jitter` 0 is the serving crop itself; 1 the full variation of scale (0.78 to
    1.28), shift (0.12 face sides), tilt and resampling. `corruptions` are names of training.augment.corruptions.
    `self_blend` is the chance that a real face is blended with itself into a forgery (training.augment.forge). With
    `reencode` sizes and encodings of all pictures are made alike (training.augment.formats); with `reencode_pairs`, of
    pairs too, whose halves are alike already."""

    size: int
    margin: float
    jitter: float = 1.0
    corruptions: tuple[str, ...] = corruptions.TRAINING
    self_blend: float = 0.0
    reencode: bool = False
    reencode_pairs: bool = True


def serving_crops(
    split: Split, size: int, margin: float, corrupt: corruptions.Corrupt | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Crops uint8 (N, size, size, 3) as the app would cut them, and targets float32 (N,).

    `corrupt(pixels, row number)` changes a picture before, and may change its size.
    """
    crops = np.empty((len(split), size, size, 3), np.uint8)
    for i, face in enumerate(split.faces):
        pixels, box = split.pixels(face), face.box
        if corrupt is not None:
            before = pixels.shape[1]
            pixels = corrupt(pixels, face.index)
            box = tuple(value * pixels.shape[1] / before for value in box)
        crops[i] = crop_face(pixels, box, size, margin, roll=face.roll)
    return crops, split.targets


def training_crop(split: Split, face: Face, options: CropOptions, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One crop uint8 (size, size, 3) and its target, varied by `rng`."""
    return varied_crop(split.pixels(face), face, options, rng)


def varied_crop(
    pixels: np.ndarray, face: Face, options: CropOptions, rng: np.random.Generator, frame: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """The same of a picture uint8 (H, W, 3) that is at hand. `frame` is given for half of a pair, as in
    formats.surroundings()."""
    target, box, jitter = face.target, face.box, options.jitter
    history = formats.ANY if frame is None else formats.OF_PAIRS
    if target == 0.0 and options.self_blend and rng.random() < options.self_blend:
        pixels, target = forge.self_blend(pixels, face.keypoints, rng), 1.0
    if options.reencode:
        reach = options.margin * np.exp(_ZOOM) + 2 * _SHIFT
        if turns(face.roll)[1]:  # the crop stands on its corner
            reach *= 2**0.5
        pixels, box = formats.surroundings(pixels, box, reach, rng, frame)
        pixels, box = formats.scaled(pixels, box, _LARGEST * options.size / options.margin, rng, history)
    if options.corruptions:
        pixels = corruptions.for_training(pixels, rng, options.corruptions)
    if options.reencode:
        pixels, box = formats.reencoded(pixels, box, rng, history)
    crop = crop_face(
        pixels,
        box,
        options.size,
        options.margin,
        roll=face.roll,
        scale=float(np.exp(rng.uniform(-_ZOOM, _ZOOM) * jitter)),
        shift=tuple(rng.uniform(-_SHIFT, _SHIFT, 2) * jitter),
        tilt=float(rng.uniform(-_TILT, _TILT) * jitter) if rng.random() < _TILTED else 0.0,
        resample=Image.Resampling(rng.choice(_RESAMPLING)) if jitter else Image.Resampling.BILINEAR,
    )
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return crop, target


_ZOOM, _SHIFT = 0.25, 0.12
_TILT, _TILTED = 15.0, 0.15  # degrees, and of how many: a face that is served turned was resampled
_LARGEST = 1.4  # faces are made at most that much larger than the network sees them
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
    processes: int = 0,
) -> "grain.DatasetIterator | _Part":
    """An endless iterator of (crops uint8 (B, S, S, 3), targets float32 (B, 1)).

    Real and fake faces alternate, so that every batch holds as many of one as of the other. Of each class a source is
    drawn in proportion to its faces times its weight, each of its faces once before any a second time. The halves of a
    pair (Split.pairs) follow each other in one batch, varied by the same draws, and are drawn in the same proportion to
    all other faces. Raises TrainingError where a batch of an odd size would part them, or there is one class only.

    `get_state()` and `set_state()` of the iterator resume it exactly. With `part` (index, count) only that part of each
    batch is read and cut; together the parts are the batches that are read otherwise, and the state is that of the
    whole, from which any number of parts goes on. With `processes`, that many cut whole batches in turn, the same
    ones again; only as many can continue from their state.
    """
    classes = {face.target for split, _ in splits for face in split.faces}
    if len(classes) == 1 and not (classes == {0.0} and options.self_blend):
        only, other = ("fake", "Real") if classes == {1.0} else ("real", "Fake")
        raise TrainingError(f"All faces to train on are {only}: add pictures of the class {other}.")
    if batch_size % 2 and any(split.pairs() for split, _ in splits):
        raise TrainingError("Pairs need an even --batch-size: both halves of each are in one batch.")
    mixed = _order(splits, seed).map(_Cut([split for split, _ in splits], options))
    index, count = part
    if processes:
        flags.FLAGS.mark_as_parsed()  # Grain's own, which a program that is no absl.app leaves unread
        whole = mixed.batch(batch_size, drop_remainder=True, batch_fn=stack)
        apart = whole.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
        return iter(apart.mp_prefetch(grain.MultiprocessingOptions(num_workers=processes)))
    if count > 1:
        own = mixed.batch(batch_size // count, drop_remainder=True, batch_fn=stack)[index::count]
        reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)
        return _Part(iter(own.to_iter_dataset(reading)), batch_size)
    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * batch_size)
    batches = mixed.to_iter_dataset(reading).batch(batch_size, drop_remainder=True, batch_fn=stack)
    return iter(batches)


def _mixed(sources: list[grain.MapDataset], sizes: list[float]) -> grain.MapDataset:
    return grain.MapDataset.mix(sources, weights=[s / sum(sizes) for s in sizes]) if len(sources) > 1 else sources[0]


class _Turn(NamedTuple):
    """A face that is cut: split, number in it, seed of what varies, and of a pair the number of the real half."""

    split: int
    face: int
    seed: int
    real: int | None = None


def _order(splits: list[tuple[Split, float]], seed: int) -> grain.MapDataset:
    """The turns of all faces, in twos of a fake and a real one."""
    twos: list[grain.MapDataset] = []
    sizes: list[float] = []
    classes: dict[float, tuple[list[grain.MapDataset], list[float]]] = {1.0: ([], []), 0.0: ([], [])}
    for number, (split, weight) in enumerate(splits):
        pairs = split.pairs()
        if pairs:
            twos.append(_turns(number, pairs, seed + 2 * number))
            sizes.append(2 * len(pairs) * weight)
        paired = {half for pair in pairs for half in pair}
        for target, (sources, of_class) in classes.items():
            rows = [(n,) for n, face in enumerate(split.faces) if face.target == target and n not in paired]
            if rows:
                sources.append(_turns(number, rows, seed + 2 * number + int(target)))
                of_class.append(len(rows) * weight)
    single = [_mixed(*of_class) for of_class in classes.values() if of_class[0]]
    if single:
        twos.append(grain.MapDataset.range(sys.maxsize).map(_Two(single)))
        sizes.append(sum(sum(of_class) for _, of_class in classes.values()))
    order = _mixed(twos, sizes)
    return grain.MapDataset.range(sys.maxsize).map(lambda index: order[index // 2][index % 2])


def _turns(split: int, rows: Sequence[tuple[int, ...]], seed: int) -> grain.MapDataset:
    return grain.MapDataset.source(rows).seed(seed).shuffle().repeat().random_map(_Draw(split))


@dataclass(frozen=True)
class _Draw(grain.transforms.RandomMap):
    split: int

    def random_map(self, element: tuple[int, ...], rng: np.random.Generator) -> tuple[_Turn, ...]:
        seed = int(rng.integers(2**63))
        if len(element) == 1:
            return (_Turn(self.split, element[0], seed),)
        fake, real = element
        return _Turn(self.split, fake, seed, real), _Turn(self.split, real, seed, real)


@dataclass(frozen=True)
class _Two(grain.transforms.Map):
    """One of each class; two of the only one where there is no other."""

    classes: list[grain.MapDataset]

    def map(self, element: int) -> tuple[_Turn, ...]:
        if len(self.classes) == 1:
            return tuple(self.classes[0][2 * element + half][0] for half in (0, 1))
        return tuple(of_class[element][0] for of_class in self.classes)


@dataclass(frozen=True)
class _Cut(grain.transforms.Map):
    splits: list[Split]
    options: CropOptions

    def map(self, element: _Turn) -> tuple[np.ndarray, float]:
        split, rng = self.splits[element.split], np.random.default_rng(element.seed)
        face = split.faces[element.face]
        if element.real is None:
            return training_crop(split, face, self.options, rng)
        real = split.faces[element.real]
        frame = split.pixels(real)
        pixels = frame if face is real else split.pixels(face)
        if pixels.shape != frame.shape:
            raise TrainingError(f"The halves of a pair in {split.name} differ in size: make the set again.")
        face = replace(face, box=real.box, keypoints=real.keypoints)
        reencode = self.options.reencode and self.options.reencode_pairs
        return varied_crop(pixels, face, replace(self.options, self_blend=0.0, reencode=reencode), rng, frame)


@dataclass
class _Part:
    """One part of each batch, its state told in crops of the whole."""

    parts: grain.DatasetIterator
    batch_size: int

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        crops, targets = next(self.parts)
        return crops, targets

    def get_state(self) -> dict[str, int]:
        return {"next_index": self.parts.get_state()["next_index"] * self.batch_size}

    def set_state(self, state: dict[str, int]) -> None:
        self.parts.set_state({"next_index": state["next_index"] // self.batch_size})


def stack(items: list[tuple[np.ndarray, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([crop for crop, _ in items]), np.array([[target] for _, target in items], np.float32)


def steps_per_epoch(splits: Sequence[tuple[Sized, float]], batch_size: int) -> int:
    """Batches until as many pictures have gone by as the weighted sources hold."""
    return max(1, round(sum(len(split) * weight for split, weight in splits) / batch_size))
