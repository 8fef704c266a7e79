"""Samples and orientations that only some readers know."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from detector.picture import read
from tests.detector.test_picture import corners, quarters, save


def test_an_orientation_that_browsers_do_not_see_turns_nothing():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for format_ in ("JPEG", "WEBP", "TIFF", "AVIF"):
        data = save(quarters(), format_, **({"tiffinfo": {700: xmp}} if format_ == "TIFF" else {"xmp": xmp}))
        assert b'tiff:Orientation="6"' in data
        for source in (data, Image.open(io.BytesIO(data))):
            assert corners(read(source).pixels) == ["red", "green", "blue", "white"], format_
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    exif = Image.Exif()
    exif[0x0112] = 6
    texts.add_text("Raw profile type exif", f"\nexif\n{len(exif.tobytes())}\n{exif.tobytes().hex()}\n")
    assert corners(read(save(quarters(), "PNG", pnginfo=texts)).pixels) == ["red", "green", "blue", "white"]


def tiff(samples: np.ndarray, *, photometric: int, planes: int = 1, order: str = "<") -> bytes:
    """An uncompressed TIFF of samples (H, W) or, plane by plane, (3, H, W)."""
    count = samples.shape[0] if samples.ndim == 3 else 1
    height, width = samples.shape[-2:]
    bits, size = 8 * samples.itemsize, samples.nbytes // count
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    body = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    lists = struct.pack(f"{order}{count}H", *[bits] * count) + struct.pack(f"{order}{count}H", *[kind] * count)
    lists += struct.pack(f"{order}{count}I", *(8 + n * size for n in range(count)))
    lists += struct.pack(f"{order}{count}I", *[size] * count)
    at = 8 + len(body)
    places = [at, at + 2 * count, at + 4 * count, at + 8 * count]

    def entry(tag: int, form: int, value: int, number: int = 1) -> bytes:
        packed = struct.pack(f"{order}HH", value, 0) if form == 3 and number == 1 else struct.pack(f"{order}I", value)
        return struct.pack(f"{order}HHI", tag, form, number) + packed

    def listed(tag: int, form: int, place: int, one: int) -> bytes:
        return entry(tag, form, one if count == 1 else places[place], count)

    tags = [entry(256, 4, width), entry(257, 4, height), listed(258, 3, 0, bits), entry(259, 3, 1)]
    tags += [entry(262, 3, photometric), listed(273, 4, 2, 8), entry(277, 3, count), entry(278, 4, height)]
    tags += [listed(279, 4, 3, size), entry(284, 3, planes), listed(339, 3, 1, kind)]
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, at + len(lists))
    return head + body + lists + struct.pack(f"{order}H", len(tags)) + b"".join(tags) + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_of_planes_is_the_picture(dtype, order, astronaut):
    planes = astronaut[::4, ::4].transpose(2, 0, 1).astype(dtype) * (257 if dtype == "uint16" else 1)
    assert np.array_equal(read(tiff(planes, photometric=2, planes=2, order=order)).pixels, astronaut[::4, ::4])


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("float32", 1.0)])
def test_white_may_be_zero(dtype, top):
    ramp = np.tile(np.linspace(0, 1, 64), (40, 1))
    samples = (ramp * top).astype(dtype)
    black, white = (read(tiff(samples, photometric=p)).pixels.astype(int)[..., 0] for p in (1, 0))
    assert abs(black - ramp * 255).max() <= 1.5 and abs(white - (255 - ramp * 255)).max() <= 1.5


@pytest.mark.parametrize(("dtype", "top"), [("uint32", 2**32 - 1), ("int32", 2**31 - 1), ("int16", 2**15 - 1)])
def test_more_than_sixteen_bits_and_signed_ones_are_scaled(dtype, top):
    ramp = np.tile(np.linspace(0, 1, 64), (40, 1))
    pixels = read(tiff((ramp * top).astype(dtype), photometric=1)).pixels.astype(int)[..., 0]
    assert abs(pixels - ramp * 255).max() <= 1.5
