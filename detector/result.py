"""What the detector answers: one object that the API, the command line and the pages all show."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from detector.provenance import Finding
from detector.verdict import Verdict


@dataclass(frozen=True)
class Face:
    """One face. `box` is (left, top, right, bottom) in pixels of the upright picture, `score` the finder's certainty
    that it is a face, `p_fake` the calibrated probability that it was forged, both 0..1. `crop` uint8 (S, S, 3) is what
    the classifier saw, `activation` float32 (h, w) its map of evidence: above 0 speaks for a forgery. Neither is in
    `to_dict()`."""

    box: tuple[int, int, int, int]
    score: float
    p_fake: float
    verdict: Verdict
    crop: np.ndarray = field(repr=False, compare=False)
    activation: np.ndarray = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "box": list(self.box),
            "score": round(self.score, 4),
            "p_fake": round(self.p_fake, 6),
            "verdict": str(self.verdict),
        }


@dataclass(frozen=True)
class PictureInfo:
    """Width and height in pixels of the upright picture; `bytes` the file's size, None where there was no file."""

    width: int
    height: int
    format: str | None
    bytes: int | None
    sha256: str


@dataclass(frozen=True)
class ModelInfo:
    """Which model answered: `source` is "bundled", "folder" or "hub"; repo and revision, a commit, are the Hub's, else
    None. `note` is a sentence where another model was asked for: which one is used instead, and why."""

    source: str
    repo: str | None
    revision: str | None
    sha256: str
    architecture: str
    note: str | None = None


@dataclass(frozen=True)
class Result:
    """The answer for one picture. `p_fake` is None where there is no face; `faces` are sorted by suspicion, the most
    suspicious first; `provenance` never changes the score; `seconds` are wall-clock, by stage."""

    verdict: Verdict
    p_fake: float | None
    faces: tuple[Face, ...]
    provenance: tuple[Finding, ...]
    warnings: tuple[str, ...]
    picture: PictureInfo
    model: ModelInfo
    seconds: dict[str, float] = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return {
            "verdict": str(self.verdict),
            "p_fake": None if self.p_fake is None else round(self.p_fake, 6),
            "faces": [face.to_dict() for face in self.faces],
            "provenance": [finding.to_dict() for finding in self.provenance],
            "warnings": list(self.warnings),
            "picture": asdict(self.picture),
            "model": asdict(self.model),
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }
