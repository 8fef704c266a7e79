"""The one layer in front of gradio's routes and ours: what is open, how much may come, how slowly, how often, and the
headers of every answer."""

import asyncio
import secrets
import time
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

from gradio.route_utils import CustomCORSMiddleware
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detector import settings
from ui import errors, open_routes, rate_limit, storage
from ui.open_routes import Kind, Route

PATIENCE = 30.0  # seconds for a request to arrive, and
_SLOWEST = 50_000  # bytes a second above that
_DRAIN_SECONDS, _DRAIN_BYTES = 1.0, 8_000_000  # of a body that is refused: a photograph's
AT_ONCE = 100  # requests of one visitor; a browser has six
_IN_MEMORY = 130_000_000  # bytes of all requests that are kept in memory while they are answered, half for one visitor
_PARTS = 100_000  # values of a request in JSON: each takes a hundred times its byte
_RETRY_SECONDS = 10

_nonce: ContextVar[str] = ContextVar("nonce", default="")


def nonce() -> str:
    """What a <script> of the answer that is being made needs to be run: `<script nonce="…">`."""
    return _nonce.get()


@dataclass(frozen=True)
class _Refusal:
    """Why a request is not let in: HTTP status, a code for programs, a sentence for people, seconds to wait."""

    status: int
    code: str
    message: str
    retry_after: int | None = None


class _Refused(Exception):
    """In the middle of a request."""

    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


_CLOSED = _Refusal(404, "not_found", "There is nothing at this address.")
_STOPPING = _Refusal(
    503, "stopping", "The detector is shutting down: please try again in a minute.", 6 * _RETRY_SECONDS
)
_CROWDED = _Refusal(429, "too_many_at_once", "Too many requests at once: wait for the answers.", _RETRY_SECONDS)
_BUSY = _Refusal(503, "busy", errors.BUSY, _RETRY_SECONDS)
_SLOW = _Refusal(408, "timeout", "The picture took too long to arrive: send it again.")
_SCATTERED = _Refusal(413, "too_large", "The request lists far too many values: send pictures as files.")


def _oversize(route: Route) -> _Refusal:
    if not route.most:
        return _Refusal(413, "too_large", "Nothing may be sent to this address.")
    limit = f"{route.most / 1e6:.0f} MB" if route.most >= 1e6 else f"{route.most / 1e3:.0f} kB"
    return _Refusal(413, "too_large", f"The request is larger than the limit of {limit}: send less at once.")


def _too_many(refused: errors.Refused) -> _Refusal:
    return _Refusal(429, "too_many_pictures", str(refused), refused.retry_after)


class Door:
    """An ASGI application around gradio's. All of it runs in the loop of its server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.stopping = False
        self.working = 0  # requests that will be answered by themselves: not those that wait for what may never come
        self._of_visitor: Counter[str] = Counter()  # requests
        self._held: Counter[str] = Counter()  # bytes in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server has no web sockets: this is its start and its end
            await self.app(scope, receive, send)
            return
        _nonce.set(secrets.token_urlsafe(16))
        route = open_routes.of(self._path(scope), scope["method"])
        visitor = rate_limit.visitor_of(HTTPConnection(scope))
        request = _Request(self, scope, receive, send, route, visitor)
        working = route is not None and route.kind is not Kind.WAITING
        self.working += working
        self._of_visitor[visitor] += 1
        try:
            await request.answer(self._refusal(request))
        finally:
            self.working -= working
            _less(self._of_visitor, visitor, 1)
            _less(self._held, visitor, request.held)

    def _path(self, scope: Scope) -> str:
        """Below the root path, which proxies may leave in the address or take away; as Starlette sees it."""
        path: str = scope["path"]
        root: str = getattr(self.app, "root_path", "")
        return path.removeprefix(root) if root and path.startswith(f"{root}/") else path

    def _refusal(self, request: "_Request") -> _Refusal | None:
        """Why a request is not let in at all."""
        route = request.route
        if route is None or (route.path == open_routes.FILE and not _is_upload(self._path(request.scope))):
            return _CLOSED
        if self.stopping and route.begins:
            return _STOPPING
        if self._of_visitor[request.visitor] > AT_ONCE:
            return _CROWDED
        if request.length > route.most:
            return _oversize(route)
        return None

    def hold(self, visitor: str, size: int) -> None:
        """Count bytes in memory. Raises _Refused where they are too many."""
        self._held[visitor] += size
        if self._held[visitor] > _IN_MEMORY / 2 or self._held.total() > _IN_MEMORY:
            raise _Refused(_BUSY)


def _less(counter: Counter[str], visitor: str, size: int) -> None:
    counter[visitor] -= size
    if counter[visitor] <= 0:
        del counter[visitor]


def _is_upload(path: str) -> bool:
    return storage.holds(get_upload_folder(), path.partition("file=")[2])


class _Request:
    """One request on its way in, and its answer on its way out."""

    def __init__(
        self, door: Door, scope: Scope, receive: Receive, send: Send, route: Route | None, visitor: str
    ) -> None:
        self.scope, self.route, self.visitor, self.held = scope, route, visitor, 0
        self._door, self._receive, self._send = door, receive, send
        told = Headers(scope=scope).get("content-length", "")
        self.length = int(told) if told.isdecimal() else 0
        self._arrived, self._parts, self._whole = 0, 0, False
        self._started = time.monotonic()
        self._answering = self._refused = False

    async def answer(self, refusal: _Refusal | None) -> None:
        if (refusal := refusal or self._over_the_rate()) is not None:
            await self._drain()
            await self._refuse(refusal)
            return
        try:
            await self._door.app(self.scope, self._next, self._reply)
        except ClientDisconnect:
            pass  # who leaves in the middle leaves nothing in the log
        except Exception:
            if not self._refused:  # else it is what becomes of a request that ends in the middle
                raise

    def _over_the_rate(self) -> _Refusal | None:
        """Count the request against the visitor's minute; what to say where that is too much."""
        try:
            if self.route is not None and self.route.path == open_routes.UPLOAD:
                rate_limit.admit_upload(self.visitor)
            if self.length:
                rate_limit.admit_bytes(self.visitor, self.length)
        except errors.Refused as refused:
            return _too_many(refused)
        return None

    async def _drain(self) -> None:
        """Read on for a moment before refusing: who is still sending would find a broken connection, and no answer."""
        if "expect" in Headers(scope=self.scope):  # waits to be asked for the body
            return
        read = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while read < _DRAIN_BYTES:
                    message = await self._receive()
                    read += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    async def _next(self) -> Message:
        """What the application receives. For one that is refused on its way the visitor has left."""
        if self._refused:
            return {"type": "http.disconnect"}
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._started + PATIENCE + self._arrived / _SLOWEST - time.monotonic()):
                message = await self._receive()
            if message["type"] == "http.request":
                self._count(message)
        except TimeoutError:
            return await self._cut_off(_SLOW)
        except _Refused as refused:
            return await self._cut_off(refused.refusal)
        except errors.Refused as refused:
            return await self._cut_off(_too_many(refused))
        return message

    def _count(self, message: Message) -> None:
        assert self.route is not None
        body: bytes = message.get("body", b"")
        self._whole = not message.get("more_body", False)
        self._arrived += len(body)
        if self._arrived > self.route.most:
            raise _Refused(_oversize(self.route))
        if body and not self.length:  # it was not told before
            rate_limit.admit_bytes(self.visitor, len(body))
        if self.route.kind is Kind.JSON:
            self.held += len(body)
            self._door.hold(self.visitor, len(body))
            self._parts += body.count(b",") + body.count(b"[") + body.count(b"{")
            if self._parts > _PARTS:
                raise _Refused(_SCATTERED)

    async def _cut_off(self, refusal: _Refusal) -> Message:
        if not self._answering:
            await self._refuse(refusal)
        return {"type": "http.disconnect"}

    async def _refuse(self, refusal: _Refusal) -> None:
        path, message = self.route.path if self.route else "", refusal.message
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        response: Response
        if path == open_routes.UPLOAD:  # the page shows the body
            response = PlainTextResponse(message, refusal.status, headers)
        else:  # as plain HTTP tells errors, and as gradio's clients read them
            told = {"error": {"code": refusal.code, "message": message}}
            response = JSONResponse(told if path == open_routes.API else {"detail": message}, refusal.status, headers)
        # As gradio does for what is let in: other pages may read why they are refused, if they may ask at all.
        await CustomCORSMiddleware(response)(self.scope, self._receive, self._reply)
        self._refused = True

    async def _reply(self, message: Message) -> None:
        if self._refused:
            return
        if message["type"] == "http.response.start":
            self._answering = True
            self._guard(MutableHeaders(scope=message))
        await self._send(message)

    def _guard(self, headers: MutableHeaders) -> None:
        is_file = self.route is not None and self.route.path == open_routes.FILE
        headers["Content-Security-Policy"] = _FILE_POLICY if is_file else policy()
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        if is_file:  # nobody on the way keeps a visitor's picture
            headers["Cache-Control"] = "private, no-store"


_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"  # a visitor's file, looked at by itself


def policy() -> str:
    """gradio needs inline styles, and makes functions of the templates of gr.HTML and of what events run in the page.
    Scripts in the page itself need the nonce, which no visitor's file can know."""
    return (
        f"default-src 'self'; script-src 'self' 'unsafe-eval' 'nonce-{nonce()}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'none'; object-src 'none'; "
        f"base-uri 'self'; form-action 'self'; frame-ancestors {settings.read().frame_ancestors}"
    )
