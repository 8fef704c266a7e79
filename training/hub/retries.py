"""Calls of the Hub's client: tried again while the trouble may pass, ended in time, and told in a sentence.

The client itself repeats some requests only (http_backoff), and has no limit of time for a call as a whole.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from detector.errors import ModelError
from detector.model_folder import hub
from training.errors import TrainingError

T = TypeVar("T")

WITHIN = 30.0  # seconds for what belongs together, and what its bytes take on
SLOWEST = 250_000  # bytes a second
_end: ContextVar[float] = ContextVar("end", default=math.inf)


def asked(call: Callable[[], T], repo: str, *, again: bool = True) -> T:
    """What a call of the client returns, tried again while the trouble may pass, unless `again` is False. Raises
    TrainingError or ModelError with the sentence for a person."""

    def attempt() -> T:
        try:
            return call()
        except (TrainingError, ModelError, hub.HubTrouble):
            raise
        except Exception as error:
            # An upload that failed comes wrapped.
            inner = (
                error.__cause__ if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception) else error
            )
            raise hub.explain(inner, repo) from error

    left = _end.get() - time.monotonic()
    try:
        if left == math.inf:
            return hub.retried(attempt) if again else attempt()
        if left > 0:
            return hub.within(left, lambda stop: hub.retried(attempt, stop) if again else attempt())
    except hub.Late:
        pass
    except hub.HubTrouble as trouble:
        raise TrainingError(f"The Hub did not finish with {repo}, because {trouble}: run the command again.") from None
    raise TrainingError(f"The Hub did not finish with {repo} in time: look at the connection, and try again.")


@contextmanager
def time_for(size: int) -> Iterator[None]:
    """All that is asked of the Hub inside has, together, the time that a slow line takes for `size` bytes."""
    before = _end.set(time.monotonic() + WITHIN + size / SLOWEST)
    try:
        yield
    finally:
        _end.reset(before)
