"""The page /api/docs: the OpenAPI description in words, with a form to try each call.

FastAPI's own pages load Swagger UI from elsewhere; this one loads nothing, and a screen reader can read it.
"""

from html import escape
from typing import Any

from ui.components import lead_html, panel_html, table_html
from ui.door import nonce
from ui.theme import CSS, HEAD

_STYLE = """
body { margin: 0; background: #f6f7f8; --font: system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
  --font-mono: ui-monospace, Menlo, Consolas, monospace; font-family: var(--font); }
.dark body { background: #11161b; color-scheme: dark; }
main { max-width: 900px; margin: 0 auto; padding: 22px clamp(14px, 3vw, 24px) 32px; }
main > div { margin-top: 14px; }
.page .try { display: flex; flex-wrap: wrap; gap: 10px 16px; align-items: end; margin-top: 14px; font-size: 14px; }
.try label { display: grid; gap: 3px; min-width: 0; } .try input { font: inherit; max-width: 100%; }
.try button { font: inherit; padding: 5px 14px; border: 1px solid var(--accent); border-radius: 6px; cursor: pointer;
  color: var(--on); background: var(--accent); }
"""
_DARK = "document.documentElement.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches)"


def page(described: dict[str, Any]) -> str:
    """The whole page for an OpenAPI document as FastAPI writes it."""
    info, schemas = described["info"], described["components"]["schemas"]
    calls = "".join(
        _call_html(method, path, call)
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])}: plain HTTP</title>{HEAD}<style>{CSS}{_STYLE}</style>
<script nonce="{nonce()}">{_DARK}</script></head>
<body class="gradio-container"><main>
<header class="page masthead"><h1>{escape(info["title"])}: plain HTTP</h1></header>
{lead_html("Ask from any program", info["description"])}
<p class="page soft">For machines, the same as <a href="openapi.json">OpenAPI</a>. For people, <a href="..">the
page</a>.</p>
{calls}{"".join(_schema_html(name, schema) for name, schema in schemas.items() if "properties" in schema)}
</main></body></html>
"""


def _call_html(method: str, path: str, call: dict[str, Any]) -> str:
    body = call.get("requestBody", {}).get("content", {})
    form = body.get("multipart/form-data", {}).get("schema", {}).get("properties", {})
    fields = "".join(_field_html(name, schema) for name, schema in form.items())
    attempt = (
        f'<form class="try" action="{escape(path[1:])}" method="{method}"'
        f' enctype="multipart/form-data">{fields}<button>Try it</button></form>'
    )
    sent = " or ".join(f"<code>{escape(kind)}</code>" for kind in body)
    answers = [
        [
            escape(status),
            escape(answer["description"]),
            " ".join(_kind(c.get("schema", {})) or escape(kind) for kind, c in answer.get("content", {}).items()),
        ]
        for status, answer in call["responses"].items()
    ]
    return panel_html(
        f"{method.upper()} /api{path}",
        f"<p><b>{escape(call['summary'])}.</b></p><p>{escape(call['description'])}</p>"
        + (f'<p class="soft">It takes {sent}.</p>' if sent else "")
        + attempt
        + table_html(f"Answers of /api{path}", ["Status", "When", "Body"], answers),
    )


def _field_html(name: str, schema: dict[str, Any]) -> str:
    if schema.get("format") == "binary":
        return f'<label>{escape(name)}<input type="file" name="{escape(name)}" required></label>'
    return (
        f'<label>{escape(name)}<input type="number" name="{escape(name)}" min="{schema["minimum"]}" '
        f'value="{schema["default"]}"></label>'
    )


def _schema_html(name: str, schema: dict[str, Any]) -> str:
    rows = [
        [
            f"<code>{escape(field)}</code>",
            _kind(part),
            f'<span class="wide">{escape(part.get("description", ""))}</span>',
        ]
        for field, part in schema["properties"].items()
    ]
    return (
        f'<div id="{escape(name)}">'
        + panel_html(name, table_html(f"Fields of {name}", ["Field", "Type", "Meaning"], rows))
        + "</div>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """The type of a value in words, as HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(filter(None, map(_kind, schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(escape(str(value)) for value in schema["enum"])
    if "prefixItems" in schema:
        return f"array of {len(schema['prefixItems'])}: {_kind(schema['prefixItems'][0])}"
    inner = schema.get("items") or schema.get("additionalProperties")
    words = escape(str(schema.get("type", "")))
    return f"{words} of {_kind(inner)}" if isinstance(inner, dict) and _kind(inner) else words
