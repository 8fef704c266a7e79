"""How every tab looks: gradio's theme and the style sheet."""

from pathlib import Path

import gradio as gr

# Fonts of the reader's own machine: nothing is fetched from anybody else.
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]


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


HEAD = """<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect \
width='24' height='24' rx='5' fill='%230a7082'/%3E%3Ccircle cx='11' cy='10.5' r='5.5' fill='none' stroke='white' \
stroke-width='2'/%3E%3Cpath d='m15 15 5 5' stroke='white' stroke-width='2.4' stroke-linecap='round'/%3E%3C/svg%3E">
"""

CSS = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
