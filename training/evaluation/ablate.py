"""What each choice of the training brings: short runs that differ in one choice each, measured on the same pictures."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import keras

from detector.model_folder import AblationRun, Measured, Metrics, store
from detector.verdict import Calibration
from training.augment import corruptions
from training.data.crops import serving_crops
from training.data.sources import Source
from training.data.splits import open_split
from training.errors import TrainingError
from training.evaluation import card
from training.evaluation.metrics import Answers, measured
from training.files import write, write_metrics
from training.fit import BEST, STATE, fit, predict
from training.options import FitOptions

log = logging.getLogger(__name__)


_AS_TRAINED = Calibration(temperature=1.0, no_signs_below=0.5, likely_fake_from=0.5)  # no run is calibrated
_REPORTED = ("n", "judged", "fake", "real", "auc", "false_positive_rate")


def variants(base: FitOptions) -> dict[str, FitOptions]:
    """The runs by name; the first is the one that the others change."""
    changed: dict[str, dict[str, Any]] = {
        "all choices": {},
        "no crop jitter": {"jitter": 0.0},
        "no corruptions": {"corruptions": ()},
        "no self-blended faces": {"self_blend": 0.0},
        "first source only": {"data": base.data[:1]},
        "half the input size": {"input_size": base.size // 2},
        "ImageNet weights left out": {"weights": "none"},
    }
    return {name: dataclasses.replace(base, **change) for name, change in changed.items()}


def ablate(base: FitOptions, out: Path, folder: Path, *, cache: Path | None = None) -> Metrics:
    """Train every variant below `out`, measure each on the validation pictures of all sources, and put the table into
    the metrics.json and the card of the model folder. A run that is already there is not trained again.

    Raises TrainingError for a folder that was not measured yet, and what fit raises.
    """
    model = store.load(folder)
    if model.metrics is None:
        raise TrainingError(f"{folder.name} has no figures yet: run python -m training evaluate on it first.")
    sources = [Source.parse(text) for text in base.data]
    reading: dict[str, Any] = {"streaming": base.streaming, "cache": cache, "limit": base.limit}
    validation = [open_split(source, "validation", **reading) for source in sources]
    rows = []
    for name, options in variants(base).items():
        run = out / name.replace(" ", "-")
        if not _finished(run):
            fit(options, run, resume=(run / STATE).exists(), cache=cache)
        network = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
        sets: dict[str, dict[str, Measured]] = {}
        for split in validation:
            sets[split.name] = conditions = {}
            for condition, corrupt in (("clean", None), ("quarter_size_jpeg", corruptions.hard_measured)):
                crops, targets = serving_crops(split, options.size, options.margin, corrupt)
                p = _AS_TRAINED.p_fake(predict(network, crops))
                every = measured(Answers(targets, p, p), _AS_TRAINED)
                conditions[condition] = Measured(**{key: getattr(every, key) for key in _REPORTED})
        rows.append(AblationRun(name, options.command(run.name), sets))
        log.info("%s", rows[-1])
    metrics = dataclasses.replace(model.metrics, ablations=tuple(rows))
    write_metrics(folder, metrics)
    write(folder / store.CARD, card.render(model.config, metrics, onnx=any(folder.glob(store.ONNX))).encode())
    return metrics


def _finished(run: Path) -> bool:
    if not (run / STATE).exists() or not (run / BEST).exists():
        return False
    return bool(json.loads((run / STATE).read_text())["done"])
