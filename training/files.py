"""Files that are never half written: beside, fsync, rename."""

from pathlib import Path
from typing import Any

from detector.files import refusal, whole, write

__all__ = ["refusal", "whole", "write", "write_model"]


def write_model(model: Any, path: Path) -> None:
    """The same for a Keras model, a .keras file: its name beside must end so too, and is the same for every attempt,
    so that nothing is left of one that was killed."""
    with whole(path, f".{path.stem}.part.keras") as beside:
        model.save(beside)
