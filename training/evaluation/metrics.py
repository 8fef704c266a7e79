"""Scores and labels -> figures with their 95% intervals.

Rates carry Wilson's score interval (Wilson 1927, as scipy computes it), which is never of zero width: 0 of 30 has the
upper bound 0.11. AUC and calibration error carry a percentile bootstrap (Efron and Tibshirani 1993, section 13.3),
stratified by class and moved so that the draws' median is the value: a draw's calibration error lies above its set's.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from detector.model_folder import Confusion, Figure, GroupFigures, Measured, ReliabilityBin, Roc
from detector.verdict import Calibration, Verdict

BINS = 15  # of the calibration error
_RESAMPLES = 500
_FEWEST = 20  # real faces of a group, below which it joins the others that are too small
_SMALL = "smaller groups"


@dataclass(frozen=True)
class Answers:
    """What a detector said of n pictures. `targets` float (n,), 1 for fake; `p_face` float (n,), the score of the face
    that the label is about, nan where none was found; `p_picture`, that of the most suspicious face. `verdicts` str
    (n, 2) are those of the two; without them, those of faces that are alone and can be judged."""

    targets: np.ndarray
    p_face: np.ndarray
    p_picture: np.ndarray
    verdicts: np.ndarray | None = None

    def where(self, chosen: np.ndarray) -> "Answers":
        """The pictures that `chosen`, bool (n,), names."""
        verdicts = None if self.verdicts is None else self.verdicts[chosen]
        return Answers(self.targets[chosen], self.p_face[chosen], self.p_picture[chosen], verdicts)

    def said(self, calibration: Calibration) -> np.ndarray:
        """The verdicts, str (n, 2)."""
        if self.verdicts is not None:
            return self.verdicts
        scores = np.stack([self.p_face, self.p_picture], axis=1)
        said = [[Verdict.NO_FACE if np.isnan(p) else calibration.verdict(p) for p in row] for row in scores]
        return np.array(said, str).reshape(-1, 2)

    @property
    def found(self) -> "Answers":
        """The pictures with a face."""
        return self.where(np.isfinite(self.p_face))

    @property
    def real(self) -> "Answers":
        return self.where(self.targets < 0.5)

    @property
    def fake(self) -> "Answers":
        return self.where(self.targets > 0.5)


def together(parts: Iterable[Answers]) -> Answers:
    """The pictures of several sets as one, all with verdicts or all without."""
    parts = list(parts)
    names = ("targets", "p_face", "p_picture")
    columns = {name: np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in names}
    verdicts = [part.verdicts for part in parts if part.verdicts is not None]
    return Answers(**columns, verdicts=np.concatenate(verdicts) if verdicts and len(verdicts) == len(parts) else None)


def measured(
    answers: Answers,
    calibration: Calibration,
    *,
    against: Answers | None = None,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Measured:
    """Every figure of one set of pictures. Pictures without a face are counted in `no_face` and left out of the rest.

    AUC is that of the set's fakes against its real faces, or against those of `against` where that is given.
    """
    found = answers.found
    fake, p = found.targets > 0.5, found.p_face
    total, judged = len(answers.targets), len(p)
    counts: dict[str, Any] = {"n": total, "judged": judged, "fake": int(fake.sum()), "real": int((~fake).sum())}
    if not judged:
        return Measured(**counts, no_face=1.0 if total else 0.0)
    called_fake = p >= 0.5
    verdicts = found.said(calibration)[:, 0]
    likely_fake, no_signs = verdicts == Verdict.LIKELY_FAKE, verdicts == Verdict.NO_SIGNS
    leans = None if calibration.leans_fake_from is None else verdicts == Verdict.LEANS_FAKE
    decided = likely_fake | no_signs
    rates: dict[str, Any] = {
        "accuracy": rate(called_fake == fake),
        "precision_fake": rate(fake[called_fake]),
        "recall_fake": rate(called_fake[fake]),
        "precision_real": rate(~fake[~called_fake]),
        "recall_real": rate(~called_fake[~fake]),
        "false_positive_rate": rate(called_fake[~fake]),
        "false_negative_rate": rate(~called_fake[fake]),
        "real_likely_fake": rate(likely_fake[~fake]),
        "real_leans_fake": None if leans is None else rate(leans[~fake]),
        "real_no_signs": rate(no_signs[~fake]),
        "fake_likely_fake": rate(likely_fake[fake]),
        "fake_leans_fake": None if leans is None else rate(leans[fake]),
        "fake_no_signs": rate(no_signs[fake]),
        "abstention_rate": rate(~decided),
        "selective_risk": rate(likely_fake[decided] != fake[decided]),
        "picture_false_positive_rate": rate(found.real.p_picture >= 0.5),
    }
    real = (against or answers).found.real
    boot = Bootstrap(resamples, seed)
    return Measured(
        **counts,
        no_face=round(1 - judged / total, 4),
        **rates,
        auc=boot.figure(_auc, found.fake.p_face, real.p_face),
        picture_auc=boot.figure(_auc, found.fake.p_picture, real.p_picture),
        ece=boot.figure(_ece, found.fake.p_face, found.real.p_face),
        confusion=Confusion(
            real_as_real=int((~fake & ~called_fake).sum()),
            real_as_fake=int((~fake & called_fake).sum()),
            fake_as_real=int((fake & ~called_fake).sum()),
            fake_as_fake=int((fake & called_fake).sum()),
        ),
    )


def rate(hits: np.ndarray) -> Figure | None:
    """The share of True in bool (n,) with Wilson's 95% interval; None where n is 0."""
    if not len(hits):
        return None
    found = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, "wilson")
    low, high = max(0.0, found.low), min(1.0, found.high)
    return Figure(round(float(hits.mean()), 4), round(float(low), 4), round(float(high), 4), len(hits))


@dataclass(frozen=True)
class Bootstrap:
    """The percentile bootstrap that the module describes."""

    resamples: int = _RESAMPLES
    seed: int = 0

    def figure(
        self, statistic: Callable[[np.ndarray, np.ndarray], float], fake: np.ndarray, real: np.ndarray
    ) -> Figure | None:
        """`statistic` of the scores of fakes (n,) and reals (m,), over n + m; None where a class is missing."""
        if not len(fake) or not len(real):
            return None
        value, rng = statistic(fake, real), np.random.default_rng(self.seed)
        draws = [statistic(rng.choice(fake, len(fake)), rng.choice(real, len(real))) for _ in range(self.resamples)]
        low, middle, high = np.percentile(draws, [2.5, 50, 97.5])
        low, high = np.clip(np.array([low, high]) + value - middle, 0, 1)
        n = len(fake) + len(real)
        return Figure(round(value, 4), round(min(float(low), value), 4), round(max(float(high), value), 4), n)


def _auc(fake: np.ndarray, real: np.ndarray) -> float:
    return auc(np.repeat([True, False], [len(fake), len(real)]), np.concatenate([fake, real]))


def _ece(fake: np.ndarray, real: np.ndarray) -> float:
    targets = np.repeat([1.0, 0.0], [len(fake), len(real)])
    return expected_calibration_error(targets, np.concatenate([fake, real]))


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
    """Mean distance of the score from the share of fakes, over BINS equal bins (Guo et al. 2017, section 2)."""
    return float(sum(row.n * abs(row.mean_p - row.fakes) for row in reliability(targets, p)) / len(p))


def reliability(targets: np.ndarray, p: np.ndarray) -> tuple[ReliabilityBin, ...]:
    """A row for each of BINS equal bins of scores that holds any picture."""
    place = np.clip((p * BINS).astype(int), 0, BINS - 1)
    n = np.bincount(place, minlength=BINS)
    mean_p = np.bincount(place, weights=p, minlength=BINS) / np.maximum(n, 1)
    fakes = np.bincount(place, weights=targets.astype(float), minlength=BINS) / np.maximum(n, 1)
    held = np.flatnonzero(n)
    return tuple(ReliabilityBin(int(n[i]), min(1.0, float(mean_p[i])), min(1.0, float(fakes[i]))) for i in held)


def roc(targets: np.ndarray, p: np.ndarray, points: int = 101) -> Roc:
    """Both rates at thresholds spread over the scores."""
    thresholds = np.unique(np.quantile(p, np.linspace(0, 1, points)))[::-1]
    thresholds = np.concatenate([[np.inf], thresholds, [-np.inf]])
    real, fake = p[targets < 0.5], p[targets > 0.5]
    return Roc(
        tuple(round(float((real >= t).mean()), 4) for t in thresholds),
        tuple(round(float((fake >= t).mean()), 4) for t in thresholds),
    )


def by_group(answers: Answers, groups: np.ndarray, calibration: Calibration) -> tuple[GroupFigures, ...]:
    """Figures of the real faces of each group, along each attribute that the names in `groups`, str (n,), hold. Groups
    of fewer than 20 faces are taken together."""
    kept = np.isfinite(answers.p_face) & (answers.targets < 0.5) & (groups != "")
    p = answers.p_face[kept]
    verdicts = answers.where(kept).said(calibration)[:, 0]
    called_fake, likely_fake = p >= 0.5, verdicts == Verdict.LIKELY_FAKE
    undecided = ~likely_fake & (verdicts != Verdict.NO_SIGNS)
    result = []
    attributes = [attributes_of(str(name)) for name in groups[kept]]
    for attribute in dict.fromkeys(name for found in attributes for name in found):
        values = np.array([found.get(attribute, "") for found in attributes], object)
        names, counts = np.unique(values[values != ""].astype(str), return_counts=True)
        small = names[counts < _FEWEST]
        values[np.isin(values.astype(str), small)] = _SMALL
        for group in [*(name for name in names if name not in small), *([_SMALL] if len(small) else [])]:
            of = values == group
            rates = [found for verdicts in (called_fake, likely_fake, undecided) if (found := rate(verdicts[of]))]
            result.append(GroupFigures(attribute, str(group), int(of.sum()), *rates))
    return tuple(result)


_AGE = re.compile(r"\d{1,3}(-\d{1,3}|\+)")


def attributes_of(name: str) -> dict[str, str]:
    """What the name of a group says, by attribute: "Asian female 0-17" is of an origin, a sex and an age; a name
    without sex and age is a group as it stands."""
    words = name.replace("/", " ").split()
    sex = [word for word in words if word.lower() in ("female", "male")]
    age = [word for word in words if _AGE.fullmatch(word)]
    if not sex and not age:
        return {"group": name}
    rest = [word for word in words if word not in (*sex, *age, "age")]
    parts = {"origin": " ".join(rest), "sex": " ".join(sex).lower(), "age": " ".join(age)}
    return {key: value for key, value in parts.items() if value}


def auc_against_pooled(sets: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """AUC of the fakes of each set that has any against the real faces of all, of {set: (scores (N,), targets (N,))}.
    {} where there is no real face."""
    real = [scores[targets < 0.5] for scores, targets in sets.values()]
    if not sum(map(len, real)):
        return {}
    fakes = {name: scores[targets > 0.5] for name, (scores, targets) in sets.items()}
    return {name: _auc(fake, np.concatenate(real)) for name, fake in fakes.items() if len(fake)}


def mean_by_precision(figures: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """The mean of a figure over data sets by name, each weighted by the root of its pictures, as its error goes: the
    luck of a small set does not choose a checkpoint."""
    return float(np.average(list(figures.values()), weights=[counts[name] ** 0.5 for name in figures]))
