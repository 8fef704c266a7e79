"""How a model folder was made, as config.json and metrics.json tell it: the commands, the versions, the commit."""

import dataclasses
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detector.model_folder import store
from training.checkpoint import OPTIONS, read_options
from training.data.sources import Source
from training.evaluation.calibrate import Limits
from training.options import ExportOptions, FitOptions, given_words
from training.recipes import is_recipe

_NO_NETWORK = ("imagenet", "none")  # --weights that are no file


def commands(run: Path, words: str = "", beside: Sequence[Path] = (), recipe: str | None = None) -> tuple[str, ...]:
    """The recipes, `recipe` the last of them, then the `fit` commands that lead to the run, the first one first, and
    the export with `words`. A run may go on from another run or from a model folder."""
    lines = [line for each in (run, *beside) for line in _way_to(each)]
    others = " ".join(["", "--beside", *(f"RUNS/{each.name}" for each in beside)]) if beside else ""
    lines.append(f"python -m training export RUNS/{run.name}{others}{words} --out MODEL_FOLDER")
    recipes = [*filter(is_recipe, lines), *([recipe] if recipe else [])]
    return tuple(dict.fromkeys([*recipes, *lines]))


def _way_to(run: Path) -> list[str]:
    lines: list[str] = []
    while True:
        options = read_options(run)
        lines.insert(0, options.command(run.name))
        origin = Path(options.weights).parent
        if options.weights in _NO_NETWORK:
            return lines
        if (origin / store.CONFIG).exists():
            before = json.loads((origin / store.CONFIG).read_text())["commands"]
            return [line.replace("MODEL_FOLDER", f"RUNS/{origin.name}") for line in before] + lines
        if not (origin / OPTIONS).exists():
            return lines
        run = origin


def export_words(options: ExportOptions, limits: Limits, unseen: Sequence[Source]) -> str:
    """The options of an export that are not as by default, with its unseen sources."""
    named = dataclasses.replace(options, unseen=tuple(source.place for source in unseen))
    return " ".join(["", *given_words(named), *given_words(limits)])


def portable(options: FitOptions, sources: Sequence[Source], unseen: Sequence[Source]) -> dict[str, Any]:
    """The options without paths of this machine."""
    values = dataclasses.asdict(options)
    values["data"] = [f"{source.name}:{source.weight:g}" for source in sources]
    values["unseen"] = [source.name for source in unseen]
    if options.weights not in _NO_NETWORK:
        values["weights"] = "/".join(Path(options.weights).parts[-2:])
    return values


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
