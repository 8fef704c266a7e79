"""A set that is never downloaded: read part by part, mixed, and gone on with near where it was left."""

import json
import logging
from pathlib import Path

import datasets
import numpy as np
import pytest

from tests.support.training_fixtures import (
    FACELESS,
    TRUNCATED,
    odd_file,
    rows,
    take,
    write_pictures,
    write_shards,
)
from training.checkpoint import BEST, STATE
from training.data import face_cache, streaming, streams
from training.data.crops import CropOptions, serving_crops, steps_per_epoch
from training.data.sources import Source
from training.data.streaming import Batches
from training.data.streams import Stream
from training.errors import TrainingError
from training.fit import fit
from training.options import FitOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow

PLAIN = CropOptions(48, 1.2, jitter=0.0, corruptions=(), self_blend=0.0)
VARIED = CropOptions(48, 1.2, self_blend=0.3)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` waits for five seconds at the end of an epoch, which here comes every few batches."""
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.0)


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
    assert (len(faces_of), faces_of.count()) == (48, {"fake": 24, "real": 24})
    taken = take(batches((faces_of, 1.0)), 12)
    assert taken[0][0].shape == (8, 48, 48, 3) and taken[0][0].dtype == np.uint8
    assert taken[0][1].shape == (8, 1) and taken[0][1].dtype == np.float32
    order = [row for _, row in drawn(taken, folder)]
    assert sorted(order[:48]) == sorted(order[48:]) == list(range(48))
    assert order[:48] != order[48:] and order[:48] != sorted(order[:48])
    assert targets(taken).tolist() == [float(row < 24) for row in order]


def write_validation(folder: Path) -> Path:
    return write_shards(folder, "validation", rows(1, 1, 100), 1, 2)


def test_classes_are_mixed_though_the_shards_are_sorted_by_them(faces_of: Stream) -> None:
    order = targets(take(batches((faces_of, 1.0)), 12))
    assert order.sum() == 48
    assert set(order.reshape(-1, 24).sum(axis=1).tolist()) <= set(range(4, 21))


def test_a_saved_state_goes_on_in_its_epoch_and_comes_to_every_picture(faces_of: Stream, folder: Path) -> None:
    """What lay in the shuffle buffer is passed over, until the next epoch."""
    straight = batches((faces_of, 1.0), block=12)
    before = drawn(take(straight, 2), folder)
    state = json.loads(json.dumps(straight.get_state()))
    again = batches((faces_of, 1.0), block=12)
    again.set_state(state)
    after = drawn(take(again, 11), folder)
    rest = len(after) - 48  # of the first epoch: the second one is whole within the batches
    while len(set(after[rest : rest + 48])) < 48:
        rest -= 1
    assert 48 - len(before) - 12 <= rest <= 48 - len(before)
    assert len(set(before + after[:rest])) == len(before) + rest, "none came twice"


def test_two_sources_are_drawn_by_size_times_weight_and_go_on(faces_of: Stream, folder: Path, tmp_path: Path) -> None:
    small = write_shards(write_validation(tmp_path / "small"), "train", rows(4, 4, 50), 1, 2)
    sources = ((faces_of, 0.5), (opened(small), 3.0))
    assert steps_per_epoch(list(sources), 8) == 6
    straight = batches(*sources, options=VARIED)
    first = take(straight, 3)
    again = batches(*sources, options=VARIED)
    again.set_state(json.loads(json.dumps(straight.get_state())))
    assert len(first) == len(take(again, 3)) == 3
    order = drawn(take(batches(*sources), 6), folder, small)
    assert sum(source for source, _ in order) == 24


def test_the_rows_are_those_of_a_set_at_hand(tmp_path: Path) -> None:
    """Held out and limited alike; from a folder of pictures as well."""
    parquet = write_shards(tmp_path / "parquet", "train", rows(20, 10), 3, 4)
    pictures = write_pictures(tmp_path / "pictures", {"train": rows(20, 10)})
    for made in (parquet, pictures):
        for limit in (None, 5):
            at_hand = face_cache.load(Source(str(made)), "train", limit=limit)
            streamed = opened(made, limit=limit)
            found = list(streamed.rows)
            assert [row["target"] for row in found] == streamed.targets.tolist() == at_hand.labels.tolist()
            assert [row["image"] for row in found] == [at_hand.file(number) for number in range(len(at_hand.rows))]


def test_pictures_that_cannot_be_used_are_skipped_and_counted(tmp_path: Path, caplog) -> None:
    odd = [("Real", f"{kind}.jpg", odd_file(kind)) for kind in (FACELESS, TRUNCATED)]
    some = opened(write_shards(write_validation(tmp_path / "some"), "train", [*rows(4, 4), *odd], 1, 5))
    with caplog.at_level(logging.INFO, "training.data.streaming"):
        assert targets(take(batches((some, 1.0)), 4)).tolist().count(1.0) == 16
    assert "1 pictures could not be read" in caplog.text and "1 pictures show no face" in caplog.text

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


def test_a_run_that_lost_its_stream_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, left = streaming.asked, 16

    def failing(*arguments: object) -> list:
        nonlocal left
        left -= 1
        if left < 0:
            raise TrainingError("The Hub did not finish with owner/faces: run the command again.")
        return asked(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(streaming, "asked", failing)
        with pytest.raises(TrainingError, match=r"run the command again\. Stopped at step [1-5] of 6: --resume"):
            fit(options(folder), tmp_path / "run")
    at = json.loads((tmp_path / "run" / STATE).read_text())
    assert not at["done"] and at["pipeline"]["taken"] == [8 * at["step"]]
    fit(FitOptions(), tmp_path / "run", resume=True)
    at = json.loads((tmp_path / "run" / STATE).read_text())
    assert at["step"] == 6 and at["done"] and at["pipeline"]["taken"] == [48]
    assert (tmp_path / "run" / BEST).exists()
