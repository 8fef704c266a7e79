"""One row a picture, as `python -m detector --jsonl` and `--csv` print it and the page offers it to download."""

import csv
from typing import Any, TextIO

from detector.errors import ImageError
from detector.result import Result

CSV_COLUMNS = ("file", "verdict", "p_fake", "faces", "findings", "warnings", "error", "sha256", "model_sha256")


def row_of(file: str, answer: Result | ImageError) -> dict[str, Any]:
    """{"file", "error": None, ...Result.to_dict()}, or {"file", "error"} with the sentence of what went wrong."""
    if isinstance(answer, ImageError):
        return {"file": file, "error": str(answer)}
    return {"file": file, "error": None, **answer.to_dict()}


def csv_writer(file: TextIO) -> "csv.DictWriter[str]":
    """A writer of what `csv_cells` gives; the line of column names is written at once."""
    writer = csv.DictWriter(file, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    return writer


def csv_cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row that `row_of` made, none of which a spreadsheet takes for a formula."""
    cells = {"file": row["file"], "error": row["error"] or ""}
    if row["error"] is None:
        cells |= {
            "verdict": row["verdict"],
            "p_fake": "" if row["p_fake"] is None else f"{row['p_fake']:.6f}",
            "faces": len(row["faces"]),
            "findings": "; ".join(finding["summary"] for finding in row["provenance"]),
            "warnings": " ".join(warning["text"] for warning in row["warnings"]),
            "sha256": row["picture"]["sha256"],
            "model_sha256": row["model"]["sha256"],
        }
    # A cell that begins like a formula would run as one in a spreadsheet.
    return {k: f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" and v else v for k, v in cells.items()}
