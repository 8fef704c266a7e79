"""What visitors are told when something goes wrong: one sentence, the same on the page and in the APIs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from detector import ImageError, ModelError

log = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on our side. Please try again in a moment."
BUSY = "Many people are using this page right now: please wait a minute and try again."


class Refused(Exception):
    """A request outside the limits; the message is a sentence for the visitor, `retry_after` the seconds to wait."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def sentence_of(error: Exception) -> str:
    """What the visitor is told; the log gets what nobody expected."""
    if isinstance(error, (ImageError, Refused)):
        return str(error)
    if isinstance(error, ModelError):
        log.error("%s", error)
        return str(error)
    log.error("A request failed", exc_info=error)
    return UNEXPECTED


@contextmanager
def answering() -> Iterator[None]:
    """Tells a caller of the API in the same sentence what went wrong inside the block. Raises gr.Error for it."""
    try:
        yield
    except Exception as error:
        raise gr.Error(sentence_of(error), print_exception=False) from None
