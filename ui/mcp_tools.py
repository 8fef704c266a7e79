"""The endpoints as tools for language models, through MCP, with what gradio 6.31.0's own server (mcp.py) lacks: files
in a list, answers as JSON, no address fetched, and each visitor's own minute."""

import json
import re
from functools import reduce
from operator import getitem
from typing import Any
from urllib.parse import unquote

import gradio.mcp
from gradio_client.utils import is_file_obj_with_meta

_FILE = "a data: URL with the file in base64, or what the tool upload_file_to_gradio returned; nothing else is fetched"
_UPLOADED = re.compile(r"https?://[^?#]*/gradio_api/file=(.+)", re.DOTALL)
_PATIENCE = 60.0  # seconds that a call of gradio's to itself may take to be heard; its own 5 are few for a busy server
_Place = list[str | int]


def install() -> None:
    """Let every app of this process have such tools."""
    gradio.mcp.GradioMCPServer = Tools  # type: ignore[misc]  # routes.py:349 makes one by this name


class Tools(gradio.mcp.GradioMCPServer):
    def simplify_filedata_schema(self, schema: dict[str, Any]) -> tuple[dict[str, Any], list[_Place]]:
        simple, places = super().simplify_filedata_schema(_inlined(schema, {}))
        for place in places:
            node: dict[str, Any] = reduce(getitem, place, simple["properties"])  # type: ignore[arg-type]
            node.update(format="uri", description=_FILE)
        return simple, places

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[_Place]) -> Any:
        def converted(node: Any, place: _Place) -> Any:
            if isinstance(node, dict):
                return {key: converted(inner, [*place, key]) for key, inner in node.items()}
            if isinstance(node, list):
                return [converted(inner, [*place, "items"]) for inner in node]
            return _file(node) if isinstance(node, str) and place in filedata_positions else node

        return converted(value, [])

    def _get_or_create_client(self) -> Any:
        client = super()._get_or_create_client()
        client.httpx_kwargs.setdefault("timeout", _PATIENCE)
        return client

    def _prepare_tool_call_args(
        self, name: str, arguments: dict[str, Any]
    ) -> tuple[str, list[Any], dict[str, str], Any]:
        endpoint, data, headers, function = super()._prepare_tool_call_args(name, arguments)
        # gradio calls itself over the loopback, where this header is believed.
        request: Any = self.mcp_server.request_context.request
        return endpoint, data, headers | {"x-forwarded-for": request.client.host}, function

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        texts = [json.dumps(one, ensure_ascii=False) if _is_plain(one) else one for one in data]
        answered: list[Any] = super().postprocess_output_data(texts, root_url)
        return answered


def _is_plain(output: Any) -> bool:
    return isinstance(output, (dict, list)) and not is_file_obj_with_meta(output)


def _file(text: str) -> dict[str, Any]:
    """What ui.uploads.file_of takes, which checks that a path is that of an upload."""
    if text.startswith("data:"):
        return {"url": text}
    uploaded = _UPLOADED.fullmatch(text)
    return {"path": unquote(uploaded[1]) if uploaded else text}


def _inlined(node: Any, known: dict[str, Any]) -> Any:
    """A JSON schema with each `$ref` replaced by what it names: a schema that is put into another leads nowhere."""
    if isinstance(node, list):
        return [_inlined(inner, known) for inner in node]
    if not isinstance(node, dict):
        return node
    known = known | node.get("$defs", {})
    if "$ref" in node:
        return _inlined(known[node["$ref"].rpartition("/")[2]], known)
    return {key: _inlined(inner, known) for key, inner in node.items() if key != "$defs"}
