"""The card of a model folder, from figures of every shape that evaluate and ablate write."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from training.data.sources import TERMS, Source
from training.evaluation import card

pytest_plugins = ["tests.support.training_fixtures"]


@pytest.fixture
def metrics(measured_folder: Path) -> dict:
    return json.loads((measured_folder / "metrics.json").read_text())


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a Markdown text: rows of cells, without the rule."""
    found = []
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
        assert set("".join(rows[1])) == {"-"}
        found.append([rows[0], *rows[2:]])
    return found


def test_the_same_figures_give_the_same_card(config: dict, metrics: dict, measured_folder: Path) -> None:
    assert card.render(config, metrics) == (measured_folder / "README.md").read_text()


def test_figures_that_a_set_does_not_have_are_left_blank(config: dict, metrics: dict) -> None:
    name = "portraits validation"
    real_only = copy.deepcopy(next(iter(metrics["sets"].values())))
    for figures in real_only.values():
        for missing in ("auc", "missed_fakes", "error_when_decided"):
            figures.pop(missing, None)
        figures["fake"] = 0
    text = card.render(config, {**metrics, "sets": {**metrics["sets"], name: real_only}})
    header, *rows = tables(text)[0]
    [row] = [row for row in rows if row[0] == name]
    cells = dict(zip(header, row, strict=True))
    assert cells["AUC"] == cells["fake below 0.5"] == cells["wrong when decided"] == "-"
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", cells["real above 0.5"])
    results = ModelCard(text).data.eval_results
    assert name not in {result.dataset_name for result in results} and len(results) == 4


def test_a_set_without_a_face_has_a_line(config: dict, metrics: dict) -> None:
    nothing = {"n": 5, "judged": 0, "fake": 0, "real": 0, "no_face": 1.0}
    sets = {"walls test": dict.fromkeys(("clean", "web", "hard", "as_given"), nothing)}
    text = card.render(config, {**metrics, "sets": sets, "curves": {}, "robustness": {}})
    assert tables(text)[0][1][:3] == ["walls test", "0", "100.0%"]
    assert "robustness.png" not in text and "AUC under corruption" not in text
    assert not ModelCard(text).data.eval_results


def test_ablations_have_a_table(config: dict, metrics: dict) -> None:
    assert "What each choice brought" not in card.render(config, metrics)

    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.01, "high": value + 0.02}

    def both(auc: float) -> dict[str, Any]:
        return {"fake": 7, "real": 5, "auc": figure(auc), "false_accusations": figure(0.1)}

    def real(fakes: float) -> dict[str, Any]:
        return {"fake": 0, "real": 4, "false_accusations": figure(fakes)}

    ablations = [
        {
            "name": name,
            "command": "python -m training fit --limit 9 --out RUNS/all-choices",
            "sets": {
                "blends": {"clean": both(auc), "hard": both(auc - 0.1)},
                "portraits": {"clean": real(fakes), "hard": real(0.4)},
            },
        }
        for name, auc, fakes in (("all choices", 0.95, 0.03), ("no crop jitter", 0.91, 0.08))
    ]
    text = card.render(config, {**metrics, "ablations": ablations})
    assert tables(text)[-1] == [
        ["run", "AUC blends", "AUC blends, hard", "portraits: real above 0.5"],
        ["all choices", "0.950 [0.940, 0.970]", "0.850 [0.840, 0.870]", "0.030 [0.020, 0.050]"],
        ["no crop jitter", "0.910 [0.900, 0.930]", "0.810 [0.800, 0.830]", "0.080 [0.070, 0.100]"],
    ]
    assert "12 of blends, 4 of portraits" in text
    assert ablations[0]["command"] in text


@pytest.mark.parametrize(("terms", "said"), [("CC BY 4.0", "CC BY 4.0"), (None, "Terms: see the source")])
def test_every_source_is_named_with_its_terms(config: dict, metrics: dict, terms: str | None, said: str) -> None:
    [splits] = config["data"].values()
    text = card.render({**config, "data": {"mine": {**splits, "terms": terms}}}, metrics)
    assert f"- `mine`: 24 fake and 24 real faces to train, 12 and 12 to choose and calibrate. {said}.\n" in text
    assert "non-commercial research and education only" in " ".join(text.split())


def test_a_folder_without_terms_still_has_a_card(config: dict, metrics: dict) -> None:
    data = {name: {key: splits[key] for key in ("train", "validation")} for name, splits in config["data"].items()}
    assert "Terms: see the source." in card.render({**config, "data": data}, metrics)


def test_the_network_that_the_weights_start_from_is_named(config: dict, metrics: dict) -> None:
    command = "python -m training fit --out RUNS/one"
    started = {**config, "architecture": "efficientnet-lite0", "commands": [command]}
    assert ModelCard(card.render(started, metrics)).data.base_model == "timm/tf_efficientnet_lite0.in1k"
    alone = {**started, "commands": [f"{command} --weights none"]}
    assert ModelCard(card.render(alone, metrics)).data.base_model is None


@pytest.mark.parametrize("name", TERMS)
def test_the_terms_of_a_source_go_by_its_name(name: str) -> None:
    assert Source(name).terms == Source(f"{name}@1f2e3d").terms == TERMS[name]


@pytest.mark.parametrize(
    ("sources", "listed"),
    [
        (["owner/faces@1f2e3d", "mine"], ["owner/faces"]),
        (["openforensics", "dfdc"], ["JamieWithofs/Deepfake-and-real-images"]),
        (["mine"], None),
    ],
)
def test_the_sets_of_the_hub_are_linked(config: dict, metrics: dict, sources: list[str], listed: list[str]) -> None:
    [splits] = config["data"].values()
    text = card.render({**config, "data": dict.fromkeys(sources, splits)}, metrics)
    assert ModelCard(text).data.datasets == listed


def test_the_terms_of_a_folder_go_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "dfdc").mkdir()
    assert Source(str(tmp_path / "dfdc")).terms == TERMS["dfdc"]
    assert Source(str(tmp_path)).terms is None
