"""What a network must not learn: sizes, formats and qualities of the data sets."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from detector.face_detector import FaceDetector
from training.augment import formats
from training.evaluation.metrics import auc

PHOTO = skimage.data.astronaut()[:330, 60:390]


def as_kept_by_a_data_set(fake: bool, rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, ...]]:
    """The same photograph as one source keeps it (476 pixels, JPEG 75) or as another (256 to 600 pixels, JPEG 95)."""
    size = 476 if fake else int(rng.integers(256, 600))
    file = io.BytesIO()
    Image.fromarray(PHOTO).resize((size, size)).save(file, "JPEG", quality=75 if fake else 95)
    (face,) = FaceDetector().find(PHOTO)
    return np.asarray(Image.open(file)), tuple(value * size / PHOTO.shape[1] for value in face.box)


def traits(pixels: np.ndarray, box: tuple[float, ...]) -> list[float]:
    """What a file tells without what it shows: its face's size, sharpness and how 8 x 8 blocks stand out."""
    grey = pixels.astype(np.float32).mean(axis=2)
    across = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    blocks = across[7::8].mean() / max(np.delete(across, np.arange(7, len(across), 8)).mean(), 1e-3)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return [
        np.log(box[2] - box[0]),
        *np.log1p(np.percentile(np.abs(laplacian), (50, 90, 99))),
        blocks,
        np.log(grey.size),
    ]


def told_apart(alike: bool) -> float:
    """AUC of a small classifier of the traits, cross-validated, over 240 pictures."""
    rng = np.random.default_rng(0)
    rows, targets = [], np.arange(240) % 2
    for target in targets:
        pixels, box = as_kept_by_a_data_set(bool(target), rng)
        if alike:
            pixels, box = formats.surroundings(pixels, box, 1.8, rng)
            pixels, box = formats.scaled(pixels, box, 190, rng)
            pixels, box = formats.reencoded(pixels, box, rng)
        rows.append(traits(pixels, box))
    values = np.array(rows)
    values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
    quadratic = np.concatenate([values, values**2], axis=1)
    scores = cross_val_predict(LogisticRegression(max_iter=500), quadratic, targets, cv=5, method="decision_function")
    return auc(targets, scores)


@pytest.mark.slow
def test_the_traits_of_a_file_no_longer_tell_the_classes_apart() -> None:
    assert told_apart(alike=False) > 0.95
    assert told_apart(alike=True) < 0.6


def test_the_face_stays_where_it_is() -> None:
    finder = FaceDetector()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pixels, box = as_kept_by_a_data_set(False, rng)
        pixels, box = formats.surroundings(pixels, box, 2.5, rng)
        pixels, box = formats.reencoded(*formats.scaled(pixels, box, 200, rng), rng)
        found = max(finder.find(pixels, min_score=0.3), key=lambda face: face.score)
        assert np.abs(np.subtract(found.box, box)).max() < 0.15 * (box[3] - box[1])


def test_a_frame_around_a_picture_is_left_out_and_the_face_is_not() -> None:
    """Four dark columns at one side, as a sheet of pictures leaves them, gave a generator away."""
    bare, box = as_kept_by_a_data_set(True, np.random.default_rng(3))
    framed = np.pad(bare, ((9, 0), (0, 4), (0, 0)), constant_values=5)
    moved = (box[0], box[1] + 9, box[2], box[3] + 9)
    for seed in range(20):
        part, inside = formats.surroundings(framed, moved, 9.0, np.random.default_rng(seed))
        same, same_inside = formats.surroundings(bare, box, 9.0, np.random.default_rng(seed))
        assert np.allclose(inside, same_inside) and np.array_equal(part, same)
    dark, inside = formats.surroundings(np.zeros_like(bare), box, 9.0, np.random.default_rng(1))
    assert dark.shape[0] >= box[3] - box[1] and inside[0] >= 0 and inside[3] <= dark.shape[0]


def test_how_much_lies_around_a_face_is_drawn_anew() -> None:
    pixels, box = np.full((900, 900, 3), 90, np.uint8), (400.0, 390.0, 500.0, 510.0)
    sides = [formats.surroundings(pixels, box, 3.0, np.random.default_rng(seed))[0].shape[0] for seed in range(60)]
    assert min(sides) < 170 and 20 < sum(side > 300 for side in sides) < 45


@pytest.mark.slow
def test_sizes_are_drawn_alike_from_pictures_of_any_size() -> None:
    def sides(size: int) -> np.ndarray:
        rng = np.random.default_rng(1)
        box = (size * 0.25, size * 0.2, size * 0.75, size * 0.8)
        pixels = np.zeros((size, size, 3), np.uint8)
        boxes = [formats.scaled(pixels, box, 190, rng)[1] for _ in range(300)]
        return np.array([((b[2] - b[0]) * (b[3] - b[1])) ** 0.5 for b in boxes])

    small, large = sides(400), sides(900)
    assert small.min() > 34 and large.max() < 192
    assert np.allclose(np.quantile(small, [0.1, 0.5, 0.9]), np.quantile(large, [0.1, 0.5, 0.9]), rtol=0.05)


def test_a_face_that_is_tiny_already_stays_as_it_is() -> None:
    pixels, box = np.zeros((60, 60, 3), np.uint8), (20.0, 20.0, 40.0, 45.0)
    same, same_box = formats.scaled(pixels, box, 190, np.random.default_rng(0))
    assert same is pixels and same_box == box


def test_the_same_seed_gives_the_same_picture() -> None:
    pixels, box = as_kept_by_a_data_set(True, np.random.default_rng(3))
    first, second = (formats.reencoded(pixels, box, np.random.default_rng(7))[0] for _ in range(2))
    assert np.array_equal(first, second)
