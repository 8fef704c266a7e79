"""The steps of an export, each by itself."""

from pathlib import Path

import numpy as np
import pytest

from detector.classifier import Classifier
from tests.support.training_fixtures import rows, write_parquet
from training import architectures, export, litert_file
from training.data import face_cache
from training.data.sources import Source
from training.errors import TrainingError
from training.evaluation.calibrate import Limits
from training.options import ExportOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow


@pytest.fixture(scope="module")
def networks(run: Path) -> list[export.Network]:
    """One network twice, the second time with half the weight."""
    return export.load(run, [run], ExportOptions((1.0, 0.5)))


@pytest.fixture(scope="module")
def data(networks: list[export.Network]) -> export.ExportData:
    return export.ExportData.open(networks, (), None)


@pytest.fixture(scope="module")
def crops(networks: list[export.Network], data: export.ExportData) -> list[export.Crops]:
    return export.cut(networks, data)


def test_data_are_what_both_networks_were_trained_on(data: export.ExportData) -> None:
    assert [source.name for source in data.sources] == ["portraits_and_blends"] == [*data.train] == [*data.seen]
    assert data.train["portraits_and_blends"] == {"fake": 24, "real": 24, "broken": 0, "no_face": 0}
    assert data.unseen == {}


def test_networks_of_one_crop_share_it(crops: list[export.Crops]) -> None:
    first, second = crops
    assert first is second
    clean, half = first["portraits_and_blends"]
    assert clean.shape == half.shape == (24, 64, 64, 3) and not np.array_equal(clean, half)


def test_logits_are_summed_by_weight(
    networks: list[export.Network], data: export.ExportData, crops: list[export.Crops]
) -> None:
    for condition, found in enumerate(export.fuse(networks, data, crops)):
        logits, targets = found["portraits_and_blends"]
        alone = networks[0].model.predict(crops[0]["portraits_and_blends"][condition], verbose=0)[:, 0]
        np.testing.assert_allclose(logits, 1.5 * alone, atol=1e-3)
        assert np.array_equal(targets, data.seen["portraits_and_blends"].targets)


def test_one_fused_by_maximum_is_heard_where_it_is_surer(
    run: Path, data: export.ExportData, crops: list[export.Crops]
) -> None:
    networks = export.load(run, [run], ExportOptions((1.0, 4.0), ("sum", "max")))
    alone = networks[0].model.predict(crops[0]["portraits_and_blends"][0], verbose=0)[:, 0]
    logits, targets = export.fuse(networks, data, crops)[0]["portraits_and_blends"]
    level = np.quantile(alone[targets < 0.5], 0.9)  # a tenth of the real faces are above it, for both alike
    np.testing.assert_allclose(logits, np.maximum(alone, 4 * (alone - level) + level), atol=2e-3)
    shifted = networks[1].model.predict(crops[0]["portraits_and_blends"][0], verbose=0)[:, 0]
    np.testing.assert_allclose(np.maximum(alone, 4 * shifted), logits, atol=5e-3)


@pytest.mark.parametrize(("weights", "fusion"), [((1.0,), ()), ((), ("max", "sum")), ((1.0, 1.0), ("sum",))])
def test_each_network_has_a_weight_and_a_fusion(run: Path, weights: tuple[float, ...], fusion: tuple[str, ...]) -> None:
    with pytest.raises(TrainingError, match="at most three networks, each with a weight and a fusion"):
        export.load(run, [run], ExportOptions(weights, fusion))


def test_pairs_calibrate_nothing(networks: list[export.Network], data: export.ExportData, tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "pairs", {"validation": rows(2, 2)}, more={"pair": ["a", "b", "a", "b"]})
    split = face_cache.load(Source(str(folder)), "validation")
    assert split.pairs()
    both = export.ExportData([], [], {}, data.seen, {"pairs": split})
    clean, half = export.fuse(networks, both, export.cut(networks, both))
    assert [*clean] == [*half] == ["portraits_and_blends"]


def logits(fake: float, real: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of 200 fakes and 200 real faces around these means, and their targets."""
    rng = np.random.default_rng(seed)
    found = np.concatenate([rng.normal(fake, 1, 200), rng.normal(real, 1, 200)])
    return found.astype(np.float32), np.repeat(np.float32([1, 0]), 200)


def test_the_offset_puts_an_even_chance_at_0() -> None:
    data = export.ExportData([], [], {}, {"seen": None}, {"unseen": None})  # type: ignore[dict-item]  # names only
    one = {"seen": logits(5, -5), "unseen": logits(3, -1)}
    fitted = export.fit_calibration(data, one, one, Limits())
    assert fitted.offset == pytest.approx(-1, abs=0.15)  # of the unseen set alone
    assert [*fitted.shares] == ["seen", "unseen"]
    assert fitted.shares["unseen"]["real_likely_fake"] <= 0.04
    worse = {**one, "unseen": logits(3, 1, seed=1)}
    at_half_size = export.fit_calibration(data, one, worse, Limits())
    assert at_half_size.shares["unseen"]["fake_likely_fake"] < fitted.shares["unseen"]["fake_likely_fake"] - 0.05


def test_what_is_converted_answers_as_keras(networks: list[export.Network], crops: list[export.Crops]) -> None:
    files, compared = export.convert(networks, crops, onnx=False)
    assert [*files] == ["model.tflite", "model-2.tflite"]
    assert compared["crops"] == 24 and 0 <= compared["largest_difference"] <= litert_file.TOLERANCE
    clean, _ = crops[0]["portraits_and_blends"]
    served, maps = Classifier(files["model.tflite"], 64).predict(clean)
    np.testing.assert_allclose(served, networks[0].model.predict(clean, verbose=0)[:, 0], atol=1e-3)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), served, atol=1e-3)


def test_a_network_that_answers_otherwise_is_refused(run: Path, crops: list[export.Crops]) -> None:
    [network] = export.load(run, [], ExportOptions())
    served = Classifier(litert_file.convert(network.model), 64)
    architectures.shift(network.model, 0.01)
    with pytest.raises(TrainingError, match=r"LiteRT's logits differ from Keras's by 0\.0100: the model was not expor"):
        litert_file.compare(network.model, served, crops[0]["portraits_and_blends"][0])
