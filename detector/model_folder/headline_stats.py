"""What a person is told beside a verdict: the shares that `no_signs` leaves open. One source for page, report, command
line, API and MCP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detector.model_folder.config import Generator
from detector.model_folder.metrics import Figure, MeasuredSet, Metrics


@dataclass(frozen=True)
class GeneratorShare:
    """Of the forgeries of one unseen generator in one set, the share that gets `no_signs`, with its interval."""

    generator: Generator
    set: str
    no_signs: Figure


@dataclass(frozen=True)
class NoSignsShares:
    """How many forgeries score as low as `no_signs` does, as shares 0..1; None where no such set was measured.

    `seen`: of faces forged in the ways that the model was trained on. `unseen`: of faces by generators that it has
    never seen. Every set counts alike. `unseen_real`: of real faces by cameras that it has never seen.
    """

    seen: float | None
    unseen: float | None
    unseen_real: float | None
    generators: tuple[GeneratorShare, ...]  # unseen ones, the most often missed first

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return {
            "seen": self.seen,
            "unseen": self.unseen,
            "unseen_real": self.unseen_real,
            "generators": [
                {
                    "name": share.generator.name,
                    "year": share.generator.year,
                    "set": share.set,
                    "no_signs": share.no_signs.value,
                    "low": share.no_signs.low,
                    "high": share.no_signs.high,
                    "n": share.no_signs.n,
                }
                for share in self.generators
            ],
        }


def no_signs_shares(metrics: Metrics | None) -> NoSignsShares:
    """The shares that stand beside every `no_signs`, of clean pictures. A seen set is counted by its test split where
    it has one."""
    sets = metrics.sets if metrics else ()
    unseen = [measured for measured in sets if measured.role == "unseen"]
    tested = {measured.name for measured in sets if measured.split == "test"}
    seen = [m for m in sets if m.role == "seen" and (m.split == "test" or m.name not in tested)]
    shares = [share for measured in unseen for share in _of_generators(measured)]
    return NoSignsShares(
        seen=mean([measured.clean.fake_no_signs for measured in seen]),
        unseen=mean([measured.clean.fake_no_signs for measured in unseen]),
        unseen_real=mean([measured.clean.real_no_signs for measured in unseen]),
        generators=tuple(sorted(shares, key=lambda share: -share.no_signs.value)),
    )


def _of_generators(measured: MeasuredSet) -> list[GeneratorShare]:
    parts = [(part.generator, part.conditions["clean"].fake_no_signs) for part in measured.by_generator]
    if not parts:
        parts = [(generator, measured.clean.fake_no_signs) for generator in measured.generators[:1]]
    return [GeneratorShare(generator, measured.name, share) for generator, share in parts if share]


def mean(figures: Sequence[Figure | None]) -> float | None:
    values = [figure.value for figure in figures if figure is not None]
    return sum(values) / len(values) if values else None
