import math

import numpy as np
import pytest

from detector.verdict import Calibration, Verdict

CALIBRATION = Calibration(temperature=2.0, no_signs_below=0.2, likely_fake_from=0.9)


def test_p_fake_is_the_logistic_of_the_logit_over_the_temperature():
    logits = np.array([-4.0, 0.0, 2.0])
    assert CALIBRATION.p_fake(logits) == pytest.approx([1 / (1 + math.e**2), 0.5, 1 / (1 + math.e**-1)])


def test_p_fake_rises_with_the_logit_and_stays_within_0_and_1():
    p_fakes = CALIBRATION.p_fake(np.array([-np.inf, -1e30, -50, -1, 0, 1, 50, 1e30, np.inf], np.float32))
    assert np.all(np.diff(p_fakes) >= 0)
    assert 0 <= p_fakes[0] < 1e-20
    assert p_fakes[-1] == 1


def test_p_fake_keeps_the_shape_and_is_double():
    assert CALIBRATION.p_fake(np.zeros((2, 3), np.float32)).shape == (2, 3)
    assert CALIBRATION.p_fake(np.zeros(0, np.float32)).shape == (0,)
    assert CALIBRATION.p_fake(np.zeros(1, np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("p_fake", "verdict"),
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
def test_the_bands_decide(p_fake, verdict):
    assert CALIBRATION.verdict(p_fake) is verdict


def test_bands_that_meet_leave_nothing_uncertain():
    calibration = Calibration(1.0, 0.5, 0.5)
    assert calibration.verdict(0.4999) is Verdict.NO_SIGNS
    assert calibration.verdict(0.5) is Verdict.LIKELY_FAKE


def test_bands_may_leave_everything_uncertain_but_certainty():
    calibration = Calibration(1.0, 0.0, 1.0)
    assert calibration.verdict(0.0) is Verdict.UNCERTAIN
    assert calibration.verdict(0.999) is Verdict.UNCERTAIN


def test_a_picture_takes_the_verdict_of_its_most_suspicious_face():
    assert CALIBRATION.verdict_of_picture([0.1, 0.95, 0.5]) == (Verdict.LIKELY_FAKE, 0.95)
    assert CALIBRATION.verdict_of_picture([0.1, 0.5]) == (Verdict.UNCERTAIN, 0.5)
    assert CALIBRATION.verdict_of_picture([0.1]) == (Verdict.NO_SIGNS, 0.1)


def test_no_face_comes_without_a_score():
    assert CALIBRATION.verdict_of_picture([]) == (Verdict.NO_FACE, None)


def test_the_words_are_those_of_the_contract():
    assert [str(verdict) for verdict in Verdict] == ["likely_fake", "uncertain", "no_signs", "no_face"]


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
