"""Logits of validation pictures -> a temperature and the two bands of verdicts."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from detector.verdict import Calibration
from training.errors import TrainingError

RATE = 0.99  # right so often outside the uncertain band, every source counted alike
SOURCE_RATE = 0.95  # and at least so often on each source alone
FALSE_ACCUSATIONS = 0.015  # at most this share of the real faces of any source is called fake
_FEWEST = 20  # verdicts of a source, or of all, below which a rate says nothing

DECIDED = 0.5  # share of pictures, over the sources, that should get a verdict: one that never dares helps nobody
_STEP = 0.005  # by which the rate is lowered for that

Logits = Mapping[str, tuple[np.ndarray, np.ndarray]]


def fit(logits: Logits, rate: float = RATE, copies: Logits | None = None) -> Calibration:
    """The calibration for logits (N,) and targets (N,), 1 for fake, of each validation source by name; `copies` are
    logits of worse copies of the same pictures, on whose real faces no more may be called fake either.

    `real_below` and `fake_above` are the tightest around 0.5 for which, on each side by itself: verdicts are right at
    `rate` when every source counts alike, at SOURCE_RATE on each source with both classes, and no source has more than
    FALSE_ACCUSATIONS. Where none can be shown to do so, the band is 0 or 1 and its side of a half uncertain. Raises
    TrainingError for a rate outside 0.5..1 or where a class is missing altogether.
    """
    check_rate(rate)
    targets = np.concatenate([t for _, t in logits.values()])
    if not 0 < targets.sum() < len(targets):
        raise TrainingError("Calibrating needs both real and fake pictures in the validation data.")
    temperature = fit_temperature(logits)
    plain = Calibration(temperature, 0.5, 0.5)
    scores = {name: (plain.p_fake(values), t > 0.5) for name, (values, t) in logits.items() if len(t)}
    if not any(_both(fake) for _, fake in scores.values()):  # each source has one class: rates are those of all
        scores["all"] = tuple(np.concatenate(part) for part in zip(*scores.values(), strict=True))
    copied = [plain.p_fake(values)[t < 0.5] for values, t in (copies or {}).values()]
    real = [p[~fake] for p, fake in scores.values()] + copied
    steps = np.concatenate([np.arange(0.5, 0.99, 0.005), 1 - np.geomspace(0.01, 1e-4, 40)])
    fake_above = next((t for t in steps if _fake_side_holds(scores, real, t, rate)), 1.0)
    real_below = next((1 - t for t in steps if _real_side_holds(scores, 1 - t, rate)), 0.0)
    return Calibration(temperature, float(real_below), float(fake_above))


def fit_usable(logits: Logits, rate: float = RATE, copies: Logits | None = None) -> tuple[Calibration, float]:
    """As `fit`, at the highest rate up to `rate` that leaves DECIDED of the pictures with a verdict; and that rate.

    Where even 0.9 leaves fewer, the calibration is that for `rate`. Raises as `fit` does.
    """
    strict = fit(logits, rate, copies)
    for lower in np.arange(rate, 0.9, -_STEP):
        calibration = fit(logits, float(lower), copies)
        decided = [_decided(calibration, values) for values, targets in logits.values() if _both(targets > 0.5)]
        if decided and np.mean(decided) >= DECIDED:
            return calibration, round(float(lower), 4)
    return strict, rate


def _decided(calibration: Calibration, values: np.ndarray) -> float:
    p = calibration.p_fake(values)
    return float(((p >= calibration.fake_above) | (p < calibration.real_below)).mean())


def fit_offset(logits: Logits) -> float:
    """What to add to every logit so that 0 is an even chance: half of Platt scaling (Platt 1999), the other half being
    the temperature. Every source counts alike, and within a source real and fake."""

    def loss(parameters: np.ndarray) -> float:
        offset, log_temperature = parameters
        total = 0.0
        for values, targets in logits.values():
            scaled = (values.astype(np.float64) + offset) / np.exp(np.clip(log_temperature, -3, 3))
            for of_class in (targets > 0.5, targets <= 0.5):
                if of_class.any():
                    total += float(np.mean(np.logaddexp(0, scaled[of_class]) - targets[of_class] * scaled[of_class]))
        return total

    return float(np.clip(minimize(loss, np.zeros(2), method="Nelder-Mead").x[0], -5, 5))


def check_rate(rate: float) -> None:
    """Raises TrainingError for a rate that no calibration can have."""
    if not 0.5 < rate < 1:
        raise TrainingError("The rate must be above 0.5 and below 1.")


def fit_temperature(logits: Logits) -> float:
    """The temperature of least negative log-likelihood, every source counted alike (Guo et al. 2017, section 4.2)."""

    def loss(log_temperature: float) -> float:
        total = 0.0
        for values, targets in logits.values():
            if len(values):
                scaled = values.astype(np.float64) / np.exp(log_temperature)
                total += float(np.mean(np.logaddexp(0, scaled) - targets * scaled))
        return total

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def _fake_side_holds(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], real: list[np.ndarray], threshold: float, rate: float
) -> bool:
    if any((p >= threshold).mean() > FALSE_ACCUSATIONS for p in real if len(p)):
        return False
    return _right_enough([fake[p >= threshold] for p, fake in scores.values() if _both(fake)], rate)


def _real_side_holds(scores: Mapping[str, tuple[np.ndarray, np.ndarray]], threshold: float, rate: float) -> bool:
    return _right_enough([~fake[p < threshold] for p, fake in scores.values() if _both(fake)], rate)


def _both(fake: np.ndarray) -> bool:
    return bool(fake.any() and not fake.all())


def _right_enough(verdicts: list[np.ndarray], rate: float) -> bool:
    """`verdicts`, one array a source: was each right?"""
    if any(len(right) >= _FEWEST and right.mean() < min(rate, SOURCE_RATE) for right in verdicts):
        return False
    judged = [right.mean() for right in verdicts if len(right)]
    weights = [min(len(right), _FEWEST) for right in verdicts if len(right)]
    return sum(weights) >= _FEWEST and float(np.average(judged, weights=weights)) >= rate
