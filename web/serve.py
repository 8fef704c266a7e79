"""The built page on this computer."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What the page's own meta tag cannot say: who may show it in a frame, and that it opens no window, through which a
# script could tell somebody else. docs/web.md has the same lines for other servers.
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'; sandbox allow-scripts allow-same-origin allow-downloads",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm", ".js": "text/javascript"}

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # nobody's visits are written down
        pass


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of `folder` on the loopback, on `port` or, for 0, a free one. Raises OSError."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
