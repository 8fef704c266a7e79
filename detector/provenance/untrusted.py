"""Values out of strangers' files, made safe to work with."""

import json
from typing import Any

MAX_TEXT = 2_000_000  # of one text, XMP packet or JSON: the largest ComfyUI workflows take about one
SCAN = 64_000  # a text is searched in its first and last so many characters


def parse_json(text: object) -> Any:
    """Parsed JSON, None where it is none: deep nesting and endless numbers included."""
    if not isinstance(text, str) or len(text) > MAX_TEXT or not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def decode(value: bytes | str) -> str:
    """Text in UTF-8, or else Latin-1, without what writers pad it with."""
    if isinstance(value, bytes):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    else:
        text = value
    return text.strip("\0 \r\n\t")


def ends(text: str) -> str:
    """The parts of a text that are searched: no pattern is run over megabytes."""
    return text if len(text) <= 2 * SCAN else text[:SCAN] + "\n" + text[-SCAN:]
