"""A run of `fit` -> a model folder: calibrated, converted, checked against Keras on real crops, described."""

import datetime
import hashlib
import logging
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np

from detector import face_detector
from detector.classifier import Classifier
from detector.fusion import MAX, SUM
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
from detector.shares import Curves
from detector.verdict import Calibration
from training import architectures, litert_file, onnx_file, record
from training.augment import corruptions
from training.checkpoint import BEST, OPTIONS, read_options
from training.data.crops import serving_crops
from training.data.face_cache import Split
from training.data.sources import Source, by_role
from training.data.splits import open_split, open_train
from training.errors import TrainingError
from training.evaluation import calibrate
from training.files import write, write_config, write_metrics, write_model
from training.options import ExportOptions, FitOptions

log = logging.getLogger(__name__)

_COMPARED = 256  # crops that the converted networks are checked on
_SUSPECTED = 0.1  # of the real faces: share above which a network that is fused by maximum says as much as the others

Logits: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]  # by set the summed logits (N,) and the targets (N,)
Crops: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray]]  # by set (N, S, S, 3), as pictures are and at half size


@dataclass(frozen=True)
class Network:
    """A network on its way out, from run `run`. `weight` is what its logit counts, `fusion` how it joins the others."""

    run: Path
    options: FitOptions
    model: keras.Model
    weight: float
    fusion: str
    file: str
    keras: str | None


@dataclass(frozen=True)
class ExportData:
    """What the networks were trained on and the unseen sets: counts of the train splits, and the validation splits by
    role, seen and unseen."""

    sources: list[Source]
    unseen_sources: list[Source]
    train: dict[str, dict[str, int]]
    seen: dict[str, Split]
    unseen: dict[str, Split]

    @classmethod
    def open(cls, networks: list[Network], unseen: tuple[str, ...], cache: Path | None) -> "ExportData":
        first = networks[0].options
        texts = dict.fromkeys(text for network in networks for text in network.options.data)
        by_name = {Source.parse(text).name: text for text in texts}
        sources, unseen_sources = by_role(tuple(by_name.values()), unseen or first.unseen)
        reading: dict[str, Any] = {"streaming": first.streaming, "cache": cache, "limit": first.limit}
        seen, held_out = (
            {source.name: open_split(source, "validation", **reading) for source in of_role}
            for of_role in (sources, unseen_sources)
        )
        train = {source.name: open_train(source, **reading).count() for source in sources}
        return cls(sources, unseen_sources, train, seen, held_out)

    @property
    def validation(self) -> dict[str, Split]:
        return self.seen | self.unseen


def export(
    run: Path,
    out: Path,
    options: ExportOptions | None = None,
    limits: calibrate.Limits | None = None,
    *,
    beside: Sequence[Path] = (),
    cache: Path | None = None,
    recipe: str | None = None,
) -> Path:
    """Write the model folder `out` from the best checkpoint of the run, and return its path.

    With runs `beside` it, the folder has two networks or three, which judge their own crops of a face. Their logits,
    times `options.weights`, are fused as `options.fusion` says, which counts from the first: by sum, or by maximum. One
    that is fused by maximum is shifted so that a tenth of the real faces get as much from it as a tenth get from the
    sum: what it adds is what it is surer of. Temperature and thresholds are fitted within `limits` on
    `options.unseen`, by default the unseen sources of the run; where it has none, on its own validation pictures.

    `options.wise_ft_alpha` interpolates the first network's weights: 1 are those of its run, towards 0 those that the
    run began with. Between both lie networks that are right more often than either (Wortsman et al. 2022,
    arXiv:2109.01903). `recipe` is the command that made the runs and this call, to stand before their own in the card.

    The converted networks must give Keras's logits to litert_file.TOLERANCE. With `options.onnx`, each network is also
    written as onnx_file describes, and must give LiteRT's logits there. Raises TrainingError.
    """
    options, limits = options or ExportOptions(), limits or calibrate.Limits()
    if options.onnx:
        onnx_file.check_installed()
    networks = load(run, beside, options)
    data = ExportData.open(networks, options.unseen, cache)
    crops = cut(networks, data)
    clean, half = fuse(networks, data, crops)
    fitted = fit_calibration(data, clean, half, limits)
    for network in (networks[0], *(network for network in networks if network.fusion == MAX)):
        architectures.shift(network.model, fitted.offset / network.weight)
    files, compared = convert(networks, crops, options.onnx)
    words = record.export_words(options, limits, data.unseen_sources)
    config = ModelConfig(
        architecture=" and ".join(dict.fromkeys(network.options.architecture for network in networks)),
        networks=_network_configs(networks, files),
        calibration=fitted.calibration,
        face_detector=face_detector.VERSION,
        limits=_limits(limits, data, fitted.shares),
        data=_roles(data),
        offset=round(fitted.offset, 6),
        options=record.portable(networks[0].options, data.sources, data.unseen_sources),
        commands=record.commands(run, words, beside, recipe),
        litert_against_keras=compared,
        versions=record.versions(),
        seed=networks[0].options.seed,
        date=datetime.date.today().isoformat(),
        git_commit=record.git_commit(),
    )
    write_folder(out, networks, files, config, Metrics(sets=(), digest=config.digest, curves=fitted.curves))
    return out


def load(run: Path, beside: Sequence[Path], options: ExportOptions) -> list[Network]:
    """The networks of the runs, the first interpolated. Raises TrainingError."""
    runs = (run, *beside)
    weights, fusion = options.weights or (1.0,) * len(runs), options.fusion or (SUM,) * len(runs)
    in_order = fusion[0] == SUM and list(fusion) == sorted(fusion, key=(SUM, MAX).index)
    if not len(runs) == len(weights) == len(fusion) <= 3 or not in_order:
        raise TrainingError(
            "A model has at most three networks, each with a weight and a fusion: sum first, and max after all sums."
        )
    networks = [_network(*parts) for parts in zip(runs, weights, fusion, range(1, 1 + len(runs)), strict=True)]
    if options.wise_ft_alpha != 1:
        _interpolate(networks[0], options.wise_ft_alpha)
    return networks


def _network(run: Path, weight: float, fusion: str, number: int) -> Network:
    if not (run / BEST).exists() or not (run / OPTIONS).exists():
        raise TrainingError(f"{run.name} holds no finished run: start one with python -m training fit.")
    if not (math.isfinite(weight) and weight > 0):
        raise TrainingError("The weight of a network's logit must be a number above 0.")
    model = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
    file, keras_file = (
        name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}" for name in (store.MODEL, store.KERAS)
    )
    # A transformer's is four times as large as what is served, and holds nothing but a head that its weights lack.
    kept = None if architectures.is_transformer(model.name) else keras_file
    return Network(run, read_options(run), model, weight, fusion, file, kept)


def _interpolate(network: Network, alpha: float) -> None:
    options = network.options
    if options.weights in ("imagenet", "none") or not 0 < alpha < 1:
        raise TrainingError("--wise-ft-alpha is above 0 and below 1, for a run that began with weights of another run.")
    initial = architectures.build(options.architecture, options.size, options.weights)
    pairs = zip(initial.get_weights(), network.model.get_weights(), strict=True)
    network.model.set_weights([(1 - alpha) * before + alpha * after for before, after in pairs])


def cut(networks: list[Network], data: ExportData) -> list[Crops]:
    """What each network sees of the validation splits; two that look alike see the same arrays."""
    looks = [(network.options.size, network.options.margin) for network in networks]
    found = {
        look: {name: _crops(split, *look) for name, split in data.validation.items()} for look in dict.fromkeys(looks)
    }
    return [found[look] for look in looks]


def _crops(split: Split, size: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    clean, half = (serving_crops(split, size, margin, alter)[0] for alter in (None, corruptions.web_measured))
    return clean, half


def fuse(networks: list[Network], data: ExportData, crops: list[Crops]) -> tuple[Logits, Logits]:
    """What the networks say together, of the pictures as they are and at half size; those that are fused by maximum are
    shifted first. Pairs teach what decoders leave, but nobody brings one: they are left out, and calibrate nothing."""
    splits = {name: split for name, split in data.validation.items() if not split.pairs()}
    total: list[dict[str, np.ndarray]] = []  # by condition and set
    for network, of in zip(networks, crops, strict=True):
        served = _served(litert_file.convert(network.model), network)
        own = [_logits(served, network.weight, {name: of[name][condition] for name in splits}) for condition in (0, 1)]
        if network.fusion == MAX:
            level, own_level = (_level(logits[0], splits) for logits in (total, own))
            architectures.shift(network.model, (level - own_level) / network.weight)
            own = [{name: logits + level - own_level for name, logits in found.items()} for found in own]
        join = np.maximum if network.fusion == MAX else np.add
        total = (
            [{name: join(a[name], b[name]) for name in a} for a, b in zip(total, own, strict=True)] if total else own
        )
    clean, half = ({name: (logits, splits[name].targets) for name, logits in found.items()} for found in total)
    return clean, half


def _logits(served: Classifier, weight: float, crops: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # two of one thread are faster than one of two
        return dict(
            zip(crops, pool.map(lambda of_set: weight * served.predict(of_set)[0], crops.values()), strict=True)
        )


def _level(logits: dict[str, np.ndarray], splits: dict[str, Split]) -> float:
    """Above which are _SUSPECTED of the real faces, on average over the sets: each camera counts alike."""
    real = [logits[name][split.targets < 0.5] for name, split in splits.items()]
    return float(np.mean([np.quantile(of_set, 1 - _SUSPECTED) for of_set in real if len(of_set)]))


class Fitted(NamedTuple):
    offset: float
    calibration: Calibration
    shares: dict[str, dict[str, float]]
    curves: Curves | None


def fit_calibration(data: ExportData, clean: Logits, half: Logits, limits: calibrate.Limits) -> Fitted:
    """The offset of the logits, fitted on the pictures as they are and at half size; temperature and thresholds, on the
    pictures as they are, but no more real faces may be called fake at half size; the share of each verdict; and how
    rare each score is."""

    def by_role(found: Logits) -> tuple[Logits, Logits]:
        unseen, seen = ({name: found[name] for name in role if name in found} for role in (data.unseen, data.seen))
        return unseen, seen

    joined = {
        name: (np.concatenate([logits, half[name][0]]), np.concatenate([targets, half[name][1]]))
        for name, (logits, targets) in clean.items()
    }
    offset = calibrate.fit_offset(calibrate.fitted_on(*by_role(joined)))
    clean, half = ({name: (logits + offset, of) for name, (logits, of) in found.items()} for found in (clean, half))
    copies = [logits[targets < 0.5] for logits, targets in half.values()]
    calibration = calibrate.fit(*by_role(clean), limits, copies)
    log.info("offset %.3f, %s", offset, calibration)
    shares = calibrate.shares(calibration, clean)
    for name, found in shares.items():
        log.info("%s: %s", name, ", ".join(f"{key} {value:.1%}" for key, value in found.items()))
    return Fitted(offset, calibration, shares, calibrate.curves(calibration, *by_role(clean)))


def convert(networks: list[Network], crops: list[Crops], onnx: bool) -> tuple[dict[str, bytes], dict[str, float]]:
    """The files by name, and how far LiteRT's logits are from Keras's on how many crops. Raises TrainingError where
    they are too far."""
    files: dict[str, bytes] = {}
    compared: list[tuple[float, int]] = []
    for network, of_network in zip(networks, crops, strict=True):
        every = np.concatenate([clean for clean, _ in of_network.values()])
        some = every[np.linspace(0, len(every) - 1, min(_COMPARED, len(every))).astype(int)]
        files[network.file] = litert_file.convert(network.model)
        served = _served(files[network.file], network)
        compared.append((litert_file.compare(network.model, served, some), len(some)))
        log.info("%s and Keras differ by at most %.1e in a logit over %d crops", network.file, *compared[-1])
        if onnx:
            name = onnx_file.name_of(network.file)
            files[name], apart = onnx_file.convert(network.model, served, some)
            log.info("%s and LiteRT differ by at most %.1e in a logit over %d crops", name, apart, len(some))
    difference, checked = max(compared)
    return files, {"largest_difference": difference, "crops": checked}


def _served(file: bytes, network: Network) -> Classifier:
    return Classifier(file, network.options.size)


def _network_configs(networks: list[Network], files: dict[str, bytes]) -> tuple[NetworkConfig, ...]:
    return tuple(
        NetworkConfig(
            file=network.file,
            sha256=hashlib.sha256(files[network.file]).hexdigest(),
            input_size=network.options.size,
            crop_margin=network.options.margin,
            weight=network.weight,
            keras=network.keras,
            fusion=network.fusion,
        )
        for network in networks
    )


def _limits(limits: calibrate.Limits, data: ExportData, shares: dict[str, dict[str, float]]) -> CalibrationLimits:
    unseen, seen = (tuple(name for name in role if name in shares) for role in (data.unseen, data.seen))
    return CalibrationLimits(**asdict(limits), unseen=unseen, seen=seen, shares=shares)


def _roles(data: ExportData) -> DataRoles:
    return DataRoles(
        train={
            s.name: TrainingSet(Counts(**data.train[s.name]), Counts(**data.seen[s.name].count()), s.terms)
            for s in data.sources
        },
        unseen={
            s.name: HeldOutSet(Counts(**data.unseen[s.name].count()), data.unseen[s.name].generators(s), s.terms)
            for s in data.unseen_sources
        },
    )


def write_folder(
    out: Path, networks: list[Network], files: dict[str, bytes], config: ModelConfig, metrics: Metrics
) -> None:
    """The configuration comes last: until then its hash, or that it is not there, tells that the folder is not whole.
    What was said of the model that was here before goes; a README.md beside no model is none of ours."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / store.CONFIG).is_file():
        for name in (
            store.METRICS,
            store.CARD,
            "scores.csv*",
            "plots/*.png",
            store.ONNX,
            "model*.keras",
            "model*.tflite",
        ):
            for old in out.glob(name):
                old.unlink()
    for name, content in files.items():
        write(out / name, content)
    for network in networks:
        if network.keras:
            write_model(network.model, out / network.keras)
    write_metrics(out, metrics)
    write_config(out, config)
