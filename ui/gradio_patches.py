"""Every reach into gradio's inside, each with the line of gradio 6.31.0 that it waits for.

`Page` is gr.Blocks that tells whoever is refused so in a sentence, takes no file but those that were sent, and stops
when it is told to; `has_left` ends work for who has gone; `serve_in_head` lets a script run before gradio's own; the
rest is about the files of visitors. tests/ui/test_app.py, test_gradio_patches.py and test_kept_files.py hold them to
the pinned version; plain HTTP (ui/http_api.py) needs none of it.
"""

import base64
import binascii
import os
import re
import signal
import sys
import threading
import time
from asyncio import Queue as Messages
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync
from fastapi import Request
from gradio import http_server, processing_utils, route_utils
from gradio.context import LocalContext
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event
from gradio.route_utils import get_fn
from gradio.routes import templates
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload, get_upload_folder
from gradio_client.utils import decode_base64_to_binary, strip_invalid_filename_characters, traverse
from jinja2.ext import Extension
from PIL import Image
from starlette.datastructures import FormData, UploadFile

from detector.files import atomic_path
from ui import door, errors, server, storage, uploads

# After each call the queue sums up the last 10,000 for the monitoring page, which is off here. It reads these when it
# is made.
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(sys.maxsize)

http_server.Server = server.Server  # type: ignore[misc]  # http_server.py:152 starts one without any limit

_LOOKED_EVERY = 0.004  # seconds between looks for who waits; gradio's 0.001 takes a twelfth of an idle core
ANSWERING_SECONDS = 10.0  # that those who have asked may still be answered when the app is to stop
_QUIET_LOOKS = 3  # ten a second
_WAITING = 1_000_000  # letters of a call in memory while it waits: paths of files, and what little else the page sends
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
            body.data = await run_sync(_to_wait, body.data)
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

    def launch(self, *arguments: Any, **named: Any) -> Any:
        """As gradio's, until SIGTERM or SIGINT: then it stops as `stop` says and returns."""
        storage.folder().watch()
        self._signals = 0
        if named.get("prevent_thread_lock") or threading.current_thread() is not threading.main_thread():
            return super().launch(*arguments, **named)

        def note(*_: object) -> None:
            self._signals += 1

        before = {kind: signal.signal(kind, note) for kind in (signal.SIGTERM, signal.SIGINT)}
        try:
            return super().launch(*arguments, **named)
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def block_thread(self) -> None:
        while self.is_running and not self._signals:
            time.sleep(0.1)
        self.stop()

    def stop(self) -> None:
        """Begin nothing more, answer what has begun, for a few seconds or until a second signal, and close the port."""
        assert isinstance(self.server, server.Server)
        entrance = self.server.door
        entrance.stopping = True
        end, quiet = time.monotonic() + ANSWERING_SECONDS, 0
        while time.monotonic() < end and quiet < _QUIET_LOOKS and self._signals < 2:
            time.sleep(0.1)
            working = entrance.working or len(self._queue) or any(self._queue.active_jobs)
            quiet = 0 if working else quiet + 1  # a client fetches its answer a moment after it has asked
        self.close(verbose=False)

    def _refuse(self, event: Event) -> None:
        """Answer an event that never was in the queue as one whose function failed: clients know how to read that."""
        waiting, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        self._refused.append((event.session_hash, event.fn.name or ""))
        waiting.setdefault(event.session_hash, Messages())
        events.setdefault(event.session_hash, set()).add(event._id)
        error = error_payload(gr.Error(errors.BUSY, title="Please wait"), show_error=False)
        self._queue.send_message(event, ProcessCompletedMessage(output=error, title="Please wait", success=False))

    def _forget(self, event: Event) -> None:
        """Drop the answer where it still waits to be fetched and is all that its session waits for."""
        waiting, events = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        if events.get(event.session_hash) == {event._id}:
            del events[event.session_hash]
            waiting.pop(event.session_hash, None)

    async def preprocess_data(self, *arguments: Any, **named: Any) -> list[Any]:
        try:
            # gradio would fetch an address, and copy or list for deletion whatever it can reach.
            inputs = traverse(arguments[1], lambda file: {**file, "path": None}, _is_elsewhere)
            data: list[Any] = await super().preprocess_data(arguments[0], inputs, *arguments[2:], **named)
            return data
        except gr.Error:
            raise
        except Exception:  # a wrong type, a path of the server, an address that cannot be fetched: else a bare "Error"
            raise gr.Error(uploads.NO_PICTURE, print_exception=False) from None


def _is_elsewhere(value: Any) -> bool:
    """Whether it names a file that nobody has sent or been shown."""
    path = value.get("path") if isinstance(value, dict) else None
    return isinstance(path, str) and not storage.holds(get_upload_folder(), path)


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
    """Put `html` into the <head> that every app of this process serves, in place of gradio's own link preview; {root}
    in it becomes the page's address. What launch() takes as `head` is not there: routes.py:752 fills in templates
    without a place for it, and gradio's scripts add it once they have come and run. Every script of the page gets the
    nonce that the door's policy asks for."""
    html = html.replace("{root}", "{% endraw %}{{ config['root'] }}{% raw %}")

    class Head(Extension):  # jinja2 keeps one of a name, so the last call counts
        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            if name == "frontend/share.html":  # with a public link: gradio's scripts come from somebody else there
                name, loader = "frontend/index.html", self.environment.loader
                source = loader.get_source(self.environment, name)[0] if loader else source
            source = re.sub(r'<meta\s+(property="og:|name="twitter:)[^>]*>', "", source)
            head = html.replace("<script", f"{{% endraw %}}{_SCRIPT}{{% raw %}}")
            source = source.replace("<script", _SCRIPT)
            return source.replace("<base ", f"{{% raw %}}{head}{{% endraw %}}<base ", 1)  # below the charset

    templates.env.globals["nonce"] = door.nonce
    templates.env.add_extension(Head)


_SCRIPT = '<script nonce="{{ nonce() }}"'

# --- Files ------------------------------------------------------------------------------------------------------------


class _Forgetful(set[Any]):
    """gradio lists each file for its own deletion, which the first folder among them ends for good
    (route_utils.py:1163). The sweeper needs no list, and one that nobody shortens would grow for ever."""

    def add(self, _: Any) -> None:
        pass

    def update(self, *_: Any) -> None:
        pass


def forget_files(blocks: gr.Blocks) -> None:
    blocks.upload_file_set = _Forgetful()
    for block in blocks.blocks.values():
        block.temp_files = _Forgetful()
    blocks.temp_file_sets = []


def save_bytes(data: bytes, file_name: str, cache_dir: str) -> str:
    """Keep a file for a visitor, under the hash of its content, and return its path. gradio's own way writes it anew
    while another visitor is sent it."""
    path = Path(cache_dir, processing_utils.hash_bytes(data), Path(file_name).name).absolute()
    try:
        os.utime(path)  # the sweeper takes it for new
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, durable=False) as beside:
            beside.write_bytes(data)
    return str(path)


def _to_wait(data: list[Any]) -> list[Any]:
    """The arguments of a call as they may wait for their turn: data: URLs as files, and nothing else that is large."""
    kept = [
        [_as_file(one, number) for number, one in enumerate(argument, 1)]
        if isinstance(argument, list)
        else _as_file(argument, 1)
        for argument in data
    ]
    return kept if _letters(kept) <= _WAITING else [None] * len(kept)


def _as_file(upload: Any, number: int) -> Any:
    url = upload.get("url") if isinstance(upload, dict) else None
    if not isinstance(url, str) or not url.startswith("data:"):
        return upload
    try:
        data = base64.b64decode(url.partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        return {**upload, "url": uploads.NOT_WHOLE}
    path = save_bytes(data, "picture", get_upload_folder())
    return {**upload, "url": None, "path": path, "orig_name": uploads.name_of(upload, number)}


def _letters(value: Any) -> int:
    count, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str):
            count += len(one)
    return count


def save_picture(image: Image.Image, cache_dir: str, name: str = "image", format: str = "webp") -> str:  # noqa: A002
    """`save_bytes` of a picture."""
    data: bytes = processing_utils.encode_pil_to_bytes(image, format)  # type: ignore[no-untyped-call]
    return save_bytes(data, f"{name}.{format}", cache_dir)


def _save_base64(base64_encoding: str, cache_dir: str, file_name: str | None = None) -> str:
    data, extension = decode_base64_to_binary(base64_encoding)
    return save_bytes(data, strip_invalid_filename_characters(file_name or f"file.{extension or 'bin'}"), cache_dir)


processing_utils.save_bytes_to_cache = save_bytes
processing_utils.save_pil_to_cache = save_picture
processing_utils.save_base64_to_cache = _save_base64


class _Parser(route_utils.GradioMultiPartParser):
    """What an upload may consist of: files, as many as a batch may have. gradio keeps text in memory however long it
    is, takes 1,000 files, and leaves those of an upload that does not end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{**named, "max_files": uploads.BATCH_FILES, "max_fields": 0})

    async def parse(self) -> FormData:
        try:
            form = await super().parse()
        except BaseException:
            self._remove(self._files_to_close_on_error)
            raise
        taken = {id(file.file) for file in form.getlist("files") if isinstance(file, UploadFile)}
        self._remove([file for file in self._files_to_close_on_error if id(file) not in taken])  # of other fields
        return form

    @staticmethod
    def _remove(files: list[Any]) -> None:
        for file in files:
            file.close()
            Path(file.name).unlink(missing_ok=True)


route_utils.GradioMultiPartParser = _Parser  # type: ignore[misc]  # route_utils.py:1641
