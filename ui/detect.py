"""The tab "Detect": one picture in, its verdict, faces and evidence out. Also the API's endpoint /detect."""

import logging
import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_pil_to_cache
from PIL import Image

from detector import Detector, Face, Result, Verdict, heatmap, picture
from ui import boxes, intake
from ui.parts import FACE_WORDS, VERDICT_WORDS, error_html, lead_html, out_of_100, picture_html
from ui.theme import TONES, icon

log = logging.getLogger(__name__)

SHOWN_FACES = 24  # cards on the page; the API returns every face
_SLIDER = 512  # side in pixels of the crops to compare

# In the public domain: examples/README.md says where each comes from.
_EXAMPLES = Path(__file__).parent / "examples"
_EXAMPLE_FILES = {"A portrait": "astronaut.jpg", "A uniform": "officer.jpg", "No face": "galaxies.jpg"}

_SUGGESTS = {
    "ai_made": "Points to AI",
    "edited": "Points to editing",
    "camera": "Points to a camera",
    "neutral": "Tells little",
}

_LEAD = lead_html(
    "Is there a forged face in this picture?",
    "Add a photograph. Every face in it is judged, and you see how sure the detector is, what it looked at and what it "
    "cannot know.",
)
PRIVACY = """<p class="page soft">Your picture goes to the computer that runs this page. It is used for this answer
only and deleted after about an hour.</p>"""
LIMITS = """<section class="page panel limits" aria-label="What this cannot tell"><h2>What this cannot tell</h2><ul>
<li>Whether the story is true. A real photograph with a false caption passes as real.</li>
<li>Anything outside the faces. A changed background, a removed person or a made-up scene goes unseen.</li>
<li>Every kind of forgery. It knows the kinds it was trained on; a new generator’s faces may pass as real.</li>
<li>Much about poor copies. Small, blurred, filtered or often-shared pictures lose their traces, and real ones are
then called forged more often.</li>
<li>The odds where you found it. A score is measured on a collection of test pictures; forgeries may be rarer, or more
common, where you are.</li>
<li>Enough to accuse anybody. Look for the first place the picture appeared, ask who took it, and get a second
opinion.</li></ul></section>"""
WAITING = f"""<section class="page panel verdict wait"><div class="top">{icon("wait")}<h2>Your answer appears here</h2>
</div><p class="plain">Add a picture, or try one of the examples. It takes about a second.</p></section>"""
LOOKING = f"""<section class="page panel verdict wait"><div class="top">{icon("wait")}<h2>Looking at the picture…</h2>
</div></section>"""

API_DESCRIPTION = (
    "Judge every face of one picture. Returns the verdict (likely_fake, uncertain, likely_real or no_face), p_fake "
    "(the calibrated probability that the most suspicious face was forged, null without a face), the faces, what the "
    "file says of its origin, warnings, the picture's and the model's checksums, and seconds by stage."
)


def build(detector: Callable[[], Detector]) -> None:
    """Lay the tab out in the `gr.Blocks` that is open. `detector` is called when a picture comes, not before."""

    def answer(
        upload: dict[str, Any] | None, request: gr.Request, progress: gr.Progress = _PROGRESS
    ) -> Iterator[dict[Any, Any]]:
        hidden = {faces: gr.Column(visible=False), evidence: gr.Column(visible=False), judged: []}
        if not upload:
            yield {verdict: WAITING, **hidden}
            return
        yield {verdict: LOOKING, **hidden}  # an old answer must not stand beside a new picture
        try:
            progress(0.2, desc="Looking for faces")
            intake.admit(request)
            photo = intake.read(upload)
            result = _judge(detector, photo)
            progress(0.8, desc="Drawing what was found")
            yield {
                verdict: verdict_html(result, detector().model.calibration),
                evidence: gr.Column(visible=True),
                findings: evidence_html(result),
                record: record_html(result),
                **({} if result.verdict is Verdict.NO_FACE else show_faces(result, photo)),
            }
        except Exception as error:
            yield {verdict: error_html("This picture could not be judged", intake.sentence_of(error))}

    def show_faces(result: Result, photo: picture.Picture) -> dict[Any, Any]:
        shown = result.faces[:SHOWN_FACES]
        numbers = list(range(1, len(shown) + 1))
        boxed = boxes.draw(photo.pixels, result.faces)
        return {
            faces: gr.Column(visible=True),
            marked: gr.Image(keep(boxed), alt_text=_alt(result)),
            which: gr.Radio([(f"Face {n}", n) for n in numbers], value=1, visible=len(shown) > 1),
            compared: pair(shown[0].crop, shown[0].activation),
            cards: cards_html(result),
            judged: [(face.crop, face.activation) for face in shown],
        }

    def pair(crop: np.ndarray, activation: np.ndarray) -> tuple[str, ...]:
        """Files of the crop and its heat map, enlarged alike."""
        both = (crop, heatmap.overlay(crop, activation))
        size = (_SLIDER, _SLIDER)
        return tuple(keep(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)) for pixels in both)

    def keep(image: Image.Image) -> str:
        return intake.keep(upload, save_pil_to_cache(image, upload.GRADIO_CACHE, format="webp"))

    def pick(number: int | None, kept: list[tuple]) -> Any:
        if not kept or not number or not 0 < number <= len(kept):
            return gr.skip()
        return pair(*kept[number - 1])

    def endpoint(picture: dict[str, Any] | None, request: gr.Request) -> dict[str, Any]:
        try:
            intake.admit(request)
            return _judge(detector, intake.read(picture)).to_dict()
        except Exception as error:
            raise intake.as_answer(error) from None

    gr.HTML(_LEAD)
    with gr.Row(equal_height=False, elem_classes="ask"):
        with gr.Column(scale=5, min_width=290):
            # image_mode=None and type="filepath" keep the bytes as they were uploaded, with all that the file says.
            upload = gr.Image(
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard", "webcam"],
                label="Your picture",
                placeholder="# Drop a picture here\nor click to choose one",
                alt_text="The picture that you added",
                height=260,
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                elem_id="upload",
            )
            _examples(upload)
            gr.HTML(PRIVACY)
        with gr.Column(scale=7, min_width=290):
            verdict = gr.HTML(WAITING, elem_id="verdict", html_template='<div aria-live="polite">${value}</div>')
    with gr.Column(visible=False) as faces:
        with gr.Row(equal_height=False):
            with gr.Column(scale=7, min_width=290):
                marked = gr.Image(
                    label="The faces that were judged",
                    format="webp",
                    interactive=False,
                    buttons=["fullscreen", "download"],
                    height=420,
                    elem_id="marked",
                )
                which = gr.Radio(label="Which face to compare", visible=False, elem_id="which")
            with gr.Column(scale=5, min_width=290):
                compared = gr.ImageSlider(
                    label="Drag the line: face and traces",
                    format="webp",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=420,
                    elem_id="compared",
                )
        cards = gr.HTML(elem_id="cards")
    with gr.Column(visible=False) as evidence:
        findings = gr.HTML(elem_id="evidence")
        record = gr.HTML(elem_id="record")
    gr.HTML(LIMITS)
    judged = gr.State([], time_to_live=intake.KEPT_SECONDS)

    # preprocess=False: gradio would open the file with every decoder that Pillow has, and answer a bare "Error" where
    # that fails. _source() takes what it hands over instead.
    upload.change(
        answer,
        upload,
        [verdict, faces, marked, which, compared, cards, evidence, findings, record, judged],
        preprocess=False,
        show_progress="full",
        show_progress_on=verdict,
        trigger_mode="always_last",
        concurrency_id="judge",
        api_visibility="private",
    ).then(None, js=_SHOW_VERDICT)
    which.input(pick, [which, judged], compared, show_progress="hidden", api_visibility="private")

    # An endpoint needs a component to hang on: gr.api() knows no files.
    gr.Button(visible=False).click(
        endpoint,
        upload,
        gr.JSON(visible=False, label="result"),
        preprocess=False,
        concurrency_id="judge",
        api_name="detect",
        api_description=API_DESCRIPTION,
    )


_PROGRESS = gr.Progress()
# On a phone the answer comes below the picture: bring it into sight. Where it is in sight, nothing moves.
_SHOW_VERDICT = """() => { document.querySelector('#verdict [data-verdict], #verdict [role=alert]')?.scrollIntoView({
block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'}) }"""


def _examples(upload: gr.Image) -> None:
    gr.Examples(
        [[str(_EXAMPLES / file)] for file in _EXAMPLE_FILES.values()],
        upload,
        example_labels=list(_EXAMPLE_FILES),
        label="Or try one of these",
        cache_examples=False,
        api_visibility="private",
        elem_id="examples",
    )


def _judge(detector: Callable[[], Detector], photo: picture.Picture) -> Result:
    """The one call of the detector. The log tells counts and timings, nothing of the picture."""
    started = time.perf_counter()
    result = detector().detect(photo)
    log.info("1 picture, %d faces, %.0f ms", len(result.faces), 1000 * (time.perf_counter() - started))
    return result


def verdict_html(result: Result, calibration: Any) -> str:
    """The verdict in words, shape and colour, its score and the warnings."""
    score = "" if result.p_fake is None else _score_html(result.p_fake, calibration)
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings)
    return (
        f'<section class="page panel verdict {TONES[result.verdict]}" data-verdict="{result.verdict}">'
        f'<div class="top">{icon(TONES[result.verdict])}<h2>{VERDICT_WORDS[result.verdict]}</h2></div>'
        f'<p class="plain">{_sentence(result)}</p>{score}'
        + (f'<ul class="warnings" aria-label="Warnings">{warnings}</ul>' if warnings else "")
        + "</section>"
    )


def _sentence(result: Result) -> str:
    count = len(result.faces)
    who = "The face" if count == 1 else f"The most suspicious of {count} faces"
    match result.verdict:
        case Verdict.LIKELY_FAKE:
            return f"{who} carries traces that forged faces carry."
        case Verdict.UNCERTAIN:
            return f"{who} could be either: its traces point neither way clearly enough."
        case Verdict.LIKELY_REAL:
            who = "The face carries none" if count == 1 else f"None of the {count} faces carries any"
            return f"{who} of the traces of a forgery that the detector knows."
    return (
        "The detector judges faces only and saw none here, so it has nothing to say about this picture. "
        "That does not mean that the picture is real."
    )


def _score_html(p_fake: float, calibration: Any) -> str:
    low, high = 100 * calibration.real_below, 100 * calibration.fake_above
    words = out_of_100(p_fake)
    return (
        f'<div class="score"><p>Of 100 test faces with this score, <b>{words.removesuffix(" of 100")}</b> '
        f"{'was' if p_fake < 0.015 else 'were'} forged.</p>"
        f'<div class="scale" role="img" aria-label="Score: {words} forged. Likely real below {low:.0f}, likely forged '
        f'from {high:.0f}, in between no verdict."><div class="mark"><i style="left:{100 * p_fake:.2f}%"></i></div>'
        f'<div class="bar"><i class="r" style="width:{low:.2f}%"></i><i class="u" style="width:{high - low:.2f}%"></i>'
        f'<i class="f" style="width:{100 - high:.2f}%"></i></div>'
        '<div class="ends"><span>likely real</span><span>can’t tell</span><span>likely forged</span></div></div></div>'
    )


def cards_html(result: Result) -> str:
    """A card for each of the most suspicious faces, up to SHOWN_FACES."""
    shown = result.faces[:SHOWN_FACES]
    rest = len(result.faces) - len(shown)
    more = f'<p class="soft">{rest} more faces were judged, none more suspicious than these.</p>' if rest else ""
    faces = "".join(_card(number, face) for number, face in enumerate(shown, 1))
    order = "" if len(shown) == 1 else "The most suspicious face comes first and decides the verdict. "
    return (
        '<section class="page" aria-label="The faces">'
        + f'<h2>Face by face</h2><p class="soft">{order}Colour marks where the traces of a forgery lie; no colour, no '
        "traces.</p>" + f'<div class="cards{" one" if len(shown) == 1 else ""}">{faces}</div>{more}' + "</section>"
    )


def _card(number: int, face: Face) -> str:
    tone = TONES[face.verdict]
    left, top, right, bottom = face.box
    heat = heatmap.overlay(face.crop, face.activation)
    return (
        f'<article class="card {tone}" data-face="{number}" aria-label="Face {number}"><div class="head">'
        f'<span class="number">{number}</span><h3>{FACE_WORDS[face.verdict]}</h3>{icon(tone)}</div><div class="pair">'
        f"<figure>{picture_html(face.crop, f'Face {number}, cut out of the picture')}<figcaption>The face</figcaption>"
        f"</figure><figure>{picture_html(heat, f'Face {number} with its traces of a forgery marked in colour')}"
        f'<figcaption>Where the traces lie</figcaption></figure></div><div class="words"><p class="facts">Forged in '
        f"{out_of_100(face.p_fake)} test faces with this score.</p>"
        f'<p class="soft">{right - left} × {bottom - top} pixels; face finder’s score {face.score:.2f} of 1.</p></div>'
        "</article>"
    )


def evidence_html(result: Result) -> str:
    """What the file says of itself. Every string in it may come from a stranger's file."""
    items = "".join(
        f'<li><h3>{escape(finding.source)}<span class="tag">{escape(_SUGGESTS.get(finding.suggests, ""))}</span></h3>'
        f'<p>{escape(finding.summary)}</p><p class="meaning">{escape(finding.meaning)}</p></li>'
        for finding in result.provenance
    )
    return (
        '<section class="page panel evidence" aria-label="What the file says about itself">'
        "<h2>What the file says about itself</h2>"
        '<p class="soft">Marks that cameras and programs leave in the file. They stand beside the verdict and never '
        "change the score.</p>"
        + (f"<ul>{items}</ul>" if items else '<p class="absent">Nothing about its origin was found in this file.</p>')
        + '<p class="absent soft">A mark that is absent proves nothing: most websites and messengers strip them, and '
        "anybody can remove or forge them.</p></section>"
    )


def record_html(result: Result) -> str:
    """What somebody who writes about the picture notes down: checksums, sizes, versions."""
    file, model = result.picture, result.model
    size = "" if file.bytes is None else f", {file.bytes / 1000:,.0f} kB"
    name = f"{model.repo}@{model.revision}" if model.repo else model.architecture
    rows = {
        "Picture": f"{file.format or 'picture'}, {file.width} × {file.height} pixels{size}",
        "SHA-256 of the picture": file.sha256,
        "Model": name,
        "SHA-256 of the model": model.sha256,
        "Time taken": f"{result.seconds.get('total', 0):.2f} s",
    }
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items())
    return f'<details class="page record"><summary>For your records</summary><dl>{cells}</dl></details>'


def _alt(result: Result) -> str:
    shown = ", ".join(
        f"face {number} {FACE_WORDS[face.verdict].lower()}" for number, face in enumerate(result.faces[:8], 1)
    )
    count = len(result.faces)
    return f"Your picture with {count} {'face' if count == 1 else 'faces'} marked: {shown}{'…' if count > 8 else '.'}"
