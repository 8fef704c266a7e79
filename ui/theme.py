"""How every tab looks: gradio's theme, the style sheet, and the shapes that stand for the verdicts."""

from pathlib import Path

import gradio as gr

from detector import Verdict

# Fonts of the reader's own machine: nothing is fetched from anybody else.
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]

# One look a verdict: the name of its colours in the style sheet, and the colour of its box on a photograph.
TONES = {
    Verdict.LIKELY_FAKE: "fake",
    Verdict.UNCERTAIN: "unsure",
    Verdict.NO_SIGNS: "clear",
    Verdict.NO_FACE: "none",
}
BOX_COLOURS = {
    Verdict.LIKELY_FAKE: (196, 52, 28),
    Verdict.UNCERTAIN: (92, 101, 111),
    Verdict.NO_SIGNS: (58, 88, 120),
}

# Drawn on a grid of 24. Told apart by outline alone: triangle, diamond, empty lens, disc, dashed square, square with a
# stroke. "clear" is no tick: nothing was found, and nothing is confirmed. "real" is a photograph known to be one.
_SHAPES = {
    "fake": '<path d="M12 2.2 23 21.3H1z" class="fill"/><path d="M12 9v5.6M12 17.6v.6" class="ink"/>',
    "unsure": '<path d="M12 1 23 12 12 23 1 12z" class="fill"/>'
    '<path d="M9.3 9.6c.2-3.5 5.5-3.4 5.4 0 0 2.1-2.7 2.1-2.7 4.1M12 16.9v.5" class="ink"/>',
    "clear": '<circle cx="10" cy="10" r="8" class="line"/><path d="m16 16 6 6" class="line"/>',
    "real": '<circle cx="12" cy="12" r="11" class="fill"/><path d="m7 12.4 3.5 3.5L17 8.8" class="ink"/>',
    "none": '<rect x="2" y="2" width="20" height="20" rx="4" class="dashes"/>'
    '<circle cx="12" cy="9.6" r="3" class="line"/><path d="M6.6 18.4c.8-5.2 10-5.2 10.8 0" class="line"/>',
    "error": '<rect x="2" y="2" width="20" height="20" rx="4" class="line"/><path d="m5.5 18.5 13-13" class="line"/>',
    "wait": '<rect x="2" y="4" width="20" height="16" rx="3" class="line"/>'
    '<circle cx="8.2" cy="9.6" r="1.8" class="line"/><path d="m3 18 5.5-4.5 3.5 3 4.5-5 5 5" class="line"/>',
}


def icon(tone: str) -> str:
    """Inline SVG of a verdict's shape, hidden from screen readers: the words beside it say the same."""
    return f'<svg class="icon {tone}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{_SHAPES[tone]}</svg>'


def theme() -> gr.themes.Base:
    """Calm and flat: ink on paper, one accent, nothing fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.cyan,
        neutral_hue=gr.themes.colors.slate,
        font=_FONTS,
        font_mono=_MONO,
    ).set(
        body_background_fill="#f6f7f8",
        body_background_fill_dark="#11161b",
        body_text_color="#1a242d",
        body_text_color_dark="#e6ebef",
        body_text_color_subdued="#54616d",
        body_text_color_subdued_dark="#a5b2be",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#192027",
        background_fill_secondary="#f1f3f5",
        background_fill_secondary_dark="#1f2831",
        block_background_fill="#ffffff",
        block_background_fill_dark="#192027",
        block_border_color="#d8dee3",
        block_border_color_dark="#2e3943",
        border_color_primary="#d8dee3",
        border_color_primary_dark="#2e3943",
        block_radius="10px",
        block_border_width="1px",
        block_shadow="none",
        block_label_text_color="#54616d",
        block_label_text_color_dark="#a5b2be",
        color_accent="#0a7082",
        link_text_color="#0a6475",
        link_text_color_dark="#6fcfdf",
        button_primary_background_fill="#0a7082",
        button_primary_background_fill_dark="#0a7082",
        button_primary_background_fill_hover="#085a69",
        button_primary_background_fill_hover_dark="#0b8399",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        table_odd_background_fill="#f1f3f5",
        table_odd_background_fill_dark="#1f2831",
        loader_color="#0a7082",
        loader_color_dark="#6fcfdf",
    )


HEAD = """
<meta name="description" content="Is there a forged face in this photograph? Upload a picture: every face is judged, \
and the page says how sure it is.">
<meta property="og:title" content="Deepfake Image Detector">
<meta property="og:description" content="Upload a photograph: every face is judged, and the page says how sure it is.">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect \
width='24' height='24' rx='5' fill='%230a7082'/%3E%3Ccircle cx='11' cy='10.5' r='5.5' fill='none' stroke='white' \
stroke-width='2'/%3E%3Cpath d='m15 15 5 5' stroke='white' stroke-width='2.4' stroke-linecap='round'/%3E%3C/svg%3E">
"""

CSS = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
