"""Data sets too large to download: pictures come while the network trains, and faces are found on the way.

A published set is sorted by class, and a shuffle buffer that follows it would see one class for hours. So the labels
are read first: they are a small column of a parquet file, or part of a picture's path. They tell where in the stream
each class is. Many readers then run through an epoch side by side, each class at the rate that it has in the whole, and
what they have read is shuffled in blocks. Where everything is follows from the seed, so that three numbers a source are
all that a checkpoint needs.
"""

import hashlib
import io
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from datasets.arrow_writer import ArrowWriter
from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from detector import finder, picture
from detector.errors import ImageError, ModelError
from detector.model_folder import hub
from training.data import face_cache, tables
from training.data.crops import CropOptions, stack, varied_crop
from training.data.face_cache import SURELY_A_FACE, Face, Split
from training.data.sources import Source
from training.errors import TrainingError
from training.files import whole, write
from training.hub import retries

log = logging.getLogger(__name__)

WITHIN = 300.0  # seconds without a picture until a run is stopped, its checkpoint written
_WORD_EVERY = 20.0  # seconds of waiting between two lines that say so
_LANES = 8  # readers of each class: each holds a row group in memory
_RUNS = 4  # changes of class in a shard, up to which its parts are read as of one class each
_PICTURES = 64  # single files in a part
_SHARDS = 1024  # at most: finding one takes as long as there are many
_LABEL_READERS = 16
_IN_VAIN = 2000  # pictures without a face, one after the other, until something must be wrong
_LOCAL_TRIES = 3  # `datasets` now and then ends a shard early when many threads start one at once
_AHEAD = 4  # batches that are being decoded and cut

Row = tuple[float, bytes]  # target and picture file


class _Pulse:
    """When a row came last."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self) -> None:
        self.last = time.monotonic()


@dataclass(frozen=True)
class _Piece:
    """Rows of one shard, ascending, that a reader takes one after the other."""

    shard: int
    rows: np.ndarray


@dataclass(frozen=True)
class _Table:
    """Rows of parquet files, or of a folder of pictures at hand, in `shards` equal parts."""

    rows: datasets.IterableDataset
    shards: int

    def contents(self, shard: int, wanted: np.ndarray) -> Iterator[bytes]:
        """The picture files of these rows of a shard, ascending."""
        following = iter(self.rows.shard(self.shards, shard) if self.shards > 1 else self.rows)
        at = 0
        for row in wanted:
            found = next(islice(following, int(row) - at, None), None)
            if found is None:
                raise OSError("a shard ended before its rows did")
            at = int(row) + 1
            image = found["image"]
            yield image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()


@dataclass(frozen=True)
class _Pictures:
    """Single picture files of a repository on the Hub at a commit, in the order of `datasets`, in `shards` parts."""

    repo: str
    commit: str
    parts: list[list[RepoSibling]]

    @property
    def shards(self) -> int:
        return len(self.parts)

    def contents(self, shard: int, wanted: np.ndarray) -> Iterator[bytes]:
        """As of a table; each is compared with the hash that the Hub lists."""
        for row in wanted:
            listed = self.parts[shard][row]
            url = hf_hub_url(self.repo, listed.rfilename, repo_type="dataset", revision=self.commit)
            answer = get_session().get(url, headers=build_hf_headers(), timeout=10, follow_redirects=True)
            hf_raise_for_status(answer)
            if not hub.is_as_listed(answer.content, listed):
                raise hub.HubTrouble("other bytes arrived than the Hub lists")
            yield answer.content


@dataclass(frozen=True)
class Stream:
    """The train split of a source as it is streamed: `files` has the pictures in shards, `pieces` which rows by class
    (real, fake, both in turn), `targets` of all rows that are trained on."""

    name: str
    spec: str
    files: _Table | _Pictures
    pieces: list[list[_Piece]]
    labels: list[np.ndarray]  # of each shard, float32, 1 is fake
    targets: np.ndarray
    pulse: _Pulse = field(default_factory=_Pulse)

    def __len__(self) -> int:
        return len(self.targets)

    def count(self) -> dict[str, int]:
        """As Split.count(), of all pictures: which of them show a face is seen on the way."""
        fake = int(self.targets.sum())
        return {"fake": fake, "real": len(self) - fake}

    def read(self, piece: _Piece, start: int) -> Iterator[Row]:
        """The piece's rows from its `start`-th on."""
        wanted = piece.rows[start:]
        for row, content in zip(wanted, self.files.contents(piece.shard, wanted), strict=True):
            self.pulse.beat()
            yield float(self.labels[piece.shard][row]), content


def open_train(source: Source, *, cache: Path | None = None, limit: int | None = None) -> Stream:
    """The train split of a source, its pictures not yet read: the rows that face_cache.load() would take. The labels
    are kept in `cache`. Raises TrainingError, or ModelError where the Hub refuses."""
    return _open(source, "train", cache, limit)


def load(source: Source, split: str, *, cache: Path | None = None, limit: int | None = None) -> Split:
    """What face_cache.load() gives, of a source on the Hub without a download of its other splits: the pictures that
    are wanted are read from the stream once and kept in `cache`."""
    if Path(source.spec).exists():
        return face_cache.load(source, split, cache=cache, limit=limit)
    stream = _open(source, split, cache, limit)
    folder = cache or face_cache.cache_beside(source.spec)
    file = folder / f"pictures-{split}-{_key(stream.spec, split, limit)}.arrow"
    if len(stream) and not file.exists():
        log.info("%s: reading %d pictures of %s", source.name, len(stream), split)
        folder.mkdir(parents=True, exist_ok=True)
        _keep(stream, file)
    rows = datasets.Dataset.from_file(str(file)) if len(stream) else datasets.Dataset.from_dict({})
    return face_cache.with_faces(source, rows, stream.targets, split, cache)


def splits_of(source: Source) -> set[str]:
    """As tables.splits_of(), without a download."""
    return set(tables.read(source.spec, streaming=True))


def _keep(stream: Stream, file: Path) -> None:
    pieces = [_Piece(n, rows) for n, rows in enumerate(_by_shard(stream.pieces, stream.files.shards)) if len(rows)]
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int8")})
    with whole(file) as beside, ArrowWriter(path=str(beside), features=features) as writer:
        for first in range(0, len(pieces), _LABEL_READERS):
            lanes = [_Lane(stream, [piece]) for piece in pieces[first : first + _LABEL_READERS]]
            for rows in _side_by_side([partial(lane.read, 0, len(lane)) for lane in lanes], stream.pulse):
                for target, content in rows:
                    writer.write({"image": {"bytes": content, "path": None}, "label": int(target)})
        writer.finalize()


def _by_shard(pieces: list[list[_Piece]], shards: int) -> list[np.ndarray]:
    parts: list[list[np.ndarray]] = [[] for _ in range(shards)]
    for piece in (piece for group in pieces for piece in group):
        parts[piece.shard].append(piece.rows)
    return [np.sort(np.concatenate(part)) if part else np.empty(0, int) for part in parts]


# ---- what there is -----------------------------------------------------------------------------------------------


def _open(source: Source, split: str, cache: Path | None, limit: int | None) -> Stream:
    spec = _at_its_commit(source.spec)
    found = None if Path(spec).exists() else _side_by_side([lambda: _asked(lambda: _single_files(spec), spec)])[0]
    files: _Table | _Pictures
    if found:
        paths, listed = found
        files, labels = _pictures(source, spec, paths, listed, split)
        held_out = "validation" not in paths
    else:
        rows, held_out = _rows(spec, split, source)
        files = _Table(rows, max(1, min(rows.num_shards, _SHARDS)))
        labels = _labels(Source(spec), source, split, rows, files.shards, cache)
    targets = np.concatenate([*labels, np.empty(0, np.float32)])
    keep = tables.rows_of(split, targets, held_out=held_out, limit=limit)
    pieces: list[list[_Piece]] = [[], [], []]
    first = 0
    for shard, of_shard in enumerate(labels):
        here = keep[(keep >= first) & (keep < first + len(of_shard))] - first
        for group, part in _cut(here, of_shard):
            pieces[group].append(_Piece(shard, part))
        first += len(of_shard)
    return Stream(source.name, spec, files, [group for group in pieces if group], labels, targets[keep])


def _rows(
    spec: str, split: str, source: Source, columns: list[str] | None = None
) -> tuple[datasets.IterableDataset, bool]:
    """What a split is taken from, in row groups where it is parquet, and whether validation is held out of train."""

    def call() -> tuple[datasets.IterableDataset, bool]:
        available = tables.read(spec, streaming=True, columns=columns)
        return tables.split_in(available, split, source).reshard(), "validation" not in available

    return _side_by_side([lambda: _asked(call, spec)])[0]


def _single_files(spec: str) -> tuple[dict[str, list[str]], dict[str, RepoSibling]] | None:
    """The paths of each split, and what the Hub lists of them, of a repository that is not kept as parquet."""
    repo, _, commit = spec.partition("@")
    builder = datasets.load_dataset_builder(repo, revision=commit)
    if builder.info.builder_name == "parquet":
        return None
    info = HfApi().dataset_info(repo, revision=commit, files_metadata=True, timeout=10)
    start = f"hf://datasets/{spec}/"
    paths = {
        str(name): [url.removeprefix(start) for url in urls] for name, urls in (builder.config.data_files or {}).items()
    }
    return paths, {sibling.rfilename: sibling for sibling in info.siblings or []}


def _pictures(
    source: Source, spec: str, splits: dict[str, list[str]], listed: dict[str, RepoSibling], split: str
) -> tuple[_Pictures, list[np.ndarray]]:
    """The picture files of a split on the Hub, and the targets of each part, which their folders name."""
    repo, _, commit = spec.partition("@")
    paths = tables.split_in(splits, split, source)
    if other := [path for path in paths if Path(path).suffix.lower() not in picture.SUFFIXES]:
        raise TrainingError(
            f"{repo} has {other[0]}, which a stream from the Hub cannot read: name {repo}@refs/convert/parquet, the "
            "copy that the Hub makes, or leave --streaming out."
        )
    parts = [paths[first : first + _PICTURES] for first in range(0, len(paths), _PICTURES)]
    labels = [np.array([tables.target_of(Path(path).parent.name) for path in part], np.float32) for part in parts]
    return _Pictures(repo, commit, [[listed[path] for path in part] for part in parts]), labels


def _cut(rows: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(0 for real, 1 for fake, 2 for both in turn; rows) of the parts of a shard."""
    if not len(rows):
        return
    parts = np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
    if len(parts) > _RUNS:
        yield 2, rows
    else:
        yield from ((int(labels[part[0]]), part) for part in parts)


def _at_its_commit(spec: str) -> str:
    if Path(spec).exists():
        return spec
    name, _, revision = spec.partition("@")
    with retries.time_for(0):
        info = retries.asked(lambda: HfApi().dataset_info(name, revision=revision or None, timeout=10), name)
    return f"{name}@{info.sha}"


def _labels(
    at: Source, source: Source, split: str, rows: datasets.IterableDataset, shards: int, cache: Path | None
) -> list[np.ndarray]:
    """Targets of the rows of each shard."""
    file = (cache or face_cache.cache_beside(at.spec)) / f"labels-{split}-{_key(at.spec, split, shards)}.npy"
    if not Path(at.spec).exists() and file.exists():
        kept = np.load(file)
        return [part[part >= 0].astype(np.float32) for part in kept]
    if rows.info.builder_name == "parquet":
        only, _ = _rows(at.spec, split, source, ["label"])
    else:  # of a folder of pictures the label is in the path
        only = rows.select_columns(["label"])

    def of_shard(number: int) -> np.ndarray:
        return tables.targets_of(only.shard(shards, number) if shards > 1 else only, source)

    log.info("%s: reading the labels of %s in %d parts", source.name, split, shards)
    found = []
    for first in range(0, shards, _LABEL_READERS):
        numbers = range(first, min(first + _LABEL_READERS, shards))
        calls = [partial(_asked, partial(of_shard, number), at.spec) for number in numbers]
        found += _side_by_side(calls)
    if not Path(at.spec).exists():
        table = np.full((len(found), max(map(len, found), default=0)), -1, np.int8)
        for line, part in zip(table, found, strict=True):
            line[: len(part)] = part
        file.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, table)
        write(file, buffer.getvalue())
    return found


def _key(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16]


# ---- reading -----------------------------------------------------------------------------------------------------


def _asked(call: Callable[[], Any], spec: str) -> Any:
    """What `call` returns, tried again while the trouble may pass. Raises TrainingError, ModelError."""
    if Path(spec).exists():
        for left in reversed(range(_LOCAL_TRIES)):
            try:
                return call()
            except (OSError, ValueError) as error:
                if not left:
                    raise TrainingError(f"{Path(spec).name} could not be read ({error}): get another copy.") from error
    return retries.asked(call, spec.partition("@")[0])


def _side_by_side(calls: Sequence[Callable[[], Any]], pulse: _Pulse | None = None) -> list[Any]:
    """What they return. In threads that can be left behind: a server may drip bytes for ever. Raises what the first
    that failed raised, and TrainingError after WITHIN without an answer or a beat of `pulse`; without a pulse there is
    nothing under way that could be lost, and it waits no longer than for other calls of the Hub."""
    within = WITHIN if pulse else retries.WITHIN
    pulse = pulse or _Pulse()
    pulse.beat()
    results: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            results[number] = calls[number]()
            pulse.beat()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[n], daemon=True, name="stream") for n in range(len(calls))]
    for thread in threads:
        thread.start()
    words = 0
    for thread in threads:
        while thread.is_alive() and not errors:
            thread.join(1.0)
            still = time.monotonic() - pulse.last
            if still >= within:
                raise TrainingError(f"Nothing came from the Hub for {within:.0f} seconds: look at the connection.")
            if still < words * _WORD_EVERY:
                words = 0
            if still >= (words + 1) * _WORD_EVERY:
                words += 1
                log.info("waiting for the Hub, for %.0f seconds now", still)
    if errors:
        raise errors[0]
    return results


class _Lane:
    """One reader of an epoch: it goes through its pieces in turn, and opens the stream anew where it is told to start
    elsewhere."""

    def __init__(self, stream: Stream, pieces: list[_Piece]) -> None:
        self._stream, self._pieces = stream, pieces
        self._ends = np.cumsum([len(piece.rows) for piece in pieces])
        self._at = -1
        self._rows: Iterator[Row] = iter(())

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, start: int, stop: int) -> list[Row]:
        """Rows `start` to `stop` of the lane."""

        def attempt() -> list[Row]:
            if self._at != start:
                self._rows = self._from(start)
            self._at = -1  # unless all of it comes
            taken = list(islice(self._rows, stop - start))
            self._at = stop
            return taken

        return _asked(attempt, self._stream.spec) if stop > start else []

    def _from(self, start: int) -> Iterator[Row]:
        for piece, end in zip(self._pieces, self._ends, strict=True):
            if start < end:
                yield from self._stream.read(piece, max(0, start - (int(end) - len(piece.rows))))


def _lanes(stream: Stream, seed: int, epoch: int) -> list[_Lane]:
    """The readers of an epoch: those of each class share its pieces, in an order of this epoch."""
    rng = np.random.default_rng([seed, epoch])
    lanes = []
    for group in stream.pieces:
        dealt: list[list[_Piece]] = [[] for _ in range(min(_LANES, len(group)))]
        lengths = [0] * len(dealt)
        for number in rng.permutation(len(group)):
            shortest = int(np.argmin(lengths))
            dealt[shortest].append(group[number])
            lengths[shortest] += len(group[number].rows)
        lanes += [_Lane(stream, pieces) for pieces in dealt]
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
                rows = [row for part in _side_by_side(calls, self._stream.pulse) for row in part]
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
