"""What visitors send, and how much of it: the file of an upload, the limits, and the sentence for what went wrong."""

import base64
import binascii
import logging
import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from detector import ImageError, picture

log = logging.getLogger(__name__)

KEPT_SECONDS = 3600  # how long the server keeps what a visitor sent or was shown
PER_MINUTE = int(os.environ.get("DETECTOR_PICTURES_PER_MINUTE", 60))  # pictures of one visitor; 0 is no limit
UNEXPECTED = "Something went wrong on this side, not with your picture. Please try again in a moment."
NO_PICTURE = "No picture came with the request: send one as `picture`."

_counter = SlidingWindowCounterRateLimiter(MemoryStorage())


class Refused(Exception):
    """A request outside the limits; the message is a sentence for the visitor."""


def admit(request: gr.Request | None, pictures: int = 1) -> None:
    """Count `pictures` against the visitor's minute. Raises Refused where they are too many."""
    visitor = request.client.host if request is not None and request.client else "unknown"
    if PER_MINUTE and not _counter.hit(RateLimitItemPerMinute(PER_MINUTE), visitor, cost=pictures):
        raise Refused(f"That was more than {PER_MINUTE} pictures in a minute: please wait a little and go on.")


def read(upload: dict[str, Any] | None) -> picture.Picture:
    """The picture in what gradio's picture field sends with `preprocess=False`. Raises ImageError."""
    return picture.read(file_of(upload))


def file_of(upload: dict[str, Any] | None) -> str | bytes:
    """The file that a gradio field names, or the bytes of a data: URL. Raises ImageError."""
    if not upload:
        raise ImageError(NO_PICTURE)
    url, path = upload.get("url"), upload.get("path")
    if isinstance(url, str) and url.startswith("data:"):
        content = url.partition(",")[2]
        if len(content) > picture.MAX_BYTES * 4 // 3 + 4:
            raise ImageError(f"The file is larger than the limit of {picture.MAX_BYTES / 1e6:.0f} MB: save it smaller.")
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise ImageError("The picture did not arrive whole: send it again.") from None
    if not isinstance(path, str) or not path:
        raise ImageError(NO_PICTURE)
    # gradio checks this too, but not where a request leaves `meta` out: then any file of the server could be named.
    if not Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        raise ImageError(NO_PICTURE)
    return path


def sentence_of(error: Exception) -> str:
    """What the visitor is told; the log gets what nobody expected."""
    if isinstance(error, (ImageError, Refused)):
        return str(error)
    log.error("A request failed", exc_info=error)
    return UNEXPECTED


def as_answer(error: Exception) -> gr.Error:
    """The same for callers of the API."""
    return gr.Error(sentence_of(error), print_exception=False)
