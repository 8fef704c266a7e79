"""A recipe: from first weights to a served folder by one command, which goes on where it was stopped."""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from detector import Detector, picture
from detector.crop import crop_face
from detector.model_folder import BUNDLED, Metrics, ModelConfig
from detector.result import Evidence
from training import __main__ as command_line
from training import recipes
from training.checkpoint import STATE, is_finished
from training.evaluation.calibrate import Limits
from training.options import ExportOptions, FitOptions, add_arguments, add_fields

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

FIT = """
data = ["DATA/portraits_and_blends:2"]
architecture = "sequential-baseline"
weights = "none"
input_size = 64
batch_size = 8
epochs = 0.2
corruptions = ["blur"]
"""
RECIPE = f"""
unseen = ["DATA/elsewhere"]
weights = [1.0, 0.5]
wise_ft_alpha = 0.5
[fit.begun]
{FIT}
[fit.tight]
{FIT.replace("none", "RUNS/begun/best.keras")}
[fit.wide]
{FIT}
margin = 2.2
"""


def test_a_recipe_makes_the_folder_that_is_served(
    small_set: Path, unseen_set: Path, tmp_path: Path, hopper: Path, capsys: pytest.CaptureFixture
) -> None:
    data, file = tmp_path / "data", tmp_path / "two.toml"
    data.mkdir()
    for source in (small_set, unseen_set):
        (data / source.name).symlink_to(source)
    file.write_text(RECIPE)
    words = ["recipe", str(file), "--data", str(data), "--runs", str(tmp_path / "runs"), "--out"]
    assert command_line.main([*words, str(tmp_path / "model")]) == 0
    served = Detector.load(tmp_path / "model")
    assert [(n.crop_margin, n.weight) for n in served.model.config.networks] == [(1.4, 1.0), (2.2, 0.5)]
    [face] = served.detect(hopper).faces
    margin = {Evidence.FACE: 1.4, Evidence.SURROUNDINGS: 2.2}[face.evidence]
    assert np.array_equal(face.crop, crop_face(picture.read(hopper).pixels, face.box, 64, margin))
    named, begun, tight, wide, made = served.model.config.commands
    assert named == "python -m training recipe two.toml --data DATA --runs RUNS --out MODEL_FOLDER"
    assert begun.endswith("--out RUNS/begun") and "--weights RUNS/begun/best.keras " in tight
    assert tight.endswith("--out RUNS/tight") and "--margin 2.2 " in wide and wide.endswith("--out RUNS/wide")
    assert made.startswith(
        "python -m training export RUNS/tight --beside RUNS/wide --weights 1.0 0.5 --unseen DATA/else"
    )
    assert " --wise-ft-alpha 0.5" in made

    runs = [tmp_path / "runs" / name for name in ("tight", "wide")]
    before = [(run / STATE).stat().st_mtime_ns for run in runs]
    state = json.loads((runs[1] / STATE).read_text())
    (runs[1] / STATE).write_text(json.dumps({**state, "done": False}))  # as if stopped at its last step
    assert command_line.main([*words, str(tmp_path / "again")]) == 0
    assert all(map(is_finished, runs))
    after = [(run / STATE).stat().st_mtime_ns for run in runs]
    assert after[0] == before[0] and after[1] > before[1]
    network = "model-2.tflite"
    assert (tmp_path / "again" / network).read_bytes() == (tmp_path / "model" / network).read_bytes()


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (None, "There is no recipe two.toml: give a file, or one of bundled, swaps."),
        ("[fit", "two.toml is not TOML: "),
        ("[fit.one]", "two.toml needs a list `unseen`, and a table `fit.NAME` for one to three networks."),
        (
            "unseen = []\n[fit.one]\n[fit.two]\n[fit.three]\n[fit.four]",
            "two.toml needs a list `unseen`, and a table `fit.NAME` for one",
        ),
        ("unseen = []\n[fit.one]\nmargins = 1", "two.toml has an option that is not known, margins: see fit --help."),
    ],
)
def test_what_is_no_recipe_is_refused(
    tmp_path: Path, recipe: str | None, sentence: str, capsys: pytest.CaptureFixture
) -> None:
    if recipe is not None:
        (tmp_path / "two.toml").write_text(recipe)
    words = ["recipe", str(tmp_path / "two.toml"), "--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert command_line.main([*words, "--out", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err.startswith(sentence)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", recipes.names())
def test_the_recipes_of_the_project_can_be_followed(name: str) -> None:
    content = tomllib.loads((Path(recipes.__file__).parent / f"{name}.toml").read_text("utf-8"))
    for table in content["fit"].values():
        options = FitOptions(**{key: tuple(v) if isinstance(v, list) else v for key, v in table.items()})
        assert not {place.partition(":")[0] for place in options.data} & set(content["unseen"])


def test_the_recipe_of_the_bundled_model_says_what_it_reached() -> None:
    said = (Path(recipes.__file__).parent / "bundled.toml").read_text("utf-8")
    metrics = Metrics.from_dict(json.loads((BUNDLED / "metrics.json").read_text("utf-8")))
    reached = {measured.title: measured.clean.auc.value for measured in metrics.sets if measured.clean.auc}
    assert reached and not [title for title, auc in reached.items() if f" {auc:.3f}" not in said]


def test_the_commands_of_the_bundled_model_are_understood_today() -> None:
    fit, export = (argparse.ArgumentParser() for _ in range(2))
    add_arguments(fit)
    for options in (ExportOptions, Limits):
        add_fields(export, options)
    export.add_argument("run")
    for parser in (fit, export):
        parser.add_argument("--out")
        parser.add_argument("--beside", nargs="+")
    commands = ModelConfig.from_dict(json.loads((BUNDLED / "config.json").read_text("utf-8"))).commands
    for program, parser in (("python -m training fit ", fit), ("python -m training export ", export)):
        lines = [line.removeprefix(program) for line in commands if line.startswith(program)]
        assert lines
        for line in lines:
            parser.parse_args(line.split())
