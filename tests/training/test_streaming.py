"""A set that is never downloaded: read part by part, mixed as if it were at hand, and continued where it was left."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.support.training_fixtures import (
    FACELESS,
    TRUNCATED,
    odd_file,
    rows,
    same,
    take,
    write_pictures,
    write_shards,
)
from training.data import face_cache, streaming, streams
from training.data.crops import CropOptions, serving_crops, steps_per_epoch
from training.data.sources import Source
from training.data.streaming import Batches
from training.data.streams import Stream
from training.errors import TrainingError
from training.fit import BEST, STATE, fit
from training.options import FitOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow

PLAIN = CropOptions(48, 1.2, jitter=0.0, corruptions=(), self_blend=0.0)
VARIED = CropOptions(48, 1.2, self_blend=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 fakes, then 24 real ones, in 3 files of 4 row groups: the second file has both."""
    made = write_shards(tmp_path_factory.mktemp("data") / "faces", "train", rows(24, 24), 3, 4)
    return write_shards(made, "validation", rows(3, 3, 100), 1, 2)


@pytest.fixture(scope="module")
def faces_of(folder: Path) -> Stream:
    return opened(folder)


def opened(folder: Path, **options: object) -> Stream:
    return streams.open_train(Source(str(folder)), **options)


def batches(*streams: tuple[Stream, float], options: CropOptions = PLAIN, threads: int = 2, block: int = 24) -> Batches:
    return Batches(list(streams), options, 8, 1, threads, block=block)


def drawn(taken: list, *folders: Path) -> list[tuple[int, int]]:
    """(source, row) of every PLAIN crop: it is the crop that face_cache.load() gives, or its mirror image."""
    known = {}
    for number, folder in enumerate(folders):
        crops, _ = serving_crops(face_cache.load(Source(str(folder)), "train"), PLAIN.size, PLAIN.margin)
        for row, crop in enumerate(crops):
            known[crop.tobytes()] = known[crop[:, ::-1].tobytes()] = (number, row)
    return [known[crop.tobytes()] for crops, _ in taken for crop in crops]


def targets(taken: list) -> np.ndarray:
    return np.concatenate([targets[:, 0] for _, targets in taken])


def test_crops_and_targets_are_those_of_the_pictures_each_once_an_epoch(faces_of: Stream, folder: Path) -> None:
    assert (len(faces_of), faces_of.count(), faces_of.files.shards) == (48, {"fake": 24, "real": 24}, 12)
    taken = take(batches((faces_of, 1.0)), 12)
    assert taken[0][0].shape == (8, 48, 48, 3) and taken[0][0].dtype == np.uint8
    assert taken[0][1].shape == (8, 1) and taken[0][1].dtype == np.float32
    order = [row for _, row in drawn(taken, folder)]
    assert sorted(order[:48]) == sorted(order[48:]) == list(range(48))
    assert order[:48] != order[48:] and order[:48] != sorted(order[:48])
    assert targets(taken).tolist() == [float(row < 24) for row in order]


def test_classes_are_mixed_though_the_shards_are_sorted_by_them(faces_of: Stream) -> None:
    """Every block has the mix of the whole, where a buffer of 24 that follows the stream would have one class."""
    order = targets(take(batches((faces_of, 1.0)), 12))
    assert order.reshape(-1, 24).sum(axis=1).tolist() == [12, 12, 12, 12]
    windows = np.convolve(order, np.ones(16), "valid")
    assert windows.min() >= 2 and windows.max() <= 14


def test_a_rare_class_is_spread_over_the_epoch(tmp_path: Path) -> None:
    rare = opened(write_shards(tmp_path / "rare", "train", rows(4, 32), 3, 4), limit=None)
    assert rare.count() == {"fake": 4, "real": 29}, "a tenth of each class is held out"
    order = [target for block, target in blocks(rare, 8)]
    assert all(sum(order[start : start + 17]) >= 1 for start in range(0, len(order) - 17))


def blocks(of: Stream, size: int) -> list[tuple[int, float]]:
    """(block, target) of all rows of the first epoch, in the order in which they are read."""
    reader = streaming._Blocks(of, size, 1, 0, 0)
    found = []
    while True:
        epoch, number, some = reader.next()
        if epoch:
            reader.close()
            return found
        found += [(number, target) for target, _ in some]


def test_classes_that_are_mixed_already_stay_so(tmp_path: Path) -> None:
    mixed = [row for pair in zip(rows(12, 0), rows(0, 12), strict=True) for row in pair]
    shuffled = opened(write_shards(write_validation(tmp_path / "mixed"), "train", mixed, 2, 6))
    assert len(shuffled.pieces) == 1 and len(shuffled) == 24
    assert sorted(target for _, target in blocks(shuffled, 8)) == [0.0] * 12 + [1.0] * 12


def write_validation(folder: Path) -> Path:
    return write_shards(folder, "validation", rows(1, 1, 100), 1, 2)


@pytest.mark.parametrize("before", [1, 4, 9])
def test_a_saved_state_continues_with_the_same_batches(faces_of: Stream, tmp_path: Path, before: int) -> None:
    """Whatever the number of threads: also across an epoch, and with two sources."""
    other = opened(write_shards(write_validation(tmp_path / "other"), "train", rows(4, 4, 50), 1, 2))
    sources = ((faces_of, 1.0), (other, 2.0))
    straight = batches(*sources, options=VARIED)
    take(straight, before)
    state = json.loads(json.dumps(straight.get_state()))
    rest = take(straight, 3)
    again = batches(*sources, options=VARIED, threads=1)
    again.set_state(state)
    assert same(take(again, 3), rest)


def test_sources_are_drawn_by_size_times_weight(faces_of: Stream, folder: Path, tmp_path: Path) -> None:
    small = write_shards(write_validation(tmp_path / "small"), "train", rows(4, 4, 50), 1, 2)
    streams = ((faces_of, 0.5), (opened(small), 3.0))
    order = drawn(take(batches(*streams), 6), folder, small)
    assert sum(source for source, _ in order) == 24
    assert [row for source, row in order if source == 1][:8] != list(range(8))
    assert steps_per_epoch(list(streams), 8) == 6


def test_the_rows_are_those_of_a_set_at_hand(tmp_path: Path) -> None:
    """Held out and limited alike; from a folder of pictures as well."""
    parquet = write_shards(tmp_path / "parquet", "train", rows(20, 10), 3, 4)
    pictures = write_pictures(tmp_path / "pictures", {"train": rows(20, 10)})
    for made in (parquet, pictures):
        for limit in (None, 5):
            at_hand = face_cache.load(Source(str(made)), "train", limit=limit)
            streamed = opened(made, limit=limit)
            lane = [target for _, target in blocks(streamed, 100)]
            assert len(streamed) == len(at_hand.rows) == len(lane)
            assert sorted(lane) == sorted(at_hand.labels.tolist())


def test_pictures_that_cannot_be_used_are_skipped_and_counted(tmp_path: Path, caplog) -> None:
    odd = [("Real", f"{kind}.jpg", odd_file(kind)) for kind in (FACELESS, TRUNCATED)]
    some = opened(write_shards(write_validation(tmp_path / "some"), "train", [*rows(4, 4), *odd], 1, 5))
    with caplog.at_level(logging.INFO, "training.data.streaming"):
        assert targets(take(batches((some, 1.0)), 2)).tolist().count(1.0) == 8
    assert "of 10 pictures 1 could not be read" in caplog.text and "of 10 pictures 1 show no face" in caplog.text

    nobody = [("Real", "a.jpg", odd_file(FACELESS)), ("Fake", "b.jpg", odd_file(FACELESS))]
    none = opened(write_shards(write_validation(tmp_path / "none"), "train", nobody, 1, 5))
    with pytest.raises(TrainingError, match="No face to train on in none: look at the pictures"):
        next(batches((none, 1.0)))


def test_a_damaged_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    made = write_shards(write_validation(tmp_path / "data"), "train", rows(4, 4), 2, 2)
    source = opened(made)
    (made / "train-00001-of-00002.parquet").write_bytes(b"no parquet")
    with pytest.raises(TrainingError, match=r"data could not be read \(.*\): get another copy"):
        next(batches((source, 1.0)))


def options(folder: Path) -> FitOptions:
    return FitOptions(
        data=(str(folder),), streaming=True, streaming_block=24, architecture="sequential-baseline", weights="none",
        input_size=48, batch_size=8, corruptions=("blur",), epochs=1.0, threads=2,
    )  # fmt: skip


def test_a_run_that_lost_its_stream_continues_to_the_very_same_weights(folder: Path, tmp_path: Path, monkeypatch):
    fit(options(folder), tmp_path / "straight")
    read, left = streams.Lane.read, 36  # in the block after next

    def failing(*arguments: object) -> list:
        nonlocal left
        left -= 1
        if left < 0:
            raise TrainingError("The Hub did not finish with owner/faces: run the command again.")
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(streams.Lane, "read", failing)
        with pytest.raises(TrainingError, match=r"run the command again\. Stopped at step \d+ of 6: --resume goes on"):
            fit(options(folder), tmp_path / "stopped")
    at = json.loads((tmp_path / "stopped" / STATE).read_text())
    assert 0 < at["step"] < 6 and not at["done"]
    fit(FitOptions(), tmp_path / "stopped", resume=True)
    for mine, yours in zip(*(weights(tmp_path / name / BEST) for name in ("stopped", "straight")), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-6, atol=1e-7)
    ends = [json.loads((tmp_path / name / STATE).read_text()) for name in ("stopped", "straight")]
    assert ends[0] == ends[1]


def weights(file: Path) -> list[np.ndarray]:
    return keras.saving.load_model(file, compile=False, safe_mode=True).get_weights()
