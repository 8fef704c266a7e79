"""Folders of pictures as people lay them out: which split and class each picture has, and what is told of the rest."""

import io
import json
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from detector import picture
from tests.support.training_fixtures import picture_file, rows, write_parquet, write_pictures
from training import __main__ as command_line
from training.data import face_cache, tables
from training.data.sources import Source
from training.errors import TrainingError

pytest_plugins = ["tests.support.training_fixtures"]
register_heif_opener()


def small(number: int = 0, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (number, 90, 90)).save(buffer, kind)
    return buffer.getvalue()


def lay_out(folder: Path, *names: str, kind: str = "JPEG") -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(small(number, kind))
    return folder


def classes(folder: Path) -> dict[str, Counter]:
    """How many pictures of each class each split has, as training reads them."""
    return {split: Counter(found["label"]) for split, found in tables.read(str(folder)).items()}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is told of a folder, once for each name: no other test may have one of the same."""
    caplog.set_level(logging.WARNING, "training.data.folders")
    return caplog


@pytest.mark.parametrize(
    "splits",
    [
        ("Train", "Validation", "Test"),
        ("TRAIN", "Valid", "testing"),
        ("training", "val", "eval"),
        ("real_vs_fake/train", "real_vs_fake/dev", "real_vs_fake/evaluation"),
    ],
)
def test_splits_are_known_in_any_case_and_by_their_synonyms(tmp_path: Path, splits: tuple[str, ...]) -> None:
    lay_out(tmp_path, *(f"{split}/{label}/{n}.jpg" for split in splits for label in ("Fake", "REAL") for n in range(2)))
    two_each = Counter(Fake=2, Real=2)
    assert classes(tmp_path) == {"train": two_each, "validation": two_each, "test": two_each}
    assert tables.targets_of(tables.read(str(tmp_path))["test"], Source(str(tmp_path))).tolist() == [1, 1, 0, 0]


def test_a_file_called_like_a_split_is_a_picture_like_any_other(tmp_path: Path) -> None:
    lay_out(tmp_path, *(f"{c}/{n}" for c in ("Real", "Fake") for n in ("train station.jpg", "test.jpg", "IMG_1.jpg")))
    assert classes(tmp_path) == {"train": Counter(Real=3, Fake=3)}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF"])
def test_every_kind_that_is_read_is_taken(tmp_path: Path, kind: str) -> None:
    suffix = {"HEIF": ".HIF", "JPEG": ".JPEG"}.get(kind, f".{kind.lower()}")
    lay_out(tmp_path, f"train/Real/a{suffix}", "train/Fake/without suffix", kind=kind)
    assert classes(tmp_path) == {"train": Counter(Real=1, Fake=1)}
    content = tables.file_of(tables.read(str(tmp_path))["train"][0])
    assert picture.read(content).pixels.shape == (40, 40, 3)


def test_a_picture_without_a_name_of_its_kind_is_trained_on(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"train": [("Real", "IMG_1", picture_file("Real", 0)), *rows(1, 0)]})
    split = face_cache.load(Source(str(tmp_path)), "train")
    assert split.count() == {"fake": 1, "real": 1, "broken": 0, "no_face": 0}


def test_another_programs_metadata_is_no_matter(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/Real/0.jpg", "train/Fake/0.jpg")
    (tmp_path / "train" / "metadata.csv").write_text("id,source\n1,x\n")
    assert classes(tmp_path) == {"train": Counter(Real=1, Fake=1)}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_metadata_may_name_label_and_generator(tmp_path: Path, form: str) -> None:
    lay_out(tmp_path, "train/a.jpg", "train/more/b.jpg")
    of_each = [
        {"file_name": "a.jpg", "label": "Fake", "generator": "SDXL"},
        {"file_name": "more/b.jpg", "label": "real"},
    ]
    if form == "csv":
        text = "\ufefffile_name,label,generator\na.jpg,Fake,SDXL\nmore/b.jpg,real,\n"
    else:
        text = "\n".join(map(json.dumps, of_each))
    (tmp_path / "train" / f"metadata.{form}").write_text(text, "utf-8")
    found = tables.read(str(tmp_path))["train"]
    assert (list(found["label"]), list(found["generator"])) == (["Fake", "real"], ["SDXL", ""])
    assert tables.targets_of(found, Source(str(tmp_path))).tolist() == [1.0, 0.0]


def test_damaged_metadata_is_a_sentence(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/Real/a.jpg")
    (tmp_path / "train" / "metadata.jsonl").write_text("{")
    with pytest.raises(TrainingError, match=r"metadata.jsonl in train could not be read: mend it or take it away\."):
        tables.read(str(tmp_path))


@pytest.mark.parametrize("parquet", [True, False])
def test_brackets_in_a_path_are_a_name_like_any_other(tmp_path: Path, parquet: bool) -> None:
    folder = tmp_path / "faces [v1] *"
    (write_parquet if parquet else write_pictures)(folder, {"train": rows(1, 1), "test": rows(1, 1, 3)})
    assert {split: len(found) for split, found in tables.read(str(folder)).items()} == {"train": 2, "test": 2}


def test_linked_folders_are_read(tmp_path: Path) -> None:
    lay_out(tmp_path, "pool/a.jpg", "pool/b.jpg", "set/train/Real/c.jpg")
    (tmp_path / "set" / "train" / "Fake").symlink_to(tmp_path / "pool")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    assert classes(tmp_path / "link") == {"train": Counter(Fake=2, Real=1)}


def test_folders_within_a_class_are_free(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/Fake/sdxl/a.png", "train/Fake/stylegan/2/b.png", "train/Real/ffhq/Fake/c.png")
    lay_out(tmp_path, "train/Fake/Real/d.png", "train/1_fake/e.png", "train/0_real/f.png")
    assert classes(tmp_path) == {"train": Counter(Fake=4, Real=2)}, "the innermost counts"


def test_without_a_class_it_says_how_to_lay_them_out(tmp_path: Path) -> None:
    lay_out(tmp_path / "mine", "train/genuine/a.jpg", "b.jpg")
    with pytest.raises(
        TrainingError, match="mine has 2 pictures, and none lies in a folder called Real or Fake"
    ) as error:
        tables.read(str(tmp_path / "mine"))
    assert "lay them out as train/Real/… and train/Fake/…" in str(error.value)


def test_what_is_left_out_is_counted_and_named(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    lay_out(
        tmp_path / "odds", "train/Real/a.jpg", "train/Fake/b.jpg", "Real/c.jpg", "train/d.jpg", "train/.hidden/e.jpg"
    )
    lay_out(
        tmp_path / "odds", "train/Real/@eaDir/a.jpg", "train/Fake/._b.jpg", "train/Real/film.mp4", "train/Real/raw.nef"
    )
    (tmp_path / "odds" / "notes.txt").write_text("mine")
    assert classes(tmp_path / "odds") == {"train": Counter(Real=1, Fake=1)}
    assert set(told.messages) == {
        "odds: Skipped, not pictures: 1 .mp4, 1 .nef, 1 .txt, 3 that systems add (hidden files, thumbnails).",
        "odds: left out, as they lie in no folder called Real or Fake: 1 of the pictures, train/d.jpg",
        "odds: left out, as they lie in no split: 1 of the pictures, Real/c.jpg",
    }
    classes(tmp_path / "odds")
    assert len(told.messages) == 3, "once"


def test_what_is_written_here_is_not_told(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    folder = write_pictures(tmp_path / "ends", {"train": rows(1, 1)})
    face_cache.load(Source(str(folder)), "train")
    for name in ("excluded.txt", "manifest.json"):
        (folder / name).write_text("")
    assert (folder / ".faces").is_dir()
    tables.read(str(folder))
    assert not told.messages


@pytest.mark.parametrize("name", ["Train", "training-00000-of-00001", "Train/part-0", "a/val/0000"])
def test_parquet_files_go_by_their_names_or_folders(tmp_path: Path, name: str) -> None:
    (written,) = write_parquet(tmp_path / "written", {"train": rows(1, 1)}).iterdir()
    file = tmp_path / "set" / f"{name}.parquet"
    file.parent.mkdir(parents=True)
    written.rename(file)
    assert set(tables.read(str(tmp_path / "set"))) == {"validation" if "val" in name else "train"}


def test_a_folder_of_pictures_can_be_streamed(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", {"Train": rows(2, 2)})
    read = tables.read(str(folder), streaming=True)["train"]
    assert [tables.file_of(row) for row in read] == [content for _, _, content in rows(2, 2)]


@pytest.mark.slow
def test_training_on_one_class_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_pictures(tmp_path / "set", {"train": rows(0, 3), "validation": rows(1, 1, 7)})
    words = ["fit", "--data", str(tmp_path / "set"), "--out", str(tmp_path / "run"), "--self-blend", "0"]
    assert command_line.main([*words, "--architecture", "sequential-baseline", "--weights", "none"]) == 2
    assert "All faces to train on are real" in capsys.readouterr().err
    write_pictures(tmp_path / "real", {"train": rows(0, 3), "validation": rows(0, 1, 7)})
    words = ["fit", "--data", str(tmp_path / "real"), "--out", str(tmp_path / "other")]
    assert command_line.main([*words, "--architecture", "sequential-baseline", "--weights", "none"]) == 2
    assert "The validation sets need both real and fake faces" in capsys.readouterr().err


def test_the_layout_of_the_default_set_on_kaggle(tmp_path: Path) -> None:
    """Dataset/Train, Validation and Test: the official test is no part of the training."""
    splits = {"Train": rows(2, 2), "Validation": rows(1, 1, 100), "Test": rows(1, 1, 200)}
    write_pictures(tmp_path / "Dataset", splits)
    for name, labels in (("train", [1, 1, 0, 0]), ("validation", [1, 0]), ("test", [1, 0])):
        split = face_cache.load(Source(str(tmp_path)), name)
        assert np.array_equal(split.targets, labels)
        assert [split.file(n) for n in range(len(labels))] == [content for _, _, content in splits[name.capitalize()]]
