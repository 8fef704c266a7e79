"""Autoencoders, whatever format they come in, as functions from a picture to its reconstruction."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from detector.model_folder import hub
from training.errors import TrainingError

log = logging.getLogger(__name__)

Values = Callable[[np.ndarray], np.ndarray]  # float32 (1, H, W, 3) -> the same

_STEP = 64  # sides that an encoder sees are multiples of it: the coarsest in use shrink them that much
# What RGB of 0 to 255 is turned into, by factor and offset. A file doesn't tell which it was trained with.
BYTES = "0 to 255"
_RANGES = {BYTES: (1.0, 0.0), "-1 to 1": (2 / 255, -1.0), "0 to 1": (1 / 255, 0.0)}
_TRIED_ON = 256  # pixels of a picture's sides
_LEAST_PSNR = 15.0  # dB: below, it's another picture


class Autoencoder:
    """`name` is what its reconstructions are known by. The first picture decides what range of values it takes: the
    one with which it gives that picture back."""

    def __init__(self, name: str, values: Values, taken: str | None = None) -> None:
        self.name, self._values, self._taken = name, values, taken

    def reconstruct(self, pixels: np.ndarray) -> np.ndarray:
        """A picture uint8 RGB (H, W, 3) after encoder and decoder. Raises TrainingError for anything else."""
        if self._taken is None:
            part = pixels[:_TRIED_ON, :_TRIED_ON]
            quality = {taken: psnr(part, self._through(part, taken)) for taken in _RANGES}
            best = max(quality, key=lambda taken: quality[taken])
            if quality[best] < _LEAST_PSNR:
                raise TrainingError(
                    f"{self.name} doesn't give back the picture that it is given: it's not an autoencoder."
                )
            log.info("%s takes values of %s", self.name, best)
            self._taken = best
        return self._through(pixels, self._taken)

    def _through(self, pixels: np.ndarray, taken: str) -> np.ndarray:
        height, width = pixels.shape[:2]
        padded = np.pad(pixels, ((0, -height % _STEP), (0, -width % _STEP), (0, 0)), "symmetric")
        factor, offset = _RANGES[taken]
        given = self._values((padded * np.float32(factor) + np.float32(offset))[None])
        if given.shape != (1, *padded.shape):
            raise TrainingError(f"{self.name} gives a picture of another size than it takes: it's not an autoencoder.")
        pixels = np.clip(np.rint((given[0, :height, :width] - offset) / factor), 0, 255)
        return np.asarray(np.nan_to_num(pixels), np.uint8)


def psnr(pixels: np.ndarray, others: np.ndarray) -> float:
    """How alike two pictures uint8 are, in dB."""
    error = float(np.mean((pixels.astype(np.float32) - others) ** 2))
    return 10 * float(np.log10(255**2 / max(error, 1e-3)))


def load(place: str, taken: str | None = None) -> Autoencoder:
    """An .onnx or .keras file, which takes values of `taken` where that is known, or what `diffusers` reads:
    owner/name[@revision] on the Hub or a folder. Raises TrainingError."""
    path = Path(place)
    if path.suffix in (".onnx", ".keras") and not path.is_file():
        raise TrainingError(f"There is no autoencoder file called {path.name}.")
    if path.suffix == ".onnx":
        return Autoencoder(path.stem, _onnx(path), taken)
    if path.suffix == ".keras":
        return Autoencoder(path.stem, _keras(path), taken)
    if path.is_dir() or hub.parse(place):
        return Autoencoder(path.name if path.is_dir() else place, _diffusers(place), "-1 to 1")
    raise TrainingError(
        f"{path.name} is not an autoencoder: give an .onnx or .keras file, owner/name on the Hub, or zoo."
    )


def _onnx(path: Path) -> Values:
    try:
        import onnxruntime
    except ImportError:
        raise TrainingError('An .onnx file needs ONNX Runtime: pip install ".[onnx]"') from None
    try:
        session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    except Exception as error:  # its own kinds, which it doesn't export
        raise TrainingError(f"{path.name} could not be read by ONNX Runtime: get another copy.") from error
    given = session.get_inputs()[0]
    return _checked(path, given.shape, lambda values: session.run(None, {given.name: values})[0])


def _keras(path: Path) -> Values:
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises anything, and refuses code by it
        raise TrainingError(f"{path.name} could not be read: give a .keras file without code in it.") from error
    return _checked(path, model.input_shape, lambda values: np.asarray(model.predict_on_batch(values)))  # as one graph


def _checked(path: Path, shape: Any, values: Values) -> Values:
    """With channels last, whichever the file has. Raises TrainingError where it doesn't take pictures of any size."""
    first = len(shape) == 4 and shape[1] == 3
    if len(shape) != 4 or not (first or shape[3] == 3):
        raise TrainingError(f"{path.name} takes no pictures of three colours.")
    if any(isinstance(side, int) for side in (shape[2:] if first else shape[1:3])):
        raise TrainingError(f"{path.name} takes pictures of one size only: export it with free height and width.")
    if not first:
        return values
    return lambda given: values(np.ascontiguousarray(given.transpose(0, 3, 1, 2))).transpose(0, 2, 3, 1)


def _diffusers(place: str) -> Values:
    """The `vae` of a pipeline, or an autoencoder alone. No pickle and no code of strangers is loaded."""
    try:
        import diffusers
        import torch
    except ImportError:
        raise TrainingError('An autoencoder on the Hub needs diffusers: pip install ".[diffusers]"') from None
    name, _, revision = place.partition("@")
    for part in ("vae", None):
        try:
            model = diffusers.AutoModel.from_pretrained(
                name, subfolder=part, revision=revision or None, use_safetensors=True
            )
            break
        except (OSError, ValueError) as error:
            why = error
    else:
        raise TrainingError(f"{name} has no autoencoder, or the Hub does not have it: check the name.") from why
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    of_video = any(isinstance(module, torch.nn.Conv3d) for module in model.modules())  # such takes one frame

    def values(given: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(given).to(device).permute(0, 3, 1, 2)
            decoded = model(pictures[:, :, None] if of_video else pictures).sample
            decoded = decoded[:, :, 0] if of_video else decoded
            return np.asarray(decoded.permute(0, 2, 3, 1).float().cpu())

    return values
