"""How config.json and metrics.json are read and written: as dataclasses, in plain types.

Whatever is read is checked against the types of its dataclass: a missing name, an unknown one, a value of another type
or out of its range is a ModelError.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import dacite

from detector.errors import ModelError
from detector.text import excerpt

FORMAT_VERSION = 3
_OLDEST_VERSION = 2  # no folder of version 1 was ever published
DIGEST_SINCE = 3  # the format version from which config.json and metrics.json name the model's digest
MODEL, CONFIG, METRICS, CARD, KERAS = "model.tflite", "config.json", "metrics.json", "README.md", "model.keras"

T = TypeVar("T")


def check_version(content: Mapping[str, Any], file: str) -> int:
    """The format version of a config.json's or metrics.json's content. Raises ModelError unless it can be read."""
    version = content.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelError(f"The model's {file} names no format version: export the model again.")
    if version < _OLDEST_VERSION:
        raise ModelError(f"The model's {file} is of format {version}, older than can be read: export the model again.")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"The model is of format {excerpt(version, 20)}, newer than this detector reads ({FORMAT_VERSION}): "
            "update the detector, or take an older revision of the model."
        )
    return version


# Whole numbers may stand for others; JSON has lists where the dataclasses have tuples.
_READING = dacite.Config(strict=True, cast=[tuple], type_hooks={float: lambda value: _number(value)})  # noqa: PLW0108


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a value that must be a number is none")
    return float(value)


def parse(kind: type[T], content: Mapping[str, Any], file: str, hooks: Mapping[type, Any] | None = None) -> T:
    """`hooks` turn what stands for a type into one, as dacite's `type_hooks` do."""
    reading = replace(_READING, type_hooks={**_READING.type_hooks, **(hooks or {})})
    try:
        return dacite.from_dict(kind, content, reading)
    except (dacite.DaciteError, ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        raise wrong(file, error) from None


def wrong(file: str, error: Exception) -> ModelError:
    match error:
        case KeyError():
            why = f"{error.args[0]} is missing"
        case dacite.MissingValueError():
            why = f"{error.field_path} is missing"
        case dacite.UnexpectedDataError():
            why = f"{', '.join(sorted(map(str, error.keys)))} is unknown"
        case dacite.WrongTypeError():
            why = f"{error.field_path} is of the wrong kind"
        case _:
            why = str(error)
    return ModelError(f"The model's {file} is incomplete or wrong ({excerpt(why, 100)}): export the model again.")


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries; fields that say nothing (None or an empty tuple) are left out."""
    if hasattr(value, "__dataclass_fields__"):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: plain(part) for name, part in pairs if part is not None and part != ()}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def check_shares(*values: float) -> None:
    if not all(0 <= value <= 1 for value in values):  # also for NaN
        raise ValueError("a share is not within 0 and 1")


def check_counts(*values: int) -> None:
    if not all(value >= 0 for value in values):
        raise ValueError("a count is below 0")
