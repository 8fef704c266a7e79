"""Who is not judged because an editor left corners of the picture empty, and who still is."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from detector import Detector, Verdict, quality
from detector.result import WarningCode
from tests.detector.test_detector import unjudged, warned

CODE = WarningCode.EMPTY_CORNER


@pytest.fixture(scope="module")
def tight(hopper) -> Image.Image:
    return Image.open(hopper).convert("RGB").crop((120, 40, 400, 360))


def turned(photo: Image.Image, angle: float, fill: str | None = None, *, expand: bool = True) -> Image.Image:
    return photo.rotate(angle, Image.Resampling.BICUBIC, expand=expand, fillcolor=fill)


def as_jpeg(photo: Image.Image) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=80)
    return file.getvalue()


@pytest.mark.parametrize(("angle", "expand"), [(8, True), (-15, False), (30, True), (-30, False), (120, True)])
@pytest.mark.parametrize("fill", ["black", "white", "#c8a078"])
def test_a_face_beside_corners_that_an_editor_left_empty_is_not_judged(detector, tight, angle, expand, fill):
    result = unjudged(detector, as_jpeg(turned(tight, angle, fill, expand=expand)))
    assert result.faces[0].doubts == (CODE,)
    assert (
        "empty_corner: Part of the picture around one face is empty, as after turning it in an editor: use the picture "
        "as it was taken." in warned(result)
    )


def test_an_upright_face_is_judged(detector: Detector, tight: Image.Image) -> None:
    assert CODE not in detector.detect(as_jpeg(tight)).faces[0].doubts


def test_a_head_that_leans_is_judged_where_no_corner_is_empty(detector: Detector, astronaut: np.ndarray) -> None:
    wide = Image.fromarray(np.pad(astronaut, ((300, 300), (300, 300), (0, 0)), "edge"))
    [face] = detector.detect(turned(wide, 30, expand=False).crop((300, 300, 812, 812))).faces
    assert abs(face.roll) > 20 and face.doubts == ()


def test_a_face_far_from_the_empty_corners_is_judged(detector: Detector, tight: Image.Image) -> None:
    wide = np.pad(np.asarray(tight), ((500, 500), (500, 500), (0, 0)), "edge")
    picture = turned(Image.fromarray(wide), 30)
    assert quality._empty_corners(np.asarray(picture))
    result = detector.detect(picture)
    assert result.faces[0].doubts == () and result.verdict != Verdict.NO_FACE


def test_corners_round_an_oval_and_plain_walls_are_none(tight: Image.Image) -> None:
    """The edge must be straight, and stand at one angle in all corners."""
    for width, height in ((399, 399), (300, 399)):
        oval = Image.new("L", (width, height))
        ImageDraw.Draw(oval).ellipse((0, 0, width, height), fill=255)
        photo = tight.resize((width, height))
        assert not quality._empty_corners(np.asarray(Image.composite(photo, Image.new("RGB", oval.size), oval)))
        kite = Image.new("L", (width, height))
        ImageDraw.Draw(kite).polygon([(width // 2, 0), (width, 120), (width // 2, height), (0, 120)], fill=255)
        assert not quality._empty_corners(np.asarray(Image.composite(photo, Image.new("RGB", kite.size), kite)))
    wall = Image.new("RGB", (800, 800), "white")
    wall.paste(tight, (200, 200))
    assert not quality._empty_corners(np.asarray(wall))
