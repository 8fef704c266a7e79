"""Files that are never half written: beside, fsync, rename."""

import os
from pathlib import Path
from typing import Any

from detector.files import refusal, whole, write

__all__ = ["refusal", "whole", "write", "write_model"]


def write_model(model: Any, path: Path) -> None:
    """The same for a Keras model, a .keras file: its name beside must end so too, and is the same for every attempt,
    so that nothing is left of one that was killed."""
    beside = path.with_name(f".{path.stem}.part.keras")
    try:
        model.save(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)  # a full disk needs the room
        raise
