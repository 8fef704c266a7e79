"""The list that a batch becomes: its rows, the most suspicious first, as a table of HTML, as CSV and as JSON."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from detector import Verdict, words
from detector.model_folder import Metrics
from detector.rows import csv_cells, csv_writer
from ui.parts import score_words
from ui.shapes import TONES, icon

ERROR = "error"  # stands where a verdict would
ORDER = (*(str(verdict) for verdict in words.VERDICTS), ERROR)


@dataclass(frozen=True)
class Row:
    """What became of an Item: `report` as of detector.rows.row_of, `thumbnail` a data: URL where it could be read."""

    report: dict[str, Any]
    number: int  # its place among the pictures sent, from 0
    thumbnail: str | None = None

    @property
    def outcome(self) -> str:
        """The verdict's name, or "error"."""
        return str(self.report.get("verdict", ERROR))

    @property
    def rank(self) -> tuple[int, float, str]:
        """To sort by: the most suspicious first, errors last."""
        return ORDER.index(self.outcome), -(self.report.get("p_fake") or 0.0), self.report["file"]


def csv_of(rows: Iterable[Row]) -> bytes:
    """A CSV file of the rows, sorted; with a mark at its start by which spreadsheets know it for UTF-8."""
    file = io.StringIO()
    csv_writer(file).writerows(csv_cells(row.report) for row in _sorted(rows))
    return file.getvalue().encode("utf-8-sig")


def json_of(rows: Iterable[Row]) -> bytes:
    """A JSON file of the rows, sorted: a list of what the API answers."""
    return json.dumps([row.report for row in _sorted(rows)], ensure_ascii=False, indent=1).encode()


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.rank)


def tone_of(outcome: str) -> str:
    return ERROR if outcome == ERROR else TONES[Verdict(outcome)]


def words_of(outcome: str) -> str:
    return "Could not be judged" if outcome == ERROR else words.VERDICTS[Verdict(outcome)]


def table_html(rows: Iterable[Row], metrics: Metrics | None) -> str:
    """The rows, sorted, with what the model's metrics say of each verdict. Every string in the rows may come from a
    stranger's file."""
    # The roles say what the elements are where the style sheet makes cards of them, which takes that away.
    heads = "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in _HEADS)
    body = "".join(_row_html(row, metrics) for row in _sorted(rows))
    return (
        '<div class="page panel list"><table role="table"><caption>The most suspicious first. Scores go from 0 to '
        f'100.</caption><thead role="rowgroup"><tr role="row">{heads}</tr>'
        f'</thead><tbody role="rowgroup">{body}</tbody></table></div>'
    )


_HEADS = ("Picture", "File", "Verdict", "Score", "Faces", "Notes")


def _row_html(row: Row, metrics: Metrics | None) -> str:
    report, tone = row.report, tone_of(row.outcome)
    name = escape(report["file"])
    opens = name if row.outcome == ERROR else f'<button type="button" data-row="{row.number}">{name}</button>'
    shown = f'<img src="{row.thumbnail}" alt="{name}, small" decoding="sync">' if row.thumbnail else ""
    p_fake = report.get("p_fake")
    doubted = any(face["doubts"] for face in report.get("faces", [])[:1])
    notes = [report["error"]] if row.outcome == ERROR else _notes(report, metrics)
    cells = {
        "Verdict": f'<span class="word {tone}">{icon(tone)}{words_of(row.outcome)}</span>',
        "Score": "" if p_fake is None or doubted else score_words(p_fake),
        "Faces": "" if row.outcome == ERROR else str(len(report["faces"])),
        "Notes": "".join(f"<p>{escape(note)}</p>" for note in notes),
    }
    return (
        f'<tr role="row" class="{tone}" data-outcome="{row.outcome}"><td role="cell" class="small">{shown}</td>'
        f'<th role="rowheader" scope="row"><bdi>{opens}</bdi></th>'
        + "".join(f'<td role="cell" data-head="{head}">{cell}</td>' for head, cell in cells.items())
        + "</tr>"
    )


def _notes(report: dict[str, Any], metrics: Metrics | None) -> Iterator[str]:
    """What the file says, what weakens the verdict, and how often such a verdict is wrong."""
    yield from (finding["summary"] for finding in report["provenance"])
    yield from (warning["text"] for warning in report["warnings"])
    if line := words.facts_line(Verdict(report["verdict"]), metrics):
        yield line
