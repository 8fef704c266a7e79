"""Logits of validation faces -> offset, temperature and the two thresholds of verdicts.

All of it comes from *unseen* sets, whose generators and cameras have no picture in training, where there are any: the
scores of seen kinds are surer than those of what people will bring. Sets are {name: (logits (N,), targets (N,))},
targets 1 for fake; of a model of several networks the logits are the fused ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from detector.verdict import Calibration
from training.errors import TrainingError

Logits = Mapping[str, tuple[np.ndarray, np.ndarray]]

_DIGITS = 6  # of a threshold in config.json


@dataclass(frozen=True)
class Limits:
    """What the thresholds must hold on the sets that they are fitted on, as plain shares 0..1. Raises TrainingError."""

    max_unseen_no_signs: float = 0.2  # of the forgeries of each unseen set by itself
    max_false_positive_rate: float = 0.01  # of the real faces of each set that come out as likely fake
    max_seen_no_signs: float = 0.01  # of the forgeries of seen sets, each set counting alike

    def __post_init__(self) -> None:
        if not all(0 <= limit < 1 for limit in vars(self).values()):
            raise TrainingError("A limit of the thresholds is a share from 0 to below 1.")


def fit(unseen: Logits, seen: Logits, limits: Limits | None = None, copies: Iterable[np.ndarray] = ()) -> Calibration:
    """The calibration that gives the most verdicts within `limits`, its thresholds rounded to what config.json holds.

    `copies` are logits of worse copies of real faces, one array a set, for which the limit of false positives holds
    too. No threshold crosses P(fake) 0.5. Raises TrainingError where no set has real faces, or none has fakes.
    """
    limits = limits or Limits()
    both = [*unseen.values(), *seen.values()]
    if not any((targets > 0.5).any() for _, targets in both) or not any((targets <= 0.5).any() for _, targets in both):
        raise TrainingError("Calibrating needs both real and fake pictures in the validation data.")
    temperature = round(fit_temperature(fitted_on(unseen, seen)), _DIGITS)
    plain = Calibration(temperature, 0.5, 0.5)

    def scores(sets: Iterable[tuple[np.ndarray, np.ndarray]], fake: bool) -> list[np.ndarray]:
        found = [plain.p_fake(logits[(targets > 0.5) == fake]) for logits, targets in sets]
        return [p for p in found if len(p)]

    real = scores(both, fake=False) + [plain.p_fake(logits) for logits in copies if len(logits)]
    fakes_seen, fakes_unseen = scores(seen.values(), fake=True), scores(unseen.values(), fake=True)
    likely_fake_from = max(0.5, *(_lowest_reached_by(p, limits.max_false_positive_rate) for p in real))
    no_signs_below = min(
        0.5,
        *(_highest_below([p], limits.max_unseen_no_signs) for p in fakes_unseen),
        *([_highest_below(fakes_seen, limits.max_seen_no_signs)] if fakes_seen else []),
    )
    return Calibration(temperature, no_signs_below, likely_fake_from)


def fitted_on(unseen: Logits, seen: Logits) -> Logits:
    """The sets that offset and temperature are fitted on: the unseen ones, where they hold both classes."""
    fake = [targets > 0.5 for _, targets in unseen.values()]
    return unseen if any(f.any() for f in fake) and any((~f).any() for f in fake) else seen


def shares(calibration: Calibration, sets: Logits) -> dict[str, dict[str, float]]:
    """{set: {"fake_no_signs", "fake_likely_fake", "real_no_signs", "real_likely_fake", "abstention_rate"}}, without
    those of a class that a set has not."""
    found = {}
    for name, (logits, targets) in sets.items():
        p, fake = calibration.p_fake(logits), targets > 0.5
        verdicts = {"no_signs": p < calibration.no_signs_below, "likely_fake": p >= calibration.likely_fake_from}
        found[name] = {
            f"{kind}_{verdict}": float(given[of].mean())
            for kind, of in (("fake", fake), ("real", ~fake))
            if of.any()
            for verdict, given in verdicts.items()
        }
        if len(p):
            found[name]["abstention_rate"] = float(1 - np.mean(verdicts["no_signs"] | verdicts["likely_fake"]))
    return found


def fit_offset(sets: Logits) -> float:
    """What to add to every logit so that 0 is an even chance: half of Platt scaling (Platt 1999), the other half being
    the temperature. Sets and classes count as in `fit_temperature`."""

    def loss(parameters: np.ndarray) -> float:
        offset, log_temperature = parameters
        return _loss(sets, float(offset), float(np.exp(np.clip(log_temperature, -3, 3))))

    return float(np.clip(minimize(loss, np.zeros(2), method="Nelder-Mead").x[0], -5, 5))


def fit_temperature(sets: Logits) -> float:
    """The temperature of least negative log-likelihood (Guo et al. 2017, section 4.2). Real and fake weigh the same,
    and so do, within a class, all sets that have it."""
    return float(np.exp(minimize_scalar(lambda log: _loss(sets, 0.0, np.exp(log)), bounds=(-3, 3), method="bounded").x))


def _loss(sets: Logits, offset: float, temperature: float) -> float:
    total = 0.0
    for target in (0.0, 1.0):
        of_class = [logits[(targets > 0.5) == bool(target)] for logits, targets in sets.values()]
        scaled = [(logits.astype(np.float64) + offset) / temperature for logits in of_class if len(logits)]
        if scaled:
            total += float(np.mean([np.mean(np.logaddexp(0, s) - target * s) for s in scaled]))
    return total


def _lowest_reached_by(p: np.ndarray, share: float) -> float:
    """The lowest threshold that at most `share` of `p` (N,) reach, at most 1."""
    allowed = int(share * len(p) + 1e-9)
    if allowed >= len(p):
        return 0.0
    first_below = np.sort(p)[::-1][allowed]
    return float(min(1.0, (np.floor(first_below * 10**_DIGITS) + 1) / 10**_DIGITS))


def _highest_below(sets: list[np.ndarray], share: float) -> float:
    """The highest threshold that on average over the sets, arrays (N,) each, at most `share` are below."""
    candidates = np.unique(np.concatenate(sets))
    below = np.mean([np.searchsorted(np.sort(p), candidates, side="left") / len(p) for p in sets], axis=0)
    within = candidates[below <= share + 1e-9]
    return float(np.floor(within[-1] * 10**_DIGITS) / 10**_DIGITS) if len(within) else 0.0
