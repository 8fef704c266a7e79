"""Every alteration keeps the shape, repeats itself from the same draws, and alters more as its severity grows."""

from functools import cache

import numpy as np
import pytest
import skimage.data
from PIL import Image

from training.augment import corruptions
from training.augment.corruptions import NAMES, SEVERITIES


@cache
def photographs() -> list[np.ndarray]:
    """Three pictures uint8 RGB, one upright, one on its side, one square."""
    astronaut, cat = skimage.data.astronaut(), skimage.data.chelsea()
    return [astronaut[:256, 150:350], cat[:180, 100:400], astronaut[60:188, 160:288]]


def change(name: str, severity: float, draws: int = 6) -> float:
    """Mean absolute difference to the unaltered picture, over pictures and draws."""
    differences = []
    for pixels in photographs():
        for draw in range(draws):
            altered = corruptions.apply(name, pixels, severity, np.random.default_rng([draw, 5]))
            differences.append(np.abs(altered.astype(float) - pixels).mean())
    return float(np.mean(differences))


@pytest.mark.parametrize("severity", [*SEVERITIES, 0.5, 2.5])
@pytest.mark.parametrize("name", NAMES)
def test_an_alteration_keeps_the_shape_and_repeats_itself(name: str, severity: float) -> None:
    for pixels in photographs():
        before = pixels.copy()
        altered = corruptions.apply(name, pixels, severity, np.random.default_rng(3))
        assert altered.dtype == np.uint8 and altered.shape == pixels.shape
        assert np.array_equal(pixels, before)  # what came in is left alone
        assert np.array_equal(altered, corruptions.apply(name, pixels, severity, np.random.default_rng(3)))
        assert not np.array_equal(altered, pixels)


@pytest.mark.parametrize("name", NAMES)
def test_an_alteration_grows_with_its_severity(name: str) -> None:
    changes = [change(name, severity) for severity in SEVERITIES]
    assert all(later > earlier * 0.97 for earlier, later in zip(changes, changes[1:], strict=False)), changes
    assert changes[-1] > 1.3 * changes[0] and changes[0] > 0.2
    between = change(name, 2.5)
    assert changes[1] * 0.9 < between < changes[2] * 1.1


@pytest.mark.parametrize("name", ["down-scale", "screenshot"])
def test_every_filter_is_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = set()
    resize = Image.Image.resize

    def watched(image: Image.Image, size: tuple[int, int], resample: int) -> Image.Image:
        drawn.add(resample)
        return resize(image, size, resample)

    monkeypatch.setattr(Image.Image, "resize", watched)
    for seed in range(40):
        corruptions.apply(name, photographs()[2], 3, np.random.default_rng(seed))
    assert drawn == {
        Image.Resampling.BILINEAR,
        Image.Resampling.BICUBIC,
        Image.Resampling.LANCZOS,
        Image.Resampling.BOX,
    }


def test_an_unknown_alteration_is_refused() -> None:
    with pytest.raises(KeyError):
        corruptions.apply("glitter", photographs()[0], 3, np.random.default_rng(0))


def test_measuring_draws_differ_for_every_name_severity_and_picture() -> None:
    first = {
        (name, severity, index): corruptions.measuring_rng(name, severity, index).random(3).tobytes()
        for name in NAMES
        for severity in SEVERITIES
        for index in range(4)
    }
    assert len(set(first.values())) == len(first) == len(NAMES) * 5 * 4
    assert corruptions.measuring_rng("fog", 2, 7).random() == corruptions.measuring_rng("fog", 2, 7).random()


def test_web_halves_and_hard_quarters_the_picture() -> None:
    pixels = photographs()[1]  # 180 x 300
    web = corruptions.web(pixels, np.random.default_rng(0))
    hard = corruptions.hard(pixels, np.random.default_rng(0))
    assert (web.shape, hard.shape) == ((90, 150, 3), (45, 75, 3))
    assert web.dtype == hard.dtype == np.uint8
    assert np.array_equal(web, corruptions.web(pixels, np.random.default_rng(0)))
    for small, factor in ((web, 2), (hard, 4)):  # the same picture, only smaller
        blocks = pixels.reshape(180 // factor, factor, 300 // factor, factor, 3).mean(axis=(1, 3))
        assert np.abs(small - blocks).mean() < 8


def test_pictures_are_measured_alike_every_time_and_not_all_alike() -> None:
    pixels = photographs()[0]
    web = [corruptions.web_measured(pixels, index) for index in range(12)]
    assert all(np.array_equal(web[index], corruptions.web_measured(pixels, index)) for index in range(12))
    assert len({picture.tobytes() for picture in web}) > 3  # of the 21 qualities
    assert np.array_equal(corruptions.hard_measured(pixels, 3), corruptions.hard(pixels, np.random.default_rng(0)))


def test_training_without_alterations_leaves_the_picture_as_it_is() -> None:
    for seed in range(20):
        pixels = photographs()[seed % 3]
        assert np.array_equal(corruptions.for_training(pixels, np.random.default_rng(seed), ()), pixels)


def test_training_repeats_itself_and_leaves_some_pictures_alone() -> None:
    pixels = photographs()[0]
    draws = [corruptions.for_training(pixels, np.random.default_rng(seed)) for seed in range(60)]
    again = [corruptions.for_training(pixels, np.random.default_rng(seed)) for seed in range(60)]
    assert all(np.array_equal(mine, yours) for mine, yours in zip(draws, again, strict=True))
    assert all(draw.dtype == np.uint8 and draw.ndim == 3 for draw in draws)
    untouched = sum(draw.shape == pixels.shape and np.array_equal(draw, pixels) for draw in draws)
    assert 0 < untouched < 30
    assert len({draw.tobytes() for draw in draws}) > 20


@pytest.mark.parametrize("name", corruptions.TRAINING)
def test_training_draws_only_what_it_was_given(name: str) -> None:
    pixels = photographs()[2]
    draws = [corruptions.for_training(pixels, np.random.default_rng(seed), (name,)) for seed in range(60)]
    altered = [draw for draw in draws if draw.shape != pixels.shape or not np.array_equal(draw, pixels)]
    assert 2 <= len(altered) <= 55
    if name == "grey":  # and nothing else: the colours come closer together
        assert all(np.ptp(draw, axis=2).mean() < np.ptp(pixels, axis=2).mean() for draw in altered)
