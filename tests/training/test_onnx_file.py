"""The ONNX files beside the LiteRT ones: the same answers, and a card whose example runs."""

import contextlib
import importlib.util
import io
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import skimage.data
from PIL import Image

from detector import Detector
from detector.classifier import Classifier
from detector.model_folder import store
from training import __main__ as command_line
from training import architectures, litert_file, onnx_file
from training.errors import TrainingError
from training.evaluation import card

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow


@pytest.fixture(scope="module")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two networks, the second the first with half the weight."""
    folder = tmp_path_factory.mktemp("onnx") / "model"
    words = ["--beside", str(run), "--weights", "1", "0.5", "--onnx", "--out", str(folder)]
    assert command_line.main(["export", str(run), *words]) == 0
    return folder


def test_each_network_has_its_file(both: Path) -> None:
    assert {path.name for path in both.glob(store.ONNX)} == {"model.onnx", "model-2.onnx"}
    assert store.load(both).config.commands[-1].endswith(" --weights 1.0 0.5 --onnx --out MODEL_FOLDER")
    model = onnx.load(both / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {used.version for used in model.opset_import if used.domain == ""} == {onnx_file.OPSET}
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    side = (
        keras.saving.load_model(both / "model.keras", compile=False).get_layer(architectures.EVIDENCE).output.shape[1]
    )
    assert shapes == {"crops": ["N", 64, 64, 3], "logit": ["N"], "activation": ["N", side, side]}


def test_the_example_of_the_card_says_what_the_detector_says(both: Path, measured_folder: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    model, metrics = store.load(both), store.load(measured_folder).metrics
    for config in (model.config, replace(model.config, networks=model.config.networks[:1])):
        text = card.render(config, metrics, onnx=True)
        example = re.search(r"With\n`pip install onnxruntime`:\n\n((?:    .*\n|\n)+)", text)[1]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(textwrap.dedent(example).replace("FOLDER", str(both)).replace("photo.jpg", str(photo)), {})
        said = np.fromstring(printed.getvalue().strip("[]\n"), sep=" ")
        if config is model.config:
            expected = [face.score for face in Detector.load(both).detect(photo).faces]
            assert expected and said == pytest.approx(expected, abs=1e-3)
        assert len(said) and np.isfinite(said).all()
    assert "ONNX" not in card.render(model.config, metrics)


def test_a_network_that_answers_otherwise_is_not_written(run: Path) -> None:
    model = keras.saving.load_model(run / "best.keras", compile=False)
    served = Classifier(litert_file.convert(model), 64)
    architectures.shift(model, 0.01)
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    with pytest.raises(TrainingError, match=r"LiteRT's by 0\.0100, .*: the model was not exported\."):
        onnx_file.convert(model, served, crops)


def test_without_the_packages_a_sentence_says_how_to_get_them(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command_line.main(["export", str(run), "--onnx", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == '--onnx needs tf2onnx and ONNX Runtime: pip install ".[onnx]"\n'
    assert not (tmp_path / "out").exists()
