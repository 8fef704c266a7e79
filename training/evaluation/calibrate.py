"""Logits of validation faces -> offset, temperature and the thresholds of verdicts.

Offset and temperature come from *unseen* sets, whose generators and cameras have no picture in training, where there
are any: the scores of seen kinds are surer than those of what people will bring. What may be called forged is decided
by the real faces of many cameras, each set counting alike, so that no one or two pictures move a threshold. Sets are
{name: (logits (N,), targets (N,))}, targets 1 for fake; of a model of several networks the logits are the fused ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logit

from detector.shares import COUNTED, Curves, measure, wilson
from detector.verdict import Calibration, Tail
from training.errors import TrainingError
from training.options import option

Logits = Mapping[str, tuple[np.ndarray, np.ndarray]]

_DIGITS = 6  # of a threshold in config.json
_LARGE = 100  # real faces of a set that limits a threshold by itself
_FEWEST_OF_A_TAIL = 200  # real faces


@dataclass(frozen=True)
class Limits:
    """What the thresholds must hold on the sets that they are fitted on, as plain shares 0..1. Raises TrainingError.

    Of a set of real faces, `..._of_set` limits the share itself and `..._lower_bound` the lower end of its 95% interval
    (Wilson 1927): the one stops a camera that is accused too often, the other asks for proof of it.
    """

    max_unseen_no_signs: float = option(
        0.2, "at most this share of the forgeries of each unseen set get the verdict no_signs"
    )
    max_seen_no_signs: float = option(
        0.01, "at most this share of the forgeries of the seen sets, on average, get the verdict no_signs"
    )
    max_false_positive_rate: float = option(
        0.01, "at most this share of real faces, on average over all sets, get the verdict likely_fake"
    )
    max_false_positive_rate_of_set: float = option(0.04, "at most this share of real faces of any large set get it")
    max_false_positive_lower_bound: float = option(
        0.02, "at most this share of real faces of any large set surely get it"
    )
    max_leans_rate: float = option(
        0.05, "at most this share of real faces, on average over all sets, are likely_fake or lean to it"
    )
    max_leans_rate_of_set: float = option(0.12, "at most this share of real faces of any large set do")
    max_leans_lower_bound: float = option(0.08, "at most this share of real faces of any large set surely do")

    def __post_init__(self) -> None:
        if not all(0 <= limit < 1 for limit in vars(self).values()):
            raise TrainingError("A limit of the thresholds is a share from 0 to below 1.")


def fit(unseen: Logits, seen: Logits, limits: Limits | None = None, copies: Iterable[np.ndarray] = ()) -> Calibration:
    """The calibration that gives the most verdicts within `limits`, its thresholds rounded to what config.json holds.

    `copies` are logits of worse copies of real faces, one array a set, for which the limits of false positives hold
    too. Neither likely_fake_from nor no_signs_below crosses a score of 0.5. Raises TrainingError where no set has real
    faces, or none has fakes.
    """
    limits = limits or Limits()
    both = [*unseen.values(), *seen.values()]
    if not any((targets > 0.5).any() for _, targets in both) or not any((targets <= 0.5).any() for _, targets in both):
        raise TrainingError("Calibrating needs both real and fake pictures in the validation data.")
    temperature = round(fit_temperature(fitted_on(unseen, seen)), _DIGITS)
    plain = Calibration(temperature, 0.5, 0.5)

    def scores(sets: Iterable[tuple[np.ndarray, np.ndarray]], fake: bool) -> list[np.ndarray]:
        found = [plain.score(logits[(targets > 0.5) == fake]) for logits, targets in sets]
        return [p for p in found if len(p)]

    fakes_seen, fakes_unseen = scores(seen.values(), fake=True), scores(unseen.values(), fake=True)
    no_signs_below = min(
        0.5,
        *(_highest_below([p], limits.max_unseen_no_signs) for p in fakes_unseen),
        *([_highest_below(fakes_seen, limits.max_seen_no_signs)] if fakes_seen else []),
    )
    real = scores(both, fake=False), [plain.score(logits) for logits in copies if len(logits)]
    likely, leans = (
        max(_lowest_reached_by(sets, *of) for sets in real if sets)
        for of in (
            (
                limits.max_false_positive_rate,
                limits.max_false_positive_lower_bound,
                limits.max_false_positive_rate_of_set,
            ),
            (limits.max_leans_rate, limits.max_leans_lower_bound, limits.max_leans_rate_of_set),
        )
    )
    likely = max(0.5, likely)
    tail = fit_tail([*real[0], *real[1]])
    return Calibration(temperature, no_signs_below, likely, min(likely, max(no_signs_below, leans)), tail)


def fit_tail(sets: Iterable[np.ndarray]) -> Tail | None:
    """The tail of the tenth of all real faces that scores highest, by the mean and the variance of its excess (Hosking
    and Wallis 1987, section 3). `sets` are scores (N,) of real faces; None where they are too few to tell."""
    logits = logit(np.clip(np.concatenate([np.zeros(0), *sets]), 1e-9, 1 - 1e-9))
    if len(logits) < _FEWEST_OF_A_TAIL:
        return None
    start = float(np.quantile(logits, 0.9))
    excess = logits[logits > start] - start
    if len(excess) < 2 or not (variance := float(excess.var())):
        return None
    ratio = float(excess.mean()) ** 2 / variance
    scale = float(np.clip(excess.mean() * (1 + ratio) / 2, 1e-3, 10))
    return Tail(round(start, 3), round(scale, 3), round(float(np.clip((1 - ratio) / 2, -1, 0.5)), 3))


def fitted_on(unseen: Logits, seen: Logits) -> Logits:
    """The sets that offset and temperature are fitted on: the unseen ones, where they hold both classes."""
    fake = [targets > 0.5 for _, targets in unseen.values()]
    return unseen if any(f.any() for f in fake) and any((~f).any() for f in fake) else seen


def shares(calibration: Calibration, sets: Logits) -> dict[str, dict[str, float]]:
    """By set the share of its fakes and of its real faces that come out `..._no_signs`, `..._leans_fake` and
    `..._likely_fake`, without those of a class that a set has not."""
    found = {}
    for name, (logits, targets) in sets.items():
        p, fake = calibration.score(logits), targets > 0.5
        likely = p >= calibration.likely_fake_from
        leans = (p >= calibration.leans_from) & ~likely
        verdicts = {"no_signs": p < calibration.no_signs_below, "leans_fake": leans, "likely_fake": likely}
        found[name] = {
            f"{kind}_{verdict}": round(float(given[of].mean()), 4)
            for kind, of in (("fake", fake), ("real", ~fake))
            if of.any()
            for verdict, given in verdicts.items()
        }
    return found


def curves(calibration: Calibration, unseen: Logits, seen: Logits) -> Curves | None:
    """How rare each score is, on the same sets as the thresholds."""

    def scores(sets: Logits, fake: bool) -> dict[str, np.ndarray]:
        return {name: calibration.score(logits[(targets > 0.5) == fake]) for name, (logits, targets) in sets.items()}

    real = {**scores(unseen, fake=False), **scores(seen, fake=False)}
    return measure(real, scores(unseen, fake=True), scores(seen, fake=True))


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


def _lowest_reached_by(sets: list[np.ndarray], mean: float, lower_bound: float, of_set: float) -> float:
    """The lowest threshold, at most 1, from which on, however high, at most `mean` of the scores (N,) of the sets on
    average reach it, and of no large set more than `of_set`, or surely more than `lower_bound`."""
    sets = [p for p in sets if len(p) >= COUNTED] or sets
    candidates = np.unique(np.concatenate(sets))[::-1]
    reached = [len(p) - np.searchsorted(np.sort(p), candidates, side="left") for p in sets]
    held = np.mean([hits / len(p) for hits, p in zip(reached, sets, strict=True)], axis=0) <= mean + 1e-9
    for hits, p in zip(reached, sets, strict=True):
        if len(p) >= _LARGE:
            held &= (hits / len(p) <= of_set + 1e-9) & (wilson(hits, len(p))[0] <= lower_bound)
    broken = np.flatnonzero(~held)
    if not len(broken):
        return 0.0
    return float(min(1.0, (np.floor(candidates[broken[0]] * 10**_DIGITS) + 1) / 10**_DIGITS))


def _highest_below(sets: list[np.ndarray], share: float) -> float:
    """The highest threshold that on average over the sets, arrays (N,) each, at most `share` are below."""
    candidates = np.unique(np.concatenate(sets))
    below = np.mean([np.searchsorted(np.sort(p), candidates, side="left") / len(p) for p in sets], axis=0)
    within = candidates[below <= share + 1e-9]
    return float(np.floor(within[-1] * 10**_DIGITS) / 10**_DIGITS) if len(within) else 0.0
