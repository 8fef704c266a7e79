"""python -m scale.child FD: the process that holds the Detector, told what to judge over the pipe FD.

It is apart from the worker, so that a picture that crashes a decoder takes down this process and nothing else. First
comes the ModelFolder, answered with None; then lists of bytes, each answered with a list of Result.to_dict() or of an
error's text.
"""

import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from detector import Detector, ImageError

_TOGETHER = 4  # pictures whose crops go through the network at once: more hold more pixels and gain nothing


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker says when it is over
    connection = Connection(int(sys.argv[1]))
    try:
        detector = Detector(connection.recv(), threads=1)
        connection.send(None)
        while True:
            connection.send(answers(detector, connection.recv()))
    except (EOFError, OSError):  # the worker has ended
        os._exit(0)


def answers(detector: Detector, pictures: list[bytes]) -> list[dict[str, Any] | str]:
    """Result.to_dict() of each picture, or the sentence that says why there is none."""
    judged = detector.detect_many(pictures, workers=1, batch_size=_TOGETHER)
    return [str(answer) if isinstance(answer, ImageError) else answer.to_dict() for answer in judged]


if __name__ == "__main__":
    main()
