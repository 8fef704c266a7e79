"""The finder on real photographs with boxes drawn by hand."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from detector import crop
from detector.face_detector import (
    MIN_FACE,
    MOST_BOXES,
    MOST_FACES,
    DetectedFace,
    FaceDetector,
    least_face,
    non_maximum_suppression,
)
from detector.picture import read
from detector.sessions import Cores
from tests.support.attacks import tiny_faces

# Drawn by hand: from the hairline or the brows to the chin, from ear to ear.
ASTRONAUT = (172, 66, 278, 182)
HOPPER = (166, 135, 364, 338)
CAMERA = (190, 115, 262, 196)


def iou(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (box, other)]
    return width * height / (sum(areas) - width * height)


def scaled(pixels: np.ndarray, factor: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((round(width * factor), round(height * factor))))


@pytest.fixture(scope="module")
def photos(astronaut, hopper) -> dict[str, tuple[np.ndarray, tuple[int, ...]]]:
    camera = np.repeat(data.camera()[..., None], 3, axis=2)
    return {
        "astronaut": (astronaut, ASTRONAUT),
        "hopper": (read(hopper).pixels, HOPPER),
        "cameraman": (camera, CAMERA),
    }


@pytest.fixture(scope="module")
def portrait(astronaut) -> Image.Image:
    """A face of 108 pixels with as much round it as a passport photo has."""
    return Image.fromarray(astronaut[16:232, 118:334])


def pasted(portrait: Image.Image, size: tuple[int, int], places: list[tuple[int, int, int]]):
    """Portraits on grey with faces of so many pixels, and the faces' boxes; a place is (left, top, face)."""
    canvas = Image.new("RGB", size, (120, 125, 130))
    boxes = []
    for left, top, face in places:
        small = portrait.resize((2 * face, 2 * face), Image.Resampling.LANCZOS)
        canvas.paste(small, (left, top))
        boxes.append(
            tuple(
                round(o + (v - p) * face / 108)
                for v, p, o in zip(ASTRONAUT, (118, 16) * 2, (left, top) * 2, strict=True)
            )
        )
    return np.asarray(canvas), boxes


# --- Finding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["astronaut", "hopper", "cameraman"])
def test_the_one_face_is_found_where_it_is(finder, photos, name):
    pixels, box = photos[name]
    found = finder.find(pixels)
    assert len(found) == 1
    assert iou(found[0].box, box) > 0.7
    assert 0.5 <= found[0].score <= 1


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 2, 3])
@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_the_face_is_found_at_every_scale(finder, photos, name, factor):
    pixels, box = photos[name]
    found = finder.find(scaled(pixels, factor))
    assert len(found) == 1
    assert iou(found[0].box, tuple(v * factor for v in box)) > 0.7


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_the_box_does_not_depend_on_scale_or_place(finder, photos, name):
    """What the classifier was trained with must be what it gets."""
    pixels, _ = photos[name]
    (first,) = finder.find(pixels)
    (larger,) = finder.find(scaled(pixels, 2))
    assert iou(first.box, tuple(v / 2 for v in larger.box)) > 0.9
    (moved,) = finder.find(np.pad(pixels, ((130, 10), (70, 300), (0, 0))))
    assert iou(first.box, tuple(v - o for v, o in zip(moved.box, (70, 130) * 2, strict=True))) > 0.9


@pytest.mark.parametrize("margin", [0, 0.1, 0.3])
@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_a_face_that_fills_the_frame_is_found(finder, photos, name, margin):
    pixels, (left, top, right, bottom) = photos[name]
    border = round((right - left) * margin)
    left, top, right, bottom = left - border, top - border, right + border, bottom + border
    (found,) = finder.find(pixels[top:bottom, left:right])
    inside = (border, border, right - left - border, bottom - top - border)
    assert iou(found.box, inside) > 0.7


@pytest.mark.slow
def test_a_face_of_40_pixels_is_found_in_a_large_picture(finder, portrait):
    pixels, boxes = pasted(portrait, (2000, 1500), [(1203, 347, 40)])
    (found,) = finder.find(pixels)
    assert iou(found.box, boxes[0]) > 0.6
    assert abs(found.side - 40) < 10


@pytest.mark.parametrize("size", [(460, 345), (640, 480), pytest.param((1100, 825), marks=pytest.mark.slow)])
@pytest.mark.parametrize("face", [28, 60, 110])
def test_a_face_is_found_wherever_it_is(finder, portrait, size, face):
    """Corners, edges and middle: in a tile, across two of them, or half of either."""
    for across, down in ((0, 0), (0.5, 0.5), (0.33, 0.9), (1, 0.45)):
        left, top = round(across * (size[0] - 2 * face)), round(down * (size[1] - 2 * face))
        pixels, boxes = pasted(portrait, size, [(left, top, face)])
        (found,) = finder.find(pixels)
        assert iou(found.box, boxes[0]) > 0.5, (left, top)


@pytest.mark.parametrize(
    "size", [(256, 256), (640, 480), pytest.param((4000, 3000), marks=pytest.mark.slow), (7300, 5500), (20000, 500)]
)
def test_the_least_face_of_a_large_picture_is_found(finder, portrait, size):
    face = least_face(*size)
    assert face >= MIN_FACE and (size[0] > 2400) == (face > MIN_FACE)
    if size[0] * size[1] > 20_000_000:
        return  # seconds to make
    pixels, boxes = pasted(portrait, size, [(size[0] * 2 // 3, size[1] // 5, round(face * 1.2))])
    (found,) = finder.find(pixels)
    assert iou(found.box, boxes[0]) > 0.5


def test_several_faces_are_found_the_largest_first(finder, portrait):
    places = [(40, 500, 60), (700, 30, 200), (500, 600, 110), (30, 40, 35), (1050, 640, 80)]
    pixels, boxes = pasted(portrait, (1300, 860), places)
    found = finder.find(pixels)
    assert len(found) == len(boxes)
    for face, box in zip(found, sorted(boxes, key=lambda box: box[0] - box[2]), strict=True):
        assert iou(face.box, box) > 0.6
    assert [face.side for face in found] == sorted((face.side for face in found), reverse=True)


def test_neighbours_are_not_merged(finder, portrait):
    pixels, boxes = pasted(portrait, (700, 300), [(20, 40, 100), (225, 40, 100), (430, 40, 100)])
    found = sorted(finder.find(pixels), key=lambda face: face.box[0])
    assert len(found) == 3
    assert all(iou(face.box, box) > 0.6 for face, box in zip(found, boxes, strict=True))


@pytest.mark.parametrize("name", ["text", "page", "coins", "moon", "brick", "logo"])
def test_none_is_found_in_print_and_patterns(finder, name):
    assert finder.find(read(getattr(data, name)()).pixels) == []


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea"])
def test_none_is_found_in_a_cup_a_rocket_or_a_cat(finder, name):
    assert finder.find(getattr(data, name)()) == []


@pytest.mark.parametrize("shape", [(32, 32), (32, 3000), (3000, 32), (400, 401)])
@pytest.mark.parametrize("value", [0, 255])
def test_none_is_found_in_an_empty_picture_of_any_shape(finder, shape, value):
    assert finder.find(np.full((*shape, 3), value, np.uint8)) == []


def test_noise_has_no_face(finder):
    assert finder.find(np.random.default_rng(5).integers(0, 256, (400, 600, 3)).astype(np.uint8)) == []


def test_boxes_lie_inside_and_say_how_much_is_visible(finder, photos):
    pixels, (left, top, right, bottom) = photos["hopper"]
    whole = finder.find(pixels)[0]
    assert whole.visible == pytest.approx(1)
    half = pixels[: bottom + 40, (left + right) // 2 - 30 :]
    found = finder.find(half)
    assert found, "half a face is a face"
    for face in found:
        assert 0 <= face.box[0] < face.box[2] <= half.shape[1]
        assert 0 <= face.box[1] < face.box[3] <= half.shape[0]
        assert all(type(v) is int for v in face.box)
    assert found[0].visible < 0.9


def test_the_eyes_nose_and_mouth_are_where_they_are(finder, astronaut):
    (face,) = finder.find(astronaut)
    seen = [(203, 101), (248, 102), (224, 129), (205, 145), (242, 147)]  # by hand: her eyes, nose, corners of the mouth
    assert face.keypoints.shape == (5, 2)
    assert np.abs(face.keypoints - seen).max() < 8


def test_faces_below_the_smallest_are_left_out(finder, portrait):
    pixels, boxes = pasted(portrait, (600, 400), [(40, 60, 100), (400, 250, 36)])
    assert len(finder.find(pixels)) == 2
    (found,) = finder.find(pixels, min_face=60)
    assert iou(found.box, boxes[0]) > 0.6
    assert finder.find(pixels, min_face=300) == []
    tiny, _ = pasted(portrait, (600, 400), [(40, 60, 12)])
    assert all(face.side >= MIN_FACE for face in finder.find(tiny))


def test_a_higher_score_may_be_asked_for(finder, astronaut):
    assert finder.find(astronaut, min_score=0.9999) == []


# --- Faces that are not upright ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [30, 45, 60, 90, 135, 180, 225, 270, 320])
@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_a_face_is_found_however_it_is_turned(finder, photos, name, degrees):
    """By `degrees` counter-clockwise; the box is that of the picture as it lies."""
    pixels, (left, top, right, bottom) = photos[name]
    (upright,) = finder.find(pixels)
    image = Image.fromarray(pixels)
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    (found,) = finder.find(np.asarray(turned))
    assert abs((found.roll + degrees - upright.roll + 180) % 360 - 180) < 15
    middle = complex((left + right - image.width) / 2, (top + bottom - image.height) / 2)
    middle = middle * np.exp(-1j * np.radians(degrees)) + complex(turned.width / 2, turned.height / 2)
    side = max(right - left, bottom - top)
    assert abs(complex((found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2) - middle) < 0.15 * side
    assert 0.7 * side < found.side < 1.3 * side


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_turns_the_box(finder, photos, quarters):
    for name in ("astronaut", "hopper"):
        pixels, _ = photos[name]
        (upright,) = finder.find(pixels)
        (found,) = finder.find(np.rot90(pixels, quarters))
        expected = crop.turned_box(upright.box, quarters, pixels.shape[1], pixels.shape[0])
        assert iou(found.box, expected) > 0.9


@pytest.mark.slow
def test_small_faces_of_a_large_turned_picture_are_found(finder, portrait):
    pixels, boxes = pasted(portrait, (1600, 1200), [(1003, 347, 40), (300, 800, 45), (1300, 900, 60)])
    found = finder.find(np.rot90(pixels, 2))
    assert len(found) == 3 and all(abs(face.roll) > 150 for face in found)
    for face in found:
        assert max(iou(crop.turned_box(box, 2, 1600, 1200), face.box) for box in boxes) > 0.5


def test_beside_an_upright_face_no_other_way_is_looked_for(finder, astronaut, monkeypatch):
    """That takes time, and what is seen may be a fold of cloth."""
    monkeypatch.setattr(np, "rot90", lambda pixels, times: pytest.fail("looked") if times else pixels)
    assert len(finder.find(astronaut)) == 1


def test_the_picture_is_left_as_it_was_and_the_answer_is_the_same_twice(finder, photos):
    pixels = photos["hopper"][0].copy()
    first, second = finder.find(pixels), finder.find(pixels)
    assert np.array_equal(pixels, photos["hopper"][0])
    assert [(f.box, f.score) for f in first] == [(f.box, f.score) for f in second]


@pytest.mark.slow
def test_threads_side_by_side_find_the_same_faces(finder, photos, portrait):
    cores = Cores(2)
    aside = FaceDetector(cores)
    row = [(20, 20, 150), (340, 20, 30), (420, 200, 80), (60, 330, 60)]
    pictures = [pixels for pixels, _ in photos.values()] + [pasted(portrait, (700, 500), row)[0], data.coffee()]
    for pixels in pictures:
        expected = [(f.box, f.score, f.visible) for f in finder.find(pixels)]
        assert [(f.box, f.score, f.visible) for f in aside.find(pixels)] == expected
        with cores.one_more(), cores.one_more():
            assert [(f.box, f.score, f.visible) for f in aside.find(pixels)] == expected


def test_a_face_knows_its_side():
    assert DetectedFace((10, 20, 50, 45), 0.9, 1.0, np.zeros((6, 2), np.float32)).side == 40


@pytest.mark.slow
def test_of_very_many_faces_the_largest_are_found(finder):
    crowd = read(tiny_faces(40)).pixels.copy()
    large = scaled(data.astronaut(), 0.5)
    crowd[: large.shape[0], : large.shape[1]] = large
    found = finder.find(crowd, min_face=16)
    assert len(found) == MOST_FACES
    assert found[0].side > 45 and found[0].box[2] < large.shape[1], "the one among 1,600 that is larger"
    assert [face.side for face in found] == sorted((face.side for face in found), reverse=True)


def test_comparing_boxes_takes_bounded_time_and_memory():
    """100,000 boxes: all pairs would take minutes, and to keep views of what is left would take 300 GB."""
    rows = np.zeros((100_000, 15), np.float32)
    rows[:, 0] = np.linspace(0.5, 1, len(rows))
    rows[:, 1], rows[:, 2] = 10 * (np.arange(len(rows)) % 400), 10 * (np.arange(len(rows)) // 400)
    sides = np.linspace(5, 9, len(rows))
    rows[:, 3], rows[:, 4] = rows[:, 1] + sides, rows[:, 2] + sides
    kept = non_maximum_suppression(rows)
    assert len(kept) == MOST_BOXES and kept.base is None
    assert (kept[:, 3] - kept[:, 1]).min() >= sides[-MOST_BOXES - 1] - 1e-3
