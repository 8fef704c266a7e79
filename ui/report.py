"""An answer to take away: as JSON, and as one page of HTML that carries all it shows."""

import datetime
import json
from html import escape

import numpy as np

from detector import Result, Verdict
from detector.model_folder import ModelFolder
from ui import boxes
from ui.answer import LIMITS, cards_html, evidence_html, record_html, verdict_html
from ui.components import data_url
from ui.next_steps import steps_html
from ui.theme import CSS

_STYLE = """
body { margin: 0; background: #f6f7f8; font-family: system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 24px 16px; display: grid; gap: 18px; }
main > figure { margin: 0; }
main > figure img { max-width: 100%; max-height: 640px; height: auto; border-radius: 10px; }
@media print { body { background: none; } .panel, .card, main > figure { break-inside: avoid; } }
"""


def as_json(result: Result, name: str) -> str:
    """What `python -m detector --jsonl` prints of one picture, indented. `name` is the visitor's own for the file."""
    return json.dumps({"file": name, "error": None, **result.to_dict()}, indent=1, ensure_ascii=False) + "\n"


def as_html(result: Result, pixels: np.ndarray, model: ModelFolder, name: str) -> str:
    """A whole page: verdict, the picture with its boxes, every face with its heat map, evidence, checksums, limits.

    `pixels` uint8 (H, W, 3) are the picture's, or of a smaller copy. The page loads nothing: it can be kept, sent on
    and printed.
    """
    marked = data_url(boxes.shrunk(boxes.draw(pixels, result), 1000))
    faces = "" if result.verdict is Verdict.NO_FACE else cards_html(result, model)
    made = datetime.datetime.now(datetime.UTC).strftime("%d %B %Y, %H:%M UTC")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Report on {escape(name)}</title><style>{CSS}{_STYLE}</style></head>
<body class="gradio-container"><main>
<header class="page lead"><h1>Deepfake Image Detector: report on {escape(name)}</h1><p>Made {made}</p></header>
{verdict_html(result, model)}
{steps_html(result)}
<figure><img src="{marked}" alt="The picture, its faces marked and numbered"></figure>
{faces}
{evidence_html(result)}
{record_html(result).replace("<details", "<details open", 1)}
{LIMITS}
</main></body></html>
"""
