"""Batches of data sets too large to download: pictures come while the network trains, and faces are found on the way.

A published set is sorted by class, and a shuffle buffer that follows it would see one class for hours. So many readers
run through an epoch side by side, each class at the rate that it has in the whole, and what they have read is shuffled
in blocks. Where everything is follows from the seed, so that three numbers a source are all that a checkpoint needs;
the state of `datasets`' own shuffle leaves its buffer out, and what was in it would be skipped.
"""

import logging
import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from detector import finder, picture
from detector.errors import ImageError, ModelError
from training.data import face_cache
from training.data.crops import CropOptions, stack, varied_crop
from training.data.face_cache import SURELY_A_FACE, Face
from training.data.patience import side_by_side
from training.data.streams import Lane, Piece, Row, Stream
from training.errors import TrainingError

log = logging.getLogger(__name__)

_LANES = 8  # readers of each class: each holds a row group in memory
_IN_VAIN = 2000  # pictures without a face, one after the other, until something must be wrong
_AHEAD = 4  # batches that are being decoded and cut


def _lanes(stream: Stream, seed: int, epoch: int) -> list[Lane]:
    """The readers of an epoch: those of each class share its pieces, in an order of this epoch."""
    rng = np.random.default_rng([seed, epoch])
    lanes = []
    for group in stream.pieces:
        dealt: list[list[Piece]] = [[] for _ in range(min(_LANES, len(group)))]
        lengths = [0] * len(dealt)
        for number in rng.permutation(len(group)):
            shortest = int(np.argmin(lengths))
            dealt[shortest].append(group[number])
            lengths[shortest] += len(group[number].rows)
        lanes += [Lane(stream, pieces) for pieces in dealt]
    return lanes


def _share(length: int, lane: int, lanes: int, block: int, blocks: int) -> int:
    """How many rows of a lane come before a block: all lanes run from the first block to the last, none in step."""
    return (length * block * lanes + lane * blocks) // (lanes * blocks)


@dataclass(frozen=True)
class _Place:
    """Where in a source a picture was: `drawn` pictures of the block are gone by with it."""

    epoch: int
    block: int
    drawn: int


class _Blocks:
    """The blocks of a source from a place on, for ever, the next one read while one is in use."""

    def __init__(self, stream: Stream, size: int, seed: int, epoch: int, block: int) -> None:
        self._stream, self._size, self._seed = stream, size, seed
        self._ready: queue.Queue[tuple[int, int, list[Row]] | BaseException] = queue.Queue(1)
        self._stopped = threading.Event()
        threading.Thread(target=self._work, args=[epoch, block], daemon=True, name="blocks").start()

    def next(self) -> tuple[int, int, list[Row]]:
        """Epoch, number in it, and rows in the order in which they are drawn. Raises TrainingError, ModelError."""
        found = self._ready.get()  # the worker gives up by itself
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        self._stopped.set()

    def _work(self, epoch: int, block: int) -> None:
        try:
            for found in self._all(epoch, block):
                while not self._stopped.is_set():
                    try:
                        self._ready.put(found, timeout=1)
                        break
                    except queue.Full:
                        pass
                if self._stopped.is_set():
                    return
        except BaseException as error:
            self._ready.put(error)

    def _all(self, epoch: int, block: int) -> Iterator[tuple[int, int, list[Row]]]:
        blocks = -(-len(self._stream) // self._size)
        while True:
            lanes = _lanes(self._stream, self._seed, epoch)
            for number in range(block, blocks):
                calls = []
                for place, lane in enumerate(lanes):
                    start, stop = (_share(len(lane), place, len(lanes), n, blocks) for n in (number, number + 1))
                    calls.append(partial(lane.read, start, stop))
                rows = [row for part in side_by_side(calls, self._stream.pulse) for row in part]
                order = np.random.default_rng([self._seed, epoch, number]).permutation(len(rows))
                yield epoch, number, [rows[n] for n in order]
            epoch, block = epoch + 1, 0


# ---- crops -------------------------------------------------------------------------------------------------------

Crop = tuple[np.ndarray, float]


class _Crops:
    """The crops of a source in their order, cut ahead by the threads of `pool`. `place` is that of the last one."""

    def __init__(
        self, stream: Stream, options: CropOptions, size: int, seed: int, pool: ThreadPoolExecutor, place: _Place
    ) -> None:
        self._stream, self._options, self._seed, self._pool = stream, options, seed, pool
        self._finder = finder.FaceDetector()
        self._blocks = _Blocks(stream, size, seed, place.epoch, place.block)
        self._coming = self._jobs(place.drawn)
        self._cutting: deque[tuple[_Place, Future[Crop | str]]] = deque()
        self._unusable: list[str] = []  # of the pictures since the last report
        self._seen = 0
        self.place = place

    def next(self, ahead: int) -> Crop:
        """Raises TrainingError where no picture of many shows a face."""
        in_vain = 0
        while True:
            while len(self._cutting) < ahead:
                self._cutting.append(next(self._coming))
            place, future = self._cutting.popleft()
            crop = future.result()
            self._count(place, crop)
            self.place = place
            if not isinstance(crop, str):
                return crop
            in_vain += 1
            if in_vain >= min(len(self._stream), _IN_VAIN):
                raise TrainingError(f"No face to train on in {self._stream.name}: look at the pictures.")

    def close(self) -> None:
        self._blocks.close()

    def _jobs(self, skip: int) -> Iterator[tuple[_Place, Future[Crop | str]]]:
        while True:
            epoch, block, rows = self._blocks.next()
            for number, row in enumerate(rows):
                if number >= skip:
                    rng = np.random.default_rng([self._seed, epoch, block, number])
                    yield _Place(epoch, block, number + 1), self._pool.submit(self._cut, row, rng)
            skip = 0

    def _cut(self, row: Row, rng: np.random.Generator) -> Crop | str:
        """The crop, or why there is none."""
        target, content = row
        try:
            pixels = picture.read(content).pixels
        except ImageError:
            return "could not be read"
        found = self._finder.find(pixels, min_score=SURELY_A_FACE)
        if not found:
            return "show no face"
        face = face_cache.labelled_face(found, pixels.shape[1], pixels.shape[0])
        return varied_crop(pixels, Face(0, target, face.box, face.keypoints, len(found)), self._options, rng)

    def _count(self, place: _Place, crop: Crop | str) -> None:
        if (place.epoch, place.block) != (self.place.epoch, self.place.block):
            for what in sorted(set(self._unusable)):
                log.info("%s: of %d pictures %d %s", self._stream.name, self._seen, self._unusable.count(what), what)
            self._unusable, self._seen = [], 0
        self._seen += 1
        if isinstance(crop, str):
            self._unusable.append(crop)


class Batches(Iterator[tuple[np.ndarray, np.ndarray]]):
    """What training_batches() gives, of streams: an endless iterator of (crops uint8 (B, S, S, 3), targets float32
    (B, 1)). Every source is drawn in proportion to its size times its weight, each picture once an epoch.

    Raises TrainingError or ModelError where the Hub gives no more; the state is then that of the last batch.
    """

    def __init__(
        self,
        streams: list[tuple[Stream, float]],
        options: CropOptions,
        batch_size: int,
        seed: int,
        threads: int = 4,
        *,
        block: int,
    ) -> None:
        """`block` pictures are shuffled together; two such are in memory."""
        self._crops: list[_Crops] | None = None
        self._streams, self._options, self._batch_size = streams, options, batch_size
        self._seed, self._block = seed, block
        self._pool = ThreadPoolExecutor(threads, "crops")
        sizes = np.array([len(stream) * weight for stream, weight in streams], float)
        self._shares = sizes / sizes.sum()
        self.set_state({"taken": [0] * len(streams), "places": [[0, 0, 0]] * len(streams)})

    def get_state(self) -> dict[str, Any]:
        """For json, after the last batch."""
        return self._state

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue after the batch that get_state() was called after."""
        self.close()
        self._state = state

    def close(self) -> None:
        """Stop reading ahead."""
        for crops in self._crops or []:
            crops.close()
        self._crops = None

    def __del__(self) -> None:
        self.close()

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self._next()
        except (TrainingError, ModelError):
            self.set_state(self._state)  # the next call tries again
            raise

    def _next(self) -> tuple[np.ndarray, np.ndarray]:
        if self._crops is None:
            self._crops = [
                _Crops(stream, self._options, self._block, self._seed + number, self._pool, _Place(*place))
                for number, ((stream, _), place) in enumerate(zip(self._streams, self._state["places"], strict=True))
            ]
        taken, items = list(self._state["taken"]), []
        for _ in range(self._batch_size):
            source = int(np.argmax(self._shares * (sum(taken) + 1) - taken))  # the one that is most behind
            ahead = max(1, round(_AHEAD * self._batch_size * self._shares[source]))
            items.append(self._crops[source].next(ahead))
            taken[source] += 1
        places = [[crops.place.epoch, crops.place.block, crops.place.drawn] for crops in self._crops]
        self._state = {"taken": taken, "places": places}
        return stack(items)
