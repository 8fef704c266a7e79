"""config.json and metrics.json as dataclasses: their only readers and writers, for format versions 1 and 2.

Whatever is read is checked against the types below: a missing name, an unknown one, a value of another type or out of
its range is a ModelError. Only version 1 may hold names that are not known here; they are passed over.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

import dacite

from detector.errors import ModelError
from detector.model_folder import version1
from detector.text import excerpt
from detector.verdict import Calibration

FORMAT_VERSION = 2
MODEL, CONFIG, METRICS, CARD, KERAS = "model.tflite", "config.json", "metrics.json", "README.md", "model.keras"

FIGURES = (
    *("auc", "accuracy", "precision_fake", "recall_fake", "precision_real", "recall_real"),
    *("false_positive_rate", "false_negative_rate", "real_likely_fake", "real_no_signs", "fake_likely_fake"),
    *("fake_no_signs", "abstention_rate", "selective_risk", "ece", "picture_auc", "picture_false_positive_rate"),
)
# How the pictures of a set come: as they are; half the size and JPEG 60 to 80; a quarter and JPEG 40; the whole picture
# taken for one crop, only to compare with published figures.
CONDITIONS = ("clean", "half_size_jpeg", "quarter_size_jpeg", "no_crop")

Role = Literal["unseen", "seen"]
T = TypeVar("T")


# --- config.json -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkConfig:
    """One network of a model. The fused logit of a face is the sum over networks of `weight` times the logit.
    `crop_margin` is the crop's side in face sides, `input_size` in pixels. Two may name one file."""

    file: str
    sha256: str
    input_size: int
    crop_margin: float
    weight: float = 1.0
    keras: str | None = None

    def __post_init__(self) -> None:
        for name in (self.file, self.keras):
            if name is not None and (not name or name.startswith(".") or any(c in name for c in "/\\:\0")):
                raise ValueError("a network's file is a plain name in the model folder")
        if not 32 <= self.input_size <= 1024 or not 0.5 <= self.crop_margin <= 4:  # also where it is no number
            raise ValueError("the input size or crop margin cannot be right")
        if not math.isfinite(self.weight):
            raise ValueError("a network's weight must be a finite number")


@dataclass(frozen=True)
class CalibrationLimits:
    """What the thresholds were fitted to hold, each a share 0..1, and on which sets of pictures."""

    max_unseen_no_signs: float  # of the forgeries of each unseen set by itself
    max_false_positive_rate: float  # of the real faces of each set that come out as likely fake
    max_seen_no_signs: float  # of all forgeries of seen kinds, each set counting alike
    unseen: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_shares(self.max_unseen_no_signs, self.max_false_positive_rate, self.max_seen_no_signs)


@dataclass(frozen=True)
class Counts:
    """Faces of a split, by class, and its pictures that gave none, where that is known: not of one that is streamed."""

    fake: int
    real: int
    broken: int | None = None
    no_face: int | None = None

    def __post_init__(self) -> None:
        _check_counts(*(count for count in asdict(self).values() if count is not None))


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
    litert_against_keras: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    date: str | None = None
    git_commit: str | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not 1 <= len(self.networks) <= 2:
            raise ValueError("a model has one network or two")

    @property
    def sha256(self) -> str:
        """Hex digest that stands for the model: that of its only network file, else that of the files' digests put
        together in order."""
        digests = list(dict.fromkeys(network.sha256 for network in self.networks))
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """Of config.json's content. Raises ModelError for one that is newer, incomplete or wrong."""
        version = check_version(content)
        try:
            parts = dict(version1.config(content) if version == 1 else content)
            parts["limits"] = parts.pop("calibration", None)
            thresholds = dict(parts.pop("thresholds"))
            parts["calibration"] = {"temperature": parts.pop("temperature"), **thresholds}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _wrong(CONFIG, error) from None
        return _parse(cls, parts, CONFIG)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as config.json holds them: always of the newest format version."""
        parts = {**_plain(self), "format_version": FORMAT_VERSION}
        calibration = parts.pop("calibration")
        head = ("format_version", "architecture", "networks", "face_detector")
        return {
            **{name: parts.pop(name) for name in head},
            "temperature": calibration.pop("temperature"),
            "thresholds": calibration,
            **({"calibration": parts.pop("limits")} if self.limits else {}),
            **parts,
        }


# --- metrics.json ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A measured value in 0..1, its 95% interval, and the number of faces it was taken over."""

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        _check_shares(self.value, self.low, self.high)
        _check_counts(self.n)


@dataclass(frozen=True)
class Confusion:
    """Faces by what they are and what P(fake) 0.5 calls them."""

    real_as_real: int
    real_as_fake: int
    fake_as_real: int
    fake_as_fake: int

    def __post_init__(self) -> None:
        _check_counts(*asdict(self).values())


@dataclass(frozen=True)
class Measured:
    """What was measured on the pictures of a set under one condition. `n` pictures, in `judged` of which a face was
    found; a figure is None where the class that it needs is missing. Fake is the positive class; `picture_…` take the
    most suspicious face of a picture, the others the one that the label is about."""

    n: int
    judged: int
    fake: int
    real: int
    no_face: float = 0.0
    auc: Figure | None = None
    accuracy: Figure | None = None
    precision_fake: Figure | None = None
    recall_fake: Figure | None = None
    precision_real: Figure | None = None
    recall_real: Figure | None = None
    false_positive_rate: Figure | None = None
    false_negative_rate: Figure | None = None
    real_likely_fake: Figure | None = None
    real_no_signs: Figure | None = None
    fake_likely_fake: Figure | None = None
    fake_no_signs: Figure | None = None
    abstention_rate: Figure | None = None
    selective_risk: Figure | None = None
    ece: Figure | None = None
    picture_auc: Figure | None = None
    picture_false_positive_rate: Figure | None = None
    confusion: Confusion | None = None

    def __post_init__(self) -> None:
        _check_counts(self.n, self.judged, self.fake, self.real)
        _check_shares(self.no_face)

    @property
    def figures(self) -> dict[str, Figure]:
        """Those that were measured, by name."""
        found = {name: getattr(self, name) for name in FIGURES}
        return {name: figure for name, figure in found.items() if figure is not None}


@dataclass(frozen=True)
class Roc:
    """`true_positive_rate` (fakes found) against `false_positive_rate` (real called fake), both rising 0..1."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_shares(*self.false_positive_rate, *self.true_positive_rate)
        if len(self.false_positive_rate) != len(self.true_positive_rate):
            raise ValueError("the two rates of a ROC curve differ in length")


@dataclass(frozen=True)
class ReliabilityBin:
    """`n` faces whose mean P(fake) is `mean_p`, a share `fakes` of them fake."""

    n: int
    mean_p: float
    fakes: float

    def __post_init__(self) -> None:
        _check_counts(self.n)
        _check_shares(self.mean_p, self.fakes)


@dataclass(frozen=True)
class GeneratorFigures:
    """The forgeries of one generator of a set, against the same real faces as the set's."""

    generator: Generator
    conditions: dict[str, Measured]

    def __post_init__(self) -> None:
        _check_conditions(self.conditions)


@dataclass(frozen=True)
class GroupFigures:
    """Clean real faces of one group: `attribute` is what divides people ("sex"), `group` the part ("female")."""

    attribute: str
    group: str
    judged: int
    false_positive_rate: Figure
    real_likely_fake: Figure
    abstention_rate: Figure


@dataclass(frozen=True)
class MeasuredSet:
    """A split of a source. `unseen`: no picture of its generators and cameras is in training. The AUC of an unseen set
    is that of its forgeries against the real faces of all unseen sets. `generators` made its forgeries."""

    name: str
    split: str  # "validation", "test", or "held_out" for a part of train that was not trained on
    role: Role
    conditions: dict[str, Measured]
    generators: tuple[Generator, ...] = ()
    by_generator: tuple[GeneratorFigures, ...] = ()  # where there are several
    groups: tuple[GroupFigures, ...] = ()  # where the set names groups
    roc: Roc | None = None
    reliability: tuple[ReliabilityBin, ...] = ()

    def __post_init__(self) -> None:
        _check_conditions(self.conditions)
        if "clean" not in self.conditions:
            raise ValueError("a measured set lacks its clean pictures")

    @property
    def title(self) -> str:
        """Name and split, which no two sets of a metrics.json share."""
        return f"{self.name} {self.split.replace('_', ' ')}"

    @property
    def clean(self) -> Measured:
        return self.conditions["clean"]


@dataclass(frozen=True)
class SeverityFigures:
    """A corruption at one severity."""

    severity: int
    judged: int
    auc: Figure | None = None
    accuracy: Figure | None = None
    false_positive_rate: Figure | None = None
    false_negative_rate: Figure | None = None


@dataclass(frozen=True)
class Robustness:
    """One set under each corruption by name, severity 1 to 5."""

    set: str
    pictures: int
    command: str
    corruptions: dict[str, tuple[SeverityFigures, ...]]


@dataclass(frozen=True)
class ReencodingRound:
    """Figures after so many rounds of re-encoding, 0 for the pictures as they are."""

    round: int
    measured: Measured


@dataclass(frozen=True)
class ReencodingLadder:
    """Pictures sent through social networks again and again, by the name of the parameter set."""

    sets: tuple[str, ...]
    pictures: int
    command: str
    ladders: dict[str, tuple[ReencodingRound, ...]]


@dataclass(frozen=True)
class AblationRun:
    """A short run that differs in one choice, its figures by set and condition."""

    name: str
    command: str
    sets: dict[str, dict[str, Measured]]


@dataclass(frozen=True)
class Metrics:
    """metrics.json: every figure of the card. `sets` are the unseen ones first."""

    sets: tuple[MeasuredSet, ...]
    command: str = ""
    date: str = ""
    git_commit: str | None = None
    model_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    robustness: Robustness | None = None
    reencoding: ReencodingLadder | None = None
    ablations: tuple[AblationRun, ...] = ()
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        titles = [measured.title for measured in self.sets]
        if len(set(titles)) < len(titles):
            raise ValueError("two measured sets have one name")

    @property
    def unseen(self) -> tuple[MeasuredSet, ...]:
        return tuple(measured for measured in self.sets if measured.role == "unseen")

    @property
    def seen(self) -> tuple[MeasuredSet, ...]:
        return tuple(measured for measured in self.sets if measured.role == "seen")

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Metrics":
        """Of metrics.json's content. Raises ModelError for one that is newer, incomplete or wrong."""
        version = content.get("format_version", 1)  # version 1 did not say it
        if check_version({"format_version": version}) == 1:
            try:
                content = version1.metrics(content)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise _wrong(METRICS, error) from None
        return _parse(cls, content, METRICS)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as metrics.json holds them: always of the newest format version."""
        parts = {**_plain(self), "format_version": FORMAT_VERSION}
        return {"format_version": parts.pop("format_version"), **parts}


# --- Reading and writing ---------------------------------------------------------------------------------------------


def check_version(content: Mapping[str, Any]) -> int:
    """The format version of a config.json's content. Raises ModelError where it names none, or a newer one."""
    version = content.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelError(f"The model's {CONFIG} names no format version: export the model again.")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"The model is of format {excerpt(version, 20)}, newer than this detector reads ({FORMAT_VERSION}): "
            "update the detector, or take an older revision of the model."
        )
    return version


# Whole numbers may stand for others; JSON has lists where the dataclasses have tuples.
_READING = dacite.Config(strict=True, cast=[tuple], type_hooks={float: lambda value: _number(value)})  # noqa: PLW0108


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a value that must be a number is none")
    return float(value)


def _parse(kind: type[T], content: Mapping[str, Any], file: str) -> T:
    try:
        return dacite.from_dict(kind, content, _READING)
    except (dacite.DaciteError, ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        raise _wrong(file, error) from None


def _wrong(file: str, error: Exception) -> ModelError:
    match error:
        case KeyError():
            why = f"{error.args[0]} is missing"
        case dacite.MissingValueError():
            why = f"{error.field_path} is missing"
        case dacite.UnexpectedDataError():
            why = f"{', '.join(sorted(map(str, error.keys)))} is unknown"
        case dacite.WrongTypeError():
            why = f"{error.field_path} is of the wrong kind"
        case _:
            why = str(error)
    return ModelError(f"The model's {file} is incomplete or wrong ({excerpt(why, 100)}): export the model again.")


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries; fields that say nothing (None or an empty tuple) are left out."""
    if hasattr(value, "__dataclass_fields__"):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: _plain(part) for name, part in pairs if part is not None and part != ()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def _check_shares(*values: float) -> None:
    if not all(0 <= value <= 1 for value in values):  # also for what is no number
        raise ValueError("a share is not within 0 and 1")


def _check_counts(*values: int) -> None:
    if not all(value >= 0 for value in values):
        raise ValueError("a count is below 0")


def _check_conditions(conditions: Mapping[str, Measured]) -> None:
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise ValueError(f"{unknown[0]} is no condition: they are {', '.join(CONDITIONS)}")
