"""The splits of a source that is streamed: which rows there are, of which class, and how they are read.

The labels are read first: they are a small column of a parquet file, or part of a picture's path. They tell where in
the stream each class is.
"""

import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import datasets
import numpy as np
from datasets.arrow_writer import ArrowWriter
from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from detector import picture
from detector.model_folder import hub
from training.data import face_cache, tables
from training.data.face_cache import Split
from training.data.patience import Pulse, asked, side_by_side
from training.data.sources import Source
from training.errors import TrainingError
from training.files import atomic_path, write
from training.hub import retries

log = logging.getLogger(__name__)

_RUNS = 4  # changes of class in a shard, up to which its parts are read as of one class each
_PICTURES = 64  # single files in a part
_SHARDS = 1024  # at most: finding one takes as long as there are many
_READERS = 16  # at the same time, of labels or of a split that is kept

Row = tuple[float, bytes]  # target and picture file


@dataclass(frozen=True)
class Piece:
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
            yield tables.file_of(found)


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
    pieces: list[list[Piece]]
    labels: list[np.ndarray]  # of each shard, float32, 1 is fake
    targets: np.ndarray
    pulse: Pulse = field(default_factory=Pulse)

    def __len__(self) -> int:
        return len(self.targets)

    def count(self) -> dict[str, int]:
        """As Split.count(), of all pictures: which of them show a face is seen on the way."""
        fake = int(self.targets.sum())
        return {"fake": fake, "real": len(self) - fake}

    def read(self, piece: Piece, start: int) -> Iterator[Row]:
        """The piece's rows from its `start`-th on."""
        wanted = piece.rows[start:]
        for row, content in zip(wanted, self.files.contents(piece.shard, wanted), strict=True):
            self.pulse.beat()
            yield float(self.labels[piece.shard][row]), content


class Lane:
    """One reader of an epoch: it goes through its pieces in turn, and opens the stream anew where it is told to start
    elsewhere."""

    def __init__(self, stream: Stream, pieces: list[Piece]) -> None:
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

        return asked(attempt, self._stream.spec) if stop > start else []

    def _from(self, start: int) -> Iterator[Row]:
        for piece, end in zip(self._pieces, self._ends, strict=True):
            if start < end:
                yield from self._stream.read(piece, max(0, start - (int(end) - len(piece.rows))))


def open_train(source: Source, *, cache: Path | None = None, limit: int | None = None) -> Stream:
    """The train split of a source, its pictures not yet read: the rows that face_cache.load() would take. The labels
    are kept in `cache`. Raises TrainingError, or ModelError where the Hub refuses."""
    stream = _open(source, "train", cache, limit)
    if isinstance(stream.files, _Table) and face_cache.PAIR in (stream.files.rows.column_names or ()):
        raise TrainingError(f"{source.name} holds pairs, whose halves come together: read it without --streaming.")
    return stream


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
    pieces = [Piece(n, rows) for n, rows in enumerate(_by_shard(stream.pieces, stream.files.shards)) if len(rows)]
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int8")})
    with atomic_path(file) as beside, ArrowWriter(path=str(beside), features=features) as writer:
        for first in range(0, len(pieces), _READERS):
            lanes = [Lane(stream, [piece]) for piece in pieces[first : first + _READERS]]
            for rows in side_by_side([partial(lane.read, 0, len(lane)) for lane in lanes], stream.pulse):
                for target, content in rows:
                    writer.write({"image": {"bytes": content, "path": None}, "label": int(target)})
        writer.finalize()


def _by_shard(pieces: list[list[Piece]], shards: int) -> list[np.ndarray]:
    parts: list[list[np.ndarray]] = [[] for _ in range(shards)]
    for piece in (piece for group in pieces for piece in group):
        parts[piece.shard].append(piece.rows)
    return [np.sort(np.concatenate(part)) if part else np.empty(0, int) for part in parts]


def _open(source: Source, split: str, cache: Path | None, limit: int | None) -> Stream:
    spec = _at_its_commit(source.spec)
    if tables.left_out(spec):
        raise TrainingError(f"{source.name} lists pictures to leave out: read it without --streaming.")
    found = None if Path(spec).exists() else side_by_side([lambda: asked(lambda: _single_files(spec), spec)])[0]
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
    pieces: list[list[Piece]] = [[], [], []]
    first = 0
    for shard, of_shard in enumerate(labels):
        here = keep[(keep >= first) & (keep < first + len(of_shard))] - first
        for group, part in _cut(here, of_shard):
            pieces[group].append(Piece(shard, part))
        first += len(of_shard)
    return Stream(source.name, spec, files, [group for group in pieces if group], labels, targets[keep])


def _rows(
    spec: str, split: str, source: Source, columns: list[str] | None = None
) -> tuple[datasets.IterableDataset, bool]:
    """What a split is taken from, in row groups where it is parquet, and whether validation is held out of train."""

    def call() -> tuple[datasets.IterableDataset, bool]:
        available = tables.read(spec, streaming=True, columns=columns)
        return tables.split_in(available, split, source).reshard(), "validation" not in available

    return side_by_side([lambda: asked(call, spec)])[0]


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
    for first in range(0, shards, _READERS):
        numbers = range(first, min(first + _READERS, shards))
        calls = [partial(asked, partial(of_shard, number), at.spec) for number in numbers]
        found += side_by_side(calls)
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
