"""Links that reopen a result: the picture is kept under a name that nobody can guess, until the link runs out."""

import hmac
import os
import re
import secrets
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ui import storage

MOST = 300  # pictures kept at once; then the oldest goes of whoever has the most
_TOKEN_BYTES = 18
_TOKEN = re.compile(r"[A-Za-z0-9_-]{24}")


@dataclass(frozen=True)
class _Kept:
    visitor: str
    made: float  # by time.monotonic()
    path: Path


class Links:
    """Thread-safe. `folder` is swept of what is older than storage.link_seconds(); what a process before this one has
    left there is found, too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = b""
        self._lock = threading.Lock()
        now, clock = time.time(), time.monotonic()
        made = sorted((path.stat().st_mtime, path) for path in folder.glob("*") if _TOKEN.fullmatch(path.stem))
        self._kept: dict[str, _Kept] = {  # by token, the oldest first
            path.stem: _Kept("", clock - (now - at), path) for at, path in made
        }

    def make(self, file: bytes, suffix: str, visitor: str) -> str:
        """Keep the picture file for its time and return the token that finds it. Where there is no room for more,
        one of the `visitor` goes who has the most, so that nobody pushes out the links of others."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        path = self._folder / (token + suffix)
        path.write_bytes(file)
        with self._lock:
            self._kept[token] = _Kept(visitor, time.monotonic(), path)
            self._sweep()
            while len(self._kept) > MOST:
                [(most, _)] = Counter(kept.visitor for kept in self._kept.values()).most_common(1)
                self._drop(next(token for token, kept in self._kept.items() if kept.visitor == most))
        return token

    def find(self, token: str) -> Path | None:
        """The picture of `token`; None where there is none, or none any more."""
        with self._lock:
            self._sweep()
            kept = self._kept.get(token)
            return kept.path if kept else None

    def key(self, token: str) -> str:
        """What deletes `token`: for whoever made it, not for those who have the link."""
        with self._lock:  # made by the first who asks, and read by no one else before it is written
            self._secret = self._secret or _secret(self._folder / storage.SECRET)
        return hmac.new(self._secret, token.encode(errors="replace"), "sha256").hexdigest()

    def delete(self, token: str, key: str) -> bool:
        """Delete the picture of `token` now. False where the key is wrong or there is none any more."""
        if not hmac.compare_digest(self.key(token), key.encode("ascii", "replace").decode()):
            return False
        with self._lock:
            there = token in self._kept
            if there:
                self._drop(token)
            return there

    def _sweep(self) -> None:
        oldest = time.monotonic() - storage.link_seconds()
        for token in [token for token, kept in self._kept.items() if kept.made < oldest]:
            self._drop(token)

    def _drop(self, token: str) -> None:
        self._kept.pop(token).path.unlink(missing_ok=True)


def _secret(path: Path) -> bytes:
    with suppress(FileExistsError), open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_bytes())
    return path.read_bytes()
