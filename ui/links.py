"""Links that reopen a result: the picture is kept under a name that nobody can guess, until the link runs out."""

import secrets
import threading
import time
from pathlib import Path

from ui.uploads import LINK_SECONDS

_MOST = 300  # pictures kept at once; the oldest goes first
_TOKEN_BYTES = 18


class Links:
    """Thread-safe. `folder` is swept of what is older than LINK_SECONDS, and gone when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, tuple[float, Path]] = {}  # the oldest first
        self._lock = threading.Lock()

    def make(self, file: bytes, suffix: str) -> str:
        """Keep the picture file for LINK_SECONDS and return the token that finds it."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        path = self._folder / (token + suffix)
        path.write_bytes(file)
        with self._lock:
            self._made[token] = (time.monotonic(), path)
            self._sweep()
        return token

    def find(self, token: str) -> Path | None:
        """The picture of `token`; None where there is none, or none any more."""
        with self._lock:
            self._sweep()
            _, path = self._made.get(token, (0.0, None))
            return path

    def _sweep(self) -> None:
        oldest_kept = time.monotonic() - LINK_SECONDS
        for token, (made, path) in list(self._made.items()):
            if made >= oldest_kept and len(self._made) <= _MOST:
                break
            path.unlink(missing_ok=True)
            del self._made[token]
