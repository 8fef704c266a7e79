"""A run that is stopped and continued ends where a run without a stop ends; options, presets and logs of a run."""

import argparse
import dataclasses
import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from tests.support import ROOT
from tests.support.training_fixtures import (
    EPOCHS,
    FACELESS,
    FIT,
    STOP_AT_STEP_8,
    environment,
    odd_file,
    rows,
    write_parquet,
)
from training import __main__ as command_line
from training.checkpoint import BEST, OPTIONS, STATE, read_options
from training.data import face_cache
from training.data.crops import serving_crops
from training.data.sources import Source
from training.distributed import ALONE
from training.errors import TrainingError
from training.fit import fit
from training.options import ARCHITECTURES, PRESETS, FitOptions, add_arguments, from_arguments

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow


def tiny(folder: Path, **changes: object) -> FitOptions:
    plain = {"architecture": "sequential-baseline", "weights": "none", "input_size": 64, "batch_size": 8, "threads": 2}
    return FitOptions(data=(str(folder),), **{**plain, "corruptions": (), **changes})


def weights(file: Path) -> list[np.ndarray]:
    return keras.saving.load_model(file, compile=False, safe_mode=True).get_weights()


def state(folder: Path) -> dict:
    return json.loads((folder / STATE).read_text())


# ---- stopping and continuing -------------------------------------------------------------------------------------


def stop_in_the_middle(out: str, home: Path, cwd: Path, *words: object) -> tuple[int, str]:
    """Exit status and stderr of a `fit` that gets SIGTERM after its first checkpoint."""
    code = STOP_AT_STEP_8 + "import sys\nfrom training.__main__ import main\nsys.exit(main())"
    words = (sys.executable, "-c", code, "fit", *map(str, words), "--out", out)
    done = subprocess.run(words, env=environment(home), cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_stopped_run_continues_to_the_very_same_weights(
    run: Path, small_set: Path, caches: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status, said = stop_in_the_middle(
        "stopped", caches, tmp_path, "--preset", "laptop", "--data", small_set, *FIT, "--epochs", EPOCHS
    )
    out = tmp_path / "stopped"
    assert status == 130, said
    steps = re.fullmatch(r"Stopped at step (\d+) of (\d+): --resume continues from here\.", said.splitlines()[-1])
    assert steps, said
    assert int(steps[1]) == 8 and int(steps[2]) == 6 * EPOCHS
    assert state(out)["step"] == int(steps[1])
    assert "Traceback" not in said

    with caplog.at_level(logging.INFO, "training.fit"):
        assert command_line.main(["fit", "--out", str(out), "--resume"]) == 0
    assert f"continuing at step {steps[1]} of {steps[2]}" in caplog.text
    assert {file.name for file in out.glob("*.keras")} == {state(out)["weights"], BEST}
    for file in (state(out)["weights"], BEST):
        for stopped, straight in zip(weights(out / file), weights(run / file), strict=True):
            np.testing.assert_allclose(stopped, straight, rtol=1e-6, atol=1e-7)
    assert state(out) == state(run)


def test_a_folder_that_holds_a_run_is_left_alone_unless_it_is_to_be_continued(
    run: Path, small_set: Path, capsys: pytest.CaptureFixture
) -> None:
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    assert command_line.main(["fit", "--data", str(small_set), "--out", str(run)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "The folder already holds a run: add --resume to continue it, or give another --out."
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


def test_a_finished_run_has_nothing_to_continue(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    assert fit(FitOptions(), copy, resume=True) == copy / BEST
    assert all(
        (copy / name).read_bytes() == (run / name).read_bytes()
        for name in (state(run)["weights"], STATE, BEST, OPTIONS)
    )


# ---- a run -------------------------------------------------------------------------------------------------------


def test_a_run_learns_and_keeps_its_best(run: Path) -> None:
    history = state(run)["history"]
    assert [row["step"] for row in history] == [6 * epoch for epoch in range(1, EPOCHS + 1)]
    means = [row["mean_auc"] for row in history]
    assert state(run)["best"] == max(means) > 0.8
    assert state(run)["best_step"] == history[int(np.argmax(means))]["step"]
    assert {tuple(row["auc"]) for row in history} == {("portraits_and_blends",)}
    assert state(run)["done"]


def test_frozen_layers_stay_as_they_were(small_set: Path, run: Path, tmp_path: Path) -> None:
    options = tiny(small_set, weights=str(run / BEST), freeze_through="block0_pool", epochs=1.0, limit=8)
    fit(options, tmp_path / "later")
    before = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
    after = keras.saving.load_model(tmp_path / "later" / BEST, compile=False, safe_mode=True)
    pairs = list(zip(before.layers, after.layers, strict=True))
    same = [all(map(np.array_equal, old.get_weights(), new.get_weights())) for old, new in pairs]
    last = [layer.name for layer in after.layers].index("block0_pool")
    assert all(same[: last + 1]) and not all(same[last + 1 :])
    assert any(layer.get_weights() for layer in after.layers[: last + 1])


def test_an_unknown_layer_cannot_be_frozen(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="sequential-baseline has no layer called nothing"):
        fit(tiny(small_set, freeze_through="nothing", limit=8), tmp_path / "run")


def test_the_options_of_a_run_travel_with_it(run: Path, small_set: Path) -> None:
    assert read_options(run) == FitOptions(
        data=(str(small_set),),
        architecture="sequential-baseline",
        weights="none",
        input_size=64,
        corruptions=("blur", "noise"),
        ema_decay=0.9,  # over these few steps, 0.999 would keep the beginning
        epochs=float(EPOCHS),
        batch_size=8,
        learning_rate=0.01,
        patience=50,
        limit=600,  # of the preset
        seed=3,
        threads=2,
    )
    assert json.loads((run / OPTIONS).read_text())["limit"] == PRESETS["laptop"]["limit"]


def test_options_are_read_by_their_former_names(tmp_path: Path) -> None:
    former = {"averaging": 0.9, "frozen_until": "block2_add", "penalty": 3.0, "warm_up": 0.1}
    (tmp_path / OPTIONS).write_text(json.dumps(former))
    now = FitOptions(ema_decay=0.9, freeze_through="block2_add", l2=3.0, warmup_fraction=0.1)
    assert read_options(tmp_path) == now


def test_a_run_writes_what_tensorboard_reads(run: Path) -> None:
    [file] = (run / "tensorboard").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    steps: dict[str, list[int]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            steps.setdefault(value.tag, []).append(event.step)
    assert steps["train/loss"] == list(range(1, 6 * EPOCHS + 1))
    assert steps["validation/auc/portraits_and_blends"] == [6 * epoch for epoch in range(1, EPOCHS + 1)]
    assert steps["validation/accuracy/portraits_and_blends"] == steps["validation/auc/portraits_and_blends"]


def test_a_run_stops_early_after_so_many_validations_without_a_better_one(small_set: Path, tmp_path: Path) -> None:
    """With a learning rate of 0 only the statistics of the batches move, and what they better is luck."""
    options = tiny(small_set, learning_rate=0.0, patience=3, epochs=4.0, validations_per_epoch=3)
    assert fit(options, tmp_path / "run") == tmp_path / "run" / BEST
    after = state(tmp_path / "run")
    best = int(np.argmax([row["mean_auc"] for row in after["history"]]))
    last = 2 * (best + 1 + 3)
    assert [row["step"] for row in after["history"]] == list(range(2, last + 1, 2))
    assert (after["step"], after["best_step"], after["stale"], after["done"]) == (last, 2 * (best + 1), 3, True)
    assert last < 24  # of all steps


def test_a_run_goes_on_from_the_weights_of_another(run: Path, small_set: Path, tmp_path: Path) -> None:
    options = tiny(small_set, weights=str(run / BEST), learning_rate=0.0, epochs=0.2)
    last = fit(options, tmp_path / "second")
    before, after = (keras.saving.load_model(file, compile=False).trainable_weights for file in (run / BEST, last))
    for mine, yours in zip(after, before, strict=True):
        assert np.array_equal(mine, yours)
    network = keras.saving.load_model(last, compile=False, safe_mode=True)
    assert ALONE.predict(network, np.zeros((3, 64, 64, 3), np.uint8), 3, batch_size=2).shape == (3,)


# ---- what cannot be used -----------------------------------------------------------------------------------------


def test_unseen_sets_choose_the_checkpoint(small_set: Path, unseen_set: Path, tmp_path: Path) -> None:
    """By the AUC of their fakes against their real faces; the data's own validation pictures are only noted."""
    options = tiny(small_set, unseen=(str(unseen_set),), epochs=2.0)
    fit(options, tmp_path / "run")
    history = state(tmp_path / "run")["history"]
    assert len(history) == 2
    for row in history:
        assert set(row["unseen_auc"]) == {"elsewhere"} and set(row["auc"]) == {"portraits_and_blends"}
        assert row["mean_auc"] == row["unseen_auc"]["elsewhere"]
    assert state(tmp_path / "run")["best"] == max(row["mean_auc"] for row in history)
    assert read_options(tmp_path / "run").unseen == (str(unseen_set),)
    network = keras.saving.load_model(tmp_path / "run" / BEST, compile=False)
    split = face_cache.load(Source(str(unseen_set)), "validation")
    logits = ALONE.predict(network, serving_crops(split, options.size, options.margin)[0], len(split), 32)
    assert roc_auc_score(split.targets, logits) == pytest.approx(state(tmp_path / "run")["best"])


def test_a_set_that_is_trained_on_is_not_unseen(small_set: Path, tmp_path: Path) -> None:
    sentence = "portraits_and_blends stands in --data and in --unseen: a set is trained on or unseen, never both"
    with pytest.raises(TrainingError, match=sentence):
        fit(tiny(small_set, unseen=(f"{small_set}/../{small_set.name}",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unseen_sets_need_both_classes(small_set: Path, tmp_path: Path) -> None:
    reals = write_parquet(tmp_path / "reals", {"validation": rows(0, 3, 300)})
    with pytest.raises(TrainingError, match="The unseen sets need both real and fake faces"):
        fit(tiny(small_set, unseen=(str(reals),)), tmp_path / "run")


def test_sources_of_the_same_name_are_refused(tmp_path: Path) -> None:
    folders = [write_parquet(tmp_path / place / "faces", {"train": rows(1, 1)}) for place in ("here", "there")]
    with pytest.raises(TrainingError, match="Two sources have the same name"):
        fit(FitOptions(data=tuple(map(str, folders))), tmp_path / "run")


@pytest.mark.parametrize(("split", "sentence"), [("train", "train on in data"), ("validation", "validate on")])
def test_data_without_a_face_are_refused(tmp_path: Path, split: str, sentence: str) -> None:
    nobody = [(label, f"{label}.png", odd_file(FACELESS)) for label in ("Fake", "Real")]
    splits = {"train": rows(2, 2), "validation": rows(1, 1, 100), split: nobody}
    with pytest.raises(TrainingError, match=f"No face to {sentence}: look at the pictures"):
        fit(tiny(write_parquet(tmp_path / "data", splits)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---- options -----------------------------------------------------------------------------------------------------


def test_a_preset_sets_options_and_what_is_given_wins() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    def options(*words: str) -> FitOptions:
        return from_arguments(parser.parse_args(words))

    assert options() == options("--preset", "default") == FitOptions()
    quick = FitOptions(input_size=128, limit=600, epochs=7.0, validations_per_epoch=1)
    assert options("--preset", "laptop", "--epochs", "7") == quick


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_size_is_the_architectures_own_unless_it_is_given(name: str) -> None:
    assert FitOptions(architecture=name).size == ARCHITECTURES[name]
    assert FitOptions(architecture=name, input_size=72).size == 72


def test_the_command_of_a_run_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    options = FitOptions(
        data=("owner/name@v1", f"{tmp_path / 'faces'}:2.5"),
        weights=str(tmp_path / "first" / "best.keras"),
        corruptions=("blur", "fog"),
        epochs=0.5,
    )
    assert options.command("second") == (
        "python -m training fit --data owner/name@v1 DATA/faces:2.5 --weights RUNS/first/best.keras "
        "--corruptions blur fog --epochs 0.5 --out RUNS/second"
    )
    assert FitOptions().command("one") == "python -m training fit --out RUNS/one"
    assert FitOptions(corruptions=()).command("one") == "python -m training fit --corruptions --out RUNS/one"
    assert FitOptions(streaming=True).command("one") == "python -m training fit --streaming --out RUNS/one"


HELP = """
import contextlib, io, json, sys
from training.__main__ import main
said = {}
for words in ([], ["fit"], ["export"], ["evaluate"]):
    with contextlib.redirect_stdout(io.StringIO()) as page, contextlib.suppress(SystemExit):
        main([*words, "--help"])
    said[" ".join(words)] = page.getvalue()
print(json.dumps([said, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def help_pages(caches: Path) -> tuple[dict[str, str], set[str]]:
    """What --help says on a terminal so wide that no line is broken, and the modules that were imported to say it."""
    wide = environment(caches, COLUMNS="4000")
    done = subprocess.run([sys.executable, "-c", HELP], env=wide, cwd=ROOT, capture_output=True, text=True, check=True)
    pages, modules = json.loads(done.stdout)
    return pages, set(modules)


def test_help_needs_no_tensorflow(help_pages: tuple[dict[str, str], set[str]]) -> None:
    assert not {"tensorflow", "keras", "datasets", "grain"} & help_pages[1]


def test_help_lists_every_option_of_fit_with_its_default_and_its_reason(
    help_pages: tuple[dict[str, str], set[str]],
) -> None:
    page = " ".join(help_pages[0]["fit"].split())
    for option in dataclasses.fields(FitOptions):
        name, default = option.name.replace("_", "-"), option.default
        shown = " ".join(default) if isinstance(default, tuple) else "all" if default is None else default
        words = rf" --{name} [A-Z0-9_ .\[\]]+ {re.escape(option.metadata['help'])} \(default: {re.escape(str(shown))}\)"
        if default == ():
            words = words.partition(r" \(default")[0]
        if isinstance(default, bool):  # a switch
            words = rf" --{name}{f', --no-{name}' if default else ''} {re.escape(option.metadata['help'])}"
        assert re.search(words, page), name
    for name in ("--out OUT", "--resume", "--cache CACHE", "--preset"):
        assert f" {name}" in page
    assert all(f"{preset}:" in page for preset in PRESETS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ["fit", "export", "evaluate"]),
        ("export", ["RUN", "--out", "--beside", "--weights", "(default: 1 each)", "--fusion",
         "(default: sum each)", "--unseen", "--max-unseen-no-signs",
                    "(default: 0.2)", "--max-false-positive-rate", "--max-seen-no-signs", "(default: 0.01)",
                    "--cache", "(default: beside the data)"]),
        ("evaluate", ["MODEL_FOLDER", "--data", "--splits", "(default: validation test)", "--limit", "(default: all)",
                      "--streaming", "--unseen", "--reencoding", "(default: 25)", "--robustness",
                      "(default: 100)", "--workers", "(default: one a core)",
                      "--cache"]),
    ],
)  # fmt: skip
def test_help_lists_the_options_of_the_other_commands(
    help_pages: tuple[dict[str, str], set[str]], name: str, expected: list[str]
) -> None:
    page = help_pages[0][name]
    assert [word for word in expected if word not in page] == []
    assert "default: None" not in page


@pytest.mark.parametrize(
    "words",
    [
        ["fit"],
        ["fit", "--out", "run", "--architecture", "resnet-9000"],
        ["fit", "--out", "run", "--corruptions", "glitter"],
        ["fit", "--out", "run", "--preset", "supercomputer"],
        ["evaluate", "folder"],
        ["frobnicate"],
    ],
)
def test_words_that_mean_nothing_are_refused(words: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(words)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err
