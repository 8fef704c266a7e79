"""A probe: only its head is fitted, at once; what it says is bounded; it is exported and served as any network."""

import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detector import Detector, picture
from tests.support.training_fixtures import FIT
from training import __main__ as command_line
from training import architectures, probe
from training.checkpoint import BEST, is_finished
from training.distributed import Workers
from training.errors import TrainingError
from training.export import export
from training.fit import fit
from training.options import ExportOptions, FitOptions

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

NAME, SIZE = "efficientnet-lite0-probe", 64


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Whose head each test fits anew."""
    keras.utils.set_random_seed(1)
    return architectures.build(NAME, SIZE, None)


def batches(seed: int, count: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of noise, which is coarser in the fake ones."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (count, 8, 1)).astype(np.float32)
    noise = rng.integers(0, 256, (count, 8, SIZE, SIZE, 3), np.uint8)
    coarse = noise[:, :, ::4, ::4].repeat(4, axis=2).repeat(4, axis=3)
    return list(zip(np.where(targets[..., None, None] > 0.5, coarse, noise), targets, strict=True))


def options(folder: Path, **changes: object) -> FitOptions:
    plain = {"architecture": NAME, "weights": "none", "input_size": SIZE, "batch_size": 8, "threads": 2, "epochs": 1.0}
    return FitOptions(data=(str(folder),), **{**plain, **changes})


def test_only_the_head_is_fitted_and_it_tells_the_classes_apart(network: keras.Model) -> None:
    before = {layer.name: layer.get_weights() for layer in network.layers}
    probe.fit_head(network, batches(1), l2=0.1)
    changed = {
        layer.name
        for layer in network.layers
        if any(not np.array_equal(a, b) for a, b in zip(layer.get_weights(), before[layer.name], strict=True))
    }
    assert changed == {architectures.SCORE}
    crops, targets = (np.concatenate(parts) for parts in zip(*batches(2), strict=True))
    logits = network.predict(crops, verbose=0)[:, 0]
    assert roc_auc_score(targets[:, 0], logits) > 0.95
    assert np.abs(logits).max() < 1


def test_the_head_is_scaled_and_l2_evens_its_weights_out(network: keras.Model) -> None:
    crops, _ = (np.concatenate(parts) for parts in zip(*batches(1), strict=True))
    kernels = []
    for l2 in (1e-3, 100.0):
        probe.fit_head(network, batches(1), l2)
        heads = np.arctanh(network.predict(crops, verbose=0)[:, 0].astype(np.float64))
        assert heads.std() == pytest.approx(0.5, abs=0.02)  # in units of two standard deviations
        kernels.append(np.abs(network.get_layer(architectures.SCORE).get_weights()[0].ravel()))
    shares = [kernel.max() / kernel.sum() for kernel in kernels]
    assert shares[0] > shares[1]


def test_one_that_is_stopped_begins_anew_and_is_exported_and_served(
    small_set: Path, tmp_path: Path, hopper: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run, predict = tmp_path / "run", keras.Model.predict_on_batch

    def stop(*arguments: object) -> object:
        signal.raise_signal(signal.SIGTERM)
        return predict(*arguments)

    words = ["--data", str(small_set), *map(str, FIT), "--architecture", NAME, "--input-size", str(SIZE)]
    with monkeypatch.context() as patched:
        patched.setattr(keras.Model, "predict_on_batch", stop)
        assert command_line.main(["fit", *words, "--epochs", "0.5", "--out", str(run)]) == 130
    assert capsys.readouterr().err.endswith("--resume starts over.\n")
    assert not is_finished(run)
    keras.utils.clear_session()  # layers are named as in a new process, where two names could be one
    assert command_line.main(["fit", "--out", str(run), "--resume"]) == 0
    assert is_finished(run)
    network = keras.saving.load_model(run / BEST, compile=False, safe_mode=True)
    fitted = network.get_layer(architectures.SCORE).get_weights()[0]
    assert fitted.any()

    first = tmp_path / "first"
    fit(options(small_set, architecture="sequential-baseline", epochs=0.2), first)
    export(first, tmp_path / "model", ExportOptions((1.0, 1.5)), beside=[run])
    detector = Detector.load(tmp_path / "model")
    [face] = detector.detect(picture.read(hopper).data).faces
    assert [network.weight for network in detector.model.config.networks] == [1.0, 1.5]
    assert 0 < face.score < 1
    again = fit(options(small_set), run, resume=True)  # nothing is left to do
    kept = keras.saving.load_model(again, compile=False, safe_mode=True)
    assert np.array_equal(kept.get_layer(architectures.SCORE).get_weights()[0], fitted)


def test_a_probe_is_fitted_in_one_process(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="A probe is fitted in one process: leave out --strategy"):
        fit(options(small_set), tmp_path / "run", workers=Workers(0, 2))
