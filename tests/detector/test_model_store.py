"""A copy of the bundled folder, with one fault at a time."""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from detector import Detector, ModelError
from detector.face_detector import MODEL as FINDER
from detector.model_folder import (
    BUNDLED,
    CONFIG,
    FORMAT_VERSION,
    METRICS,
    MODEL,
    Figure,
    Generator,
    GeneratorFigures,
    Measured,
    MeasuredSet,
    Metrics,
    load,
    no_signs_shares,
)
from detector.verdict import Calibration, Tail
from tests.support.model_config import signed


@pytest.fixture
def model(tmp_path) -> Path:
    """The least that a model folder holds: one network, and a configuration of the newest version."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    shutil.copyfile(BUNDLED / MODEL, folder / MODEL)
    config = load().config
    config = dataclasses.replace(config, networks=(dataclasses.replace(config.networks[0], weight=1.0),))
    (folder / CONFIG).write_text(json.dumps(config.to_dict()), "utf-8")
    return folder


def configure(folder: Path, network: dict[str, object] | None = None, **changes: object) -> None:
    """Entries of the configuration, and those of its only `network`. A value of ... takes the entry away. The digest is
    what it should be then, unless it is among them."""
    config = {**json.loads((folder / CONFIG).read_text("utf-8")), **changes}
    if network:
        [before] = config["networks"]
        config["networks"] = [{k: v for k, v in {**before, **network}.items() if v is not ...}]
    (folder / CONFIG).write_text(json.dumps(signed({k: v for k, v in config.items() if v is not ...})), "utf-8")


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
    assert (folder.info.source, folder.info.repo, folder.info.revision) == ("bundled", None, None)
    assert folder.info.digest == folder.config.digest and folder.info.architecture == folder.config.architecture
    for network, config in zip(folder.networks, folder.config.networks, strict=True):
        assert network.config == config and config.sha256 == hashlib.sha256(network.model).hexdigest()
        assert network.model == (BUNDLED / config.file).read_bytes()
    assert folder.calibration == folder.config.calibration
    assert folder.metrics is not None and folder.metrics.digest == folder.info.digest


def test_a_copy_is_the_same_model_from_a_folder(model):
    folder = load(model)
    assert folder.networks[0].model == load().networks[0].model and folder.info.source == "folder"
    assert load(str(model)).info == folder.info


def test_metrics_may_be_missing(model):
    assert load(model).metrics is None


def measured(folder: Path, **changes: object) -> None:
    """Figures beside the model, said to be its own unless the changes say otherwise."""
    (folder / METRICS).unlink(missing_ok=True)
    metrics = dataclasses.replace(load().metrics, digest=load(folder).info.digest).to_dict()
    (folder / METRICS).write_text(json.dumps({k: v for k, v in {**metrics, **changes}.items() if v is not ...}))


def test_metrics_are_read(model):
    measured(model)
    assert load(model).metrics == dataclasses.replace(load().metrics, digest=load(model).info.digest)


def test_a_table_that_metrics_once_had_is_passed_over(model):
    measured(model, ablations=[{"name": "all choices", "command": "python -m training fit", "sets": {}}])
    assert load(model).metrics.sets == load().metrics.sets


def test_metrics_of_another_model_are_refused(model):
    refused = "metrics.json was measured on another model: delete it, then run python -m training evaluate."
    for digest in (load().info.digest, load(model).config.networks_sha256, ""):
        measured(model, digest=digest)
        assert refusal(model).endswith(refused)
    measured(model)
    configure(model, thresholds={"no_signs_below": 0.25, "likely_fake_from": 0.75})
    assert refusal(model).endswith(refused)


def test_metrics_of_an_older_format_belong_to_their_networks(model):
    sha256 = load(model).config.networks_sha256
    for named in (sha256, ...):
        measured(model, format_version=2, digest=..., model_sha256=named)
        assert load(model).metrics.digest == load(model).info.digest
    measured(model, format_version=2, digest=..., model_sha256="0" * 64)
    assert "measured on another model" in refusal(model)


def test_the_digest_stands_for_all_that_a_verdict_depends_on(model):
    config = load(model).config
    [network] = config.networks
    other = [
        {"networks": (dataclasses.replace(network, **change),)}
        for change in ({"sha256": "0" * 64}, {"input_size": 224}, {"crop_margin": 1.5}, {"weight": 1.5})
    ]
    other += [{"networks": (network, network)}, {"face_detector": "another"}]
    other += [
        {"calibration": dataclasses.replace(config.calibration, **change)}
        for change in (
            {"temperature": 1.0},
            {"no_signs_below": 0.01},
            {"likely_fake_from": 1.0},
            {"tail": Tail(0.5, 0.5, 0.0)},
        )
    ]
    digests = [config.digest, *(dataclasses.replace(config, **change).digest for change in other)]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)
    renamed = dataclasses.replace(network, file="new.tflite", keras=None, weight=1)
    assert dataclasses.replace(config, networks=(renamed,), date="today", seed=9).digest == config.digest


@pytest.mark.parametrize("digest", ["", "0" * 64, None, 7, ...])
def test_another_digest(model, digest):
    content = json.loads((model / CONFIG).read_text())
    content = {k: v for k, v in {**content, "digest": digest}.items() if v is not ...}
    (model / CONFIG).write_text(json.dumps(content))
    assert refusal(model).startswith("The model's config.json is ")


def test_a_number_that_was_changed_by_hand(model):
    content = json.loads((model / CONFIG).read_text())
    content["thresholds"]["likely_fake_from"] = 0.99
    (model / CONFIG).write_text(json.dumps(content))
    assert refusal(model) == (
        "The model's config.json is not as it was written: copy or download the folder again, or export it."
    )


def test_version_2_has_no_digest(model):
    content = json.loads((model / CONFIG).read_text())
    named = content.pop("digest")
    (model / CONFIG).write_text(json.dumps(content | {"format_version": 2}))
    folder = load(model)
    assert folder.info.digest == named and folder.config.format_version == 2
    assert folder.config.to_dict()["digest"] == named


def test_what_else_lies_in_the_folder_does_not_matter(model):
    before = load(model)
    (model / "model.keras").write_bytes(b"not read")
    (model / "evil.pkl").write_bytes(b"not read")
    assert load(model) == before


def test_two_networks_in_one_folder(model):
    """The second has a file of its own, or the same with another crop."""
    shutil.copyfile(model / MODEL, model / "model-2.tflite")
    with (model / "model-2.tflite").open("ab") as stream:
        stream.write(b"another")
    [first] = json.loads((model / CONFIG).read_text())["networks"]
    digest = hashlib.sha256((model / "model-2.tflite").read_bytes()).hexdigest()
    second = {**first, "file": "model-2.tflite", "sha256": digest, "crop_margin": 2.6, "weight": 0.5}
    configure(model, networks=[first, second])
    folder = load(model)
    assert [network.config.file for network in folder.networks] == [MODEL, "model-2.tflite"]
    assert folder.networks[1].model.endswith(b"another") and folder.config.networks[1].weight == 0.5
    both = hashlib.sha256((first["sha256"] + digest).encode()).hexdigest()
    assert folder.config.networks_sha256 == both
    configure(model, networks=[first, {**first, "crop_margin": 2.6}])
    assert load(model).config.networks_sha256 == first["sha256"]
    (model / "model-2.tflite").unlink()
    configure(model, networks=[first, second])
    assert refusal(model) == "The model folder has no model-2.tflite: copy or download the whole folder."


def test_the_name_of_a_folder_may_be_relative(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    assert load("my-model").info == load(model).info


def test_the_numbers_of_the_configuration_are_used(model):
    thresholds = {"no_signs_below": 0.25, "likely_fake_from": 0.75}
    configure(model, {"crop_margin": 1.75}, temperature=3.5, thresholds=thresholds)
    folder = load(model)
    assert folder.calibration == Calibration(3.5, 0.25, 0.75)
    assert folder.networks[0].config.crop_margin == 1.75


def test_the_tail_is_kept_and_a_folder_without_one_is_read(model):
    tail = Tail(0.5, 0.75, -0.25)
    config = load(model).config
    config = dataclasses.replace(config, calibration=dataclasses.replace(config.calibration, tail=None))
    assert "tail" not in config.to_dict()["thresholds"]
    (model / CONFIG).write_text(json.dumps(config.to_dict()))
    assert load(model).calibration.tail is None
    with_tail = dataclasses.replace(config, calibration=dataclasses.replace(config.calibration, tail=tail))
    (model / CONFIG).write_text(json.dumps(with_tail.to_dict()))
    assert load(model).calibration == with_tail.calibration
    assert load(model).calibration.among(9).likely_fake_from != config.calibration.among(9).likely_fake_from


# --- Faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gone", "x" * 300, "with\0nothing"])
def test_a_missing_folder(tmp_path, name):
    shown = name.replace("\0", "\N{REPLACEMENT CHARACTER}")
    expected = f"There is no model folder called {shown}: give the folder that holds model.tflite."
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
    assert refusal(model).startswith("model.tflite does not match its checksum in config.json:")


def test_an_empty_model(model):
    os.truncate(model / MODEL, 0)
    assert refusal(model).startswith("model.tflite does not match its checksum in config.json:")


def test_one_flipped_bit(model):
    content = bytearray((model / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (model / MODEL).write_bytes(content)
    assert refusal(model).startswith("model.tflite does not match its checksum in config.json:")


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_another_hash(model, digest):
    configure(model, {"sha256": digest})
    assert refusal(model).startswith("model.tflite does not match its checksum in config.json:")


def test_another_model_with_its_hash(model):
    """The face detector is a network, but not this one."""
    other = FINDER.read_bytes()
    (model / MODEL).write_bytes(other)
    configure(model, {"sha256": hashlib.sha256(other).hexdigest()})
    assert refusal(model, Detector.load) == (
        "The network's input is not the size that config.json says: export the model again."
    )


@pytest.mark.parametrize("content", [b"", b"no network at all", bytes(100_000)])
def test_no_network_with_its_hash(model, content):
    (model / MODEL).write_bytes(content)
    configure(model, {"sha256": hashlib.sha256(content).hexdigest()})
    assert refusal(model, Detector.load) == (
        "model.tflite is not a network that LiteRT can run: export the model again."
    )


def test_a_configuration_that_lies_about_the_input(model):
    configure(model, {"input_size": load().config.networks[0].input_size + 32})
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


def test_a_format_that_was_never_published(model):
    configure(model, format_version=1)
    assert refusal(model) == ("The model's config.json is of format 1, older than can be read: export the model again.")


@pytest.mark.parametrize("version", [1, ...])
def test_figures_of_no_format_that_was_published(model, version):
    measured(model, format_version=version)
    assert refusal(model).startswith("The model's metrics.json ")


_WRONG = "The model's config.json is incomplete or wrong ("


@pytest.mark.parametrize("name", ["thresholds", "temperature", "networks", "architecture", "data"])
@pytest.mark.parametrize("value", [None, 7.5, "many words", [1]])
def test_an_entry_of_another_kind(model, name, value):
    if (name, type(value)) not in {("temperature", float), ("architecture", str)}:
        configure(model, **{name: value})
        assert refusal(model).startswith(_WRONG)


@pytest.mark.parametrize("name", ["thresholds", "temperature", "networks", "architecture"])
def test_an_entry_that_is_missing(model, name):
    configure(model, **{name: ...})
    assert refusal(model) == f"{_WRONG}{name} is missing): export the model again."


@pytest.mark.parametrize("name", ["file", "sha256", "input_size", "crop_margin"])
@pytest.mark.parametrize("value", [..., None, []])
def test_an_entry_of_a_network_that_is_missing_or_of_another_kind(model, name, value):
    configure(model, {name: value})
    assert refusal(model).startswith(_WRONG)


def test_an_unknown_name_is_told(model):
    configure(model, treshold=0.5)
    assert refusal(model) == f"{_WRONG}treshold is unknown): export the model again."
    configure(model, {"margin": 1.4}, treshold=...)
    assert refusal(model) == f"{_WRONG}margin is unknown): export the model again."


@pytest.mark.parametrize("fusions", [[], 4 * ["sum"], ["max"], ["sum", "max", "sum"], ["sum", "mean"]])
def test_networks_that_cannot_be_fused(model, fusions):
    [first] = json.loads((model / CONFIG).read_text())["networks"]
    configure(model, networks=[{**first, "fusion": fusion} for fusion in fusions])
    assert refusal(model).startswith(_WRONG)


def test_how_a_network_is_fused_belongs_to_the_model(model):
    """A fusion by sum, which older folders do not name, leaves the digest as it was."""
    before = load(model).info.digest
    [first] = json.loads((model / CONFIG).read_text())["networks"]
    configure(model, networks=[first, {**first, "weight": 0.5, "fusion": "sum"}])
    summed = load(model).info.digest
    configure(model, networks=[first, {**first, "weight": 0.5}])
    assert load(model).info.digest == summed != before
    assert [set(one) & {"fusion"} for one in load(model).config.to_dict()["networks"]] == [set(), set()]
    configure(model, networks=[first, {**first, "weight": 0.5, "fusion": "max"}])
    assert load(model).info.digest not in (before, summed)
    assert load(model).config.to_dict()["networks"][1]["fusion"] == "max"


@pytest.mark.parametrize("name", ["", "../model.tflite", "/etc/passwd", ".hidden", "a\\b", "with\0nothing", "c:model"])
def test_a_network_outside_the_folder(model, name):
    configure(model, {"file": name})
    assert refusal(model).startswith(_WRONG)


@pytest.mark.parametrize(
    "thresholds",
    [
        {"no_signs_below": 0.9, "likely_fake_from": 0.1},
        {"no_signs_below": -0.5, "likely_fake_from": 0.5},
        {"no_signs_below": 0.5, "likely_fake_from": 1.5},
        {"no_signs_below": float("nan"), "likely_fake_from": 0.5},
        {"no_signs_below": 0.5},
        {"no_signs_below": None, "likely_fake_from": 0.5},
        {"no_signs_below": 0.1, "likely_fake_from": 0.5, "real_below": 0.1},
        [0.1, 0.9],
    ],
)
def test_thresholds_that_cannot_be(model, thresholds):
    configure(model, thresholds=thresholds)
    assert refusal(model).startswith(_WRONG)


@pytest.mark.parametrize("limit", [-0.1, 1.5, float("nan"), "a fifth", None])
def test_limits_that_cannot_be(model, limit):
    words = {"max_unseen_no_signs": 0.2, "max_false_positive_rate": limit, "max_seen_no_signs": 0.01}
    configure(model, calibration=words)
    assert refusal(model).startswith(_WRONG)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400])
def test_a_temperature_that_cannot_be(model, value):
    configure(model, temperature=value)
    assert refusal(model).startswith("The model's config.json is incomplete or wrong (")


@pytest.mark.parametrize("value", [0, 31, 1025, -224, 10**12, float("nan"), float("inf"), 10**400])
def test_an_input_size_that_cannot_be(model, value):
    configure(model, {"input_size": value})
    assert refusal(model).startswith(_WRONG)


@pytest.mark.parametrize("value", [0, -1, 0.1, 1e9, float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_margin_that_cannot_be(model, value):
    configure(model, {"crop_margin": value})
    assert refusal(model).startswith(_WRONG)


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


@pytest.mark.slow
def test_a_huge_model(model):
    os.truncate(model / MODEL, 500_000_001)  # a hole, no disk
    assert refusal(model) == "The model's model.tflite is larger than any model should be: it was not loaded."


# --- metrics.json ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("clean", "auc", "value"), 1.5, "a share is not within 0 and 1"),
        (("clean", "auc", "low"), float("nan"), "a share is not within 0 and 1"),
        (("clean", "auc", "n"), -1, "a count is below 0"),
        (("clean", "auc", "error"), 0.1, "error is unknown"),
        (("clean", "n"), "many", "sets.conditions.n is of the wrong kind"),
        (("web",), {"n": 0, "judged": 0, "fake": 0, "real": 0}, "web is no condition"),
    ],
)
def test_figures_that_cannot_be(model, place, value, why):
    metrics = load().metrics.to_dict()
    part = metrics["sets"][0]["conditions"]
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    (model / METRICS).write_text(json.dumps(metrics))
    assert refusal(model).startswith(f"The model's metrics.json is incomplete or wrong ({why}")


def test_a_set_without_clean_pictures(model):
    metrics = load().metrics.to_dict()
    del metrics["sets"][0]["conditions"]["clean"]
    (model / METRICS).write_text(json.dumps(metrics))
    assert "a measured set lacks its clean pictures" in refusal(model)


# --- What is said beside a verdict -----------------------------------------------------------------------------------


def _measured(fake_no_signs: float | None, real_no_signs: float | None = None) -> Measured:
    figures = {"fake_no_signs": fake_no_signs, "real_no_signs": real_no_signs}
    figures = {name: Figure(value, 0.0, 1.0, 50) for name, value in figures.items() if value is not None}
    return Measured(50, 50, 25, 25, **figures)


def _set(name: str, split: str, role: str, measured: Measured, *generators: Generator, **more: object) -> MeasuredSet:
    return MeasuredSet(name, split, role, {"clean": measured}, generators, **more)


def test_the_two_shares_beside_no_signs_count_every_set_alike():
    diffusion, swaps = Generator("Stable Diffusion 3", 2024), Generator("inswapper_128", 2023)
    one, two = Generator("one"), Generator("two", 2025)
    parts = tuple(GeneratorFigures(g, {"clean": _measured(share)}) for g, share in ((one, 0.5), (two, 0.05)))
    metrics = Metrics(
        (
            _set("diffusion", "validation", "unseen", _measured(0.2), diffusion),
            _set("swaps", "validation", "unseen", _measured(0.1, 0.5), swaps),
            _set("mixed", "validation", "unseen", _measured(0.15), one, two, by_generator=parts),
            _set("congress", "validation", "unseen", _measured(None, 0.7)),
            _set("dfdc", "held_out", "seen", _measured(0.9, 0.9)),
            _set("dfdc", "test", "seen", _measured(0.03, 0.8)),
            _set("blends", "validation", "seen", _measured(0.01, 0.8)),
        )
    )
    shares = no_signs_shares(metrics)
    assert shares.seen == pytest.approx(0.02)  # the test split where a set has one
    assert shares.unseen == pytest.approx(0.15) and shares.unseen_real == pytest.approx(0.6)
    assert [(str(share.generator), share.set, share.no_signs.value) for share in shares.generators] == [
        ("one", "mixed", 0.5),
        ("Stable Diffusion 3 (2024)", "diffusion", 0.2),
        ("inswapper_128 (2023)", "swaps", 0.1),
        ("two (2025)", "mixed", 0.05),
    ]
    assert json.loads(json.dumps(shares.to_dict()))["generators"][1] == {
        **{"name": "Stable Diffusion 3", "year": 2024, "set": "diffusion"},
        **{"no_signs": 0.2, "low": 0.0, "high": 1.0, "n": 50},
    }


@pytest.mark.parametrize("metrics", [None, Metrics(())])
def test_what_was_not_measured_is_not_stated(metrics):
    assert no_signs_shares(metrics).to_dict() == {"seen": None, "unseen": None, "unseen_real": None, "generators": []}
