"""What is called covered, and what is not, of the pictures that the page shows."""

from pathlib import Path

import numpy as np
import pytest

from detector import picture
from detector.covering import COVERED, CoveringDetector
from detector.face_detector import FaceDetector
from tests.support import ROOT
from training.augment import covers

SHOWN = sorted([*(ROOT / "ui" / "gallery").glob("*.jpg"), *(ROOT / "ui" / "examples").glob("*.jpg")])


@pytest.fixture(scope="module")
def covering() -> CoveringDetector:
    return CoveringDetector()


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: file.stem)
def test_no_face_that_the_page_shows_is_called_covered_unless_it_is(file: Path, covering, finder: FaceDetector) -> None:
    """Portraits of the 1890s among them: bleached, in sepia, with beards, under hats. A mask of cloth is noticed."""
    pixels = picture.read(file).pixels
    found = finder.find(pixels)
    assert (covering.logits(pixels, found) < COVERED).all()
    for face in found[:1]:
        masked = covers.cover(pixels, face.keypoints, "flat mask", np.random.default_rng(1))
        assert covering.logits(masked, [face])[0] >= COVERED
