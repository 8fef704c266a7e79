"""metrics.json of a model folder -> bars, tables and charts in words that are nobody's trade. The file may be a
stranger's: every string is escaped, every number checked."""

import logging
import math
from html import escape
from typing import Any

from ui import charts
from ui.charts import Line, Point
from ui.parts import panel_html, table_html

log = logging.getLogger(__name__)

Metrics = dict[str, Any]

CONDITIONS = {
    "clean": ("Clean", "pictures as they are in the collection"),
    "web": ("Web", "half the size and saved again as JPEG, as websites and messengers do"),
    "hard": ("Hard", "a quarter of the size and saved as a poor JPEG"),
}
FIGURES = {
    "auc": ("Told apart (AUC)", "shown one forged and one real face, how often the forged one gets the higher score; "
            "1 is always, 0.5 is a coin toss"),
    "uncertain": ("No verdict", "share of faces for which the page says “I can’t tell”"),
    "error_when_decided": ("Wrong when it decides", "share of wrong verdicts among those that were given"),
    "called_likely_fake_though_real": ("Real called likely forged", "false accusations that this page makes, among "
                                       "real faces"),
    "called_likely_real_though_fake": ("Forged called likely real", "forgeries that this page lets pass, among forged "
                                       "faces"),
    "accuracy": ("Right if forced", "share of right answers where no “I can’t tell” is allowed and a score of 50 "
                 "decides"),
    "false_accusations": ("Real above 50", "real faces called forged where a score of 50 decides"),
    "missed_fakes": ("Forged below 50", "forged faces called real where a score of 50 decides"),
    "ece": ("Score is off by", "how far a score lies from the share that was really forged, on average (calibration "
            "error)"),
}  # fmt: skip
_SUMMARY = ("auc", "accuracy", "called_likely_fake_though_real", "called_likely_real_though_fake", "uncertain",
            "error_when_decided")  # fmt: skip
_ROBUSTNESS = {
    "auc": "Told apart (AUC × 100)",
    "accuracy": "Right if forced",
    "false_accusations": "Real above 50",
    "missed_fakes": "Forged below 50",
}
_ACCEPTED = (0.01, 0.02, 0.05, 0.1, 0.2)  # shares of real faces called forged
_FEW = 0.5  # share of the pictures in which a face was found: below, a dot is hollow
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # what reading a stranger's file may raise
_TITLE = "How often it is right"
_MEASURE = "<code>python -m training evaluate</code> measures it."


def section_html(metrics: Metrics) -> str:
    """Everything in metrics.json that a reader can use, as bars, tables and charts; a sentence where there is none."""
    if not metrics.get("sets"):
        return panel_html(
            _TITLE, f"<p>No figures came with this model: nobody can tell how often it is right. {_MEASURE}</p>"
        )
    try:
        return _overview(metrics) + _tables(metrics) + _charts(metrics)
    except _MALFORMED as error:
        log.warning("The figures of the model could not be shown: %r", error)
        return panel_html(_TITLE, f"<p>The figures that came with this model could not be read. {_MEASURE}</p>")


def summary(metrics: Metrics) -> dict[str, Any]:
    """The figures that tell most, as metrics.json holds them: {set: {condition: {figure: …}}}; {} where there is none
    or they make no sense."""
    try:
        return {
            name: {
                condition: {key: found[key] for key in ("judged", "no_face", *_SUMMARY) if key in found}
                for condition, found in conditions.items()
                if condition in CONDITIONS
            }
            for name, conditions in metrics.get("sets", {}).items()
        }
    except _MALFORMED:
        return {}


def _overview(metrics: Metrics) -> str:
    sets = _sorted(metrics["sets"])
    tested = {name: conditions for name, conditions in sets.items() if _is_test(name)} or sets
    return panel_html(
        _TITLE,
        "<p>Measured the way this page works: a whole picture goes in, the faces are found, cut out and judged. "
        "<b>Test</b> pictures were used for nothing else. <b>Validation</b> and <b>held-out</b> pictures also helped "
        "to choose and adjust the model, so their figures flatter it.</p>"
        f"<h3>Of 100 faces{' in test pictures' if tested is not sets else ''}</h3>{_verdicts_html(tested)}",
    )


def _tables(metrics: Metrics) -> str:
    sets = _sorted(metrics["sets"])
    meanings = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in FIGURES.values())
    return panel_html(
        "All figures",
        '<p class="soft">Under each figure is its 95% interval, where the true value most likely lies: wide where few '
        "faces were tested.</p>"
        + "".join(_set_table(condition, sets) for condition in CONDITIONS)
        + f'<h3>What the columns mean</h3><dl class="pairs">{meanings}</dl>',
    )


def _charts(metrics: Metrics) -> str:
    curves, robustness = _sorted(metrics.get("curves") or {}), metrics.get("robustness") or {}
    return panel_html(
        "In pictures",
        (_roc_html(curves, metrics["sets"]) + _reliability_html(curves) if curves else "")
        + (_robustness_html(robustness) if robustness else "")
        + _confusion_html(_sorted(metrics["sets"])),
    )


def _verdicts_html(sets: Metrics) -> str:
    parts = []
    for name, conditions in sets.items():
        rows = []
        for condition, (title, _) in CONDITIONS.items():
            found = conditions.get(condition, {})
            if "uncertain" not in found:
                continue
            none = _share(found["uncertain"]["value"])
            wrong = (1 - none) * (_share(found["error_when_decided"]["value"]) if "error_when_decided" in found else 0)
            shares = [("r", "right", 1 - none - wrong), ("u", "no verdict", none), ("f", "wrong", wrong)]
            rows.append((title, shares))
        if rows:
            parts.append(f"<div><h4>{escape(_set_name(name))}</h4>{charts.shares_html(rows)}</div>")
    meanings = "; ".join(f"<b>{title}</b>: {text}" for title, text in CONDITIONS.values())
    return f'<p class="soft">{meanings}.</p><div class="columns">{"".join(parts)}</div>'


def _set_table(condition: str, sets: Metrics) -> str:
    title, meaning = CONDITIONS[condition]
    rows = []
    for name, conditions in sets.items():
        found = conditions.get(condition, {})
        judged = f"<b>{int(found.get('judged', 0)):,}</b><small>of {int(found.get('n', 0)):,}</small>"
        rows.append([escape(_set_name(name)), judged, *(_cell(key, found.get(key)) for key in FIGURES)])
    header = ["Pictures", "Faces found", *(title for title, _ in FIGURES.values())]
    return table_html(f"{title}: {meaning}", header, rows)


def _cell(key: str, figure: dict[str, float] | None) -> str:
    if not figure:
        return "–"
    value, low, high = (_share(figure[part]) for part in ("value", "low", "high"))
    if key == "auc":
        return f"<b>{value:.3f}</b><small>{low:.3f} to {high:.3f}</small>"
    return f"<b>{100 * value:.1f}%</b><small>{100 * low:.1f} to {100 * high:.1f}</small>"


def _roc_html(curves: Metrics, sets: Metrics) -> str:
    lines, start, rows = [], [], []
    for name, curve in curves.items():
        places = list(
            dict.fromkeys(
                (_share(x), _share(y))
                for x, y in zip(curve["roc"]["false_accusations"], curve["roc"]["found_fakes"], strict=True)
            )
        )
        lines.append(
            Line(_set_name(name), [Point(x, y, (_of_100(x), _of_100(y))) for x, y in places], not _is_test(name))
        )
        start.append(max(i for i, (x, _) in enumerate(places) if x <= max(0.05, places[0][0])))
        found = [max(y for x, y in places if x <= limit) for limit in _ACCEPTED]
        auc = sets.get(name, {}).get("clean", {}).get("auc")
        rows.append([escape(_set_name(name)), _cell("auc", auc), *(f"{_of_100(y)}" for y in found)])
    header = ["Pictures", "Told apart (AUC)", *(f"Found at {limit:.0%} false alarms" for limit in _ACCEPTED)]
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
            choose="Pictures (broken line: also used to adjust the model)",
            slide="Move along the line",
            start=start,
            table=table_html("Forged faces found of 100, by the real faces called forged", header, rows),
        )
    )


def _reliability_html(curves: Metrics) -> str:
    lines, start, rows = [], [], []
    for name, curve in curves.items():
        bins = curve["reliability"]
        most = max(int(row["n"]) for row in bins)
        points = []
        for row in bins:
            n, said, forged = int(row["n"]), _share(row["mean_p"]), _share(row["fakes"])
            words = (_of_100(said), _of_100(forged), f"{n:,} face{'' if n == 1 else 's'}")
            points.append(Point(said, forged, words, radius=1.8 + 5.2 * math.sqrt(n / most)))
            rows.append([escape(_set_name(name)), words[0], words[1], f"{n:,}"])
        lines.append(Line(_set_name(name), points, not _is_test(name)))
        start.append(len(points) - 1)
    return (
        "<h3>Does a score mean what it says?</h3><p>Where a dot lies on the diagonal, the score is as good as its "
        "word: of faces with a score of 80, 80 of 100 were forged. Above it, more were forged than the score said. The "
        "larger the dot, the more faces. This is the reliability diagram.</p>"
        + charts.plane_html(
            "reliability",
            lines,
            x="score that was given",
            y="really forged, of 100",
            alt="Dots of the share of faces that were really forged against the score that they were given, a line for "
            "each set of pictures. The figures are in the table below the chart.",
            diagonal="as good as its word",
            all_shown=False,  # many bins hold few faces: their lines would only cross
            names_above=True,
            sentence="{2} got a score around {0}: of 100 such faces, {1} were forged.",
            choose="Pictures (broken line: also used to adjust the model)",
            slide="Move along the scores",
            start=start,
            table=table_html(
                "Scores given and the share that was forged",
                ["Pictures", "Score, mean", "Really forged, of 100", "Faces"],
                rows,
            ),
        )
    )


def _robustness_html(robustness: Metrics) -> str:
    pictures = int(robustness["pictures"])
    panels, rows = [], []
    for name, measured in robustness["corruptions"].items():
        title = str(name).replace("-", " ")
        lines: dict[str, list[Point]] = {key: [] for key in _ROBUSTNESS}
        for row in measured:
            severity, judged = int(row["severity"]), int(row.get("judged", 0))
            for key in _ROBUSTNESS:
                if key not in row:
                    continue
                value, low, high = (_share(row[key][part]) for part in ("value", "low", "high"))
                few = judged < _FEW * pictures
                words = (str(severity), f"{100 * value:.0f}")
                lines[key].append(Point(severity, value, words, radius=2.6, hollow=few, low=low, high=high))
            rows.append(
                [escape(title), str(severity), f"{judged:,}", *(_cell(key, row.get(key)) for key in _ROBUSTNESS)]
            )
        if all(lines.values()):
            panels.append((title, [Line(_ROBUSTNESS[key], points) for key, points in lines.items()]))
    if not panels:
        return ""
    header = ["Damage", "Severity", "Faces judged", *(FIGURES[key][0] for key in _ROBUSTNESS)]
    return (
        f"<h3>What damage to a picture does</h3><p>{pictures:,} pictures of {escape(_set_name(robustness['set']))} "
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


def _confusion_html(sets: Metrics) -> str:
    grids = []
    for name, conditions in sets.items():
        counts = conditions.get("clean", {}).get("confusion")
        if not counts:
            continue
        rows = []
        for kind, title in (("real", "Real"), ("fake", "Forged")):
            cells = [int(counts[f"{kind}_as_{said}"]) for said in ("real", "fake")]
            total = sum(cells)
            shown = (
                '<td colspan="2">none among these pictures</td>'
                if not total
                else "".join(
                    f'<td class="{"right" if said == kind else "wrong"}" style="--share:{100 * n / total:.0f}%">'
                    f"<b>{n:,}</b><small>{charts.per_100(n / total)} of 100</small></td>"
                    for n, said in zip(cells, ("real", "fake"), strict=True)
                )
            )
            rows.append(f'<tr><th scope="row">{title}</th>{shown}</tr>')
        grids.append(
            f'<table class="confusion"><caption>{escape(_set_name(name))}</caption><thead><tr><td></td>'
            f'<th scope="col">called real</th><th scope="col">called forged</th></tr></thead><tbody>{"".join(rows)}'
            "</tbody></table>"
        )
    if not grids:
        return ""
    return (
        "<h3>Right and wrong, counted</h3><p>Each face of the clean pictures, where a score of 50 decides and no “I "
        "can’t tell” is allowed. These are the confusion matrices; what is right has a solid ground, what is wrong a "
        f'hatched one.</p><div class="columns">{"".join(grids)}</div>'
    )


def _sorted(sets: Metrics) -> Metrics:
    """Test sets first: nothing was adjusted on them."""
    return dict(sorted(sets.items(), key=lambda item: not _is_test(item[0])))


def _is_test(name: str) -> bool:
    return name.rpartition(" ")[2] == "test"


def _set_name(name: str) -> str:
    """What a set is called on the page: "openforensics test" is "openforensics, test"."""
    source, _, split = name.partition(" ")
    return f"{source}, {split.replace('held-out part of train', 'held out')}" if split else source


def _share(value: Any) -> float:
    """A number 0..1; ValueError for any other, as a stranger's file may hold."""
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{value} is no share")
    return float(value)


def _of_100(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")
