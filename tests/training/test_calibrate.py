"""Logits of a known temperature, and bands that keep their word on the pictures they were fitted on."""

import numpy as np
import pytest

from detector.verdict import Calibration
from training.errors import TrainingError
from training.evaluation import calibrate

Logits = dict[str, tuple[np.ndarray, np.ndarray]]


def source(count: int, temperature: float = 1.0, spread: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N,) and targets (N,) whose honest P(fake) is the sigmoid of logit / temperature."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, spread, count)
    targets = (rng.random(count) < 1 / (1 + np.exp(-honest))).astype(np.float32)
    return (honest * temperature).astype(np.float32), targets


def only(part: tuple[np.ndarray, np.ndarray], value: float) -> tuple[np.ndarray, np.ndarray]:
    return part[0][part[1] == value], part[1][part[1] == value]


def verdicts(calibration: Calibration, part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For those called likely fake, and for those called likely real: was it right?"""
    p, fake = calibration.p_fake(part[0]), part[1] > 0.5
    return fake[p >= calibration.fake_above], ~fake[p < calibration.real_below]


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 6.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits = {"one": source(6000, temperature), "two": source(3000, temperature, seed=1)}
    assert calibrate.fit_temperature(logits) == pytest.approx(temperature, rel=0.08)
    assert calibrate.fit(logits).temperature == pytest.approx(temperature, rel=0.08)


def test_every_source_counts_alike_for_the_temperature() -> None:
    small, large = source(2000, 1.0), source(20000, 4.0, seed=1)
    repeated = tuple(np.tile(part, 10) for part in small)
    assert calibrate.fit_temperature({"small": small, "large": large}) == pytest.approx(
        calibrate.fit_temperature({"small": repeated, "large": large}), rel=1e-4
    )


@pytest.mark.parametrize("rate", [0.9, 0.97, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_verdicts_are_right_at_the_stated_rate_on_each_side(rate: float, seed: int) -> None:
    logits = {"easy": source(3000, 2.0, 7.0, seed), "hard": source(3000, 2.0, 3.0, seed + 50)}
    calibration = calibrate.fit(logits, rate)
    assert 0 < calibration.real_below <= 0.5 <= calibration.fake_above < 1
    for side in zip(*(verdicts(calibration, part) for part in logits.values()), strict=True):
        assert all(len(right) >= 20 for right in side)
        assert np.mean([right.mean() for right in side]) >= rate
        assert min(right.mean() for right in side) >= min(rate, calibrate.SOURCE_RATE)
    for values, targets in logits.values():
        accused = calibration.p_fake(values[targets == 0]) >= calibration.fake_above
        assert accused.mean() <= calibrate.FALSE_ACCUSATIONS


def test_bands_are_as_tight_as_they_can_be() -> None:
    """One step nearer to a half, and a promise is broken."""
    logits = {"one": source(4000, 1.0, 3.0)}
    calibration = calibrate.fit(logits)
    nearer = Calibration(
        calibration.temperature,
        min(0.5, calibration.real_below + 0.005),
        max(0.5, calibration.fake_above - 0.005),
    )
    assert calibration.fake_above > 0.5 > calibration.real_below
    fakes, reals = verdicts(nearer, logits["one"])
    accused = calibrate.fit(logits).p_fake(only(logits["one"], 0.0)[0]) >= nearer.fake_above
    assert fakes.mean() < calibrate.RATE or accused.mean() > calibrate.FALSE_ACCUSATIONS
    assert reals.mean() < calibrate.RATE


def test_a_lower_rate_leaves_fewer_pictures_uncertain() -> None:
    logits = {"one": source(4000, 1.0, 3.0)}
    strict, lenient = calibrate.fit(logits, 0.99), calibrate.fit(logits, 0.9)
    assert strict.real_below < lenient.real_below and strict.fake_above >= lenient.fake_above


def test_perfect_answers_need_no_uncertain_band() -> None:
    targets = np.repeat([0.0, 1.0], 100)
    calibration = calibrate.fit({"one": ((targets * 2 - 1) * 8, targets)})
    assert (calibration.real_below, calibration.fake_above) == (0.5, 0.5)


def test_answers_that_tell_nothing_leave_everything_uncertain() -> None:
    """No band keeps the promise, however sure the logits are, and no verdict is given."""
    targets, logits = np.tile([0.0, 1.0], 500), np.random.default_rng(0).normal(0, 5, 1000)
    calibration = calibrate.fit({"one": (logits, targets)})
    assert (calibration.real_below, calibration.fake_above) == (0.0, 1.0)
    assert [len(side) for side in verdicts(calibration, (logits, targets))] == [0, 0]


def test_a_rate_over_a_handful_of_pictures_is_no_evidence() -> None:
    targets = np.repeat([0.0, 1.0], 15)
    calibration = calibrate.fit({"one": ((targets * 2 - 1) * 8, targets)})
    assert (calibration.real_below, calibration.fake_above) == (0.0, 1.0)


def test_a_source_of_real_faces_counts_for_false_accusations_only() -> None:
    both = source(4000, 1.0, 8.0)
    alone = calibrate.fit({"both": both})
    assert alone.fake_above < 0.95
    portraits = np.random.default_rng(1).normal(-6, 1, 500).astype(np.float32), np.zeros(500, np.float32)
    portraits[0][:30] = 6.0  # 6% of them look fake
    with_portraits = calibrate.fit({"both": both, "portraits": portraits})
    accused = with_portraits.p_fake(portraits[0]) >= with_portraits.fake_above
    assert with_portraits.fake_above > alone.fake_above
    assert accused.mean() <= calibrate.FALSE_ACCUSATIONS


def test_nobody_is_accused_more_often_in_a_worse_copy() -> None:
    both = source(4000, 1.0, 3.0)
    alone = calibrate.fit({"both": both})
    worse = both[0] + np.float32(2.5), both[1]  # every copy looks more forged than its original
    with_copies = calibrate.fit({"both": both}, copies={"both": worse})
    accused = with_copies.p_fake(only(worse, 0.0)[0]) >= with_copies.fake_above
    assert (alone.p_fake(only(worse, 0.0)[0]) >= alone.fake_above).mean() > calibrate.FALSE_ACCUSATIONS
    assert accused.mean() <= calibrate.FALSE_ACCUSATIONS
    assert (with_copies.temperature, with_copies.real_below) == (alone.temperature, alone.real_below)


def test_sources_of_one_class_each_are_taken_together() -> None:
    both = source(4000, 1.0, 3.0)
    calibration = calibrate.fit({"reals": only(both, 0.0), "fakes": only(both, 1.0)})
    fakes, reals = verdicts(calibration, both)
    assert fakes.mean() >= calibrate.RATE and reals.mean() >= calibrate.RATE


def test_a_source_without_pictures_changes_nothing() -> None:
    logits: Logits = {"one": source(2000, 1.5, 5.0)}
    nothing = np.zeros(0, np.float32), np.zeros(0, np.float32)
    assert calibrate.fit({**logits, "none": nothing}) == calibrate.fit(logits)


@pytest.mark.parametrize("offset", [-2.0, 0.0, 1.5])
def test_a_known_offset_is_found(offset: float) -> None:
    values, targets = source(8000, 1.5)
    found = calibrate.fit_offset({"one": (values - offset, targets)})
    assert found == pytest.approx(offset, abs=0.25)


def test_every_source_and_class_counts_alike_for_the_offset() -> None:
    """Nine real faces for every fake one do not make a face look more real."""
    values, targets = source(8000, 1.5)
    fakes = np.flatnonzero(targets == 1)
    few = np.sort(np.concatenate([np.flatnonzero(targets == 0), fakes[: len(fakes) // 9]]))
    assert calibrate.fit_offset({"one": (values[few], targets[few])}) == pytest.approx(
        calibrate.fit_offset({"one": (values, targets)}), abs=0.3
    )


def decided(calibration: Calibration, part: tuple[np.ndarray, np.ndarray]) -> float:
    return sum(len(side) for side in verdicts(calibration, part)) / len(part[0])


def test_the_rate_stays_where_it_leaves_most_pictures_a_verdict() -> None:
    logits = {"easy": source(3000, 2.0, 8.0)}
    assert calibrate.fit_usable(logits) == (calibrate.fit(logits), calibrate.RATE)


def test_the_rate_is_lowered_no_further_than_it_takes_to_give_most_pictures_a_verdict() -> None:
    part = source(6000, 1.0, 3.0)
    logits: Logits = {"middling": part}
    assert decided(calibrate.fit(logits), part) < calibrate.DECIDED
    calibration, rate = calibrate.fit_usable(logits)
    assert 0.9 < rate < calibrate.RATE
    assert calibration == calibrate.fit(logits, rate)
    assert decided(calibration, part) >= calibrate.DECIDED > decided(calibrate.fit(logits, rate + 0.005), part)
    assert all(side.mean() >= rate for side in verdicts(calibration, part))


def test_the_rate_stays_where_lowering_it_does_not_help() -> None:
    logits = {"hopeless": source(3000, 1.0, 0.5)}
    calibration, rate = calibrate.fit_usable(logits)
    assert (calibration, rate) == (calibrate.fit(logits), calibrate.RATE)
    assert decided(calibration, logits["hopeless"]) < calibrate.DECIDED


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0, 99.0, float("nan")])
def test_a_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(TrainingError, match="above 0.5 and below 1"):
        calibrate.fit({"one": source(100)}, rate)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_alone_cannot_be_calibrated(value: float) -> None:
    with pytest.raises(TrainingError, match="needs both real and fake pictures"):
        calibrate.fit({"one": only(source(100), value)})
