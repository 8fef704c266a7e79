"""metrics.json of a model folder -> charts: ROC, reliability, robustness and confusion."""

import math
from collections.abc import Sequence
from html import escape

from detector.messages import per_100
from detector.model_folder import MeasuredSet, Metrics, Robustness
from ui import charts
from ui.charts import Line, Point
from ui.components import panel_html, table_html
from ui.figures import FIGURES, cell, set_title

_ROBUSTNESS = {
    "auc": "AUC × 100",
    "accuracy": "Accuracy at 50",
    "false_positive_rate": "Real above 50",
    "false_negative_rate": "Forged below 50",
}
_ACCEPTED = (0.01, 0.02, 0.05, 0.1, 0.2)  # shares of real faces called forged
_FEW = 0.5  # share of the pictures in which a face was found: below, a dot is hollow
_CHOOSE = "Pictures (broken line: generators and cameras it was trained on)"


def section_html(metrics: Metrics | None) -> str:
    """The charts that the figures are there for; nothing where there are none."""
    sets = (*metrics.unseen, *metrics.seen) if metrics else ()
    parts = _roc_html(sets) + _reliability_html(sets)
    if metrics and metrics.robustness:
        parts += _robustness_html(metrics.robustness)
    parts += _confusion_html(sets)
    return panel_html("In pictures", parts) if parts else ""


def _roc_html(sets: Sequence[MeasuredSet]) -> str:
    lines, start, rows = [], [], []
    for measured in sets:
        if not measured.roc or not measured.roc.false_positive_rate:
            continue
        title, curve = set_title(measured), measured.roc
        places = list(dict.fromkeys(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)))
        points = [Point(x, y, (_of_100(x), _of_100(y))) for x, y in places]
        lines.append(Line(title, points, measured.role == "seen"))
        start.append(max(i for i, (x, _) in enumerate(places) if x <= max(0.05, places[0][0])))
        found = [max((y for x, y in places if x <= limit), default=0.0) for limit in _ACCEPTED]
        rows.append([escape(title), cell("auc", measured.clean.auc), *(f"{_of_100(y)}" for y in found)])
    if not lines:
        return ""
    header = ["Pictures", "AUC", *(f"Found at {limit:.0%} false alarms" for limit in _ACCEPTED)]
    return (
        "<h3>More forgeries found, more real faces suspected</h3><p>A detector that suspects more finds more "
        "forgeries, and accuses more real faces. The closer a line comes to the upper left corner, the better. This is "
        "the ROC curve.</p>"
        + charts.plane_html(
            "roc",
            lines,
            x="real faces called forged, of 100",
            y="forged faces found, of 100",
            alt="Line chart of the forged faces found against the real faces called forged, a line for each set of "
            "pictures. The figures are in the table below the chart.",
            diagonal="guessing",
            all_shown=True,
            names_above=False,
            sentence="If {0} of 100 real faces may be called forged by mistake, {1} of 100 forged faces are found.",
            choose=_CHOOSE,
            slide="Move along the line",
            start=start,
            table=table_html("Forged faces found of 100, by the real faces called forged", header, rows),
        )
    )


def _reliability_html(sets: Sequence[MeasuredSet]) -> str:
    lines, start, rows = [], [], []
    for measured in sets:
        most = max((row.n for row in measured.reliability), default=0)
        if not most:
            continue
        title, points = set_title(measured), []
        for row in measured.reliability:
            words = (_of_100(row.mean_p), _of_100(row.fakes), f"{row.n:,} face{'' if row.n == 1 else 's'}")
            points.append(Point(row.mean_p, row.fakes, words, radius=1.8 + 5.2 * math.sqrt(row.n / most)))
            rows.append([escape(title), words[0], words[1], f"{row.n:,}"])
        lines.append(Line(title, points, measured.role == "seen"))
        start.append(len(points) - 1)
    if not lines:
        return ""
    return (
        "<h3>A score is no probability</h3><p>Where a dot lies on the diagonal, the score could be taken for one: of "
        "faces with a score of 80, 80 of 100 were forged. Above it, more were forged than that, and how many changes "
        "with the pictures. The larger the dot, the more faces. This is the reliability diagram.</p>"
        + charts.plane_html(
            "reliability",
            lines,
            x="score that was given",
            y="really forged, of 100",
            alt="Dots of the share of faces that were really forged against the score that they were given, a line for "
            "each set of pictures. The figures are in the table below the chart.",
            diagonal="as a probability",
            all_shown=False,  # many bins hold few faces: their lines would only cross
            names_above=True,
            sentence="{2} got a score around {0}: of 100 such faces, {1} were forged.",
            choose=_CHOOSE,
            slide="Move along the scores",
            start=start,
            table=table_html(
                "Scores given and the share that was forged",
                ["Pictures", "Score, mean", "Really forged, of 100", "Faces"],
                rows,
            ),
        )
    )


def _robustness_html(robustness: Robustness) -> str:
    panels, rows = [], []
    for name, measured in robustness.corruptions.items():
        title = name.replace("-", " ")
        lines: dict[str, list[Point]] = {key: [] for key in _ROBUSTNESS}
        for row in measured:
            figures = {key: getattr(row, key) for key in _ROBUSTNESS}
            few = row.judged < _FEW * robustness.pictures
            for key, figure in figures.items():
                if figure:
                    words = (str(row.severity), f"{100 * figure.value:.0f}")
                    bounds = {"low": figure.low, "high": figure.high}
                    lines[key].append(Point(row.severity, figure.value, words, radius=2.6, hollow=few, **bounds))
            cells = (cell(key, figure) for key, figure in figures.items())
            rows.append([escape(title), str(row.severity), f"{row.judged:,}", *cells])
        if all(lines.values()):
            panels.append((title, [Line(_ROBUSTNESS[key], points) for key, points in lines.items()]))
    if not panels:
        return ""
    header = ["Damage", "Severity", "Faces judged", *(FIGURES[key][0] for key in _ROBUSTNESS)]
    return (
        f"<h3>Robustness to damage</h3><p>{robustness.pictures:,} pictures of {escape(robustness.set)} "
        "were damaged in many ways, from a little (1) to a lot (5). Shaded: the 95% interval. A hollow dot: a face was "
        "found in fewer than half of the pictures, so the figure tells of the easy ones only.</p>"
        + charts.panels_html(
            "robustness",
            panels,
            alt="line chart over five severities, figures in the table below",
            sentence="Shown in each panel: the value at severity {0}.",
            choose="Figure, of 100",
            slide="Severity",
            start=2,
            table=table_html("By kind and severity of damage", header, rows),
        )
    )


def _confusion_html(sets: Sequence[MeasuredSet]) -> str:
    grids = []
    for measured in sets:
        counts = measured.clean.confusion
        if not counts:
            continue
        rows = []
        for kind, title in (("real", "Real"), ("fake", "Forged")):
            cells = [getattr(counts, f"{kind}_as_{said}") for said in ("real", "fake")]
            total = sum(cells)
            shown = (
                '<td colspan="2">none among these pictures</td>'
                if not total
                else "".join(
                    f'<td class="{"right" if said == kind else "wrong"}" style="--share:{100 * n / total:.0f}%">'
                    f"<b>{n:,}</b><small>{escape(per_100(n / total))} of 100</small></td>"
                    for n, said in zip(cells, ("real", "fake"), strict=True)
                )
            )
            rows.append(f'<tr><th scope="row">{title}</th>{shown}</tr>')
        grids.append(
            f'<table class="confusion"><caption>{escape(set_title(measured))}</caption><thead><tr><td></td>'
            f'<th scope="col">score below 50</th><th scope="col">50 or more</th></tr></thead><tbody>{"".join(rows)}'
            "</tbody></table>"
        )
    if not grids:
        return ""
    return (
        "<h3>Right and wrong, counted</h3><p>Each face of the clean pictures, where a score of 50 decides and no "
        "“can’t tell” is allowed. These are the confusion matrices; right answers have a solid background, wrong ones "
        f'a hatched one.</p><div class="columns">{"".join(grids)}</div>'
    )


def _of_100(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")
