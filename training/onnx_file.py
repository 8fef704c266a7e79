"""A network as ONNX beside its LiteRT file, for runtimes that know nothing of LiteRT.

In: `crops` float32 [N, S, S, 3], RGB 0..255. Out: `logit` float32 [N] and `activation` float32 [N, h, w], as of LiteRT.
"""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from detector.classifier import Classifier
from detector.model_folder import ModelConfig
from training.errors import TrainingError

OPSET = 18  # the newest that tf2onnx 1.17 is tested with; ONNX Runtime reads it from 1.14 on
TOLERANCE = 1e-3  # largest difference of a logit between ONNX Runtime and LiteRT
_RANKS = {1: "logit", 3: "activation"}


def name_of(network_file: str) -> str:
    """What the ONNX file of a network is called: model.onnx, model-2.onnx."""
    return Path(network_file).with_suffix(".onnx").name


def check_installed() -> None:
    """Raises TrainingError where a package is missing that `convert` needs."""
    if not all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnxruntime")):
        raise TrainingError('--onnx needs tf2onnx and ONNX Runtime: pip install ".[onnx]"')


def convert(model: Any, classifier: Classifier, crops: np.ndarray) -> tuple[bytes, float]:
    """The ONNX file of the Keras model that `classifier` runs by LiteRT, and the largest difference of a logit between
    both over `crops` uint8 (N, S, S, 3). Raises TrainingError where it is above TOLERANCE, or where that of the heat
    maps is above it, as a share of their largest value, unless LiteRT's are rounded. Needs the TensorFlow backend."""
    import keras
    import onnx
    import onnxruntime

    from training import architectures

    both = architectures.with_activation_map(model)
    both.trainable = False
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        signature = [keras.InputSpec(shape=both.inputs[0].shape, dtype="float32", name="crops")]
        both.export(file, format="onnx", opset_version=OPSET, input_signature=signature, verbose=False)
        proto = onnx.load(file)
    _name(proto.graph)
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits, maps = session.run(list(_RANKS.values()), {"crops": crops.astype(np.float32)})
    expected, expected_maps = classifier.predict(crops)
    difference = float(np.abs(logits - expected).max())
    of_maps = float(np.abs(maps - expected_maps).max() / max(1.0, np.abs(expected_maps).max()))
    if not max(difference, of_maps) <= TOLERANCE and not architectures.is_transformer(model.name):
        raise TrainingError(
            f"ONNX Runtime's logits differ from LiteRT's by {difference:.4f}, its heat maps by a share of "
            f"{of_maps:.4f}: the model was not exported."
        )
    return content, difference


def example(config: ModelConfig) -> str:
    """For a model's card: how its files are run."""
    rounded = ", but for CLIP's, which it rounds to 8 bits" if "clip-vit-b16" in config.architecture else ""
    names = " and ".join(f"`{name_of(network.file)}`" for network in config.networks)
    listed = ", ".join(
        f'("{name_of(n.file)}", {n.input_size}, {n.crop_margin:g}, {n.weight:g}, "{n.fusion}")' for n in config.networks
    )
    return f"""## In ONNX Runtime

{names}, for other runtimes, in opset {OPSET}. In: `crops` float32 [N, S, S, 3], RGB 0 to 255. Out: `logit` [N], above 0
for fake, and `activation` [N, h, w], the heat map. At export, LiteRT gave the same logits to
{TOLERANCE:g}{rounded}. With
`pip install onnxruntime`:

    import numpy as np, onnxruntime
    from detector import Detector, picture
    from detector.crop import crop_face

    pixels = picture.read("photo.jpg").pixels
    faces = Detector.load("FOLDER").detect("photo.jpg").faces
    logits = 0
    for file, size, margin, weight, fusion in [{listed}]:
        session = onnxruntime.InferenceSession(f"FOLDER/{{file}}")
        crops = [crop_face(pixels, face.box, size, margin, roll=face.roll) for face in faces]
        own = weight * session.run(["logit"], {{"crops": np.stack(crops).astype(np.float32)}})[0]
        logits = logits + own if fusion == "sum" else np.maximum(logits, own)
    print(1 / (1 + np.exp(-logits / {config.calibration.temperature:g})))  # score of each face
"""


def _name(graph: Any) -> None:
    """Call the inputs and outputs what they are: the converter numbers them, in TensorFlow's way."""
    names = {value.name: _RANKS[len(value.type.tensor_type.shape.dim)] for value in graph.output}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in graph.output:
        value.name = names[value.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]  # shapes of what lies between, with the batch under another name
