"""Measure a model folder on pictures, by the app's own path, and write metrics.json, the plots and the card.

Every picture goes through `Detector.detect_many` as a person would hand it in. Where a picture shows several faces the
figures are those of the face that the label is about; `picture_…` figures take the most suspicious one, as the app
does.
"""

import dataclasses
import datetime
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detector import Detector, ImageError, picture
from detector.model_folder import store
from training.augment import corruptions
from training.data import face_cache, streaming, tables
from training.data.face_cache import Split
from training.data.sources import Source
from training.errors import TrainingError
from training.evaluation import card, metrics, plots
from training.evaluation.metrics import Answers
from training.export import git_commit, versions
from training.files import write

log = logging.getLogger(__name__)

Alter = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class EvaluateOptions:
    data: tuple[str, ...]
    splits: tuple[str, ...] = ("validation", "test")
    limit: int | None = None  # pictures of each class and split
    robustness: int = 100  # pictures of each class for every corruption and severity; 0 leaves it out
    workers: int | None = None  # threads; None is one a core
    streaming: bool = False  # read the splits from the Hub without a download of the others


def evaluate(folder: Path, options: EvaluateOptions, *, cache: Path | None = None) -> dict[str, Any]:
    """Measure the model folder and write metrics.json, plots and README.md into it; returns the metrics.

    Every split of every source clean, as the web delivers it and hard; the first source's validation pictures under
    each corruption at each severity. Raises TrainingError for data that cannot be used, ModelError for the folder.
    """
    detector = Detector.load(folder, threads=1)
    calibration = detector.model.calibration
    sets: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    _refuse_seen(detector.model.config, options)
    for text in options.data:
        source = Source.parse(text)
        own = (streaming if options.streaming else tables).splits_of(source)
        for name in options.splits:
            if name == "test" and ("test" not in own or source.merged_from):
                log.warning("%s has no official test split: no part of it is called a test", source.name)
                continue
            split = _load(source, name, options, options.limit, cache)
            label = f"{source.name} {name if name in own else 'held-out part of train'}"
            log.info("%s: %d pictures", label, len(split.rows))
            clean = answers(detector, split, None, options.workers)
            sets[label] = {
                "clean": metrics.figures(clean, calibration),
                "web": metrics.figures(
                    answers(detector, split, corruptions.web_measured, options.workers), calibration
                ),
                "hard": metrics.figures(
                    answers(detector, split, corruptions.hard_measured, options.workers), calibration
                ),
                "as_given": metrics.figures(_as_given(detector, split), calibration),
            }
            found = np.isfinite(clean.p_face)
            if 0 < split.labels[found].sum() < found.sum():
                curves[label] = {
                    "roc": metrics.roc(clean.targets[found], clean.p_face[found]),
                    "reliability": metrics.reliability(clean.targets[found], clean.p_face[found]),
                }
    if not sets:
        raise TrainingError("No source has any of the splits to measure: look at --splits.")
    result = {
        "command": _command(options),
        "date": datetime.date.today().isoformat(),
        "git_commit": git_commit(),
        "model_sha256": detector.model.info.sha256,
        "versions": versions(),
        "sets": sets,
        "curves": curves,
        "robustness": _robustness(detector, options, cache) if options.robustness else {},
    }
    previous = detector.model.metrics
    if not options.robustness and previous.get("model_sha256") == result["model_sha256"]:
        result["robustness"] = previous["robustness"]  # of the same network
    if previous.get("ablations"):  # measured once, by other runs than this one
        result["ablations"] = previous["ablations"]
    write(folder / store.METRICS, (json.dumps(result, indent=1) + "\n").encode())
    plots.draw(result, folder / "plots")
    write(folder / store.CARD, card.render(detector.model.config, result).encode())
    return result


def _refuse_seen(config: dict[str, Any], options: EvaluateOptions) -> None:
    """Raises TrainingError where a test would be of pictures that the model was trained on."""
    trained = [Source.parse(name) for name in config.get("data", {})]
    for source in map(Source.parse, options.data if "test" in options.splits else ()):
        for copy in trained:
            if copy.merged_from and copy.merged_from == source.hub_id:
                raise TrainingError(
                    f"The model was trained on {copy.name}, which holds the test pictures of {source.name}: leave test "
                    "out of --splits, or train on the original."
                )


def _load(source: Source, split: str, options: EvaluateOptions, limit: int | None, cache: Path | None) -> Split:
    return (streaming if options.streaming else face_cache).load(source, split, cache=cache, limit=limit)


def answers(detector: Detector, split: Split, alter: Alter | None, workers: int | None = None) -> Answers:
    """What the detector says of every picture of a split, each first altered by `alter(pixels, row number)`."""

    def pictures() -> Iterator[bytes | np.ndarray]:
        for index in range(len(split.rows)):
            file = split.file(index)
            try:
                yield file if alter is None else alter(picture.read(file).pixels, index)
            except ImageError:
                yield file  # the detector will say so once more

    p_face = np.full(len(split.rows), np.nan)
    p_picture = np.full(len(split.rows), np.nan)
    for index, result in enumerate(detector.detect_many(pictures(), workers=workers)):
        if isinstance(result, ImageError) or not result.faces:
            continue
        p_face[index] = face_cache.labelled_face(result.faces, result.picture.width, result.picture.height).p_fake
        p_picture[index] = result.p_fake
    return Answers(split.labels, p_face, p_picture)


def _as_given(detector: Detector, split: Split) -> Answers:
    """The whole picture as one crop, no face finder: only to compare with published figures."""
    size = detector.model.input_size
    p = np.full(len(split.rows), np.nan)
    for face in split.faces:
        crop = np.asarray(Image.fromarray(split.pixels(face)).resize((size, size), Image.Resampling.BILINEAR))
        p[face.index] = detector.judge_crops(crop[None])[0]
    return Answers(split.labels, p, p)


def _robustness(detector: Detector, options: EvaluateOptions, cache: Path | None) -> dict[str, Any]:
    source = Source.parse(options.data[0])
    split = _load(source, "validation", options, options.robustness, cache)
    table: dict[str, Any] = {
        "set": f"{source.name} validation",
        "pictures": len(split.rows),
        "command": _command(options),
        "corruptions": {},
    }
    for name in corruptions.NAMES:
        rows = []
        for severity in corruptions.SEVERITIES:

            def alter(pixels: np.ndarray, index: int, name: str = name, severity: int = severity) -> np.ndarray:
                rng = corruptions.measuring_rng(name, severity, index)
                return corruptions.apply(name, pixels, severity, rng)

            found = metrics.figures(
                answers(detector, split, alter, options.workers), detector.model.calibration, resamples=200
            )
            kept = ("judged", "auc", "accuracy", "false_accusations", "missed_fakes")  # none that the bands change
            rows.append({"severity": severity, **{key: found[key] for key in kept if key in found}})
        log.info("%s: AUC %s", name, [row.get("auc", {}).get("value") for row in rows])
        table["corruptions"][name] = rows
    return table


def _command(options: EvaluateOptions) -> str:
    words = ["python -m training evaluate MODEL_FOLDER --data"]
    words += [Source.parse(text).place for text in options.data]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in ("data", "workers") and value != field.default:
            text = " ".join(value) if isinstance(value, tuple) else "" if value is True else value
            words.append(f"--{field.name} {text}".rstrip())
    return " ".join(words)
