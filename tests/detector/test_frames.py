"""What people see of a file with several pictures; a camera's raw file is refused."""

import io
import struct

import pytest
from PIL import Image, TiffImagePlugin

from detector.picture import read
from tests.detector.test_picture import corners, quarters, refusal, save


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_a_blank_first_frame_is_passed_over(format_):
    """A film fades in from black, a scan has an empty cover."""
    blank = Image.new("RGB", (96, 64), (3, 3, 3))
    others = [Image.new("RGB", (96, 64), "white"), quarters(), Image.new("RGB", (96, 64), "yellow")]
    picture = read(save(blank, format_, save_all=True, append_images=others))
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]
    assert (picture.frame, picture.more_frames) == (3, True)


def test_the_first_of_blank_frames_is_taken_and_one_frame_is_no_animation():
    dark, light = Image.new("RGB", (96, 64), (30, 0, 0)), Image.new("RGB", (96, 64), "white")
    picture = read(save(dark, "WEBP", save_all=True, append_images=[light]))
    assert picture.pixels[0, 0].tolist() == [30, 0, 0] and (picture.frame, picture.more_frames) == (1, True)
    picture = read(save(dark, "PNG"))
    assert (picture.frame, picture.more_frames) == (1, False)


def test_an_animated_png_is_what_browsers_show():
    """Its default picture is for programs that know no animations."""
    data = save(
        Image.new("RGB", (96, 64), "yellow"), "PNG", save_all=True, default_image=True, append_images=[quarters()] * 2
    )
    picture = read(data)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"] and picture.more_frames


@pytest.mark.parametrize("kind", ["named", "unnamed", "mask"])
def test_a_preview_is_no_page_of_a_tiff(kind):
    small = quarters().transpose(Image.Transpose.ROTATE_180).resize((48, 32))
    if kind == "mask":
        small = Image.new("1", (96, 64))
        small.paste(1, (0, 0, 48, 64))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = {"named": 1, "unnamed": 0, "mask": 4}[kind]
    page = quarters()
    page.encoderinfo = {"tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()}  # tags of its own
    data = save(small, "TIFF", save_all=True, append_images=[page], tiffinfo=tags)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    picture = read(data)
    assert corners(picture.pixels) == ["red", "green", "blue", "white"] and not picture.more_frames


def test_a_tiff_of_nothing_but_a_small_page_is_read():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    assert corners(read(save(quarters(), "TIFF", tiffinfo=tags)).pixels) == ["red", "green", "blue", "white"]


def test_a_film_of_many_dark_frames_takes_bounded_time():
    dark = [Image.new("RGB", (64, 64), (n % 5, 0, 0)) for n in range(200)]
    picture = read(save(dark[0], "GIF", save_all=True, append_images=[*dark[1:], quarters().resize((64, 64))]))
    assert picture.frame == 1 and picture.more_frames


def raw_file(make: str, **tags: int) -> bytes:
    """A camera's raw file as far as a reader sees it first: a thumbnail, and tags that lead to the rest."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[271] = make
    for name, value in tags.items():
        info[{"subfile": 254, "sub_ifds": 330, "photometric": 262}[name]] = value
    return save(quarters(), "TIFF", tiffinfo=info)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (raw_file("NIKON CORPORATION", subfile=1, sub_ifds=8), "NEF"),
        (raw_file("SONY", subfile=1, sub_ifds=8), "ARW"),
        (raw_file("Samsung", subfile=1, sub_ifds=8), "SRW"),
        (raw_file("Phase One", subfile=1, sub_ifds=8), "Camera raw"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(200), "CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(200), "CR3"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(200), "RAF"),
        (b"IIU\0\x18\0\0\0" + bytes(200), "RW2"),
        (b"IIRO\x08\0\0\0" + bytes(200), "ORF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_camera_s_raw_file_is_refused_by_name(data, kind):
    """Its thumbnail says nothing."""
    assert refusal(data) == f"{kind} files are not read: save the picture as JPEG or PNG."


def test_a_dng_and_sensor_samples_are_refused_by_name():
    dng = TiffImagePlugin.ImageFileDirectory_v2()
    dng[50706] = b"\x01\x04\0\0"
    assert refusal(save(quarters(), "TIFF", tiffinfo=dng)).startswith("DNG files are not read")
    pentax = save(quarters(), "TIFF", tiffinfo={271: "PENTAX"})
    at = pentax.index(struct.pack("<HHI", 262, 3, 1)) + 8
    assert refusal(pentax[:at] + struct.pack("<H", 32803) + pentax[at + 2 :]).startswith("PEF files are not read")
