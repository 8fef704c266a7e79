"""What the detector answers: one object that the API, the command line and the pages all show."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from detector.headline import Headline, headline
from detector.provenance import Finding, Origin, origin
from detector.shares import Shares
from detector.verdict import Verdict


class Evidence(StrEnum):
    """What part of the picture speaks most for a forgery, or least against one."""

    FACE = "face"
    SURROUNDINGS = "surroundings"  # the face with hair, shoulders and background


class WarningCode(StrEnum):
    """What makes a verdict weak."""

    NOT_A_PHOTOGRAPH = "not_a_photograph"
    TINY_FACE = "tiny_face"
    LARGE_PICTURE = "large_picture"
    CUT_OFF_FACE = "cut_off_face"
    BLURRED_FACE = "blurred_face"
    COVERED_FACE = "covered_face"
    EMPTY_CORNER = "empty_corner"
    MANY_FACES = "many_faces"
    TURNED_FACE = "turned_face"
    MORE_FRAMES = "more_frames"
    REDUCED_PICTURE = "reduced_picture"
    TOO_MANY_FACES = "too_many_faces"


@dataclass(frozen=True)
class Face:
    """One face. `box` is (left, top, right, bottom) in pixels of the upright picture, `detection_score` how certain
    the face detector is of it, `score`, which is no probability, how much speaks for a forgery, both 0..1; `shares`
    are the measured ones at that score; `roll` by how many degrees it is turned clockwise, -180..180. `evidence` tells
    which of the model's networks suspects it most; `doubts` are why it cannot be judged: then it is `uncertain`,
    whatever its score. `crop` uint8 (S, S, 3) is what that network saw, `activation` float32 (h, w) its map of
    evidence: above 0 speaks for a forgery. These two are not in `to_dict()`."""

    box: tuple[int, int, int, int]
    detection_score: float
    score: float
    shares: Shares
    verdict: Verdict
    evidence: Evidence
    roll: float
    doubts: tuple[WarningCode, ...]
    crop: np.ndarray = field(repr=False, compare=False)
    activation: np.ndarray = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "box": list(self.box),
            "detection_score": round(self.detection_score, 4),
            "score": round(self.score, 6),
            **self.shares.to_dict(),
            "verdict": str(self.verdict),
            "evidence": str(self.evidence),
            "roll": round(self.roll, 1),
            "doubts": list(map(str, self.doubts)),
        }


@dataclass(frozen=True)
class Warning:
    """Something that makes the verdict weak: `code` for a program, `text` is the sentence for a person."""

    code: WarningCode
    text: str


@dataclass(frozen=True)
class PictureInfo:
    """Width and height in pixels of the upright picture; `bytes` the file's size, None where there was no file."""

    width: int
    height: int
    format: str | None
    bytes: int | None
    sha256: str


class ModelSource(StrEnum):
    """Where a model folder comes from."""

    BUNDLED = "bundled"
    FOLDER = "folder"
    HUB = "hub"


@dataclass(frozen=True)
class ModelInfo:
    """Which model answered. Repo and revision, a commit, are the Hub's, else None. `digest` is that of all that a
    verdict depends on, see ModelConfig. `note` is a sentence where another model was asked for: which one is used
    instead, and why."""

    source: ModelSource
    repo: str | None
    revision: str | None
    digest: str
    architecture: str
    note: str | None = None


@dataclass(frozen=True)
class Result:
    """The answer for one picture. `score` is None where there is no face, and so are `shares`, as where too little of
    the face shows; their real faces are photographs with as many as could be judged. `faces` are sorted by suspicion,
    the most suspicious first; `provenance` never changes the score; `seconds` are wall-clock, by stage."""

    verdict: Verdict
    score: float | None
    shares: Shares
    faces: tuple[Face, ...]
    provenance: tuple[Finding, ...]
    warnings: tuple[Warning, ...]
    picture: PictureInfo
    model: ModelInfo
    seconds: dict[str, float] = field(compare=False)

    @property
    def origin(self) -> Origin:
        """What the file declares of its origin, all findings taken together, and how far that can be trusted."""
        return origin(self.provenance)

    @property
    def headline(self) -> Headline:
        """The answer in words, from the faces and from what the file declares."""
        return headline(self.verdict, self.origin, len(self.faces), judged=not self.undecidable)

    @property
    def judged(self) -> int:
        """How many of the faces could be judged."""
        return sum(not face.doubts for face in self.faces)

    @property
    def undecidable(self) -> bool:
        """Whether the verdict is that of a face which could not be judged."""
        return bool(self.faces) and bool(self.faces[0].doubts)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return {
            "headline": self.headline.title,
            "verdict": str(self.verdict),
            "score": None if self.score is None else round(self.score, 6),
            **self.shares.to_dict(),
            "origin": self.origin.to_dict(),
            "faces": [face.to_dict() for face in self.faces],
            "provenance": [finding.to_dict() for finding in self.provenance],
            "warnings": [_plain(warning) for warning in self.warnings],
            "picture": asdict(self.picture),
            "model": _plain(self.model),
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }


def _plain(record: Warning | ModelInfo) -> dict[str, Any]:
    """The fields of `record`, a member of an enum as its value."""
    return {key: str(value) if isinstance(value, StrEnum) else value for key, value in asdict(record).items()}
