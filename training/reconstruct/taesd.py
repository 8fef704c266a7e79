"""The tiny autoencoders of image generators' latents (github.com/madebyollin/taesd, MIT) as a Keras file.

    python -m training.reconstruct.taesd FOLDER taef2 --out taef2.keras

FOLDER holds the repository's files: taef2_encoder.pth and taef2_decoder.pth for FLUX.2, taef1_… for FLUX.1, taesd3_…,
taesdxl_…, taesd_… for Stable Diffusion. The layers are numbered there as in its taesd.py.
"""

import argparse
import pickle
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from training import pth
from training.errors import TrainingError
from training.files import write_model

_CLAMP, _RELU = 0, 2  # numbers of layers without weights in a decoder; the others scale up
_GROUPS = 4

Tensors = dict[str, np.ndarray]


def convert(folder: Path, name: str) -> keras.Model:
    """The autoencoder: RGB float32 (N, H, W, 3), 0..255, sides multiples of 8 -> the same. Raises TrainingError."""
    inputs = keras.Input((None, None, 3), name="pictures")
    x = layers.Rescaling(1 / 255)(inputs)
    for half in ("encoder", "decoder"):
        tensors = _read(folder / f"{name}_{half}.pth")
        for number in range(1 + max(int(key.partition(".")[0]) for key in tensors)):
            if f"{number}.weight" in tensors:
                shrinks = half == "encoder" and number > 0 and f"{number}.bias" not in tensors
                x = _conv(x, tensors, str(number), stride=2 if shrinks else 1)
            elif f"{number}.conv.0.weight" in tensors:
                x = _block(x, tensors, str(number))
            elif number == _CLAMP:
                x = layers.Rescaling(3.0)(layers.Activation("tanh")(layers.Rescaling(1 / 3)(x)))
            else:
                x = layers.ReLU()(x) if number == _RELU else layers.UpSampling2D()(x)
        if tensors:
            raise TrainingError(f"{name} has layers that are not known here, such as {min(tensors)}.")
    return keras.Model(inputs, layers.Rescaling(255.0)(x), name=name)


def _read(path: Path) -> Tensors:
    try:
        with path.open("rb") as file:
            return {key: tensor.astype(np.float32) for key, tensor in pth.read(file).items()}
    except FileNotFoundError:
        raise TrainingError(f"There is no weights file called {path.name}.") from None
    except (ValueError, KeyError, pickle.UnpicklingError, EOFError) as error:
        raise TrainingError(f"{path.name} could not be read: get another copy.") from error


def _conv(x: Any, tensors: Tensors, name: str, stride: int = 1) -> Any:
    kernel, bias = tensors.pop(f"{name}.weight"), tensors.pop(f"{name}.bias", None)
    if kernel.shape[2] > 1:
        x = layers.ZeroPadding2D()(x)  # Keras' own pads one side only where the stride is 2
    layer = layers.Conv2D(kernel.shape[0], kernel.shape[2], stride, use_bias=bias is not None)
    y = layer(x)
    layer.set_weights([kernel.transpose(2, 3, 1, 0), *([] if bias is None else [bias])])
    return y


def _block(x: Any, tensors: Tensors, name: str) -> Any:
    if f"{name}.pool.0.weight" in tensors:  # FLUX.2's look at the whole picture
        pooled = _conv(x, tensors, f"{name}.pool.0")
        norm = layers.GroupNormalization(_GROUPS, epsilon=1e-5)
        pooled = norm(pooled)
        norm.set_weights([tensors.pop(f"{name}.pool.1.{part}") for part in ("weight", "bias")])
        x = layers.Add()([x, _conv(layers.ReLU()(pooled), tensors, f"{name}.pool.3")])
    y = x
    for number in (0, 2, 4):
        y = _conv(y, tensors, f"{name}.conv.{number}")
        y = layers.ReLU()(y) if number < 4 else y
    shortcut = _conv(x, tensors, f"{name}.skip") if f"{name}.skip.weight" in tensors else x
    return layers.ReLU()(layers.Add()([y, shortcut]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.reconstruct.taesd", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with both .pth files")
    parser.add_argument("name", metavar="NAME", help="taef2, taef1, taesd3, taesdxl or taesd")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    given = parser.parse_args(argv)
    try:
        write_model(convert(given.folder, given.name), given.out)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
