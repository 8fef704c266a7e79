"""Crops -> logits and activation maps, by LiteRT."""

import numpy as np

from detector.errors import ModelError
from detector.sessions import SessionPool

_BATCH = 16  # of crops in one run: larger batches are no faster on a CPU and take more memory


class Classifier:
    """Thread-safe. `model` are the bytes of a model.tflite as a model folder holds it; `threads` share the work where
    a picture is alone."""

    def __init__(self, model: bytes, input_size: int, threads: int = 1) -> None:
        try:
            self._narrow = SessionPool(model)
            self._wide = SessionPool(model, threads) if threads > 1 else self._narrow
            with self._wide.take() as session:
                shape = session.input_shape
        except (ValueError, RuntimeError):
            raise ModelError("model.tflite is no network that LiteRT can run: export the model again.") from None
        if len(shape) != 4 or tuple(shape[1:]) != (input_size, input_size, 3):
            raise ModelError("The network's input is not the size that config.json says: export the model again.")
        self._size = input_size

    def predict(self, crops: np.ndarray, *, alone: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Logits float32 (N,), above 0 for fake, and activation maps float32 (N, h, w) of crops uint8 (N, S, S, 3).

        The mean of a map is its logit. Not `alone`, one thread does the work, since other pictures need the cores: a
        network on several threads keeps them spinning. Raises ValueError for crops of another shape.
        """
        if crops.ndim != 4 or crops.shape[1:] != (self._size, self._size, 3):
            raise ValueError(f"Crops must be (N, {self._size}, {self._size}, 3), not {crops.shape}.")
        if not len(crops):
            return np.zeros(0, np.float32), np.zeros((0, 1, 1), np.float32)
        sessions = self._wide if alone else self._narrow
        logits, maps = [], []
        for start in range(0, len(crops), _BATCH):
            with sessions.take() as session:
                outputs = session.run(crops[start : start + _BATCH])
            by_rank = {output.ndim: output for output in outputs}
            if set(by_rank) != {1, 3}:
                raise ModelError("The network lacks its logit or its activation map: export the model again.")
            logits.append(by_rank[1])
            maps.append(by_rank[3])
        return np.concatenate(logits), np.concatenate(maps)
