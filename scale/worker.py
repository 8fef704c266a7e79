"""The actor: takes units of the plan one by one, judges what the output does not hold yet, writes one part a unit.

It reads the pictures itself, and Ray carries nothing but numbers of units and counts. So a file that cannot be read, or
that is far too large, costs a row where one of Ray Data's readers would end the job, and no picture lies in the
object store.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from detector import Detector, Result
from detector.errors import ImageError, WorkerError
from detector.model_folder import ModelFolder
from detector.picture import MAX_BYTES, oversize
from scale import plan, results
from scale.errors import ScaleError
from scale.storage import Place

_CHUNK, _CHUNK_BYTES = 16, 32_000_000  # pictures that are handed to the Detector at once
_READERS = 4  # enough to hide the way to an object store behind the judging
_ROWS_READ = 16  # of a parquet file at once
_DAMAGED = "The parquet file is damaged from here on: get another copy of it."


@dataclass(frozen=True)
class Job:
    """What every worker is told."""

    run: str
    source: Place
    output: Place
    plan: plan.Plan


@dataclass(frozen=True)
class _Read:
    """A picture's bytes, or the sentence that says why there are none."""

    file: str
    data: bytes | None
    error: str | None = None

    @property
    def sha256(self) -> str | None:
        if self.data is None or len(self.data) > MAX_BYTES:
            return None
        return hashlib.sha256(self.data).hexdigest()


class Worker:
    """One core, one Detector. Raises ScaleError where this machine does not see what it needs."""

    def __init__(self, job: Job, model: ModelFolder, known: results.Known) -> None:
        self._job, self._model, self._known = job, model, known
        results.check(job.output, job.run)
        if not job.source.exists():
            raise ScaleError("A worker does not see INPUT: put it where every machine does, or on an object store.")
        self._plan = plan.read(job.plan)
        self._detector = _detector(model)
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._next = ThreadPoolExecutor(1, "next")

    def judge(self, number: int) -> dict[str, int]:
        """Judge a unit; how many pictures were `judged`, `failed` to be, and were `known`. Raises ScaleError where
        another run has taken over."""
        rows: list[dict[str, Any]] = []
        known = 0

        def new() -> Iterator[tuple[_Read, str | None]]:
            nonlocal known
            for picture in self._pictures(plan.unit(self._plan, number)):
                sha256 = picture.sha256
                if results.key(picture.file, sha256) in self._known:
                    known += 1
                else:
                    yield picture, sha256

        for chunk in self._ahead(_chunks(new())):
            good = [picture.data for picture, _ in chunk if picture.error is None]
            answers = self._detector.detect_many(good)
            for picture, sha256 in chunk:
                rows.append(results.row(picture.file, sha256, picture.error or _told(next(answers))))
        if rows:
            results.check(self._job.output, self._job.run)
            # The same unit of the same run has the same name: done again after a death, it is written over itself.
            results.write(self._job.output, f"part-{self._job.run}-{number:07d}.parquet", rows, self._model)
        failed = sum(row.get("error") is not None for row in rows)
        return {"judged": len(rows) - failed, "failed": failed, "known": known}

    def _ahead(self, chunks: Iterator[list]) -> Iterator[list]:
        """The same, the next one read while this one is judged."""
        coming = self._next.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = self._next.submit(next, chunks, None)
            yield chunk

    def _pictures(self, items: Iterable[plan.Item]) -> Iterator[_Read]:
        """Pictures of the items in order, a few read ahead."""
        waiting: deque = deque()
        for item in items:
            if item.is_picture:
                waiting.append(self._readers.submit(self._file, item.path))
                if len(waiting) >= _READERS:
                    yield waiting.popleft().result()
                continue
            while waiting:
                yield waiting.popleft().result()
            yield from self._rows(item)
        while waiting:
            yield waiting.popleft().result()

    def _file(self, path: str) -> _Read:
        name = self._job.source.name(path)
        try:
            return _whole(name, self._job.source.read(path))
        except ImageError as error:
            return _Read(name, None, str(error))

    def _rows(self, item: plan.Item) -> Iterator[_Read]:
        """The pictures of one row group, called after their file and the number of their row in it."""
        name = self._job.source.name(item.path)
        done = 0
        try:
            if item.is_damaged:
                raise OSError
            with self._job.source.fs.open(item.path, "rb") as file:
                batches = pq.ParquetFile(file).iter_batches(_ROWS_READ, [item.row_group], [self._job.plan.column])
                for batch in batches:
                    for value in batch.column(0):
                        data = value.as_py()
                        yield _row(f"{name}#{item.first_row + done}", data)
                        done += 1
        except (OSError, KeyError, IndexError, pa.ArrowException):
            yield _Read(name if item.is_damaged else f"{name}#{item.first_row + done}", None, _DAMAGED)


def _detector(model: ModelFolder) -> Detector:
    try:
        return Detector(model, threads=1, isolated=True, workers=1)
    except WorkerError:
        raise ScaleError(
            "The detector could not be started on a worker: install deepfake-image-detector[scale] on every machine."
        ) from None


def _told(answer: Result | ImageError) -> dict[str, Any] | str:
    return str(answer) if isinstance(answer, ImageError) else answer.to_dict()


def _row(name: str, value: bytes | dict[str, Any] | None) -> _Read:
    data = value.get("bytes") if isinstance(value, dict) else value
    return _Read(name, None, "There is no picture in this row.") if data is None else _whole(name, data)


def _whole(name: str, data: bytes) -> _Read:
    return _Read(name, data, str(oversize(MAX_BYTES)) if len(data) > MAX_BYTES else None)


def _chunks(pictures: Iterator[tuple[_Read, str | None]]) -> Iterator[list[tuple[_Read, str | None]]]:
    while chunk := list(islice(pictures, 1)):
        size = len(chunk[0][0].data or b"")
        while len(chunk) < _CHUNK and size < _CHUNK_BYTES and (more := list(islice(pictures, 1))):
            chunk += more
            size += len(more[0][0].data or b"")
        yield chunk
