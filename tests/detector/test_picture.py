"""Pictures are written by the real encoders and read back; what is refused is refused with a sentence."""

import hashlib
import io
import os
import random
import re
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from detector.errors import ImageError
from detector.picture import FORMATS, MAX_BYTES, MAX_PIXELS, SUFFIXES, read

pillow_heif.register_heif_opener()

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 210), (250, 250, 250)
EXIF_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "TIFF", "HEIF")
WRITTEN = (*FORMATS, "MPO")  # what is written here: all that may be read, and MPO, which counts as JPEG


def quarters(mode: str = "RGB") -> Image.Image:
    """96 x 64: red and green above blue and white."""
    picture = Image.new("RGB", (96, 64), WHITE)
    picture.paste(RED, (0, 0, 48, 32))
    picture.paste(GREEN, (48, 0, 96, 32))
    picture.paste(BLUE, (0, 32, 48, 64))
    return picture.convert(mode)


def save(picture: Image.Image, format_: str, **options: object) -> bytes:
    """With little loss."""
    if format_ in ("JPEG", "MPO"):
        options = {"quality": 97, "subsampling": 0, **options}
    if format_ == "MPO":
        options |= {"save_all": True, "append_images": [picture.transpose(Image.Transpose.ROTATE_180)]}
    if format_ == "WEBP":
        options = {"lossless": True, **options}
    if format_ in ("AVIF", "HEIF"):
        options = {"quality": 95, **options}
    stream = io.BytesIO()
    picture.save(stream, format_, **options)
    return stream.getvalue()


def corners(pixels: np.ndarray) -> list[str]:
    """The names of the four quarters' colours, by rows."""
    height, width = pixels.shape[:2]
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}

    def name(pixel: np.ndarray) -> str:
        distances = {name: int(np.abs(pixel.astype(int) - colour).max()) for name, colour in names.items()}
        nearest = min(distances, key=distances.get)
        return nearest if distances[nearest] <= 40 else str(pixel)

    return [name(pixels[y, x]) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def refusal(source: object, **limits: int) -> str:
    with pytest.raises(ImageError) as caught:
        read(source, **limits)
    sentence = str(caught.value)
    assert re.fullmatch(r".*\S.*\.", sentence), "a sentence for a person"
    assert "/" not in sentence and "\\" not in sentence and "Traceback" not in sentence
    assert caught.value.__cause__ is None and caught.value.__suppress_context__ or caught.value.__context__ is None
    return sentence


# --- What is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", WRITTEN)
def test_every_format_is_read(format_, tmp_path):
    data = save(quarters(), format_)
    name = {"MPO": "JPEG", "HEIF": "HEIC"}.get(format_, format_)
    (tmp_path / "picture").write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), str(tmp_path / "picture"), tmp_path / "picture"):
        picture = read(source)
        assert picture.pixels.shape == (64, 96, 3) and picture.pixels.dtype == np.uint8
        assert corners(picture.pixels) == ["red", "green", "blue", "white"]
        assert (picture.width, picture.height, picture.format) == (96, 64, name)
        assert picture.data == data and picture.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "BMP", "TIFF"])
def test_lossless_formats_give_the_very_pixels(format_, astronaut):
    assert np.array_equal(read(save(Image.fromarray(astronaut), format_)).pixels, astronaut)


def test_the_formats_are_those_that_are_tested():
    assert set(FORMATS) == {"JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF"}
    assert {".jpg", ".mpo", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".heic"} <= SUFFIXES


def test_the_suffix_does_not_matter(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(save(quarters(), "WEBP"))
    assert read(tmp_path / "photo.jpg").format == "WEBP"


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation_is_taken(format_):
    others = [Image.new("RGB", (96, 64), colour) for colour in ("black", "yellow")]
    data = save(quarters(), format_, save_all=True, append_images=others)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert corners(read(data).pixels) == ["red", "green", "blue", "white"]


def test_the_main_picture_of_a_heic_with_several_is_taken():
    file = pillow_heif.from_pillow(Image.new("RGB", (96, 64), "yellow"))
    file.add_from_pillow(quarters())
    stream = io.BytesIO()
    file.save(stream, quality=95, primary_index=1)
    picture = read(stream.getvalue())
    assert corners(picture.pixels) == ["red", "green", "blue", "white"] and picture.more_frames


@pytest.mark.parametrize("format_", EXIF_FORMATS)
@pytest.mark.parametrize(
    ("orientation", "width", "upright"),
    [
        (1, 96, "red green blue white"),
        (2, 96, "green red white blue"),
        (3, 96, "white blue green red"),
        (4, 96, "blue white red green"),
        (5, 64, "red blue green white"),
        (6, 64, "blue red white green"),
        (7, 64, "white green blue red"),
        (8, 64, "green white red blue"),
    ],
)
def test_every_orientation_is_set_upright(format_, orientation, width, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As bytes: of an Exif object pillow_heif writes the tag without turning the picture.
    picture = read(save(quarters(), format_, exif=exif.tobytes()))
    assert (picture.width, picture.height) == (width, 160 - width)
    assert corners(picture.pixels) == upright.split()


def test_a_nonsensical_orientation_changes_nothing():
    exif = Image.Exif()
    exif[0x0112] = 99
    assert corners(read(save(quarters(), "JPEG", exif=exif.tobytes())).pixels) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1"])
def test_png_modes(mode, astronaut):
    image = Image.fromarray(astronaut).convert(mode)
    picture = read(save(image, "PNG"))
    assert picture.pixels.shape == (512, 512, 3)
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk(format_):
    assert corners(read(save(quarters("CMYK"), format_)).pixels) == ["red", "green", "blue", "white"]


def test_lab():
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    data = save(ImageCms.applyTransform(quarters(), to_lab), "TIFF")
    assert corners(read(data).pixels) == ["red", "green", "blue", "white"]


def test_one_bit_is_black_and_white():
    image = Image.new("1", (64, 64))
    image.paste(1, (32, 0, 64, 64))
    for format_ in ("PNG", "TIFF", "BMP"):
        pixels = read(save(image, format_)).pixels
        assert pixels[:, :32].max() == 0 and pixels[:, 32:].min() == 255


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_transparency_is_laid_over_white(mode, format_):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (32, 0, 64, 32))
    image.paste((0, 0, 0, 128), (32, 32, 64, 64))
    pixels = read(save(image.convert(mode), format_)).pixels.astype(int)
    assert abs(pixels[16, 16] - 255).max() <= 3, "clear"
    assert abs(pixels[16, 48] - 0).max() <= 3, "opaque"
    assert abs(pixels[48, 48] - 127).max() <= 6, "half"


@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_a_transparent_entry_of_a_palette_is_white(format_):
    image = quarters().quantize(8)
    data = save(image, format_, transparency=image.getpixel((10, 10)))
    assert "transparency" in Image.open(io.BytesIO(data)).info
    assert read(data).pixels[10, 10].tolist() == [255, 255, 255]
    assert corners(read(data).pixels)[1:3] == ["green", "blue"]


def test_a_transparent_colour_of_png_is_white():
    data = save(quarters(), "PNG", transparency=RED)
    assert read(data).pixels[10, 10].tolist() == [255, 255, 255]
    assert read(data).pixels[10, 60].tolist() == list(GREEN)
    grey = save(Image.new("L", (64, 64), 7), "PNG", transparency=7)
    assert read(grey).pixels.min() == 255


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled(format_):
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    data = save(Image.fromarray(ramp), format_)
    assert Image.open(io.BytesIO(data)).mode == "I;16"
    assert np.array_equal(read(data).pixels[..., 0], np.tile(np.arange(256, dtype=np.uint8), (64, 1)))
    assert np.ptp(read(data).pixels, axis=2).max() == 0


def test_sixteen_bit_grey_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    samples = np.zeros((40, 80), np.uint16)
    samples[:20] = 65535
    pixels = read(save(Image.fromarray(samples), "PNG", exif=exif.tobytes())).pixels
    assert pixels.shape == (80, 40, 3)
    assert pixels[:, 20:].min() == 255 and pixels[:, :20].max() == 0


def test_big_endian_sixteen_bit_tiff():
    samples = np.full((40, 40), 0x80FF, ">u2")
    tags = [(256, 3, 1, 40), (257, 3, 1, 40), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 40), (279, 4, 1, 3200)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, count)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, count, value in tags
    )
    data = (
        b"MM\0*" + struct.pack(">I", 8 + 3200) + samples.tobytes() + struct.pack(">H", len(tags)) + entries + bytes(4)
    )
    assert read(data).pixels[0, 0].tolist() == [128, 128, 128]


def test_sixteen_bit_colour_png():
    rows = b"".join(b"\0" + struct.pack(">3H", 65535, 32896, 257) * 40 for _ in range(40))
    assert read(raw_png(40, 40, 16, 2, zlib.compress(rows))).pixels[20, 20].tolist() == [255, 128, 1]


def test_a_floating_point_tiff_is_0_to_1():
    image = Image.fromarray(np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1)))
    pixels = read(save(image, "TIFF")).pixels
    assert pixels[0, 0, 0] == 0 and pixels[0, -1, 0] == 255 and np.all(np.diff(pixels[0, :, 0].astype(int)) >= 3)


# --- PIL images and arrays -------------------------------------------------------------------------------------------


def test_a_pil_image_is_read_as_its_file_is(hopper):
    file, image = read(hopper), read(Image.open(hopper))
    assert np.array_equal(file.pixels, image.pixels)
    assert image.format == "JPEG" and image.data is None
    assert image.sha256 == hashlib.sha256(file.pixels.tobytes()).hexdigest()


def test_a_pil_image_is_left_as_it_was():
    image = quarters("RGBA")
    image.getexif()[0x0112] = 6
    before = image.tobytes()
    assert read(image).pixels.shape == (96, 64, 3)
    assert (image.mode, image.size, image.tobytes()) == ("RGBA", (96, 64), before)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBa", "P", "PA", "CMYK", "YCbCr", "HSV"])
def test_colour_modes_of_pil(mode):
    image = (
        quarters("RGBA").convert("RGBa") if mode == "RGBa" else quarters("P" if mode == "PA" else "RGB").convert(mode)
    )
    assert corners(read(image).pixels) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La"])
def test_grey_modes_of_pil(mode):
    image = Image.new("L", (64, 64), 255)
    image.paste(0, (0, 0, 32, 64))
    image = image.convert("LA").convert("La") if mode == "La" else image.convert(mode)
    pixels = read(image).pixels
    assert pixels[:, :32].max() == 0 and pixels[:, 32:].min() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4)])
def test_arrays(dtype, shape):
    array = np.random.default_rng(3).integers(0, 256, shape).astype(dtype)
    if len(shape) == 3 and shape[2] == 4:
        array[..., 3] = 255
    picture = read(array * 257 if dtype == np.uint16 else array)
    expected = array[..., :3] if array.ndim == 3 else array[..., None]
    assert np.array_equal(picture.pixels, np.broadcast_to(expected, (48, 64, 3)))
    assert picture.format is None and picture.data is None
    assert picture.sha256 == hashlib.sha256(picture.pixels.tobytes()).hexdigest()


def test_alpha_of_an_array_is_laid_over_white():
    assert read(np.full((40, 40, 4), (200, 100, 0, 0), np.uint8)).pixels.min() == 255
    assert read(np.full((40, 40, 4), (200, 100, 0, 255), np.uint8)).pixels[0, 0].tolist() == [200, 100, 0]
    assert read(np.full((40, 40, 4), (200, 100, 0, 128), np.uint8)).pixels[0, 0].tolist() == [227, 177, 127]


def test_an_array_need_not_lie_in_one_piece(astronaut):
    view = astronaut[::-2, ::3]
    assert np.array_equal(read(view).pixels, view)
    assert np.array_equal(read(np.asfortranarray(astronaut)).pixels, astronaut)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64, 64), np.float64),
        np.zeros((64, 64), np.int32),
        np.zeros((64, 64), bool),
        np.zeros((64, 64), ">u2"),
        np.array([None]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_other_samples_are_refused(array):
    assert refusal(array) == f"An array must hold uint8 or uint16 samples, not {array.dtype}."


@pytest.mark.parametrize(
    "shape", [(), (64,), (64, 64, 2), (64, 64, 5), (3, 64, 64), (1, 64, 64, 3), (0, 64, 3), (64, 0)]
)
def test_arrays_of_other_shapes_are_refused(shape):
    assert refusal(np.zeros(shape, np.uint8)) == f"An array must be (H, W), (H, W, 3) or (H, W, 4), not {shape}."


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", [None, 7, 1.5, ["photo.jpg"], {}, io.BytesIO(b"x"), object()], ids=lambda s: type(s).__name__
)
def test_other_types_are_refused(source):
    kind = type(source).__name__
    assert refusal(source) == f"A picture must be a path, bytes, a PIL image or an array, not {kind}."


@pytest.mark.parametrize(
    "data",
    [
        b"no picture at all",
        b"\0" * 5000,
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"P6 64 64 255\n" + bytes(64 * 64 * 3),
    ],
)
def test_what_is_no_picture_is_refused(data, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(data)
    assert refusal(file) == refusal(data)
    assert re.match("This is not a picture that can be read: use JPEG|The picture is damaged", refusal(data))


@pytest.mark.parametrize(
    ("begin", "what", "to_do"),
    [
        (b"%PDF-1.7\n%%EOF", "a PDF", "screenshot"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript file", "screenshot"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video (MP4)", "screenshot"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video (QuickTime)", "screenshot"),
        (b"\0\0\0\x1cftypisom\0\0\2\0isomiso2avc1mp41", "a video (MP4)", "screenshot"),
        (b"RIFF\0\0\1\0AVI LIST", "a video (AVI)", "screenshot"),
        (b"\x1a\x45\xdf\xa3\x01", "a video (WebM or Matroska)", "screenshot"),
        (b"ID3\4\0", "an audio file (MP3)", "photographs"),
        (b"PK\3\4\x14\0", "a zip or an Office document", "unpack"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page", "save the picture"),
        (b"[InternetShortcut]\r\nURL=https://example.org/a.jpg", "a link", "save the picture"),
        (save(quarters(), "JPEG2000"), "JPEG 2000 files", "as JPEG or PNG"),
    ],
)
@pytest.mark.parametrize("size", [2000, MAX_BYTES + 1], ids=["small", "over the limit"])
def test_what_is_sent_by_mistake_is_told_what_it_is_and_what_to_do(begin, what, to_do, size):
    told = refusal(begin + bytes(size - len(begin)) if len(begin) < size else begin)
    assert what in told and to_do in told and told.endswith(".") and len(told) < 120


def test_formats_of_pillow_that_are_not_for_photographs_are_refused():
    for format_ in ("PPM", "TGA", "ICO", "PCX", "ICNS", "DDS", "SGI"):
        data = save(quarters(), format_)
        assert refusal(data).startswith("This is not a picture that can be read: use JPEG, PNG,"), format_


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert refusal(tmp_path / "empty.jpg") == refusal(b"") == "The file is empty: choose another one."


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_cut_off_picture_is_refused(format_, part, astronaut):
    data = save(Image.fromarray(astronaut[:128, :128]), format_)
    assert refusal(data[: int(len(data) * part)]) == (
        "The picture is cut off, the end of the file is missing: get another copy of it."
    )


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("format_", ["WEBP", "AVIF", "HEIF"])
def test_a_cut_off_picture_of_a_newer_format_is_refused(format_, part, astronaut):
    data = save(Image.fromarray(astronaut[:128, :128]), format_)
    refusal(data[: int(len(data) * part)])


def test_a_cut_off_pil_image_is_refused(astronaut):
    data = save(Image.fromarray(astronaut), "JPEG")
    assert refusal(Image.open(io.BytesIO(data[:9000]))).startswith("The picture is cut off")


def test_a_closed_pil_image_is_refused():
    image = Image.open(io.BytesIO(save(quarters(), "PNG")))
    image.close()
    refusal(image)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\n\t ",
        b'<?xml version="1.0" encoding="UTF-8"?>\n',
        b'\xef\xbb\xbf<?xml version="1.0"?><!-- Generator: a drawing program -->',
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
        b"<!-- drawn -->\n",
    ],
)
@pytest.mark.parametrize("tag", [b"<svg", b"<SVG"])
def test_svg_is_refused_as_a_drawing(head, tag):
    body = head + tag + b' xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    assert refusal(body) == "SVG files are drawings, not photographs: save the picture as JPEG or PNG."


def test_a_missing_file_is_named_without_its_folder(tmp_path):
    assert refusal(tmp_path / "gone.jpg") == "There is no file called gone.jpg."
    assert refusal(str(tmp_path / "gone.jpg")) == "There is no file called gone.jpg."


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").mkdir()
    assert refusal(tmp_path / "holiday.jpg") == "holiday.jpg is a folder, not a picture."


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "photo\0.jpg", "\0"])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path):
    assert refusal(str(tmp_path / name)).endswith("could not be read: check that you may open it.")


def test_a_file_inside_a_file_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert refusal(tmp_path / "a.jpg" / "b.jpg") == "b.jpg could not be read: check that you may open it."


def test_any_path_like_will_do(tmp_path):
    class Named:
        def __init__(self, name):
            self.name = name

        def __fspath__(self):
            return self.name

    file = tmp_path / "photo.png"
    file.write_bytes(save(quarters(), "PNG"))
    assert read(Named(str(file))).width == read(Named(os.fsencode(file))).width == 96


# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(31, 64), (64, 31), (1, 1), (1, 4000)])
def test_below_32_pixels_nothing_is_seen(width, height):
    expected = f"The picture is {width} x {height} pixels: at least 32 on each side are needed to see a face."
    image = Image.new("RGB", (width, height))
    assert refusal(save(image, "PNG")) == refusal(image) == refusal(np.asarray(image)) == expected


def test_32_pixels_are_enough():
    assert read(save(Image.new("RGB", (32, 32)), "PNG")).width == 32


@pytest.mark.parametrize("format_", [format_ for format_ in WRITTEN if format_ not in ("JPEG", "MPO", "HEIF")])
def test_the_limit_of_pixels_holds_in_every_format(format_):
    data = save(quarters(), format_)
    assert read(data, max_pixels=96 * 64).width == 96
    assert refusal(data, max_pixels=96 * 64 - 1) == (
        "The picture has 0 megapixels, the limit is 0: scale it down and try again."
    )


@pytest.mark.parametrize("format_", ["JPEG", "MPO"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (960, 640)), (6, (640, 960))])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_jpeg_above_the_limit_is_read_at_a_reduced_size(format_, orientation, size, factor):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(quarters().resize((960, 640)), format_, exif=exif.tobytes())
    picture = read(data, max_pixels=960 * 640 // factor**2)
    assert (picture.width, picture.height) == size
    assert picture.pixels.shape == (size[1] // factor, size[0] // factor, 3)
    expected = "red green blue white" if orientation == 1 else "blue red white green"
    assert corners(picture.pixels) == expected.split()
    whole = read(data)
    assert whole.pixels.shape[:2] == whole.size or whole.size is None
    assert refusal(data, max_pixels=960 * 640 // 64 - 1).startswith("The picture has")


def test_a_heic_a_little_above_the_limit_is_halved():
    """Telephones make such of 48 megapixels."""
    picture = read(save(quarters().resize((480, 320)), "HEIF"), max_pixels=round(480 * 320 / 1.2))
    assert (picture.width, picture.height, picture.pixels.shape) == (480, 320, (160, 240, 3))
    assert corners(picture.pixels) == ["red", "green", "blue", "white"]


@pytest.mark.slow
def test_what_a_telephone_makes_takes_no_more_memory_than_what_is_read_whole(python, tmp_path, hopper):
    def used(megapixels: int, format_: str, **options: object) -> float:
        width = round((megapixels * 1e6 * 4 / 3) ** 0.5) // 16 * 16
        file = tmp_path / "photo"
        Image.open(hopper).resize((width, width * 3 // 4), Image.Resampling.NEAREST).save(file, format_, **options)
        kilobytes, answer = python("-c", MEMORY, file, MAX_PIXELS).stdout.strip().split("|")
        assert answer == "read"
        return int(kilobytes) / 1000

    most = used(39, "PNG", compress_level=1)
    for megapixels, format_, options in (
        (48, "JPEG", {}),
        (200, "JPEG", {}),
        (59, "JPEG", {"progressive": True, "subsampling": 0}),
        (48, "HEIF", {"enc_params": {"preset": "ultrafast"}}),
    ):
        assert used(megapixels, format_, **options) < most, (megapixels, format_)


def test_a_jpeg_s_limit_is_lower_where_it_comes_in_several_scans():
    image = Image.new("L", (8000, 7600))  # 61 megapixels
    assert read(save(image, "JPEG", quality=20)).width == 8000
    refused = refusal(save(image, "JPEG", quality=20, progressive=True))
    assert refused == "The picture has 61 megapixels, the limit is 40: scale it down and try again."
    claimed = bytearray(save(quarters(), "JPEG"))
    at = claimed.index(b"\xff\xc0") + 5
    claimed[at : at + 4] = struct.pack(">HH", 20_000, 20_000)
    assert refusal(bytes(claimed)).startswith("The picture has 400 megapixels, the limit is 40")


def test_the_limit_of_pixels_holds_for_images_and_arrays():
    for source in (Image.new("1", (7000, 6000)), np.broadcast_to(np.uint8(0), (7000, 6000))):
        assert refusal(source) == "The picture has 42 megapixels, the limit is 40: scale it down and try again."


def test_the_limit_of_bytes(tmp_path):
    data = save(quarters(), "BMP")
    assert read(data, max_bytes=len(data)).width == 96
    (tmp_path / "large.bmp").write_bytes(data)
    for source in (data, tmp_path / "large.bmp"):
        assert refusal(source, max_bytes=len(data) - 1) == (
            "The file is larger than the limit of 0 MB: scale it down and try again."
        )
    assert refusal(bytes(MAX_BYTES + 2_000_000)).startswith("The file is larger than the limit of 30 MB")


def test_no_more_of_a_file_is_read_than_the_limit(tmp_path):
    with (tmp_path / "vast.jpg").open("wb") as file:
        file.truncate(500_000_000_000)
    assert refusal(tmp_path / "vast.jpg", max_bytes=2_000_000) == (
        "The file is larger than the limit of 2 MB: scale it down and try again."
    )


def raw_png(width: int, height: int, bits: int, colour: int, pixels: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_header_that_claims_a_gigapixel_is_believed_and_refused():
    assert refusal(raw_png(40_000, 40_000, 8, 2, b"")) == (
        "The picture has 1600 megapixels, the limit is 40: scale it down and try again."
    )


MEMORY = """
import sys
from detector.picture import read
from detector import ImageError
def peak():
    # ru_maxrss would begin at what the process that started this one held
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
data = open(sys.argv[1], "rb").read()
before = peak()
try:
    read(data, max_pixels=int(sys.argv[2]))
    answer = "read"
except ImageError as error:
    answer = str(error)
print(peak() - before, answer, sep="|")
"""


@pytest.mark.slow
def test_a_hundred_megapixels_are_refused_before_they_are_decoded(python, tmp_path):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1251) * 100) for _ in range(100)) + packer.flush()
    file = tmp_path / "bomb.png"
    file.write_bytes(raw_png(10_000, 10_000, 1, 0, packed))
    assert file.stat().st_size < 30_000

    def used(limit: int) -> tuple[float, str]:
        ran = python("-c", MEMORY, file, limit)
        kilobytes, answer = ran.stdout.strip().split("|")
        return int(kilobytes) / 1000, answer

    megabytes, answer = used(MAX_PIXELS)
    assert answer == "The picture has 100 megapixels, the limit is 40: scale it down and try again."
    assert megabytes < 20
    megabytes, answer = used(110_000_000)
    assert answer == "read" and megabytes > 200, "the bomb is one, and the gauge shows it"


def test_a_bomb_of_text_beside_the_pixels_is_no_crash():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("note", "a" * 20_000_000, zip=True)
    data = save(quarters(), "PNG", pnginfo=texts)
    assert len(data) < 100_000
    refusal(data)


# --- Hostile files ---------------------------------------------------------------------------------------------------


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    mutants = []
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(dice.choice((1, 2, 5, 20))):
            place = dice.randrange(len(mutant) if dice.random() < 0.5 else min(len(mutant), 300))  # heads matter most
            action = dice.random()
            if action < 0.6:
                mutant[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            elif action < 0.75:
                del mutant[place : place + dice.randrange(1, 9)]
            elif action < 0.9:
                mutant[place:place] = dice.randbytes(dice.randrange(1, 9))
            else:
                mutant[place:] = mutant[place : place + dice.randrange(1, 50)]
        mutants.append(bytes(mutant))
    return mutants


@pytest.mark.parametrize("format_", WRITTEN)
def test_three_hundred_mutations_are_read_or_refused(format_, astronaut):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if format_ in ("GIF", "BMP") else {"exif": exif.tobytes()}
    data = save(Image.fromarray(astronaut[40:200:2, 150:310:2]), format_, **options)
    refused = 0
    for mutant in mutations(data, 300, seed=len(format_)):
        try:
            picture = read(mutant, max_pixels=1_000_000)
        except ImageError as error:
            refused += 1
            assert str(error).endswith(".")
        else:
            assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[2:] == (3,)
            assert min(picture.pixels.shape[:2]) >= 32 and picture.width * picture.height <= 1_000_000
    assert 0 < refused < 300


def test_reading_leaves_the_warnings_of_the_process_alone(hopper, monkeypatch):
    """They are one for all threads: who puts them back after reading takes away what others have set meanwhile."""

    def refuse(*_, **__):
        raise AssertionError("the warnings of the process were changed")

    huge = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(huge, "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("catch_warnings", "simplefilter", "filterwarnings"):
            monkeypatch.setattr(warnings, name, refuse)
        assert read(hopper).format == "JPEG"
        with pytest.raises(ImageError, match="has 100 megapixels, the limit is 40"):
            read(huge.getvalue())
        monkeypatch.undo()


def test_many_threads_read_at_once():
    files = {format_: save(quarters(), format_) for format_ in WRITTEN}
    expected = {format_: read(data).pixels for format_, data in files.items()}
    wrong = []

    def work() -> None:
        for format_, data in files.items():
            if not np.array_equal(read(data).pixels, expected[format_]):
                wrong.append(format_)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_is_left_open(tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(save(quarters(), "PNG"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    pictures = [read(file) for _ in range(20)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before and len(pictures) == 20
