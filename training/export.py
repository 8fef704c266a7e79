"""A run of `fit` -> a model folder: converted, checked against Keras on real crops, calibrated, described."""

import datetime
import hashlib
import importlib.metadata
import json
import logging
import math
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np

from detector import finder
from detector.classifier import Classifier
from detector.model_folder import (
    CalibrationLimits,
    Counts,
    DataRoles,
    HeldOutSet,
    Metrics,
    ModelConfig,
    NetworkConfig,
    TrainingSet,
    store,
)
from detector.sessions import Cores
from training import architectures, onnx_file
from training.augment import corruptions
from training.data.crops import serving_crops
from training.data.face_cache import Split
from training.data.sources import Source, by_role
from training.data.splits import open_split, open_train
from training.errors import TrainingError
from training.evaluation import calibrate
from training.files import write, write_config, write_metrics, write_model
from training.fit import BEST, OPTIONS, read_options
from training.options import FitOptions
from training.recipes import is_recipe

log = logging.getLogger(__name__)

TOLERANCE = 1e-3  # largest difference of a logit between Keras and LiteRT
_CHECKED = 256  # crops that are compared


class ExportError(TrainingError):
    """The network could not be turned into one that serves the same answers."""


@dataclass(frozen=True)
class _Network:
    """A network on its way out, from run `run`."""

    run: Path
    options: FitOptions
    model: keras.Model
    weight: float
    file: str
    keras: str


def export(
    run: Path,
    out: Path,
    *,
    second: Path | None = None,
    weights: tuple[float, float] = (1.0, 1.0),
    unseen: tuple[str, ...] | None = None,
    limits: calibrate.Limits | None = None,
    start_share: float = 0.0,
    onnx: bool = False,
    cache: Path | None = None,
    recipe: str | None = None,
) -> Path:
    """Write the model folder `out` from the best checkpoint of the run, and return its path.

    With a `second` run, the folder has two networks, which judge their own crops of a face, and `weights` is what the
    logit of each counts in the sum. `unseen` are the sources that temperature and thresholds are fitted on, within
    `limits`: by default those of the run; without any, its own validation pictures.

    `start_share` 0..1 of every weight of the first network is that of the network which its run started from: between
    the two lie networks that are right more often than either (Wortsman et al. 2022, Robust fine-tuning of zero-shot
    models, section 3).

    `recipe` is the command that made the runs and this call, to stand before their own in the card.

    The offset, which goes into the first network, is fitted on the pictures as they are and at half size; temperature
    and thresholds on the pictures as they are, but no more real faces may be called fake at half size. The converted
    networks must give Keras's logits to TOLERANCE on such crops. With `onnx`, each network is also written as
    onnx_file describes, and must give LiteRT's logits there. Raises TrainingError, an ExportError among them.
    """
    limits = limits or calibrate.Limits()
    if onnx:
        onnx_file.check_installed()
    networks = [_network(run, start_share, weights[0] if second else 1.0)]
    if second:
        networks.append(_network(second, 0.0, weights[1], number=2))
    first = networks[0].options
    texts = dict.fromkeys(text for network in networks for text in network.options.data)
    data_of = {Source.parse(text).name: text for text in texts}
    sources, unseen_sources = by_role(tuple(data_of.values()), first.unseen if unseen is None else unseen)
    reading: dict[str, Any] = {"streaming": first.streaming, "cache": cache, "limit": first.limit}
    splits = {
        role: {source.name: open_split(source, "validation", **reading) for source in of_role}
        for role, of_role in (("seen", sources), ("unseen", unseen_sources))
    }
    every = {**splits["seen"], **splits["unseen"]}
    # Pairs teach what decoders leave, but nobody brings one: they calibrate nothing.
    judged = {role: [name for name, split in of_role.items() if not split.pairs()] for role, of_role in splits.items()}
    looks = [(network.options.size, network.options.margin) for network in networks]
    cut = {look: {name: _crops(split, *look) for name, split in every.items()} for look in set(looks)}
    crops = [cut[look] for look in looks]

    def logits(condition: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Fused logits and targets by set, of the pictures as they are (0) or at half size (1)."""
        return {
            name: (
                np.sum([n.weight * c.predict(own[name][condition])[0] for n, c, own in parts], axis=0),
                every[name].targets,
            )
            for name in (*judged["seen"], *judged["unseen"])
        }

    def of(role: str, found: calibrate.Logits) -> calibrate.Logits:
        return {name: found[name] for name in judged[role]}

    parts = list(zip(networks, map(_classifier, networks), crops, strict=True))
    both = [logits(condition) for condition in (0, 1)]
    joined = {
        name: (np.concatenate([b[name][0] for b in both]), np.concatenate([b[name][1] for b in both]))
        for name in both[0]
    }
    offset = calibrate.fit_offset(calibrate.fitted_on(of("unseen", joined), of("seen", joined)))
    architectures.shift(networks[0].model, offset / networks[0].weight)
    tflite = [convert(network.model) for network in networks]
    classifiers = [Classifier(t, n.options.size, Cores(2)) for t, n in zip(tflite, networks, strict=True)]
    some = [_some(np.concatenate([clean for clean, _ in own.values()])) for own in crops]
    difference, checked = max(
        (_compare(network.model, classifier, compared), len(compared))
        for network, classifier, compared in zip(networks, classifiers, some, strict=True)
    )
    log.info("LiteRT and Keras differ by at most %.1e in a logit over %d crops", difference, checked)
    as_onnx: dict[str, bytes] = {}
    for network, classifier, compared in zip(networks, classifiers, some, strict=True) if onnx else ():
        name = onnx_file.name_of(network.file)
        as_onnx[name], apart = onnx_file.convert(network.model, classifier, compared)
        log.info("%s and LiteRT differ by at most %.1e in a logit over %d crops", name, apart, len(compared))
    clean, half = ({name: (values + offset, of) for name, (values, of) in found.items()} for found in both)
    copies = [values[targets < 0.5] for values, targets in half.values()]
    calibration = calibrate.fit(of("unseen", clean), of("seen", clean), limits, copies)
    log.info("offset %.3f, %s", offset, calibration)
    shares = calibrate.shares(calibration, clean)
    for name, found in shares.items():
        log.info("%s: %s", name, ", ".join(f"{key} {value:.1%}" for key, value in found.items()))

    steps = commands(run, second=second, words=_words(weights, second, unseen_sources, limits, start_share, onnx))
    train = {source.name: open_train(source, **reading) for source in sources}
    out.mkdir(parents=True, exist_ok=True)
    _clear(out)
    # The configuration comes last: until then its hash, or that it is not there, tells that the folder is not whole.
    for network, content in zip(networks, tflite, strict=True):
        write(out / network.file, content)
        write_model(network.model, out / network.keras)
    for name, content in as_onnx.items():
        write(out / name, content)
    config = ModelConfig(
        architecture=" and ".join(dict.fromkeys(network.options.architecture for network in networks)),
        networks=tuple(
            NetworkConfig(
                file=network.file,
                sha256=hashlib.sha256(content).hexdigest(),
                input_size=network.options.size,
                crop_margin=network.options.margin,
                weight=network.weight,
                keras=network.keras,
            )
            for network, content in zip(networks, tflite, strict=True)
        ),
        calibration=calibration,
        face_detector=finder.FINDER_VERSION,
        limits=CalibrationLimits(
            **asdict(limits), unseen=tuple(judged["unseen"]), seen=tuple(judged["seen"]), shares=shares
        ),
        data=DataRoles(
            train={
                s.name: TrainingSet(Counts(**train[s.name].count()), Counts(**every[s.name].count()), s.terms)
                for s in sources
            },
            unseen={
                s.name: HeldOutSet(Counts(**every[s.name].count()), every[s.name].generators(s), s.terms)
                for s in unseen_sources
            },
        ),
        offset=round(offset, 6),
        options=_portable(first, sources, unseen_sources),
        commands=(
            *filter(is_recipe, steps),
            *([recipe] if recipe else []),
            *(line for line in steps if not is_recipe(line)),
        ),
        litert_against_keras={"largest_difference": difference, "crops": checked},
        versions=versions(),
        seed=first.seed,
        date=datetime.date.today().isoformat(),
        git_commit=git_commit(),
    )
    curves = calibrate.curves(calibration, of("unseen", clean), of("seen", clean))
    write_metrics(out, Metrics(sets=(), digest=config.digest, curves=curves))
    write_config(out, config)
    return out


def _clear(out: Path) -> None:
    """Take away what was said of the model that was here before. A README.md beside no model is none of ours."""
    if (out / store.CONFIG).is_file():
        for name in (store.METRICS, store.CARD, "scores.csv*", "plots/*.png", store.ONNX):
            for old in out.glob(name):
                old.unlink()


def _network(run: Path, start_share: float, weight: float, number: int = 1) -> _Network:
    if not (run / BEST).exists() or not (run / OPTIONS).exists():
        raise TrainingError(f"{run.name} holds no finished run: start one with python -m training fit.")
    if not (math.isfinite(weight) and weight > 0):
        raise TrainingError("The weight of a network's logit must be a number above 0.")
    options = read_options(run)
    model = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
    if start_share:
        if options.weights in ("imagenet", "none") or not 0 < start_share < 1:
            raise TrainingError("A start share is above 0 and below 1, for a run that started from a network of fit.")
        start = architectures.build(options.architecture, options.size, options.weights)
        pairs = zip(start.get_weights(), model.get_weights(), strict=True)
        model.set_weights([start_share * before + (1 - start_share) * after for before, after in pairs])
    files = (store.MODEL, store.KERAS) if number == 1 else (f"model-{number}.tflite", f"model-{number}.keras")
    return _Network(run, options, model, weight, *files)


def _crops(split: Split, size: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Crops of the pictures as they are, and at half size."""
    clean, half = (serving_crops(split, size, margin, alter)[0] for alter in (None, corruptions.web_measured))
    return clean, half


def _classifier(network: _Network) -> Classifier:
    return Classifier(convert(network.model), network.options.size, Cores(2))


def convert(model: keras.Model) -> bytes:
    """A float32 LiteRT network of a Keras one, with logit and activation map. Needs the TensorFlow backend."""
    if keras.backend.backend() != "tensorflow":
        raise ExportError("Export needs TensorFlow: run it without KERAS_BACKEND.")
    import tensorflow as tf

    both = architectures.with_activation_map(model)
    both.trainable = False
    return bytes(tf.lite.TFLiteConverter.from_keras_model(both).convert())


def _some(crops: np.ndarray) -> np.ndarray:
    """_CHECKED of the crops, from all sets."""
    return crops[np.linspace(0, len(crops) - 1, min(_CHECKED, len(crops))).astype(int)]


def _compare(model: keras.Model, classifier: Classifier, crops: np.ndarray) -> float:
    """The largest difference of a logit."""
    expected = np.asarray(model.predict(crops, verbose=0)).reshape(-1)
    logits, maps = classifier.predict(crops)
    difference = float(np.abs(expected - logits).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"LiteRT's logits differ from Keras's by {difference:.4f}: the model was not exported.")
    if not np.allclose(maps.mean(axis=(1, 2)), logits, atol=TOLERANCE):
        raise ExportError("The activation maps do not add up to the logits: the model was not exported.")
    return difference


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


def _words(
    weights: tuple[float, float],
    second: Path | None,
    unseen: Sequence[Source],
    limits: calibrate.Limits,
    start_share: float,
    onnx: bool,
) -> str:
    """The options of an export that are not the usual ones."""
    given = {
        "--weights": " ".join(f"{weight:g}" for weight in weights) if second and weights != (1.0, 1.0) else "",
        "--unseen": " ".join(source.place for source in unseen),
        **{
            f"--{field.name.replace('_', '-')}": f"{value:g}"
            for field in fields(limits)
            if (value := getattr(limits, field.name)) != field.default
        },
        "--start-share": f"{start_share:g}" if start_share else "",
    }
    return "".join(f" {name} {value}" for name, value in given.items() if value) + (" --onnx" if onnx else "")


def commands(run: Path, words: str = "", second: Path | None = None) -> list[str]:
    """The `fit` commands that lead to the run, the first one first, and the export with `words`. A run may go on from
    another run or from a model folder."""
    lines = [*_way_to(run), *(_way_to(second) if second else [])]
    beside = f" --second RUNS/{second.name}" if second else ""
    made = f"python -m training export RUNS/{run.name}{beside}{words} --out MODEL_FOLDER"
    return [*dict.fromkeys(lines), made]


def _way_to(run: Path) -> list[str]:
    lines: list[str] = []
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


def _portable(options: FitOptions, sources: list[Source], unseen: list[Source]) -> dict[str, Any]:
    """The options without paths of this machine."""
    values = asdict(options)
    values["data"] = [f"{source.name}:{source.weight:g}" for source in sources]
    values["unseen"] = [source.name for source in unseen]
    if options.weights not in ("imagenet", "none"):
        values["weights"] = "/".join(Path(options.weights).parts[-2:])
    return values
