"""Files that are never half written: beside, fsync, rename."""

import json
from pathlib import Path
from typing import Any

from detector.files import atomic_path, write, write_error_hint
from detector.model_folder import Metrics, ModelConfig, store

__all__ = ["atomic_path", "write", "write_config", "write_error_hint", "write_metrics", "write_model"]


def write_config(folder: Path, config: ModelConfig) -> None:
    write(folder / store.CONFIG, (json.dumps(config.to_dict(), indent=2) + "\n").encode())


def write_metrics(folder: Path, metrics: Metrics) -> None:
    write(folder / store.METRICS, (json.dumps(metrics.to_dict(), indent=1) + "\n").encode())


def write_model(model: Any, path: Path) -> None:
    """The same for a Keras model, a .keras file: its name beside must end so too, and is the same for every attempt,
    so that nothing is left of one that was killed."""
    with atomic_path(path, f".{path.stem}.part.keras") as beside:
        model.save(beside)
