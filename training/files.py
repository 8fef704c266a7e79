"""Files that are never half written: beside, fsync, rename."""

import os
from pathlib import Path

from detector.files import write

__all__ = ["settle", "write"]


def settle(beside: Path, path: Path) -> None:
    """The same for a file that a library has written at `beside`."""
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)
