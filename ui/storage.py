"""Where this process keeps what visitors send and are shown, and the sweeper that deletes it.

Each process has a folder of its own below the temporary folder, and holds a lock beside it for as long as it lives: a
folder whose lock is free belonged to a process that has ended, however it did, and goes with all that is in it.
"""

import atexit
import logging
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from detector import settings

log = logging.getLogger(__name__)

SECRET = "secret"  # in `links`, by which whoever made a link deletes it
KEPT_SECONDS = 3600  # what a visitor sent or was shown
SWEEP_SECONDS = 60.0  # seconds between two looks
_PREFIX = "deepfake-image-detector-"
_LASTING = "links-of-deepfake-image-detector"


class Folder:
    """`uploads` is gradio's temporary folder, `links` that of the pictures behind links, which outlives the process
    where DETECTOR_LINKS names one. Readable by this user only."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        named = settings.read().links
        lasting = Path(named).absolute() / _LASTING if named else None  # the sweeper empties it: it must be our own
        if lasting:
            lasting.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = parent.resolve() / f"{_PREFIX}{secrets.token_hex(8)}"
        self._lock = FileLock(_lock_of(self._root), mode=0o600)
        self._lock.acquire()  # before the folder is there: without its lock it would be taken for one left behind
        self._root.mkdir(mode=0o700)
        self.uploads, self.links = self._root / "uploads", lasting or self._root / "links"
        self.uploads.mkdir()
        self.links.mkdir(exist_ok=True)
        self._user = self._root.stat().st_uid
        self._kept = frozenset({str(self.links / SECRET)})
        self._ended, self._watched = threading.Event(), False
        self._process = os.getpid()
        atexit.register(self.end)

    def keep_what_is_there(self) -> None:
        """From now on what lies in `uploads` is the page's own, not a visitor's: it stays until the end."""
        self._kept |= {entry.path for entry in _entries(self.uploads, []) if entry.is_file()}

    def watch(self) -> None:
        """Sweep now, and then again and again, in a thread that nothing ends but the process."""
        self.sweep()
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name="sweeper", daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(SWEEP_SECONDS):
            self.sweep()

    def sweep(self) -> None:
        """Delete what would be older than was promised before the next look, and all that dead processes left."""
        failures: list[OSError] = []
        with suppress(OSError):
            os.utime(self._lock.lock_file)  # systems clear the temporary folder of what is old
        try:
            for folder, seconds in {self.uploads: KEPT_SECONDS, self.links: link_seconds()}.items():
                failures += _delete_older(folder, time.time() - max(0.0, seconds - SWEEP_SECONDS), self._kept)
            for folder in _folders_of_the_dead(self._root, self._user):
                failures += _delete(folder)
        except Exception:
            log.exception("The sweep ended early")  # and the next one comes all the same
        if failures:  # without names: visitors gave them
            log.error(
                "%d files of visitors could not be deleted below %s: %s",
                len(failures), self._root.parent, failures[0].strerror,
            )  # fmt: skip

    def end(self) -> None:
        """Delete everything. A process that was forked from this one does not."""
        if self._ended.is_set() or os.getpid() != self._process:
            return
        self._ended.set()
        for failure in _delete(self._root)[:1]:
            log.error("Files of visitors could not be deleted below %s: %s", self._root.parent, failure.strerror)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def link_seconds() -> float:
    """How long the picture behind a link to a result is kept."""
    return 24 * 3600 * settings.read().link_days


@cache
def folder() -> Folder:
    """That of this process, made at the first call: in GRADIO_TEMP_DIR, else in the system's temporary folder."""
    return Folder(Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()))


def holds(uploads: str | Path, path: str) -> bool:
    """Whether `path` is a file in the folder `uploads`, and no link out of it."""
    try:
        file = Path(path).resolve(strict=True)
        return file.is_file() and file.is_relative_to(Path(uploads).resolve())
    except (OSError, ValueError):  # it is not there, or no path at all
        return False


def _lock_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.lock")


def _entries(folder: Path | str, failures: list[OSError]) -> Iterator[os.DirEntry[str]]:
    """All below `folder`, what is in a folder before the folder itself; what cannot be looked into is told in
    `failures`. Links are not followed."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _entries(entry.path, failures)
                yield entry
    except FileNotFoundError:
        pass
    except OSError as error:
        failures.append(error)


def _delete_older(folder: Path, before: float, kept: frozenset[str]) -> list[OSError]:
    """Delete what nobody has written or asked for since `before`. Returns why what had to stay did."""
    failures: list[OSError] = []
    for entry in _entries(folder, failures):
        try:
            # ctime: a copy has its original's time of writing, and what is shown once more is made young again.
            if entry.path in kept or entry.stat(follow_symlinks=False).st_ctime > before:
                continue
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif not os.listdir(entry.path):
                os.rmdir(entry.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            failures.append(error)
    return failures


def _delete(folder: Path) -> list[OSError]:
    failures: list[OSError] = []

    def note(_: object, __: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if isinstance(error[1], OSError) and not isinstance(error[1], FileNotFoundError):
            failures.append(error[1])

    shutil.rmtree(folder, onerror=note)
    return failures


def _folders_of_the_dead(own: Path, user: int) -> Iterator[Path]:
    """Other processes' folders whose lock is free, held by us while the caller deletes them."""
    for folder in own.parent.glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
        except OSError:  # its process ended just now, and took it along
            continue
        if folder == own or not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
            continue
        lock = FileLock(_lock_of(folder), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        try:
            yield folder
            if not folder.exists():
                _lock_of(folder).unlink(missing_ok=True)
        finally:
            lock.release()
