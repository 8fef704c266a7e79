"""The geometry of the crop, on pictures that show it."""

import numpy as np
import pytest
from PIL import Image

from detector.crop import DOWN, LOOSE, UPRIGHT, crop_face, crop_square, places, roll, turned_box

ASTRONAUT = (172, 66, 278, 182)


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """240 x 200 pixels: red says the column, green the row."""
    rows, columns = np.mgrid[0:200, 0:240]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def test_the_crop_is_the_square_about_the_features(ramp):
    crop = crop_face(ramp, (80, 60, 120, 100), 60, 1.5)
    assert crop.shape == (60, 60, 3) and crop.dtype == np.uint8
    assert np.array_equal(crop, ramp[53:113, 70:130])  # 7% of 40 pixels below the middle


def test_the_area_of_the_box_counts(ramp):
    assert np.array_equal(crop_face(ramp, (90, 40, 110, 120), 60, 1.5), ramp[56:116, 70:130])
    assert np.array_equal(crop_face(ramp, (60, 70, 140, 90), 60, 1.5), ramp[51:111, 70:130])


def test_the_square_is_what_is_cut(ramp):
    left, top, side = crop_square((80, 60, 120, 100), 1.5, scale=0.8, shift=(0.1, -0.2))
    assert (left, top, side) == pytest.approx((80, 80 + 40 * DOWN - 8 - 24, 48))
    crop = crop_face(ramp, (80, 60, 120, 100), 48, 1.5, scale=0.8, shift=(0.1, -0.2))
    assert np.array_equal(crop, ramp[round(top) : round(top) + 48, 80:128])


def test_the_crop_is_scaled_to_the_size_asked_for(ramp):
    for size in (32, 160, 224):
        crop = crop_face(ramp, (80, 60, 120, 100), size, 2).astype(float)
        assert crop.shape == (size, size, 3)
        centres = (np.arange(size) + 0.5) * 80 / size - 0.5
        inner = slice(size // 20, -size // 20)  # at its rim a scaled picture has only half its neighbours
        assert np.abs(crop[inner, :, 1] - (43 + centres)[inner, None]).max() <= 1
        assert np.abs(crop[:, inner, 0] - (60 + centres)[None, inner]).max() <= 1


def test_a_finer_resampling_may_be_asked_for(astronaut):
    crops = [
        crop_face(astronaut, ASTRONAUT, 64, 1.2, resample=r)
        for r in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)
    ]
    assert not np.array_equal(*crops)
    assert np.abs(crops[0].astype(int) - crops[1]).mean() < 6


def test_beyond_the_picture_its_edge_is_repeated(ramp):
    padded = np.pad(ramp, ((300, 300), (300, 300), (0, 0)), "edge")
    for box in ((0, 0, 40, 40), (200, 160, 240, 200), (0, 160, 40, 200), (210, 0, 240, 30), (0, 0, 240, 200)):
        x, y, side = (round(v) for v in crop_square(box, 2))
        left, top = x + 300, y + 300
        assert np.array_equal(crop_face(ramp, box, side, 2), padded[top : top + side, left : left + side])


@pytest.mark.parametrize("shift", [(20, 0), (-20, 0), (0, 20), (0, -20), (-9, 9)])
def test_a_crop_that_lies_wholly_outside_is_the_nearest_edge(ramp, shift):
    padded = np.pad(ramp, ((1000, 1000), (1000, 1000), (0, 0)), "edge")
    left, top = 1080 + 40 * shift[0], 1063 + 40 * shift[1]
    assert np.array_equal(
        crop_face(ramp, (80, 60, 120, 100), 40, 1, shift=shift), padded[top : top + 40, left : left + 40]
    )


def test_scale_is_of_the_side(ramp):
    assert np.array_equal(crop_face(ramp, (80, 60, 120, 100), 40, 2, scale=0.5), ramp[63:103, 80:120])
    assert np.array_equal(crop_face(ramp, (80, 60, 120, 100), 100, 2, scale=1.25), ramp[33:133, 50:150])


def test_shift_is_in_sides_of_the_face(ramp):
    crop = crop_face(ramp, (80, 60, 120, 100), 60, 1.5, shift=(0.25, -0.5))
    assert np.array_equal(crop, ramp[33:93, 80:140])


def test_boxes_need_not_be_whole_numbers(ramp):
    assert np.array_equal(crop_face(ramp, (80.2, 59.9, 120.1, 100.2), 60, 1.5), ramp[53:113, 70:130])


def test_a_box_of_nothing_still_gives_a_crop(ramp):
    assert crop_face(ramp, (50, 50, 50, 50), 32, 1.2).shape == (32, 32, 3)


def test_the_crop_is_a_copy(ramp):
    before = ramp.copy()
    crop = np.array(crop_face(ramp, (80, 60, 120, 100), 60, 1.5))
    crop[:] = 0
    assert np.array_equal(ramp, before)


def test_the_crop_of_a_picture_that_was_scaled_down_is_as_sharp_as_its_pixels_allow(astronaut):
    """No pixel is passed over: the crop of a large face is the mean of what it covers."""
    noise = np.random.default_rng(2).integers(0, 256, (640, 640, 3)).astype(np.uint8)
    crop = crop_face(noise, (0, 0, 640, 640), 64, 1.0, shift=(0, -DOWN)).astype(float)
    blocks = noise.reshape(64, 10, 64, 10, 3).mean(axis=(1, 3))
    assert crop.std() < 12 and np.corrcoef(crop.ravel(), blocks.ravel())[0, 1] > 0.8


# --- Faces that are turned -------------------------------------------------------------------------------------------

POINTS = np.array([(203, 101), (248, 102), (224, 129), (205, 145), (242, 147)], np.float32)  # of the astronaut


@pytest.mark.parametrize("degrees", [-179, -120, -90, -45, -10, 0, 25, 60, 90, 135, 178])
def test_the_roll_is_told_by_the_eyes_and_the_mouth(degrees):
    turn = np.exp(1j * np.radians(degrees))
    turned = (POINTS[:, 0] + 1j * POINTS[:, 1]) * turn
    off = roll(np.stack([turned.real, turned.imag], axis=-1)) - roll(POINTS) - degrees
    assert abs((off + 180) % 360 - 180) < 1e-3 and abs(roll(POINTS)) < 4
    profile = POINTS.copy()
    profile[:2] = (225, 100), (227, 103)  # one eye before the other: the way to the mouth is left
    assert abs(roll(profile)) < 10


@pytest.mark.parametrize("degrees", [0.0, -UPRIGHT, UPRIGHT, 7.5])
def test_a_face_that_leans_is_cut_as_it_is(astronaut, degrees):
    plain = crop_face(astronaut, ASTRONAUT, 96, 1.4)
    assert np.array_equal(crop_face(astronaut, ASTRONAUT, 96, 1.4, roll=degrees), plain)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("lean", [-20, 0, 20])
def test_quarter_turns_lose_nothing(astronaut, quarters, lean):
    turned = np.rot90(astronaut, -quarters)
    box = turned_box(ASTRONAUT, 4 - quarters, 512, 512)
    crop = crop_face(turned, box, 96, 1.4, roll=90 * quarters + lean - 360 * (quarters > 2))
    assert np.array_equal(crop, crop_face(astronaut, ASTRONAUT, 96, 1.4))


@pytest.mark.parametrize("degrees", [-150, -60, -33, 28, 45, 58, 120])
@pytest.mark.parametrize("size", [64, 160])
def test_a_tilted_face_is_set_upright(astronaut, degrees, size):
    """Clockwise by `degrees`, as its keypoints would tell; the box as large as the finder makes it."""
    image = Image.fromarray(astronaut)
    turned = np.asarray(image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True))
    middle = complex((ASTRONAUT[0] + ASTRONAUT[2]) / 2 - 256, (ASTRONAUT[1] + ASTRONAUT[3]) / 2 - 256)
    middle = middle * np.exp(1j * np.radians(degrees)) + complex(turned.shape[1] / 2, turned.shape[0] / 2)
    tilt = abs((degrees + 45) % 90 - 45)
    face = ((ASTRONAUT[2] - ASTRONAUT[0]) * (ASTRONAUT[3] - ASTRONAUT[1])) ** 0.5
    half = face / 2 * (1 + LOOSE * np.sin(np.radians(2 * tilt)))
    box = (middle.real - half, middle.imag - half, middle.real + half, middle.imag + half)
    crop = crop_face(turned, box, size, 1.4, roll=degrees).astype(int)
    expected = crop_face(astronaut, ASTRONAUT, size, 1.4).astype(int)
    assert np.abs(crop - expected).mean() < 9
    assert np.corrcoef(crop.ravel(), expected.ravel())[0, 1] > 0.97


def test_a_tilted_face_at_the_edge_repeats_the_edge():
    pixels = np.full((80, 80, 3), 90, np.uint8)
    pixels[:, :4] = 200
    crop = crop_face(pixels, (0, 20, 40, 60), 64, 2.0, roll=45)
    assert crop.shape == (64, 64, 3) and set(np.unique(crop)) <= set(range(75, 216)) and crop[63, 0, 0] == 200


@pytest.mark.parametrize("roll", [0, 15, 30, -30, -60, 90, 125, 180, -145])
def test_where_in_the_picture_the_pixels_of_a_crop_lie(ramp, roll):
    crop = crop_face(ramp, (90, 70, 140, 130), 90, 1.4, roll=roll).astype(float)
    x, y = places((90, 70, 140, 130), 1.4, 90, roll)
    inner = slice(5, -5)
    assert np.abs(crop[..., 0] - (x - 0.5))[inner, inner].max() <= 2
    assert np.abs(crop[..., 1] - (y - 0.5))[inner, inner].max() <= 2
