"""The built page on this computer, with the headers that let it use threads."""

from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# A page that shares its process with no other may use threads.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm", ".js": "text/javascript"}

    headers_sent: Mapping[str, str] = HEADERS

    def end_headers(self) -> None:
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # nobody's visits are written down
        pass


class _Plain(_Handler):
    headers_sent: Mapping[str, str] = {}


def server(folder: Path, port: int = 0, *, isolated: bool = True) -> ThreadingHTTPServer:
    """A server of `folder` on the loopback, on `port` or, for 0, a free one; not `isolated`, without the headers, as
    any other web server. Raises OSError."""
    handler = _Handler if isolated else _Plain
    return ThreadingHTTPServer(("127.0.0.1", port), partial(handler, directory=str(folder)))
