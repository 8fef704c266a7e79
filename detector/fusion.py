"""What several networks say of a face, as one logit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SUM, MAX = "sum", "max"  # how the logit of a network is fused with those of others


@dataclass(frozen=True)
class Look:
    """What the networks that see the same crops say together: logits (N,) and activation maps (N, h, w), whose means
    they are, weighted and added up. `fusion` is how the logits join those of other looks."""

    logits: np.ndarray
    maps: np.ndarray
    fusion: str = SUM

    def __getitem__(self, part: slice) -> "Look":
        return Look(self.logits[part], self.maps[part], self.fusion)


def add(said: Sequence[tuple[float, np.ndarray, np.ndarray]], fusion: str = SUM) -> Look:
    """Of what networks say of the same crops, (weight, logits, maps) each."""
    height, width = (math.lcm(*(maps.shape[axis] for _, _, maps in said)) for axis in (1, 2))
    logits: np.ndarray = np.sum([weight * own for weight, own, _ in said], axis=0)
    maps: np.ndarray = np.sum([weight * _spread(own, height, width) for weight, _, own in said], axis=0)
    return Look(logits, maps, fusion)


def _spread(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (N, h, w) with each value repeated, (N, height, width)."""
    return maps.repeat(height // maps.shape[1], axis=1).repeat(width // maps.shape[2], axis=2)


def fuse(looks: Sequence[Look]) -> np.ndarray:
    """The logits of the faces: the sum over the looks, or that of one that is fused by maximum, where it is higher."""
    fused: np.ndarray = np.maximum.reduce([_total(looks), *(look.logits for look in looks if look.fusion == MAX)])
    return fused


def deciding(looks: Sequence[Look], face: int) -> int:
    """The number of the look that says most of a face, among those that make up its logit."""
    total = _total(looks)[face]
    maxima = [n for n, look in enumerate(looks) if look.fusion == MAX and look.logits[face] > total]
    among = maxima or [n for n, look in enumerate(looks) if look.fusion == SUM]
    return max(among, key=lambda number: float(looks[number].logits[face]))


def _total(looks: Sequence[Look]) -> np.ndarray:
    total: np.ndarray = np.sum([look.logits for look in looks if look.fusion == SUM], axis=0)
    return total
