"""Processes that train one network together: `--strategy data-parallel`, on JAX.

Every worker keeps the whole network and takes its part of each batch; XLA works each step out over all devices at once,
so that batch statistics, gradients and the optimizer are those of one device with the whole batch. Worker 0 leads: it
alone writes.

JAX brings them together and notices who is gone.
"""

import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from training.errors import Interrupted, TrainingError

STRATEGIES = ("none", "data-parallel")


class Workers:
    """Those that train together, seen from one of them; with `world_size` 1 it is this process alone."""

    def __init__(self, rank: int = 0, world_size: int = 1, distribution: Any = None) -> None:
        self.rank, self.world_size, self._distribution = rank, world_size, distribution
        self._forward: Any = None

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def devices(self) -> int:
        """Of all workers together."""
        return self._distribution.device_mesh.devices.size if self._distribution else 1

    def check(self, batch_size: int) -> None:
        """Raises TrainingError where the devices cannot take equal parts of a batch."""
        if self._distribution is None:
            return
        import jax

        if jax.local_device_count() * self.world_size != self.devices:
            raise TrainingError("The workers must have the same number of devices each.")
        if batch_size % self.devices:
            raise TrainingError(
                f"{self.devices} devices cannot take equal parts of a batch of {batch_size}: give a --batch-size that "
                f"is a multiple of {self.devices}."
            )

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """The others follow once the main process is through: what it leaves on a shared disk they find there."""
        if not self.is_main:
            _wait_for_all()
        yield
        if self.is_main and self.world_size > 1:
            _wait_for_all()

    def assert_equal(self, what: str) -> None:
        """Raises TrainingError, in every worker, unless all call it with the same text."""
        if self.world_size == 1:
            return
        from jax.experimental import multihost_utils

        digest = np.frombuffer(hashlib.sha256(what.encode()).digest(), np.uint32)
        if (multihost_utils.process_allgather(digest) != digest).any():
            raise TrainingError(
                "The workers differ in options, pictures or checkpoint: give all the same command, the same data and "
                "an --out on a disk that they share."
            )

    def any(self, value: bool) -> bool:
        """Whether it is so in any worker. All of them must ask."""
        if self.world_size == 1:
            return value
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array(value)).any())

    def predict(self, model: Any, crops: np.ndarray, total: int, batch_size: int) -> np.ndarray:
        """Logits float32 (total,), in every worker the same, of pictures of which this one has the crops
        `rank::world_size` (n, S, S, 3)."""
        if self._distribution is None:
            return np.asarray(model.predict(crops, batch_size=batch_size, verbose=0), np.float32).reshape(-1)
        import jax
        from jax.experimental import multihost_utils

        if self._forward is None:
            self._forward = jax.jit(
                lambda fixed, variables, batch: model.stateless_call(variables, fixed, batch, training=False)[0]
            )
        fixed, variables = (
            [v.value for v in part] for part in (model.non_trainable_variables, model.trainable_variables)
        )
        own = math.ceil(batch_size / self.devices) * (self.devices // self.world_size)
        rounds = math.ceil(math.ceil(total / self.world_size) / own)
        found = []
        for number in range(rounds):
            batch = np.zeros((own, *crops.shape[1:]), crops.dtype)
            part = crops[number * own : (number + 1) * own]
            batch[: len(part)] = part
            layout = self._distribution.get_data_layout(batch.shape).backend_layout
            whole = jax.make_array_from_process_local_data(layout, batch)
            found.append(multihost_utils.process_allgather(self._forward(fixed, variables, whole), tiled=True))
        by_worker = np.asarray(found, np.float32).reshape(rounds, self.world_size, own).swapaxes(0, 1)
        return by_worker.reshape(self.world_size, -1).T.reshape(-1)[:total]


ALONE = Workers()


@contextmanager
def joined(
    strategy: str, coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> Iterator[Workers]:
    """The workers of a run, once all have come; `none` is this process on its first device. What is not said of the
    others JAX finds out from Slurm, Open MPI or Kubernetes; where there is none of these, this process is alone.

    Raises TrainingError where JAX is not the backend or something is not said. A worker that is lost ends the others
    with JAX's own error.
    """
    said = any(value is not None for value in (coordinator, processes, process))
    if strategy == "none":
        if said:
            raise TrainingError("Several processes train together with --strategy data-parallel.")
        yield ALONE
        return
    _require_jax()
    import jax
    import keras

    # Its handler of SIGTERM would swallow what asks the run to stop.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except ValueError:
        if said:
            raise TrainingError(
                "Say where process 0 runs, how many there are and which this is: --coordinator HOST:PORT --processes N "
                "--process 0 to N-1."
            ) from None
    rank, world_size = jax.process_index(), jax.process_count()
    if rank:
        logging.getLogger("training").setLevel(logging.WARNING)  # the main process says the same
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    try:
        with distribution.scope():
            yield Workers(rank, world_size, distribution)
    except Interrupted:  # all of them were
        jax.distributed.shutdown()
        raise
    jax.distributed.shutdown()


def _wait_for_all() -> None:
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices("main process first")


def _require_jax() -> None:
    import keras

    if keras.backend.backend() != "jax":
        raise TrainingError(
            "--strategy data-parallel runs on JAX: pip install '.[jax]' in the project's folder, and set "
            "KERAS_BACKEND=jax."
        )
