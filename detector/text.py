"""A stranger's text, made fit to be shown."""

import logging
import re
import unicodedata
from collections.abc import Callable
from typing import Any

EXCERPT = 120


def excerpt(text: object, limit: int = EXCERPT) -> str:
    """A stranger's text made fit to be shown: one line, no control characters, no HTML or Markdown, `limit` at most."""
    text = str(text)[: limit * 20]
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = re.sub(r"[<>\[\]`*|\\\"]", "", text).replace("://", " ").replace("&", "and")
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


_JOINERS = "\u200c\u200d"  # parts of words in many scripts, and of emoji
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # what steers a terminal, turns or breaks the line, or is no text


def visible(text: str, escape: Callable[[str], str] = lambda c: c.encode("unicode_escape").decode("ascii")) -> str:
    """`text` on one line, an escape in place of every character that would not be seen as itself."""
    return "".join(escape(c) if unicodedata.category(c) in _UNSEEN and c not in _JOINERS else c for c in text)


class _Formatter(logging.Formatter):
    """A stranger's words in a line of the log neither steer the terminal nor look like another line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(map(visible, super().formatException(ei).split("\n")))


def start_log(level: int, line: str, time: str | None = None) -> None:
    """logging.basicConfig for commands: `line` and `time` as there."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(line, time))
    logging.basicConfig(level=level, handlers=[handler])
