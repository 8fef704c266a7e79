"""Covers drawn over faces, and the network that is taught by them to notice covered faces."""

import numpy as np
import pytest

from detector.covering import SIZE
from detector.face_detector import FaceDetector
from detector.sessions import Session
from training import covering
from training.augment import covers
from training.augment.aged import aged
from training.data.face_cache import Face

pytestmark = pytest.mark.slow  # imports TensorFlow


@pytest.fixture(scope="module")
def found(astronaut: np.ndarray) -> Face:
    [face] = FaceDetector().find(astronaut)
    return Face(0, 0.0, face.box, face.keypoints, 1)


@pytest.mark.parametrize("kind", covers.KINDS)
def test_a_cover_hides_what_it_is_called_by_and_nothing_beside_the_face(kind, astronaut, found) -> None:
    for seed in range(5):
        covered = covers.cover(astronaut, found.keypoints, kind, np.random.default_rng(seed))
        changed = (covered != astronaut).any(axis=2)
        eyes, mouth = (
            [changed[round(float(y)) - 1 : round(float(y)) + 2, round(float(x)) - 1 : round(float(x)) + 2].mean()
             for x, y in found.keypoints[part]]
            for part in (slice(0, 2), slice(3, 5))
        )  # fmt: skip
        if "eyes" in kind:
            assert min(eyes) > 0.5 and max(mouth) == 0
        elif "sticker" not in kind:
            assert min(mouth) > 0.5
        left, top, right, bottom = found.box
        reach = (right - left) // 2
        assert not changed[: top - reach].any() and not changed[bottom + reach :].any()
        assert changed.mean() < 0.1


def test_half_of_the_samples_are_covered_and_the_network_takes_them(monkeypatch, astronaut, found, tmp_path) -> None:
    class Split:
        faces = (found,) * 24

        def pixels(self, face: Face) -> np.ndarray:
            return astronaut

    crops, targets = covering.samples([Split()], np.random.default_rng(0))
    assert crops.shape == (48, SIZE, SIZE, 3) and crops.dtype == np.uint8
    assert targets.shape == (48, 1) and targets.mean() == 0.5
    monkeypatch.setattr(covering.face_cache, "load", lambda *_, **__: Split())
    file = covering.train(["anything"], tmp_path / "covering.tflite")
    [logits] = Session(file.read_bytes(), 1).run(crops.astype(np.float32))
    assert logits.shape == (48, 1) and np.isfinite(logits).all()


def test_an_old_photograph_has_one_tone_and_shows_the_face(astronaut, found) -> None:
    left, top, right, bottom = (round(side) for side in found.box)
    face = astronaut[top:bottom, left:right]
    alike = []
    for seed in range(20):
        old = aged(face, np.random.default_rng(seed))
        assert old.shape == face.shape and old.dtype == np.uint8
        red, green, blue = (old[..., channel].astype(float).ravel() for channel in range(3))
        for other in (green, blue):  # a function of the red one, to rounding
            fitted = np.polyval(np.polyfit(red, other, 1), red)
            assert abs(fitted - other).max() <= 1.5
        alike.append(np.corrcoef(red, face.mean(axis=2).ravel())[0, 1])
    assert np.median(alike) > 0.8 and min(alike) > 0.3
