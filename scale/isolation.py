"""A Detector in a process of its own: when a picture ends that process, the picture is known and the rest goes on."""

import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

from detector.model_folder import ModelFolder
from scale.errors import ScaleError

PATIENCE = 60.0  # seconds for a picture
_START = 300.0  # seconds for the process, on a machine that is busy with others
CRASHED = "Judging this picture ended the process that did it, twice: the file is damaged, get another copy of it."
TOO_LONG = f"Judging this picture took longer than {PATIENCE:.0f} seconds and was given up: save it smaller."


class _Ended(Exception):
    """The process is gone; the message is the sentence for the picture, were it the only one."""


class IsolatedDetector:
    """Judges with one core. Starts its process when there is something to judge, and anew after a crash."""

    def __init__(self, model: ModelFolder) -> None:
        self._model = model
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def judge(self, pictures: Sequence[bytes]) -> list[dict[str, Any] | str]:
        """Result.to_dict() of each picture, or the sentence that says why it could not be judged.

        Raises ScaleError where the process cannot be started.
        """
        try:
            return self._ask(pictures)
        except _Ended:
            # One of them it was: each alone, so that it costs only itself.
            return [self._judge_alone(picture) for picture in pictures]

    def _judge_alone(self, picture: bytes) -> dict[str, Any] | str:
        told = ""
        for _ in range(2):  # the process may have been ended by something else, for want of memory say
            try:
                return self._ask([picture])[0]
            except _Ended as ended:
                told = str(ended)
                if told == TOO_LONG:
                    break
        return told

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            process, pipe = self._running
            pipe.close()
            process.kill()
            process.wait()
            self._running = None

    def _ask(self, pictures: Sequence[bytes]) -> list[dict[str, Any] | str]:
        pipe = self._running[1] if self._running else self._start()
        try:
            pipe.send(list(pictures))
            if pipe.poll(PATIENCE * len(pictures)):
                return pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise _Ended(CRASHED) from None
        self.close()
        raise _Ended(TOO_LONG)

    def _start(self) -> Connection:
        pipe, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "scale.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
            )
        self._running = process, pipe
        try:
            pipe.send(self._model)
            if pipe.poll(_START):
                pipe.recv()
                return pipe
        except (EOFError, OSError):
            pass
        self.close()
        raise ScaleError(
            "The detector could not be started on a worker: install deepfake-image-detector[scale] on every machine."
        )
