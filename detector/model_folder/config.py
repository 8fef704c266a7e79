"""config.json as dataclasses, its only reader and writer."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from detector.errors import ModelError
from detector.fusion import MAX, SUM
from detector.model_folder.schema import (
    CONFIG,
    DIGEST_SINCE,
    FORMAT_VERSION,
    check_counts,
    check_shares,
    check_version,
    parse,
    plain,
    wrong,
)
from detector.verdict import Calibration


@dataclass(frozen=True)
class NetworkConfig:
    """One network of a model. The fused logit of a face is the sum of `weight` times the logit over the networks whose
    `fusion` is "sum", or, where that is higher, `weight` times the logit of one whose `fusion` is "max".
    `crop_margin` is the crop's side in face sides, `input_size` in pixels. Two may name one file."""

    file: str
    sha256: str
    input_size: int
    crop_margin: float
    weight: float = 1.0
    keras: str | None = None
    fusion: str = SUM

    def __post_init__(self) -> None:
        for name in (self.file, self.keras):
            if name is not None and (not name or name.startswith(".") or any(c in name for c in "/\\:\0")):
                raise ValueError("a network's file is a plain name in the model folder")
        if not 32 <= self.input_size <= 1024 or not 0.5 <= self.crop_margin <= 4:  # also for NaN
            raise ValueError("the input size or crop margin cannot be right")
        if not math.isfinite(self.weight):
            raise ValueError("a network's weight must be a finite number")
        if self.fusion not in (SUM, MAX):
            raise ValueError("a network's logit is fused by sum or by max")


@dataclass(frozen=True)
class CalibrationLimits:
    """What the thresholds were fitted to hold, each a share 0..1 as in training.evaluation.calibrate.Limits, None where
    it was not asked; on which sets of pictures, and by set what share of them came out how."""

    max_unseen_no_signs: float
    max_false_positive_rate: float
    max_seen_no_signs: float
    max_false_positive_rate_of_set: float | None = None
    max_false_positive_lower_bound: float | None = None
    max_leans_rate: float | None = None
    max_leans_rate_of_set: float | None = None
    max_leans_lower_bound: float | None = None
    unseen: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = [value for value in vars(self).values() if isinstance(value, (int, float))]
        check_shares(*given, *(share for of_set in self.shares.values() for share in of_set.values()))


@dataclass(frozen=True)
class Counts:
    """Faces of a split, by class, and its pictures that gave none, where that is known: not of one that is streamed."""

    fake: int
    real: int
    broken: int | None = None
    no_face: int | None = None

    def __post_init__(self) -> None:
        check_counts(*(count for count in asdict(self).values() if count is not None))


@dataclass(frozen=True)
class Generator:
    """What made the forgeries of a set, and the year that it came out in, None where that is not known."""

    name: str
    year: int | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.year})" if self.year else self.name


@dataclass(frozen=True)
class TrainingSet:
    """A source that the model was trained on."""

    train: Counts
    validation: Counts
    terms: str | None = None


@dataclass(frozen=True)
class HeldOutSet:
    """A source with no picture in training: `unseen` ones chose the checkpoint, temperature and thresholds, `test` ones
    nothing."""

    counts: Counts
    generators: tuple[Generator, ...] = ()
    terms: str | None = None


@dataclass(frozen=True)
class DataRoles:
    """The sources by role and name."""

    train: dict[str, TrainingSet] = field(default_factory=dict)
    unseen: dict[str, HeldOutSet] = field(default_factory=dict)
    test: dict[str, HeldOutSet] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """config.json. `limits` is None and `face_detector` empty where an older folder does not say them; `options` are
    those of the training run, as it names them, for the record."""

    architecture: str
    networks: tuple[NetworkConfig, ...]
    calibration: Calibration
    face_detector: str = ""
    limits: CalibrationLimits | None = None
    data: DataRoles = field(default_factory=DataRoles)
    offset: float = 0.0  # already in the networks
    options: dict[str, Any] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    litert_against_keras: dict[str, int | float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    date: str | None = None
    git_commit: str | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        fusions = [network.fusion for network in self.networks]
        if not 1 <= len(fusions) <= 3 or fusions[0] != SUM or fusions != sorted(fusions, key=(SUM, MAX).index):
            raise ValueError("a model has one to three networks, the first fused by sum and those fused by max last")

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all that a verdict depends on: networks, crops, weights, face detector, temperature and
        thresholds. Names of files and what is kept for the record are left out."""
        depends = {
            "networks": [
                {name: value for name, value in _described(network).items() if name not in ("file", "keras")}
                for network in self.networks
            ],
            "face_detector": self.face_detector,
            "calibration": plain(self.calibration),
        }
        return hashlib.sha256(json.dumps(_floats(depends), sort_keys=True).encode()).hexdigest()

    @property
    def networks_sha256(self) -> str:
        """What stood for the model before format version 3: the digest of its only network file, else that of the
        files' digests put together in order."""
        digests = list(dict.fromkeys(network.sha256 for network in self.networks))
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """Of config.json's content. Raises ModelError for one that is newer, incomplete, wrong or not of its digest."""
        version = check_version(content, CONFIG)
        try:
            parts = dict(content)
            digest = parts.pop("digest") if version >= DIGEST_SINCE else None
            parts["limits"] = parts.pop("calibration", None)
            thresholds = dict(parts.pop("thresholds"))
            parts["calibration"] = {"temperature": parts.pop("temperature"), **thresholds}
        except (KeyError, TypeError, ValueError) as error:
            raise wrong(CONFIG, error) from None
        config = parse(cls, parts, CONFIG)
        if version >= DIGEST_SINCE and digest != config.digest:
            raise ModelError(
                f"The model's {CONFIG} is not as it was written: copy or download the folder again, or export it."
            )
        return config

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as config.json holds them: always of the newest format version."""
        parts = {**plain(self), "format_version": FORMAT_VERSION}
        calibration = parts.pop("calibration")
        parts["networks"] = [_described(network) for network in self.networks]
        head = ("architecture", "networks", "face_detector")
        return {
            "format_version": parts.pop("format_version"),
            "digest": self.digest,
            **{name: parts.pop(name) for name in head},
            "temperature": calibration.pop("temperature"),
            "thresholds": calibration,
            **({"calibration": parts.pop("limits")} if self.limits else {}),
            **parts,
        }


def _described(network: NetworkConfig) -> dict[str, Any]:
    """Without a fusion by sum: folders that know no other keep their digest, and are read by older detectors."""
    described: dict[str, Any] = plain(network)
    return {name: value for name, value in described.items() if (name, value) != ("fusion", SUM)}


def _floats(value: Any) -> Any:
    """Every number as a float: 1 and 1.0 are one weight, but two texts."""
    if isinstance(value, dict):
        return {name: _floats(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_floats(part) for part in value]
    return float(value) if isinstance(value, int) else value
