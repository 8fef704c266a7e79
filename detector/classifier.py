"""Crops -> logits and activation maps, by LiteRT."""

import numpy as np

from detector.errors import ModelError
from detector.sessions import Cores, SessionPool

_BATCH = 16  # of crops in one run, where the network takes several: larger ones are no faster on a CPU


class Classifier:
    """Thread-safe. `model` are the bytes of a model.tflite as a model folder holds it."""

    def __init__(self, model: bytes, input_size: int, cores: Cores | None = None) -> None:
        try:
            self._sessions = SessionPool(model, cores)
            with self._sessions.take() as session:
                shape, several = session.input_shape, session.takes_batches
        except (ValueError, RuntimeError):
            raise ModelError("model.tflite is not a network that LiteRT can run: export the model again.") from None
        if len(shape) != 4 or tuple(shape[1:]) != (input_size, input_size, 3):
            raise ModelError("The network's input is not the size that config.json says: export the model again.")
        self._size, self._batch = input_size, _BATCH if several else 1

    def predict(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits float32 (N,), above 0 for fake, and activation maps float32 (N, h, w), whose means they are, of crops
        uint8 (N, S, S, 3). Raises ValueError for crops of another shape."""
        if crops.ndim != 4 or crops.shape[1:] != (self._size, self._size, 3):
            raise ValueError(f"Crops must be (N, {self._size}, {self._size}, 3), not {crops.shape}.")
        if not len(crops):
            return np.zeros(0, np.float32), np.zeros((0, 1, 1), np.float32)
        logits, maps = [], []
        for start in range(0, len(crops), self._batch):
            with self._sessions.take() as session:
                outputs = session.run(crops[start : start + self._batch])
            by_rank = {output.ndim: output for output in outputs}
            if set(by_rank) != {1, 3}:
                raise ModelError("The network lacks its logit or its activation map: export the model again.")
            if not all(np.isfinite(output).all() for output in outputs):
                raise ModelError("The network's answer is not a number: export the model again.")
            logits.append(by_rank[1])
            maps.append(by_rank[3])
        return np.concatenate(logits), np.concatenate(maps)
