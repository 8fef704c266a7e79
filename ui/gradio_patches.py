"""Every reach into gradio's inside, each with the line of gradio 6.31.0 that it waits for.

`Page` is gr.Blocks that tells whoever is refused so in a sentence; `has_left` ends work for who has gone;
`serve_in_head` lets a script run before gradio's own; `steady_files` and `keep` see that visitors' files are deleted in
time. tests/ui/test_app.py, test_gradio_patches.py and test_kept_files.py hold them to the pinned version; plain HTTP
(ui/http_api.py) needs none of it.
"""

import os
import sys
from asyncio import Queue as Messages
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from fastapi import Request
from gradio.context import LocalContext
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event
from gradio.route_utils import get_fn
from gradio.routes import templates
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload
from jinja2.ext import Extension

from ui import intake

# After each call the queue sums up the last 10,000 for the monitoring page, which is off here. It reads these when it
# is made.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(sys.maxsize))

_LOOKED_EVERY = 0.004  # seconds between looks for who waits; gradio's 0.001 takes a twelfth of an idle core
_UNREAD = 200  # answers to who was turned away that nobody has fetched; gradio keeps 2,000 of all kinds


class Page(gr.Blocks):
    """gr.Blocks that answers a sentence where gradio has a bare "Error" or its own: when the queue is full, and when
    what came is nothing that a component takes."""

    def queue(self, *arguments: Any, **named: Any) -> "Page":
        super().queue(*arguments, **named)
        # queueing.py:299 says "Queue is full. Max size is 32 and size is 32." and offers no other words.
        push, unread = self._queue.push, deque[Event]()
        self._refused = deque[tuple[str, str]](maxlen=_UNREAD)

        async def push_or_refuse(body: PredictBodyInternal, request: Request, username: str | None) -> Any:
            success, told, state = await push(body, request, username)
            if state != "queue_full":
                return success, told, state
            event = Event(body.session_hash, get_fn(self, None, body), request, username)
            unread.append(event)
            self._refuse(event)
            if len(unread) > _UNREAD:
                self._forget(unread.popleft())
            return True, event._id, "success"

        self._queue.push = push_or_refuse  # type: ignore[method-assign]  # gradio has no other way in
        # queueing.py:508 polls, where it could wait for an event.
        self._queue.sleep_when_free = _LOOKED_EVERY
        self._queue.progress_update_sleep_when_free = 10 * _LOOKED_EVERY
        return self

    def _refuse(self, event: Event) -> None:
        """Answer an event that never was in the queue as one whose function failed: clients know how to read that."""
        waiting, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        self._refused.append((event.session_hash, event.fn.name or ""))
        waiting.setdefault(event.session_hash, Messages())
        events.setdefault(event.session_hash, set()).add(event._id)
        error = error_payload(gr.Error(intake.BUSY, title="Please wait"), show_error=False)
        self._queue.send_message(event, ProcessCompletedMessage(output=error, title="Please wait", success=False))

    def _forget(self, event: Event) -> None:
        """Drop the answer where it still waits to be fetched and is all that its session waits for."""
        waiting, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        if events.get(event.session_hash) == {event._id}:
            del events[event.session_hash]
            waiting.pop(event.session_hash, None)

    async def preprocess_data(self, *arguments: Any, **named: Any) -> list[Any]:
        try:
            data: list[Any] = await super().preprocess_data(*arguments, **named)
            return data
        except gr.Error:
            raise
        except Exception:  # a wrong type, a path of the server, an address that cannot be fetched: else a bare "Error"
            raise gr.Error(intake.NO_PICTURE, print_exception=False) from None


def was_refused(request: gr.Request, function: Callable[..., Any]) -> bool:
    """Whether the visitor's call of `function`, which failed, found the queue full. True once for each."""
    blocks, call = LocalContext.blocks.get(None), (request.session_hash or "", function.__name__)
    if not isinstance(blocks, Page) or call not in blocks._refused:
        return False
    blocks._refused.remove(call)
    return True


def has_left() -> bool:
    """Whether whoever asked for the event that runs here has gone, or has called it off. gradio itself ends only
    generators then, and the API's function gives its list at once."""
    blocks, event = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if blocks is None or event is None:  # it did not come through the queue
        return False
    running = blocks._queue.event_ids_to_events.get(event)  # gradio drops one that was called off
    return running is None or not running.alive


def serve_in_head(html: str) -> None:
    """Put `html` into the <head> that every app of this process serves. What launch() takes as `head` is not there:
    routes.py:752 fills in templates without a place for it, and gradio's scripts add it once they have come and run."""

    class Head(Extension):  # jinja2 keeps one of a name, so the last call counts
        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            return source.replace("<base ", f"{{% raw %}}{html}{{% endraw %}}<base ", 1)  # below the charset

    templates.env.add_extension(Head)


# --- Files ------------------------------------------------------------------------------------------------------------


def keep(component: gr.components.Component, path: str) -> str:
    """`path` in gradio's cache, listed for deletion: gradio forgets those of a component that an event updated, so
    `component` is one that none does."""
    component.temp_files.add(path)
    return path


class _Steady(set[Any]):
    """A set that may change while it is gone through: what it held at the beginning is."""

    def __iter__(self) -> Iterator[Any]:
        return iter(frozenset(self))


def steady_files(blocks: gr.Blocks) -> None:
    """Let gradio go through its lists of files while others arrive: route_utils.py:1163 looks for what is old in a
    thread of its own, and the first file that came meanwhile would end that for ever. Every later one would be kept."""
    blocks.upload_file_set = _Steady(blocks.upload_file_set)
    blocks.temp_file_sets = [blocks.upload_file_set]
    for block in blocks.blocks.values():
        if isinstance(block, gr.components.Component):
            block.temp_files = _Steady(block.temp_files)
            blocks.temp_file_sets.append(block.temp_files)
