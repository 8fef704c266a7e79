"""Batches of data sets too large to download: pictures come while the network trains, and faces are found on the way.

Shuffling and the place to go on from are those of `datasets`. Its state leaves out what lies in the shuffle buffer, so
that after --resume some pictures are passed over, until the next epoch. Sources are mixed here, so that each has epochs
of its own: `interleave_datasets` would begin a small source again in the same order until the largest one ends.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from detector import face_detector, picture
from detector.errors import ImageError
from training.data import face_cache
from training.data.crops import CropOptions, stack, varied_crop
from training.data.face_cache import SURELY_A_FACE, Face
from training.data.streams import Stream, asked
from training.errors import TrainingError

log = logging.getLogger(__name__)

_AHEAD = 4  # batches that are being read and cut
_IN_VAIN = 2000  # pictures without a face, one after the other, until something must be wrong

Crop = tuple[np.ndarray, float]


class _Rows:
    """The rows of a stream, one epoch after the other, each shuffled by a seed of its own."""

    def __init__(self, stream: Stream, seed: int, block: int, state: dict[str, Any]) -> None:
        self._stream, self._seed, self._block = stream, seed, block
        self._epoch = state["epoch"]
        self.unusable: Counter[str] = Counter()  # why, of the pictures of this epoch
        self._begin()
        if state["rows"] is not None:
            self._rows.load_state_dict(state["rows"])

    def _begin(self) -> None:
        self._rows = self._stream.rows.shuffle(self._seed + self._epoch, buffer_size=self._block)
        self._following: Iterator[dict[str, Any]] | None = None

    def next(self) -> dict[str, Any]:
        """Raises TrainingError or ModelError."""
        while True:
            following = self._following = self._following or iter(self._rows)
            row: dict[str, Any] | None = asked(lambda: next(following, None), self._stream.spec)  # noqa: B023
            if row is not None:
                return row
            for what, count in self.unusable.items():
                log.info("%s, epoch %d: %d pictures %s", self._stream.name, self._epoch + 1, count, what)
            self.unusable.clear()
            self._epoch += 1
            self._begin()

    def state(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "rows": self._rows.state_dict()}


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
        """`block` pictures of each source are shuffled together, and are in memory."""
        self._streams, self._options, self._batch_size = [stream for stream, _ in streams], options, batch_size
        self._seed, self._block = seed, block
        sizes = np.array([len(stream) * weight for stream, weight in streams], float)
        self._shares = sizes / sizes.sum()
        self._finder = face_detector.FaceDetector()
        self._cutters = ThreadPoolExecutor(threads, "crops")
        self._reader = ThreadPoolExecutor(1, "reader")
        self.set_state({"taken": [0] * len(streams), "sources": [{"epoch": 0, "rows": None}] * len(streams)})

    def get_state(self) -> dict[str, Any]:
        """For json, after the last batch."""
        return self._state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after the batch that get_state() was called after. Only before the first batch."""
        self._state = state
        self._taken = np.array(state["taken"])
        self._sources = [
            _Rows(stream, self._seed + number, self._block, of_source)
            for number, (stream, of_source) in enumerate(zip(self._streams, state["sources"], strict=True))
        ]
        self._coming: deque[Future[tuple[list[Crop], dict[str, Any]]]] = deque()

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        while len(self._coming) < _AHEAD:
            self._coming.append(self._reader.submit(self._batch))
        crops, self._state = self._coming.popleft().result()
        return stack(crops)

    def _batch(self) -> tuple[list[Crop], dict[str, Any]]:
        """Crops of a batch, and the state after it. In the reader's thread, one batch after the other."""
        crops: list[Crop] = []
        in_vain = 0
        while len(crops) < self._batch_size:
            before = int(self._taken.sum())
            rows = [self._next() for _ in range(self._batch_size - len(crops))]
            found = self._cutters.map(self._cut, [row for _, row in rows], range(before, before + len(rows)))
            for (source, _), crop in zip(rows, found, strict=True):
                if isinstance(crop, str):
                    source.unusable[crop] += 1
                    in_vain += 1
                else:
                    crops.append(crop)
            if not crops and in_vain >= min(_IN_VAIN, sum(map(len, self._streams))):
                names = ", ".join(stream.name for stream in self._streams)
                raise TrainingError(f"No face to train on in {names}: look at the pictures.")
        return crops, {"taken": self._taken.tolist(), "sources": [source.state() for source in self._sources]}

    def _next(self) -> tuple[_Rows, dict[str, Any]]:
        number = int(np.argmax(self._shares * (self._taken.sum() + 1) - self._taken))  # the source that is most behind
        self._taken[number] += 1
        return self._sources[number], self._sources[number].next()

    def _cut(self, row: dict[str, Any], number: int) -> Crop | str:
        """The crop, or why there is none."""
        try:
            pixels = picture.read(row["image"]).pixels
        except ImageError:
            return "could not be read"
        found = self._finder.find(pixels, min_score=SURELY_A_FACE)
        if not found:
            return "show no face"
        face = face_cache.labelled_face(found, pixels.shape[1], pixels.shape[0])
        rng = np.random.default_rng([self._seed, number])
        return varied_crop(pixels, Face(0, row["target"], face.box, face.keypoints, len(found)), self._options, rng)
