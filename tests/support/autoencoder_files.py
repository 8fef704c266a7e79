"""A file of an autoencoder that loses as little as halving a picture does."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def onnx_file(path: Path, low: float = 0.0, high: float = 255.0, side: str | int = "side", last: bool = False) -> Path:
    """An autoencoder that halves the picture and doubles it again, of values between `low` and `high`."""
    pooled = helper.make_node("AveragePool", ["clipped"], ["latent"], kernel_shape=[2, 2], strides=[2, 2])
    nodes = [
        helper.make_node(
            "Transpose" if last else "Identity", ["in"], ["first"], **({"perm": [0, 3, 1, 2]} if last else {})
        ),
        helper.make_node("Clip", ["first", "low", "high"], ["clipped"]),
        pooled,
        helper.make_node("Resize", ["latent", "", "scales"], ["big"], mode="nearest"),
        helper.make_node(
            "Transpose" if last else "Identity", ["big"], ["out"], **({"perm": [0, 2, 3, 1]} if last else {})
        ),
    ]
    shape = [1, side, side, 3] if last else [1, 3, side, side]
    values = {"low": np.float32(low), "high": np.float32(high), "scales": np.float32([1, 1, 2, 2])}
    graph = helper.make_graph(
        nodes,
        "halves",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
