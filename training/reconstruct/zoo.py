"""Autoencoders of our own, small and of many designs, trained on the photographs themselves.

A network that sees the reconstructions of one decoder learns that decoder; of many, that something decoded the picture
(Fei et al. 2026, GenSign). What they leave comes of how they scale up, of their kernels, their normalisation and their
loss: a design draws these at random.
"""

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from training import architectures
from training.files import write_model
from training.reconstruct.autoencoders import BYTES, Autoencoder, load, psnr

log = logging.getLogger(__name__)

WINDOW = 128  # pixels: side of what they are trained on
_BATCH = 8
_LEARNING_RATE = 2e-3
_PERCEIVED = ("stem_relu", "block2_add", "block4_add")  # of Lite0: a half, a quarter and an eighth of the size

UPSAMPLING = ("transposed", "nearest", "bilinear", "shuffle")
_LATENTS = ((8, 4), (8, 8), (8, 16), (8, 32), (16, 16), (16, 32))  # four channels, 16 times smaller, hold a blur
_KERNELS = (3, 4, 5)
_NORMALISATION = ("none", "batch", "group")


@dataclass(frozen=True)
class Design:
    """`times` smaller are the latents, in `channels`; `width` is that of the finest layers."""

    times: int
    channels: int
    upsampling: str
    kernel: int
    normalisation: str
    width: int
    perceptual: float

    @property
    def name(self) -> str:
        return f"{self.times}x{self.channels}-{self.upsampling}-{self.kernel}-{self.normalisation}"


def designs(count: int, seed: int) -> list[Design]:
    """Drawn at random, none twice; each way of scaling up is as common as the others."""
    rng = np.random.default_rng([seed, 0x200])
    others = list(itertools.product(_LATENTS, _KERNELS, _NORMALISATION))
    orders = [rng.permutation(len(others)) for _ in UPSAMPLING]
    drawn = []
    for number in range(count):
        way, turn = number % len(UPSAMPLING), number // len(UPSAMPLING)
        (times, channels), kernel, normalisation = others[orders[way][turn % len(others)]]
        width, perceptual = int(rng.choice((12, 16, 24))), float(rng.choice((0.02, 0.05, 0.1)))
        drawn.append(Design(times, channels, UPSAMPLING[way], kernel, normalisation, width, perceptual))
    return drawn


def build(design: Design) -> keras.Model:
    """RGB float32 (N, H, W, 3), 0..255, sides multiples of 16 -> the same."""
    steps = design.times.bit_length() - 1
    widths = [min(design.width * 2**step, 128) for step in range(steps + 1)]
    inputs = keras.Input((None, None, 3), name="pictures")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for width in widths[1:]:
        x = _conv(x, width, 3, design, stride=2)
    x = layers.Conv2D(design.channels, 1, name="latent")(_residual(x, design))
    x = _residual(_conv(x, widths[-1], 3, design), design)
    for width in reversed(widths[:-1]):
        x = _up(x, width, design)
    x = layers.Conv2D(3, design.kernel, padding="same")(x)
    return keras.Model(inputs, layers.Rescaling(127.5, offset=127.5)(x), name=f"zoo-{design.name}")


def _conv(x: Any, width: int, kernel: int, design: Design, stride: int = 1) -> Any:
    return _after(layers.Conv2D(width, kernel, stride, "same")(x), design)


def _after(x: Any, design: Design) -> Any:
    if design.normalisation == "batch":
        x = layers.BatchNormalization()(x)
    elif design.normalisation == "group":
        x = layers.GroupNormalization(4)(x)
    return layers.Activation("silu")(x)


def _residual(x: Any, design: Design) -> Any:
    y = _conv(x, x.shape[-1], 3, design)
    return layers.Add()([x, layers.Conv2D(x.shape[-1], 3, padding="same")(y)])


def _up(x: Any, width: int, design: Design) -> Any:
    if design.upsampling == "transposed":
        return _after(layers.Conv2DTranspose(width, design.kernel, 2, "same")(x), design)
    if design.upsampling == "shuffle":
        x = layers.Conv2D(4 * width, design.kernel, padding="same")(x)
        return _after(ops.depth_to_space(x, 2), design)
    return _conv(layers.UpSampling2D(interpolation=design.upsampling)(x), width, design.kernel, design)


def train(design: Design, photographs: Sequence[np.ndarray], steps: int, seed: int) -> keras.Model:
    """An autoencoder trained for so many steps on windows of the photographs, uint8 (H, W, 3) of WINDOW pixels at
    least: L1 and how far features are apart that were learned on ImageNet (Johnson et al. 2016, arXiv:1603.08155)."""
    keras.utils.set_random_seed(seed)
    lite = architectures.build("efficientnet-lite0", WINDOW)
    seen = keras.Model(lite.input, [lite.get_layer(name).output for name in _PERCEIVED])
    seen.trainable = False

    def loss(pictures: Any, rebuilt: Any) -> Any:
        far = ops.mean(ops.abs(pictures - rebuilt)) / 127.5
        for own, other in zip(seen(pictures), seen(rebuilt), strict=True):
            far += design.perceptual * ops.mean(ops.abs(own - other)) / (ops.mean(ops.abs(own)) * len(_PERCEIVED))
        return far

    model = build(design)
    schedule = keras.optimizers.schedules.CosineDecay(
        _LEARNING_RATE / 20, decay_steps=max(1, steps - 100), warmup_target=_LEARNING_RATE, warmup_steps=min(100, steps)
    )
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0), loss, jit_compile=keras.backend.backend() == "jax"
    )
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        batch = np.stack([_window(photographs[int(rng.integers(len(photographs)))], rng) for _ in range(_BATCH)])
        model.train_on_batch(batch, batch)
    return model


def _window(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = (int(rng.integers(side - WINDOW + 1)) for side in pixels.shape[:2])
    window = pixels[top : top + WINDOW, left : left + WINDOW]
    return (window[:, ::-1] if rng.random() < 0.5 else window).astype(np.float32)


def make(photographs: Sequence[np.ndarray], folder: Path, count: int, steps: int, seed: int) -> list[Autoencoder]:
    """`count` autoencoders, one file each in `folder`: those that are there are taken as they are. Every tenth of the
    photographs is kept to measure them."""
    measured = photographs[::10]
    trained = [pixels for number, pixels in enumerate(photographs) if number % 10] or measured
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, design in enumerate(designs(count, seed)):
        file = folder / f"zoo-{number + 1:02}-{design.name}.keras"
        if not file.exists():
            started = time.monotonic()
            write_model(train(design, trained, steps, seed + number), file)
            log.info("%s: trained in %.0f s", file.stem, time.monotonic() - started)
        autoencoder = load(str(file), BYTES)
        quality = [psnr(pixels, autoencoder.reconstruct(pixels)) for pixels in measured[:16]]
        log.info("%s: %.1f dB", file.stem, float(np.mean(quality)))
        found.append(autoencoder)
    return found
