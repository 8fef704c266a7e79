"""PyTorch's weights files without PyTorch.

Only the names that a state dict needs can be unpickled: a file that asks for any other code is refused with
pickle.UnpicklingError. The layouts are those of torch/serialization.py.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """Tensors of a .pth file, in their order."""
    tensors = _read_zip(file) if zipfile.is_zipfile(file) else _read_legacy(file)
    return OrderedDict((name, tensor.copy()) for name, tensor in tensors.items())


def _read_zip(file: BinaryIO) -> dict[str, np.ndarray]:
    """The format since PyTorch 1.6: an archive of the pickle and of one file a storage."""
    with zipfile.ZipFile(file) as archive:
        (content,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        unpickler = _Unpickler(io.BytesIO(archive.read(content)))
        tensors: dict[str, np.ndarray] = unpickler.load()
        for key, storage in unpickler.storages.items():
            data = archive.read(f"{content.removesuffix('data.pkl')}data/{key}")
            storage[:] = np.frombuffer(data, storage.dtype)
    return tensors


def _read_legacy(file: BinaryIO) -> dict[str, np.ndarray]:
    file.seek(0)
    for _ in range(3):  # magic number, protocol version, byte order
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    tensors: dict[str, np.ndarray] = unpickler.load()
    for key in _Unpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        storage = unpickler.storages[key]
        storage[:] = np.frombuffer(file.read(count * storage.itemsize), storage.dtype)
    return tensors


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch", "FloatStorage"): np.float32,
            ("torch", "HalfStorage"): np.float16,
            ("torch", "LongStorage"): np.int64,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"A weights file has no business with {module}.{name}.")
        return allowed[module, name]

    def persistent_load(self, pid: tuple[Any, ...]) -> np.ndarray:
        _, dtype, key, _, count, *_ = pid
        return self.storages.setdefault(key, np.zeros(count, dtype))


def _rebuild(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> np.ndarray:
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps)
