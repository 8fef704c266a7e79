"""Files that are never half written: beside, fsync, rename."""

from pathlib import Path
from typing import Any

from detector.files import atomic_path, write, write_error_hint

__all__ = ["atomic_path", "write", "write_error_hint", "write_model"]


def write_model(model: Any, path: Path) -> None:
    """The same for a Keras model, a .keras file: its name beside must end so too, and is the same for every attempt,
    so that nothing is left of one that was killed."""
    with atomic_path(path, f".{path.stem}.part.keras") as beside:
        model.save(beside)
