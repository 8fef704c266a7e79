"""Logit -> calibrated P(fake) -> verdict; the verdicts of faces -> that of a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Verdict(StrEnum):
    LIKELY_FAKE = "likely_fake"
    UNCERTAIN = "uncertain"
    LIKELY_REAL = "likely_real"
    NO_FACE = "no_face"


@dataclass(frozen=True)
class Calibration:
    """What turns logits into verdicts. `temperature` > 0 divides the logit (Guo et al. 2017, arXiv:1706.04599,
    section 4.2); below `real_below` a face is likely real, from `fake_above` on likely fake, both in P(fake)."""

    temperature: float
    real_below: float
    fake_above: float

    def __post_init__(self) -> None:
        numbers = (self.temperature, self.real_below, self.fake_above)
        if not all(math.isfinite(number) for number in numbers) or self.temperature <= 0:
            raise ValueError("The temperature must be a finite number above 0.")
        if not 0 <= self.real_below <= self.fake_above <= 1:
            raise ValueError("The bands must be 0 <= real_below <= fake_above <= 1.")

    def p_fake(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated P(fake), float64 in [0, 1], of logits of any shape."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        return 1.0 / (1.0 + np.exp(-np.clip(scaled, -60, 60)))

    def verdict(self, p_fake: float) -> Verdict:
        if p_fake >= self.fake_above:
            return Verdict.LIKELY_FAKE
        return Verdict.LIKELY_REAL if p_fake < self.real_below else Verdict.UNCERTAIN

    def verdict_of_picture(self, p_fakes: Sequence[float]) -> tuple[Verdict, float | None]:
        """The verdict and P(fake) of the most suspicious face; no face, no score."""
        if not p_fakes:
            return Verdict.NO_FACE, None
        worst = max(p_fakes)
        return self.verdict(worst), worst
