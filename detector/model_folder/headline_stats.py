"""What a person is told beside a verdict: the shares that `no_signs` leaves open. One source for page, report, command
line, API and MCP."""

from collections.abc import Iterable
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
    metrics = metrics or Metrics()
    shares = [share for measured in metrics.unseen for share in _of_generators(measured)]
    return NoSignsShares(
        seen=mean(value(measured.clean.fake_no_signs) for measured in metrics.seen_once),
        unseen=mean(value(measured.clean.fake_no_signs) for measured in metrics.unseen),
        unseen_real=mean(value(measured.clean.real_no_signs) for measured in metrics.unseen),
        generators=tuple(sorted(shares, key=lambda share: -share.no_signs.value)),
    )


def _of_generators(measured: MeasuredSet) -> list[GeneratorShare]:
    parts = [(part.generator, part.conditions["clean"].fake_no_signs) for part in measured.by_generator]
    if not parts:
        parts = [(generator, measured.clean.fake_no_signs) for generator in measured.generators[:1]]
    return [GeneratorShare(generator, measured.name, share) for generator, share in parts if share]


def value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value


def mean(shares: Iterable[float | None]) -> float | None:
    """Of those that were measured."""
    measured = [share for share in shares if share is not None]
    return sum(measured) / len(measured) if measured else None
