"""Files that are never half written: beside, fsync, rename."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` at once: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
