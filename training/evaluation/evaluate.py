"""Measure a model folder on pictures, by the app's own path, and write metrics.json, scores, plots and the card.

Every picture goes through `Detector.detect_many` as a person would hand it in. Where a picture shows several faces the
figures are those of the face that the label is about; `picture_…` figures take the most suspicious one, as the app
does.
"""

import csv
import dataclasses
import datetime
import gzip
import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from detector import Detector, ImageError, picture
from detector.model_folder import (
    CONDITIONS,
    GeneratorFigures,
    Measured,
    MeasuredSet,
    Metrics,
    ModelConfig,
    ReencodingLadder,
    ReencodingRound,
    Robustness,
    Role,
    SeverityFigures,
    store,
)
from detector.model_folder.scores import PACKED, SCORES
from detector.shares import Curves, measure
from detector.verdict import Calibration, Verdict
from training.augment import corruptions, reencoding
from training.data import face_cache
from training.data.face_cache import Split
from training.data.sources import Source, by_role
from training.data.splits import open_split, splits_of
from training.errors import TrainingError
from training.evaluation import card, metrics, plots
from training.evaluation.metrics import Answers
from training.files import write, write_metrics
from training.record import git_commit, versions

log = logging.getLogger(__name__)

_DIGITS = 6  # of a score in scores.csv
_LARGEST_SCORES = 1_000_000  # bytes: above, the file is compressed
# How each picture is altered in a condition; no_crop is measured without the face detector.
_CORRUPTED: dict[str, corruptions.Corrupt | None] = {
    "clean": None,
    "half_size_jpeg": corruptions.web_measured,
    "quarter_size_jpeg": corruptions.hard_measured,
}


@dataclass(frozen=True)
class EvaluateOptions:
    data: tuple[str, ...]  # the sources that the model was trained on
    splits: tuple[str, ...] = ("validation", "test")
    limit: int | None = None  # pictures of each class and split
    robustness: int = 100  # pictures of each class for every corruption and severity; 0 leaves it out
    workers: int | None = None  # threads; None is one a core
    streaming: bool = False  # read the splits from the Hub without a download of the others
    reencoding: int = 25  # pictures of each class and unseen set, shared again and again; 0 leaves it out
    unseen: tuple[str, ...] = ()  # sources without a picture in training: measured first, on their validation split


@dataclass(frozen=True)
class _Judged:
    """A split with what the detector said of its pictures, by condition. `digests` are the SHA-256 of the files."""

    role: Role
    source: Source
    split: str
    rows: Split
    answers: dict[str, Answers]
    digests: list[str]


def evaluate(folder: Path, options: EvaluateOptions, *, cache: Path | None = None) -> Metrics:
    """Measure the model folder and write metrics.json, scores, plots and README.md into it; returns the metrics.

    Every unseen set, then every split of every source: clean, at half and quarter size, and without the face detector;
    the first source's validation pictures under each corruption at each severity. Raises TrainingError for data that
    cannot be used, ModelError for the folder.
    """
    detector = Detector.load(folder, threads=1)
    sources, unseen = by_role(options.data, options.unseen)
    _refuse_trained_on(detector.model.config, sources, unseen, options)
    judged = list(_judge(detector, "unseen", unseen, ("validation",), options, cache))
    judged += _judge(detector, "seen", sources, options.splits, options, cache)
    if not judged:
        raise TrainingError("No source has any of the splits to measure: look at --splits.")
    pooled = {
        condition: metrics.together(j.answers[condition].real for j in judged if j.role == "unseen")
        for condition in CONDITIONS
    }
    previous = detector.model.metrics
    curves, kept = _curves(judged), previous.curves if previous else None
    result = Metrics(
        sets=tuple(_measured_set(j, detector.model.calibration, pooled) for j in judged),
        command=_command(options),
        date=datetime.date.today().isoformat(),
        git_commit=git_commit(),
        digest=detector.model.info.digest,
        versions=versions(),
        # Those of the export are of more sets, as a rule.
        curves=kept if kept and kept.sets >= (curves.sets if curves else set()) else curves,
        robustness=_robustness(detector, options, cache)
        if options.robustness
        else previous.robustness
        if previous
        else None,
        reencoding=_reencoding(detector, options, cache)
        if options.reencoding
        else previous.reencoding
        if previous
        else None,
    )
    write_metrics(folder, result)
    _write_scores(folder, judged, detector)
    plots.draw(result, folder / "plots")
    write(folder / store.CARD, card.render(detector.model.config, result, onnx=any(folder.glob(store.ONNX))).encode())
    return result


def _refuse_trained_on(
    config: ModelConfig, sources: Sequence[Source], unseen: Sequence[Source], options: EvaluateOptions
) -> None:
    """Raises TrainingError where an unseen set, or a test, would be of pictures that the model was trained on."""
    trained = [Source.parse(name) for name in config.data.train]
    for source in unseen:
        for copy in trained:
            if (
                source.name.partition("@")[0] == copy.name.partition("@")[0]
                or source.hub_id
                and source.hub_id == copy.hub_id
            ):
                raise TrainingError(f"The model was trained on {source.name}: name it in --data, not in --unseen.")
    for source in sources if "test" in options.splits else ():
        for copy in trained:
            if copy.merged_from and copy.merged_from == source.hub_id:
                raise TrainingError(
                    f"The model was trained on {copy.name}, which holds the test pictures of {source.name}: leave test "
                    "out of --splits, or train on the original."
                )


def _judge(
    detector: Detector,
    role: Role,
    sources: Sequence[Source],
    splits: Sequence[str],
    options: EvaluateOptions,
    cache: Path | None,
) -> Iterator[_Judged]:
    for source in sources:
        own = splits_of(source, streaming=options.streaming)
        for name in splits:
            if name == "test" and ("test" not in own or source.merged_from):
                log.warning("%s has no official test split: no part of it is called a test", source.name)
                continue
            split = _load(source, name, options, options.limit, cache)
            log.info("%s %s: %d pictures", source.name, name, len(split.rows))
            digests: list[str] = []
            found = {
                condition: answers(detector, split, corrupt, options.workers, None if corrupt else digests)
                for condition, corrupt in _CORRUPTED.items()
            }
            found["no_crop"] = _no_crop(detector, split)
            yield _Judged(role, source, name if name in own else "held_out", split, found, digests)


def _curves(judged: Sequence[_Judged]) -> Curves | None:
    """Of a seen set its validation pictures count, as for the thresholds, or else its test pictures. The scores are
    those of scores.csv, so that its reader finds the same curves."""
    watched = {j.source.name for j in judged if j.split != "test"}
    counted = [j for j in judged if j.split != "test" or j.source.name not in watched]
    clean = {j.source.name: (j.role, j.answers["clean"].found) for j in counted}
    fake = {
        role: {name: found.fake.p_face.round(_DIGITS) for name, (of, found) in clean.items() if of == role}
        for role in ("unseen", "seen")
    }
    real = {name: found.real.p_face.round(_DIGITS) for name, (_, found) in clean.items()}
    return measure(real, fake["unseen"], fake["seen"])


def _measured_set(judged: _Judged, calibration: Calibration, pooled: dict[str, Answers]) -> MeasuredSet:
    """The AUC of an unseen set is against the real faces of all unseen sets, in `pooled` by condition."""
    against = {name: pooled[name] if judged.role == "unseen" else judged.answers[name].real for name in CONDITIONS}

    def conditions(chosen: np.ndarray) -> dict[str, Measured]:
        return {
            name: metrics.measured(judged.answers[name].where(chosen), calibration, against=against[name])
            for name in CONDITIONS
        }

    fake = judged.rows.labels > 0.5
    generators, named = judged.rows.generators(judged.source), judged.rows.column("generator")
    clean = judged.answers["clean"].found
    both = metrics.together([clean.fake, against["clean"].found])
    curves = bool(len(clean.fake.targets)) and len(both.targets) > len(clean.fake.targets)
    return MeasuredSet(
        name=judged.source.name,
        split=judged.split,
        role=judged.role,
        conditions=conditions(np.ones(len(fake), bool)),
        generators=generators,
        by_generator=tuple(
            GeneratorFigures(generator, conditions(~fake | (named == generator.name))) for generator in generators
        )
        if len(generators) > 1
        else (),
        groups=metrics.by_group(judged.answers["clean"], judged.rows.column("group"), calibration),
        roc=metrics.roc(both.targets, both.p_face) if curves else None,
        reliability=metrics.reliability(both.targets, both.p_face) if curves else (),
    )


def _write_scores(folder: Path, judged: Sequence[_Judged], detector: Detector) -> None:
    """What the detector said of each clean picture, so that a figure can be checked: scores.csv, or scores.csv.gz."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            "set",
            "split",
            "picture_sha256",
            "label",
            "score",
            "verdict",
            "picture_score",
            "picture_verdict",
            "model_digest",
        ]
    )
    calibration = detector.model.calibration
    for j in judged:
        clean = j.answers["clean"]
        said = clean.said(calibration)
        for digest, target, *scores, verdicts in zip(
            j.digests, clean.targets, clean.p_face, clean.p_picture, said, strict=True
        ):
            told = [v for p, verdict in zip(scores, verdicts, strict=True) for v in (_digits(p), verdict)]
            label = "fake" if target > 0.5 else "real"
            writer.writerow([j.source.name, j.split, digest, label, *told, detector.model.info.digest])
    content = text.getvalue().encode()
    packed = len(content) > _LARGEST_SCORES
    for name in (SCORES, PACKED):
        (folder / name).unlink(missing_ok=True)
    if packed:
        write(folder / PACKED, gzip.compress(content, mtime=0))
    else:
        write(folder / SCORES, content)


def _digits(p: float) -> str:
    return "" if np.isnan(p) else f"{p:.{_DIGITS}f}"


def _load(source: Source, split: str, options: EvaluateOptions, limit: int | None, cache: Path | None) -> Split:
    return open_split(source, split, streaming=options.streaming, cache=cache, limit=limit)


def answers(
    detector: Detector,
    split: Split,
    corrupt: corruptions.Corrupt | None,
    workers: int | None = None,
    digests: list[str] | None = None,
) -> Answers:
    """What the detector says of every picture of a split, each first corrupted by `corrupt(pixels, row number)`. The
    SHA-256 of the files are added to `digests`."""

    def pictures() -> Iterator[bytes | np.ndarray]:
        for index in range(len(split.rows)):
            file = split.file(index)
            if digests is not None:
                digests.append(hashlib.sha256(file).hexdigest())
            try:
                yield file if corrupt is None else corrupt(picture.read(file).pixels, index)
            except ImageError:
                yield file  # the detector will say so once more

    p_face = np.full(len(split.rows), np.nan)
    p_picture = np.full(len(split.rows), np.nan)
    verdicts = np.full((len(split.rows), 2), Verdict.NO_FACE, "U20")
    for index, result in enumerate(detector.detect_many(pictures(), workers=workers)):
        if isinstance(result, ImageError) or not result.faces:
            continue
        face = face_cache.labelled_face(result.faces, result.picture.width, result.picture.height)
        p_face[index], p_picture[index] = face.score, result.score
        verdicts[index] = face.verdict, result.verdict
    return Answers(split.labels, p_face, p_picture, verdicts)


def _no_crop(detector: Detector, split: Split) -> Answers:
    """The whole picture as one crop, no face detector: only to compare with published figures."""
    p = np.full(len(split.rows), np.nan)
    for face in split.faces:
        whole = Image.fromarray(split.pixels(face))
        crops = [
            np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR))[None] for size, _ in detector.crop_specs
        ]
        p[face.index] = detector.score_crops(*crops)[0]
    return Answers(split.labels, p, p)


def _robustness(detector: Detector, options: EvaluateOptions, cache: Path | None) -> Robustness:
    source = Source.parse(options.data[0])
    split = _load(source, "validation", options, options.robustness, cache)
    table = {}
    for name in corruptions.NAMES:
        rows = []
        for severity in corruptions.SEVERITIES:

            def corrupt(pixels: np.ndarray, index: int, name: str = name, severity: int = severity) -> np.ndarray:
                rng = corruptions.measuring_rng(name, severity, index)
                return corruptions.apply(name, pixels, severity, rng)

            found = metrics.measured(
                answers(detector, split, corrupt, options.workers), detector.model.calibration, resamples=200
            )
            rates = (found.auc, found.accuracy, found.false_positive_rate, found.false_negative_rate)
            rows.append(SeverityFigures(severity, found.judged, *rates))  # none that the thresholds change
        log.info("%s: AUC %s", name, [row.auc.value if row.auc else None for row in rows])
        table[name] = tuple(rows)
    return Robustness(f"{source.name} validation", len(split.rows), _command(options), table)


def _reencoding(detector: Detector, options: EvaluateOptions, cache: Path | None) -> ReencodingLadder:
    """The unseen sets together, or the first source where there are none."""
    sources = [Source.parse(text) for text in options.unseen or options.data[:1]]
    splits = [_load(source, "validation", options, options.reencoding, cache) for source in sources]
    calibration = detector.model.calibration

    def after(ladder: str, rounds: int) -> ReencodingRound:
        def corrupt(pixels: np.ndarray, index: int) -> np.ndarray:
            return reencoding.shared(pixels, ladder, rounds, index)

        judged = metrics.together(
            answers(detector, split, corrupt if rounds else None, options.workers) for split in splits
        )
        found = metrics.measured(judged, calibration, resamples=200)
        log.info("%s, round %d: AUC %s", ladder, rounds, found.auc and found.auc.value)
        return ReencodingRound(rounds, found)

    start = after(reencoding.MIXED, 0)
    ladders = {
        ladder: (start, *(after(ladder, rounds) for rounds in reencoding.ROUNDS)) for ladder in reencoding.LADDERS
    }
    names, pictures = tuple(source.name for source in sources), sum(len(split.rows) for split in splits)
    return ReencodingLadder(names, pictures, _command(options), ladders)


def _command(options: EvaluateOptions) -> str:
    words = ["python -m training evaluate MODEL_FOLDER --data"]
    words += [Source.parse(text).place for text in options.data]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name in ("data", "workers") or value == field.default:
            continue
        if field.name == "unseen":
            value = tuple(Source.parse(text).place for text in value)
        text = " ".join(value) if isinstance(value, tuple) else "" if value is True else value
        words.append(f"--{field.name} {text}".rstrip())
    return " ".join(words)
