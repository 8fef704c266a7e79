"""The list that a batch becomes: its rows, the most suspicious first, as a table of HTML, as CSV and as JSON."""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from detector import Verdict, messages
from detector.provenance import OriginKind, Trust
from detector.rows import csv_cells, csv_writer
from ui import icons
from ui.components import score_words
from ui.icons import TONES, icon

DECLARED = str(OriginKind.DECLARED_AI)  # goes before the verdict
ERROR = "error"  # stands where a verdict would
ORDER = (DECLARED, *(str(verdict) for verdict in messages.VERDICTS), ERROR)
_TRUST = [str(trust) for trust in reversed(Trust)]


@dataclass(frozen=True)
class Row:
    """What became of an Item: `report` as of detector.rows.row_of, `thumbnail` a data: URL where it could be read."""

    report: dict[str, Any]
    number: int  # its place among the pictures sent, from 0
    thumbnail: str | None = None

    @property
    def outcome(self) -> str:
        """The verdict's name, "declared_ai" where the file says so, or "error"."""
        declared = self.report.get("origin", {}).get("kind") == DECLARED
        return DECLARED if declared else str(self.report.get("verdict", ERROR))

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """To sort by: what says that AI made it, the best trusted first, then the most suspicious; errors last."""
        trust = _TRUST.index(self.report["origin"]["trust"]) if self.outcome == DECLARED else 0
        return ORDER.index(self.outcome), trust, -(self.report.get("score") or 0.0), self.report["file"]


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
    return _TONES.get(outcome) or TONES[Verdict(outcome)]


def words_of(outcome: str) -> str:
    return _WORDS.get(outcome) or messages.VERDICTS[Verdict(outcome)]


_TONES = {DECLARED: icons.DECLARED, ERROR: ERROR}
_WORDS = {DECLARED: messages.DECLARED, ERROR: "Could not be judged"}


def table_html(rows: Iterable[Row]) -> str:
    """The rows, sorted. Every string in them may come from a stranger's file."""
    # The roles say what the elements are where the style sheet makes cards of them, which takes that away.
    heads = "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in _HEADS)
    body = "".join(_row_html(row) for row in _sorted(rows))
    return (
        '<div class="page panel list"><table role="table"><caption>What says it was made with AI comes first, then '
        f'the most suspicious. Scores go from 0 to 100.</caption><thead role="rowgroup"><tr role="row">{heads}</tr>'
        f'</thead><tbody role="rowgroup">{body}</tbody></table></div>'
    )


_HEADS = ("Picture", "File", "Verdict", "Score", "Faces", "Notes")


def _row_html(row: Row) -> str:
    report, tone = row.report, tone_of(row.outcome)
    name = escape(report["file"])
    opens = name if row.outcome == ERROR else f'<button type="button" data-row="{row.number}">{name}</button>'
    shown = f'<img src="{row.thumbnail}" alt="{name}, small" decoding="sync">' if row.thumbnail else ""
    score = report.get("score")
    doubted = any(face["doubts"] for face in report.get("faces", [])[:1])
    headline = report.get("headline") or words_of(ERROR)
    notes = [report["error"]] if row.outcome == ERROR else _notes(report)
    cells = {
        "Verdict": f'<span class="word {tone}">{icon(tone)}{escape(headline)}</span>',
        "Score": "" if score is None or doubted else score_words(score) + _reached(report),
        "Faces": "" if row.outcome == ERROR else str(len(report["faces"])),
        "Notes": "".join(f"<p>{escape(note)}</p>" for note in notes),
    }
    return (
        f'<tr role="row" class="{tone}" data-outcome="{row.outcome}"><td role="cell" class="small">{shown}</td>'
        f'<th role="rowheader" scope="row"><bdi>{opens}</bdi></th>'
        + "".join(f'<td role="cell" data-head="{head}">{cell}</td>' for head, cell in cells.items())
        + "</tr>"
    )


def _reached(report: dict[str, Any]) -> str:
    """How rare the score is."""
    share = report["false_positive_share"]
    if share is None:
        return ""
    of = messages.of_100(share["value"])
    judged = sum(not face["doubts"] for face in report["faces"])
    whom = f"by {of} real faces" if judged < 2 else f"in {of} such photographs"
    return f'<p class="soft">reached {escape(whom)}</p>'


def _notes(report: dict[str, Any]) -> Iterator[str]:
    """What the file says, and what weakens the verdict."""
    yield from (finding["summary"] for finding in report["provenance"])
    yield from (warning["text"] for warning in report["warnings"])
