"""What a run leaves in its folder to go on from: its options, how far it is, the weights with their optimizer."""

import dataclasses
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training import optimizer
from training.distributed import Workers
from training.files import write, write_model
from training.options import FitOptions

STATE = "checkpoint.json"
BEST = "best.keras"
OPTIONS = "options.json"
# Options by their former names, in runs that were begun with them.
_FORMER = {
    "averaging": "ema_decay",
    "frozen_until": "freeze_through",
    "penalty": "l2",
    "warm_up": "warmup_fraction",
}


@dataclass
class State:
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


def read_state(run: Path) -> State | None:
    """That of the run's checkpoint, None where it has none."""
    return State(**json.loads((run / STATE).read_text())) if (run / STATE).exists() else None


def is_finished(run: Path) -> bool:
    """Whether the run took all its steps, or stopped early for want of a better AUC."""
    state = read_state(run)
    return state is not None and state.done


def read_options(run: Path) -> FitOptions:
    """The options that a run was started with. Raises FileNotFoundError where there is no run."""
    saved: dict[str, Any] = json.loads((run / OPTIONS).read_text())
    saved = {_FORMER.get(key, key): tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
    return FitOptions(**saved)


def write_options(run: Path, options: FitOptions) -> None:
    run.mkdir(parents=True, exist_ok=True)
    write(run / OPTIONS, json.dumps(dataclasses.asdict(options), indent=1).encode())


def save(run: Path, model: keras.Model, batches: Any, state: State, workers: Workers) -> None:
    """Write model and state, the place in `batches` with it; the checkpoint before goes."""
    state.pipeline = batches.get_state()
    state.draws = [np.asarray(variable).tolist() for variable in _draws(model)]
    state.weights = f"checkpoint-{state.step}.keras"
    save_network(run / state.weights, model, workers)
    if workers.is_main:
        write(run / STATE, json.dumps(dataclasses.asdict(state)).encode())
        for file in run.glob("checkpoint-*.keras"):
            if file.name != state.weights:
                file.unlink()


def save_network(file: Path, model: keras.Model, workers: Workers) -> None:
    """Keras computes while it saves, on all devices, so all workers save; the main process's file is kept."""
    if workers.is_main:
        write_model(model, file)
        return
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / file.name)


def load(run: Path, state: State, options: FitOptions, steps: int) -> keras.Model:
    """The model as it was saved, compiled for `steps`. A .keras file leaves out which weights do not decay, and where
    the random layers stand."""
    model = keras.saving.load_model(run / state.weights, safe_mode=True)
    saved = [np.asarray(variable) for variable in model.optimizer.variables]
    optimizer.compile_model(model, options, steps)
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(model.optimizer.variables, saved, strict=True):
        variable.assign(value)
    for variable, draw in zip(_draws(model), state.draws, strict=False):
        variable.assign(draw)
    return model


def _draws(model: keras.Model) -> list[Any]:
    return [variable for variable in model.non_trainable_variables if "seed_generator_state" in variable.path]
