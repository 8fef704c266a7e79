"""Below a verdict: a link that reopens the result, until when it does, and how whoever made it deletes it."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from detector import Detector, picture
from ui import errors, rate_limit, storage, uploads
from ui.links import Links

_RESULT, _DELETE = "result", "delete"  # in an address


def build(share: gr.Button, upload: gr.Image, page: gr.Blocks, detector: Callable[[], Detector]) -> gr.Column:
    """Lay the box out in the `gr.Blocks` that is open and return it, hidden. `share` makes a link to the result of the
    picture in `upload`, and the link puts that picture there when `page` is opened with it. `detector` says what is a
    picture."""
    links = Links(storage.folder().links)

    def make(file: dict[str, Any] | None, request: gr.Request) -> dict[Any, Any]:
        with errors.answering():
            rate_limit.admit(request)
            source = uploads.file_of(file)
            info, _ = detector().preview(source, 1)
            data = picture.read_file(Path(source))
        token = links.make(data, f".{(info.format or '').lower()}", rate_limit.visitor_of(request))
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=storage.link_seconds())
        told = f"Whoever has this link sees your picture and all that its file says, until {ends:%d %B %Y, %H:%M} UTC."
        return {
            box: gr.Column(visible=True),
            link: gr.Textbox(f"?{_RESULT}={token}", info=told),
            remove: f"?{_RESULT}={token}&{_DELETE}={links.key(token)}",
        }

    def reopen(request: gr.Request) -> Any:
        token, key = (request.query_params.get(name, "") for name in (_RESULT, _DELETE))
        if not token:
            return gr.skip()
        if key:
            gr.Info(_DELETED if links.delete(token, key) else _GONE, title="Your link")
            return gr.skip()
        found = links.find(token)
        if found is None:
            gr.Info(_GONE, title="No result here")
            return gr.skip()
        return str(found)

    def delete(address: str) -> Any:
        told = parse_qs(urlsplit(address).query)
        gone = links.delete(*(told.get(name, [""])[0] for name in (_RESULT, _DELETE)))
        gr.Info(_DELETED if gone else _GONE, title="Your link")
        return gr.Column(visible=False)

    box = gr.Column(visible=False, elem_id="link-box")
    with box:
        link = gr.Textbox(label="Link to this result", interactive=False, buttons=["copy"], elem_id="link")
        remove = gr.Textbox(
            label="Opening this one deletes the result: keep it",
            interactive=False,
            buttons=["copy"],
            elem_id="link-remove",
        )
        now = gr.Button("Delete the link now", elem_id="link-delete")

    hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    share.click(make, upload, [box, link, remove], preprocess=False, **hidden).success(
        None, [link, remove], [link, remove], js=_WHOLE
    )
    now.click(delete, remove, box, **hidden)
    page.load(reopen, None, upload, **hidden)
    return box


_WHOLE = "(...ends) => ends.map(end => location.origin + location.pathname + end)"
_DELETED = "The link and the picture behind it are deleted."
_GONE = "This link has expired or is wrong: add the picture itself."
