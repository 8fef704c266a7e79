"""metrics.json of a model folder -> bars and tables in words that are nobody's trade: generators and cameras that the
model has never seen first, then those it was trained on. The file may be a stranger's: every string is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from detector.model_folder import CONDITIONS, Figure, GroupFigures, Measured, MeasuredSet, Metrics
from ui import charts
from ui.components import panel_html, table_html

CONDITION_WORDS = dict(
    zip(
        CONDITIONS,
        (
            ("Clean", "pictures as they are in the collection"),
            ("Half size", "half the size and saved again as JPEG, as websites and messengers do"),
            ("Quarter size", "a quarter of the size and saved as a poor JPEG"),
            ("Not cut out", "the whole picture taken for one face, only to compare with published figures"),
        ),
        strict=True,
    )
)
FIGURES = {
    "auc": ("AUC", "shown one forged and one real face, how often the forged one gets the higher score; "
            "1 is always, 0.5 is a coin toss"),
    "fake_likely_fake": ("Forged: likely forged", "forgeries that this page calls likely forged, among forged faces"),
    "fake_leans_fake": ("Forged: leans forged", "forgeries that this page calls leaning to forged, among forged faces"),
    "fake_no_signs": ("Forged: no signs", "forgeries in which this page finds no signs, among forged faces"),
    "real_likely_fake": ("Real: likely forged", "real faces that this page calls likely forged, among real faces"),
    "real_leans_fake": ("Real: leans forged", "real faces that this page calls leaning to forged, among real faces"),
    "real_no_signs": ("Real: no signs", "real faces in which this page finds no signs of forgery, among real faces"),
    "abstention_rate": ("No verdict", "faces that this page calls neither likely forged nor without signs, among all"),
    "selective_risk": ("Wrong when it decides", "real faces called likely forged and forged ones without signs, among "
                       "all faces that got one of these two verdicts"),
    "accuracy": ("Accuracy at 50", "right answers where no “can’t tell” is allowed and a score of 50 decides"),
    "false_positive_rate": ("Real above 50", "real faces with a score of 50 or more"),
    "false_negative_rate": ("Forged below 50", "forged faces with a score below 50"),
    "ece": ("Calibration error", "how far a score lies from the share that was really forged, on average"),
}  # fmt: skip
_SUMMARY = tuple(FIGURES)[:10]
_ROLES = {"unseen": "never seen", "seen": "trained on"}
_TITLE = "How often it is right"
_MEASURE = "<code>python -m training evaluate</code> measures it."
_UNMEASURED = (
    "<p>This model was never measured on generators and cameras that it has not seen. Nobody knows how it judges "
    "their pictures; the figures below say nothing about them.</p>"
)


def section_html(metrics: Metrics | None) -> str:
    """What a reader can use of the figures, as bars and tables; a sentence where there is none."""
    if not metrics or not metrics.sets:
        return panel_html(
            _TITLE, f"<p>No figures came with this model: nobody knows how often it is right. {_MEASURE}</p>"
        )
    return _overview(metrics) + _tables(metrics)


def summary(metrics: Metrics | None) -> dict[str, list[dict[str, Any]]]:
    """The figures that tell most, by role: {"unseen": [{name, split, generators, conditions}], "seen": […]}."""
    return {
        "unseen": [_summary(measured) for measured in (metrics.unseen if metrics else ())],
        "seen": [_summary(measured) for measured in (metrics.seen if metrics else ())],
    }


def _summary(measured: MeasuredSet) -> dict[str, Any]:
    def told(found: Measured) -> dict[str, Any]:
        counts = {"n": found.n, "judged": found.judged, "no_face": found.no_face}
        return counts | {key: asdict(figure) for key, figure in found.figures.items() if key in _SUMMARY}

    return {
        "name": measured.name,
        "split": measured.split,
        "generators": [asdict(generator) for generator in measured.generators],
        "conditions": {condition: told(found) for condition, found in measured.conditions.items()},
    }


# --- Bars ------------------------------------------------------------------------------------------------------------


def _overview(metrics: Metrics) -> str:
    return panel_html(
        _TITLE,
        "<p>Measured the way this page works: a whole picture goes in, the faces are found, cut out and judged.</p>"
        "<h3>Generators and cameras it has never seen</h3>"
        + (
            "<p>It was trained on none of their pictures; they only set the scores at which it gives a verdict. With "
            f"pictures from elsewhere it is about as good as this, or worse.</p>{_bars_html(metrics.unseen)}"
            if metrics.unseen
            else _UNMEASURED
        )
        + (
            "<h3>Generators and cameras it was trained on</h3><p>Other pictures of the kinds that it was trained on. "
            f"This flatters it.</p>{_bars_html(metrics.seen_once)}"
            if metrics.seen_once
            else ""
        ),
    )


def _bars_html(sets: Sequence[MeasuredSet]) -> str:
    """Two lists of bars: forged faces generator by generator, the most often missed first, and real ones."""
    fakes = [row for measured in sets for row in _by_generator(measured) if row[1].fake_no_signs]
    fakes.sort(key=lambda row: -row[1].fake_no_signs.value if row[1].fake_no_signs else 0)
    reals = [(set_title(measured), measured.clean) for measured in sets if measured.clean.real_likely_fake]
    lists = (("Of 100 forged faces", "fake", fakes), ("Of 100 real faces", "real", reals))
    return (
        '<div class="columns">'
        + "".join(
            f"<div><h4>{title}</h4>{charts.shares_html([(name, _shares(found, kind)) for name, found in rows])}</div>"
            for title, kind, rows in lists
            if rows
        )
        + "</div>"
    )


def _by_generator(measured: MeasuredSet) -> list[tuple[str, Measured]]:
    parts = [(str(part.generator), part.conditions["clean"]) for part in measured.by_generator]
    if parts:
        return parts
    named = ", ".join(map(str, measured.generators))
    return [(named or set_title(measured), measured.clean)]


def _shares(found: Measured, kind: str) -> list[tuple[str, str, float]]:
    """The parts of a bar; those that were not measured are in the rest."""
    verdicts = ("likely_fake", "leans_fake", "no_signs")
    likely, leans, no_signs = (getattr(found, f"{kind}_{verdict}") for verdict in verdicts)
    above = [("f", "likely forged", likely), ("l", "leans forged", leans)]
    parts = [(tone, word, figure.value) for tone, word, figure in above if figure]
    last = [("c", "no signs", no_signs.value)] if no_signs else []
    rest = max(0.0, 1 - sum(share for *_, share in (*parts, *last)))
    return [*parts, ("u", "no verdict" if likely and no_signs else "another verdict or none", rest), *last]


# --- Tables ----------------------------------------------------------------------------------------------------------


def _tables(metrics: Metrics) -> str:
    sets = (*metrics.unseen, *metrics.seen)
    measured = [condition for condition in CONDITIONS if any(condition in one.conditions for one in sets)]
    meanings = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in FIGURES.values())
    groups = [group for one in sets for group in one.groups]
    return panel_html(
        "All figures",
        '<p class="soft">Under each figure is its 95% interval, where the true value most likely lies: wide where few '
        "faces were tested.</p>"
        + "".join(_set_table(condition, sets) for condition in measured)
        + f'<h3>What the columns mean</h3><dl class="pairs">{meanings}</dl>',
    ) + (_groups_html(groups) if groups else "")


def _set_table(condition: str, sets: Sequence[MeasuredSet]) -> str:
    title, meaning = CONDITION_WORDS[condition]
    rows = []
    for measured in sets:
        if condition not in measured.conditions:
            continue
        rows.append(_row(set_title(measured), measured, measured.conditions[condition]))
        parts = [part for part in measured.by_generator if condition in part.conditions]
        rows += [_row(f"– {part.generator}", measured, part.conditions[condition]) for part in parts]
    header = ["Pictures", "Kind", "Faces found", *(title for title, _ in FIGURES.values())]
    return table_html(f"{title}: {meaning}", header, rows)


def _row(name: str, measured: MeasuredSet, found: Measured) -> list[str]:
    judged = f"<b>{found.judged:,}</b><small>of {found.n:,}</small>"
    return [escape(name), _ROLES[measured.role], judged, *(cell(key, found.figures.get(key)) for key in FIGURES)]


def _groups_html(groups: Iterable[GroupFigures]) -> str:
    keys = ("real_likely_fake", "abstention_rate", "false_positive_rate")
    rows = [
        [
            escape(group.group.capitalize()),
            escape(group.attribute),
            f"{group.judged:,}",
            *(cell(key, getattr(group, key)) for key in keys),
        ]
        for group in groups
    ]
    return panel_html(
        "Real people, by group",
        "<p>Whether it suspects some people more than others. Real photographs only. Where two intervals do not "
        "overlap, it most likely treats the two groups differently.</p>"
        + table_html("Clean real faces", ["Group", "By", "Faces", *(FIGURES[key][0] for key in keys)], rows),
    )


def cell(key: str, figure: Figure | None) -> str:
    """A figure over its interval, as a share of 1 for the AUC and in percent for any other."""
    if not figure:
        return "–"
    if key == "auc":
        return f"<b>{figure.value:.3f}</b><small>{figure.low:.3f} to {figure.high:.3f}</small>"
    return f"<b>{100 * figure.value:.1f}%</b><small>{100 * figure.low:.1f} to {100 * figure.high:.1f}</small>"


def set_title(measured: MeasuredSet) -> str:
    """What a set is called on the page: "openforensics, test"."""
    return f"{measured.name}, {measured.split.replace('_', ' ')}"
