"""Pairs: both halves come in one batch and differ in the reconstruction alone."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.training_fixtures import FIT, photograph, picture_file, rows, same, take, write_parquet
from training import __main__ as command_line
from training.augment import corruptions
from training.data import face_cache
from training.data.crops import CropOptions, serving_crops, training_batches
from training.data.face_cache import PAIR, Split
from training.data.sources import Source
from training.errors import TrainingError

pytest_plugins = ["tests.support.training_fixtures"]

# All that varies, as often as it can be: real faces that are no half of a pair would all be blended.
VARIED = CropOptions(48, 1.2, self_blend=1.0, reencode=True)
PLAIN = CropOptions(48, 1.2, jitter=0.0, corruptions=(), self_blend=0.0)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pair_set(folder: Path, halves: list[tuple[bytes, bytes]], more: int = 0) -> Split:
    """A train split of pairs (real, forged), sorted by class, and of `more` fakes without a counterpart."""
    names = [f"p{number}" for number in range(len(halves))]
    pictures = [("Fake", f"f{n}.jpg", fake) for n, (_, fake) in enumerate(halves)]
    pictures += [("Fake", f"more{n}.jpg", picture_file("Real", 50 + n)) for n in range(more)]
    pictures += [("Real", f"r{n}.jpg", real) for n, (real, _) in enumerate(halves)]
    write_parquet(folder, {"train": pictures}, more={PAIR: [*names, *["alone"] * more, *names]})
    write_parquet(folder, {"validation": rows(1, 1, 100)}, more={PAIR: ["", ""]})
    return face_cache.load(Source(str(folder)), "train")


def same_twice(count: int) -> list[tuple[bytes, bytes]]:
    return [(picture_file("Real", n), picture_file("Real", n)) for n in range(count)]


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Ten pairs whose halves are the very same picture: whatever tells their crops apart is no reconstruction."""
    return pair_set(tmp_path_factory.mktemp("sets") / "alike", same_twice(10))


@pytest.fixture(scope="module")
def others(small_set: Path) -> Split:
    return face_cache.load(Source(str(small_set)), "train")


def halves(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(forged, real) crops of batches in which every two neighbours are a fake and a real face."""
    for _, targets in batches:
        assert targets[:, 0].tolist() == [1.0, 0.0] * (len(targets) // 2)
    return [(crops[n], crops[n + 1]) for crops, _ in batches for n in range(0, len(crops), 2)]


def test_both_halves_are_varied_by_the_same_draws(alike: Split) -> None:
    taken = halves(take(training_batches([(alike, 1.0)], VARIED, 8, 1, 2), 15))
    assert all(np.array_equal(fake, real) for fake, real in taken)
    assert len({real.tobytes() for _, real in taken}) == len(taken)  # and every pair by draws of its own


def test_pairs_can_be_left_as_they_are_beside_what_is_encoded_anew(alike: Split, others: Split) -> None:
    served = {c.tobytes() for crop in serving_crops(alike, 48, 1.2)[0] for c in (crop, crop[:, ::-1])}
    options = CropOptions(48, 1.2, jitter=0.0, corruptions=(), reencode=True, reencode_pairs=False)
    taken = halves(take(training_batches([(alike, 1.0), (others, 1.0)], options, 8, 1, 2), 10))
    of_pairs, single = ([real for fake, real in taken if np.array_equal(fake, real) is same] for same in (True, False))
    assert {crop.tobytes() in served for crop in of_pairs} == {True}
    assert {crop.tobytes() in served for crop in single} == {False}


@pytest.mark.parametrize("name", corruptions.TRAINING)
def test_every_alteration_is_the_same_for_both_halves(alike: Split, name: str) -> None:
    options = CropOptions(48, 1.2, jitter=0.0, corruptions=(name,))
    taken = halves(take(training_batches([(alike, 1.0)], options, 8, 1, 2), 5))
    assert all(np.array_equal(fake, real) for fake, real in taken)


def test_what_a_reconstruction_makes_of_dark_edges_changes_no_crop(tmp_path: Path) -> None:
    """Dark lines are left out, and a decoder can make them a little lighter: both halves are cut as the real one is."""
    both = []
    for number in range(4):
        real = np.pad(photograph(number), ((0, 0), (11, 0), (0, 0)), constant_values=14)
        fake = real.copy()
        fake[:, :11] = 18
        both.append((png(real), png(fake)))
    split = pair_set(tmp_path / "dark", both)
    options = CropOptions(48, 1.6, jitter=0.0, corruptions=(), reencode=True)
    for fake, real in halves(take(training_batches([(split, 1.0)], options, 8, 1, 2), 4)):
        assert np.array_equal(fake, real)


def test_the_halves_are_found_by_the_column_and_the_rest_is_as_any_face(tmp_path: Path) -> None:
    split = pair_set(tmp_path / "more", same_twice(4), more=3)
    found = [(split.faces[fake], split.faces[real]) for fake, real in split.pairs()]
    assert [(fake.index, real.index) for fake, real in found] == [(n, n + 7) for n in range(4)]
    assert all((fake.target, real.target) == (1.0, 0.0) for fake, real in found)
    targets = np.concatenate([targets for _, targets in take(training_batches([(split, 1.0)], PLAIN, 8, 1, 2), 11)])
    assert (targets == 1.0).sum() == pytest.approx(88 * 7 / 11, abs=2)


def test_pairs_are_drawn_by_size_times_weight_beside_other_sets(alike: Split, others: Split) -> None:
    known = {crop.tobytes() for crop, _ in halves(take(training_batches([(alike, 1.0)], PLAIN, 8, 1, 2), 10))}
    known |= {crop[:, ::-1].tobytes() for crop in (np.frombuffer(c, np.uint8).reshape(48, 48, 3) for c in known)}
    taken = halves(take(training_batches([(alike, 1.2), (others, 0.5)], PLAIN, 8, 1, 2), 24))
    of_pairs = [fake.tobytes() in known and np.array_equal(fake, real) for fake, real in taken]
    assert sum(of_pairs) == pytest.approx(48, abs=1)  # 20 * 1.2 of 20 * 1.2 + 48 * 0.5
    assert not any(np.array_equal(f, r) for (f, r), paired in zip(taken, of_pairs, strict=True) if not paired)


def test_a_saved_state_continues_and_parts_are_those_of_the_whole(alike: Split, others: Split) -> None:
    splits = [(alike, 1.0), (others, 1.0)]
    iterator = training_batches(splits, VARIED, 8, 1, 2)
    first, state = take(iterator, 3), json.loads(json.dumps(iterator.get_state()))
    again = training_batches(splits, VARIED, 8, 1, 4)
    again.set_state(state)
    assert same(take(iterator, 3), take(again, 3))
    iterators = [training_batches(splits, VARIED, 8, 1, 2, (index, 2)) for index in (0, 1)]
    parts = [[next(part) for _ in range(3)] for part in iterators]
    joined = [tuple(map(np.concatenate, zip(one, two, strict=True))) for one, two in zip(*parts, strict=True)]
    assert same(first, joined)


def test_a_batch_of_an_odd_size_would_part_a_pair(alike: Split, others: Split) -> None:
    with pytest.raises(TrainingError, match="an even --batch-size"):
        training_batches([(others, 1.0), (alike, 1.0)], VARIED, 7, 1)
    training_batches([(others, 1.0)], VARIED, 7, 1)


def test_halves_of_two_sizes_are_refused(tmp_path: Path) -> None:
    smaller = png(np.asarray(Image.fromarray(photograph(0)).resize((120, 120))))
    split = pair_set(tmp_path / "sizes", [(picture_file("Real", 0), smaller)] * 2)
    with pytest.raises(TrainingError, match="halves of a pair in sizes differ in size"):
        next(training_batches([(split, 1.0)], VARIED, 4, 1))


@pytest.mark.slow
def test_pairs_are_not_streamed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pair_set(tmp_path / "streamed", same_twice(2))
    words = ["fit", "--data", str(tmp_path / "streamed"), "--streaming", *FIT, "--out", str(tmp_path / "run")]
    assert command_line.main(words) == 2
    assert "streamed holds pairs, whose halves come together: read it without --streaming." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sequential-baseline", "efficientnet-lite0-probe"])
def test_a_network_and_a_probe_are_fitted_on_pairs(tmp_path: Path, architecture: str) -> None:
    pair_set(tmp_path / "alike", same_twice(6))
    write_parquet(tmp_path / "others", {"train": rows(4, 4), "validation": rows(2, 2, 100)})
    words = ["--data", str(tmp_path / "alike"), str(tmp_path / "others"), *FIT, "--architecture", architecture]
    assert command_line.main(["fit", *words, "--epochs", "1", "--out", str(tmp_path / "run")]) == 0
