"""Words and pieces of HTML that more than one tab shows."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from detector import picture
from ui.icons import icon

QUALITY = 88  # of pictures shown, WebP
LIVE = '<div aria-live="polite">${value}</div>'  # a gr.HTML whose changes a screen reader tells

# What the list to choose files from shows: by "image/*" alone, browsers leave out kinds that they do not know.
ACCEPT = ",".join(["image/*", *sorted(picture.SUFFIXES)])
# No address is ever fetched.
ADDRESS = (
    "That is a link, and this page fetches nothing from other sites: open it, copy or save the picture itself, and "
    "add that."
)


def masthead_html() -> str:
    """The name above all tabs, the page's one <h1>."""
    return '<header class="page masthead"><h1>Deepfake Image Detector</h1></header>'


def lead_html(question: str, text: str) -> str:
    """What a tab is for, at its top."""
    return f'<div class="page lead"><h2>{escape(question)}</h2><p>{escape(text)}</p></div>'


SCORE_ABOVE, SCORE_BELOW = "above 99", "below 1"


def score_words(score: float) -> str:
    """A score as one from 0 to 100 in words: "93"; never 0 or 100, which no detector can claim."""
    if score > 0.99:
        return SCORE_ABOVE
    return SCORE_BELOW if score < 0.01 else f"{100 * score:.0f}"


def error_html(title: str, sentence: str) -> str:
    return (
        f'<section class="page panel verdict error" role="alert"><div class="top">{icon("error")}'
        f'<h2>{escape(title)}</h2></div><p class="plain">{escape(sentence)}</p></section>'
    )


def panel_html(title: str, content: str) -> str:
    """A framed part of a page. `content` is HTML."""
    return f'<section class="page panel" aria-label="{escape(title)}"><h2>{escape(title)}</h2>{content}</section>'


def fold_html(title: str, content: str) -> str:
    """Likewise, closed until somebody opens it."""
    return f'<details class="page panel fold"><summary><h2>{escape(title)}</h2></summary>{content}</details>'


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


def picture_html(pixels: np.ndarray | Image.Image, alt: str) -> str:
    """An <img> of `pixels`, uint8 (H, W, 3) or PIL's, that carries its own bytes: nothing of it is written on the
    server."""
    width, height = pixels.size if isinstance(pixels, Image.Image) else pixels.shape[1::-1]
    return f'<img src="{data_url(pixels)}" width="{width}" height="{height}" alt="{escape(alt)}">'


def figure_html(image: Image.Image, alt: str, caption: str) -> str:
    return f"<figure>{picture_html(image, alt)}<figcaption>{escape(caption)}</figcaption></figure>"


def data_url(picture: np.ndarray | Image.Image) -> str:
    """A picture, uint8 (H, W, 3) or PIL's, as a WebP file in a data: URL."""
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, "WEBP", quality=QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
