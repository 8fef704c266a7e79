"""A pool of LiteRT interpreters for many threads: each interpreter serves one thread at a time."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

_KEPT = 1_800_000  # samples of an input: what a session of a larger one holds is given back after its run


class Session:
    """One interpreter. Keeps the batch size of the last call, since changing it allocates memory again."""

    def __init__(self, model: bytes, threads: int) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._shape = tuple(self._input["shape"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def takes_batches(self) -> bool:
        """Whether the first dimension of the input is left open."""
        return bool(self._input["shape_signature"][0] == -1)

    @property
    def input_dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self._input["dtype"])
        return dtype

    @property
    def is_large(self) -> bool:
        """Whether it holds much memory: a gigabyte for the face detector's larger look."""
        return bool(np.prod(self._shape) > _KEPT)

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """Outputs of the model in its own order, copied out of the interpreter."""
        if batch.shape != self._shape:
            self._interpreter.resize_tensor_input(self._input["index"], batch.shape)
            self._shape = batch.shape
            try:
                self._interpreter.allocate_tensors()
            except RuntimeError as error:
                if str(error).strip():
                    raise
                raise MemoryError("LiteRT found no room for an input of this size.") from None  # and says nothing
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(batch, self._input["dtype"]))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class Cores:
    """`threads` for the picture that is being processed, as long as it is the only one; else one for each, since a
    network on several threads keeps them spinning, and other pictures need the cores."""

    def __init__(self, threads: int = 1) -> None:
        self._threads, self._pictures, self._lock = threads, 0, threading.Lock()

    def allow(self, threads: int) -> None:
        """So many `threads` from now on."""
        self._threads = threads

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """While a picture is worked at."""
        with self._lock:
            self._pictures += 1
        try:
            yield
        finally:
            with self._lock:
                self._pictures -= 1

    @property
    def threads(self) -> int:
        """For a network that starts now."""
        return self._threads if self._pictures <= 1 else 1


class SessionPool:
    """Sessions of one model, made when a thread finds none free, kept for the next. `take` raises ValueError or
    RuntimeError for bytes that are not a model."""

    def __init__(self, model: bytes, cores: Cores | None = None) -> None:
        self._model, self._cores = model, cores or Cores()
        self._free: defaultdict[int, list[Session]] = defaultdict(list)  # by their threads
        self._lock = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[Session]:
        threads = self._cores.threads
        with self._lock:
            session = self._free[threads].pop() if self._free[threads] else None
        if session is None:
            session = Session(self._model, threads)
        try:
            yield session
        finally:
            if not session.is_large:
                with self._lock:
                    self._free[threads].append(session)
