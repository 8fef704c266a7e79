"""Runs that differ in one choice each, and the table that they make."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from training import __main__ as command_line
from training.errors import TrainingError
from training.evaluation.ablate import ablate, variants
from training.options import FitOptions

pytest_plugins = ["tests.support.training_fixtures"]

TINY = "--architecture sequential-baseline --input-size 64 --batch-size 8 --epochs 1 --limit 8 --weights none".split()


def test_each_run_differs_from_the_first_in_one_choice() -> None:
    base = FitOptions(data=("one", "two:2"), input_size=128)
    first, *others = variants(base).values()
    assert first == base
    for options in others:
        changed = [f.name for f in dataclasses.fields(base) if getattr(options, f.name) != getattr(base, f.name)]
        assert len(changed) == 1
    assert variants(base)["half the input size"].size == 64


def test_the_table_lands_in_metrics_and_card_and_runs_are_made_once(
    measured_folder: Path, small_set: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(measured_folder, tmp_path / "model")
    before = json.loads((folder / "metrics.json").read_text())
    words = ["ablate", str(folder), "--out", str(tmp_path / "runs"), "--data", str(small_set), *TINY]
    assert command_line.main(words) == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = metrics.pop("ablations")
    assert metrics == {key: value for key, value in before.items() if key != "ablations"}
    assert [row["name"] for row in rows] == list(variants(FitOptions()))
    for row in rows:
        assert set(row["sets"]) == {"portraits_and_blends"}
        for condition in ("clean", "quarter_size_jpeg"):
            figures = row["sets"]["portraits_and_blends"][condition]
            assert figures["fake"] > 0 < figures["real"]
            for name in ("auc", "false_positive_rate"):
                assert 0 <= figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"] <= 1
        assert str(tmp_path) not in row["command"]
    card = (folder / "README.md").read_text()
    assert "## What each choice brought" in card and all(f"| {row['name']} |" in card for row in rows)

    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("best.keras")}
    assert len(made) == len(rows)
    assert command_line.main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("best.keras")} == made
    assert json.loads((folder / "metrics.json").read_text())["ablations"] == rows


def test_a_folder_without_figures_is_refused_before_any_run(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="tiny has no figures yet: run python -m training evaluate"):
        ablate(FitOptions(), tmp_path / "runs", model_folder)
    assert not (tmp_path / "runs").exists()
