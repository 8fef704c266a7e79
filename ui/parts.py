"""Words and pieces of HTML that more than one tab shows."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from detector import picture
from detector.words import Fact
from ui.shapes import icon

QUALITY = 88  # of pictures shown, WebP
HOW_OFTEN_WRONG, OF_EACH = "How often it is wrong here", "Of 100 each – "


# What the list to choose files from shows: by "image/*" alone, browsers leave out kinds that they do not know.
ACCEPT = ",".join(["image/*", *sorted(picture.SUFFIXES)])
# No address is ever fetched.
ADDRESS = (
    "That is an address, and nothing is fetched from other sites: open it, copy or save the picture itself, and add "
    "that."
)


def masthead_html() -> str:
    """The name above all tabs, the page's one <h1>."""
    return '<header class="page masthead"><h1>Deepfake Image Detector</h1></header>'


def lead_html(question: str, text: str) -> str:
    """What a tab is for, at its top."""
    return f'<div class="page lead"><h2>{escape(question)}</h2><p>{escape(text)}</p></div>'


SCORE_ABOVE, SCORE_BELOW = "above 99", "below 1"


def score_words(p_fake: float) -> str:
    """P(fake) as a score from 0 to 100 in words: "93"; never 0 or 100, which no detector can claim."""
    if p_fake > 0.99:
        return SCORE_ABOVE
    return SCORE_BELOW if p_fake < 0.01 else f"{100 * p_fake:.0f}"


def facts_html(facts: Sequence[Fact]) -> str:
    """Measured shares side by side, those of each generator below; nothing where there are none."""
    items = "".join(
        f"<li><b>{escape(fact.number)}</b> {escape(f'{fact.of} {fact.rest}')}"
        + (f'<span class="soft">{OF_EACH}{_unbroken(fact.parts)}</span>' if fact.parts else "")
        + "</li>"
        for fact in facts
    )
    return f'<ul class="facts" aria-label="{HOW_OFTEN_WRONG}">{items}</ul>' if items else ""


def _unbroken(parts: Sequence[str]) -> str:
    return "; ".join(f'<span class="whole">{escape(part)}</span>' for part in parts)


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
