"""Links that reopen a result: the picture is kept under a name that nobody can guess, until the link runs out."""

import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ui.uploads import LINK_SECONDS

_MOST = 300  # pictures kept at once; then the oldest goes of whoever has the most
_TOKEN_BYTES = 18


@dataclass(frozen=True)
class _Kept:
    visitor: str
    made: float  # by time.monotonic()
    path: Path


class Links:
    """Thread-safe. `folder` is swept of what is older than LINK_SECONDS, and gone when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, _Kept] = {}  # by token, the oldest first
        self._lock = threading.Lock()

    def make(self, file: bytes, suffix: str, visitor: str) -> str:
        """Keep the picture file for LINK_SECONDS and return the token that finds it. Where there is no room for more,
        one of the `visitor` goes who has the most, so that nobody pushes out the links of others."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        path = self._folder / (token + suffix)
        path.write_bytes(file)
        with self._lock:
            self._kept[token] = _Kept(visitor, time.monotonic(), path)
            self._sweep()
            while len(self._kept) > _MOST:
                [(most, _)] = Counter(kept.visitor for kept in self._kept.values()).most_common(1)
                self._drop(next(token for token, kept in self._kept.items() if kept.visitor == most))
        return token

    def find(self, token: str) -> Path | None:
        """The picture of `token`; None where there is none, or none any more."""
        with self._lock:
            self._sweep()
            kept = self._kept.get(token)
            return kept and kept.path

    def _sweep(self) -> None:
        oldest = time.monotonic() - LINK_SECONDS
        for token in [token for token, kept in self._kept.items() if kept.made < oldest]:
            self._drop(token)

    def _drop(self, token: str) -> None:
        self._kept.pop(token).path.unlink(missing_ok=True)
