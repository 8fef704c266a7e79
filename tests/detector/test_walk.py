"""One walk through folders: it skips what systems add, follows links, and counts what it leaves out."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from detector import picture, walk


def found(folder: Path, **also: object) -> tuple[list[str], walk.PassedOver]:
    passed = walk.PassedOver()
    return [path.relative_to(folder).as_posix() for path in walk.pictures(folder, passed, **also)], passed


@pytest.fixture
def jpeg(hopper: Path) -> bytes:
    return hopper.read_bytes()


def fill(folder: Path, content: bytes, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_what_systems_add_is_skipped_and_counted(tmp_path: Path, jpeg: bytes) -> None:
    own = ["IMG_1.jpg", "album/2.HIF", "album/3.heic"]
    added = ["._IMG_1.jpg", ".thumbnails/x.jpg", "@eaDir/IMG_1.jpg/THUMB_XL.jpg", "album/#recycle/old.jpg"]
    fill(tmp_path, jpeg, *own, *added, "Thumbs.db", "album/desktop.ini", "__MACOSX/IMG_1.jpg")
    names, passed = found(tmp_path)
    assert names == own
    assert passed.added == len(added) + 3
    assert str(passed) == "Skipped, not pictures: 7 that systems add (hidden files, thumbnails)."


def test_a_hidden_folder_that_is_named_is_walked(tmp_path: Path, jpeg: bytes) -> None:
    fill(tmp_path / ".mine", jpeg, "a.jpg")
    assert found(tmp_path / ".mine")[0] == ["a.jpg"]


def test_every_kind_that_is_read_is_found_by_its_name() -> None:
    for suffix in ".jpg .jpeg .jpe .jfif .mpo .png .webp .avif .gif .bmp .tif .tiff .heic .heif .hif".split():
        assert suffix in picture.SUFFIXES
    assert not picture.SUFFIXES & {".svg", ".nef", ".dng", ".psd", ".pdf", ".mp4", ".jp2", ".eps"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF"])
def test_a_picture_without_a_suffix_is_known_by_how_it_begins(tmp_path: Path, kind: str) -> None:
    for name in ("IMG_0001", "Mr. Smith", "holiday 2024.01.02", "photo.jpg_large"):
        Image.new("RGB", (64, 64), "green").save(tmp_path / name, kind)
    fill(tmp_path, b"BMW is a maker of cars", "notes", "IMG.02")
    fill(tmp_path, b"", "empty")
    os.mkfifo(tmp_path / "pipe")
    names, passed = found(tmp_path)
    assert names == ["IMG_0001", "Mr. Smith", "holiday 2024.01.02", "photo.jpg_large"]
    assert str(passed) == "Skipped, not pictures: 4 without a suffix."


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path, jpeg: bytes) -> None:
    fill(tmp_path, jpeg, "a.jpg", *(f"{n}.MOV" for n in range(3)), "b.NEF", "c.txt", "d.xmp", "e.pdf", "f.svg", "g.doc")
    names, passed = found(tmp_path, also=(".svg",))
    assert names == ["a.jpg", "f.svg"]
    assert str(passed).startswith("Skipped, not pictures: 3 .mov, 1 .doc, 1 .nef")
    assert str(passed).endswith(", 1 of other kinds.") and sum(passed.others.values()) == 8


def test_linked_folders_are_walked_and_a_circle_ends(tmp_path: Path, jpeg: bytes) -> None:
    fill(tmp_path, jpeg, "pool/a.jpg", "set/b.jpg")
    (tmp_path / "set" / "Fake").symlink_to(tmp_path / "pool")
    (tmp_path / "set" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "pool" / "round").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "itself").symlink_to("itself")
    (tmp_path / "set" / "gone.jpg").symlink_to("nowhere.jpg")
    names, passed = found(tmp_path / "set")
    assert names == ["Fake/a.jpg", "b.jpg", "gone.jpg"], "reading says what is wrong with the last"
    assert str(passed) == "Skipped, not pictures: 1 without a suffix."


def test_a_folder_that_cannot_be_opened_comes_itself(tmp_path: Path, jpeg: bytes, monkeypatch) -> None:
    fill(tmp_path, jpeg, "a.jpg", "shut/b.jpg")
    scan = os.scandir

    def refuse(path: Path):
        if Path(path).name == "shut":
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path)[0] == ["a.jpg", "shut"]


def test_names_are_in_order_whatever_they_are(tmp_path: Path, jpeg: bytes) -> None:
    shutil.rmtree(tmp_path)
    fill(tmp_path, jpeg, "b.jpg", "a/z.jpg", "c [v1]/x.jpg", os.fsdecode(b"caf\xe9.jpg"), "a😀.jpg")
    assert found(tmp_path)[0] == ["a/z.jpg", "a😀.jpg", "b.jpg", "c [v1]/x.jpg", "caf\udce9.jpg"]
