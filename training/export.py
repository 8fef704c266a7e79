"""A run of `fit` -> a model folder: converted, checked against Keras on real crops, calibrated, described."""

import datetime
import functools
import hashlib
import importlib.metadata
import json
import logging
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from detector import faces
from detector.classifier import Classifier
from detector.model_folder import store
from training import architectures
from training.augment import corruptions
from training.data import face_cache, streaming
from training.data.crops import serving_crops
from training.data.sources import Source
from training.errors import TrainingError
from training.evaluation import calibrate
from training.files import write, write_model
from training.fit import BEST, OPTIONS, FitOptions, read_options

log = logging.getLogger(__name__)

TOLERANCE = 1e-3  # largest difference of a logit between Keras and LiteRT
_CHECKED = 256  # crops that are compared


class ExportError(TrainingError):
    """The network could not be turned into one that serves the same answers."""


def export(
    run: Path, out: Path, *, rate: float = calibrate.RATE, start_share: float = 0.0, cache: Path | None = None
) -> Path:
    """Write the model folder `out` from the best checkpoint of the run, and return its path.

    `start_share` 0..1 of every weight is that of the network which the run started from: between the two lie networks
    that are right more often than either (Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3).

    The offset, which goes into the network, is fitted on crops of the validation pictures as they are and as the web
    delivers them; temperature and bands on the pictures as they are. The converted network must give Keras's logits to
    TOLERANCE on such crops. Raises TrainingError, an ExportError among them.
    """
    if not (run / BEST).exists() or not (run / OPTIONS).exists():
        raise TrainingError(f"{run.name} holds no finished run: start one with python -m training fit.")
    calibrate.check_rate(rate)
    options = read_options(run)
    model = _network(run, options, start_share)
    sources = [Source.parse(text) for text in options.data]
    load = streaming.load if options.streaming else face_cache.load
    validation = [load(source, "validation", cache=cache, limit=options.limit) for source in sources]
    pictures = {
        source.name: [
            serving_crops(split, options.size, options.margin, alter) for alter in (None, corruptions.web_measured)
        ]
        for source, split in zip(sources, validation, strict=True)
    }

    offset = calibrate.fit_offset(_logits(Classifier(convert(model), options.size, threads=2), pictures))
    architectures.shift(model, offset)
    tflite = convert(model)
    classifier = Classifier(tflite, options.size, threads=2)
    clean = np.concatenate([crops for (crops, _), _ in pictures.values()])
    difference, checked = _compare(model, classifier, clean)
    log.info("LiteRT and Keras differ by at most %.1e in a logit over %d crops", difference, checked)
    # Bands from the pictures as they are: of a worse copy the scores are less sure by themselves. But nobody may be
    # accused more often for having come by the web.
    clean_logits, web_logits = (_logits(classifier, {k: v[i : i + 1] for k, v in pictures.items()}) for i in (0, 1))
    calibration, reached = calibrate.fit_usable(clean_logits, rate, web_logits)
    log.info("offset %.3f, %s at rate %.3f", offset, calibration, reached)

    opened = streaming.open_train if options.streaming else functools.partial(face_cache.load, split="train")
    train = [opened(source, cache=cache, limit=options.limit) for source in sources]
    out.mkdir(parents=True, exist_ok=True)
    # The configuration comes last: until then its hash, or that it is not there, tells that the folder is not whole.
    write(out / store.MODEL, tflite)
    write_model(model, out / store.KERAS)
    config = {
        "format_version": store.FORMAT_VERSION,
        "architecture": options.architecture,
        "input_size": options.size,
        "crop_margin": options.margin,
        "face_finder": faces.FINDER_VERSION,
        "temperature": round(calibration.temperature, 6),
        "bands": {"real_below": round(calibration.real_below, 6), "fake_above": round(calibration.fake_above, 6)},
        "stated_rate": reached,
        "offset": round(offset, 6),  # already in the network
        "sha256": hashlib.sha256(tflite).hexdigest(),
        "data": {
            s.name: {"terms": s.terms, "train": t.count(), "validation": v.count()}
            for s, t, v in zip(sources, train, validation, strict=True)
        },
        "options": _portable(options, sources),
        "commands": commands(run, start_share, rate),
        "litert_against_keras": {"largest_difference": difference, "crops": checked},
        "versions": versions(),
        "seed": options.seed,
        "date": datetime.date.today().isoformat(),
        "git_commit": git_commit(),
    }
    write(out / store.CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    return out


def _network(run: Path, options: FitOptions, start_share: float) -> keras.Model:
    model = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
    if start_share:
        if options.weights in ("imagenet", "none") or not 0 < start_share < 1:
            raise TrainingError("A start share is above 0 and below 1, for a run that started from a network of fit.")
        start = architectures.build(options.architecture, options.size, options.weights)
        pairs = zip(start.get_weights(), model.get_weights(), strict=True)
        model.set_weights([start_share * before + (1 - start_share) * after for before, after in pairs])
    return model


def _logits(classifier: Classifier, pictures: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> calibrate.Logits:
    """Logits and targets by source, clean pictures and those as the web delivers them together."""
    return {
        name: (
            np.concatenate([classifier.judge(crops)[0] for crops, _ in parts]),
            np.concatenate([targets for _, targets in parts]),
        )
        for name, parts in pictures.items()
    }


def convert(model: keras.Model) -> bytes:
    """A float32 LiteRT network of a Keras one, with logit and activation map. Needs the TensorFlow backend."""
    if keras.backend.backend() != "tensorflow":
        raise ExportError("Export needs TensorFlow: run it without KERAS_BACKEND.")
    import tensorflow as tf

    both = architectures.with_activation_map(model)
    both.trainable = False
    return bytes(tf.lite.TFLiteConverter.from_keras_model(both).convert())


def _compare(model: keras.Model, classifier: Classifier, crops: np.ndarray) -> tuple[float, int]:
    """The largest difference of a logit, and over how many crops it was taken."""
    some = crops[np.linspace(0, len(crops) - 1, min(_CHECKED, len(crops))).astype(int)]
    expected = np.asarray(model.predict(some, verbose=0)).reshape(-1)
    logits, maps = classifier.look(some)
    difference = float(np.abs(expected - logits).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"LiteRT's logits differ from Keras's by {difference:.4f}: the model was not exported.")
    if not np.allclose(maps.mean(axis=(1, 2)), logits, atol=TOLERANCE):
        raise ExportError("The activation maps do not add up to the logits: the model was not exported.")
    return difference, len(some)


def versions() -> dict[str, str]:
    """Of what made the figures."""
    names = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow", "datasets", "grain", "opencv-python-headless")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def git_commit() -> str | None:
    """Of the code that ran, None outside a checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def commands(run: Path, start_share: float = 0.0, rate: float = calibrate.RATE) -> list[str]:
    """The `fit` commands that lead to the run, the first one first, and the export. A run may go on from another run
    or from a model folder."""
    share = f" --start-share {start_share:g}" if start_share else ""
    stated = f" --rate {rate:g}" if rate != calibrate.RATE else ""
    lines = [f"python -m training export RUNS/{run.name}{share}{stated} --out MODEL_FOLDER"]
    while True:
        options = read_options(run)
        lines.insert(0, options.command(run.name))
        origin = Path(options.weights).parent
        if options.weights in ("imagenet", "none"):
            return lines
        if (origin / store.CONFIG).exists():
            before = json.loads((origin / store.CONFIG).read_text())["commands"]
            return [line.replace("MODEL_FOLDER", f"RUNS/{origin.name}") for line in before] + lines
        if not (origin / OPTIONS).exists():
            return lines
        run = origin


def _portable(options: FitOptions, sources: list[Source]) -> dict[str, Any]:
    """The options without paths of this machine."""
    values = asdict(options)
    values["data"] = [f"{source.name}:{source.weight:g}" for source in sources]
    if options.weights not in ("imagenet", "none"):
        values["weights"] = "/".join(Path(options.weights).parts[-2:])
    return values
