import numpy as np
import pytest

from detector.heatmap import overlay


@pytest.fixture
def crop() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (96, 96, 3)).astype(np.uint8)


def test_without_evidence_the_crop_stays_as_it_is(crop):
    assert np.array_equal(overlay(crop, np.zeros((5, 5), np.float32)), crop)


def test_evidence_against_a_forgery_is_not_shown(crop):
    assert np.array_equal(overlay(crop, np.full((5, 5), -100, np.float32)), crop)


def test_the_shape_comes_back_and_the_crop_is_not_written_to(crop):
    before = crop.copy()
    shown = overlay(crop, np.full((3, 4), 5, np.float32))
    assert shown.shape == crop.shape and shown.dtype == np.uint8
    assert np.array_equal(crop, before)


def test_the_colour_lies_where_the_evidence_is(crop):
    activation = np.zeros((6, 6), np.float32)
    activation[0, 5] = 20
    changed = np.abs(overlay(crop, activation).astype(int) - crop).sum(axis=2)
    assert changed[:16, -16:].mean() > 50
    assert changed[48:, :48].max() == 0


def test_more_evidence_shows_more():
    crop = np.full((64, 64, 3), 128, np.uint8)
    shown = [overlay(crop, np.full((4, 4), value, np.float32)).astype(int) for value in (0, 1, 3, 6, 12)]
    distances = [np.abs(picture - crop).mean() for picture in shown]
    assert distances == sorted(set(distances))


def test_the_scale_is_the_same_for_every_picture(crop):
    full, beyond = (overlay(crop, np.full((4, 4), value, np.float32)) for value in (12, 1000))
    assert np.array_equal(full, beyond)
    weak = np.abs(overlay(crop, np.full((4, 4), 0.05, np.float32)).astype(int) - crop).mean()
    assert weak < np.abs(full.astype(int) - crop).mean() / 5


def test_strength_0_shows_nothing_and_1_hides_the_crop(crop):
    activation = np.full((4, 4), 50, np.float32)
    assert np.array_equal(overlay(crop, activation, strength=0), crop)
    assert len(np.unique(overlay(crop, activation, strength=1).reshape(-1, 3), axis=0)) == 1


def test_a_map_of_one_cell_covers_all():
    shown = overlay(np.zeros((32, 32, 3), np.uint8), np.full((1, 1), 12, np.float32))
    assert shown.min(axis=2).max() > 0 and len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


def test_the_map_of_a_real_face_can_be_shown(detector, astronaut):
    face = detector.detect(astronaut).faces[0]
    shown = overlay(face.crop, face.activation)
    assert shown.shape == face.crop.shape
    quiet = overlay(face.crop, np.minimum(face.activation, 0))
    assert np.array_equal(quiet, face.crop)
