"""A face blended with itself: changed where the face is, untouched elsewhere."""

import numpy as np
import pytest
import skimage.data

from detector import faces
from training import forge

PIXELS = np.ascontiguousarray(skimage.data.astronaut()[:320:1, 60:380])
SEEDS = range(40)


@pytest.fixture(scope="module")
def face() -> faces.FoundFace:
    [found] = faces.FaceFinder().find(PIXELS)
    return found


def reach(face: faces.FoundFace) -> np.ndarray:
    """Distance (H, W) of every pixel from the middle of the face, in face sides."""
    left, top, right, bottom = face.box
    y, x = np.mgrid[: PIXELS.shape[0], : PIXELS.shape[1]]
    return np.hypot(x - (left + right) / 2, y - (top + bottom) / 2) / face.side


def test_a_mask_is_a_soft_oval_over_the_face(face: faces.FoundFace) -> None:
    far = reach(face) > 1.1
    for seed in SEEDS:
        mask = forge.face_mask(PIXELS.shape[:2], face.keypoints, np.random.default_rng(seed))
        assert mask.dtype == np.float32 and mask.shape == PIXELS.shape[:2]
        assert mask.min() == 0.0 and 0.95 < mask.max() <= 1.0
        assert mask[far].max() == 0.0
        x, y = face.keypoints[2].round().astype(int)  # the nose
        assert mask[y, x] > 0.9
        assert ((mask > 0.02) & (mask < 0.98)).sum() > 100  # no hard edge


def test_masks_differ_and_repeat_themselves(face: faces.FoundFace) -> None:
    def mask(seed: int) -> bytes:
        return forge.face_mask((320, 320), face.keypoints, np.random.default_rng(seed)).tobytes()

    assert len({mask(seed) for seed in SEEDS}) == len(SEEDS)
    assert mask(3) == mask(3)


def test_a_blend_changes_the_face_and_hardly_anything_else(face: faces.FoundFace) -> None:
    """Outside the mask is the picture itself, or the whole picture sharpened, blurred or tinted alike."""
    far, near = reach(face) > 1.1, reach(face) < 0.3
    untouched = 0
    for seed in SEEDS:
        before = PIXELS.copy()
        forged = forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(seed))
        assert np.array_equal(PIXELS, before)
        assert forged.dtype == np.uint8 and forged.shape == PIXELS.shape
        difference = np.abs(forged.astype(int) - PIXELS).max(axis=2)
        assert difference[near].mean() > 1.0
        untouched += int(difference[far].max() == 0)
    assert 8 <= untouched <= 32  # half of the time the altered one is inside


def test_a_blend_repeats_itself(face: faces.FoundFace) -> None:
    first = forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(5))
    assert np.array_equal(first, forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(5)))
    assert not np.array_equal(first, forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(6)))


def test_the_face_of_a_blend_is_still_found(face: faces.FoundFace) -> None:
    finder = faces.FaceFinder()
    for seed in range(6):
        [found] = finder.find(forge.self_blend(PIXELS, face.keypoints, np.random.default_rng(seed)))
        assert np.abs(np.subtract(found.box, face.box)).max() < 0.2 * face.side


@pytest.mark.parametrize("corner", [(0, 0), (310, 315)])
def test_a_face_at_the_edge_or_tiny_gives_no_error(face: faces.FoundFace, corner: tuple[int, int]) -> None:
    points = (face.keypoints - face.keypoints.mean(axis=0)) * 0.03 + np.array(corner, np.float32)
    forged = forge.self_blend(PIXELS, points.astype(np.float32), np.random.default_rng(1))
    assert forged.shape == PIXELS.shape
