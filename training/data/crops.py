"""Face crops in batches, cut as the detector cuts them and varied for training.

The pipeline is Grain's: globally shuffled from a seed, resumable at any batch, and free of any Keras backend.
"""

from collections.abc import Callable
from dataclasses import dataclass

import grain
import numpy as np
from PIL import Image

from detector import faces
from training.augment import corruptions, forge
from training.data.face_cache import Face, Split


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
