"""Figures against another library, against hand counts, and with intervals around them."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detector.verdict import Calibration
from training.evaluation import metrics
from training.evaluation.metrics import Answers

BANDS = Calibration(1.0, 0.2, 0.8)
COUNTS = {"n", "judged", "fake", "real", "no_face", "confusion"}


def drawn(count: int, seed: int = 0, fakes: float = 0.5) -> Answers:
    """Answers that tell something, and whose P(fake) is honest."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(0, 2, count)))
    targets = (rng.random(count) < p).astype(np.float32) if fakes == 0.5 else np.full(count, fakes, np.float32)
    return Answers(targets, p, np.maximum(p, rng.random(count) * 0.5))


@pytest.mark.parametrize("steps", [2, 5, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_auc_is_that_of_scikit_learn_ties_included(steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.random(300) < 0.3
    scores = np.round((rng.random(300) + targets * 0.3) * steps) / steps
    assert metrics.auc(targets, scores) == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


def test_auc_of_one_class_is_no_number() -> None:
    assert np.isnan(metrics.auc(np.zeros(5, bool), np.arange(5.0)))
    assert np.isnan(metrics.auc(np.ones(5, bool), np.arange(5.0)))


def test_calibration_error_by_hand() -> None:
    p = np.array([0.01, 0.02, 0.50, 0.51, 0.52, 0.99])
    targets = np.array([0, 0, 1, 0, 1, 1])
    # bins: two at 0.015 with no fake; three at 0.51 with two fakes; one at 0.99 with a fake
    by_hand = (2 * 0.015 + 3 * abs(0.51 - 2 / 3) + 0.01) / 6
    assert metrics.expected_calibration_error(targets, p) == pytest.approx(by_hand)
    assert [row["n"] for row in metrics.reliability(targets, p)] == [2, 3, 1]


def test_probabilities_of_0_and_1_have_a_bin() -> None:
    table = metrics.reliability(np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]))
    assert table == [{"n": 1, "mean_p": 0.0, "fakes": 0.0}, {"n": 2, "mean_p": 1.0, "fakes": 1.0}]


def test_figures_by_hand() -> None:
    nan = np.nan
    targets = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0], np.float32)
    p_face = np.array([0.9, 0.85, 0.6, 0.1, 0.05, 0.1, 0.3, 0.6, 0.95, nan, nan])
    p_picture = np.array([0.9, 0.85, 0.6, 0.7, 0.05, 0.1, 0.5, 0.6, 0.95, nan, nan])
    found = metrics.figures(Answers(targets, p_face, p_picture), BANDS)
    assert {name: found[name] for name in COUNTS} == {
        "n": 11,
        "judged": 9,
        "fake": 4,
        "real": 5,
        "no_face": round(2 / 11, 4),
        "confusion": {"real_as_real": 3, "real_as_fake": 2, "fake_as_real": 1, "fake_as_fake": 3},
    }
    values = {name: figure["value"] for name, figure in found.items() if name not in COUNTS}
    assert values == {
        "auc": 0.65,  # 13 of 20 pairs in order, ties half
        "accuracy": round(6 / 9, 4),
        "precision_fake": 0.6,
        "recall_fake": 0.75,
        "precision_real": 0.75,
        "recall_real": 0.6,
        "false_accusations": 0.4,
        "missed_fakes": 0.25,
        "called_likely_fake_though_real": 0.2,
        "called_likely_real_though_fake": 0.25,
        "ece": values["ece"],
        "uncertain": round(3 / 9, 4),
        "error_when_decided": round(2 / 6, 4),
        "picture_auc": values["picture_auc"],
        "picture_false_accusations": 0.6,
    }
    seen = np.isfinite(p_face)
    assert values["ece"] == round(metrics.expected_calibration_error(targets[seen], p_face[seen]), 4)
    assert values["picture_auc"] == round(roc_auc_score(targets[seen], p_picture[seen]), 4)


def test_a_set_without_any_face_is_only_counted() -> None:
    nothing = np.full(3, np.nan)
    found = metrics.figures(Answers(np.array([1, 0, 0], np.float32), nothing, nothing), BANDS)
    assert found == {"n": 3, "judged": 0, "fake": 0, "real": 0, "no_face": 1.0}


@pytest.mark.parametrize("fakes", [0.0, 1.0])
def test_a_set_of_one_class_has_only_the_figures_of_that_class(fakes: float) -> None:
    found = metrics.figures(drawn(200, fakes=fakes), BANDS)
    both = {"auc", "picture_auc"}
    of_real = {"recall_real", "false_accusations", "called_likely_fake_though_real", "picture_false_accusations"}
    of_fake = {"recall_fake", "missed_fakes", "called_likely_real_though_fake"}
    present, absent = (of_fake, of_real) if fakes else (of_real, of_fake)
    assert present <= set(found) and not (absent | both) & set(found)
    assert {"accuracy", "ece", "uncertain"} <= set(found)


@pytest.mark.parametrize("count", [12, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_every_interval_holds_its_value(count: int, seed: int) -> None:
    found = metrics.figures(drawn(count, seed), BANDS)
    for name in set(found) - COUNTS:
        figure = found[name]
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, (name, figure)


def test_intervals_are_as_wide_as_the_number_of_pictures_says() -> None:
    narrow, wide = (metrics.figures(drawn(count), BANDS)["accuracy"] for count in (2000, 100))
    spread = wide["high"] - wide["low"]
    value = wide["value"]
    assert spread == pytest.approx(2 * 1.96 * np.sqrt(value * (1 - value) / 100), rel=0.2)  # the binomial's own
    assert narrow["high"] - narrow["low"] < 0.35 * spread


def test_the_seed_decides_the_intervals() -> None:
    answers = drawn(80)
    first, again, other = (metrics.figures(answers, BANDS, resamples=100, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_the_roc_curve_by_hand() -> None:
    curve = metrics.roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]), points=4)
    assert curve == {
        "false_accusations": [0.0, 0.0, 0.5, 0.5, 1.0, 1.0],
        "found_fakes": [0.0, 0.5, 0.5, 1.0, 1.0, 1.0],
    }


def test_the_roc_curve_runs_from_corner_to_corner_over_the_area_that_auc_states() -> None:
    answers = drawn(500)
    curve = metrics.roc(answers.targets, answers.p_face)
    x, y = np.array(curve["false_accusations"]), np.array(curve["found_fakes"])
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(answers.targets, answers.p_face), abs=0.01)


def test_the_luck_of_a_small_set_weighs_little() -> None:
    counts = {"large": 2500, "small": 25, "unused": 9}
    assert metrics.mean_by_precision({"large": 0.9, "small": 0.9}, counts) == pytest.approx(0.9)
    assert metrics.mean_by_precision({"large": 0.9, "small": 0.79}, counts) == pytest.approx(0.89)
    assert metrics.mean_by_precision({"small": 0.7}, counts) == pytest.approx(0.7)
