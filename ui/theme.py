"""How every tab looks: gradio's theme, the style sheet, and the shapes that stand for the verdicts."""

import gradio as gr

from detector import Verdict

# Fonts of the reader's own machine: nothing is fetched from anybody else.
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]

# One look a verdict: the name of its colours in the style sheet, and the colour of its box on a photograph.
TONES = {
    Verdict.LIKELY_FAKE: "fake",
    Verdict.UNCERTAIN: "unsure",
    Verdict.LIKELY_REAL: "real",
    Verdict.NO_FACE: "none",
}
BOX_COLOURS = {
    Verdict.LIKELY_FAKE: (196, 52, 28),
    Verdict.UNCERTAIN: (92, 101, 111),
    Verdict.LIKELY_REAL: (10, 112, 130),
}

# Drawn on a grid of 24. Told apart by outline alone: triangle, diamond, disc, dashed square, square with a stroke.
_SHAPES = {
    "fake": '<path d="M12 2.2 23 21.3H1z" class="fill"/><path d="M12 9v5.6M12 17.6v.6" class="ink"/>',
    "unsure": '<path d="M12 1 23 12 12 23 1 12z" class="fill"/>'
    '<path d="M9.3 9.6c.2-3.5 5.5-3.4 5.4 0 0 2.1-2.7 2.1-2.7 4.1M12 16.9v.5" class="ink"/>',
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
        button_primary_background_fill_hover="#085c6b",
        button_primary_background_fill_dark="#0a7082",
        button_primary_background_fill_hover_dark="#0c8297",
        button_primary_text_color="#ffffff",
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

CSS = """
.gradio-container { --paper: #ffffff; --paper-2: #f1f3f5; --line: #d8dee3; --ink: #1a242d; --soft: #54616d;
  --fake: #a8311b; --fake-bg: #fcefeb; --real: #0a6475; --real-bg: #e6f3f5; --unsure: #4b5763; --unsure-bg: #eceff2;
  --none: #4b5763; --none-bg: #ffffff; --on: #ffffff; }
.dark .gradio-container, .dark.gradio-container { --paper: #192027; --paper-2: #1f2831; --line: #2e3943;
  --ink: #e6ebef; --soft: #a5b2be; --fake: #ff9c84; --fake-bg: #361b15; --real: #6fcfdf; --real-bg: #0f2e35;
  --unsure: #b9c4cd; --unsure-bg: #252e37; --none: #b9c4cd; --none-bg: #192027; --on: #11161b; }
.gradio-container { padding: 0 !important; }
.gradio-container .main.app { max-width: 1160px !important; margin: 0 auto !important;
  padding: 22px clamp(14px, 3vw, 24px) 32px !important; }
.gradio-container main.contain { padding: 0 !important; }
.gradio-container .html-container { padding: 0 !important; }
.gradio-container footer .divider { display: none !important; }
.dark button[role=tab][aria-selected=true] { color: #6fcfdf !important; }
#examples { padding-left: 1px; }
#upload .image-frame img { object-fit: contain; }
@media (max-width: 640px) { #marked { height: auto !important; min-height: 160px; } }
#compared .icon-wrap { width: 40px; height: 40px; border-radius: 50%; background: var(--paper);
  border: 2px solid var(--ink); color: var(--ink); }
#compared .inner { background: var(--paper); width: 3px; box-shadow: 0 0 0 1px var(--ink); }

.page { color: var(--ink); font-size: 16px; line-height: 1.5; overflow-wrap: anywhere; }
.page *, .page *::before { box-sizing: border-box; }
.page h1, .page h2, .page h3, .page p, .page ul, .page ol, .page dl, .page dd, .page figure
  { margin: 0; padding: 0; color: inherit; }
.page p { display: block !important; }
.page h2 { font-size: 19px; line-height: 1.3; font-weight: 650; }
.page h3 { font-size: 16px; line-height: 1.3; font-weight: 650; }
.page .soft, .page.soft { color: var(--soft); font-size: 14px; }
.page ul { list-style: none; }
.page a { color: var(--real); }

.page .icon.fake { color: var(--fake) !important; } .page .icon.real { color: var(--real) !important; }
.page .icon.unsure, .page .icon.none, .page .icon.error { color: var(--unsure) !important; }
.page .icon.wait { color: var(--soft) !important; }
.page .icon * { color: inherit !important; }
.page .icon { flex: none; width: 24px; height: 24px; overflow: visible; }
.icon .fill { fill: currentColor; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.icon .ink { fill: none; stroke: var(--on); stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
.icon .line, .icon .dashes { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
.icon .dashes { stroke-dasharray: 3 3.4; stroke-linecap: butt; }

.masthead { padding: 0 0 6px; }
.masthead h1 { font-size: 15px; line-height: 1.3; font-weight: 650; color: var(--real); }
.page.lead { padding: 6px 0 14px; }
.page.lead h2 { font-size: clamp(24px, 5vw, 32px); line-height: 1.15; font-weight: 700; letter-spacing: -.01em; }
.page.lead p { margin-top: 6px; font-size: 17px; color: var(--soft); max-width: 80ch; }

.panel { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; }
@media (max-width: 640px) { .panel { padding: 15px 15px; } }

.verdict { min-height: 260px; border-left: 6px solid var(--line); }
.verdict.fake { background: var(--fake-bg); border-color: var(--fake); }
.verdict.real { background: var(--real-bg); border-color: var(--real); }
.verdict.unsure { background: var(--unsure-bg); border-color: var(--unsure); }
.verdict.none { border-style: dashed; border-color: var(--none); border-left-width: 6px; }
.verdict.error { border-color: var(--none); }
.verdict .top { display: flex; gap: 14px; align-items: center; }
.page.verdict .top .icon { width: 44px; height: 44px; }
.verdict .top h2 { font-size: clamp(25px, 4.4vw, 33px); line-height: 1.12; font-weight: 720; letter-spacing: -.01em; }
.verdict.fake .top { color: var(--fake); } .verdict.real .top { color: var(--real); }
.verdict.unsure .top, .verdict.none .top, .verdict.error .top { color: var(--unsure); }
.verdict.wait .top { color: var(--soft); }
.verdict .plain { margin-top: 12px; font-size: 17px; max-width: 60ch; }
.verdict .score { margin-top: 12px; }
.verdict .score b { font-size: 18px; }
.warnings { margin-top: 14px !important; padding-top: 12px !important; border-top: 1px solid var(--line); }
.warnings li { display: flex; gap: 9px; font-size: 15px; }
.warnings li + li { margin-top: 6px; }
.warnings li::before { content: ""; flex: none; width: 9px; height: 9px; margin-top: 7px; border: 2px solid var(--soft);
  border-radius: 50%; }

.scale { margin: 10px 0 4px; max-width: 470px; }
.scale .bar { position: relative; display: flex; height: 12px; border-radius: 6px; overflow: hidden;
  border: 1px solid var(--line); background: var(--paper); }
.scale .bar i { display: block; height: 100%; }
.scale .r { background: var(--real); opacity: .42; } .scale .f { background: var(--fake); opacity: .5; }
.scale .u { background: repeating-linear-gradient(135deg, var(--line) 0 4px, transparent 4px 8px); }
.scale .mark { height: 13px; position: relative; }
.scale .mark i { position: absolute; bottom: 0; width: 0; height: 0; margin-left: -8px; border: 8px solid transparent;
  border-bottom: 0; border-top: 11px solid var(--ink); }
.scale .ends { display: flex; justify-content: space-between; gap: 8px; margin-top: 3px; font-size: 13px;
  color: var(--soft); }

.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 14px;
  margin-top: 12px !important; }
.card { border: 1px solid var(--line); border-radius: 10px; background: var(--paper); padding: 14px; }
.card .head { display: flex; align-items: center; gap: 10px; }
.card .number { flex: none; min-width: 28px; height: 28px; padding: 0 7px; border-radius: 6px; color: var(--on);
  font-weight: 700; display: grid; place-items: center; }
.card.fake .number { background: var(--fake); } .card.real .number { background: var(--real); }
.card.unsure .number { background: var(--unsure); }
.card.fake .head h3 { color: var(--fake); } .card.real .head h3 { color: var(--real); }
.card.unsure .head h3 { color: var(--unsure); }
.page .card .head .icon { width: 20px; height: 20px; margin-left: auto; }
.card .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; margin-top: 12px; }
.card img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px; }
.card figcaption { margin-top: 4px; font-size: 13px; color: var(--soft); }
.card .facts { margin-top: 8px; font-size: 15px; }
@media (min-width: 700px) {
  .cards.one { grid-template-columns: 1fr; }
  .cards.one .card { display: grid; grid-template-columns: 420px 1fr; gap: 0 22px; padding: 18px 20px; }
  .cards.one .pair { grid-row: 1 / span 2; grid-column: 1; margin-top: 0; }
  .cards.one .head { grid-column: 2; grid-row: 1; align-self: end; }
  .cards.one .words { grid-column: 2; grid-row: 2; }
  .cards.one .head .icon { margin-left: 0; } }

.evidence li { border-top: 1px solid var(--line); padding: 12px 0 0; margin-top: 12px; }
.evidence .tag { display: inline-block; padding: 1px 8px; border: 1px solid var(--line); border-radius: 4px;
  font-size: 13px; color: var(--soft); background: var(--paper-2); margin-left: 6px; font-weight: 500; }
.evidence .meaning { color: var(--soft); font-size: 14px; margin-top: 3px; }
.evidence .absent { margin-top: 14px; padding-top: 12px; border-top: 1px solid var(--line); }
.limits ul { margin-top: 8px; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  gap: 10px 28px; }
.limits li { font-size: 15px; padding-left: 16px; position: relative; }
.limits li::before { content: ""; position: absolute; left: 0; top: 10px; width: 7px; height: 2px;
  background: var(--soft); }
.record dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin-top: 8px; font-size: 13px; }
.record dt { color: var(--soft); } .record dd { font-family: var(--font-mono); overflow-wrap: anywhere; }
.record summary { cursor: pointer; font-size: 14px; color: var(--soft); }
@media (max-width: 480px) { .record dl { grid-template-columns: 1fr; } .record dd { margin-bottom: 6px; } }

.rules ul { margin-top: 8px; } .rules li { padding-left: 16px; position: relative; max-width: 90ch; }
.rules li + li { margin-top: 8px; }
.rules li::before { content: ""; position: absolute; left: 0; top: 10px; width: 7px; height: 2px;
  background: var(--soft); }
.page kbd { font: inherit; font-size: 14px; padding: 0 6px; border: 1px solid var(--line); border-bottom-width: 2px;
  border-radius: 4px; background: var(--paper-2); color: var(--ink); }
.page.status { display: flex; flex-wrap: wrap; gap: 4px 22px; font-variant-numeric: tabular-nums; }
.stage { aspect-ratio: 1; max-height: min(560px, 62vh); width: 100%; background: var(--paper-2);
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.stage img { display: block; width: 100%; height: 100%; object-fit: contain; margin: 0; }
.guesses { flex-wrap: nowrap !important; gap: 10px !important; }
.guesses button { min-height: 52px; padding: 8px 6px !important; }
.told { min-height: 620px; }
@media (max-width: 640px) { .told { min-height: 720px; } }
.told .top, .summary h2 { width: fit-content; border-radius: 4px; }
.told .top:focus, .summary h2:focus { outline: 2px solid transparent; }
.told .top:focus-visible, .summary h2:focus-visible { outline: 2px solid currentColor; outline-offset: 4px; }
.told .model { margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); }
.told .said { display: flex !important; gap: 9px; align-items: flex-start; font-size: 15px; }
.told .pair { display: grid; grid-template-columns: repeat(2, minmax(0, 170px)); gap: 8px; margin-top: 10px; }
.told .pair img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px; margin: 0; }
.told figcaption { margin-top: 4px; font-size: 13px; color: var(--soft); }
.told dl { margin-top: 12px; padding-top: 10px; border-top: 1px solid var(--line); font-size: 15px; }
.told dt { font-size: 13px; color: var(--soft); } .told dd + dt { margin-top: 6px; }
.summary ol { list-style: none; margin: 14px 0 !important; display: grid; gap: 10px 22px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
.summary li { display: flex; gap: 10px; align-items: flex-start; font-size: 15px; }
.summary .number { flex: none; min-width: 22px; text-align: right; color: var(--soft); }
.summary .plain { margin-top: 6px; font-size: 17px; }
"""
