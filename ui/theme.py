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
.gradio-container button[role=tab][aria-selected=true] { color: var(--real) !important; }
.gradio-container footer .divider { display: none !important; }
#take-away { flex-wrap: wrap; }
#take-away button { min-width: 210px; font-weight: 500; }
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
.page a { color: var(--real); padding: 0; }

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
@media (min-width: 641px) { .verdict { min-height: 300px; } }
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

.doubt { margin-top: 12px !important; display: flex !important; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.page.doubt a { flex: none; padding: 5px 14px; border: 1px solid var(--soft); border-radius: 6px; font-size: 15px;
  color: var(--ink); background: var(--paper); text-decoration: none; }
.doubt a:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }

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
.page.evidence .absent { max-width: none; margin-top: 14px; padding-top: 12px; border-top: 1px solid var(--line); }
.limits ul { margin-top: 8px; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  gap: 10px 28px; }
.limits li { font-size: 15px; padding-left: 16px; position: relative; }
.limits li::before { content: ""; position: absolute; left: 0; top: 10px; width: 7px; height: 2px;
  background: var(--soft); }
#batch-said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.progress { min-height: 176px; }
.progress progress { display: block; width: 100%; height: 12px; margin: 14px 0 6px; appearance: none;
  border: 1px solid var(--line); border-radius: 6px; background: var(--paper-2); overflow: hidden; }
.progress progress::-webkit-progress-bar { background: var(--paper-2); }
.progress progress::-webkit-progress-value { background: var(--real); }
.progress progress::-moz-progress-bar { background: var(--real); }
.tally { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 6px 16px;
  margin-top: 14px !important; font-variant-numeric: tabular-nums; }
.page .tally li { display: flex; gap: 8px; align-items: center; margin: 0; font-size: 15px; }
.page .tally .icon, .page .word .icon { width: 20px; height: 20px; }
.list { padding: 8px 14px; }
.page.list table { width: 100%; margin: 0; border: 0; border-collapse: collapse; font-size: 15px; }
.list caption { text-align: start; padding: 6px 0 8px; font-size: 14px; color: var(--soft); }
.page.list tr { border: 0; }
.page.list th, .page.list td { padding: 9px 16px 9px 0; text-align: start; vertical-align: top; border: 0;
  border-top: 1px solid var(--line); color: inherit; }
.page.list thead th { font-size: 13px; font-weight: 500; color: var(--soft); border: 0; white-space: nowrap; }
.list tbody th { font-weight: 550; min-width: 120px; }
.list .small { width: 58px; } .list img { display: block; width: 48px; height: 48px; object-fit: cover;
  border-radius: 6px; margin: 0; }
.list .word { display: flex; gap: 8px; font-weight: 600; white-space: nowrap; }
.list .word.fake { color: var(--fake); } .list .word.real { color: var(--real); }
.list .word.unsure, .list .word.none, .list .word.error { color: var(--unsure); }
.list td[data-head=Score] { white-space: nowrap; }
.page.list td[data-head=Notes] { font-size: 14px; color: var(--soft); padding-right: 0; }
@media (min-width: 761px) { .list td[data-head=Notes] { width: 34%; } }
.list td p + p { margin-top: 4px; }
@media (max-width: 760px) {
  .list table, .list caption, .list tbody { display: block; }
  .list thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .page.list tbody tr { display: grid; grid-template-columns: 60px 1fr; padding: 12px 0;
    border-top: 1px solid var(--line); }
  .page.list tbody tr > * { border: 0; padding: 1px 0; grid-column: 2; }
  .page.list tbody tr > .small { grid-column: 1; grid-row: 1 / span 5; }
  .list td[data-head]:empty { display: none; }
  .list td[data-head=Score]::before, .list td[data-head=Faces]::before { content: attr(data-head) ": ";
    color: var(--soft); } }
.record dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin-top: 8px; font-size: 13px; }
.record dt { color: var(--soft); } .record dd { font-family: var(--font-mono); overflow-wrap: anywhere; }
.record summary { cursor: pointer; font-size: 14px; color: var(--soft); }
@media (max-width: 480px) { .record dl { grid-template-columns: 1fr; } .record dd { margin-bottom: 6px; } }

.page h4 { margin: 0; font-size: 15px; font-weight: 650; color: inherit; }
.panel.record > dl { max-width: none; }
.page.panel + .page.panel { margin-top: 14px; }
.panel > h3 { margin-top: 26px; } .panel > p, .panel > dl { margin-top: 8px; max-width: 80ch; }
.page code { font-family: var(--font-mono); font-size: .92em; color: inherit; background: none; padding: 0; border: 0; }
.steps { margin-top: 8px !important; padding-left: 22px !important; list-style: decimal; max-width: 80ch; }
.steps li + li { margin-top: 5px; }
.steps + p { margin-top: 12px !important; }
.pairs { display: grid; grid-template-columns: minmax(150px, max-content) 1fr; gap: 8px 20px; font-size: 15px; }
.pairs dt { font-weight: 650; }
@media (max-width: 640px) { .pairs { grid-template-columns: 1fr; gap: 0; } .page .pairs dd { margin-bottom: 10px; } }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 18px 32px;
  margin-top: 12px; }

.page .table { margin-top: 18px; border-top: 2px solid var(--ink); }
.page .table figcaption { padding: 8px 0 4px; font-size: 14px; font-weight: 650; }
.scroll { overflow-x: auto; border-bottom: 1px solid var(--line); }
.page table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 0; color: inherit;
  font-variant-numeric: tabular-nums; }
.page caption { text-align: left; font-weight: 650; padding: 8px 0 4px; color: inherit; }
.page table, .page thead, .page tbody, .page tr { border: 0 !important; }
.page th, .page td { border: 0; border-top: 1px solid var(--line); padding: 6px 10px 6px 0; text-align: left;
  vertical-align: top; color: inherit; }
.page thead th { border-top: 0; font-weight: 500; font-size: 13px; line-height: 1.3; color: var(--soft);
  vertical-align: bottom; }
.page tbody th { font-weight: 500; }
.scroll th, .scroll td { overflow-wrap: normal; }
.page .scroll th:first-child { position: sticky; left: 0; background: var(--paper); }
.page .scroll .wide { display: block; min-width: 230px; }
@media (max-width: 640px) { .page .scroll th:first-child { max-width: 112px; } }
@media (min-width: 641px) { .page .scroll tbody th { white-space: nowrap; } }
.page small { display: block; font-size: 12.5px; color: var(--soft); white-space: nowrap; }

.page .shares { margin-top: 4px; }
.shares li { display: grid; grid-template-columns: 48px 1fr; gap: 2px 8px; align-items: center; margin-top: 8px;
  font-size: 14px; }
.shares .bar { display: flex; height: 16px; border: 1px solid var(--line); border-radius: 3px; overflow: hidden;
  background: var(--paper); }
.shares .bar i { display: block; height: 100%; }
.shares .r { background: var(--real); }
.shares .u { background: repeating-linear-gradient(135deg, var(--soft) 0 1.5px, transparent 1.5px 5px); }
.shares .f { background: repeating-linear-gradient(45deg, var(--fake) 0 4px, var(--paper) 4px 6px); }
.shares .words { grid-column: 2; color: var(--soft); } .shares b { color: var(--ink); }

.page .chart { display: grid; grid-template-columns: minmax(0, 440px) minmax(0, 1fr); gap: 8px 34px; margin-top: 14px;
  align-items: center; }
@media (max-width: 800px) { .page .chart { grid-template-columns: minmax(0, 1fr); } }
.chart .plots { min-width: 0; max-width: 440px; } .chart .side { min-width: 0; }
.chart details { grid-column: 1 / -1; }
.chart summary { cursor: pointer; font-size: 14px; color: var(--soft); width: max-content; padding: 4px 0; }
.page .chart.many { grid-template-columns: minmax(0, 1fr); }
.chart.many .side { order: -1; }
.chart.many .plots { display: grid; max-width: none; gap: 10px 18px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 140px), 1fr)); }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; touch-action: pan-y; }
.chart:not(.many) svg { cursor: crosshair; }
.chart text { font-size: 12.5px; fill: var(--soft); font-family: var(--font); }
.chart .middle { text-anchor: middle; } .chart .end { text-anchor: end; }
.chart .title { font-weight: 650; fill: var(--ink); }
.chart .grid line { stroke: var(--line); }
.chart .guess { stroke: var(--soft); stroke-dasharray: 1.5 4; }
.chart .line polyline { fill: none; stroke: var(--soft); stroke-opacity: .55; stroke-width: 1.3;
  stroke-linejoin: round; }
.chart .line.dashed polyline { stroke-dasharray: 6 3.5; }
.chart .line circle, .chart .line .name { display: none; }
.chart.one .line { display: none; } .chart.one .line.on { display: inline; }
.chart .line.on polyline { stroke: var(--real); stroke-opacity: 1; stroke-width: 2.6; }
.chart .line.on circle { display: inline; fill: var(--real); }
.chart .line.on circle.hollow { fill: var(--paper); stroke: var(--real); stroke-width: 1.6; }
.chart .line.on .name { display: inline; fill: var(--real); font-weight: 650; font-size: 14px;
  paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.chart .band { fill: var(--real); fill-opacity: .16; }
.chart .marker circle { fill: var(--paper); stroke: var(--ink); stroke-width: 2.4; }
.chart .note { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.chart .marker .tag { fill: var(--ink); font-weight: 700; paint-order: stroke; stroke: var(--paper); stroke-width: 4px;
  stroke-linejoin: round; }
.chips { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 7px; min-width: 0; }
.chips legend { padding: 0; margin-bottom: 7px; font-size: 14px; color: var(--soft); }
.chips label { position: relative; }
.chips input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.chips span { display: block; padding: 5px 12px; border: 1px solid var(--soft); border-radius: 16px; font-size: 14px;
  background: var(--paper); color: var(--ink); }
.chips input:checked + span { background: var(--real); border-color: var(--real); color: var(--on); font-weight: 650; }
.chips input:focus-visible + span { outline: 3px solid var(--ink); outline-offset: 2px; }
.slide { display: block; margin-top: 16px; font-size: 14px; color: var(--soft); }
.slide input { display: block; width: 100%; max-width: 420px; margin: 6px 0 0; accent-color: var(--real); }
.page .readout { margin-top: 8px; font-size: 17px; max-width: 46ch; min-height: 3em; }
.chart.many .readout { min-height: 0; font-size: 15px; }

.page .confusion { width: 100%; }
.page .confusion td, .page .confusion th { padding: 6px 8px; }
.page .confusion tbody td { border: 2px solid var(--paper); border-radius: 4px; width: 38%; }
.confusion .right { background: color-mix(in srgb, var(--real) calc(var(--share) * .32), var(--paper-2)); }
.confusion .wrong { background: repeating-linear-gradient(135deg,
  color-mix(in srgb, var(--fake) calc(var(--share) * .8), var(--paper-2)) 0 3px, var(--paper-2) 3px 9px); }
.page .confusion small { color: var(--ink); }

.calls { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 20px 28px;
  margin-top: 16px; }
.call { min-width: 0; }
.call .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 10px; }
.call .copy { margin-left: auto; padding: 3px 11px; border: 1px solid var(--soft); border-radius: 6px; font-size: 13px;
  color: var(--ink); background: var(--paper); cursor: pointer; }
.call .copy:focus-visible, .call pre:focus-visible, .scroll:focus-visible, .slide input:focus-visible
  { outline: 3px solid var(--ink); outline-offset: 2px; }
.page .call pre { margin: 7px 0 0; padding: 12px 14px; overflow-x: auto; background: var(--paper-2);
  border: 1px solid var(--line); border-radius: 8px; color: var(--ink); }
.page .call code { display: block; white-space: pre; font-size: 13px; line-height: 1.5; overflow-wrap: normal; }
.rules ul { margin-top: 8px; } .rules li { padding-left: 16px; position: relative; max-width: 90ch; }
.rules li + li { margin-top: 8px; }
.rules li::before { content: ""; position: absolute; left: 0; top: 10px; width: 7px; height: 2px;
  background: var(--soft); }
.page kbd { font: inherit; font-size: 14px; padding: 0 6px; border: 1px solid var(--line); border-bottom-width: 2px;
  border-radius: 4px; background: var(--paper-2); color: var(--ink); }
.page.status { display: flex; flex-wrap: wrap; gap: 4px 22px; font-variant-numeric: tabular-nums; }
.status .note { flex-basis: 100%; color: var(--soft); }
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
