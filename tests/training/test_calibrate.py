"""Logits of a known temperature, and thresholds that hold their limits on the sets that they were fitted on."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest

from detector.verdict import Calibration
from training.errors import TrainingError
from training.evaluation import calibrate
from training.evaluation.calibrate import Limits

Logits = dict[str, tuple[np.ndarray, np.ndarray]]


def source(count: int, temperature: float = 1.0, spread: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N,) and targets (N,) whose honest P(fake) is the sigmoid of logit / temperature."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, spread, count)
    targets = (rng.random(count) < 1 / (1 + np.exp(-honest))).astype(np.float32)
    return (honest * temperature).astype(np.float32), targets


def drawn(count: int, middle: float, fake: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N,) around `middle` of one class."""
    logits = np.random.default_rng(seed).normal(middle, 2.0, count).astype(np.float32)
    return logits, np.full(count, float(fake), np.float32)


def only(part: tuple[np.ndarray, np.ndarray], value: float) -> tuple[np.ndarray, np.ndarray]:
    return part[0][part[1] == value], part[1][part[1] == value]


SEEN: Logits = {"easy": source(3000, 2.0, 7.0), "hard": source(3000, 2.0, 3.0, seed=1)}
UNSEEN: Logits = {
    "diffusion": drawn(200, 0.5, fake=True),
    "swaps": drawn(54, -0.5, fake=True, seed=1),
    "gan": tuple(np.concatenate(pair) for pair in zip(drawn(200, 3, True, 2), drawn(300, -2, False, 3), strict=True)),
    "congress": drawn(400, -3, fake=False, seed=4),
}


def no_signs(calibration: Calibration, sets: Logits) -> dict[str, float]:
    """Of the forgeries of each set that has any, the share below the threshold."""
    fakes = {name: only(part, 1.0)[0] for name, part in sets.items()}
    return {
        name: float((calibration.score(logits) < calibration.no_signs_below).mean())
        for name, logits in fakes.items()
        if len(logits)
    }


def accused(calibration: Calibration, sets: Logits) -> dict[str, float]:
    """Of the real faces of each set that has any, the share that is called likely fake."""
    reals = {name: only(part, 0.0)[0] for name, part in sets.items()}
    return {
        name: float((calibration.score(logits) >= calibration.likely_fake_from).mean())
        for name, logits in reals.items()
        if len(logits)
    }


def bounds(calibration: Calibration, limits: Limits) -> list[tuple[float, float, float, float]]:
    """Both thresholds of suspicion, and for each the limits of the mean, of a set, and of its lower bound."""
    return [
        (
            calibration.likely_fake_from,
            limits.max_false_positive_rate,
            limits.max_false_positive_rate_of_set,
            limits.max_false_positive_lower_bound,
        ),
        (
            calibration.leans_from,
            limits.max_leans_rate,
            limits.max_leans_rate_of_set,
            limits.max_leans_lower_bound,
        ),
    ]


def reached(sets: Logits, lowest: float, calibration: Calibration) -> tuple[list[float], list[int]]:
    """The share of the real faces of each set that has any that reach a threshold, and their number."""
    real = [logits for name in sets if len(logits := only(sets[name], 0.0)[0])]
    return [share_from(calibration, r, lowest) for r in real], [*map(len, real)]


def share_from(calibration: Calibration, logits: np.ndarray, lowest: float | None = None) -> float:
    """The share of logits that reach a threshold, by default that of likely fake."""
    from_ = calibration.likely_fake_from if lowest is None else lowest
    return float((calibration.score(logits) >= from_).mean())


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 6.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits = {"one": source(6000, temperature), "two": source(3000, temperature, seed=1)}
    assert calibrate.fit_temperature(logits) == pytest.approx(temperature, rel=0.08)
    assert calibrate.fit({}, logits).temperature == pytest.approx(temperature, rel=0.08)


def test_every_source_counts_alike_for_the_temperature() -> None:
    small, large = source(2000, 1.0), source(20000, 4.0, seed=1)
    repeated = tuple(np.tile(part, 10) for part in small)
    assert calibrate.fit_temperature({"small": small, "large": large}) == pytest.approx(
        calibrate.fit_temperature({"small": repeated, "large": large}), rel=1e-4
    )


def test_the_temperature_is_that_of_the_unseen_sets() -> None:
    unseen, seen = {"new": source(6000, 3.0)}, {"old": source(6000, 0.5, seed=1)}
    assert calibrate.fit(unseen, seen).temperature == pytest.approx(3.0, rel=0.08)
    assert calibrate.fitted_on(unseen, seen) is unseen


def test_unseen_sets_of_one_class_leave_the_temperature_to_the_seen_ones() -> None:
    unseen, seen = {"congress": drawn(300, -3, fake=False)}, {"old": source(6000, 0.5, seed=1)}
    assert calibrate.fit(unseen, seen).temperature == pytest.approx(0.5, rel=0.08)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(0.05, 0.002, 0.03, 0.05, 0.04, 0.08, 0.15, 0.1),
        Limits(0.4, 0.1, 0.0),
        Limits(max_false_positive_rate=0.1, max_false_positive_rate_of_set=0.02),
        Limits(max_leans_rate=0.2, max_leans_rate_of_set=0.3),
    ],
)
def test_every_limit_holds(limits: Limits) -> None:
    calibration = calibrate.fit(UNSEEN, SEEN, limits)
    assert 0 < calibration.no_signs_below <= 0.5 <= calibration.likely_fake_from < 1
    assert calibration.no_signs_below <= calibration.leans_from <= calibration.likely_fake_from
    assert max(no_signs(calibration, UNSEEN).values()) <= limits.max_unseen_no_signs
    assert np.mean(list(no_signs(calibration, SEEN).values())) <= limits.max_seen_no_signs
    for lowest, mean, of_set, lower_bound in bounds(calibration, limits):
        shares, sizes = reached({**UNSEEN, **SEEN}, lowest, calibration)
        assert np.mean(shares) <= mean and max(shares) <= of_set
        low = [
            binomtest(round(p * n), n).proportion_ci(method="wilson").low for p, n in zip(shares, sizes, strict=True)
        ]
        assert max(low) <= lower_bound


def test_thresholds_are_as_tight_as_they_can_be() -> None:
    """A little lower, and a limit is broken."""
    limits = Limits()
    calibration = calibrate.fit(UNSEEN, SEEN, limits)
    less = dataclasses.replace(calibration, no_signs_below=calibration.no_signs_below + 0.004)
    assert (
        max(no_signs(less, UNSEEN).values()) > limits.max_unseen_no_signs
        or np.mean(list(no_signs(less, SEEN).values())) > limits.max_seen_no_signs
    )
    assert calibration.likely_fake_from > 0.504 and calibration.leans_from > calibration.no_signs_below + 0.004
    for lowest, mean, of_set, lower_bound in bounds(calibration, limits):
        shares, sizes = reached({**UNSEEN, **SEEN}, lowest - 0.004, calibration)
        low = [
            binomtest(round(p * n), n).proportion_ci(method="wilson").low for p, n in zip(shares, sizes, strict=True)
        ]
        assert np.mean(shares) > mean or max(shares) > of_set or max(low) > lower_bound


def test_one_or_two_pictures_of_a_small_set_move_no_threshold() -> None:
    """Two faces that look forged were all that the rule of the worst set went by."""
    rest = drawn(178, -3, fake=False, seed=7)[0]
    with_two = {**UNSEEN, "ffhq": (np.concatenate([rest, [12.0, 11.0]]), np.zeros(180, np.float32))}
    without = {**UNSEEN, "ffhq": (np.concatenate([rest, [-3.0, -3.0]]), np.zeros(180, np.float32))}
    before, after = (calibrate.fit(sets, SEEN).likely_fake_from for sets in (without, with_two))
    logit = [np.log(p / (1 - p)) for p in (before, after)]
    assert logit[1] - logit[0] < 0.5


def test_a_camera_that_is_accused_too_often_moves_it() -> None:
    many = np.concatenate([drawn(160, -3, fake=False, seed=7)[0], np.full(40, 6.0, np.float32)])
    sets = {**UNSEEN, "bright": (many, np.zeros(200, np.float32))}
    calibration = calibrate.fit(sets, SEEN)
    assert accused(calibration, sets)["bright"] <= 0.04 < share_from(calibrate.fit(UNSEEN, SEEN), many)


def test_thresholds_are_what_the_configuration_can_hold() -> None:
    calibration = calibrate.fit(UNSEEN, SEEN)
    for value in (calibration.temperature, calibration.no_signs_below, calibration.likely_fake_from):
        assert value == round(value, 6)


def test_each_unseen_set_limits_no_signs_by_itself() -> None:
    """A set that passes for real lowers the threshold, however large the others are."""
    before = calibrate.fit(UNSEEN, SEEN, Limits(max_seen_no_signs=0.5))
    hard = {**UNSEEN, "new": drawn(40, -4, fake=True, seed=9)}
    after = calibrate.fit(hard, SEEN, Limits(max_seen_no_signs=0.5))
    assert no_signs(after, hard)["new"] <= 0.2
    assert after.no_signs_below < before.no_signs_below


def test_seen_sets_limit_no_signs_on_average() -> None:
    calibration = calibrate.fit({}, SEEN, Limits(max_seen_no_signs=0.03))
    shares = no_signs(calibration, SEEN)
    assert shares["hard"] > 0.03 > shares["easy"] and np.mean(list(shares.values())) <= 0.03


def test_a_tiny_set_counts_by_its_plain_share() -> None:
    """One of five is a fifth; none of 30 is none, though it might be one of ten in the long run."""
    five = np.array([-3.0, 1, 2, 3, 4], np.float32), np.ones(5, np.float32)
    thirty = np.linspace(-6, -2, 30).astype(np.float32), np.zeros(30, np.float32)
    calibration = calibrate.fit({"five": five, "thirty": thirty}, {}, Limits())
    assert no_signs(calibration, {"five": five}) == {"five": 0.2}
    assert (calibration.likely_fake_from, accused(calibration, {"thirty": thirty})) == (0.5, {"thirty": 0.0})


def test_perfect_answers_leave_nothing_uncertain() -> None:
    targets = np.repeat([0.0, 1.0], 100)
    calibration = calibrate.fit({}, {"one": ((targets * 2 - 1) * 8, targets)})
    assert (calibration.no_signs_below, calibration.likely_fake_from) == (0.5, 0.5)


def test_answers_that_tell_nothing_give_few_verdicts() -> None:
    """However sure the logits are."""
    targets, logits = np.tile([0.0, 1.0], 500), np.random.default_rng(0).normal(0, 5, 1000)
    calibration = calibrate.fit({}, {"one": (logits, targets)})
    found = calibrate.shares(calibration, {"one": (logits, targets)})["one"]
    assert found["real_likely_fake"] <= 0.01 and found["fake_no_signs"] <= 0.01
    assert found["real_no_signs"] + found["real_likely_fake"] < 0.05


def test_nobody_is_accused_more_often_in_a_worse_copy() -> None:
    both = source(4000, 1.0, 3.0)
    alone = calibrate.fit({}, {"both": both})
    worse = both[0] + np.float32(2.5), both[1]  # every copy looks more forged than its original
    real = only(worse, 0.0)[0]
    with_copies = calibrate.fit({}, {"both": both}, copies=[real])
    assert (alone.score(real) >= alone.likely_fake_from).mean() > Limits().max_false_positive_rate
    assert (with_copies.score(real) >= with_copies.likely_fake_from).mean() <= Limits().max_false_positive_rate
    assert (with_copies.temperature, with_copies.no_signs_below) == (alone.temperature, alone.no_signs_below)


def test_a_source_without_pictures_changes_nothing() -> None:
    logits: Logits = {"one": source(2000, 1.5, 5.0)}
    nothing = np.zeros(0, np.float32), np.zeros(0, np.float32)
    assert calibrate.fit({"none": nothing}, {**logits, "none": nothing}, copies=[nothing[0]]) == calibrate.fit(
        {}, logits
    )


def test_the_shares_that_are_reported_by_hand() -> None:
    calibration = Calibration(1.0, 0.2, 0.9, 0.5)
    sets = {
        "both": (np.array([-9.0, 9, 0, -9]), np.array([1.0, 1, 1, 0])),
        "real": (np.array([0.0, 9]), np.zeros(2)),
    }
    third = pytest.approx(1 / 3, abs=1e-4)
    assert calibrate.shares(calibration, sets) == {
        "both": {
            "fake_no_signs": third,
            "fake_leans_fake": third,
            "fake_likely_fake": third,
            "real_no_signs": 1.0,
            "real_leans_fake": 0.0,
            "real_likely_fake": 0.0,
        },
        "real": {"real_no_signs": 0.0, "real_leans_fake": 0.5, "real_likely_fake": 0.5},
    }


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


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_limit_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(TrainingError, match="from 0 to below 1"):
        Limits(max_false_positive_rate=share)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_alone_cannot_be_calibrated(value: float) -> None:
    with pytest.raises(TrainingError, match="needs both real and fake pictures"):
        calibrate.fit({}, {"one": only(source(100), value)})


@pytest.mark.parametrize("shape", [-0.5, 0.0])
def test_the_tail_of_the_real_faces_is_found(shape: float) -> None:
    """Of real faces whose highest tenth falls off in a known way; of few there is none to tell."""
    rare = np.random.default_rng(0).random(10_000) * 10  # in units of the highest tenth
    excess = -np.log(rare) if shape == 0 else (rare**-shape - 1) / shape
    p = 1 / (1 + np.exp(-0.4 * excess))
    found = calibrate.fit_tail([p[:4000], p[4000:]])
    assert (found.start, found.scale, found.shape) == pytest.approx((0, 0.4, shape), abs=0.08)
    assert calibrate.fit_tail([p[:99], p[99:199]]) is None
    assert calibrate.fit_tail([np.full(500, 0.3)]) is None
    fitted = calibrate.fit(UNSEEN, SEEN)
    assert fitted.tail is not None and fitted.among(20).likely_fake_from >= fitted.likely_fake_from
