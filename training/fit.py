"""Train a network on one or several sources, with checkpoints that a stopped run continues from: to the same
result, unless its pictures are streamed.

Plain Keras 3: TensorFlow by default, JAX or PyTorch with KERAS_BACKEND. Every option, with its reason, is a field of
FitOptions; the options travel in the run's folder.
"""

import dataclasses
import json
import logging
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import roc_auc_score
from tensorboardX import SummaryWriter  # TensorBoard's files without TensorFlow, for every backend

from detector.errors import ModelError
from training import architectures, probe
from training.data import streaming, tables
from training.data.crops import CropOptions, serving_crops, steps_per_epoch, training_batches
from training.data.sources import by_role
from training.data.splits import open_split, open_train
from training.distributed import ALONE, Workers
from training.errors import Interrupted, TrainingError
from training.evaluation.metrics import auc_against_pooled, mean_by_precision
from training.files import write, write_model
from training.options import FitOptions

log = logging.getLogger(__name__)


STATE = "checkpoint.json"
BEST = "best.keras"
OPTIONS = "options.json"


@dataclass
class _State:
    """What a checkpoint holds beside the weights and the optimizer."""

    step: int = 0
    weights: str = ""  # the checkpoint's file, named by its step: the state never stands beside newer weights
    best: float = -1.0
    best_step: int = 0
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    pipeline: Any = None
    draws: list[list[int]] = field(default_factory=list)  # where the random layers stand
    done: bool = False


def fit(
    options: FitOptions, out: Path, *, resume: bool = False, cache: Path | None = None, workers: Workers = ALONE
) -> Path:
    """Train, and return the path of the best checkpoint (out/best.keras). All `workers` call it with the same.

    The best checkpoint is that of the highest mean AUC of the unseen sets, the fakes of each against the real faces of
    all of them; without unseen sets, of the validation splits of the data. Raises TrainingError for data that cannot be
    used or a folder that already holds a run, Interrupted after Ctrl-C or SIGTERM, once the checkpoint is on disk.
    """
    if (out / STATE).exists() and not resume:
        raise TrainingError("The folder already holds a run: add --resume to continue it, or give another --out.")
    if resume and (out / OPTIONS).exists():
        options = read_options(out)
    else:
        data, unseen_data = (tuple(map(tables.pinned, texts)) for texts in (options.data, options.unseen))
        options = dataclasses.replace(options, data=data, unseen=unseen_data)
    keras.utils.set_random_seed(options.seed)
    sources, unseen_sources = by_role(options.data, options.unseen)
    workers.check(options.batch_size)
    if options.streaming and workers.world_size > 1:
        raise TrainingError("One process streams: leave out --streaming, or train in one process.")
    if architectures.is_probe(options.architecture) and workers.world_size > 1:
        raise TrainingError("A probe is fitted in one process: leave out --strategy.")
    reading: dict[str, Any] = {"streaming": options.streaming, "cache": cache, "limit": options.limit}
    with workers.main_process_first():  # the others find the faces in its cache
        train: list[tuple[Any, float]] = [(open_train(s, **reading), s.weight) for s in sources]
        validation = [open_split(s, "validation", **reading) for s in sources]
        unseen = [open_split(s, "validation", **reading) for s in unseen_sources]
    empty = [split.name for split, _ in train if not len(split)]
    if empty or not sum(map(len, (*validation, *unseen))):
        raise TrainingError(
            f"No face to {'train on in ' + empty[0] if empty else 'validate on'}: look at the pictures."
        )
    if len({target for split in unseen or validation for target in split.targets}) < 2:
        which = "unseen" if unseen else "validation"
        raise TrainingError(f"The {which} sets need both real and fake faces, in whichever of them: name more of them.")
    own = (workers.rank, workers.world_size)
    crops = [
        (split, serving_crops(split.part(*own), options.size, options.margin)[0]) for split in (*validation, *unseen)
    ]

    per_epoch = steps_per_epoch(train, options.batch_size)
    total = max(1, round(per_epoch * options.epochs))
    crop_options = CropOptions(
        options.size, options.margin, options.jitter, options.corruptions, options.self_blend, options.reencode
    )
    batching = (train, crop_options, options.batch_size, options.seed, options.threads)
    batches = (
        streaming.Batches(*batching, block=options.streaming_block)
        if options.streaming
        else training_batches(*batching, own, options.crop_processes)
    )

    state = _State()
    going_on = resume and (out / STATE).exists()
    if going_on:
        state = _State(**json.loads((out / STATE).read_text()))
    faces = [[len(split), split.count()] for split in (*(split for split, _ in train), *validation, *unseen)]
    workers.assert_equal(json.dumps([dataclasses.asdict(options), faces, dataclasses.asdict(state)]))
    if workers.is_main:
        out.mkdir(parents=True, exist_ok=True)
    if going_on:
        model = keras.saving.load_model(out / state.weights, safe_mode=True)
        _restore(model, options, total, state.draws)
        batches.set_state(state.pipeline)
        log.info("continuing at step %d of %d", state.step, total)
    else:
        if workers.is_main:
            write(out / OPTIONS, json.dumps(dataclasses.asdict(options), indent=1).encode())
        weights = None if options.weights == "none" else options.weights
        model = architectures.build(options.architecture, options.size, weights)
        if options.frozen_until:
            architectures.freeze(model, options.frozen_until)
        _compile(model, options, total)
    for split, _ in train:
        log.info("train %s: %s", split.name, split.count())

    every = max(1, per_epoch // options.validations_per_epoch)
    with _stop_requests() as stop, SummaryWriter(str(out / "tensorboard"), write_to_disk=workers.is_main) as board:
        progress = _Progress(state.step, total, per_epoch, options.batch_size)
        if architectures.is_probe(options.architecture) and not state.done:
            probe.fit_head(model, _watched(batches, total, progress, stop), options.penalty)
            state.step = total
            _validate(model, crops, options, state, out, board, workers)
        while state.step < total and not state.done:
            try:
                crop_batch, targets = next(batches)
            except (TrainingError, ModelError) as error:  # the Hub is away, and a stream ends
                _save(model, batches, state, out, workers)  # one that streams is alone
                raise TrainingError(f"{error} Stopped at step {state.step} of {total}: --resume goes on.") from error
            loss = float(model.train_on_batch(crop_batch, targets, return_dict=True)["loss"])
            model.reset_metrics()
            state.step += 1
            progress.show(state.step, loss)
            board.add_scalar("train/loss", loss, state.step)
            if state.step % every == 0 or state.step == total:
                with _averaged(model):
                    _validate(model, crops, options, state, out, board, workers)
                board.flush()  # what comes before a checkpoint outlives whatever ends the run
                _save(model, batches, state, out, workers)
            if workers.any(bool(stop)):
                _save(model, batches, state, out, workers)
                raise Interrupted(f"Stopped at step {state.step} of {total}: --resume continues from here.")
    if not state.done:  # all steps taken
        state.done = True
        _save(model, batches, state, out, workers)
    log.info("best mean validation AUC %.4f at step %d", state.best, state.best_step)
    return out / BEST


def _watched(batches: Any, total: int, progress: "_Progress", stop: list[int]) -> Iterator[Any]:
    """`total` batches. What a probe has seen of them is not kept: one that is stopped begins anew."""
    for step in range(1, total + 1):
        if stop:
            raise Interrupted("Stopped before the probe was fitted: --resume begins anew.")
        yield next(batches)
        progress.show(step)


def is_finished(run: Path) -> bool:
    """Whether the run took all its steps, or stopped early for want of a better AUC."""
    return (run / STATE).exists() and bool(json.loads((run / STATE).read_text())["done"])


def read_options(run: Path) -> FitOptions:
    """The options that a run was started with. Raises FileNotFoundError where there is no run."""
    saved: dict[str, Any] = json.loads((run / OPTIONS).read_text())
    options: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
    return FitOptions(**options)


def _compile(model: keras.Model, options: FitOptions, total: int) -> None:
    warm = max(1, round(total * options.warm_up))
    peak = options.learning_rate * options.batch_size / 32
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 20, decay_steps=max(1, total - warm), warmup_target=peak, warmup_steps=warm
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=options.weight_decay,
        global_clipnorm=5.0,
        use_ema=options.averaging > 0,
        ema_momentum=options.averaging or 0.99,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=options.label_smoothing)
    # XLA makes a step four times slower on a CPU with TensorFlow; JAX has nothing else.
    model.compile(optimizer, loss, metrics=[], jit_compile=keras.backend.backend() == "jax")


def _restore(model: keras.Model, options: FitOptions, total: int, draws: list[list[int]]) -> None:
    """What a .keras file leaves out: which weights do not decay, and where the random layers stand."""
    saved = [np.asarray(variable) for variable in model.optimizer.variables]
    _compile(model, options, total)
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, saved, strict=True):
        variable.assign(value)
    for variable, draw in zip(_draws(model), draws, strict=False):
        variable.assign(draw)


@contextmanager
def _averaged(model: keras.Model) -> Iterator[None]:
    """The model with the running mean of its weights in place of those of the last step."""
    own = [np.array(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:  # a copy: JAX would give away the buffer that both share
        variable.assign(np.array(variable))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


def _draws(model: keras.Model) -> list[Any]:
    return [variable for variable in model.non_trainable_variables if "seed_generator_state" in variable.path]


def _validate(
    model: Any, crops: list, options: FitOptions, state: _State, out: Path, board: SummaryWriter, workers: Workers
) -> None:
    row: dict[str, Any] = {"step": state.step, "auc": {}, "accuracy": {}, "unseen_auc": {}}
    faces, unseen = {}, {}
    names_unseen = {source.name for source in by_role(options.data, options.unseen)[1]}
    for split, pictures in crops:
        targets = split.targets
        if not len(targets):
            continue
        logits = workers.predict(model, pictures, len(targets), options.batch_size)
        if split.name in names_unseen:
            unseen[split.name] = (logits, targets)
            continue
        faces[split.name] = len(targets)
        row["accuracy"][split.name] = float(((logits > 0) == (targets > 0.5)).mean())
        if 0 < targets.sum() < len(targets):
            row["auc"][split.name] = float(roc_auc_score(targets, logits))
    row["unseen_auc"] = auc_against_pooled(unseen)
    if row["unseen_auc"]:
        mean = float(np.mean(list(row["unseen_auc"].values())))
    else:
        mean = mean_by_precision(row["auc"] or row["accuracy"], faces)
    row["mean_auc"] = mean
    state.history.append(row)
    for kind in ("auc", "accuracy", "unseen_auc"):
        for name, value in row[kind].items():
            board.add_scalar(f"validation/{kind}/{name}", value, state.step)
    log.info("step %d validation %s", state.step, json.dumps(row, default=str))
    if mean > state.best:
        state.best, state.best_step, state.stale = mean, state.step, 0
        _write_model(model, out / BEST, workers)
    else:
        state.stale += 1
        state.done = state.stale >= options.patience


def predict(model: Any, crops: np.ndarray, batch_size: int = 32) -> np.ndarray:
    """Logits float32 (N,) of crops (N, S, S, 3)."""
    return ALONE.predict(model, crops, len(crops), batch_size)


def _save(model: Any, batches: Any, state: _State, out: Path, workers: Workers) -> None:
    state.pipeline = batches.get_state()
    state.draws = [np.asarray(variable).tolist() for variable in _draws(model)]
    state.weights = f"checkpoint-{state.step}.keras"
    _write_model(model, out / state.weights, workers)
    if workers.is_main:
        write(out / STATE, json.dumps(dataclasses.asdict(state)).encode())
        for file in out.glob("checkpoint-*.keras"):
            if file.name != state.weights:
                file.unlink()


def _write_model(model: Any, path: Path, workers: Workers) -> None:
    """Keras reckons while it saves, on all devices, so all workers save; the main process's file is kept."""
    if workers.is_main:
        write_model(model, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / path.name)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C or SIGTERM has come; a second one stops at once."""
    seen: list[int] = []

    def note(number: int, _: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Progress:
    def __init__(self, step: int, total: int, per_epoch: int, batch_size: int) -> None:
        self._start, self._first, self._shown = time.monotonic(), step, 0.0
        self._total, self._per_epoch, self._batch_size = total, per_epoch, batch_size
        self._loss: float | None = None

    def show(self, step: int, loss: float | None = None) -> None:
        if loss is not None:
            self._loss = loss if self._loss is None else 0.97 * self._loss + 0.03 * loss
        now = time.monotonic()
        if now - self._shown < 10 and step != self._total:
            return
        self._shown = now
        rate = (step - self._first) / max(now - self._start, 1e-6)
        left = (self._total - step) / max(rate, 1e-6)
        log.info(
            "epoch %.2f  step %d/%d%s  %.1f images/s  %d:%02d left",
            step / self._per_epoch, step, self._total, "" if self._loss is None else f"  loss {self._loss:.4f}",
            rate * self._batch_size, left // 60, left % 60,
        )  # fmt: skip
