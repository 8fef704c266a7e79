"""What can go wrong, in one sentence for a person. The message never names a path of the machine it ran on."""

from typing import Literal

ImageErrorCode = Literal[
    "empty", "not_a_picture", "damaged", "too_large", "too_small", "unsupported_format", "unreadable"
]


class ImageError(ValueError):
    """A picture that cannot be judged. `str(error)` says what was wrong with it and what to do; `code` says it to a
    program."""

    def __init__(self, message: str, code: ImageErrorCode = "not_a_picture") -> None:
        super().__init__(message)
        self.code = code


class ModelError(RuntimeError):
    """A model folder that cannot be used. `str(error)` says what was wrong with it and what to do."""


class SettingError(ValueError):
    """An environment variable that says nothing usable. `str(error)` says which one, and what it may be."""
