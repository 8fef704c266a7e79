"""What can go wrong, in one sentence for a person. The message never names a path of the machine it ran on."""

from typing import Literal

from detector.text import visible

ImageErrorCode = Literal[
    "empty",
    "not_a_picture",
    "damaged",
    "too_large",
    "too_small",
    "unsupported_format",
    "unreadable",
    "resource_limit",
    "crashed",
]


class Told(Exception):
    """`str(error)` is a sentence for a person. A name in it may be a stranger's: it cannot steer a terminal."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message, lambda _: "\N{REPLACEMENT CHARACTER}"))


class ImageError(Told, ValueError):
    """A picture that cannot be judged. `str(error)` says what was wrong with it and what to do; `code` says it to a
    program."""

    def __init__(self, message: str, code: ImageErrorCode = "not_a_picture") -> None:
        super().__init__(message)
        self.code = code


class ModelError(Told, RuntimeError):
    """A model folder that cannot be used. `str(error)` says what was wrong with it and what to do."""


class SettingError(Told, ValueError):
    """An invalid environment variable. `str(error)` says which one, and what it may be."""


class WorkerError(RuntimeError):
    """A process for pictures that could not be started, or failed where it should not have. `str(error)` has the reason
    for the log."""
