"""metrics.json as dataclasses, its only reader and writer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from detector.errors import ModelError
from detector.model_folder.config import Generator, ModelConfig
from detector.model_folder.schema import (
    DIGEST_SINCE,
    FORMAT_VERSION,
    METRICS,
    check_counts,
    check_shares,
    check_version,
    parse,
    plain,
)
from detector.shares import Curves

FIGURES = (
    *("auc", "accuracy", "precision_fake", "recall_fake", "precision_real", "recall_real"),
    *("false_positive_rate", "false_negative_rate", "real_likely_fake", "real_leans_fake", "real_no_signs"),
    *("fake_likely_fake", "fake_leans_fake", "fake_no_signs", "abstention_rate", "selective_risk", "ece"),
    *("picture_auc", "picture_false_positive_rate"),
)
# How the pictures of a set come: as they are; half the size and JPEG 60 to 80; a quarter and JPEG 40; the whole picture
# taken for one crop, only to compare with published figures.
CONDITIONS = ("clean", "half_size_jpeg", "quarter_size_jpeg", "no_crop")

Role = Literal["unseen", "seen"]


@dataclass(frozen=True)
class Figure:
    """A measured value in 0..1, its 95% interval, and the number of faces it was taken over."""

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        check_shares(self.value, self.low, self.high)
        check_counts(self.n)


@dataclass(frozen=True)
class Confusion:
    """Faces by what they are and what a score of 0.5 calls them."""

    real_as_real: int
    real_as_fake: int
    fake_as_real: int
    fake_as_fake: int

    def __post_init__(self) -> None:
        check_counts(*asdict(self).values())


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
    real_leans_fake: Figure | None = None  # None, too, where the model has no such threshold
    real_no_signs: Figure | None = None
    fake_likely_fake: Figure | None = None
    fake_leans_fake: Figure | None = None
    fake_no_signs: Figure | None = None
    abstention_rate: Figure | None = None
    selective_risk: Figure | None = None
    ece: Figure | None = None
    picture_auc: Figure | None = None
    picture_false_positive_rate: Figure | None = None
    confusion: Confusion | None = None

    def __post_init__(self) -> None:
        check_counts(self.n, self.judged, self.fake, self.real)
        check_shares(self.no_face)

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
        check_shares(*self.false_positive_rate, *self.true_positive_rate)
        if len(self.false_positive_rate) != len(self.true_positive_rate):
            raise ValueError("the two rates of a ROC curve differ in length")


@dataclass(frozen=True)
class ReliabilityBin:
    """`n` faces whose mean score is `mean_p`, a share `fakes` of them fake."""

    n: int
    mean_p: float
    fakes: float

    def __post_init__(self) -> None:
        check_counts(self.n)
        check_shares(self.mean_p, self.fakes)


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
class Metrics:
    """metrics.json: every figure of the card, and how rare each score is. `sets` are the unseen ones first."""

    sets: tuple[MeasuredSet, ...] = ()  # of a folder that was only exported
    command: str = ""
    date: str = ""
    git_commit: str | None = None
    digest: str = ""  # of the model that was measured
    versions: dict[str, str] = field(default_factory=dict)
    robustness: Robustness | None = None
    reencoding: ReencodingLadder | None = None
    curves: Curves | None = None
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

    @property
    def seen_once(self) -> tuple[MeasuredSet, ...]:
        """Each seen set by its test split, where it has one."""
        tested = {measured.name for measured in self.seen if measured.split == "test"}
        return tuple(m for m in self.seen if m.split == "test" or m.name not in tested)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Metrics":
        """Of metrics.json's content. Raises ModelError for one that is newer, incomplete or wrong."""
        if check_version(content, METRICS) < DIGEST_SINCE:
            content = {**content, "digest": content.get("model_sha256", "")}
            content.pop("model_sha256", None)
        content = {name: value for name, value in content.items() if name != "ablations"}  # a table that is gone
        return parse(cls, content, METRICS, {Figure: _figure})

    def of(self, config: ModelConfig) -> "Metrics":
        """These, as those of the model of `config`, by its digest. Raises ModelError where another was measured."""
        before = self.format_version < DIGEST_SINCE  # which said only of what networks, or nothing
        if self.digest not in (("", config.networks_sha256) if before else (config.digest,)):
            raise ModelError(
                f"The model's {METRICS} was measured on another model: delete it, then run python -m training evaluate."
            )
        return replace(self, digest=config.digest)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as metrics.json holds them: always of the newest format version."""
        parts = {**plain(self), "format_version": FORMAT_VERSION}
        return {"format_version": parts.pop("format_version"), **parts}


def _figure(content: Any) -> Any:
    """The Figure of its plain types, of which there are a thousand: dacite, which takes ten times as long, is left to
    say what is wrong with any other content."""
    kinds = {name: type(value) for name, value in content.items()} if isinstance(content, dict) else {}
    is_plain = kinds.pop("n", None) is int and kinds.keys() == {"value", "low", "high"}
    return Figure(**content) if is_plain and set(kinds.values()) == {float} else content


def _check_conditions(conditions: Mapping[str, Measured]) -> None:
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise ValueError(f"{unknown[0]} is no condition: they are {', '.join(CONDITIONS)}")
