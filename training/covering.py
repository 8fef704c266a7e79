"""Faces of data sets, covers drawn over half of them -> the network that notices covered faces, detector/covering.py.

Whatever the labels say of the faces, they are taken for uncovered ones: the few that are covered are too few to teach
otherwise. As many covers lie beside the face as over it, so that one counts where it hides something.
"""

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image, ImageFilter

from detector.covering import MARGIN, MODEL, SIZE
from detector.crop import crop_face, crop_square, turns
from training.augment import covers
from training.augment.aged import aged
from training.data import face_cache
from training.data.sources import Source
from training.files import write

log = logging.getLogger(__name__)

_DRAWN = 2 * SIZE  # pixels of the crop that is drawn on
_EPOCHS, _BATCH = 10, 64
_BESIDE = 0.15  # share of the uncovered faces with a cover beside them
_OLD, _COPIED_OLD = 0.25, 0.1  # shares of faces in old photographs, and of pictures old as a whole, cover and all


def train(data: Sequence[str], out: Path = MODEL, *, limit: int | None = None, cache: Path | None = None) -> Path:
    """Train on the train splits of `data`, and write the network as LiteRT. Raises TrainingError for the data."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    splits = [face_cache.load(Source.parse(text), "train", cache=cache, limit=limit) for text in data]
    crops, targets = samples(splits, np.random.default_rng(1))
    log.info("%d crops, %d of covered faces", len(crops), int(targets.sum()))
    network = build()
    steps = _EPOCHS * len(crops) // _BATCH
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), keras.losses.BinaryCrossentropy(from_logits=True))
    network.fit(crops, targets, batch_size=_BATCH, epochs=_EPOCHS, verbose=2)
    network.trainable = False
    write(out, bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert()))
    return out


def build() -> keras.Model:
    """In: crops uint8 or float32 (N, SIZE, SIZE, 3). Out: logit (N, 1). Depthwise separable convolutions (MobileNet,
    Howard et al. 2017, arXiv:1704.04861)."""
    crop = keras.Input((SIZE, SIZE, 3), name="crops")
    x = layers.Rescaling(1 / 127.5, -1)(crop)
    x = _normed(layers.Conv2D(16, 5, 3, "same", use_bias=False)(x))
    for filters, stride in ((24, 1), (32, 2), (48, 2), (64, 2), (64, 1)):
        x = _normed(layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(x))
        x = _normed(layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(crop, layers.Dense(1, name="logit")(x))


def _normed(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(6)(layers.BatchNormalization(momentum=0.9)(x))


def samples(splits: Sequence[face_cache.Split], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crops uint8 (N, SIZE, SIZE, 3) and targets float32 (N, 1), 1 for covered: of each face both."""
    upright = [
        (split, face)
        for split in splits
        for face in split.faces
        if turns(face.roll) == (0, 0.0)  # or the keypoints would have to be turned, too
    ]
    crops = np.empty((len(upright), 2, SIZE, SIZE, 3), np.uint8)
    for pair, (split, face), own in zip(crops, upright, rng.spawn(len(upright)), strict=True):
        pair[:] = list(_pair(split.pixels(face), face, own))
    return crops.reshape(-1, SIZE, SIZE, 3), np.tile([[0.0], [1.0]], (len(crops), 1)).astype(np.float32)


def _pair(pixels: np.ndarray, face: face_cache.Face, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """A crop of the face, and one of it covered."""
    scale, shift = float(np.exp(rng.normal(0, 0.08))), tuple(rng.normal(0, 0.04, 2))
    left, top, side = crop_square(face.box, MARGIN, scale=scale, shift=shift)
    crop = crop_face(pixels, face.box, _DRAWN, MARGIN, scale=scale, shift=shift)
    keypoints = (face.keypoints - (left, top)) * (_DRAWN / side)
    if rng.random() < 0.5:
        crop, keypoints = np.ascontiguousarray(crop[:, ::-1]), np.array([_DRAWN, 0]) + keypoints * (-1, 1)
        keypoints = keypoints[[1, 0, 2, 4, 3]]
    if rng.random() < _OLD:
        crop = aged(crop, rng)
    kind = list(covers.KINDS)[rng.integers(len(covers.KINDS))]
    plain = crop
    if rng.random() < _BESIDE:
        away = np.array([rng.choice((-1, 1)) * rng.uniform(0.55, 0.8), rng.uniform(-0.1, 0.5)])
        plain = covers.cover(crop, keypoints + away * _DRAWN, kind, rng)
    yield _copied(plain, rng)
    yield _copied(covers.cover(crop, keypoints, kind, rng), rng)


def _copied(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As copies of pictures come: lighter or darker, smaller, blurred, old, compressed."""
    if rng.random() < _COPIED_OLD:
        crop = aged(crop, rng)
    picture = Image.fromarray(
        np.clip(crop * rng.uniform(0.7, 1.25, 3) ** 0.5 + rng.uniform(-20, 20), 0, 255).astype(np.uint8)
    )
    if rng.random() < 0.4:
        side = round(float(rng.uniform(32, SIZE)))
        picture = picture.resize((side, side), Image.Resampling.BILINEAR)
    elif rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.5))))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(40, 96)))
    with Image.open(file) as stored:
        return np.asarray(stored.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=3.0))
