"""The tools for language models, called by a real MCP client."""

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import CallToolResult, Tool
from PIL import Image

from detector import Detector, Result
from detector.rows import row_of
from tests.support.running_app import ASTRONAUT, RunningApp, limited
from tests.ui.test_app import upload
from tests.ui.test_batch import pack
from ui import about, uploads

Talk = Callable[[ClientSession], Awaitable[Any]]


def talk(app: RunningApp, say: Talk, source: str = "127.0.0.1", **headers: str) -> Any:
    """What `say` makes of a session with the app, from another address of this machine where `source` is one."""

    def client(**options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(local_address=source), **options)

    async def session() -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            streamablehttp_client(
                f"{app.url}/gradio_api/mcp/",
                headers=named,
                httpx_client_factory=lambda headers=None, timeout=None, auth=None: client(
                    headers=headers, timeout=timeout, auth=auth, follow_redirects=True
                ),
            ) as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            return await say(session)

    with ThreadPoolExecutor(1) as beside:  # the browser has a loop in this thread
        return beside.submit(asyncio.run, session()).result()


def call(app: RunningApp, tool: str, source: str = "127.0.0.1", /, **arguments: Any) -> CallToolResult:
    return talk(app, lambda session: session.call_tool(tool, arguments), source)


def data_url(data: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"


def told(answered: CallToolResult) -> Any:
    """The JSON of an answer that is no error."""
    assert not answered.isError, answered.content
    [content] = answered.content
    return json.loads(content.text)


def refused(answered: CallToolResult) -> str:
    assert answered.isError
    [content] = answered.content
    assert "Traceback" not in content.text and "sha256" not in content.text and len(content.text) < 300
    return content.text


@pytest.fixture(scope="module")
def judged() -> Result:
    return Detector.load().detect(ASTRONAUT)


PORTRAIT = data_url(ASTRONAUT.read_bytes())


def test_the_tools_are_these_and_described(running_app: RunningApp) -> None:
    async def listed(session: ClientSession) -> dict[str, Tool]:
        return {tool.name: tool for tool in (await session.list_tools()).tools}

    tools = talk(running_app, listed)
    assert tools.keys() == {"detect", "heatmap", "detect_batch", "model"}
    assert "likely_fake" in tools["detect"].description and "no_signs" in tools["detect"].description
    for tool in tools.values():
        assert "$ref" not in json.dumps(tool.inputSchema), "it would lead nowhere"
    assert tools["detect"].inputSchema["required"] == ["picture"]
    [picture, files] = (
        tools["detect"].inputSchema["properties"]["picture"],
        tools["detect_batch"].inputSchema["properties"]["files"],
    )
    assert picture["type"] == "string" and "data: URL" in picture["description"]
    assert files["type"] == "array" and files["items"]["type"] == "string"
    assert files["items"]["description"] == picture["description"]


def test_one_picture_is_judged(running_app: RunningApp, judged: Result) -> None:
    answered, expected = told(call(running_app, "detect", picture=PORTRAIT)), judged.to_dict()
    assert answered.pop("seconds").keys() == expected.pop("seconds").keys()
    assert answered == expected


def test_the_heat_map_comes_as_a_picture(running_app: RunningApp) -> None:
    answered = call(running_app, "heatmap", picture=PORTRAIT, face=1)
    assert not answered.isError
    marked = next(content for content in answered.content if content.type == "image")
    assert Image.open(io.BytesIO(base64.b64decode(marked.data))).size == (512, 512)
    assert "whole number from 1 to 1" in refused(call(running_app, "heatmap", picture=PORTRAIT, face=2))


def test_the_model_is_told(running_app: RunningApp) -> None:
    assert told(call(running_app, "model")) == json.loads(json.dumps(about.describe(Detector.load().model)))


def test_a_list_is_judged_picture_by_picture(running_app: RunningApp, judged: Result, tmp_path: Path) -> None:
    zipped = pack(tmp_path / "more.zip", {"a.png": ASTRONAUT.read_bytes(), "b.png": b"x"}).read_bytes()
    files = [PORTRAIT, data_url(b"no picture"), data_url(zipped), str(ASTRONAUT), "https://example.org/x.png"]
    portrait, broken, inside, second, *named = told(call(running_app, "detect_batch", files=files))
    expected = row_of("picture 1", judged)
    assert portrait.pop("seconds").keys() == expected.pop("seconds").keys()
    assert portrait == expected
    assert inside["file"] == "a.png" and inside["verdict"] == judged.verdict
    assert broken["error"].startswith("This is not a picture") and second["file"] == "b.png" and second["error"]
    assert [row["error"] for row in named] == 2 * [uploads.NO_PICTURE]


def test_what_was_uploaded_to_this_app_can_be_named(running_app: RunningApp, judged: Result) -> None:
    """As gradio's upload_file_to_gradio does it, whatever the host is called from outside."""
    address = f"https://detector.example/behind/a/proxy/gradio_api/file={upload(running_app, ASTRONAUT.read_bytes())}"
    assert told(call(running_app, "detect", picture=address))["picture"]["sha256"] == judged.picture.sha256
    [row] = told(call(running_app, "detect_batch", files=[address]))
    assert row["picture"]["sha256"] == judged.picture.sha256


@pytest.mark.parametrize("tool", ["detect", "heatmap"])
def test_nothing_of_the_server_and_no_address_is_read(running_app: RunningApp, tool: str) -> None:
    for hostile in (
        str(ASTRONAUT),
        f"{running_app.url}/config",
        f"{running_app.url}/gradio_api/file={ASTRONAUT}",
        "http://127.0.0.1:9/x.png",
        "data:image/png;base64,AAAA",
        "data:,%",
        "",
    ):
        refused(call(running_app, tool, picture=hostile))


@pytest.mark.parametrize(
    "arguments", [{}, {"files": []}, {"files": 5}, {"files": [5]}, {"files": [{"path": "/etc/hostname"}]}]
)
def test_a_list_of_something_else_is_refused(running_app: RunningApp, arguments: dict[str, Any]) -> None:
    refused(call(running_app, "detect_batch", **arguments))


def test_progress_is_told_on_the_way(running_app: RunningApp, judged: Result) -> None:
    """Another way through gradio's server."""
    steps: list[float] = []

    async def say(session: ClientSession) -> CallToolResult:
        async def step(progress: float, *_: Any) -> None:
            steps.append(progress)

        return await session.call_tool("detect_batch", {"files": [PORTRAIT]}, progress_callback=step)

    [row] = told(talk(running_app, say))
    assert row["verdict"] == judged.verdict and steps


@pytest.mark.slow
def test_each_visitor_has_a_minute_and_nobody_names_another_address() -> None:
    """gradio calls itself for them, from the address of this machine."""
    with limited(per_minute=1) as app:
        assert told(call(app, "detect", "127.0.0.2", picture=PORTRAIT))
        assert told(call(app, "detect", "127.0.0.3", picture=PORTRAIT)), "another visitor"

        def again(session: ClientSession) -> Awaitable[CallToolResult]:
            return session.call_tool("detect", {"picture": PORTRAIT})

        claimed = talk(app, again, "127.0.0.2", X_Forwarded_For="203.0.113.7")
        assert "more than 1 pictures in a minute" in refused(claimed)
