"""From a run to a model folder that the detector serves, and to the figures and the card in it."""

import csv
import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import huggingface_hub
import keras
import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from detector import Detector
from detector.model_folder import (
    CONDITIONS,
    Counts,
    Generator,
    HeldOutSet,
    Metrics,
    store,
)
from detector.model_folder.scores import curves_of
from tests.support import ROOT
from tests.support.training_fixtures import EPOCHS, FACELESS, TRUNCATED, odd_file, rows, write_parquet
from training import __main__ as command_line
from training import export, record
from training.augment import corruptions, reencoding
from training.checkpoint import BEST, OPTIONS
from training.data import face_cache, tables
from training.data.crops import serving_crops
from training.data.sources import DEFAULT_DATA, Source
from training.errors import TrainingError
from training.evaluation import calibrate
from training.evaluation.evaluate import EvaluateOptions, evaluate
from training.fit import fit
from training.options import ExportOptions, FitOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

SETS = ["portraits_and_blends validation", "portraits_and_blends test"]


@pytest.fixture(scope="module")
def served(model_folder: Path) -> Detector:
    return Detector.load(model_folder)


@pytest.fixture(scope="module")
def metrics(measured_folder: Path) -> Metrics:
    return Metrics.from_dict(json.loads((measured_folder / "metrics.json").read_text()))


@pytest.fixture(scope="module")
def card(measured_folder: Path) -> ModelCard:
    return ModelCard.load(measured_folder / "README.md")


# ---- export ------------------------------------------------------------------------------------------------------


def test_the_detector_says_what_keras_says(served: Detector, model_folder: Path, small_set: Path) -> None:
    """Of the same pictures, from the file to the logit; and it cuts the crops that training cut."""
    network = keras.saving.load_model(model_folder / "model.keras", compile=False, safe_mode=True)
    split = face_cache.load(Source(str(small_set)), "test")
    crops, _ = serving_crops(
        split, served.model.config.networks[0].input_size, served.model.config.networks[0].crop_margin
    )
    logits = np.asarray(network(crops.astype(np.float32), training=False))[:, 0]
    results = list(served.detect_many(split.file(face.index) for face in split.faces))
    for result, crop, logit in zip(results, crops, logits, strict=True):
        face = face_cache.labelled_face(result.faces, result.picture.width, result.picture.height)
        assert np.array_equal(face.crop, crop)
        assert face.activation.mean() == pytest.approx(logit, abs=1e-3)
        said = np.log(face.score / (1 - face.score)) * served.model.calibration.temperature
        assert said == pytest.approx(logit, abs=1e-3)
    assert np.ptp(logits) > 0.5  # or all of this would say little


def test_the_configuration_describes_the_folder(config: dict, model_folder: Path, run: Path) -> None:
    assert (config["format_version"], config["architecture"]) == (3, "sequential-baseline")
    [network] = config["networks"]
    assert network == {
        "file": "model.tflite",
        "sha256": hashlib.sha256((model_folder / "model.tflite").read_bytes()).hexdigest(),
        "keras": "model.keras",
        "input_size": 64,
        "crop_margin": 1.4,
        "weight": 1.0,
    }
    assert config["data"]["train"] == {
        "portraits_and_blends": {
            "train": {"fake": 24, "real": 24, "broken": 0, "no_face": 0},
            "validation": {"fake": 12, "real": 12, "broken": 0, "no_face": 0},
        }
    }
    assert config["data"]["unseen"] == {}
    shares = config["calibration"].pop("shares")
    assert config["calibration"] == {**dataclasses.asdict(calibrate.Limits()), "seen": ["portraits_and_blends"]}
    kinds, verdicts = ("fake", "real"), ("no_signs", "leans_fake", "likely_fake")
    assert [*shares] == ["portraits_and_blends"]
    assert {*shares["portraits_and_blends"]} == {f"{kind}_{verdict}" for kind in kinds for verdict in verdicts}
    thresholds = config["thresholds"]
    assert 0 <= thresholds["no_signs_below"] <= 0.5 <= thresholds["likely_fake_from"] <= 1
    assert thresholds["no_signs_below"] <= thresholds["leans_fake_from"] <= thresholds["likely_fake_from"]
    assert config["temperature"] > 0
    assert -5 <= config["offset"] <= 5
    assert config["litert_against_keras"]["crops"] == 24
    assert 0 <= config["litert_against_keras"]["largest_difference"] <= 1e-3
    assert config["options"]["epochs"] == EPOCHS and config["seed"] == 3
    assert {"python", "tensorflow", "keras", "ai-edge-litert", "numpy"} <= set(config["versions"])
    assert re.fullmatch(r"[0-9a-f]{40}|None", str(config.get("git_commit")))  # none outside a checkout
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", config["date"])


def test_nothing_that_was_said_of_another_model_stays(measured_folder: Path, run: Path, tmp_path: Path) -> None:
    """Export into the folder of an older model."""
    folder = shutil.copytree(measured_folder, tmp_path / "model")
    for name in ("scores.csv.gz", "model-2.tflite", "model-2.keras", "model.onnx", "model-2.onnx"):
        (folder / name).write_bytes(b"old")
    assert command_line.main(["export", str(run), "--out", str(folder), "--max-false-positive-rate", "0.02"]) == 0
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert names == {"config.json", "metrics.json", "model.tflite", "model.keras"}
    model = store.load(folder)
    assert model.metrics.sets == () and model.curves.real.sets == ("portraits_and_blends",)


def test_an_older_folder_is_upgraded(measured_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(measured_folder, tmp_path / "model")
    newest = {name: (folder / name).read_bytes() for name in ("config.json", "metrics.json")}
    config, metrics = (json.loads(content) for content in newest.values())
    digest = config.pop("digest")
    assert metrics.pop("digest") == digest
    sha256 = config["networks"][0]["sha256"]
    (folder / "config.json").write_text(json.dumps(config | {"format_version": 2}))
    (folder / "metrics.json").write_text(json.dumps(metrics | {"format_version": 2, "model_sha256": sha256}))
    assert command_line.main(["upgrade", str(folder)]) == 0
    assert {name: json.loads((folder / name).read_bytes()) for name in newest} == {
        name: json.loads(content) for name, content in newest.items()
    }
    (folder / "metrics.json").write_text(json.dumps(metrics | {"format_version": 2, "model_sha256": "0"}))
    before = (folder / "config.json").read_bytes()
    assert command_line.main(["upgrade", str(folder)]) == 2
    assert (folder / "config.json").read_bytes() == before


def test_the_commands_in_the_configuration_make_the_run_again(config: dict) -> None:
    fit, made = config["commands"]
    assert made == "python -m training export RUNS/straight --out MODEL_FOLDER"
    assert fit.startswith("python -m training fit --data DATA/portraits_and_blends --architecture sequential-baseline")
    assert fit.endswith("--out RUNS/straight")
    assert f"--epochs {float(EPOCHS)}" in fit and "--corruptions blur noise" in fit and "--limit 600" in fit


def test_no_file_of_the_folder_names_a_path_of_this_machine(measured_folder: Path, small_set: Path) -> None:
    for name in ("config.json", "metrics.json", "README.md"):
        text = (measured_folder / name).read_text()
        for path in (measured_folder, small_set, ROOT, Path.home()):
            assert str(path.parent) not in text or str(path.parent) == "/"
        assert not re.search(r"(?<![\w.:/)])/(tmp|home|root|work|usr|var)/", text)


def test_the_way_to_a_run_is_told_from_its_first_run_on(tmp_path: Path) -> None:
    first = FitOptions(weights="none", epochs=3.0)
    second = FitOptions(weights=str(tmp_path / "first" / "best.keras"), epochs=1.0)
    third = FitOptions(weights=str(tmp_path / "second" / "best.keras"), learning_rate=1e-4)
    for name, options in (("first", first), ("second", second), ("third", third)):
        (tmp_path / name).mkdir()
        (tmp_path / name / OPTIONS).write_text(json.dumps(dataclasses.asdict(options)))
    assert record.commands(tmp_path / "third") == (
        "python -m training fit --weights none --epochs 3.0 --out RUNS/first",
        "python -m training fit --weights RUNS/first/best.keras --epochs 1.0 --out RUNS/second",
        "python -m training fit --weights RUNS/second/best.keras --learning-rate 0.0001 --out RUNS/third",
        "python -m training export RUNS/third --out MODEL_FOLDER",
    )
    both = record.commands(tmp_path / "third", " --weights 1 0.5 --wise-ft-alpha 0.5", [tmp_path / "second"])
    assert both == (
        *record.commands(tmp_path / "third")[:-1],
        "python -m training export RUNS/third --beside RUNS/second --weights 1 0.5 --wise-ft-alpha 0.5 "
        "--out MODEL_FOLDER",
    )


def test_the_way_goes_through_a_model_folder(run: Path, model_folder: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.mkdir()
    options = FitOptions(weights=str(model_folder / "model.keras"), epochs=1.0)
    (later / OPTIONS).write_text(json.dumps(dataclasses.asdict(options)))
    fitted, exported, again, last = record.commands(later)
    assert fitted.endswith(f"--out RUNS/{run.name}")
    assert exported == f"python -m training export RUNS/{run.name} --out RUNS/{model_folder.name}"
    assert (
        again == f"python -m training fit --weights RUNS/{model_folder.name}/model.keras --epochs 1.0 --out RUNS/later"
    )
    assert last == "python -m training export RUNS/later --out MODEL_FOLDER"


def test_an_interpolated_network_lies_between_start_and_end(
    run: Path, model_folder: Path, small_set: Path, tmp_path: Path
) -> None:
    later, between = tmp_path / "later", tmp_path / "between"
    between.mkdir()
    (between / "README.md").write_text("mine")  # beside no model, and so none of export's
    start = model_folder / "model.keras"
    read = json.loads((run / OPTIONS).read_text())
    options = FitOptions(**{**read, "data": tuple(read["data"]), "weights": str(start), "epochs": 0.5, "seed": 9})
    fit(options, later)
    export.export(later, between, ExportOptions(wise_ft_alpha=0.75))
    ends = [keras.saving.load_model(file, compile=False).get_weights() for file in (start, later / BEST)]
    weights = keras.saving.load_model(between / "model.keras", compile=False).get_weights()
    *layers, bias = zip(*ends, weights, strict=True)  # the offset goes into the last bias
    assert all(np.allclose(0.25 * a + 0.75 * b, c, atol=1e-6) for a, b, c in layers)
    assert any(not np.allclose(a, b, atol=1e-6) for a, b, _ in layers)
    assert np.isfinite(bias[2]).all()
    said = json.loads((between / "config.json").read_text())["commands"][-1]
    assert said == "python -m training export RUNS/later --wise-ft-alpha 0.75 --out MODEL_FOLDER"
    assert (between / "README.md").read_text() == "mine"


@pytest.mark.parametrize("alpha", [-0.1, 1.5, 0.5])
def test_a_run_from_random_weights_cannot_be_interpolated(run: Path, tmp_path: Path, alpha: float) -> None:
    with pytest.raises(
        TrainingError, match="--wise-ft-alpha is above 0 and below 1, for a run that began with weights"
    ):
        export.export(run, tmp_path / "out", ExportOptions(wise_ft_alpha=alpha))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("leave", [(), ("best.keras",), ("options.json",)])
def test_a_folder_without_a_finished_run_is_refused(
    run: Path, tmp_path: Path, leave: tuple[str, ...], capsys: pytest.CaptureFixture
) -> None:
    empty = tmp_path / "unfinished"
    empty.mkdir()
    for name in leave:
        shutil.copy(run / name, empty)
    with pytest.raises(TrainingError, match="unfinished holds no finished run: start one with python -m training fit"):
        export.export(empty, tmp_path / "out")
    assert command_line.main(["export", str(empty), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("unfinished holds no finished run")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--max-false-positive-rate", "1.5"], "A limit of the thresholds is a share from 0 to below 1."),
        (["--unseen", "{data}"], "stands in --data and in --unseen: a set is trained on or unseen, never both."),
        (["--beside", "{empty}"], "holds no finished run: start one with python -m training fit."),
        (["--beside", "{run}", "--weights", "1", "0"], "The weight of a network's logit must be a number above 0."),
    ],
)
def test_what_cannot_be_exported_leaves_no_folder_behind(
    run: Path, small_set: Path, tmp_path: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture
) -> None:
    words = [word.format(data=small_set, run=run, empty=tmp_path) for word in words]
    assert command_line.main(["export", str(run), "--out", str(tmp_path / "out"), *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(sentence)
    assert not (tmp_path / "out").exists()


def test_unseen_sets_fit_the_thresholds_and_are_measured_first(
    run: Path, small_set: Path, unseen_set: Path, tmp_path: Path
) -> None:
    """Of two networks, the second of which is the first with half the weight."""
    reals = write_parquet(tmp_path / "reals", {"validation": rows(0, 5, 400)})
    folder, limits = tmp_path / "model", calibrate.Limits(max_unseen_no_signs=0.3)
    options = ExportOptions((1.0, 0.5), unseen=(str(unseen_set), str(reals)))
    export.export(run, folder, options, limits, beside=[run])
    model = store.load(folder)
    assert [(n.file, n.weight) for n in model.config.networks] == [("model.tflite", 1.0), ("model-2.tflite", 0.5)]
    assert all((folder / name).is_file() for name in ("model-2.tflite", "model-2.keras"))
    unseen = model.config.data.unseen
    assert unseen["elsewhere"] == HeldOutSet(Counts(10, 24, 0, 0), (Generator("one"), Generator("two")))
    assert unseen["reals"].counts == Counts(0, 5, 0, 0)
    curves = model.curves  # on the sets that the thresholds are fitted on
    assert set(curves.real.sets) == {"elsewhere", "reals", "portraits_and_blends"}
    assert (curves.unseen.sets, curves.seen.sets) == (("elsewhere",), ("portraits_and_blends",))
    assert model.config.limits.unseen == ("elsewhere", "reals") and model.config.limits.max_unseen_no_signs == 0.3
    assert model.config.commands[-1] == (
        "python -m training export RUNS/straight --beside RUNS/straight --weights 1.0 0.5 --unseen DATA/elsewhere "
        "DATA/reals --max-unseen-no-signs 0.3 --out MODEL_FOLDER"
    )


def test_unseen_sets_come_first_generator_by_generator(
    model_folder: Path, small_set: Path, unseen_set: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    reals = write_parquet(tmp_path / "reals", {"validation": rows(0, 5, 400)})
    options = EvaluateOptions(
        (str(small_set),), ("test",), robustness=0, reencoding=0, unseen=(str(unseen_set), str(reals))
    )
    found = evaluate(folder, options)
    assert [(m.name, m.split, m.role) for m in found.sets] == [
        ("elsewhere", "validation", "unseen"),
        ("reals", "validation", "unseen"),
        ("portraits_and_blends", "test", "seen"),
    ]
    elsewhere, real, seen = found.sets
    assert found.curves.unseen.sets == ("elsewhere",) and found.curves.real.n == 24 + 5 + seen.clean.real
    assert found.curves.sets == curves_of(folder, found).sets  # those of the export were of fewer
    assert (elsewhere.clean.fake, elsewhere.clean.real, real.clean.real) == (10, 24, 5)
    assert elsewhere.clean.auc.n == 10 + 24 + 5  # against the real faces of all unseen sets
    assert seen.clean.auc.n == 12 and real.clean.auc is None
    parts = {part.generator.name: part.conditions["clean"] for part in elsewhere.by_generator}
    assert {name: (part.fake, part.real, part.auc.n) for name, part in parts.items()} == {
        "one": (4, 24, 33),
        "two": (6, 24, 35),
    }
    weighed = (4 * parts["one"].auc.value + 6 * parts["two"].auc.value) / 10
    assert elsewhere.clean.auc.value == pytest.approx(weighed, abs=2e-4)
    assert {(group.attribute, group.group, group.judged) for group in elsewhere.groups} == {
        ("sex", "female", 20),
        ("sex", "smaller groups", 4),
    }
    text = (folder / "README.md").read_text()
    assert text.index("never seen") < text.index("| one |") < text.index("| two |") < text.index("## All figures")
    assert "--unseen DATA/elsewhere DATA/reals" in found.command and str(tmp_path) not in text

    with (folder / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert len(scores) == 34 + 5 + 12 and {row["model_digest"] for row in scores} == {found.digest}
    split = face_cache.load(Source(str(unseen_set)), "validation")
    assert scores[0]["picture_sha256"] == hashlib.sha256(split.file(0)).hexdigest()
    said = [float(row["score"]) for row in scores if row["set"] == "elsewhere" and row["label"] == "real"]
    assert elsewhere.clean.false_positive_rate.value == pytest.approx(np.mean(np.array(said) >= 0.5), abs=1e-4)
    no_signs = [row["verdict"] == "no_signs" for row in scores if row["set"] == "elsewhere" and row["label"] == "fake"]
    assert elsewhere.clean.fake_no_signs.value == np.mean(no_signs)


def test_a_set_that_was_trained_on_is_not_measured_as_unseen(model_folder: Path, small_set: Path, tmp_path: Path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    other = write_parquet(tmp_path / "other", {"validation": rows(1, 1)})
    with pytest.raises(TrainingError, match="The model was trained on portraits_and_blends: name it in --data"):
        evaluate(folder, EvaluateOptions((str(other),), unseen=(str(small_set),)))


# ---- evaluate ----------------------------------------------------------------------------------------------------


def test_metrics_say_how_they_were_made(metrics: Metrics, config: dict) -> None:
    assert metrics.command == (
        "python -m training evaluate MODEL_FOLDER --data DATA/portraits_and_blends --limit 6 --robustness 1 "
        "--reencoding 1"
    )
    assert metrics.digest == config["digest"]
    assert metrics.versions == config["versions"]
    assert metrics.date and metrics.format_version == 3 and metrics.robustness


def test_how_rare_a_score_is_is_known_from_the_export_on(model_folder: Path, metrics: Metrics) -> None:
    assert metrics.curves is not None and metrics.curves == store.load(model_folder).curves


def test_every_split_is_measured_in_every_condition(metrics: Metrics) -> None:
    assert [measured.title for measured in metrics.sets] == SETS
    for measured in metrics.sets:
        assert tuple(measured.conditions) == CONDITIONS and measured.role == "seen"
        clean, small = measured.clean, measured.conditions["quarter_size_jpeg"]
        assert (clean.n, clean.judged, clean.fake, clean.real, clean.no_face) == (12, 12, 6, 6, 0.0)
        assert sum(dataclasses.astuple(clean.confusion)) == 12
        for name in ("auc", "accuracy", "false_positive_rate", "false_negative_rate", "ece", "abstention_rate"):
            figure = clean.figures[name]
            assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert small.n == 12  # pictures of 40 pixels: what was not found is counted
        assert small.judged == round(12 * (1 - small.no_face))
        assert measured.roc and measured.reliability


def test_figures_are_those_of_what_the_detector_says(metrics: Metrics, served: Detector, small_set: Path) -> None:
    split = face_cache.load(Source(str(small_set)), "test", limit=6)
    said = np.array([served.detect(split.file(index)).score for index in range(12)])
    confusion = metrics.sets[1].clean.confusion
    fake = split.labels > 0.5
    assert confusion.fake_as_fake == ((said >= 0.5) & fake).sum()
    assert confusion.real_as_fake == ((said >= 0.5) & ~fake).sum()


def test_robustness_is_measured_at_every_severity_of_every_alteration(metrics: Metrics) -> None:
    robustness = metrics.robustness
    assert (robustness.set, robustness.pictures) == (SETS[0], 2)
    assert list(robustness.corruptions) == list(corruptions.NAMES)
    for figures in robustness.corruptions.values():
        assert [row.severity for row in figures] == [1, 2, 3, 4, 5]
        assert all(0 <= row.judged <= 2 for row in figures)


def test_pictures_are_shared_up_to_six_times(metrics: Metrics) -> None:
    measured = metrics.reencoding
    assert (measured.sets, measured.pictures) == (("portraits_and_blends",), 2)
    assert tuple(measured.ladders) == reencoding.LADDERS
    for rounds in measured.ladders.values():
        assert [row.round for row in rounds] == list(range(7))
        assert all(row.measured.n == 2 for row in rounds)


@pytest.mark.parametrize("ladder", reencoding.LADDERS)
def test_a_round_goes_on_from_the_one_before(ladder: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1500, 3), np.uint8)
    sizes = [reencoding.shared(pixels, ladder, rounds, 3).shape for rounds in range(4)]
    assert sizes[0] == pixels.shape and all(
        b[0] <= a[0] and b[1] <= a[1] for a, b in zip(sizes, sizes[1:], strict=False)
    )
    once = reencoding.shared(pixels, ladder, 1, 3)
    assert np.array_equal(once, reencoding.shared(pixels, ladder, 1, 3)) and not np.array_equal(once, pixels)
    if ladder in reencoding.SHARINGS:
        assert max(once.shape) <= reencoding.SHARINGS[ladder].longest


def test_plots_are_pictures(measured_folder: Path) -> None:
    for name in ("roc.png", "reliability.png", "robustness.png", "reencoding.png"):
        with Image.open(measured_folder / "plots" / name) as plot:
            plot.load()
            assert plot.format == "PNG" and min(plot.size) > 300
            assert len(np.unique(np.asarray(plot.convert("L")))) > 10


def test_measuring_again_gives_the_same_and_keeps_what_was_not_measured(
    measured_folder: Path, metrics: Metrics, small_set: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(measured_folder, tmp_path / "copy")
    again = evaluate(folder, EvaluateOptions((str(small_set),), ("test",), limit=6, robustness=0, reencoding=0))
    assert again.sets == metrics.sets[1:]
    assert again.robustness == metrics.robustness and again.reencoding == metrics.reencoding  # of the same network
    assert again.command.endswith(
        "--data DATA/portraits_and_blends --splits test --limit 6 --robustness 0 --reencoding 0"
    )
    assert Metrics.from_dict(json.loads((folder / "metrics.json").read_text())) == again


def test_what_cannot_be_judged_is_counted(model_folder: Path, tmp_path: Path) -> None:
    """A source with broken and faceless pictures, with no validation and no test split of its own."""
    folder = shutil.copytree(model_folder, tmp_path / "model")
    odd = [("Real", f"{kind}.jpg", odd_file(kind)) for kind in (FACELESS, TRUNCATED)]
    source = write_parquet(tmp_path / "odd", {"train": [*rows(20, 18), *odd]})
    result = evaluate(folder, EvaluateOptions((str(source),), robustness=0, reencoding=0))
    [measured] = result.sets
    assert measured.title == "odd held out"
    conditions = dict(measured.conditions)
    assert conditions.pop("quarter_size_jpeg").n == 4  # quarter size leaves no face to judge
    for found in conditions.values():
        assert (found.n, found.judged, found.fake, found.real, found.no_face) == (4, 2, 2, 0, 0.5)
        assert found.auc is None
    assert measured.roc is None and measured.reliability == ()
    assert ModelCard.load(folder / "README.md").data.eval_results is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{model}", "--data", "{empty}"], "holds no pictures: check the name"),
        (["{model}/nothing", "--data", "{data}"], "There is no model folder called nothing"),
        (["{model}", "--data", "{data}:0"], "The weight of"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(
    model_folder: Path,
    small_set: Path,
    tmp_path: Path,
    words: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture,
) -> None:
    words = [word.format(model=model_folder, data=small_set, empty=tmp_path) for word in words]
    assert command_line.main(["evaluate", *words]) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_no_part_of_a_set_that_lost_its_splits_is_called_test(
    model_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    source = write_parquet(tmp_path / "whole", {"train": rows(2, 2)})
    with pytest.raises(TrainingError, match="No source has any of the splits to measure: look at --splits"):
        evaluate(folder, EvaluateOptions((str(source),), ("test",), robustness=0))
    assert "whole has no official test split: no part of it is called a test" in caplog.text
    assert "sets" not in json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("name", ["Hemg/deepfake-and-real-images", "hemg/Deepfake-and-Real-Images@1f2e3d"])
def test_a_copy_that_is_known_to_have_lost_its_splits_has_no_test(model_folder: Path, tmp_path: Path, name: str):
    """Though it may call a part of it so; and it holds the test pictures of the original."""
    with pytest.raises(TrainingError, match=f"{name} has lost the official splits of {DEFAULT_DATA}"):
        tables.split_in({"train": [], "test": []}, "test", Source(name))
    folder = shutil.copytree(model_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    [trained] = config["data"]["train"].values()
    (folder / "config.json").write_text(json.dumps({**config, "data": {"train": {name: trained}}}))
    with pytest.raises(TrainingError, match=f"trained on {name}, which holds the test pictures of {DEFAULT_DATA}@main"):
        evaluate(folder, EvaluateOptions((f"{DEFAULT_DATA}@main:2",)))


# ---- the card ----------------------------------------------------------------------------------------------------


def test_the_card_carries_the_metadata_that_the_hub_reads(card: ModelCard, measured_folder: Path) -> None:
    assert huggingface_hub.metadata_load(measured_folder / "README.md") == card.data.to_dict()
    assert card.data.license == "other" and card.data.license_name == "non-commercial-research"
    assert (card.data.library_name, card.data.pipeline_tag) == ("keras", "image-classification")
    assert {"deepfake-detection", "sequential-baseline"} <= set(card.data.tags)
    huggingface_hub.ModelCardData(**card.data.to_dict(), ignore_metadata_errors=False)


def test_the_card_carries_the_figures(card: ModelCard, metrics: Metrics) -> None:
    results = {(result.dataset_name, result.metric_type): result.metric_value for result in card.data.eval_results}
    assert results == {
        (measured.title, kind): measured.clean.figures[figure].value
        for measured in metrics.sets
        for kind, figure in (("roc_auc", "auc"), ("accuracy", "accuracy"))
    }
    assert metrics.command in card.text
    assert {result.dataset_split for result in card.data.eval_results} == {"validation", "test"}
    for measured in metrics.sets:
        figure = measured.clean.auc
        assert f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]" in card.text
        counts = " | ".join(str(count) for count in dataclasses.astuple(measured.clean.confusion))
        assert f"| {measured.title} | {counts} |" in card.text


def test_the_card_states_the_bands_the_data_and_how_to_make_it_again(card: ModelCard, config: dict) -> None:
    assert all(f"{threshold:.3f}" in card.text for threshold in config["thresholds"].values())
    assert "24 fake and 24 real faces to train" in card.text
    assert all(command in card.text for command in config["commands"])
    for heading in (
        "## Use",
        "## Generators and cameras that it has never seen",
        "## All figures",
        "## Training",
        "## Limits",
    ):
        assert heading in card.text


def test_the_pictures_of_the_card_are_there_and_its_tables_are_whole(card: ModelCard, measured_folder: Path) -> None:
    plots = re.findall(r"!\[[^]]*]\(([^)]+)\)", card.text)
    assert sorted(plots) == ["plots/reencoding.png", "plots/reliability.png", "plots/robustness.png", "plots/roc.png"]
    assert all((measured_folder / plot).is_file() for plot in plots)
    tables = re.findall(r"(?:^\|.*\|$\n?)+", card.text, re.MULTILINE)
    assert len(tables) == 8
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_model_folder_is_complete(measured_folder: Path) -> None:
    names = {store.MODEL, store.CONFIG, store.METRICS, store.CARD, store.KERAS, "plots", "scores.csv"}
    assert {entry.name for entry in measured_folder.iterdir()} == names
