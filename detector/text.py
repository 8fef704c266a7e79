"""A stranger's text, made fit to be shown."""

import re
import unicodedata

EXCERPT = 120


def excerpt(text: object, limit: int = EXCERPT) -> str:
    """A stranger's text made fit to be shown: one line, no control characters, no HTML or Markdown, `limit` at most."""
    text = str(text)[: limit * 20]
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = re.sub(r"[<>\[\]`*|\\\"]", "", text).replace("://", " ").replace("&", "and")
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
