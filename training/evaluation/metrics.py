"""Scores and labels -> figures with their 95% intervals."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector.verdict import Calibration

BINS = 15  # of the calibration error
_RESAMPLES = 500


@dataclass(frozen=True)
class Answers:
    """What a detector said of n pictures. `targets` float (n,), 1 for fake; `p_face` float (n,), P(fake) of the face
    that the label is about, nan where none was found; `p_picture`, that of the most suspicious face."""

    targets: np.ndarray
    p_face: np.ndarray
    p_picture: np.ndarray


def figures(
    answers: Answers, calibration: Calibration, *, resamples: int = _RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Every figure of one set of pictures: {name: {"value", "low", "high"}}, beside the counts.

    `low` and `high` are the 2.5% and 97.5% points over `resamples` bootstrap draws of the pictures, moved by what the
    draws' median is off the value. Pictures without a face are counted in `no_face` and left out of the rest. A figure
    that needs a class which is missing is absent.
    """
    found = np.isfinite(answers.p_face)
    targets, p, p_picture = answers.targets[found] > 0.5, answers.p_face[found], answers.p_picture[found]
    counts = {"n": len(found), "judged": int(found.sum()), "fake": int(targets.sum()), "real": int((~targets).sum())}
    if not len(targets):
        return {**counts, "no_face": 1.0}
    values = _compute(targets, p, p_picture, calibration)
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(resamples):
        chosen = rng.integers(0, len(targets), len(targets))
        for name, value in _compute(targets[chosen], p[chosen], p_picture[chosen], calibration).items():
            draws.setdefault(name, []).append(value)
    result: dict[str, Any] = {**counts, "no_face": round(1 - float(found.mean()), 4)}
    for name, value in values.items():
        if not np.isfinite(value):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            low, middle, high = np.nanpercentile(draws[name], [2.5, 50, 97.5])
        low, high = np.clip(
            np.array([low, high]) + value - middle, 0, 1
        )  # a draw's calibration error lies above its set's
        result[name] = {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}
    fake = p >= 0.5
    result["confusion"] = {
        "real_as_real": int((~targets & ~fake).sum()),
        "real_as_fake": int((~targets & fake).sum()),
        "fake_as_real": int((targets & ~fake).sum()),
        "fake_as_fake": int((targets & fake).sum()),
    }
    return result


def _compute(targets: np.ndarray, p: np.ndarray, p_picture: np.ndarray, calibration: Calibration) -> dict[str, float]:
    fake = p >= 0.5
    likely_fake, likely_real = p >= calibration.fake_above, p < calibration.real_below
    decided = likely_fake | likely_real
    nan = float("nan")

    def share(of: np.ndarray, where: np.ndarray) -> float:
        return float(of[where].mean()) if where.any() else nan

    return {
        "auc": auc(targets, p),
        "accuracy": float((fake == targets).mean()),
        "precision_fake": share(targets, fake),
        "recall_fake": share(fake, targets),
        "precision_real": share(~targets, ~fake),
        "recall_real": share(~fake, ~targets),
        "false_accusations": share(fake, ~targets),
        "missed_fakes": share(~fake, targets),
        "called_likely_fake_though_real": share(likely_fake, ~targets),
        "called_likely_real_though_fake": share(likely_real, targets),
        "ece": expected_calibration_error(targets, p),
        "uncertain": 1 - float(decided.mean()),
        "error_when_decided": share(likely_fake != targets, decided),
        "picture_auc": auc(targets, p_picture),
        "picture_false_accusations": share(p_picture >= 0.5, ~targets),
    }


def auc(targets: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; nan where a class is missing."""
    positive = int(targets.sum())
    negative = len(targets) - positive
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[targets.astype(bool)].sum() - positive * (positive + 1) / 2) / (positive * negative))


def expected_calibration_error(targets: np.ndarray, p: np.ndarray) -> float:
    """Mean distance of P(fake) from the share of fakes, over BINS equal bins (Guo et al. 2017, section 2)."""
    return float(sum(row["n"] * abs(row["mean_p"] - row["fakes"]) for row in reliability(targets, p)) / len(p))


def reliability(targets: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    """Rows of {n, mean_p, fakes} for each of BINS equal bins of P(fake) that holds any picture."""
    place = np.clip((p * BINS).astype(int), 0, BINS - 1)
    n = np.bincount(place, minlength=BINS)
    mean_p = np.bincount(place, weights=p, minlength=BINS) / np.maximum(n, 1)
    fakes = np.bincount(place, weights=targets.astype(float), minlength=BINS) / np.maximum(n, 1)
    return [{"n": int(n[i]), "mean_p": float(mean_p[i]), "fakes": float(fakes[i])} for i in range(BINS) if n[i]]


def roc(targets: np.ndarray, p: np.ndarray, points: int = 101) -> dict[str, list[float]]:
    """`false_accusations` (real called fake) and `found_fakes` at thresholds spread over the scores."""
    thresholds = np.unique(np.quantile(p, np.linspace(0, 1, points)))[::-1]
    thresholds = np.concatenate([[np.inf], thresholds, [-np.inf]])
    real, fake = p[targets < 0.5], p[targets > 0.5]
    return {
        "false_accusations": [round(float((real >= t).mean()), 4) for t in thresholds],
        "found_fakes": [round(float((fake >= t).mean()), 4) for t in thresholds],
    }


def mean_by_precision(figures: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """The mean of a figure over data sets by name, each weighted by the root of its pictures, as its error goes: the
    luck of a small set does not choose a checkpoint."""
    return float(np.average(list(figures.values()), weights=[counts[name] ** 0.5 for name in figures]))
