"""Logit -> calibrated P(fake) -> verdict; the verdicts of faces -> that of a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Verdict(StrEnum):
    LIKELY_FAKE = "likely_fake"
    UNCERTAIN = "uncertain"
    NO_SIGNS = "no_signs"
    NO_FACE = "no_face"


@dataclass(frozen=True)
class Calibration:
    """What turns logits into verdicts. `temperature` > 0 divides the logit (Guo et al. 2017, arXiv:1706.04599,
    section 4.2); below `no_signs_below` a face shows no signs of forgery, which is no claim that it is real, from
    `likely_fake_from` on it is likely fake, and from `leans_fake_from` on, where that was measured, more real faces
    score so high than may be called fake, but few: all in P(fake)."""

    temperature: float
    no_signs_below: float
    likely_fake_from: float
    leans_fake_from: float | None = None

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

    def p_fake(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated P(fake), float64 in [0, 1], of logits of any shape."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        return 1.0 / (1.0 + np.exp(-np.clip(scaled, -60, 60)))

    def verdict(self, p_fake: float) -> Verdict:
        if p_fake >= self.likely_fake_from:
            return Verdict.LIKELY_FAKE
        return Verdict.NO_SIGNS if p_fake < self.no_signs_below else Verdict.UNCERTAIN

    def verdict_of_picture(self, p_fakes: Sequence[float]) -> tuple[Verdict, float | None]:
        """The verdict and P(fake) of the most suspicious face; no face, no score."""
        if not p_fakes:
            return Verdict.NO_FACE, None
        worst = max(p_fakes)
        return self.verdict(worst), worst
