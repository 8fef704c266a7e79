import dataclasses
import math

import numpy as np
import pytest

from detector.verdict import USUAL_TAIL, Calibration, Tail, Verdict

CALIBRATION = Calibration(temperature=2.0, no_signs_below=0.2, likely_fake_from=0.9)


def test_score_is_the_logistic_of_the_logit_over_the_temperature():
    logits = np.array([-4.0, 0.0, 2.0])
    assert CALIBRATION.score(logits) == pytest.approx([1 / (1 + math.e**2), 0.5, 1 / (1 + math.e**-1)])


def test_score_rises_with_the_logit_and_stays_within_0_and_1():
    scores = CALIBRATION.score(np.array([-np.inf, -1e30, -50, -1, 0, 1, 50, 1e30, np.inf], np.float32))
    assert np.all(np.diff(scores) >= 0)
    assert 0 <= scores[0] < 1e-20
    assert scores[-1] == 1


def test_score_keeps_the_shape_and_is_double():
    assert CALIBRATION.score(np.zeros((2, 3), np.float32)).shape == (2, 3)
    assert CALIBRATION.score(np.zeros(0, np.float32)).shape == (0,)
    assert CALIBRATION.score(np.zeros(1, np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0.0, Verdict.NO_SIGNS),
        (0.199999, Verdict.NO_SIGNS),
        (0.2, Verdict.UNCERTAIN),
        (0.5, Verdict.UNCERTAIN),
        (0.899999, Verdict.UNCERTAIN),
        (0.9, Verdict.LIKELY_FAKE),
        (1.0, Verdict.LIKELY_FAKE),
    ],
)
def test_the_bands_decide(score, verdict):
    assert CALIBRATION.verdict(score) is verdict


def test_a_face_leans_below_the_band_of_the_forged():
    leaning = dataclasses.replace(CALIBRATION, leans_fake_from=0.8)
    assert [leaning.verdict(score) for score in (0.7999, 0.8, 0.8999, 0.9)] == [
        Verdict.UNCERTAIN, Verdict.LEANS_FAKE, Verdict.LEANS_FAKE, Verdict.LIKELY_FAKE,
    ]  # fmt: skip
    assert leaning.verdicts([0.85], [True]) == [Verdict.LEANS_FAKE]
    assert leaning.verdicts([0.85] * 9, [True] * 9) == [Verdict.UNCERTAIN] * 9


def test_bands_that_meet_leave_nothing_uncertain():
    calibration = Calibration(1.0, 0.5, 0.5)
    assert calibration.verdict(0.4999) is Verdict.NO_SIGNS
    assert calibration.verdict(0.5) is Verdict.LIKELY_FAKE


def test_bands_may_leave_everything_uncertain_but_certainty():
    calibration = Calibration(1.0, 0.0, 1.0)
    assert calibration.verdict(0.0) is Verdict.UNCERTAIN
    assert calibration.verdict(0.999) is Verdict.UNCERTAIN


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize("shape", [-0.6, 0.0, 0.3])
def test_as_many_pictures_of_real_people_are_accused_whatever_the_number_of_faces(shape):
    """Scores whose tail is known, 1% of them at 0.9 or above."""
    rng = np.random.default_rng(0)
    calibration = dataclasses.replace(CALIBRATION, tail=Tail(logit(0.9), 0.5, shape))
    for n in (1, 5, 20):
        rare = rng.random((20_000, n)) / 0.01  # shares of real faces that score higher, in units of 1%
        logits = logit(0.9) + 0.5 * (-np.log(rare) if shape == 0 else (rare**-shape - 1) / shape)
        worst = 1 / (1 + np.exp(-logits.max(axis=1)))
        own = calibration.among(n)
        assert (worst >= own.likely_fake_from).mean() == pytest.approx(0.01, abs=0.003)
        assert n == 1 or (worst >= calibration.likely_fake_from).mean() > 0.04
        assert (own.temperature, own.no_signs_below) == (2.0, 0.2)
        assert own.leans_fake_from is None
        leaning = dataclasses.replace(calibration, leans_fake_from=0.85).among(n)
        assert leaning.leans_fake_from == calibration.tail.raised(0.85, n) <= leaning.likely_fake_from


def test_a_model_without_a_tail_has_the_usual_one():
    assert CALIBRATION.among(0) == CALIBRATION.among(1) == CALIBRATION
    usual = dataclasses.replace(CALIBRATION, tail=USUAL_TAIL).among(20)
    assert 0.9 < CALIBRATION.among(20).likely_fake_from == usual.likely_fake_from < 1
    for threshold in (0.0, 1.0):
        assert Calibration(1.0, 0.0, threshold).among(20).likely_fake_from == threshold


def test_a_face_that_cannot_be_judged_is_neither_accused_nor_cleared():
    calibration = dataclasses.replace(CALIBRATION, tail=Tail(0.0, 0.5, 0.0))
    assert calibration.verdicts([0.1, 0.92, 0.5], [True] * 3) == [
        Verdict.NO_SIGNS, Verdict.UNCERTAIN, Verdict.UNCERTAIN,
    ]  # fmt: skip
    assert calibration.verdicts([0.1, 0.92, 0.99], [False, True, False]) == [
        Verdict.UNCERTAIN, Verdict.LIKELY_FAKE, Verdict.UNCERTAIN,
    ]  # fmt: skip
    assert CALIBRATION.verdicts([], []) == []


def test_the_words_are_those_of_the_contract():
    assert [str(verdict) for verdict in Verdict] == ["likely_fake", "leans_fake", "uncertain", "no_signs", "no_face"]


@pytest.mark.parametrize(
    ("temperature", "no_signs_below", "likely_fake_from"),
    [
        (0, 0.2, 0.9),
        (-1, 0.2, 0.9),
        (math.nan, 0.2, 0.9),
        (math.inf, 0.2, 0.9),
        (1, math.nan, 0.9),
        (1, 0.2, math.nan),
        (1, 0.9, 0.2),
        (1, -0.1, 0.9),
        (1, 0.2, 1.1),
    ],
)
def test_numbers_that_cannot_be_right_are_refused(temperature, no_signs_below, likely_fake_from):
    with pytest.raises(ValueError, match="must be"):
        Calibration(temperature, no_signs_below, likely_fake_from)


@pytest.mark.parametrize(
    "numbers", [(math.nan, 1, 0), (0, 0, 0), (0, -1, 0), (0, 11, 0), (0, 1, -1.1), (0, 1, 0.6), (0, 1, math.nan)]
)
def test_a_tail_that_cannot_be_right_is_refused(numbers):
    with pytest.raises(ValueError, match="must be wrong"):
        Tail(*numbers)
