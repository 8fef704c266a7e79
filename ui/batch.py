"""The tab "Batch": many pictures or a zip in, one list out, the most suspicious first. Also the API's /detect_batch."""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from gradio.data_classes import GradioRootModel, ImageData
from pydantic import ValidationError, model_validator

from detector import Detector, ImageError, picture
from detector.rows import row_of
from ui import archive, errors, gradio_patches, rate_limit, storage, uploads
from ui.batch_list import ERROR, ORDER, Row, csv_of, json_of, table_html, tone_of, words_of
from ui.components import LIVE, data_url, error_html, lead_html
from ui.gradio_patches import has_left, was_refused
from ui.icons import icon

log = logging.getLogger(__name__)

WORKERS = min(os.cpu_count() or 1, 4)  # pictures in memory at the same time: up to 150 MB each
_THUMBNAIL = 80  # longer side in pixels, shown at half of it on a fine screen
_EVERY = 0.4  # seconds between two looks of the page at how far it is
_GROWTH = 1.1  # the table is sent again when it has grown by this: each time costs as much as all its rows
_MOST_OVER = 3  # pictures of a batch over the limits of time or memory: other batches wait for its end
_GIVEN_UP = "Earlier pictures took too much time or memory to read: send the others without them."
_NO_FILES = "No pictures came with the request: add some, or a zip of them."

_LEAD = lead_html(
    "Which of these pictures should you look at first?",
    "Add many photographs or a zip of them. You get one list, the most suspicious on top, to read here and to save.",
)
_LIMITS = f"""<div class="page soft"><p>Up to {uploads.BATCH_FILES} pictures at once, {picture.MAX_BYTES / 1e6:.0f} MB
each. A zip may have {uploads.ZIP_BYTES / 1e6:.0f} MB and hold {uploads.UNPACKED_BYTES / 1e6:.0f} MB unpacked; a
zip in a zip is not opened.</p><p>Your pictures are sent to our server and deleted within about an hour.</p></div>"""
_CAUTION = """<section class="page panel limits" aria-label="How to read the list"><h2>How to read the list</h2><ul>
<li>The order says where to look first, not what is forged. Choose a name in the list: Detect opens the
picture and shows why.</li>
<li>Some real pictures are called forged by mistake: the larger the batch, the more of them.</li>
<li>A picture at the bottom is not cleared: a new kind of forgery may show no signs at all.</li></ul></section>"""

_CLICKED = """element.addEventListener('click', event => { const name = event.target.closest('[data-row]');
if (name) trigger('click', {row: Number(name.dataset.row)}) })"""

API_DESCRIPTION = (
    "Judge many pictures: a list of files, zips among them. Returns a list with an object for each picture, in the "
    "order sent: file (its name, or its path in the zip), error (null, or a sentence saying why it could not be "
    "judged) and, where there is no error, all that /detect returns."
)


# gradio's own list of files knows no data: URLs, and one entry that is no file spoils it all.
class _Files(GradioRootModel):
    """Pictures, and zips of pictures."""

    root: list[ImageData]

    @model_validator(mode="before")
    @classmethod
    def _each_by_itself(cls, value: Any) -> list[Any]:
        """One file is a list of one; an entry that is no file becomes one of nothing, and then a row that says so."""
        if not isinstance(value, list):
            value = [value] if isinstance(value, dict) and value else []
        return [entry if _is_file(entry) else {} for entry in value]


def _is_file(entry: Any) -> bool:
    try:
        ImageData.model_validate(entry)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True)
class Item:
    """A picture of a batch, not yet read: `source` gives what picture.read takes, or raises ImageError."""

    name: str
    source: Callable[[], picture.Source]


@dataclass
class Batch:
    """One visitor's batch as far as it is. `total` is None until its pictures are counted, `refusal` why it was not
    judged at all."""

    total: int | None = None
    files: Any = None  # what was sent, as gradio's file field says it
    rows: list[Row] = field(default_factory=list)
    refusal: str | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """None while there is too little to tell by."""
        done = len(self.rows)
        if not self.total or done < 3:
            return None
        return (time.monotonic() - self.started) / done * (self.total - done)


def build(detector: Callable[[], Detector], tabs: gr.Tabs, one: gr.Image) -> None:
    """Lay the tab out in the `gr.Blocks` that is open. `detector` is called when a batch comes, not before. A picture
    of the list can be opened in the field `one`, on the tab Detect of `tabs`."""
    tab = _Tab(detector, tabs, one)
    tab.connect()
    tab.add_endpoint()


class _Tab:
    """The tab's components, and what happens in them."""

    def __init__(self, detector: Callable[[], Detector], tabs: gr.Tabs, one: gr.Image) -> None:
        self.detector, self.tabs, self.one = detector, tabs, one
        gr.HTML(_LEAD)
        with gr.Row(equal_height=False, elem_classes="ask"):
            with gr.Column(scale=5, min_width=290):
                self.upload = gr.File(
                    file_count="multiple",
                    label="Your pictures, or a zip",
                    height=230,
                    buttons=[],
                    elem_id="batch-upload",
                )
                self.upload.data_model = _Files
                gr.HTML(_LIMITS)
            with gr.Column(scale=7, min_width=290):
                self.status = gr.HTML(status_html(Batch()), elem_id="batch-status")
                self.said = gr.HTML(elem_id="batch-said", html_template=LIVE)
                with gr.Row(elem_classes="pair"):
                    self.start = gr.Button("Judge all", variant="primary", min_width=130, elem_id="batch-start")
                    self.stop = gr.Button("Stop", interactive=False, min_width=130, elem_id="batch-stop")
                with gr.Row(elem_classes="pair"):
                    off: dict[str, Any] = {"interactive": False, "min_width": 130}
                    self.save_csv = gr.DownloadButton("Save as CSV", elem_id="batch-csv", **off)
                    self.save_json = gr.DownloadButton("Save as JSON", elem_id="batch-json", **off)
        self.table = gr.HTML(elem_id="batch-table", js_on_load=_CLICKED)
        gr.HTML(_CAUTION)
        self.kept = gr.State(time_to_live=storage.KEPT_SECONDS)

    def connect(self) -> None:
        """What the components do."""
        page = [self.status, self.said, self.table, self.start, self.stop, self.save_csv, self.save_json, self.kept]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # Apart from `run`, which may have to wait for the batch of somebody else: to stop works at once.
        begun = self.start.click(self.begin, outputs=page, queue=False, **quiet)
        # preprocess=False: gradio would copy each file once more, and answer a bare "Error" where that fails.
        running = begun.then(
            self.run, self.upload, page, preprocess=False, concurrency_id="batch", concurrency_limit=1, **quiet
        )
        running.then(self.finish, self.kept, page, queue=False, **quiet)
        running.failure(self.refused, self.kept, page, queue=False, **quiet)
        self.table.click(self.reopen, self.kept, [self.one, self.tabs], queue=False, **quiet)
        self.stop.click(None, cancels=[running], api_visibility="private")

    def add_endpoint(self) -> None:
        """What the API has."""
        # An endpoint needs a component to hang on: gr.api() knows no files.
        gr.Button(visible=False).click(
            self.detect_batch,
            self.upload,
            gr.JSON(visible=False, label="results"),
            preprocess=False,
            concurrency_id="batch",
            concurrency_limit=1,
            api_name="detect_batch",
            api_description=API_DESCRIPTION,
        )

    def begin(self) -> dict[Any, Any]:
        return {
            self.status: status_html(None),
            self.said: "",
            self.table: "",
            self.start: gr.Button(interactive=False),
            self.stop: gr.Button(interactive=True),
            self.save_csv: gr.DownloadButton(value=None, interactive=False),
            self.save_json: gr.DownloadButton(value=None, interactive=False),
            self.kept: None,
        }

    def run(self, files: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        batch = Batch(files=files)
        yield {self.kept: batch}  # what is done stays there when the visitor stops the rest
        try:
            rate_limit.admit_batch(request)
            with ExitStack() as zips:
                items = gather(files, zips)
                batch.total = len(items)
                yield {self.status: status_html(batch), self.said: f"Judging {_count(batch.total, 'picture')}."}
                yield from self.follow(batch, items)
        except Exception as error:
            batch.refusal = errors.sentence_of(error)

    def follow(self, batch: Batch, items: Sequence[Item]) -> Iterator[dict[Any, Any]]:
        told, next_table, next_quarter = time.monotonic(), 1.0, 1
        with closing(judge(self.detector(), items)) as rows:
            for row in rows:
                batch.rows.append(row)
                done, now = len(batch.rows), time.monotonic()
                if now - told < _EVERY and done > 1:
                    continue
                told, changed = now, {self.status: status_html(batch)}
                if done >= next_table:
                    next_table = max(done + 1, done * _GROWTH)
                    changed[self.table] = table_html(batch.rows)
                if 4 * done >= next_quarter * len(items):  # a reader of the screen hears of quarters, not of each
                    next_quarter = 4 * done // len(items) + 1
                    changed[self.said] = f"{done} of {len(items)} done."
                yield changed

    def finish(self, batch: Batch | None) -> dict[Any, Any]:
        """Also after a stop, and then more than once: nothing in here counts."""
        batch = batch or Batch()
        idle: dict[Any, Any] = {self.start: gr.Button(interactive=True), self.stop: gr.Button(interactive=False)}
        if batch.refusal:
            told = error_html("These pictures could not be judged", batch.refusal)
            return {**idle, self.status: told, self.said: ""}
        summary = summary_of(batch)
        shown = {**idle, self.status: status_html(batch, summary), self.said: summary}
        if not batch.rows:
            return shown
        return {
            **shown,
            self.table: table_html(batch.rows),
            self.save_csv: gr.DownloadButton(value=self.keep(csv_of(batch.rows), "pictures.csv"), interactive=True),
            self.save_json: gr.DownloadButton(value=self.keep(json_of(batch.rows), "pictures.json"), interactive=True),
        }

    def refused(self, batch: Batch | None, request: gr.Request) -> dict[Any, Any]:
        """Where no place in the queue was free. What was stopped while it waited for its turn comes here too."""
        batch = batch or Batch(refusal=errors.BUSY if was_refused(request, self.run) else None)
        return {**self.finish(batch), self.kept: batch}

    def reopen(self, batch: Batch | None, clicked: gr.EventData) -> dict[Any, Any]:
        with errors.answering():
            row = clicked._data.get("row") if isinstance(clicked._data, dict) else None
            return {self.one: self.keep(*picture_of(batch or Batch(), row)), self.tabs: gr.Tabs(selected="detect")}

    def keep(self, data: bytes, name: str) -> str:
        return gradio_patches.save_bytes(data, name, self.upload.GRADIO_CACHE)

    def detect_batch(self, files: list[dict[str, Any]] | None, request: gr.Request) -> list[dict[str, Any]]:
        with errors.answering():
            rate_limit.admit_batch(request)
            with ExitStack() as zips, closing(judge(self.detector(), gather(files, zips))) as rows:
                return [row.report for row in takewhile(lambda row: not has_left(), rows)]


def picture_of(batch: Batch, number: Any) -> tuple[bytes, str]:
    """The file and the name of a picture of the list, by its place among those that were sent. Raises Refused where it
    is not kept any more."""
    with ExitStack() as zips:
        try:
            items = gather(batch.files, zips)
            source = items[number].source()
            data = source if isinstance(source, bytes) else picture.read_file(Path(str(source)))
        except (ImageError, errors.Refused, IndexError, TypeError):
            raise errors.Refused("This picture is no longer kept here: add it again.") from None
    return data, PurePosixPath(items[number].name).name


def gather(files: Any, zips: ExitStack) -> list[Item]:
    """What gradio's file field sends with `preprocess=False`, as Items: those of a zip in its place, and of a file that
    cannot be opened one that says so when it is read. Zips stay open in `zips`.

    Raises Refused for nothing at all, or more than a batch may be.
    """
    files = [files] if isinstance(files, dict) else files
    if not isinstance(files, list) or not files:
        raise errors.Refused(_NO_FILES)
    items: list[Item] = []
    listed, unpacked = archive.Listed(), 0
    for number, upload in enumerate(files, 1):
        name = uploads.name_of(upload, number)
        try:
            source = uploads.file_of(upload)
            if archive.is_zip(source, name):
                entries = zips.enter_context(archive.opened(source, listed))
                unpacked += sum(entry.size for entry in entries)
                items += [Item(entry.name, entry.read) for entry in entries]
            else:
                items.append(Item(name, partial(uploads.file_of, upload)))
        except ImageError as error:
            items.append(Item(name, partial(_raise, error)))
        if len(items) > uploads.BATCH_FILES:
            raise errors.Refused(
                f"This is more than {uploads.BATCH_FILES} pictures, the most for one batch: send several."
            )
        if unpacked > uploads.UNPACKED_BYTES:
            limit = f"{uploads.UNPACKED_BYTES / 1e6:.0f} MB"
            raise errors.Refused(f"The zips unpack to more than the limit of {limit}: send them in several batches.")
    return items


def _raise(error: ImageError) -> picture.Source:
    raise error


def judge(detector: Detector, items: Iterable[Item]) -> Generator[Row, None, None]:
    """A Row for each item, in their order, as they are done.

    A picture is read when its turn comes. Closing the iterator ends the work: no further picture
    is begun.
    """
    started, done, failed = time.perf_counter(), 0, 0
    pool = ThreadPoolExecutor(WORKERS, "batch")
    try:
        over: list[ImageError] = []
        for future in [pool.submit(_judge, detector, item, n, over) for n, item in enumerate(items)]:
            row = future.result()
            done += 1
            failed += row.outcome == ERROR
            yield row
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        log.info("1 batch, %d pictures, %d errors, %.1f s", done, failed, time.perf_counter() - started)


def _judge(detector: Detector, item: Item, number: int, over: list[ImageError]) -> Row:
    """`over` are the batch's errors for pictures that exceeded the limits of time or memory."""
    try:
        if len(over) >= _MOST_OVER:
            raise ImageError(_GIVEN_UP)
        result, small = detector.detect_with_preview(item.source(), _THUMBNAIL)
        return Row(row_of(item.name, result), number, data_url(small))
    except Exception as error:  # one picture is not the end of the others
        if isinstance(error, ImageError) and error.code in ("resource_limit", "crashed"):
            over.append(error)
        return Row(row_of(item.name, ImageError(errors.sentence_of(error))), number)


def summary_of(batch: Batch) -> str:
    """How it ended, in a sentence."""
    done, total = len(batch.rows), batch.total or 0
    if not done:
        return "Stopped before the first picture."
    failed = sum(row.outcome == ERROR for row in batch.rows)
    begin = "Done" if done == total else "Stopped"
    of = f"{done - failed} of " if done - failed < total else ""
    return f"{begin}: {of}{_count(total, 'picture')} judged{f', {failed} could not be' if failed else ''}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def status_html(batch: Batch | None, ended: str = "") -> str:
    """How far it is: None stands for a batch that waits for its turn, `ended` is the sentence for one that is over."""
    if batch is None:
        batch, title, note = Batch(), "Waiting for your turn…", "It starts when the batches before it are done."
    elif ended:
        title, _, note = ended.partition(": ")
        note = note[:1].upper() + note[1:]
    elif batch.total is None:
        title, note = "Your list appears here", "Add pictures and have them judged."
    else:
        title, note = f"{len(batch.rows)} of {batch.total} done", time_left(batch.seconds_left)
    outcomes = Counter(row.outcome for row in batch.rows)
    tally = "".join(
        f"<li>{icon(tone_of(outcome))}<b>{outcomes[outcome]}</b> {escape(words_of(outcome))}</li>" for outcome in ORDER
    )
    return (
        f'<section class="page panel progress{" ended" if ended else ""}"><h2>{escape(title)}</h2>'
        f'<progress aria-label="Pictures done" max="{batch.total or 1}" value="{len(batch.rows)}"></progress>'
        f'<p class="soft">{escape(note)}</p><ul class="tally" aria-label="So far">{tally}</ul></section>'
    )


def time_left(seconds: float | None) -> str:
    if seconds is None:
        return "Measuring how long it takes…"
    if seconds < 8:
        return "A few seconds left"
    if seconds < 55:
        return f"About {5 * round(seconds / 5)} seconds left"
    return f"About {_count(round(seconds / 60), 'minute')} left"
