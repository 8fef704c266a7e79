"""What visitors send, and how much of it: the file of an upload, the limits, and the sentence for what went wrong."""

import ipaddress
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from detector import ImageError, ModelError, settings
from ui import uploads

log = logging.getLogger(__name__)

BATCH_FILES = 200  # pictures of one batch, those in its zips included
ZIP_BYTES = 150_000_000  # of a zip
UNPACKED_BYTES = 500_000_000  # of all pictures in the zips of one batch
UPLOAD_BYTES = 1_000_000_000  # of all that is sent at once
UNPACKED_RATIO = 200  # a picture's size to what it takes in the zip: photographs hardly shrink

UNEXPECTED = "Something went wrong on this side, not with your picture. Please try again in a moment."
BUSY = "Many people are using this page right now: please wait a minute and try again."
NO_PICTURE = "No picture came with the request: send the file itself."
NOT_WHOLE = "data:"  # what is left of a data: URL that cannot be decoded
_BATCH_COST = 5  # pictures
_LONGEST_NAME = 200  # characters

_counter = MovingWindowRateLimiter(MemoryStorage())
_bytes = SlidingWindowCounterRateLimiter(MemoryStorage())  # it estimates, and takes no place for each


class Refused(Exception):
    """A request outside the limits; the message is a sentence for the visitor, `retry_after` the seconds to wait."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def visitor_of(request: gr.Request | HTTPConnection | None) -> str:
    """Who counts as one: an address, or the network of an IPv6 address, as its owner has all of them."""
    host = request.client.host if request is not None and request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))
    return host


def admit(request: gr.Request | HTTPConnection | None, pictures: int = 1) -> None:
    """Count `pictures` against the visitor's minute. Raises Refused where they are too many."""
    _count(visitor_of(request), "pictures", settings.read().pictures_per_minute, pictures)


def admit_batch(request: gr.Request | None) -> None:
    """Count one batch against the visitor's minute. Raises Refused where that is too many.

    Counted picture by picture, no batch of more than a minute's pictures could ever be sent. What batches take from
    others is bounded by their queue, which runs one at a time. So each is a few pictures, and the visitor has a number
    of them.
    """
    told = settings.read()
    _count(visitor_of(request), "batches", told.batches_per_minute, 1)
    admit(request, min(_BATCH_COST, told.pictures_per_minute))


def admit_upload(visitor: str) -> None:
    """Count one request that brings files: that of a picture, or of a batch. Raises Refused."""
    pictures, batches = settings.read().pictures_per_minute, settings.read().batches_per_minute
    _count(visitor, "uploads", pictures + batches if pictures and batches else 0, 1)


def admit_bytes(visitor: str, size: int) -> None:
    """Count what a request brings, of any kind. Raises Refused."""
    limit = settings.read().megabytes_per_minute
    if limit and not _bytes.hit(RateLimitItemPerMinute(limit * 1_000_000), visitor, cost=size):
        raise _refused(limit, "megabytes", 60)


def _count(visitor: str, what: str, limit: int, cost: int) -> None:
    if not limit or _counter.hit(item := RateLimitItemPerMinute(limit), what, visitor, cost=cost):
        return
    reset = _counter.get_window_stats(item, what, visitor).reset_time
    raise _refused(limit, what, max(1, math.ceil(reset - time.time())))


def _refused(limit: int, what: str, retry_after: int) -> Refused:
    return Refused(f"That was more than {limit} {what} in a minute: please wait a little and go on.", retry_after)


def file_of(upload: dict[str, Any] | None) -> str:
    """The file that a gradio field names with `preprocess=False`; a data: URL has become one. Raises ImageError."""
    if not isinstance(upload, dict):
        raise ImageError(NO_PICTURE)
    if upload.get("url") == NOT_WHOLE:
        raise ImageError("The picture did not arrive whole: send it again.")
    path = upload.get("path")
    if not isinstance(path, str) or not path:
        raise ImageError(NO_PICTURE)
    # gradio checks this too, but not where a request leaves `meta` out: then any file of the server could be named.
    if not uploads.holds(get_upload_folder(), path):
        raise ImageError(NO_PICTURE)
    return path


def name_of(upload: dict[str, Any] | None, number: int) -> str:
    """What the visitor calls the file: without folders, and never the server's name for it."""
    given = upload.get("orig_name") or upload.get("path") if isinstance(upload, dict) else None
    name = plain_name(given).replace("\\", "/").rpartition("/")[2] if isinstance(given, str) else ""
    return name or f"picture {number}"


def plain_name(name: str) -> str:
    """`name` without characters that cannot be shown or turn the line round, cut to a length that can be read."""
    shown = "".join(c if c.isprintable() or c in "\u200c\u200d" else "\ufffd" for c in name)  # joiners: part of words
    return shown if len(shown) <= _LONGEST_NAME else f"…{shown[1 - _LONGEST_NAME :]}"


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
