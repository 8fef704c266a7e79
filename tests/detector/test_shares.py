"""How rare a score is: curves, their intervals, and where they come from."""

import dataclasses
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from detector.errors import ModelError
from detector.messages import rarity
from detector.model_folder import load, store
from detector.model_folder.scores import curves_of
from detector.shares import Curve, Curves, measure, wilson
from detector.verdict import Verdict
from tests.support.bundled import FILES


def uniform(n: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.linspace(low, high, n, endpoint=False) + (high - low) / (2 * n)


@pytest.fixture(scope="module")
def curves() -> Curves:
    """Of real faces of a large and a small set, each spread evenly, the first below 0.5 alone."""
    real = {"large": uniform(4000, 0, 0.5), "small": uniform(100)}
    return measure(real, {"new": uniform(200, 0.2, 1)}, {"known": uniform(1000, 0.6, 1)})


@pytest.mark.parametrize("score", [0.0, 0.05, 0.23, 0.5, 0.623, 0.87, 0.99, 1.0])
def test_a_share_is_the_mean_over_the_sets(curves: Curves, score: float) -> None:
    shares = curves.at(score)
    expected = (
        (max(0, 1 - score / 0.5) + (1 - score)) / 2,  # every set counts alike
        min(1, (1 - score) / 0.8),
        min(1, (1 - score) / 0.4),
    )
    for share, value in zip((shares.false_positive, shares.unseen, shares.seen), expected, strict=True):
        assert share.value == pytest.approx(value, abs=0.012) and share.low <= share.value <= share.high
    assert curves.real.n == 4100 and curves.real.sets == ("large", "small")


def test_a_small_set_counts_only_where_there_is_no_other() -> None:
    few, many = uniform(20), uniform(50, 0.5, 1)
    assert measure({"few": few, "many": many}, {}, {}).real.sets == ("many",)
    alone = measure({"few": few}, {}, {"none": np.zeros(0)})
    assert alone.real.sets == ("few",) and alone.unseen is None is alone.seen
    assert measure({}, {"none": np.zeros(0)}, {}) is None


def test_intervals_of_one_set_are_wilsons() -> None:
    for hits, n in ((0, 30), (1, 179), (50, 100), (30, 30)):
        low, high = wilson(np.array(hits), np.array(n))
        expected = binomtest(hits, n).proportion_ci(0.95, "wilson")
        assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-9)
    share = measure({"one": uniform(100)}, {}, {}).at(0.5).false_positive
    expected = binomtest(50, 100).proportion_ci(0.95, "wilson")
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_interval_of_a_mean_holds_the_true_share_19_times_of_20() -> None:
    """Three sets of different sizes and shares, drawn 400 times; the share at 0.5 is known."""
    rng = np.random.default_rng(0)
    sets, held = ((60, 0.02), (150, 0.1), (400, 0.3)), 0
    for _ in range(400):
        drawn = {str(n): rng.random(n) * 0.5 + 0.5 * (rng.random(n) < share) for n, share in sets}
        found = measure(drawn, {}, {}).at(0.5).false_positive
        held += found.low <= np.mean([share for _, share in sets]) <= found.high
    assert 0.92 <= held / 400 <= 0.99


def test_among_many_real_faces_one_scores_high_more_often(curves: Curves) -> None:
    alone, group = curves.at(0.9), curves.at(0.9, 5)
    assert group.false_positive.value == pytest.approx(1 - (1 - alone.false_positive.value) ** 5, abs=1e-3)
    assert (group.unseen, group.seen) == (alone.unseen, alone.seen)
    assert curves.at(0.9, 0) == alone


def test_the_sentence_is_true_at_23_and_another_at_87(curves: Curves) -> None:
    told = [
        rarity(verdict, curves.at(score)) for verdict, score in ((Verdict.NO_SIGNS, 0.23), (Verdict.LEANS_FAKE, 0.87))
    ]
    assert told[0].startswith("A lower score is given to 34 of 100 real faces (")
    assert ", to 4 of 100 faces forged in ways it has never seen (" in told[0]
    assert told[1].startswith("This score or a higher one is given to 6 of 100 real faces (")
    assert ", to 16 of 100 faces forged in ways it has never seen (" in told[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": (0.0, 1.0)},
        {"scores": (0.0, 0.6, 0.5)},
        {"real": {"value": (1.0, 0.2, 0.3)}},
        {"real": {"low": (1.0, 0.3, 0.1)}},
        {"real": {"high": (1.0, 1.2, 0.1)}},
        {"real": {"n": 0}},
    ],
)
def test_curves_that_cannot_be_right_are_refused(changes: dict) -> None:
    curve = {"sets": ("a",), "n": 5, "value": (1.0, 0.2, 0.1), "low": (1.0, 0.1, 0.0), "high": (1.0, 0.3, 0.2)}
    whole = {"scores": (0.0, 0.5, 1.0)} | {name: value for name, value in changes.items() if name == "scores"}
    assert Curves((0.0, 0.5, 1.0), Curve(**curve))
    with pytest.raises(ValueError, match=r"rise|long|within"):
        Curves(**whole, real=Curve(**curve | changes.get("real", {})))


# --- Where they come from --------------------------------------------------------------------------------------------


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The bundled folder, as it was before curves were kept."""
    for name in FILES:
        shutil.copyfile(store.BUNDLED / name, tmp_path / name)
    metrics = load().metrics.to_dict()
    del metrics["curves"]
    (tmp_path / store.METRICS).write_text(json.dumps(metrics))
    return tmp_path


def test_an_older_folder_has_the_curves_of_its_scores(older: Path) -> None:
    assert load(older).curves is None
    text = (store.BUNDLED / store.SCORES).read_text().replace(",score,", ",p_fake,", 1)
    (older / store.SCORES).write_text(text)
    assert load(older).curves == load().curves
    (older / f"{store.SCORES}.gz").write_bytes(gzip.compress(text.encode()))
    (older / store.SCORES).unlink()
    assert load(older).curves == load().curves


@pytest.mark.parametrize(
    "text",
    [
        "",
        "set,split\na,b\n",
        "set,split,label,score\nelsewhere,test,fake,0.5\n",
        "set,split,label,score\n{},2\n",
        "set,split,label,score\n{},x\n",
        "\0\n",
    ],
)
def test_scores_of_no_use_leave_a_model_without_shares(older: Path, text: str) -> None:
    measured = load().metrics.sets[0]
    (older / store.SCORES).write_text(text.format(f"{measured.name},{measured.split},fake"))
    assert load(older).curves is None and load(older).metrics.sets


def test_a_small_file_of_scores_may_not_unpack_to_a_large_one(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (store.BUNDLED / store.SCORES).read_text()
    (older / f"{store.SCORES}.gz").write_bytes(gzip.compress(text.encode()))
    monkeypatch.setattr("detector.model_folder.scores.MAX_BYTES", len(text) - 1)
    assert curves_of(older, load().metrics) is None


def test_wrong_curves_in_a_folder_are_refused(older: Path) -> None:
    metrics = load().metrics.to_dict()
    metrics["curves"]["real"]["value"][3] = 0.0
    (older / store.METRICS).write_text(json.dumps(metrics))
    with pytest.raises(ModelError, match=r"metrics\.json is incomplete or wrong"):
        load(older)


def test_verdicts_and_shares_of_the_bundled_model_agree() -> None:
    """At the thresholds about as many real faces score so high as may get the verdict."""
    model = load()
    limits, thresholds = model.config.limits, model.calibration
    likely, leans = (
        model.curves.at(score).false_positive for score in (thresholds.likely_fake_from, thresholds.leans_from)
    )
    assert likely.low <= limits.max_false_positive_rate <= likely.high + 0.005
    assert leans.low <= limits.max_leans_rate <= leans.high + 0.005
    assert model.curves.at(thresholds.no_signs_below).unseen.value >= 1 - limits.max_unseen_no_signs
    assert dataclasses.replace(model.metrics, curves=None).digest == model.info.digest
