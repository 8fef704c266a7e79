"""Zips of strangers: what is read of a good one, and how each hostile one is refused."""

import io
import stat
import struct
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from detector import ImageError
from tests.support.attacks import hidden_names
from ui import archive, uploads

PICTURE = b"\xff\xd8 the bytes of a picture" * 20


def pack(files: dict[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two files with one name
        for name, data in files.items():
            file.writestr(name, data, compress_type=method)
    return stream.getvalue()


def zip_info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def patched(data: bytes, offset_local: int, offset_central: int, value: bytes) -> bytes:
    """`data` with `value` in the first local header and in the first entry of the directory."""
    changed = bytearray(data)
    for start, offset in ((data.index(b"PK\x03\x04"), offset_local), (data.index(b"PK\x01\x02"), offset_central)):
        changed[start + offset : start + offset + len(value)] = value
    return bytes(changed)


def refusal(data: bytes) -> str:
    """The sentence for the only file of a zip."""
    with archive.opened(data) as entries:
        (entry,) = entries
        with pytest.raises(ImageError) as error:
            entry.read()
    return str(error.value)


def refusal_of_all(source: bytes | str) -> str:
    with pytest.raises(ImageError) as error, archive.opened(source):
        pass
    return str(error.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("on_disk", [False, True], ids=["bytes", "path"])
def test_files_come_in_order_with_their_paths(tmp_path: Path, method: int, on_disk: bool) -> None:
    data = pack({"b.jpg": PICTURE, "trip/größe 人.png": PICTURE * 2, "./a.jpg": b""}, method)
    (tmp_path / "x.zip").write_bytes(data)
    with archive.opened(str(tmp_path / "x.zip") if on_disk else data) as entries:
        assert [entry.name for entry in entries] == ["b.jpg", "trip/größe 人.png", "./a.jpg"]
        assert [entry.size for entry in entries] == [len(PICTURE), 2 * len(PICTURE), 0]
        assert [entry.read() for entry in entries] == [PICTURE, PICTURE * 2, b""]


def test_a_zip_is_known_by_its_start_or_its_name(tmp_path: Path) -> None:
    zipped, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    zipped.write_bytes(pack({"a.jpg": PICTURE}))
    other.write_bytes(PICTURE)
    assert archive.is_zip(str(zipped), "a.jpg") and archive.is_zip(str(other), "B.ZIP")
    assert archive.is_zip(zipped.read_bytes(), "a") and archive.is_zip(pack({}), "a")
    assert not archive.is_zip(str(other), "b.jpg") and not archive.is_zip(PICTURE, "b.jpg")
    assert not archive.is_zip(str(tmp_path / "gone"), "gone.jpg") and not archive.is_zip(str(tmp_path), "folder")


def test_what_systems_add_is_left_out() -> None:
    noise = ("trip/", "__MACOSX/trip/._a.jpg", "trip/.DS_Store", ".hidden/a.jpg", "trip\\.thumbs\\a.jpg")
    noise += ("trip/@eaDir/a.jpg/THUMB.jpg", "trip/Thumbs.db", "trip/desktop.ini")
    with archive.opened(pack({**dict.fromkeys(noise, b""), "trip/a.jpg": PICTURE})) as entries:
        assert [entry.name for entry in entries] == ["trip/a.jpg"]


@pytest.mark.parametrize(
    "name", ["../a.jpg", "a/../../b.jpg", "/etc/a.jpg", "C:\\a.jpg", "..\\a.jpg", "\\\\host\\a.jpg", "C:a.jpg"]
)
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    assert "leads out of the zip" in refusal(pack({name: PICTURE}))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_what_is_no_file_is_refused(mode: int) -> None:
    assert "link or a device" in refusal(pack({zip_info("a.jpg", mode | 0o644): b"/etc/passwd"}))


@pytest.mark.parametrize("flags", [0x01, 0x40, 0x41])
def test_a_locked_file_is_refused(flags: int) -> None:
    assert "password" in refusal(patched(pack({"a.jpg": PICTURE}), 6, 8, struct.pack("<H", flags)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_are_refused(method: int) -> None:
    assert "an ordinary zip" in refusal(pack({"a.jpg": PICTURE}, method))
    assert "an ordinary zip" in refusal(patched(pack({"a.jpg": PICTURE}), 8, 10, struct.pack("<H", 99)))


def test_a_zip_in_a_zip_is_not_opened() -> None:
    inner = pack({"a.jpg": PICTURE})
    for name in ("inner.zip", "inner.jpg", "INNER.ZIP"):
        assert "A zip in a zip" in refusal(pack({name: inner}))


def test_a_bomb_that_tells_its_size_is_not_unpacked() -> None:
    data = pack({"a.jpg": bytes(31_000_000)})
    assert len(data) < 100_000
    assert refusal(data) == "The file is larger than the limit of 30 MB: scale it down and try again."
    assert "200 times its size" in refusal(pack({"a.bmp": bytes(2_000_000)}))
    with archive.opened(pack({"a.bmp": bytes(2_000_000)})) as (entry,):
        assert entry.size == 0  # what is not unpacked counts nothing


def test_what_is_small_may_shrink_as_it_likes() -> None:
    with archive.opened(pack({"a.bmp": bytes(900_000)})) as (entry,):
        assert len(entry.read()) == 900_000


@pytest.mark.slow
def test_a_bomb_that_lies_is_read_to_the_size_that_it_tells() -> None:
    data = pack({"a.jpg": bytes(40_000_000)})
    lying = patched(data, 22, 24, struct.pack("<I", 100_000))
    assert "damaged in the zip" in refusal(lying)


def test_no_more_than_the_limit_is_read_whatever_the_zip_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    with archive.opened(pack({"a.jpg": bytes(900_000)})) as (entry,):
        monkeypatch.setattr("detector.picture.MAX_BYTES", 300_000)
        with pytest.raises(ImageError, match="larger than the limit"):
            entry.read()


def test_files_that_lie_over_one_another_count_each() -> None:
    """One kernel of data that many entries of the directory point to, as in zbsm.zip."""
    data = pack({"a.jpg": PICTURE})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = data[start:end] * 50
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(directory), start, 0)
    with archive.opened(data[:start] + directory + tail) as entries:
        assert len(entries) == 50 and sum(entry.size for entry in entries) == 50 * len(PICTURE)


@pytest.mark.parametrize("cut", ["in the data", "wrong sum", "wrong header"])
def test_a_damaged_file_does_not_take_the_others_along(cut: str) -> None:
    data = bytearray(pack({"a.jpg": PICTURE, "b.jpg": PICTURE}, zipfile.ZIP_STORED))
    match cut:
        case "in the data":
            data[data.index(PICTURE) + 9] ^= 0xFF
        case "wrong sum":
            start = data.index(b"PK\x01\x02")
            data[start + 16] ^= 0xFF
        case "wrong header":
            data[0] = 0
    with archive.opened(bytes(data)) as (broken, whole):
        with pytest.raises(ImageError, match="damaged in the zip"):
            broken.read()
        assert whole.read() == PICTURE


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    whole = pack({"a.jpg": PICTURE})
    for data in (b"", b"PK\x03\x04", PICTURE, whole[:-30], whole[: len(whole) // 2], b"PK\x05\x06" + b"\xff" * 18):
        assert "could not be opened" in refusal_of_all(data)
    told = refusal_of_all(str(tmp_path / "gone.zip"))
    assert "could not be opened" in told and str(tmp_path) not in told


def test_a_zip_without_a_picture_is_told() -> None:
    assert "no picture in this zip" in refusal_of_all(pack({}))
    assert "no picture in this zip" in refusal_of_all(pack({"folder/": b"", ".DS_Store": b"x"}))


def test_a_large_zip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack({"a.jpg": PICTURE})
    monkeypatch.setattr(uploads, "ZIP_BYTES", len(data) - 1)
    assert "larger than the limit" in refusal_of_all(data)


def test_a_directory_of_very_many_files_is_not_read() -> None:
    data = pack({"a.jpg": PICTURE})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = data[start:end] * 100_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), start, 0)
    assert "far too many files" in refusal_of_all(data[:start] + directory + tail)


def test_what_the_zips_of_a_batch_list_is_counted_together() -> None:
    listed = archive.Listed(3)
    one = pack({".hidden": b"", "a.jpg": PICTURE})
    with archive.opened(one, listed) as (entry,):
        assert entry.read() == PICTURE
    for left in (-1, -1):
        with pytest.raises(ImageError, match="far too many files"), archive.opened(one, listed):
            pass
        assert listed.left == left
    assert "far too many files" in refusal_of_all(hidden_names())


def test_names_are_fit_to_be_shown() -> None:
    with archive.opened(pack({"a\nb\u202egpj.exe": PICTURE, "x" * 5000 + ".jpg": PICTURE})) as (odd, long):
        assert odd.name == "a�b�gpj.exe"
        assert len(long.name) == 200 and long.name.startswith("…x") and long.name.endswith(".jpg")


class Untold(zipfile.ZipInfo):
    """A file of a zip that does not say in which encoding its name is: zipfile writes UTF-8 and says so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp437"), 0


def named(names: list[str], encoding: str, extra: bool = False) -> bytes:
    """A zip whose files are called `names` in an `encoding` that it does not tell; with `extra` it has Info-ZIP's field
    for names in UTF-8."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            raw = name.encode(encoding)
            info = Untold(raw.decode("cp437"))
            if extra:
                field = b"\1" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
                info.extra = struct.pack("<HH", 0x5455, 5) + b"time." + struct.pack("<HH", 0x7075, len(field)) + field
            file.writestr(info, PICTURE)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["Müller Café 写真.jpg", "Zoë/a.jpg"]),  # macOS: without the flag that says so
        ("utf-8", ["ñ.jpg"]),
        ("cp932", ["家族の写真/おばあちゃん.jpg", "旅行/東京タワー.jpg", "IMG_001 - コピー.jpg"]),
        ("cp932", ["富士山.jpg"]),
        ("cp932", ["表示/ソ.jpg"]),  # the second byte of each is a backslash
        ("gb18030", ["新建文件夹/北京旅行.jpg", "微信图片_20240101.jpg"]),
        ("gb18030", ["毕业照.jpg"]),
        ("big5", ["新增資料夾/台北旅遊.jpg", "畢業照.jpg"]),
        ("cp949", ["새 폴더/가족.jpg"]),
        ("cp437", ["größe.jpg", "Frühling in Köln.jpg"]),
        ("cp850", ["coração.jpg", "Søren.jpg"]),
        ("cp866", ["Новая папка/семья.jpg"]),
    ],
)
def test_names_are_read_in_the_encoding_of_their_packer(encoding: str, names: list[str]) -> None:
    with archive.opened(named(names, encoding)) as entries:
        assert [entry.name for entry in entries] == names
        assert [entry.read() for entry in entries] == [PICTURE] * len(names) and not any(e.refusal for e in entries)


def test_the_zips_own_word_for_a_name_counts() -> None:
    names = ["Ωmega/größe 写真.jpg", "plain.jpg"]
    with archive.opened(named(names, "gb18030", extra=True)) as entries:
        assert [entry.name for entry in entries] == names
    changed = named(["größe.jpg"], "cp437", extra=True).replace("größe".encode("cp437"), "grüße".encode("cp437"))
    with archive.opened(changed) as (entry,):
        assert entry.name == "grüße.jpg"  # renamed since by a program that does not know the field


def test_very_many_names_take_no_long_time() -> None:
    names = [f"家族の写真/おばあちゃん {number}.jpg" for number in range(20_000)]
    crowd, started = named(names, "cp932"), time.process_time()
    with archive.opened(crowd) as entries:
        assert [entry.name for entry in entries] == names
    assert time.process_time() - started < 20


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with archive.opened(pack({"a.jpg": PICTURE, "../b.jpg": PICTURE})) as entries:
        entries[0].read()
    assert list(tmp_path.iterdir()) == [] and not (tmp_path.parent / "b.jpg").exists()
