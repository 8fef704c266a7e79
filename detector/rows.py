"""One row a picture, as `python -m detector --jsonl` and `--csv` print it and the page offers it to download."""

import codecs
import csv
import json
import re
from typing import Any, TextIO

from detector.errors import ImageError
from detector.result import Result
from detector.text import visible

# What a spreadsheet takes for a formula where a cell begins, and that may be behind any sign that it splits cells at:
# which one it is depends on the country. The wide forms are those of East Asian keyboards.
_FORMULA = re.compile(r"""(^|[,;|"])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_SHARES = ("false_positive_share", "unseen_share", "seen_share")
CSV_COLUMNS = (
    *("file", "headline", "verdict", "score", *_SHARES, "origin", "origin_trust"),
    *("faces", "findings", "warnings", "error", "sha256", "model_digest"),
)


def row_of(file: str, answer: Result | ImageError) -> dict[str, Any]:
    """{"file", "error": None, ...Result.to_dict()}, or {"file", "error"} with the sentence of what went wrong."""
    if isinstance(answer, ImageError):
        return {"file": file, "error": str(answer)}
    return {"file": file, "error": None, **answer.to_dict()}


def csv_writer(file: TextIO) -> "csv.DictWriter[str]":
    """A writer of what `csv_cells` gives; the line of column names is written at once."""
    writer = csv.DictWriter(file, CSV_COLUMNS, restval="", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    return writer


def csv_cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row that `row_of` made: of their text no part is a formula to a spreadsheet, wherever it splits
    cells, or steers the terminal that it is printed on."""
    cells = {"file": row["file"], "error": row["error"] or ""}
    if row["error"] is None:
        cells |= {
            "headline": row["headline"],
            "verdict": row["verdict"],
            "score": "" if row["score"] is None else row["score"],
            **{name: "" if row[name] is None else row[name]["value"] for name in _SHARES},
            "origin": row["origin"]["kind"],
            "origin_trust": row["origin"]["trust"] or "",
            "faces": len(row["faces"]),
            "findings": "; ".join(finding["summary"] for finding in row["provenance"]),
            "warnings": " ".join(warning["text"] for warning in row["warnings"]),
            "sha256": row["picture"]["sha256"],
            "model_digest": row["model"]["digest"],
        }
    return {name: _text(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}


def _text(cell: str) -> str:
    return _FORMULA.sub(r"\1\2'", visible(cell))


def json_line(row: dict[str, Any], encoding: str = "utf-8") -> str:
    """A row that `row_of` made as JSON on one line, which any `encoding` carries and which steers no terminal that it
    is printed on."""
    text = json.dumps(row, ensure_ascii=codecs.lookup(encoding).name != "utf-8")
    return visible(text, lambda character: json.dumps(character)[1:-1])
