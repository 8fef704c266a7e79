"""Strangers' files in a box: worker processes with limits of memory and time, in which pictures are read and judged.

A picture that exceeds the limits, or that crashes a decoder, ends its worker and nothing else: another worker takes its
place, and the picture gets a sentence. A worker is a limit, no jail: it has the rights of whoever started it.
detector/worker.py is what runs in there.
"""

import logging
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any

from detector import settings
from detector.errors import ImageError, ModelError, SettingError, WorkerError
from detector.model_folder import ModelFolder
from detector.picture import TOO_MUCH

log = logging.getLogger(__name__)

AVAILABLE = os.name == "posix"  # elsewhere a process can be handed no socket, and be given no limits
BOUNDED = sys.platform.startswith("linux")  # macOS takes a limit of memory and does not keep to it
MEMORY = 1_600_000_000  # bytes of address space: 40 megapixels with alpha and without a face take it. And of the model:
MODEL_COPIES = 3  # as it came, as LiteRT packs it for one thread, and for several
CRASHED = "The picture crashed the process that read it: the file is damaged, get another copy of it."
BROKEN_MODEL = "The network crashed the process that tried it: export the model again."

SHARED = 64 << 20  # bytes that both processes see; what is larger goes through the socket
_LARGE = 4 << 20  # bytes: memory that a call used beyond these is given back after it
_START = 120.0  # seconds for a worker, on a machine that is busy with others
_SLOW = 0.5  # seconds: a picture that takes longer leaves its place to the next
HUNG = 55.0  # seconds after which a worker without an answer is given up: more only where its picture may take more
_SPARE = 60.0  # seconds that a worker above the number of places is kept


@dataclass(frozen=True)
class Limits:
    """What one picture may take: `memory` in bytes of address space, `seconds` of processor time."""

    memory: int
    seconds: int


class Channel:
    """Objects from one process to another: the bytes of pictures and arrays through memory that both see, the rest
    through a socket."""

    def __init__(self, socket: Connection, memory: int) -> None:
        """`memory` is the descriptor of a file of SHARED bytes."""
        self.socket = socket
        self._memory = mmap.mmap(memory, SHARED)

    def send(self, value: object) -> None:
        parts: list[memoryview] = []
        size = 0

        def stays(part: pickle.PickleBuffer) -> bool:
            nonlocal size
            raw = part.raw()
            if size + raw.nbytes > SHARED:
                return True  # in the pickle
            parts.append(raw)
            size += raw.nbytes
            return False

        head = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=stays)
        position = 0
        for part in parts:
            self._memory[position : position + part.nbytes] = part
            position += part.nbytes
        self.socket.send([part.nbytes for part in parts])
        self.socket.send_bytes(head)

    def receive(self) -> Any:
        """Raises EOFError or OSError where the other process is gone."""
        buffers, position = [], 0
        for size in self.socket.recv():
            buffers.append(bytearray(self._memory[position : position + size]))
            position += size
        value = pickle.loads(self.socket.recv_bytes(), buffers=buffers)  # nosec B301  of a process of our own
        if position > _LARGE and hasattr(mmap, "MADV_REMOVE"):
            self._memory.madvise(mmap.MADV_REMOVE)
        return value


class _Ended(Exception):
    """The worker is gone; `status` as subprocess has it, None where it took too long."""

    def __init__(self, status: int | None) -> None:
        self.status = status


class _Worker:
    """A process that holds a Detector. Raises ModelError, or WorkerError, where it can hold none."""

    def __init__(self, model: ModelFolder, limits: Limits, threads: int) -> None:
        socket, theirs = Pipe()
        with theirs, memory_file() as memory:
            os.ftruncate(memory.fileno(), SHARED)
            self._channel = Channel(socket, memory.fileno())
            given = [theirs.fileno(), memory.fileno()]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "detector.worker", *map(str, given)],
                pass_fds=given,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a program's answers go there
            )
        try:
            self._channel.send((model, limits, threads))
            error = self.answer(_START)
        except _Ended as ended:
            if ended.status is None or ended.status < 0:
                raise ModelError(BROKEN_MODEL) from None
            raise WorkerError("A worker could not be started: install the same packages for it.") from None
        if error is not None:
            self.end()
            raise error

    def ask(self, call: object) -> None:
        with suppress(OSError):  # it is gone: `answer` tells why
            self._channel.send(call)

    def answers_within(self, seconds: float) -> bool:
        return self._channel.socket.poll(seconds)

    def answer(self, seconds: float) -> Any:
        """Raises _Ended where there is none, or none within `seconds`."""
        try:
            if not self.answers_within(seconds):
                self.end()
                raise _Ended(None)
            return self._channel.receive()
        except (EOFError, OSError):
            raise _Ended(self.process.wait()) from None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def memory_file() -> IO[bytes]:
    """A file without a name, in memory where the system has such."""
    return os.fdopen(os.memfd_create("pictures"), "r+b") if BOUNDED else tempfile.TemporaryFile()


def _environment() -> dict[str, str]:
    """One thread for what is no network, and no more arenas of memory than needed: they count as address space."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class _Places:
    """Places in the order of asking. Thread-safe."""

    def __init__(self, count: int) -> None:
        self._free, self._lock = count, threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()

    def take_if_free(self) -> bool:
        with self._lock:
            taken = self._free > 0
            self._free -= taken
            return taken

    def leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Pool:
    """Workers of one model, and `places` for pictures that are judged at the same time. Thread-safe.

    A picture that takes long gives its place to the next one and goes on beside it, as long as there are no more than
    twice as many such as places: so whoever sends slow pictures delays nobody else by more than _SLOW seconds.
    """

    def __init__(self, model: ModelFolder, threads: int, places: int | None = None) -> None:
        """Starts the first worker. `threads` are for a picture that is judged alone. Raises ModelError where the
        networks do not survive their trial, and SettingError where the system allows no such processes."""
        if not AVAILABLE:
            raise SettingError("Pictures can be judged in processes of their own on Linux and macOS only.")
        told = settings.read()
        size = MODEL_COPIES * sum(len(network.model) for network in model.networks)
        self._limits = Limits(MEMORY + size, told.picture_seconds)
        self._model, self._threads = model, threads
        self.places = places or told.workers or os.cpu_count() or 1
        self._fast, self._slow = _Places(self.places), _Places(2 * self.places)
        self._changed = threading.Condition()
        self._idle: list[_Worker] = [_Worker(model, self._limits, threads)]  # the last used at the end
        self._starting = 0
        self._working: list[_Worker] = []
        self._beside: list[_Worker] = []  # of these, those that gave up their places
        weakref.finalize(self, _end, self._idle)
        if not BOUNDED:
            log.warning("This system bounds no memory of a process: a hostile picture may take all that there is.")

    def ask(self, method: str, *arguments: object, **options: object) -> Any:
        """What this method of the Detector gives in a worker. Raises what it raises there, ImageError also where the
        picture exceeds the limits or ends the worker, and WorkerError."""
        answer = self._ask((method, arguments, options))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, call: object) -> Any:
        for attempt in range(2):
            try:
                with self._place() as place, self._worker() as worker:
                    worker.ask((call, len(self._working) == 1))
                    if not worker.answers_within(_SLOW) and self._slow.take_if_free():
                        self._make_room(place, worker)
                    answer = worker.answer(max(HUNG, self._limits.seconds))
                    if isinstance(answer, ImageError) and answer.code == "resource_limit":
                        raise answer  # the worker has ended with it
                    return answer
            except _Ended as ended:
                if ended.status in (None, -signal.SIGXCPU):
                    raise ImageError(TOO_MUCH, "resource_limit") from None
                if ended.status != -signal.SIGKILL or attempt:  # the system sends that, short of memory
                    raise ImageError(CRASHED, "crashed") from None
        raise AssertionError

    @contextmanager
    def _place(self) -> Iterator[list[_Places]]:
        self._fast.take()
        held = [self._fast]
        try:
            yield held
        finally:
            held[0].leave()

    def _make_room(self, place: list[_Places], worker: _Worker) -> None:
        place[0] = self._slow
        with self._changed:
            self._beside.append(worker)
        self._prepare()
        self._fast.leave()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        worker = self._taken()
        whole = False
        try:
            self._prepare()
            yield worker
            whole = True
        finally:
            with self._changed:
                self._working.remove(worker)
                if worker in self._beside:
                    self._beside.remove(worker)
                if whole:
                    self._idle.append(worker)
                    self._changed.notify()
                surplus = len(self._idle) > self.places
            if not whole:
                worker.end()
                self._prepare()
            if surplus:
                timer = threading.Timer(_SPARE, self._trim)
                timer.daemon = True
                timer.start()

    def _taken(self) -> _Worker:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or not self._starting)
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    self._working.append(worker)
                    return worker
        worker = _Worker(self._model, self._limits, self._threads)
        with self._changed:
            self._working.append(worker)
        return worker

    def _prepare(self) -> None:
        """Start a worker where the next picture would find a place and none."""
        with self._changed:
            if self._idle or self._starting or len(self._working) - len(self._beside) >= self.places:
                return
            self._starting += 1
        threading.Thread(target=self._start, daemon=True, name="worker").start()

    def _start(self) -> None:
        worker = None
        try:
            worker = _Worker(self._model, self._limits, self._threads)
        except Exception as error:  # whoever needs it tries for himself, and hears of it
            log.error("A worker could not be started: %r", error)
        finally:
            with self._changed:
                self._starting -= 1
                self._idle += [worker] if worker else []
                self._changed.notify_all()

    def _trim(self) -> None:
        with self._changed:
            surplus = self._idle[: max(0, len(self._idle) - self.places)]
            del self._idle[: len(surplus)]
        _end(surplus)


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.end()
