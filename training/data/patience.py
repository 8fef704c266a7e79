"""What is asked of the Hub while it streams: tried again, side by side, and given up in time with a sentence."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.hub import retries

log = logging.getLogger(__name__)

WITHIN = 300.0  # seconds without a picture until a run is stopped, its checkpoint written
_WORD_EVERY = 20.0  # seconds of waiting between two lines that say so
_LOCAL_TRIES = 3  # `datasets` now and then ends a shard early when many threads start one at once


class Pulse:
    """When a row came last."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def beat(self) -> None:
        self.last = time.monotonic()


def asked(call: Callable[[], Any], spec: str) -> Any:
    """What `call` returns, tried again while the trouble may pass. Raises TrainingError, ModelError."""
    if Path(spec).exists():
        for left in reversed(range(_LOCAL_TRIES)):
            try:
                return call()
            except (OSError, ValueError) as error:
                if not left:
                    raise TrainingError(f"{Path(spec).name} could not be read ({error}): get another copy.") from error
    return retries.asked(call, spec.partition("@")[0])


def side_by_side(calls: Sequence[Callable[[], Any]], pulse: Pulse | None = None) -> list[Any]:
    """What they return. In threads that can be left behind: a server may drip bytes for ever. Raises what the first
    that failed raised, and TrainingError after WITHIN without an answer or a beat of `pulse`; without a pulse there is
    nothing under way that could be lost, and it waits no longer than for other calls of the Hub."""
    within = WITHIN if pulse else retries.WITHIN
    pulse = pulse or Pulse()
    pulse.beat()
    results: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            results[number] = calls[number]()
            pulse.beat()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[n], daemon=True, name="stream") for n in range(len(calls))]
    for thread in threads:
        thread.start()
    words = 0
    for thread in threads:
        while thread.is_alive() and not errors:
            thread.join(1.0)
            still = time.monotonic() - pulse.last
            if still >= within:
                raise TrainingError(f"Nothing came from the Hub for {within:.0f} seconds: look at the connection.")
            if still < words * _WORD_EVERY:
                words = 0
            if still >= (words + 1) * _WORD_EVERY:
                words += 1
                log.info("waiting for the Hub, for %.0f seconds now", still)
    if errors:
        raise errors[0]
    return results
