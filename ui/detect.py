"""The tab "Detect": one picture in, its verdict, faces and evidence out. Also the API's endpoint /detect."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from detector import Detector, ImageError, Result, Verdict, cutout, messages, picture
from detector.heatmap import overlay
from detector.model_folder import ModelFolder
from ui import (
    boxes,
    caught,
    errors,
    example_pictures,
    feedback,
    gradio_patches,
    link_box,
    next_steps,
    rate_limit,
    report,
    storage,
    uploads,
)
from ui.answer import LABELS, LIMITS, SHOWN_FACES, cards_html, evidence_html, record_html, verdict_html
from ui.components import ACCEPT, ADDRESS, LIVE, data_url, error_html, lead_html
from ui.icons import icon

log = logging.getLogger(__name__)

_SLIDER = 512  # side in pixels of the crops to compare
_PREVIEW = 640  # likewise of what stands in the field for a picture that browsers do not show
_BROWSERS_SHOW = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")

_LEAD = lead_html(
    "Is there a forged face in this picture?",
    "Add a photograph. Every face in it is judged, and you see how sure the detector is, what it looked at and what it "
    "cannot know.",
)
PRIVACY = """<p class="page soft">Your picture is sent to our server and deleted within about an hour.</p>"""
WAITING = f"""<section class="page panel verdict wait"><div class="top">{icon("wait")}<h2>Your answer appears here</h2>
</div><p class="plain">Add a picture, or try one of the examples. It takes about a second.</p></section>"""
LOOKING = f"""<section class="page panel verdict wait"><div class="top">{icon("wait")}<h2>Looking at the picture…</h2>
</div></section>"""

API_DESCRIPTION = (
    "Judge every face of one picture. Returns headline (the answer in words), verdict (likely_fake, leans_fake, "
    "uncertain, no_signs or no_face), score (0 to 1, of the most suspicious face, no probability; null without one), "
    "how rare it is (false_positive_share, unseen_share and seen_share: of real faces, and of faces forged in ways "
    "that the model has never seen, and has, those that score at least this high), origin (what the file declares: "
    "declared_ai, camera, edited or none), faces, provenance, warnings (code and text), the picture's and the model's "
    "checksums, and seconds by stage. no_signs means that no signs of forgery were found, never that the picture is "
    "real: some forgeries, 1 - unseen_share of those by generators that the model has never seen, score lower still."
)


_HEATMAP_DESCRIPTION = (
    "Show where the traces of a forgery lie in one face of a picture: the face as it was cut out, traces in colour. "
    "`face` counts from 1, the most suspicious, as the faces of /detect do."
)


# What the browser itself has to say of what is added; the rest comes from the server.
_NOTES = {
    "accept": ACCEPT,
    "max_bytes": picture.MAX_BYTES,
    "too_large": str(picture.oversize(picture.MAX_BYTES)),
    "several": "The first of these pictures is judged; Batch takes many at once.",
    "address": ADDRESS,
    "unsent": "The picture did not reach this site: check your connection and add it again.",
    "nothing": "There is no picture on the clipboard: copy the picture itself, not its address or its file’s name.",
    "not_allowed": "Your browser did not let this page read the clipboard: press Ctrl+V, or ⌘V on a Mac.",
}
# Served in the head, as a page takes a while to build itself: what is pasted meanwhile is not lost.
_SCRIPT = Path(__file__).with_name("upload.js").read_text(encoding="utf-8").replace("WORDS", json.dumps(_NOTES))
HEAD = f"<script>\n{_SCRIPT}</script>\n"
_NOTE = '<div class="page"><p role="status"></p></div>'

_PROGRESS = gr.Progress()
_HIDE = "{__type__: 'update', visible: false}"
_EMPTIED = f"[{json.dumps(WAITING)}, '', {_HIDE}, {_HIDE}]"
_SLIDE = """element.addEventListener('input', event =>
element.querySelector('.compared').style.setProperty('--at', `${event.target.value}%`))"""
# On a phone the answer comes below the picture: bring it into sight. Where it is in sight, nothing moves.
_SETTLE = """picture => { if (!picture) return EMPTIED; const ours = document.querySelector('#preview img');
const theirs = document.querySelector('#upload .image-frame img'); if (ours && theirs) theirs.src = ours.src;
document.querySelector('#verdict [data-verdict], #verdict [role=alert]')?.scrollIntoView({
block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'});
return Array(4).fill({__type__: 'update'}) }""".replace("EMPTIED", _EMPTIED)


def build(detector: Callable[[], Detector], page: gr.Blocks) -> gr.Image:
    """Lay the tab out in `page`, which is open, and return its field. `detector` is called when a visitor opens the
    page, not before."""
    tab = _Tab(detector, page)
    tab.connect()
    tab.add_endpoints()
    return tab.upload


class _Tab:
    """The tab's components, and what happens in them."""

    def __init__(self, detector: Callable[[], Detector], page: gr.Blocks) -> None:
        self.detector, self.reports_to = detector, feedback.address()
        gr.HTML(_LEAD)
        self.promised = gr.HTML('<p class="page soft">&nbsp;</p>', elem_id="promise")
        with gr.Row(equal_height=False, elem_classes="ask"):
            with gr.Column(scale=5, min_width=290):
                self.upload = _upload_field()
                gr.HTML(_NOTE, elem_id="upload-note")
                example_pictures.build(self.upload)
                gr.HTML(PRIVACY)
            with gr.Column(scale=7, min_width=290):
                self.verdict = gr.HTML(WAITING, elem_id="verdict", html_template=LIVE)
                self.preview = gr.HTML(visible="hidden", elem_id="preview")
        with gr.Column(visible=False) as self.faces:
            with gr.Row(equal_height=False):
                with gr.Column(scale=7, min_width=290):
                    self.marked = _marked_picture()
                    self.which = gr.Radio(label="Which face to look at", visible=False, elem_id="which")
                with gr.Column(scale=5, min_width=290):
                    self.compared = gr.HTML(elem_id="compared", js_on_load=_SLIDE)
            self.cards = gr.HTML(elem_id="cards")
        with gr.Column(visible=False) as self.evidence:
            self.findings = gr.HTML(elem_id="evidence")
            self.record = gr.HTML(elem_id="record")
            with gr.Row(elem_id="take-away"):
                self.page_report = gr.DownloadButton("Download the report", variant="secondary")
                self.json_report = gr.DownloadButton("Download as JSON", variant="secondary")
                share = gr.Button("Make a link to this result", variant="secondary")
            self.link = link_box.build(share, self.upload, page, detector)
        gr.HTML(LIMITS)
        self.judged = gr.State([], time_to_live=storage.KEPT_SECONDS)

    def connect(self) -> None:
        """What the components do."""
        private: dict[str, Any] = {"api_visibility": "private"}
        hidden: dict[str, Any] = {"show_progress": "hidden", **private}
        # Without triggers: when the page is opened.
        gr.on(None, self.promise, None, self.promised, queue=False, **hidden)
        # preprocess=False: gradio would open the file with every decoder that Pillow has, and answer a bare "Error"
        # where that fails. uploads.file_of() takes what it hands over instead.
        whole = [self.verdict, self.faces, self.marked, self.which, self.compared, self.cards, self.evidence]
        whole += [self.findings, self.record, self.page_report, self.json_report, self.link, self.judged, self.preview]
        judging = self.upload.change(
            self.answer,
            self.upload,
            whole,
            preprocess=False,
            show_progress="full",
            show_progress_on=self.verdict,
            trigger_mode="always_last",
            concurrency_id="judge",
            **private,
        )
        # In the browser alone: without a network, an old answer must not stay beside an empty box either. Nor one whose
        # end arrives when its picture has gone.
        emptied = [self.verdict, self.preview, self.faces, self.evidence]
        self.upload.clear(None, None, emptied, js=f"() => {_EMPTIED}", **private)
        judging.then(None, self.upload, emptied, js=_SETTLE, **private)
        judging.failure(self.refused, self.upload, whole, preprocess=False, queue=False, **hidden).then(
            None, self.upload, emptied, js=_SETTLE, **private
        )
        self.which.input(self.pick, [self.which, self.judged], self.compared, **hidden)

    def add_endpoints(self) -> None:
        """What the API has."""
        # An endpoint needs a component to hang on, since gr.api() knows no files. Its function's name is that of the
        # tool.
        shared: dict[str, Any] = {"preprocess": False, "concurrency_id": "judge"}
        gr.Button(visible=False).click(
            self.detect,
            self.upload,
            gr.JSON(visible=False, label="result"),
            api_name="detect",
            api_description=API_DESCRIPTION,
            **shared,
        )
        gr.Button(visible=False).click(
            self.heatmap,
            [self.upload, gr.Number(1, label="Which face", precision=0, visible=False)],
            gr.Image(visible=False, label="heat map", format="webp"),
            api_name="heatmap",
            api_description=_HEATMAP_DESCRIPTION,
            **shared,
        )

    def promise(self) -> str:
        return f'<p class="page soft">{caught.line(self.detector().model.metrics)}</p>'

    def answer(
        self, upload: dict[str, Any] | None, request: gr.Request, progress: gr.Progress = _PROGRESS
    ) -> Iterator[dict[Any, Any]]:
        if not upload:
            yield {self.verdict: WAITING, **self.hidden()}
            return
        yield {self.verdict: LOOKING, **self.hidden()}  # an old answer must not stand beside a new picture
        try:
            progress(0.2, desc="Looking for faces")
            rate_limit.admit(request)
            current = self.detector()  # once: it may be another in the next moment
            result, pixels = judge_and_show(current, uploads.file_of(upload))
            progress(0.8, desc="Drawing what was found")
            yield {
                self.verdict: verdict_html(result, current.model)
                + next_steps.steps_html(result)
                + feedback.link_html(result, self.reports_to),
                self.preview: "" if result.picture.format in _BROWSERS_SHOW else _preview_html(pixels),
                self.evidence: gr.Column(visible=True),
                self.findings: evidence_html(result),
                self.record: record_html(result),
                **self.reports(result, pixels, current.model, uploads.name_of(upload, 1)),
                **({} if result.verdict is Verdict.NO_FACE else self.show_faces(result, pixels, current.model)),
            }
        except Exception as error:
            yield {self.verdict: error_html(LABELS["error"], errors.sentence_of(error))}

    def refused(self, upload: dict[str, Any] | None) -> dict[Any, Any]:
        """Where no place in the queue was free: `answer` tells of all else itself."""
        busy = error_html("No answer this time", errors.BUSY)
        return {self.verdict: busy if upload else WAITING, **self.hidden()}

    def hidden(self) -> dict[Any, Any]:
        return {
            self.faces: gr.Column(visible=False),
            self.evidence: gr.Column(visible=False),
            self.preview: "",
            self.judged: [],
            self.link: gr.Column(visible=False),
        }

    def show_faces(self, result: Result, pixels: np.ndarray, model: ModelFolder) -> dict[Any, Any]:
        shown = [cutout.of_face(face, result, model) for face in result.faces[:SHOWN_FACES]]
        numbers = list(range(1, len(shown) + 1))
        boxed = gradio_patches.save_picture(boxes.draw(pixels, result), self.upload.GRADIO_CACHE)
        return {
            self.faces: gr.Column(visible=True),
            self.marked: gr.Image(boxed, alt_text=_alt(result)),
            self.which: gr.Radio([(f"Face {n}", n) for n in numbers], value=1, visible=len(shown) > 1),
            self.compared: compared_html(*shown[0]),
            self.cards: cards_html(result, model),
            self.judged: shown,
        }

    def reports(self, result: Result, pixels: np.ndarray, model: ModelFolder, name: str) -> dict[Any, Any]:
        stem = f"report-{result.picture.sha256[:12]}"
        return {
            self.page_report: self.keep(report.as_html(result, pixels, model, name), f"{stem}.html"),
            self.json_report: self.keep(report.as_json(result, name), f"{stem}.json"),
        }

    def keep(self, text: str, name: str) -> str:
        return gradio_patches.save_bytes(text.encode(), name, self.upload.GRADIO_CACHE)

    def pick(self, number: int | None, kept: list[cutout.Cutouts]) -> Any:
        if not kept or not number or not 0 < number <= len(kept):
            return gr.skip()
        return compared_html(*kept[number - 1])

    def detect(self, picture: dict[str, Any] | None, request: gr.Request) -> dict[str, Any]:
        """Judge every face of one picture: was it forged?

        Args:
            picture: the photograph, a file or a data: URL; addresses are not fetched
        """
        with errors.answering():
            rate_limit.admit(request)
            return judge(self.detector(), uploads.file_of(picture)).to_dict()

    def heatmap(self, picture: dict[str, Any] | None, face: float | None, request: gr.Request) -> Image.Image:
        """Mark where the traces of a forgery lie in one face of a picture.

        Args:
            picture: the photograph, a file or a data: URL; addresses are not fetched
            face: which face, 1 for the most suspicious
        """
        with errors.answering():
            rate_limit.admit(request)
            result = judge(self.detector(), uploads.file_of(picture))
            return heatmap_of(result, face)


def _upload_field() -> gr.Image:
    # image_mode=None and type="filepath" keep the bytes as they were uploaded, with all that the file says.
    return gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        label="Your picture",
        placeholder="# Drop a picture here\nor click to choose one, or paste one",
        alt_text="The picture that you added",
        height=260,
        buttons=[],
        webcam_options=gr.WebcamOptions(mirror=False),
        elem_id="upload",
    )


def _marked_picture() -> gr.Image:
    return gr.Image(
        label="The faces that were judged",
        format="webp",
        interactive=False,
        buttons=["fullscreen", "download"],
        height=420,
        elem_id="marked",
    )


class NoSuchFace(ImageError):
    """A face was asked for that the picture does not have."""


def heatmap_of(result: Result, number: Any) -> Image.Image:
    """The heat map over face `number` of the result, from 1. Raises NoSuchFace."""
    if not result.faces:
        raise NoSuchFace("No face was found in the picture, so there is nothing to mark.")
    if not isinstance(number, (int, float)) or number not in range(1, len(result.faces) + 1):
        raise NoSuchFace(f"There is no such face: give a whole number from 1 to {len(result.faces)}.")
    face = result.faces[int(number) - 1]
    return _enlarged(Image.fromarray(overlay(face.crop, face.activation)))


def compared_html(face: Image.Image, traces: Image.Image | None) -> str:
    """A face under its heat map, with a slider for how much of the one covers the other; alone where there are no
    traces. Enlarged alike."""
    if traces is None:
        return (
            f'<figure class="page compared"><figcaption>{LABELS["no_traces"]}</figcaption><div class="over">'
            f'<img src="{data_url(_enlarged(face))}" alt="The face"></div></figure>'
        )
    below, above = (data_url(_enlarged(image)) for image in (face, traces))
    return (
        '<figure class="page compared"><figcaption>Slide: face and traces</figcaption><div class="over">'
        f'<img src="{below}" alt="The face"><img src="{above}" alt="The same, with traces of a forgery in colour">'
        '<i></i></div><input type="range" min="0" max="100" value="50" aria-label="How much of the traces is shown">'
        "</figure>"
    )


def _preview_html(pixels: np.ndarray) -> str:
    """What the field shows of a picture that this visitor's browser may not."""
    small = boxes.shrunk(Image.fromarray(pixels), _PREVIEW)
    return f'<img src="{data_url(small)}" alt="">'


def _enlarged(image: Image.Image) -> Image.Image:
    scale = _SLIDER / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def judge(detector: Detector, source: picture.Source) -> Result:
    """What the detector says of a picture."""
    started = time.perf_counter()
    result = detector.detect(source)
    _log(result, started)
    return result


def judge_and_show(detector: Detector, source: picture.Source) -> tuple[Result, np.ndarray]:
    """Likewise, with the pixels uint8 (H, W, 3) of the picture as it is shown."""
    started = time.perf_counter()
    result, pixels = detector.detect_with_preview(source, boxes.LONGEST)
    _log(result, started)
    return result, pixels


def _log(result: Result, started: float) -> None:
    """Counts and timings, nothing of the picture."""
    log.info("1 picture, %d faces, %.0f ms", len(result.faces), 1000 * (time.perf_counter() - started))


def _alt(result: Result) -> str:
    shown = "; ".join(
        f"face {number}, {messages.VERDICTS[face.verdict]}" for number, face in enumerate(result.faces[:8], 1)
    )
    count = len(result.faces)
    return f"Your picture with {count} {'face' if count == 1 else 'faces'} marked: {shown}{'…' if count > 8 else '.'}"
