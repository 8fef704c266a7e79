"""A copy of the bundled folder, with one fault at a time."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from detector import Detector, ModelError
from detector.model_folder.store import BUNDLED, CONFIG, FORMAT_VERSION, METRICS, MODEL, load


@pytest.fixture
def model(tmp_path) -> Path:
    """The least that a model folder holds."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name in (MODEL, CONFIG):
        shutil.copyfile(BUNDLED / name, folder / name)
    return folder


def configure(folder: Path, **changes: object) -> None:
    """A value of ... takes the entry away."""
    config = {**json.loads((folder / CONFIG).read_text("utf-8")), **changes}
    (folder / CONFIG).write_text(json.dumps({k: v for k, v in config.items() if v is not ...}), "utf-8")


def refusal(folder: object, start=load) -> str:
    with pytest.raises(ModelError) as caught:
        start(folder)
    sentence = str(caught.value)
    assert sentence.endswith(".") and ":" in sentence, "what was wrong: what to do"
    assert "/" not in sentence and "\\" not in sentence
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return sentence


# --- Sound folders ---------------------------------------------------------------------------------------------------


def test_the_bundled_model_is_sound():
    folder = load()
    config = json.loads((BUNDLED / CONFIG).read_text("utf-8"))
    assert (folder.info.source, folder.info.repo, folder.info.revision) == ("bundled", None, None)
    assert folder.info.sha256 == config["sha256"] == hashlib.sha256(folder.model).hexdigest()
    assert folder.info.architecture == config["architecture"]
    assert (folder.input_size, folder.margin) == (config["input_size"], config["crop_margin"])
    assert folder.calibration.temperature == config["temperature"]
    assert folder.calibration.real_below == config["bands"]["real_below"]
    assert folder.calibration.fake_above == config["bands"]["fake_above"]
    assert folder.config == config


def test_a_copy_is_the_same_model_from_a_folder(model):
    folder = load(model)
    assert folder.model == load().model and folder.info.source == "folder"
    assert load(str(model)).info == folder.info


def test_metrics_may_be_missing(model):
    assert load(model).metrics == {}


def test_metrics_are_read(model):
    (model / METRICS).write_text('{"auc": 0.5}')
    assert load(model).metrics == {"auc": 0.5}


def test_what_else_lies_in_the_folder_does_not_matter(model):
    configure(model, something_new={"of": ["a", "later"]})
    (model / "model.keras").write_bytes(b"not read")
    (model / "evil.pkl").write_bytes(b"not read")
    assert load(model).config["something_new"] == {"of": ["a", "later"]}


def test_the_name_of_a_folder_may_be_relative(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert load("my-model").info == load(model).info


def test_the_numbers_of_the_configuration_are_used(model):
    configure(model, temperature=3.5, crop_margin=1.75, bands={"real_below": 0.25, "fake_above": 0.75})
    folder = load(model)
    assert (folder.calibration.temperature, folder.margin) == (3.5, 1.75)
    assert (folder.calibration.real_below, folder.calibration.fake_above) == (0.25, 0.75)


# --- Faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gone", "x" * 300, "with\0nothing"])
def test_a_missing_folder(tmp_path, name):
    expected = f"There is no model folder called {name}: give the folder that holds model.tflite."
    assert refusal(tmp_path / name) == refusal(str(tmp_path / name)) == expected


def test_a_file_instead_of_a_folder(model):
    assert refusal(model / MODEL).startswith("There is no model folder called model.tflite:")


@pytest.mark.parametrize("name", [MODEL, CONFIG])
def test_a_missing_file(model, name):
    (model / name).unlink()
    assert refusal(model) == f"The model folder has no {name}: copy or download the whole folder."


@pytest.mark.parametrize("name", [MODEL, CONFIG, METRICS])
def test_a_folder_instead_of_a_file(model, name):
    (model / name).unlink(missing_ok=True)
    (model / name).mkdir()
    assert refusal(model) == f"The model's {name} could not be read: check that you may open it."


def test_a_truncated_model(model):
    os.truncate(model / MODEL, 100_000)
    assert refusal(model).startswith("model.tflite is not the file that config.json was written for:")


def test_an_empty_model(model):
    os.truncate(model / MODEL, 0)
    assert refusal(model).startswith("model.tflite is not the file that config.json was written for:")


def test_one_flipped_bit(model):
    content = bytearray((model / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (model / MODEL).write_bytes(content)
    assert refusal(model).startswith("model.tflite is not the file that config.json was written for:")


@pytest.mark.parametrize("digest", ["", "0" * 64, None, 7, []])
def test_another_hash(model, digest):
    configure(model, sha256=digest)
    assert refusal(model).startswith("model.tflite is not the file that config.json was written for:")


def test_another_model_with_its_hash(model):
    """The face finder is a network, but not this one."""
    other = (BUNDLED.parent / "finder" / "blazeface_back.tflite").read_bytes()
    (model / MODEL).write_bytes(other)
    configure(model, sha256=hashlib.sha256(other).hexdigest())
    assert refusal(model, Detector.load) == (
        "The network's input is not the size that config.json says: export the model again."
    )


@pytest.mark.parametrize("content", [b"", b"no network at all", bytes(100_000)])
def test_no_network_with_its_hash(model, content):
    (model / MODEL).write_bytes(content)
    configure(model, sha256=hashlib.sha256(content).hexdigest())
    assert refusal(model, Detector.load) == ("model.tflite is no network that LiteRT can run: export the model again.")


def test_a_configuration_that_lies_about_the_input(model):
    configure(model, input_size=load().input_size + 32)
    assert refusal(model, Detector.load) == (
        "The network's input is not the size that config.json says: export the model again."
    )


def test_a_newer_format(model):
    configure(model, format_version=FORMAT_VERSION + 1)
    assert refusal(model) == (
        f"The model is of format {FORMAT_VERSION + 1}, newer than this detector reads ({FORMAT_VERSION}): "
        "update the detector, or take an older revision of the model."
    )


def test_a_newer_format_is_named_before_anything_else_is_asked_for(model):
    (model / CONFIG).write_text(json.dumps({"format_version": 99}))
    (model / MODEL).unlink()
    assert refusal(model).startswith("The model is of format 99, newer")


@pytest.mark.parametrize("version", [..., None, "1", 0, -1, 1.5, [], {}])
def test_no_format(model, version):
    configure(model, format_version=version)
    assert refusal(model) == "The model's config.json names no format version: export the model again."


@pytest.mark.parametrize("name", ["input_size", "crop_margin", "bands", "temperature"])
@pytest.mark.parametrize("value", [..., None, "many words", []])
def test_an_entry_that_is_missing_or_of_another_kind(model, name, value):
    configure(model, **{name: value})
    assert refusal(model).startswith("The model's config.json is incomplete or wrong (")


@pytest.mark.parametrize("name", ["sha256", "architecture"])
def test_an_entry_that_is_missing(model, name):
    configure(model, **{name: ...})
    assert refusal(model) == f"The model's config.json is incomplete or wrong ('{name}'): export the model again."


@pytest.mark.parametrize(
    "bands",
    [
        {"real_below": 0.9, "fake_above": 0.1},
        {"real_below": -0.5, "fake_above": 0.5},
        {"real_below": 0.5, "fake_above": 1.5},
        {"real_below": float("nan"), "fake_above": 0.5},
        {"real_below": 0.5},
        {"real_below": None, "fake_above": 0.5},
        [0.1, 0.9],
    ],
)
def test_bands_that_cannot_be(model, bands):
    configure(model, bands=bands)
    assert refusal(model).startswith("The model's config.json is incomplete or wrong (")


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400])
def test_a_temperature_that_cannot_be(model, value):
    configure(model, temperature=value)
    assert refusal(model).startswith("The model's config.json is incomplete or wrong (")


@pytest.mark.parametrize("value", [0, 31, 1025, -224, 10**12, float("nan"), float("inf"), 10**400])
def test_an_input_size_that_cannot_be(model, value):
    configure(model, input_size=value)
    assert refusal(model).startswith(
        ("The input size or crop margin", "The model's config.json is incomplete or wrong (")
    )


@pytest.mark.parametrize("value", [0, -1, 0.1, 1e9, float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_margin_that_cannot_be(model, value):
    configure(model, crop_margin=value)
    assert refusal(model).startswith(
        ("The input size or crop margin", "The model's config.json is incomplete or wrong (")
    )


@pytest.mark.parametrize("name", [CONFIG, METRICS])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"[1, 2]", b"null", b'"text"', b"7", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5000],
    ids=lambda content: repr(content[:8]),
)
def test_no_json_object(model, name, content):
    (model / name).write_bytes(content)
    assert refusal(model) == f"The model's {name} is damaged: copy or download the folder again."


@pytest.mark.parametrize("name", [CONFIG, METRICS])
def test_a_huge_file(model, name):
    (model / name).write_bytes(b" " * 1_000_001)
    assert refusal(model) == f"The model's {name} is larger than any model should be: it was not loaded."


def test_a_huge_model(model):
    os.truncate(model / MODEL, 500_000_001)  # a hole, no disk
    assert refusal(model) == "The model's model.tflite is larger than any model should be: it was not loaded."
