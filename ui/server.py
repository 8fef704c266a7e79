"""uvicorn as gradio starts it, with the door before the application and limits on what reaches no application: open
connections, and the time that a request's first lines and a reader may take.

uvicorn itself has no such times, and its `limit_concurrency` refuses whoever comes next, with a line in the log for
each: here who has sat longest without asking has to go.
"""

import asyncio
import logging
import time
from typing import Any, ClassVar

from gradio import http_server
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from ui.door import Door

_HEADER_SECONDS = 10.0  # until a request's first lines are there, also the next one's
READER_SECONDS = 60.0  # in which somebody has to take
_READER_BYTES = 100_000  # so much of an answer, or the rest of it
_CONNECTIONS = 1000  # a page that is open has one or two
_SPARE_FILES = 300  # descriptors for all else, and for what the system accepts at once
_BACKLOG = 128  # connections that wait to be accepted


class Connection(H11Protocol):
    """One connection, which is idle as long as no whole request has come."""

    most = _CONNECTIONS
    _idle: ClassVar[dict["Connection", asyncio.TimerHandle]] = {}  # of all connections, the longest idle first
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._settle()
        if len(self.connections) > self.most:
            next(iter(self._idle), self)._leave()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._settle()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()
        self._read_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_on()

    def _settle(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self not in self._idle and not self.transport.is_closing():
            self._idle[self] = self.loop.call_later(_HEADER_SECONDS, self._leave)

    def _forget(self) -> None:
        if (deadline := self._idle.pop(self, None)) is not None:
            deadline.cancel()

    def _read_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()

    def _leave(self) -> None:
        self._forget()
        self.transport.close()  # sends what is still to be sent
        if self.transport.get_write_buffer_size():
            self.watch_reader()

    def watch_reader(self) -> None:
        self._read_on()
        most = self.transport.get_write_buffer_size() - _READER_BYTES
        self._stalled = self.loop.call_later(READER_SECONDS, self._drop_above, max(0, most))

    def _drop_above(self, most: int) -> None:
        if self.transport.get_write_buffer_size() > most:
            self.transport.abort()
        else:
            self.watch_reader()


class Rarely(logging.Filter):
    """Lets a message pass ten times a minute: whoever can cause one at will would fill the disk with it."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._seen = 0, dict[str, int]()

    def filter(self, record: logging.LogRecord) -> bool:
        if (minute := int(time.monotonic() // 60)) != self._minute:
            self._minute, self._seen = minute, {}
        text = str(record.msg)
        self._seen[text] = self._seen.get(text, 0) + 1
        return self._seen[text] <= 10 or record.levelno >= logging.CRITICAL


class Server(http_server.Server):
    """What `launch` starts."""

    def __init__(self, config: Config, *arguments: Any, **named: Any) -> None:
        super().__init__(config, *arguments, **named)
        self.door = Door(config.app)  # type: ignore[arg-type]  # gradio gives an application, never a name
        config.app = self.door
        config.http, config.ws = Connection, "none"
        config.backlog = _BACKLOG
        config.timeout_graceful_shutdown = 1  # `Page` waits before, for what is to be answered
        Connection.most = max(
            50, min(_CONNECTIONS, (_descriptors() - _SPARE_FILES) // 2)
        )  # a picture that arrives is a file
        for name in ("uvicorn.error", "asyncio"):
            logger = logging.getLogger(name)
            if not any(isinstance(present, Rarely) for present in logger.filters):
                logger.addFilter(Rarely())


def _descriptors() -> int:
    """How many files this process may have open, which is raised to what the system allows."""
    try:
        import resource
    except ImportError:  # Windows
        return 2 * _CONNECTIONS + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
