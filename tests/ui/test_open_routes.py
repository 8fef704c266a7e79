"""No route is open that is not on the list, and a new version of gradio opens none unseen."""

from collections.abc import Iterator

import pytest
from starlette.routing import BaseRoute, Mount

import app
from detector import Detector
from tests.support import ROOT
from ui import open_routes

# Of gradio 6.31: what is closed, because the page does without. A route that is neither here nor open is a new one:
# look at what it does, and write it into one of the two lists.
CLOSED = """
/config/ /gradio_api/app_id/ /gradio_api/info/ /gradio_api/reset/ /gradio_api/theme.css
/gradio_api/call/{api_name}/ /gradio_api/call/v2/{api_name}/ /gradio_api/run/{api_name}/
/gradio_api/api/{api_name} /gradio_api/api/{api_name}/
/login /login/ /logout /gradio_api/login_check /gradio_api/login_check/ /gradio_api/user /gradio_api/user/
/gradio_api/token /gradio_api/token/
/svelte/{path:path} /pwa_icon /pwa_icon/{size} /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}
/gradio_api/component_server /gradio_api/component_server/
/gradio_api/deep_link /gradio_api/file/{path:path} /gradio_api/proxy={url_path:path} /gradio_api/process_recording
/gradio_api/queue/status /monitoring /monitoring/summary /monitoring/{key}
/gradio_api/stream/{event_id} /gradio_api/stream/{event_id}/close
/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8
/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file
/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}
/gradio_api/runs /gradio_api/runs/ /openapi.json
/gradio_api/dev/reload /gradio_api/vibe-edit /gradio_api/vibe-edit/ /gradio_api/vibe-code /gradio_api/vibe-code/
/gradio_api/undo-vibe-edit /gradio_api/undo-vibe-edit/
/gradio_api/vibe-starter-queries /gradio_api/vibe-starter-queries/
""".split()
_MOUNTS = {  # how Starlette writes what is mounted, and how the list does
    "/api": open_routes.API,
    "/gradio_api/mcp/messages": "/gradio_api/mcp/messages/",
    "/gradio_api/mcp": "/gradio_api/mcp/",
}


@pytest.fixture(scope="module")
def served() -> Iterator[set[tuple[str, str]]]:
    """Path and method of every route of the running app."""
    blocks = app.build(Detector.load)
    blocks.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(Detector.load))
    try:
        yield set(walk(blocks.app.routes))
    finally:
        blocks.close(verbose=False)


def walk(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        below = getattr(route, "original_router", None) or (route.app if isinstance(route, Mount) else None)
        inner = getattr(below, "routes", None)
        if inner:
            yield from walk(inner, prefix + (route.path if isinstance(route, Mount) else ""))
        elif isinstance(route, Mount):
            yield _MOUNTS.get(prefix + route.path, prefix + route.path), "*"
        else:  # one without a path is of a kind that this test does not know, and fails
            for method in getattr(route, "methods", None) or {"*"}:
                yield prefix + route.path, method


@pytest.mark.slow
def test_every_route_is_listed(served: set[tuple[str, str]]) -> None:
    assert len(served) > 60
    opened = {(route.path, method) for route in open_routes.OPEN for method in route.methods}
    paths = {path for path, _ in opened}
    opened |= {(path, also) for path in paths for also in ("*", "HEAD")}  # of what is mounted; what GET may ask for
    assert {route for route in served if route[0] not in CLOSED} <= opened
    assert not paths & set(CLOSED)
    assert not set(CLOSED) - {path for path, _ in served}, "closed, and not there any more"


@pytest.mark.slow
def test_nothing_is_listed_that_is_not_there(served: set[tuple[str, str]]) -> None:
    there = {path for path, _ in served} | {"/gradio_api/mcp"}
    assert {route.path for route in open_routes.OPEN} <= there


@pytest.mark.parametrize("path", [path for path in CLOSED if "{" not in path])
def test_what_is_closed_matches_nothing_open(path: str) -> None:
    assert open_routes.of(path, "GET") is open_routes.of(path, "POST") is None


def test_the_list_is_told() -> None:
    told = (ROOT / "SECURITY.md").read_text()
    for route in open_routes.OPEN:
        assert f"`{route.path.replace(':path', '')}`" in told, route.path
