"""Which addresses are open, those of gradio among them, and what may be sent there.

What is not listed here is answered 404 before gradio sees it, so a new version of gradio opens nothing by itself.
SECURITY.md has this list in words, and tests/ui/test_open_routes.py holds it against the routes of the running app.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.routing import compile_path

from detector import picture
from ui import link_preview, uploads

_FORM_BYTES = 10_000  # of a multipart form, around the picture
_SMALL = 10_000  # bytes of a request that names things
_DATA_URL = picture.MAX_BYTES * 4 // 3 + 2_000_000  # a picture in JSON; what is little too large is told in its place


class Kind(StrEnum):
    """What the bytes of a request become."""

    ASKING = "asking"  # nothing: the answer is all
    WAITING = "waiting"  # likewise, and the answer may stay open for as long as the page is
    JSON = "json"  # kept in memory
    FILES = "files"  # written to disk as they arrive


@dataclass(frozen=True)
class Route:
    """`path` as Starlette writes one; `most` bytes may be sent, 0 for none. `begins` something: closed while the app
    stops."""

    path: str
    kind: Kind = Kind.ASKING
    most: int = 0
    methods: frozenset[str] = frozenset({"GET", "HEAD"})
    begins: bool = False
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", compile_path(self.path)[0])

    def matches(self, path: str) -> bool:
        return self._pattern.match(path) is not None


def _json(path: str, most: int = _DATA_URL, *, begins: bool = True) -> Route:
    return Route(path, Kind.JSON, most, frozenset({"POST"}), begins)


def _stream(path: str, *methods: str) -> Route:
    return Route(path, Kind.WAITING, 0, frozenset({"GET", *methods}))


_ALL = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
API = "/api/{path:path}"
FILE = "/gradio_api/file={path_or_url:path}"
UPLOAD = "/gradio_api/upload"
OPEN = (
    # The page and what it consists of
    Route("/"),
    Route("/config"),
    Route("/theme.css"),
    Route("/static/{path:path}"),
    Route("/assets/{path:path}"),
    Route("/favicon.ico"),
    Route("/robots.txt"),
    Route("/manifest.json"),
    Route(f"/{link_preview.PICTURE.name}"),
    Route("/gradio_api/app_id"),
    Route("/gradio_api/startup-events"),
    _stream("/gradio_api/heartbeat/{session_hash}"),
    # Pictures
    Route(UPLOAD, Kind.FILES, uploads.UPLOAD_BYTES, frozenset({"POST"}), begins=True),
    _stream("/gradio_api/upload_progress"),
    Route(FILE),
    # Calls and their answers
    _json("/gradio_api/queue/join"),
    Route("/gradio_api/queue/data"),
    _json("/gradio_api/run/{api_name}"),
    _json("/gradio_api/call/{api_name}"),
    Route("/gradio_api/call/{api_name}/{event_id}"),
    _json("/gradio_api/call/v2/{api_name}"),
    Route("/gradio_api/call/v2/{api_name}/{event_id}"),
    _json("/gradio_api/cancel", _SMALL, begins=False),
    _json("/gradio_api/reset", _SMALL, begins=False),
    Route("/gradio_api/info"),
    Route("/gradio_api/openapi.json"),
    # Tools for language models
    _json("/gradio_api/mcp"),
    _json("/gradio_api/mcp/"),
    _stream("/gradio_api/mcp/", "DELETE"),
    Route("/gradio_api/mcp/schema"),
    _stream("/gradio_api/mcp/sse"),
    _json("/gradio_api/mcp/messages/"),
    # Plain HTTP: an application of ours, which answers for what is not there
    Route(API, Kind.FILES, picture.MAX_BYTES + _FORM_BYTES, _ALL, begins=True),
)


def of(path: str, method: str) -> Route | None:
    """The open route that a request of `path`, without the root path, leads to."""
    found = [route for route in OPEN if route.matches(path)]
    if method == "OPTIONS" and found:  # whether another page may ask: gradio answers by the Origin
        return Route(found[0].path, methods=frozenset({method}))
    return next((route for route in found if method in route.methods), None)
