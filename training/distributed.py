"""Processes that train one network together: `--strategy data-parallel`, on JAX.

Every worker keeps the whole network and takes its part of each batch; XLA works each step out over all devices at once,
so that batch statistics, gradients and the optimizer are those of one device with the whole batch. Worker 0 leads: it
alone writes.

JAX's own runtime aborts the process when a worker falls silent, the coordinator goes or a worker does not come; its
callback for Python throws std::bad_cast (jaxlib 0.10.2). So the workers keep a line of their own to the main process,
over which they meet, and notice who is gone.
"""

import contextlib
import hashlib
import logging
import math
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from training.errors import Interrupted, TrainingError

STRATEGIES = ("none", "data-parallel")
JOIN = 300.0  # seconds that workers wait for each other at the start
SILENCE = 60.0  # seconds after which a worker that says nothing is lost
LOST = 3  # exit status of those who lost one
_BEAT = 1.0

# How cluster managers tell a process how many there are and which it is.
_COUNTS = (
    ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("WORLD_SIZE", "RANK"),  # torchrun, Kubeflow, SageMaker
    ("SLURM_NTASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
)


@dataclass(frozen=True)
class Cluster:
    """The processes that train together, and which of them this is. `coordinator` is HOST:PORT of rank 0."""

    coordinator: str = ""
    world_size: int = 1
    rank: int = 0

    @classmethod
    def detect(
        cls, coordinator: str | None, processes: int | None, process: int | None, environment: Mapping[str, str]
    ) -> "Cluster":
        """What was said, and for what was not, what the cluster manager put into the environment.

        Raises TrainingError where something is missing or contradictory.
        """
        if processes is None and process is None:
            for count, index in _COUNTS:
                if count in environment and index in environment:
                    processes, process = _number(environment, count), _number(environment, index)
                    break
        if coordinator is None:
            coordinator = environment.get("JAX_COORDINATOR_ADDRESS", "")
        if not coordinator and "MASTER_ADDR" in environment:
            coordinator = f"{environment['MASTER_ADDR']}:{environment.get('MASTER_PORT', '')}"
        if processes is None and process is None and not coordinator:
            return cls()
        if processes is None or process is None or not 0 <= process < processes:
            raise TrainingError("Say how many processes there are and which this is: --processes N --process 0 to N-1.")
        host, _, port = coordinator.rpartition(":")
        if processes > 1 and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise TrainingError("Say where process 0 runs, the same to all: --coordinator HOST:PORT.")
        return cls(coordinator, processes, process)


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise TrainingError(f"{name} in the environment must be a number.") from None


class Workers:
    """Those that train together, seen from one of them; with `world_size` 1 it is this process alone."""

    def __init__(
        self, rank: int = 0, world_size: int = 1, distribution: Any = None, watch: "_Watch | None" = None
    ) -> None:
        self.rank, self.world_size = rank, world_size
        self._distribution, self._watch = distribution, watch
        self._forward: Any = None
        self._saved = 0

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
        if self._watch and not self.is_main:
            self._watch.gone_ahead.wait()
        yield
        if self._watch and self.is_main:
            self._watch.tell("go")

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

    def at(self, step: int, saved: int | None = None) -> None:
        """How far the training is, and what the newest checkpoint is, for who reads of a lost worker."""
        if self._watch is None:
            return
        self._watch.step = step
        if saved is None or self.is_main:  # it takes another step only once it has written
            self._watch.saved = self._saved if saved is None else saved
        self._saved = self._saved if saved is None else saved

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
def joined(strategy: str, cluster: Cluster) -> Iterator[Workers]:
    """The workers of a run, once all have come; `none` is this process on its first device.

    Raises TrainingError where JAX is not the backend or one does not come. A worker that falls silent ends the process
    with a sentence and status LOST: what waits for it inside of XLA can be ended in no other way.
    """
    if strategy == "none":
        if cluster.world_size > 1:
            raise TrainingError("Several processes train together with --strategy data-parallel.")
        yield ALONE
        return
    if cluster.world_size == 1:
        distribution = _data_parallel()
        with distribution.scope():
            yield Workers(distribution=distribution)
        return
    _require_jax()
    watch, address = _Watch.meet(cluster)
    if cluster.rank:
        logging.getLogger("training").setLevel(logging.WARNING)  # the main process says the same
    import jax

    # Its handler of SIGTERM would swallow what asks the run to stop.
    jax.config.update("jax_enable_preemption_service", False)
    # Far behind SILENCE, so that the sentence comes before the abort.
    jax.distributed.initialize(address, cluster.world_size, cluster.rank, heartbeat_timeout_seconds=int(10 * SILENCE))
    try:
        distribution = _data_parallel()
        with distribution.scope():
            yield Workers(cluster.rank, cluster.world_size, distribution, watch)
    except Interrupted:  # all of them were
        _part(watch)
        raise
    except BaseException as error:
        watch.end_with(error)
    else:
        _part(watch)


def _part(watch: "_Watch") -> None:
    import jax

    watch.leave()
    jax.distributed.shutdown()


def _require_jax() -> None:
    import keras

    if keras.backend.backend() != "jax":
        raise TrainingError(
            "--strategy data-parallel runs on JAX: pip install '.[jax]' in the project's folder, and set "
            "KERAS_BACKEND=jax."
        )


def _data_parallel() -> Any:
    _require_jax()
    import keras

    return keras.distribution.DataParallel(auto_shard_dataset=False)


class _Watch:
    """The lines between the main process and each of the others. A worker says `.` every second; `go` lets the others
    follow, `bye` is a proper end, `quit` an error of its own, and `lost N` tells who is gone."""

    def __init__(self, lines: dict[int, socket.socket]) -> None:
        self.step, self.saved = 0, 0
        self.gone_ahead = threading.Event()
        self._lines = lines
        self._done: set[int] = set()
        self._ending = threading.Lock()
        self._sending = threading.Lock()
        for peer, line in lines.items():
            threading.Thread(target=self._listen, args=(peer, line), name=f"worker-{peer}", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    @classmethod
    def meet(cls, cluster: Cluster) -> "tuple[_Watch, str]":
        """The lines, and the address of JAX's coordinator, which the main process chooses. Raises TrainingError."""
        host, _, port = cluster.coordinator.rpartition(":")
        host = host.strip("[]")
        if cluster.rank == 0:
            lines: dict[int, socket.socket] = {}
            try:
                _receive(int(port), cluster.world_size, lines)
            except TrainingError:
                for line in lines.values():  # who came need not wait
                    line.close()
                raise
            with _server(0) as free:
                address = f"{cluster.coordinator.rpartition(':')[0]}:{free.getsockname()[1]}"
            for line in lines.values():
                line.sendall(f"{address}\n".encode())
        else:
            line, address = _call(host, int(port), cluster)
            lines = {0: line}
        return cls(lines), address

    def tell(self, word: str) -> None:
        for line in self._lines.values():
            with self._sending, contextlib.suppress(OSError):  # who listens will notice
                line.sendall(f"{word}\n".encode())

    def leave(self) -> None:
        self._done.update(self._lines)
        self.tell("bye")

    def end_with(self, error: BaseException) -> NoReturn:
        """End this process, which the others notice."""
        if isinstance(error, TrainingError):
            self.tell("quit")
            self._end(str(error), 2)
        if isinstance(error, Exception):
            time.sleep(5 * _BEAT)  # where a worker is gone its line says so now, and that is the reason
        traceback.print_exception(error)
        self.tell("quit")
        self._end("This worker failed, and the others end with it.", 1)

    def _beat(self) -> None:
        while True:
            self.tell(".")
            time.sleep(_BEAT)

    def _listen(self, peer: int, line: socket.socket) -> None:
        line.settimeout(SILENCE)
        rest = b""
        while True:
            try:
                heard = line.recv(4096)
            except OSError:  # a time-out is one
                heard = b""
            if not heard:
                return self._without(peer, "was lost")
            *words, rest = (rest + heard).split(b"\n")
            for word in words:
                if word == b"go":
                    self.gone_ahead.set()
                elif word == b"bye":
                    self._done.add(peer)
                elif word == b"quit":
                    self._without(peer, "gave up, its own message says why")
                elif word.startswith(b"lost "):
                    self._without(int(word[5:]), "was lost")

    def _without(self, who: int, why: str) -> None:
        """Worker `who` is gone: unless it had done its part, this process ends."""
        if who in self._done:
            return
        self._done.add(who)  # said once
        self.tell(f"lost {who}")
        kept = f"the checkpoint of step {self.saved} stays" if self.saved else "there is no checkpoint yet"
        how = "with --resume" if self.saved else "again"
        self._end(f"After step {self.step}, worker {who} {why}: {kept}, start all workers {how}.", LOST)

    def _end(self, sentence: str, status: int) -> NoReturn:
        with self._ending:  # one of them speaks
            print(sentence, file=sys.stderr, flush=True)
            logging.shutdown()
            os._exit(status)


def _server(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    return socket.create_server(
        ("", port), family=socket.AF_INET6 if both else socket.AF_INET, backlog=128, dualstack_ipv6=both
    )


def _receive(port: int, processes: int, lines: dict[int, socket.socket]) -> None:
    """Fill in the main process's lines to all others, who call and say who they are. Raises TrainingError."""
    until = time.monotonic() + JOIN
    try:
        server = _server(port)
    except OSError as error:
        raise TrainingError(f"Port {port} cannot be used here ({error.strerror}): give another one to all.") from None
    with server:
        while len(lines) < processes - 1:
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                line, _ = server.accept()
                line.settimeout(10.0)
                with line.makefile("rb", buffering=0) as said:  # reads no further than the line
                    index, count = map(int, said.readline(64).split())
            except TimeoutError:
                if time.monotonic() < until:
                    continue
                missing = sorted(set(range(1, processes)) - set(lines))
                raise TrainingError(
                    f"Of {processes} workers, {', '.join(map(str, missing))} did not come: "
                    "start all with the same --coordinator and --processes."
                ) from None
            except (OSError, ValueError):  # a stranger
                continue
            if count != processes or index in lines or not 0 < index < processes:
                line.close()
                raise TrainingError(
                    f"A worker came as {index} of {count}, where {processes} are to come: "
                    "give all the same --processes, and each a --process of its own."
                )
            lines[index] = line


def _call(host: str, port: int, cluster: Cluster) -> tuple[socket.socket, str]:
    """The line to the main process, and the address that it gives, once all are there."""
    until = time.monotonic() + JOIN
    while True:
        try:
            line = socket.create_connection((host, port), timeout=10)
            line.sendall(f"{cluster.rank} {cluster.world_size}\n".encode())
            line.settimeout(max(0.01, until + 10 - time.monotonic()))
            with line.makefile("rb", buffering=0) as said:
                address = said.readline(300).decode().strip()
            if address:
                return line, address
            raise TrainingError("Worker 0 sent this one away: its own message says why.")
        except OSError:
            if time.monotonic() > until:
                raise TrainingError(
                    f"Worker 0 does not answer at {cluster.coordinator}: start it, or give the right --coordinator."
                ) from None
            time.sleep(0.2)
