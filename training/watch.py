"""Lines between the workers of a run, over which they meet, and notice who is gone.

JAX's own heartbeat cannot do it: it aborts the process when a worker falls silent, the coordinator goes or a worker
does not come, and its callback for Python throws std::bad_cast (jaxlib 0.10.2), so that nobody is told a sentence.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import traceback
from typing import NoReturn

from training.cluster import Cluster
from training.errors import TrainingError

JOIN = 300.0  # seconds that workers wait for each other at the start
SILENCE = 60.0  # seconds after which a worker that says nothing is lost
LOST = 3  # exit status of those who lost one
_BEAT = 1.0


class Watch:
    """The lines between the main process and each of the others. A worker says `.` every second; `go` lets the others
    follow, `bye` is a proper end, `quit` an error of its own, and `lost N` tells who is gone."""

    def __init__(self, lines: dict[int, socket.socket]) -> None:
        self.step, self.saved = 0, 0
        self.gone_ahead = threading.Event()
        self._lines = lines
        self._done: set[int] = set()
        self._ending = threading.Lock()
        self._sending = threading.Lock()
        for peer, line in lines.items():
            threading.Thread(target=self._listen, args=(peer, line), name=f"worker-{peer}", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    @classmethod
    def meet(cls, cluster: Cluster) -> "tuple[Watch, str]":
        """The lines, and the address of JAX's coordinator, which the main process chooses. Raises TrainingError."""
        host, _, port = cluster.coordinator.rpartition(":")
        host = host.strip("[]")
        if cluster.rank == 0:
            lines: dict[int, socket.socket] = {}
            try:
                _receive(int(port), cluster.world_size, lines)
            except TrainingError:
                for line in lines.values():  # who came need not wait
                    line.close()
                raise
            with _server(0) as free:
                address = f"{cluster.coordinator.rpartition(':')[0]}:{free.getsockname()[1]}"
            for line in lines.values():
                line.sendall(f"{address}\n".encode())
        else:
            line, address = _call(host, int(port), cluster)
            lines = {0: line}
        return cls(lines), address

    def tell(self, word: str) -> None:
        for line in self._lines.values():
            with self._sending, contextlib.suppress(OSError):  # who listens will notice
                line.sendall(f"{word}\n".encode())

    def leave(self) -> None:
        self._done.update(self._lines)
        self.tell("bye")

    def end_with(self, error: BaseException) -> NoReturn:
        """End this process, which the others notice."""
        if isinstance(error, TrainingError):
            self.tell("quit")
            self._end(str(error), 2)
        if isinstance(error, Exception):
            time.sleep(5 * _BEAT)  # where a worker is gone its line says so now, and that is the reason
        traceback.print_exception(error)
        self.tell("quit")
        self._end("This worker failed, and the others end with it.", 1)

    def _beat(self) -> None:
        while True:
            self.tell(".")
            time.sleep(_BEAT)

    def _listen(self, peer: int, line: socket.socket) -> None:
        line.settimeout(SILENCE)
        rest = b""
        while True:
            try:
                heard = line.recv(4096)
            except OSError:  # a time-out is one
                heard = b""
            if not heard:
                return self._without(peer, "was lost")
            *words, rest = (rest + heard).split(b"\n")
            for word in words:
                if word == b"go":
                    self.gone_ahead.set()
                elif word == b"bye":
                    self._done.add(peer)
                elif word == b"quit":
                    self._without(peer, "gave up, its own message says why")
                elif word.startswith(b"lost "):
                    self._without(int(word[5:]), "was lost")

    def _without(self, who: int, why: str) -> None:
        """Worker `who` is gone: unless it had done its part, this process ends."""
        if who in self._done:
            return
        self._done.add(who)  # said once
        self.tell(f"lost {who}")
        kept = f"the checkpoint of step {self.saved} stays" if self.saved else "there is no checkpoint yet"
        how = "with --resume" if self.saved else "again"
        self._end(f"After step {self.step}, worker {who} {why}: {kept}, start all workers {how}.", LOST)

    def _end(self, sentence: str, status: int) -> NoReturn:
        with self._ending:  # one of them speaks
            print(sentence, file=sys.stderr, flush=True)
            logging.shutdown()
            os._exit(status)


def _server(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    return socket.create_server(
        ("", port), family=socket.AF_INET6 if both else socket.AF_INET, backlog=128, dualstack_ipv6=both
    )


def _receive(port: int, processes: int, lines: dict[int, socket.socket]) -> None:
    """Fill in the main process's lines to all others, who call and say who they are. Raises TrainingError."""
    until = time.monotonic() + JOIN
    try:
        server = _server(port)
    except OSError as error:
        raise TrainingError(f"Port {port} cannot be used here ({error.strerror}): give another one to all.") from None
    with server:
        while len(lines) < processes - 1:
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                line, _ = server.accept()
                line.settimeout(10.0)
                with line.makefile("rb", buffering=0) as said:  # reads no further than the line
                    index, count = map(int, said.readline(64).split())
            except TimeoutError:
                if time.monotonic() < until:
                    continue
                missing = sorted(set(range(1, processes)) - set(lines))
                raise TrainingError(
                    f"Of {processes} workers, {', '.join(map(str, missing))} did not come: "
                    "start all with the same --coordinator and --processes."
                ) from None
            except (OSError, ValueError):  # a stranger
                continue
            if count != processes or index in lines or not 0 < index < processes:
                line.close()
                raise TrainingError(
                    f"A worker came as {index} of {count}, where {processes} are to come: "
                    "give all the same --processes, and each a --process of its own."
                )
            lines[index] = line


def _call(host: str, port: int, cluster: Cluster) -> tuple[socket.socket, str]:
    """The line to the main process, and the address that it gives, once all are there."""
    until = time.monotonic() + JOIN
    while True:
        try:
            line = socket.create_connection((host, port), timeout=10)
            line.sendall(f"{cluster.rank} {cluster.world_size}\n".encode())
            line.settimeout(max(0.01, until + 10 - time.monotonic()))
            with line.makefile("rb", buffering=0) as said:
                address = said.readline(300).decode().strip()
            if address:
                return line, address
            raise TrainingError("Worker 0 sent this one away: its own message says why.")
        except OSError:
            if time.monotonic() > until:
                raise TrainingError(
                    f"Worker 0 does not answer at {cluster.coordinator}: start it, or give the right --coordinator."
                ) from None
            time.sleep(0.2)
