"""Figures against another library, against hand counts, and with intervals around them."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detector.model_folder import FIGURES, Confusion, Measured, ReliabilityBin, Roc
from detector.verdict import Calibration
from training.evaluation import metrics
from training.evaluation.metrics import Answers

THRESHOLDS = Calibration(1.0, 0.2, 0.8)
LEANING = Calibration(1.0, 0.2, 0.8, 0.6)
RATES = set(FIGURES) - {"auc", "picture_auc", "ece"}


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
    assert [row.n for row in metrics.reliability(targets, p)] == [2, 3, 1]


def test_probabilities_of_0_and_1_have_a_bin() -> None:
    table = metrics.reliability(np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]))
    assert table == (ReliabilityBin(1, 0.0, 0.0), ReliabilityBin(2, 1.0, 1.0))


def test_figures_by_hand() -> None:
    nan = np.nan
    targets = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0], np.float32)
    p_face = np.array([0.9, 0.85, 0.6, 0.1, 0.05, 0.1, 0.3, 0.6, 0.95, nan, nan])
    p_picture = np.array([0.9, 0.85, 0.6, 0.7, 0.05, 0.1, 0.5, 0.6, 0.95, nan, nan])
    found = metrics.measured(Answers(targets, p_face, p_picture), THRESHOLDS)
    assert (found.n, found.judged, found.fake, found.real, found.no_face) == (11, 9, 4, 5, round(2 / 11, 4))
    assert found.confusion == Confusion(real_as_real=3, real_as_fake=2, fake_as_real=1, fake_as_fake=3)
    values = {name: figure.value for name, figure in found.figures.items()}
    assert values == {
        "auc": 0.65,  # 13 of 20 pairs in order, ties half
        "accuracy": round(6 / 9, 4),
        "precision_fake": 0.6,
        "recall_fake": 0.75,
        "precision_real": 0.75,
        "recall_real": 0.6,
        "false_positive_rate": 0.4,
        "false_negative_rate": 0.25,
        "real_likely_fake": 0.2,
        "real_no_signs": 0.4,
        "fake_likely_fake": 0.5,
        "fake_no_signs": 0.25,
        "ece": round((0.05 + 2 * 0.4 + 0.3 + 2 * 0.1 + 0.15 + 0.1 + 0.95) / 9, 4),  # by bins of 1/15, from below
        "abstention_rate": round(3 / 9, 4),
        "selective_risk": round(2 / 6, 4),
        "picture_auc": 0.775,  # 15 of 20 pairs, and a tie
        "picture_false_positive_rate": 0.6,
    }
    counts = {name: figure.n for name, figure in found.figures.items()}
    assert counts == {
        **dict.fromkeys(("auc", "accuracy", "ece", "abstention_rate", "picture_auc"), 9),
        **dict.fromkeys(("recall_fake", "false_negative_rate", "fake_likely_fake", "fake_no_signs"), 4),
        **dict.fromkeys(("recall_real", "false_positive_rate", "real_likely_fake", "real_no_signs"), 5),
        "picture_false_positive_rate": 5,
        "precision_fake": 5,
        "precision_real": 4,
        "selective_risk": 6,
    }


def test_a_set_without_any_face_is_only_counted() -> None:
    nothing = np.full(3, np.nan)
    found = metrics.measured(Answers(np.array([1, 0, 0], np.float32), nothing, nothing), THRESHOLDS)
    assert found == Measured(n=3, judged=0, fake=0, real=0, no_face=1.0)


@pytest.mark.parametrize("fakes", [0.0, 1.0])
def test_a_set_of_one_class_has_only_the_figures_of_that_class(fakes: float) -> None:
    found = set(metrics.measured(drawn(200, fakes=fakes), THRESHOLDS).figures)
    both = {"auc", "picture_auc", "ece"}  # P(fake) cannot be measured against a share that is 0 or 1 by choice
    of_real = {"recall_real", "false_positive_rate", "real_likely_fake", "real_no_signs", "picture_false_positive_rate"}
    of_fake = {"recall_fake", "false_negative_rate", "fake_likely_fake", "fake_no_signs"}
    present, absent = (of_fake, of_real) if fakes else (of_real, of_fake)
    assert present <= found and not (absent | both) & found
    assert {"accuracy", "abstention_rate", "selective_risk"} <= found


@pytest.mark.parametrize("count", [12, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_every_interval_holds_its_value(count: int, seed: int) -> None:
    found = metrics.measured(drawn(count, seed), LEANING).figures
    assert set(found) == set(FIGURES)
    for name, figure in found.items():
        assert 0 <= figure.low <= figure.value <= figure.high <= 1, (name, figure)
        assert name not in RATES or figure.low < figure.high, (name, figure)


def test_intervals_are_as_wide_as_the_number_of_pictures_says() -> None:
    narrow, wide = (metrics.measured(drawn(count), THRESHOLDS).accuracy for count in (2000, 100))
    spread = wide.high - wide.low
    value = wide.value
    assert spread == pytest.approx(2 * 1.96 * np.sqrt(value * (1 - value) / 100), rel=0.2)  # the binomial's own
    assert narrow.high - narrow.low < 0.35 * spread


def test_none_of_thirty_does_not_mean_never() -> None:
    """Wilson's upper bound, by the formula: z^2 / (n + z^2)."""
    thirty = Answers(np.zeros(30, np.float32), np.full(30, 0.1), np.full(30, 0.1))
    found = metrics.measured(thirty, THRESHOLDS).real_likely_fake
    assert (found.value, found.low, found.n) == (0.0, 0.0, 30)
    assert found.high == pytest.approx(1.96**2 / (30 + 1.96**2), abs=1e-3)
    assert 0.11 < found.high < 0.12
    every = metrics.measured(thirty, THRESHOLDS).real_no_signs
    assert (every.value, every.high) == (1.0, 1.0) and every.low == pytest.approx(1 - found.high, abs=1e-4)


def test_fakes_may_be_told_from_the_real_faces_of_other_sets() -> None:
    fakes, others = drawn(80, 1, fakes=1.0), metrics.together([drawn(50, 2, fakes=0.0), drawn(70, 3, fakes=0.0)])
    found = metrics.measured(fakes, THRESHOLDS, against=others)
    targets = np.repeat([1, 0], [80, 120])
    expected = roc_auc_score(targets, np.concatenate([fakes.p_face, others.p_face]))
    assert (found.auc.value, found.auc.n) == (round(expected, 4), 200)
    assert (found.n, found.real, found.real_likely_fake) == (80, 0, None)
    assert metrics.measured(others, THRESHOLDS, against=others).auc is None


def test_auc_against_pooled_real_faces_by_hand() -> None:
    nothing = np.zeros(0)
    sets = {
        "fakes": (np.array([2.0, 4.0]), np.ones(2)),
        "both": (np.array([1.0, 5.0]), np.array([0.0, 1.0])),
        "real": (np.array([3.0]), np.zeros(1)),
        "none": (nothing, nothing),
    }
    assert metrics.auc_against_pooled(sets) == {"fakes": 0.75, "both": 1.0}
    assert metrics.auc_against_pooled({"fakes": sets["fakes"]}) == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Asian female 0-17", {"origin": "Asian", "sex": "female", "age": "0-17"}),
        ("male hispanic", {"origin": "hispanic", "sex": "male"}),
        ("black/Male/60+", {"origin": "black", "sex": "male", "age": "60+"}),
        ("age 18-59", {"age": "18-59"}),
        ("born before 1930", {"group": "born before 1930"}),
    ],
)
def test_the_name_of_a_group_says_who_is_in_it(name: str, said: dict[str, str]) -> None:
    assert metrics.attributes_of(name) == said


def test_groups_are_counted_along_each_attribute_and_small_ones_together() -> None:
    groups = np.array(
        ["A female 0-17"] * 30 + ["B male 0-17"] * 30 + ["C male 18+"] * 5 + ["D male 18+"] * 4 + [""] * 9
    )
    p = np.full(len(groups), 0.1)
    p[:3], p[30:36], p[60:62] = 0.9, 0.5, 0.95
    targets = np.zeros(len(groups), np.float32)
    fake = Answers(np.ones(1, np.float32), np.full(1, 0.99), np.full(1, 0.99))
    answers, groups = metrics.together([Answers(targets, p, p), fake]), np.append(groups, "A female 0-17")
    found = {(g.attribute, g.group): g for g in metrics.by_group(answers, groups, THRESHOLDS)}
    assert {place: g.judged for place, g in found.items()} == {
        ("origin", "A"): 30,
        ("origin", "B"): 30,
        ("origin", "smaller groups"): 9,
        ("sex", "female"): 30,
        ("sex", "male"): 39,
        ("age", "0-17"): 60,
        ("age", "smaller groups"): 9,
    }
    women, men = found["sex", "female"], found["sex", "male"]
    assert (women.false_positive_rate.value, women.real_likely_fake.value, women.abstention_rate.value) == (0.1, 0.1, 0)
    assert men.false_positive_rate.value == round(8 / 39, 4) and men.abstention_rate.value == round(6 / 39, 4)
    assert all(g.false_positive_rate.low < g.false_positive_rate.high for g in found.values())
    assert metrics.by_group(answers, np.full(len(groups), ""), THRESHOLDS) == ()


def test_the_seed_decides_the_intervals() -> None:
    answers = drawn(80)
    first, again, other = (metrics.measured(answers, THRESHOLDS, resamples=100, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_the_roc_curve_by_hand() -> None:
    curve = metrics.roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]), points=4)
    assert curve == Roc((0.0, 0.0, 0.5, 0.5, 1.0, 1.0), (0.0, 0.5, 0.5, 1.0, 1.0, 1.0))


def test_the_roc_curve_runs_from_corner_to_corner_over_the_area_that_auc_states() -> None:
    answers = drawn(500)
    curve = metrics.roc(answers.targets, answers.p_face)
    x, y = np.array(curve.false_positive_rate), np.array(curve.true_positive_rate)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(answers.targets, answers.p_face), abs=0.01)


def test_the_luck_of_a_small_set_weighs_little() -> None:
    counts = {"large": 2500, "small": 25, "unused": 9}
    assert metrics.mean_by_precision({"large": 0.9, "small": 0.9}, counts) == pytest.approx(0.9)
    assert metrics.mean_by_precision({"large": 0.9, "small": 0.79}, counts) == pytest.approx(0.89)
    assert metrics.mean_by_precision({"small": 0.7}, counts) == pytest.approx(0.7)


def test_a_verdict_that_was_taken_away_counts_as_none() -> None:
    """Two faces that score high and one that scores low; the detector judged the first alone."""
    p = np.array([0.99, 0.99, 0.01])
    verdicts = np.array([["likely_fake"] * 2, ["uncertain"] * 2, ["uncertain"] * 2])
    answers = Answers(np.ones(3, np.float32), p, p, verdicts)
    for told in (answers, metrics.together([answers.where(np.arange(3) < 1), answers.where(np.arange(3) > 0)])):
        found = metrics.measured(told, THRESHOLDS)
        assert [found.fake_likely_fake.value, found.fake_no_signs.value] == [pytest.approx(1 / 3, abs=1e-3), 0]
        assert found.recall_fake.value == pytest.approx(2 / 3, abs=1e-3)  # a forced answer counts as before
    found = metrics.measured(Answers(np.ones(3, np.float32), p, p), THRESHOLDS)
    assert [found.fake_likely_fake.value, found.fake_no_signs.value] == [
        pytest.approx(2 / 3, abs=1e-3), pytest.approx(1 / 3, abs=1e-3),
    ]  # fmt: skip
