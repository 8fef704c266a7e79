"""How much a visitor may send in a minute."""

import ipaddress
import math
import time

import gradio as gr
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from detector import settings
from ui.errors import Refused

_BATCH_COST = 5  # pictures

counter = MovingWindowRateLimiter(MemoryStorage())
_bytes = SlidingWindowCounterRateLimiter(MemoryStorage())  # it estimates, and takes no place for each


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
    if not limit or counter.hit(item := RateLimitItemPerMinute(limit), what, visitor, cost=cost):
        return
    reset = counter.get_window_stats(item, what, visitor).reset_time
    raise _refused(limit, what, max(1, math.ceil(reset - time.time())))


def _refused(limit: int, what: str, retry_after: int) -> Refused:
    return Refused(f"That was more than {limit} {what} in a minute: please wait a little and go on.", retry_after)
