"""Files that are never half written: beside, fsync, rename."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` at once: a reader sees the old file or the new one."""
    with atomic_path(path) as beside:
        beside.write_bytes(content)


@contextmanager
def atomic_path(path: Path, name: str | None = None, *, durable: bool = True) -> Iterator[Path]:
    """Where to write a file that is to appear at `path` at once, when the block ends; what a block that fails has
    written is taken away. Threads and processes do not meet: each has a name of its own, unless `name` says which.
    Not `durable`: it may be lost when the machine stops."""
    beside = path.with_name(name or f".{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
    try:
        yield beside
        if durable:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_error_hint(error: OSError) -> str | None:
    """What a person can do where a file could not be written, in one sentence; None for another trouble."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "The disk is full, or you may not write more to it: make room, and run the command again."
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "The folder to write to is read-only for you: name another one, or change its rights."
    return None
