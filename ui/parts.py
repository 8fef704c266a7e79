"""Words and pieces of HTML that more than one tab shows."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from detector import Verdict
from ui.theme import icon

QUALITY = 88  # of pictures shown, WebP

VERDICT_WORDS = {
    Verdict.LIKELY_FAKE: "Likely forged",
    Verdict.UNCERTAIN: "I can’t tell",
    Verdict.NO_SIGNS: "No signs of forgery found",
    Verdict.NO_FACE: "No face found",
}
FACE_WORDS = {
    Verdict.LIKELY_FAKE: "Likely forged",
    Verdict.UNCERTAIN: "Can’t tell",
    Verdict.NO_SIGNS: "No signs found",
}


def masthead_html() -> str:
    """The name above all tabs, the page's one <h1>."""
    return '<header class="page masthead"><h1>Deepfake Image Detector</h1></header>'


def lead_html(question: str, text: str) -> str:
    """What a tab is for, at its top."""
    return f'<div class="page lead"><h2>{escape(question)}</h2><p>{escape(text)}</p></div>'


def out_of_100(p_fake: float) -> str:
    """P(fake) as a frequency in words: "about 93 of 100"; never 0 or 100, which no detector can claim."""
    if p_fake > 0.99:
        return "more than 99 of 100"
    return "fewer than 1 of 100" if p_fake < 0.01 else f"about {round(100 * p_fake)} of 100"


def error_html(title: str, sentence: str) -> str:
    return (
        f'<section class="page panel verdict error" role="alert"><div class="top">{icon("error")}'
        f'<h2>{escape(title)}</h2></div><p class="plain">{escape(sentence)}</p></section>'
    )


def panel_html(title: str, content: str) -> str:
    """A framed part of a page. `content` is HTML."""
    return f'<section class="page panel" aria-label="{escape(title)}"><h2>{escape(title)}</h2>{content}</section>'


def table_html(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in a box of its own that scrolls where the page is narrow. `rows` hold HTML, the rest text."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<figure class="table"><figcaption>{escape(caption)}</figcaption><div class="scroll" tabindex="0" '
        f'role="region" aria-label="{escape(caption)}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div></figure>"
    )


def picture_html(pixels: np.ndarray, alt: str) -> str:
    """An <img> of `pixels` (H, W, 3) uint8 that carries its own bytes: nothing of it is written on the server."""
    height, width = pixels.shape[:2]
    return f'<img src="{data_url(pixels)}" width="{width}" height="{height}" alt="{escape(alt)}">'


def data_url(picture: np.ndarray | Image.Image) -> str:
    """A picture, uint8 (H, W, 3) or PIL's, as a WebP file in a data: URL."""
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, "WEBP", quality=QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
