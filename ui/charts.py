"""Charts that a page carries as inline SVG: drawn here, moved along by SCRIPT.

A chart is a <figure>: chips choose a line, a slider (or the pointer) moves along it, a sentence says what is there, and
a table below holds the same figures. Values are handed over as shares, 0..1. The model folder's own plots cannot
replace them: a model from the Hub comes without, and a PNG has no figures for a keyboard or a screen reader.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from detector.messages import per_100

_SIDE, _LEFT, _BOTTOM, _TOP = 320, 40, 40, 8  # of a square plot, in SVG units: about a pixel each on a phone
_INNER = _SIDE - _LEFT - 12  # side of what its axes enclose
_PANEL, _PANEL_HEIGHT = 150, 92


@dataclass(frozen=True)
class Point:
    """`words` fill the chart's sentence; `radius` and `hollow` are the dot's, None draws no dot. `low` and `high`
    bound the interval of `y`."""

    x: float
    y: float
    words: tuple[str, ...]
    radius: float | None = None
    hollow: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """`dashed` is how lines of another kind are told apart without colour."""

    name: str
    points: Sequence[Point]
    dashed: bool = False


def shares_html(rows: Sequence[tuple[str, Sequence[tuple[str, str, float]]]]) -> str:
    """Bars of 100: each row a name and its (tone, word, share) parts, told in words beside the bar."""
    items = []
    for name, parts in rows:
        bar = "".join(f'<i class="{tone}" style="width:{100 * share:.2f}%"></i>' for tone, _, share in parts)
        words = " · ".join(
            f'<span class="whole"><b>{escape(per_100(share))}</b> {escape(word)}</span>' for _, word, share in parts
        )
        items.append(
            f'<li><span class="of">{escape(name)}</span><span class="bar" aria-hidden="true">{bar}</span>'
            f'<span class="words">{words}</span></li>'
        )
    return f'<ul class="shares">{"".join(items)}</ul>'


def plane_html(
    key: str,
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    alt: str,
    diagonal: str,
    all_shown: bool,
    names_above: bool,
    sentence: str,
    choose: str,
    slide: str,
    start: Sequence[int],
    table: str,
) -> str:
    """A square plot of shares against shares; one line stands out, the others are grey where `all_shown`, else hidden.

    `x`, `y` and `diagonal` are labels, `sentence` has {0}, {1}, … for a point's words, `start` is where on each line
    the slider stands first, `table` the HTML of the same figures. The line's name stands in the upper left where
    `names_above`, else in the lower right.
    """
    inner, bottom = _INNER, _TOP + _INNER

    def at(point: Point) -> tuple[float, float]:
        return _LEFT + inner * point.x, bottom - inner * point.y

    name = (_LEFT + 10, _TOP + 20, "") if names_above else (_LEFT + inner - 6, bottom - 12, " end")
    drawn = "".join(
        _line(
            number,
            line,
            [at(point) for point in line.points],
            f'<text class="name{name[2]}" x="{name[0]}" y="{name[1]}">{escape(line.name)}</text>',
        )
        for number, line in enumerate(lines)
    )
    svg = _svg(_SIDE, bottom + _BOTTOM, _axes(x, y, diagonal) + drawn + _MARKER, alt)
    return _figure(
        key,
        "" if all_shown else "one",
        [line.name for line in lines],
        [svg],
        sentence,
        choose,
        slide,
        start,
        lines[0].points,
        table,
    )


def _axes(x: str, y: str, diagonal: str) -> str:
    inner, bottom = _INNER, _TOP + _INNER
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_LEFT + inner}" y1="{bottom - inner * t:.1f}" y2="{bottom - inner * t:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{bottom - inner * t + 4:.1f}" class="end">{100 * t:.0f}</text>'
        f'<text x="{_LEFT + inner * t:.1f}" y="{bottom + 16}" class="middle">{100 * t:.0f}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    middle = _TOP + inner / 2
    return (
        f'<g class="grid">{grid}</g><line class="guess" x1="{_LEFT}" y1="{bottom}" x2="{_LEFT + inner}" y2="{_TOP}"/>'
        f'<text class="note middle" transform="translate({_LEFT + inner * 0.6:.0f} {bottom - inner * 0.6 + 16:.0f}) '
        f'rotate(-45)">{escape(diagonal)}</text>'
        f'<text x="{_LEFT + inner / 2:.0f}" y="{bottom + 34}" class="middle">{escape(x)}</text>'
        f'<text class="middle" transform="translate(11 {middle:.0f}) rotate(-90)">{escape(y)}</text>'
    )


def panels_html(
    key: str,
    panels: Sequence[tuple[str, Sequence[Line]]],
    *,
    alt: str,
    sentence: str,
    choose: str,
    slide: str,
    start: int,
    table: str,
) -> str:
    """Small plots side by side, one for each of `panels` (title, lines). All have the same lines, of which one is
    shown at a time, over the whole numbers 1, 2, …; the last of a point's words stands at the marker."""
    names = [line.name for line in panels[0][1]]
    scales = []
    for number in range(len(names)):
        values = [value for _, lines in panels for p in lines[number].points for value in (p.y, p.low, p.high)]
        known = [value for value in values if value is not None]
        scales.append((0.5 if min(known) >= 0.5 else 0.0, 1.0 if max(known) > 0.5 else 0.5))
    svgs = []
    for title, lines in panels:
        body = f'<text x="0" y="13" class="title">{escape(title)}</text>'
        for number, (line, (low, high)) in enumerate(zip(lines, scales, strict=True)):
            body += _panel_line(number, line, low, high)
        svgs.append(_svg(_PANEL, _PANEL_HEIGHT + 16, body + _TAGGED_MARKER, f"{title}: {alt}"))
    first = panels[0][1]
    return _figure(key, "one many", names, svgs, sentence, choose, slide, [start] * len(names), first[0].points, table)


def _panel_line(number: int, line: Line, low: float, high: float) -> str:
    left, top, bottom, right = 28, 28, _PANEL_HEIGHT, _PANEL - 12
    last = max(point.x for point in line.points)

    def at(x: float, y: float) -> tuple[float, float]:
        place = min(max((y - low) / (high - low), 0), 1)
        return left + 8 + (right - left - 8) * (x - 1) / max(last - 1, 1), bottom - (bottom - top) * place

    rules = "".join(
        f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}"/><text x="{left - 5}" y="{y + 4}" class="end">'
        f"{100 * value:.0f}</text>"
        for y, value in ((top, high), (bottom, low))
    )
    ticks = "".join(
        f'<text x="{at(p.x, 0)[0]:.1f}" y="{bottom + 14}" class="middle">{p.x:.0f}</text>' for p in line.points
    )
    sure = [(p.x, p.low, p.high) for p in line.points if p.low is not None and p.high is not None]
    edge = [at(x, high) for x, _, high in sure] + [at(x, low) for x, low, _ in reversed(sure)]
    band = f'<polygon class="band" points="{_path(edge)}"/>' if edge else ""
    return _line(number, line, [at(p.x, p.y) for p in line.points], f'<g class="grid">{rules}{ticks}</g>{band}')


def _line(number: int, line: Line, places: Sequence[tuple[float, float]], beside: str) -> str:
    """`beside` is the SVG of what comes and goes with the line."""
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{point.radius:.1f}"{" class=hollow" if point.hollow else ""}/>'
        for (x, y), point in zip(places, line.points, strict=True)
        if point.radius is not None
    )
    points = [[round(x, 1), round(y, 1), *p.words] for (x, y), p in zip(places, line.points, strict=True)]
    data = escape(json.dumps(points, separators=(",", ":"), ensure_ascii=False))
    classes = "line" + (" dashed" if line.dashed else "") + (" on" if number == 0 else "")
    return (
        f'<g class="{classes}" data-line="{number}" data-points="{data}">{beside}'
        f'<polyline points="{_path(places)}"/>{dots}</g>'
    )


_MARKER = '<g class="marker"><circle r="6.5"/></g>'
_TAGGED_MARKER = '<g class="marker"><circle r="4.5"/><text class="tag middle" y="19"></text></g>'


def _svg(width: int, height: float, body: str, alt: str) -> str:
    return f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(alt)}">{body}</svg>'


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _figure(
    key: str,
    kind: str,
    names: Sequence[str],
    svgs: Sequence[str],
    sentence: str,
    choose: str,
    slide: str,
    start: Sequence[int],
    points: Sequence[Point],
    table: str,
) -> str:
    chips = "".join(
        f'<label><input type="radio" name="{key}" value="{number}" data-start="{start[number]}"'
        f"{' checked' if number == 0 else ''}><span>{escape(name)}</span></label>"
        for number, name in enumerate(names)
    )
    said = escape(sentence.format(*points[start[0]].words))
    return (
        f'<figure class="chart {kind}" data-chart="{key}" data-sentence="{escape(sentence)}">'
        f'<div class="plots">{"".join(svgs)}</div><div class="side">'
        f'<fieldset class="chips"><legend>{escape(choose)}</legend>{chips}</fieldset>'
        f'<label class="slide"><span>{escape(slide)}</span><input type="range" min="0" max="{len(points) - 1}" '
        f'step="1" value="{start[0]}" aria-valuetext="{said}"></label><p class="readout">{said}</p></div>'
        f"<details><summary>The same in figures</summary>{table}</details></figure>"
    )


# `element` is gradio's: the box that stays while what is in it is replaced.
SCRIPT = """
const show = (chart, index) => {
  const chosen = chart.querySelector('.chips input:checked').value, slider = chart.querySelector('input[type=range]');
  chart.querySelectorAll('.plots svg').forEach((svg, plot) => {
    svg.querySelectorAll('.line').forEach(line => line.classList.toggle('on', line.dataset.line === chosen));
    const line = svg.querySelector('.line.on');
    svg.append(line, svg.querySelector('.marker'));  // what is drawn last lies on top
    const points = JSON.parse(line.dataset.points);
    const [x, y, ...words] = points[Math.min(index, points.length - 1)];
    svg.querySelector('.marker').setAttribute('transform', `translate(${x} ${y})`);
    svg.querySelectorAll('.tag').forEach(tag => tag.textContent = words.at(-1));
    if (plot) return;
    const said = chart.dataset.sentence.replace(/{(\\d)}/g, (_, place) => words[place]);
    slider.max = points.length - 1;
    slider.value = index;
    slider.setAttribute('aria-valuetext', said);
    chart.querySelector('.readout').textContent = said;
  });
};
const begin = chart => show(chart, Number(chart.querySelector('.chips input:checked').dataset.start));
const follow = event => {
  const svg = event.target.closest('.plots svg');
  if (!svg) return;
  const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
  const away = ([px, py]) => svg.closest('.many') ? Math.abs(px - x) : Math.hypot(px - x, py - y);
  const points = JSON.parse(svg.querySelector('.line.on').dataset.points);
  show(svg.closest('.chart'), points.reduce((best, point, i) => away(point) < away(points[best]) ? i : best, 0));
};
element.addEventListener('input', event => {
  const chart = event.target.closest('.chart');
  if (!chart) return;
  event.target.type === 'range' ? show(chart, Number(event.target.value)) : begin(chart);
});
element.addEventListener('pointermove', follow);
element.addEventListener('pointerdown', follow);
const beginAll = () => element.querySelectorAll('.chart').forEach(begin);
watch('value', beginAll);
beginAll();
"""
