"""How many faces score at least so high: the measured shares that stand beside a score, read off curves.

A curve is the mean over sets of pictures, each counting alike. Its 95% interval is that of a weighted sum of shares,
put together from the Wilson intervals of the sets by the method of variance estimates recovery (Zou, Huang and Zhang
2009, A note on confidence interval estimation for a linear function of binomial proportions): it tells of chance in
the pictures, not of how other sets would differ.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_GRID = 1 / (1 + np.exp(-np.arange(-60, 61) / 10))  # scores, finer where they are sure
_DIGITS = 4
_Z = 1.959963984540054  # of a 95% interval
COUNTED = 50  # faces: of a smaller set, which doesn't count where there are others, one face is over 2%


@dataclass(frozen=True)
class Share:
    """A share 0..1 and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Shares:
    """Of a score: of real faces, or of photographs of so many, that reach it; of faces forged in ways that the model
    has never seen, and in ways that it has. None where that was not measured."""

    false_positive: Share | None = None
    unseen: Share | None = None
    seen: Share | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return {f"{name}_share": None if share is None else asdict(share) for name, share in vars(self).items()}


@dataclass(frozen=True)
class Curve:
    """At each score of `Curves.scores` the share of faces that score at least so high, the mean over `sets`, and its
    interval; `n` faces in all."""

    sets: tuple[str, ...]
    n: int
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        ends = np.array([self.low, self.value, self.high])  # ValueError where they differ in length
        if self.n < 1 or not ((ends >= 0) & (ends <= 1)).all() or (np.diff(ends, axis=0) < 0).any():
            raise ValueError("a share or its interval is not within 0 and 1")
        if (np.diff(ends[1]) > 0).any():
            raise ValueError("a share rises with the score")


@dataclass(frozen=True)
class Curves:
    """Those of real faces, and of faces forged in ways unseen and seen, over `scores`, which rise from 0 to 1."""

    scores: tuple[float, ...]
    real: Curve | None = None
    unseen: Curve | None = None
    seen: Curve | None = None

    def __post_init__(self) -> None:
        if len(self.scores) < 2 or (self.scores[0], self.scores[-1]) != (0, 1) or not (np.diff(self.scores) > 0).all():
            raise ValueError("the scores of the curves do not rise from 0 to 1")
        if any(curve and len(curve.value) != len(self.scores) for curve in (self.real, self.unseen, self.seen)):
            raise ValueError("a curve is not as long as its scores")

    @property
    def sets(self) -> frozenset[tuple[str, str]]:
        """The sets that they are measured on, each with what it is of."""
        curves = {"real": self.real, "unseen": self.unseen, "seen": self.seen}
        return frozenset((of, name) for of, curve in curves.items() if curve for name in curve.sets)

    def at(self, score: float, faces: int = 1) -> Shares:
        """The shares at a score; `false_positive` is of photographs with so many real faces, one of which reaches it,
        as if their scores were independent."""

        def read(curve: Curve | None, faces: int = 1) -> Share | None:
            if curve is None:
                return None
            ends = (float(np.interp(score, self.scores, end)) for end in (curve.value, curve.low, curve.high))
            return Share(*(round(1 - (1 - end) ** faces, _DIGITS) for end in ends))

        return Shares(read(self.real, max(faces, 1)), read(self.unseen), read(self.seen))


def measure(
    real: Mapping[str, np.ndarray], unseen: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray]
) -> Curves | None:
    """The curves of scores (N,) by the name of their set; None where there are none. A set of few faces counts only
    where there is no other."""
    scores = np.array([0.0, *np.round(_GRID, 6), 1.0])
    curves = [_curve(sets, scores) for sets in (real, unseen, seen)]
    return Curves(tuple(map(float, scores)), *curves) if any(curves) else None


def _curve(sets: Mapping[str, np.ndarray], at: np.ndarray) -> Curve | None:
    sets = {name: found for name, found in sets.items() if len(found)}
    sets = {name: found for name, found in sets.items() if len(found) >= COUNTED} or sets
    if not sets:
        return None
    n = np.array([len(found) for found in sets.values()])
    hits = np.array([len(found) - np.searchsorted(np.sort(found), at, side="left") for found in sets.values()])
    value, low, high = (hits / n[:, None]), *wilson(hits, n[:, None])
    mean = value.mean(axis=0)
    below, above = (np.sqrt(((value - end) ** 2).sum(axis=0)) / len(sets) for end in (low, high))
    ends = (mean, np.maximum(mean - below, 0), np.minimum(mean + above, 1))
    return Curve(tuple(sets), int(n.sum()), *(tuple(float(x) for x in np.round(end, _DIGITS)) for end in ends))


def wilson(hits: np.ndarray, n: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the 95% interval of `hits` of `n` (Wilson 1927)."""
    share = hits / n
    middle = share + _Z**2 / (2 * n)
    spread = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return np.clip((middle - spread) / scale, 0, share), np.clip((middle + spread) / scale, share, 1)
