"""Logit -> score -> verdict of each face of a picture; the most suspicious one's is the picture's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np


class Verdict(StrEnum):
    LIKELY_FAKE = "likely_fake"  # hardly any real face scores so high
    LEANS_FAKE = "leans_fake"  # few do, too many to call it forged
    UNCERTAIN = "uncertain"
    NO_SIGNS = "no_signs"
    NO_FACE = "no_face"


SUSPICION = (Verdict.NO_SIGNS, Verdict.UNCERTAIN, Verdict.LEANS_FAKE, Verdict.LIKELY_FAKE)  # the least first


@dataclass(frozen=True)
class Tail:
    """How rare high scores of real faces are, in the logit of the score: those above `start` exceed it as a generalised
    Pareto distribution with `scale` and `shape` says (Pickands 1975). A `shape` below 0 ends somewhere."""

    start: float
    scale: float
    shape: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and 0 < self.scale <= 10 and -1 <= self.shape <= 0.5):  # or no numbers
            raise ValueError("The tail's start, scale or shape must be wrong.")

    def raised(self, score: float, n: int) -> float:
        """The score that `n` times fewer real faces reach than reach `score`."""
        if n < 2 or score in (0, 1):
            return score
        logit = math.log(score / (1 - score))
        scale = max(self.scale + self.shape * max(logit - self.start, 0.0), 0.0)
        logit += scale * (math.log(n) if abs(self.shape) < 1e-6 else (n**self.shape - 1) / self.shape)
        return 1 / (1 + math.exp(-logit))


# Of a model that names none: that of the 1,522 real faces that a bundled one was measured on.
USUAL_TAIL = Tail(0.62, 0.98, -0.62)


@dataclass(frozen=True)
class Calibration:
    """What turns logits into verdicts. `temperature` > 0 divides the logit (Guo et al. 2017, arXiv:1706.04599,
    section 4.2); below `no_signs_below` a face shows no signs of forgery, which is no claim that it is real, from
    `likely_fake_from` on it is likely fake, and from `leans_fake_from` on, where that was measured, it leans to it:
    all are scores, and for a face that is alone. `tail` tells how much more is asked of one among many."""

    temperature: float
    no_signs_below: float
    likely_fake_from: float
    leans_fake_from: float | None = None
    tail: Tail | None = None

    def __post_init__(self) -> None:
        numbers = (self.temperature, self.no_signs_below, self.leans_from, self.likely_fake_from)
        if not all(math.isfinite(number) for number in numbers) or self.temperature <= 0:
            raise ValueError("The temperature must be a finite number above 0.")
        if not 0 <= self.no_signs_below <= self.leans_from <= self.likely_fake_from <= 1:
            raise ValueError("The thresholds must be 0 <= no_signs_below <= leans_fake_from <= likely_fake_from <= 1.")

    @property
    def leans_from(self) -> float:
        """leans_fake_from; where it was not measured no face leans."""
        return self.likely_fake_from if self.leans_fake_from is None else self.leans_fake_from

    def score(self, logits: np.ndarray) -> np.ndarray:
        """Scores, float64 in [0, 1], of logits of any shape: they rank faces and are not probabilities."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        return 1.0 / (1.0 + np.exp(-np.clip(scaled, -60, 60)))

    def verdict(self, score: float) -> Verdict:
        if score >= self.likely_fake_from:
            return Verdict.LIKELY_FAKE
        if score >= self.leans_from:
            return Verdict.LEANS_FAKE
        return Verdict.NO_SIGNS if score < self.no_signs_below else Verdict.UNCERTAIN

    def among(self, faces: int) -> "Calibration":
        """That for each of so many faces of a picture. Some real face of n scores above a threshold n times as often as
        one alone, so both upper thresholds are raised to what n times fewer reach."""
        tail, leans = self.tail or USUAL_TAIL, self.leans_fake_from
        return replace(
            self,
            likely_fake_from=tail.raised(self.likely_fake_from, faces),
            leans_fake_from=None if leans is None else tail.raised(leans, faces),
        )

    def verdicts(self, scores: Sequence[float], judged: Sequence[bool]) -> list[Verdict]:
        """Of the faces of one picture. One that is not `judged`, because too little of it is to be seen, is uncertain,
        and cannot be the one among many that scores high by chance."""
        own = self.among(sum(judged))
        return [own.verdict(p) if can else Verdict.UNCERTAIN for p, can in zip(scores, judged, strict=True)]
