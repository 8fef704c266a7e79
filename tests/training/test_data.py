"""Labels by name, splits without overlap, faces found once, and batches that a stopped run can continue."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pytest
from PIL import Image

from detector import face_detector, picture
from detector.crop import crop_face
from tests.support.training_fixtures import (
    FACELESS,
    NONSENSE,
    TRUNCATED,
    heads,
    odd_file,
    picture_file,
    rows,
    same,
    take,
    write_parquet,
    write_pictures,
)
from training.data import face_cache, tables
from training.data.crops import CropOptions, serving_crops, steps_per_epoch, training_batches, training_crop
from training.data.face_cache import Split
from training.data.sources import Source
from training.errors import TrainingError

pytest_plugins = ["tests.support.training_fixtures"]

PLAIN = CropOptions(48, 1.2, jitter=0.0, corruptions=(), self_blend=0.0)
VARIED = CropOptions(48, 1.2, self_blend=0.3)


def load(folder: Path, split: str = "train", **options: object) -> Split:
    return face_cache.load(Source(str(folder)), split, **options)


def names(split: Split) -> list[str]:
    return [row["image"]["path"] for row in split.rows]


# ---- labels and splits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("Fake", "Real"), ("Real", "Fake"), ("real", "FAKE")])
def test_targets_follow_the_names_of_the_labels_never_their_order(tmp_path: Path, order: tuple[str, str]) -> None:
    words = {name.capitalize(): name for name in order}
    pictures = [(words[label], name, content) for label, name, content in rows(3, 2)]
    split = load(write_parquet(tmp_path, {"train": pictures, "validation": pictures}, order))
    assert split.labels.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert split.targets.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert names(split) == [name for _, name, _ in rows(3, 2)]


def test_labels_may_be_words(tmp_path: Path) -> None:
    folder = write_parquet(
        tmp_path, {"train": rows(2, 2), "validation": rows(1, 1)}, label_feature=datasets.Value("string")
    )
    assert load(folder).labels.tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("order", "feature", "sentence"),
    [
        (("Fake", "Real", "Genuine"), None, "'Genuine' is neither Fake nor Real"),
        (("Fake", "Real"), datasets.Value("int64"), "have no names: they must be called Fake and Real"),
        (("Real",), None, "have no label"),  # the fakes are written as -1
    ],
)
def test_labels_that_nobody_named_are_refused(
    tmp_path: Path, order: tuple[str, ...], feature: object, sentence: str
) -> None:
    folder = write_parquet(tmp_path, {"train": rows(2, 2)}, order, feature)
    with pytest.raises(TrainingError, match=sentence):
        load(folder)


def test_splits_go_by_their_names(small_set: Path) -> None:
    splits = {name: load(small_set, name) for name in ("train", "validation", "test")}
    assert {name: split.count() for name, split in splits.items()} == {
        "train": {"fake": 24, "real": 24, "broken": 0, "no_face": 0},
        "validation": {"fake": 12, "real": 12, "broken": 0, "no_face": 0},
        "test": {"fake": 6, "real": 6, "broken": 0, "no_face": 0},
    }
    assert names(splits["validation"]) == [name for _, name, _ in rows(12, 12, 100)]
    assert {split.name for split in splits.values()} == {"portraits_and_blends"}
    assert tables.splits_of(Source(str(small_set))) == {"train", "validation", "test"}


@pytest.mark.parametrize("name", ["validation", "valid", "val"])
def test_validation_may_be_written_in_short(tmp_path: Path, name: str) -> None:
    folder = write_parquet(tmp_path, {"train": rows(2, 2), name: rows(1, 1, 100)})
    assert names(load(folder, "validation")) == ["fake_100.jpg", "real_100.jpg"]


@pytest.mark.parametrize("write", [write_parquet, write_pictures])
def test_the_last_tenth_of_each_class_is_held_out_where_there_is_no_validation(tmp_path: Path, write) -> None:
    folder = write(tmp_path / "data", {"train": rows(20, 10), "test": rows(2, 2, 100)})
    train, held_out = load(folder, "train"), load(folder, "validation")
    assert [Path(name).name for name in names(held_out)] == ["fake_018.jpg", "fake_019.jpg", "real_009.jpg"]
    assert held_out.labels.tolist() == [1.0, 1.0, 0.0]
    assert not set(names(train)) & set(names(held_out))
    assert len(train.rows) + len(held_out.rows) == 30
    assert len(load(folder, "test").rows) == 4


def test_of_a_few_pictures_none_is_held_out(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "few", {"train": rows(2, 2)})
    assert (len(load(folder, "train").rows), len(load(folder, "validation").rows)) == (4, 0)
    assert load(folder, "validation").faces == []


def test_nothing_is_held_out_where_there_is_a_validation_split(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path, {"train": rows(10, 10), "validation": rows(1, 1, 100)})
    assert len(load(folder).rows) == 20


def test_a_folder_of_pictures_gives_what_a_folder_of_parquet_gives(tmp_path: Path) -> None:
    splits = {"train": rows(3, 3), "validation": rows(2, 2, 100)}
    parquet = load(write_parquet(tmp_path / "parquet", splits))
    pictures = load(write_pictures(tmp_path / "pictures", splits))
    assert pictures.labels.tolist() == parquet.labels.tolist()
    assert [pictures.file(index) for index in range(6)] == [parquet.file(index) for index in range(6)]
    assert [face.box for face in pictures.faces] == [face.box for face in parquet.faces]


def test_a_split_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "halves", {"train": rows(2, 2)})
    with pytest.raises(TrainingError, match="halves has no test split: it has train"):
        load(folder, "test")


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"image": [b""], "kind": [0]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(TrainingError, match="lacks the column label"):
        load(tmp_path)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"train": rows(1, 1)})
    with pytest.raises(TrainingError, match="is a file: give the folder"):
        load(tmp_path / "train-00000-of-00001.parquet")


@pytest.mark.parametrize("spec", ["nobody/nothing", "nobody/nothing@v1", "no/such/folder"])
def test_a_source_that_is_nowhere_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        TrainingError, match="is not a folder here, and the Hub does not have it: check the name"
    ) as error:
        face_cache.load(Source(spec), "train")
    assert str(error.value).startswith(spec.partition("@")[0])


def test_an_empty_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no pictures: check the name"):
        load(tmp_path)


def test_a_damaged_parquet_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path, {"train": rows(1, 1)})
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(TrainingError, match="could not be read .*: get another copy"):
        load(folder)


def test_limit_takes_as_many_of_each_class_evenly_spread(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path, {"train": rows(9, 3), "validation": rows(1, 1, 100)})
    split = load(folder, limit=5)
    assert names(split) == [f"fake_00{n}.jpg" for n in (0, 2, 4, 6, 8)] + [f"real_00{n}.jpg" for n in (0, 1, 2)]
    assert split.labels.tolist() == [1.0] * 5 + [0.0] * 3


# ---- sources -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec", "weight"),
    [
        ("owner/name", "owner/name", 1.0),
        ("owner/name:4", "owner/name", 4.0),
        ("owner/name@v1.2:0.5", "owner/name@v1.2", 0.5),
        ("owner/name@refs/pr/3", "owner/name@refs/pr/3", 1.0),
        ("../data/faces:1e-1", "../data/faces", 0.1),
        (r"C:\pictures\faces", r"C:\pictures\faces", 1.0),
        (r"C:\pictures\faces:2", r"C:\pictures\faces", 2.0),
        ("folder:of faces", "folder:of faces", 1.0),
    ],
)
def test_a_source_may_carry_a_weight(text: str, spec: str, weight: float) -> None:
    assert Source.parse(text) == Source(spec, weight)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf"])
def test_a_weight_that_cannot_be_is_refused(weight: str) -> None:
    with pytest.raises(TrainingError, match=r"The weight of owner/name must be a number above 0\."):
        Source.parse(f"owner/name:{weight}")


def test_a_folder_goes_by_its_name_and_a_hub_id_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    folder.mkdir()
    assert (Source(str(folder)).name, Source(str(folder)).place) == ("portraits", "DATA/portraits")
    assert (Source("owner/name@v1").name, Source("owner/name@v1").place) == ("owner/name@v1", "owner/name@v1")


# ---- faces -------------------------------------------------------------------------------------------------------


def test_pictures_that_cannot_be_used_are_counted_named_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [("Real", f"{kind}.jpg", odd_file(kind)) for kind in (FACELESS, TRUNCATED, NONSENSE)]
    folder = write_parquet(tmp_path / "mixed", {"train": [*rows(2, 2), *odd], "validation": rows(1, 1, 100)})
    with caplog.at_level(logging.WARNING, "training.data.face_cache"):
        split = load(folder)
    assert split.count() == {"fake": 2, "real": 2, "broken": 2, "no_face": 1}
    assert len(split) == 4 and len(split.rows) == 7 and len(split.labels) == 7
    assert [face.index for face in split.faces] == [0, 1, 2, 3]
    assert split.faceless == ["row 4 (brick.jpg)"]
    assert split.broken[0].startswith("row 5 (truncated.jpg): The picture is cut off")
    assert split.broken[1].startswith("row 6 (nonsense.jpg): This is not a picture that can be read")
    assert "mixed train: 2 could not be read: row 5 (truncated.jpg)" in caplog.text
    assert "mixed train: 1 show no face: row 4 (brick.jpg)" in caplog.text


def unusable(*_: object, **__: object) -> None:
    raise AssertionError("A face was looked for.")


@pytest.mark.parametrize("write", [write_parquet, write_pictures])
def test_faces_are_looked_for_once_and_kept_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write
) -> None:
    folder = write(tmp_path / "data", {"train": rows(2, 2), "validation": rows(1, 1, 100)})
    first = load(folder)
    [kept] = (folder / ".faces").iterdir()
    assert kept.name.startswith(f"faces-{face_detector.VERSION}-train-")
    written = kept.stat().st_mtime_ns

    monkeypatch.setattr(face_detector.FaceDetector, "find", unusable)
    second = load(folder)
    assert kept.stat().st_mtime_ns == written
    assert [(face.index, face.target, face.box, face.count) for face in second.faces] == [
        (face.index, face.target, face.box, face.count) for face in first.faces
    ]
    assert all(
        np.array_equal(mine.keypoints, yours.keypoints) for mine, yours in zip(second.faces, first.faces, strict=True)
    )

    monkeypatch.setattr(face_detector, "VERSION", "another-detector")
    with pytest.raises(AssertionError, match="A face was looked for"):
        load(folder)


def test_faces_are_looked_for_anew_when_a_picture_has_changed(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "data", {"train": rows(1, 1), "validation": rows(1, 1, 100)})
    before = load(folder).faces[1].box
    changed = folder / "train" / "Real" / "real_000.jpg"
    changed.write_bytes(picture_file("Real", 1))
    os.utime(changed, ns=(0, 0))
    assert load(folder).faces[1].box != before


def test_a_cache_of_ones_choice_is_used(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "data", {"train": rows(1, 1), "validation": rows(1, 1, 100)})
    load(folder, cache=tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1
    assert not (folder / ".faces").exists()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing may be written to `folder`, not by root either: `os.access` asks for the real user, not the effective."""
    users = os.getresuid()
    folder.chmod(0o555)
    if users[0] == 0:
        os.setresuid(65534, 0, 0)
    try:
        yield
    finally:
        os.setresuid(*users)
        folder.chmod(0o755)


def test_faces_of_a_read_only_folder_are_kept_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_parquet(tmp_path / "data", {"train": rows(1, 1), "validation": rows(1, 1, 100)})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    with read_only(folder):
        load(folder)
    assert not (folder / ".faces").exists()
    kept = tmp_path / "user" / "deepfake-image-detector" / "faces"
    assert [file.name[:6] for file in kept.iterdir()] == ["faces-"]


# ---- crops -------------------------------------------------------------------------------------------------------


def test_ten_threads_share_one_cache_of_faces(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "portraits", {"train": rows(4, 4)})
    gate = threading.Barrier(10)

    def together(_: int) -> list[int]:
        gate.wait()
        return [face.index for face in load(folder, cache=tmp_path / "faces").faces]

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(together, range(10))) == [list(range(8))] * 10
    assert [file.suffix for file in (tmp_path / "faces").iterdir()] == [".parquet"]


@pytest.fixture(scope="module")
def train(small_set: Path) -> Split:
    return load(small_set)


@pytest.fixture(scope="module")
def six_each(small_set: Path) -> Split:
    return load(small_set, "test")


def test_serving_crops_are_those_that_the_detector_cuts(train: Split) -> None:
    crops, targets = serving_crops(train, 96, 1.3)
    assert crops.dtype == np.uint8 and crops.shape == (48, 96, 96, 3)
    assert np.array_equal(targets, train.labels)
    detector = face_detector.FaceDetector()
    for crop, index in zip(crops, range(48), strict=True):
        pixels = picture.read(train.file(index)).pixels
        face = face_cache.labelled_face(detector.find(pixels), pixels.shape[1], pixels.shape[0])
        assert np.array_equal(crop, crop_face(pixels, face.box, 96, 1.3))


def test_serving_crops_of_altered_pictures_show_the_same_face(six_each: Split) -> None:
    crops, _ = serving_crops(six_each, 64, 1.2)
    asked = []

    def halve(pixels: np.ndarray, index: int) -> np.ndarray:
        asked.append(index)
        return np.asarray(Image.fromarray(pixels).resize((80, 80), Image.Resampling.BOX))

    altered, targets = serving_crops(six_each, 64, 1.2, halve)
    assert asked == [face.index for face in six_each.faces]
    assert np.array_equal(targets, six_each.targets)
    assert not np.array_equal(crops, altered)
    assert np.abs(crops.astype(int) - altered).mean() < 12


def test_the_label_is_about_the_face_nearest_to_the_middle(tmp_path: Path) -> None:
    large, small, _ = heads()
    canvas = np.full((400, 800, 3), 128, np.uint8)
    canvas[40:360, 0:320] = large  # larger, but at the side
    middle = np.asarray(Image.fromarray(small).resize((200, 200)))
    canvas[100:300, 340:540] = middle
    Image.fromarray(canvas).save(tmp_path / "two.png")
    content = (tmp_path / "two.png").read_bytes()
    folder = write_parquet(tmp_path / "data", {"train": [("Real", "two.png", content)], "validation": rows(1, 1)})
    [face] = load(folder).faces
    assert face.count == 2
    left, _, right, _ = face.box
    assert 340 < left < right < 540
    [crop], _ = serving_crops(load(folder), 96, 1.2)
    assert np.array_equal(crop, crop_face(canvas, face.box, 96, 1.2))


def batches(
    splits: list[tuple[Split, float]], options: CropOptions, seed: int = 1, threads: int = 2, processes: int = 0
):
    return training_batches(splits, options, 8, seed, threads, processes=processes)


def drawn(taken: list[tuple[np.ndarray, np.ndarray]], splits: list[Split]) -> list[tuple[int, int]]:
    """(source, row) of every PLAIN crop in the batches: such a crop is the serving crop or its mirror image."""
    known = {}
    for source, split in enumerate(splits):
        crops, _ = serving_crops(split, PLAIN.size, PLAIN.margin)
        for row, crop in enumerate(crops):
            known[crop.tobytes()] = known[crop[:, ::-1].tobytes()] = (source, row)
    return [known[crop.tobytes()] for crops, _ in taken for crop in crops]


def test_batches_hold_crops_and_their_targets(train: Split) -> None:
    crops, targets = next(batches([(train, 1.0)], VARIED))
    assert crops.dtype == np.uint8 and crops.shape == (8, 48, 48, 3)
    assert targets.dtype == np.float32 and targets.shape == (8, 1)
    taken = take(batches([(train, 1.0)], PLAIN), 6)
    rows_drawn = [row for _, row in drawn(taken, [train])]
    assert np.concatenate([targets[:, 0] for _, targets in taken]).tolist() == train.labels[rows_drawn].tolist()


def test_the_seed_decides_the_batches(train: Split) -> None:
    first = take(batches([(train, 1.0)], VARIED), 4)
    assert same(first, take(batches([(train, 1.0)], VARIED), 4))
    assert not same(first, take(batches([(train, 1.0)], VARIED, seed=2), 4))


def test_the_number_of_threads_does_not_change_the_batches(train: Split, six_each: Split) -> None:
    splits = [(train, 1.0), (six_each, 2.0)]
    assert same(take(batches(splits, VARIED, threads=1), 5), take(batches(splits, VARIED, threads=4), 5))


def test_processes_cut_the_same_batches_and_go_on_where_they_were(train: Split, six_each: Split) -> None:
    splits = [(train, 1.0), (six_each, 2.0)]
    shared = batches(splits, VARIED, processes=2)
    first, state = take(shared, 3), json.loads(json.dumps(shared.get_state()))
    assert same(first, take(batches(splits, VARIED), 3))
    again = batches(splits, VARIED, processes=2)
    again.set_state(state)
    assert same(take(again, 2), take(shared, 2))


def test_every_picture_comes_once_before_any_comes_again(train: Split) -> None:
    order = [row for _, row in drawn(take(batches([(train, 1.0)], PLAIN), 12), [train])]
    first, second = order[:48], order[48:]
    assert sorted(first) == sorted(second) == list(range(48))
    assert first != second and first != sorted(first)


def test_a_source_sorted_by_class_is_mixed_everywhere(train: Split) -> None:
    assert train.labels.tolist() == sorted(train.labels.tolist(), reverse=True)
    targets = np.concatenate([targets[:, 0] for _, targets in take(batches([(train, 1.0)], PLAIN), 12)])
    fakes = np.convolve(targets, np.ones(16), "valid")  # in every window of 16
    assert fakes.min() >= 2 and fakes.max() <= 14


def test_sources_are_drawn_by_size_times_weight(train: Split, six_each: Split) -> None:
    order = drawn(take(batches([(train, 0.5), (six_each, 6.0)], PLAIN), 12), [train, six_each])
    small = [row for source, row in order if source == 1]  # 12 * 6 = 72 of 24 + 72
    assert len(small) == pytest.approx(72, abs=1)
    assert all(sorted(small[start : start + 12]) == list(range(12)) for start in range(0, 60, 12))
    in_windows = np.convolve([source for source, _ in order], np.ones(16), "valid")
    assert in_windows.min() >= 11 and in_windows.max() <= 13
    assert steps_per_epoch([(train, 0.5), (six_each, 6.0)], 8) == 12


def test_a_saved_state_continues_with_the_same_batches(train: Split, six_each: Split) -> None:
    splits = [(train, 1.0), (six_each, 1.5)]
    iterator = batches(splits, VARIED)
    take(iterator, 5)
    state = json.loads(json.dumps(iterator.get_state()))
    rest = take(iterator, 6)
    again = batches(splits, VARIED)
    again.set_state(state)
    assert same(take(again, 6), rest)


def test_real_faces_may_be_blended_into_forgeries(train: Split) -> None:
    always = CropOptions(48, 1.2, jitter=0.0, corruptions=(), self_blend=1.0)
    real = next(face for face in train.faces if face.target == 0.0)
    fake = next(face for face in train.faces if face.target == 1.0)
    crop, target = training_crop(train, real, always, np.random.default_rng(1))
    assert target == 1.0
    plain = crop_face(train.pixels(real), real.box, 48, 1.2)
    assert not np.array_equal(crop, plain) and not np.array_equal(crop, plain[:, ::-1])
    crop, target = training_crop(train, fake, always, np.random.default_rng(1))
    plain = crop_face(train.pixels(fake), fake.box, 48, 1.2)
    assert target == 1.0 and (np.array_equal(crop, plain) or np.array_equal(crop, plain[:, ::-1]))
    never, target = training_crop(train, real, PLAIN, np.random.default_rng(1))
    assert target == 0.0


def test_jitter_moves_and_scales_the_crop(train: Split) -> None:
    face = train.faces[0]
    jittered = CropOptions(48, 1.2, jitter=1.0, corruptions=(), self_blend=0.0)
    crops = {training_crop(train, face, jittered, np.random.default_rng(n))[0].tobytes() for n in range(12)}
    plain = {training_crop(train, face, PLAIN, np.random.default_rng(n))[0].tobytes() for n in range(12)}
    assert len(crops) == 12 and len(plain) == 2
