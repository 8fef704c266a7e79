"""Train a network on one or several sources, with checkpoints that a stopped run continues from: to the same result,
unless its pictures are streamed.

Plain Keras 3: TensorFlow by default, JAX or PyTorch with KERAS_BACKEND. Every option, with its reason, is a field of
FitOptions; the options travel in the run's folder.
"""

import dataclasses
import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from tensorboardX import SummaryWriter  # TensorBoard's files without TensorFlow, for every backend
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from detector.errors import ModelError
from training import architectures, checkpoint, optimizer, probe, validation
from training.checkpoint import BEST, State
from training.data import tables
from training.data.crops import steps_per_epoch
from training.data.splits import RunData
from training.distributed import ALONE, Workers
from training.errors import Interrupted, TrainingError
from training.options import FitOptions

log = logging.getLogger(__name__)


def fit(
    options: FitOptions, out: Path, *, resume: bool = False, cache: Path | None = None, workers: Workers = ALONE
) -> Path:
    """Train, and return the path of the best checkpoint (out/best.keras). All `workers` call it with the same.

    The best checkpoint is that of the highest mean AUC of the unseen sets, the fakes of each against the real faces of
    all of them; without unseen sets, of the validation splits of the data. Raises TrainingError for data that cannot be
    used or a folder that already holds a run, Interrupted after Ctrl-C or SIGTERM, once the checkpoint is on disk.
    """
    options = _options(options, out, resume)
    _check(options, workers)
    keras.utils.set_random_seed(options.seed)
    with workers.main_process_first():  # the others find the faces in its cache
        data = RunData.open(options, cache)
    sets = validation.cut(data, options, workers)
    per_epoch = steps_per_epoch(data.train, options.batch_size)
    steps = max(1, round(per_epoch * options.epochs))
    batches = data.batches(options, (workers.rank, workers.world_size))

    state = checkpoint.read_state(out) or State()
    workers.assert_equal(json.dumps([dataclasses.asdict(options), data.counts(), dataclasses.asdict(state)]))
    if state.weights:
        model = checkpoint.load(out, state, options, steps)
        batches.set_state(state.pipeline)
        log.info("continuing at step %d of %d", state.step, steps)
    else:
        if workers.is_main:
            checkpoint.write_options(out, options)
        model = _new_network(options)
        optimizer.compile_model(model, options, steps)
    for split, _ in data.train:
        log.info("train %s: %s", split.name, split.count())

    with (
        _stop_requests() as stop,
        SummaryWriter(str(out / "tensorboard"), write_to_disk=workers.is_main) as board,
        logging_redirect_tqdm(),
        tqdm(total=steps, initial=state.step, unit="step", mininterval=10, disable=not workers.is_main) as progress,
    ):
        run = _Run(options, out, workers, model, batches, sets, state, steps, board, progress, stop)
        if architectures.is_probe(options.architecture):
            run.fit_probe()
        else:
            run.take_steps(max(1, per_epoch // options.validations_per_epoch))
        if not state.done:  # all steps taken
            state.done = True
            run.save()
    if state.history:
        log.info("best mean validation AUC %.4f at step %d", state.best, state.best_step)
    return out / BEST


def _options(given: FitOptions, out: Path, resume: bool) -> FitOptions:
    """Those that the run was begun with, else those that are given, of data on the Hub with their commit."""
    if checkpoint.read_state(out) and not resume:
        raise TrainingError("The folder already holds a run: add --resume to continue it, or give another --out.")
    if resume and (out / checkpoint.OPTIONS).exists():
        return checkpoint.read_options(out)
    data, unseen = (tuple(map(tables.pinned, texts)) for texts in (given.data, given.unseen))
    return dataclasses.replace(given, data=data, unseen=unseen)


def _check(options: FitOptions, workers: Workers) -> None:
    workers.check(options.batch_size)
    if options.streaming and workers.world_size > 1:
        raise TrainingError("One process streams: leave out --streaming, or train in one process.")
    if architectures.is_probe(options.architecture) and workers.world_size > 1:
        raise TrainingError("A probe is fitted in one process: leave out --strategy.")


def _new_network(options: FitOptions) -> keras.Model:
    weights = None if options.weights == "none" else options.weights
    model = architectures.build(options.architecture, options.size, weights)
    if options.freeze_through:
        architectures.freeze(model, options.freeze_through)
    return model


@dataclass
class _Run:
    """A run that is under way."""

    options: FitOptions
    out: Path
    workers: Workers
    model: Any
    batches: Any
    sets: list[validation.ValidationSet]
    state: State
    steps: int
    board: SummaryWriter
    progress: tqdm
    stop: list[int]

    def take_steps(self, every: int) -> None:
        """All steps that are left, with a validation and a checkpoint after `every` so many, until the run stops."""
        state = self.state
        while state.step < self.steps and not state.done:
            loss = self._step()
            self.progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.progress.update()
            self.board.add_scalar("train/loss", loss, state.step)
            if state.step % every == 0 or state.step == self.steps:
                with optimizer.averaged(self.model):
                    self._validate()
                self.board.flush()  # what comes before a checkpoint outlives whatever ends the run
                self.save()
            if self.workers.any(bool(self.stop)):
                self.save()
                raise Interrupted(f"Stopped at step {state.step} of {self.steps}: --resume continues from here.")

    def _step(self) -> float:
        """The loss of the next batch."""
        try:
            crops, targets = next(self.batches)
        except (TrainingError, ModelError) as error:  # the Hub is away, and a stream ends
            self.save()  # one that streams is alone
            raise TrainingError(
                f"{error} Stopped at step {self.state.step} of {self.steps}: --resume goes on."
            ) from error
        loss = float(self.model.train_on_batch(crops, targets, return_dict=True)["loss"])
        self.model.reset_metrics()
        self.state.step += 1
        return loss

    def fit_probe(self) -> None:
        """All at once, and kept as it is: there is no earlier checkpoint that validation could prefer. What a probe has
        seen is not kept: one that is stopped starts over."""

        def watched() -> Iterator[Any]:
            for _ in range(self.steps):
                if self.stop:
                    raise Interrupted("Stopped before the probe was fitted: --resume starts over.")
                yield next(self.batches)
                self.progress.update()

        if not self.state.done:
            probe.fit_head(self.model, watched(), self.options.l2)
            self.state.step = self.steps
            checkpoint.save_network(self.out / BEST, self.model, self.workers)

    def _validate(self) -> None:
        """Measure the model, keep it where it is the best so far, and end a run that has not become better for long."""
        state = self.state
        figures = validation.validate(self.model, self.sets, self.options.batch_size, self.workers)
        row: dict[str, Any] = {"step": state.step, **figures}
        state.history.append(row)
        for kind in ("auc", "accuracy", "unseen_auc"):
            for name, value in row[kind].items():
                self.board.add_scalar(f"validation/{kind}/{name}", value, state.step)
        log.info("step %d validation %s", state.step, json.dumps(row, default=str))
        if row["mean_auc"] > state.best:
            state.best, state.best_step, state.stale = row["mean_auc"], state.step, 0
            checkpoint.save_network(self.out / BEST, self.model, self.workers)
        else:
            state.stale += 1
            state.done = state.stale >= self.options.patience

    def save(self) -> None:
        checkpoint.save(self.out, self.model, self.batches, self.state, self.workers)


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
