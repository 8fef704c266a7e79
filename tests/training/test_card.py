"""The card of a model folder, from figures of every shape that evaluate writes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from detector.model_folder import (
    CONDITIONS,
    DataRoles,
    Figure,
    Generator,
    GroupFigures,
    Measured,
    MeasuredSet,
    Metrics,
    ModelConfig,
    store,
)
from detector.shares import measure
from training.data.sources import TERMS, Source
from training.evaluation import card

pytest_plugins = ["tests.support.training_fixtures"]


@pytest.fixture
def model(measured_folder: Path) -> store.ModelFolder:
    return store.load(measured_folder)


@pytest.fixture
def config(model: store.ModelFolder) -> ModelConfig:
    return model.config


@pytest.fixture
def metrics(model: store.ModelFolder) -> Metrics:
    return model.metrics


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a Markdown text: rows of cells, without the rule."""
    found = []
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1
        assert set("".join(rows[1])) == {"-"}
        found.append([rows[0], *rows[2:]])
    return found


def test_the_same_figures_give_the_same_card(config: ModelConfig, metrics: Metrics, measured_folder: Path) -> None:
    assert card.render(config, metrics) == (measured_folder / "README.md").read_text()


def test_figures_that_a_set_does_not_have_are_left_blank(config: ModelConfig, metrics: Metrics) -> None:
    first = metrics.sets[0]
    missing = dict.fromkeys(("auc", "false_negative_rate", "selective_risk"))
    conditions = {name: replace(found, fake=0, **missing) for name, found in first.conditions.items()}
    real_only = replace(first, name="portraits", conditions=conditions)
    text = card.render(config, replace(metrics, sets=(*metrics.sets, real_only)))
    [header, *rows] = next(table for table in tables(text) if "abstention rate" in table[0])
    [row] = [row for row in rows if row[0] == real_only.title]
    cells = dict(zip(header, row, strict=True))
    assert cells["AUC"] == cells["false negative rate"] == cells["selective risk"] == "-"
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", cells["false positive rate"])
    results = ModelCard(text).data.eval_results
    assert real_only.title not in {result.dataset_name for result in results} and len(results) == 4


def test_a_set_without_a_face_has_a_line(config: ModelConfig, metrics: Metrics) -> None:
    nothing = Measured(n=5, judged=0, fake=0, real=0, no_face=1.0)
    walls = MeasuredSet("walls", "test", "seen", dict.fromkeys(CONDITIONS, nothing))
    text = card.render(config, replace(metrics, sets=(walls,), robustness=None))
    assert tables(text)[0][1][:4] == ["walls test", "seen", "0", "100.0%"]
    assert "robustness.png" not in text and "AUC under corruption" not in text
    assert not ModelCard(text).data.eval_results


def unseen(name: str, fake: tuple[float, ...] | None, real: tuple[float, ...] | None, *made: Generator):
    """An unseen set, and what shares of its fakes and real faces get `likely_fake`, `no_signs` and `leans_fake`."""
    found = {}
    for kind, shares in (("fake", fake), ("real", real)):
        for verdict, share in zip(("likely_fake", "no_signs", "leans_fake"), shares or (), strict=False):
            found[f"{kind}_{verdict}"] = Figure(share, share / 2, share, 40)
    clean = Measured(80, 80, 40 if fake else 0, 40 if real else 0, **found)
    return MeasuredSet(name, "validation", "unseen", dict.fromkeys(CONDITIONS, clean), made)


def test_the_card_leads_with_what_it_has_never_seen(config: ModelConfig, metrics: Metrics) -> None:
    sets = (
        unseen("sd3", (0.3, 0.18, 0.2), None, Generator("Stable Diffusion 3", 2024)),
        unseen("swaps", (0.1, 0.12), (0.0, 0.4), Generator("inswapper_128", 2023)),
        unseen("congress", None, (0.01, 0.6)),
    )
    text = card.render(config, replace(metrics, sets=(*sets, *metrics.sets)))
    fakes, reals, everything, *_ = tables(text)
    assert [row[:3] for row in fakes[1:]] == [
        ["Stable Diffusion 3 (2024)", "sd3", "40"],
        ["inswapper_128 (2023)", "swaps", "40"],
    ]
    assert fakes[0][4:] == ["likely fake", "leans fake", "can't tell", "no signs"]
    assert fakes[1][4:] == ["0.300 [0.150, 0.300]", "0.200 [0.100, 0.200]", "0.320", "0.180 [0.090, 0.180]"]
    assert fakes[2][4:] == ["0.100 [0.050, 0.100]", "-", "0.780", "0.120 [0.060, 0.120]"]  # an older model
    assert [row[:2] for row in reals[1:]] == [["swaps", "40"], ["congress", "40"]]
    assert [row[1] for row in everything[1:]] == ["unseen"] * 3 + ["seen"] * 2
    assert "Of 100 faces by these generators, 15 get *no signs of forgery*" in text
    assert "of 100 real faces here, 50" in text


def test_the_card_says_how_rare_a_score_is(config: ModelConfig, metrics: Metrics) -> None:
    curves = measure({"a": np.linspace(0, 1, 200), "b": np.linspace(0, 0.5, 100)}, {}, {"a": np.linspace(0.5, 1, 60)})
    text = card.render(config, replace(metrics, curves=curves))
    assert "the mean over sets of pictures: 300 real faces of 2 sets, 60 forged in ways trained on of 1 sets." in text
    [table] = [table for table in tables(text) if table[0][0] == "score"]
    [half] = [row for row in table if row[0] == "0.50"]
    real = curves.at(0.5).false_positive
    assert half[1:3] == [f"{real.value:.3f} [{real.low:.3f}, {real.high:.3f}]", "-"] and real.low < 0.25 < real.high
    assert "### How rare a score is" not in card.render(config, replace(metrics, curves=None))


def test_a_model_that_was_not_measured_on_unseen_sets_says_so(config: ModelConfig, metrics: Metrics) -> None:
    text = card.render(config, metrics)
    assert "Nothing was measured on them: the figures below are of the kinds of forgery it was trained on." in text


def test_two_networks_are_named_with_their_crops_and_weights(config: ModelConfig, metrics: Metrics) -> None:
    [network] = config.networks
    both = replace(config, networks=(network, replace(network, crop_margin=2.6, weight=0.5)))
    text = card.render(both, metrics)
    assert (
        "two networks that see squares of 1.4 and 2.6 face sides, whose logits are added with the weights 1 and 0.5"
        in text
    )
    third = replace(network, weight=4.0, fusion="max")
    text = card.render(replace(both, networks=(*both.networks, third), architecture="clip-vit-b16-probe"), metrics)
    assert "three networks that see" in text and "of which one counts, times 4, where its logit is higher" in text
    assert "The blocks of CLIP ViT-B/16 are OpenAI's own (MIT)." in text


def test_groups_have_a_table(config: ModelConfig, metrics: Metrics) -> None:
    assert "### By group" not in card.render(config, metrics)
    rates = (Figure(0.1, 0.05, 0.2, 30), Figure(0.0, 0.0, 0.1, 30), Figure(0.5, 0.4, 0.6, 30))
    grouped = replace(metrics.sets[0], groups=(GroupFigures("sex", "female", 30, *rates),))
    text = card.render(config, replace(metrics, sets=(grouped,)))
    table = next(table for table in tables(text) if "group" in table[0])
    assert table[1][1:5] == ["sex", "female", "30", "0.100 [0.050, 0.200]"]


@pytest.mark.parametrize(("terms", "said"), [("CC BY 4.0", "CC BY 4.0"), (None, "Terms: see the source")])
def test_every_source_is_named_with_its_terms(
    config: ModelConfig, metrics: Metrics, terms: str | None, said: str
) -> None:
    text = card.render(with_sources(config, "mine", terms=terms), metrics)
    assert f"- `mine`: 24 fake and 24 real faces to train, 12 and 12 to choose and calibrate. {said}.\n" in text
    assert "non-commercial research and education only" in " ".join(text.split())


def with_sources(config: ModelConfig, *names: str, terms: str | None = None) -> ModelConfig:
    """The configuration of a model that was trained on sources of these names."""
    [source] = config.data.train.values()
    return replace(config, data=DataRoles(train=dict.fromkeys(names, replace(source, terms=terms))))


def test_the_network_that_the_weights_start_from_is_named(config: ModelConfig, metrics: Metrics) -> None:
    command = "python -m training fit --out RUNS/one"
    started = replace(config, architecture="efficientnet-lite0", commands=(command,))
    assert ModelCard(card.render(started, metrics)).data.base_model == "timm/tf_efficientnet_lite0.in1k"
    alone = replace(started, commands=(f"{command} --weights none",))
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
def test_the_sets_of_the_hub_are_linked(
    config: ModelConfig, metrics: Metrics, sources: list[str], listed: list[str]
) -> None:
    text = card.render(with_sources(config, *sources), metrics)
    assert ModelCard(text).data.datasets == listed


def test_the_terms_of_a_folder_go_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "dfdc").mkdir()
    assert Source(str(tmp_path / "dfdc")).terms == TERMS["dfdc"]
    assert Source(str(tmp_path)).terms is None
