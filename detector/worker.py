"""python -m detector.worker SOCKET MEMORY: a process that holds a Detector, and is given a picture at a time.

First come the ModelFolder, the limits and a number of threads, answered with None, or with the error for which there
is no Detector. Then come calls (a method's name, its arguments, its options), each with whether it is the only one,
answered with what the method gives or raises. See detector.isolation.
"""

import ctypes
import logging
import math
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import nullcontext, suppress
from multiprocessing.connection import Connection

import numpy as np

from detector.detector import Detector
from detector.errors import ImageError, ModelError, SettingError, WorkerError
from detector.isolation import BOUNDED, Channel, Limits
from detector.picture import TOO_MUCH

_IDLE = 1.0  # seconds without a call: between two that follow each other giving memory back takes 5 ms


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has started it says when it is over
    logging.basicConfig(level=logging.ERROR)  # warnings may quote a stranger's file
    warnings.simplefilter("ignore")  # Pillow's of damaged files, which the answer tells of
    logging.getLogger("detector.provenance.trust_list").setLevel(logging.WARNING)  # these never do
    os.nice(5)  # who serves visitors goes first
    channel = Channel(Connection(int(sys.argv[1])), int(sys.argv[2]))
    try:
        folder, limits, threads = channel.receive()
        bound(limits)
        try:
            detector = Detector(folder, 1)  # one thread takes less memory, and most workers never need more
            detector.score_crops(*(np.full((1, size, size, 3), 128, np.uint8) for size, _ in detector.crop_specs))
            detector.cores.allow(threads)
        except (ModelError, SettingError) as error:
            channel.send(error)
            return
        channel.send(None)
        while True:
            if not channel.socket.poll(_IDLE):
                trim()
            call, alone = channel.receive()
            more_time(limits.seconds)
            channel.send(answer := _answer(detector, call, alone))
            if isinstance(answer, ImageError) and answer.code == "resource_limit":
                return  # what ran out of memory may be left in any state
            del call, answer
    except (EOFError, OSError):  # nobody is there any more
        pass
    finally:
        os._exit(0)


def bound(limits: Limits) -> None:
    """Keep this process within the limits, and what it crashes over off the disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if BOUNDED:
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    more_time(limits.seconds)


def more_time(seconds: int) -> None:
    """Seconds of processor time from now on, after which the system ends this process."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))


def trim() -> None:
    """Give back to the system what pictures needed: glibc keeps it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _answer(detector: Detector, call: tuple[str, tuple[object, ...], dict[str, object]], alone: bool) -> object:
    name, arguments, options = call
    try:
        with nullcontext() if alone else detector.cores.one_more():
            return getattr(detector, name)(*arguments, **options)
    except (ImageError, ModelError) as error:
        return error
    except MemoryError:
        return ImageError(TOO_MUCH, "resource_limit")
    except Exception:
        return WorkerError(traceback.format_exc())


if __name__ == "__main__":
    main()
