"""scores.csv of a model folder: what was said of each picture that it was measured on. The curves of a folder whose
metrics.json has none are made from it."""

import csv
import gzip
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from detector.model_folder.metrics import Metrics
from detector.shares import Curves, measure

SCORES = "scores.csv"
PACKED = f"{SCORES}.gz"
MAX_BYTES = 50_000_000  # a million pictures


def curves_of(folder: Path, metrics: Metrics) -> Curves | None:
    """How rare each score is, by the scores.csv that was written with `metrics`; None where there is none of use."""
    try:
        rows = list(csv.DictReader(io.StringIO(_read(folder))))
        return _curves(rows, metrics)
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error):  # it is for the record: all else works
        return None


def _read(folder: Path) -> str:
    """Raises OSError, EOFError or ValueError."""
    with (folder / SCORES).open("rb") if (folder / SCORES).exists() else gzip.open(folder / PACKED) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("more scores than there can be")
    return content.decode()


def _curves(rows: list[dict[str, str]], metrics: Metrics) -> Curves | None:
    """Of a seen set the validation pictures count, as for the thresholds, and the test pictures where it has no
    others."""
    roles = {(measured.name, measured.split): measured.role for measured in metrics.sets}
    watched = {name for name, split in roles if split != "test"}
    groups: dict[str, dict[str, list[float]]] = {"real": {}, "unseen": {}, "seen": {}}
    for row in rows:
        said = row["score"] if "score" in row else row["p_fake"]  # as it was called once
        role = roles[row["set"], row["split"]]
        if not said or role == "seen" and row["split"] == "test" and row["set"] in watched:
            continue
        groups["real" if row["label"] == "real" else role].setdefault(row["set"], []).append(float(said))
    return measure(*(_arrays(sets) for sets in groups.values()))


def _arrays(sets: Mapping[str, list[float]]) -> dict[str, np.ndarray]:
    found = {name: np.array(scores) for name, scores in sets.items()}
    if not all(((scores >= 0) & (scores <= 1)).all() for scores in found.values()):
        raise ValueError("a score is not within 0 and 1")
    return found
