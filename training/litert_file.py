"""A network as the LiteRT file that the detector serves."""

import keras
import numpy as np
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.qtyping import TFLOperationName

from detector.classifier import Classifier
from training import architectures
from training.errors import TrainingError

TOLERANCE = 1e-3  # largest difference of a logit between Keras and LiteRT
TOLERANCE_IN_8_BITS = 0.1  # of one whose dense layers have 8 bits, as a share of the logits' standard deviation: mean
_BITS = 8


def convert(model: keras.Model) -> bytes:
    """A LiteRT network of a Keras one, with logit and activation map, in float32. A transformer's dense layers have
    weights of 8 bits, and round what they are given, token by token (dynamic range quantisation): a quarter of the
    size, and several times faster on a CPU. It takes one crop at a time: LiteRT is fast where every shape is known.

    Raises TrainingError on another backend than TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise TrainingError("Export needs TensorFlow: run it without KERAS_BACKEND.")
    import tensorflow as tf

    both = architectures.with_activation_map(model)
    both.trainable = False
    if not architectures.is_transformer(model.name):
        return bytes(tf.lite.TFLiteConverter.from_keras_model(both).convert())
    one = keras.Input(batch_shape=(1, *both.input_shape[1:]))
    file = tf.lite.TFLiteConverter.from_keras_model(keras.Model(one, both(one))).convert()
    quantising = quantizer.Quantizer(bytearray(file))
    quantising.add_dynamic_config(".*", TFLOperationName.FULLY_CONNECTED, _BITS)
    return bytes(quantising.quantize().quantized_model)


def compare(model: keras.Model, served: Classifier, crops: np.ndarray) -> float:
    """The largest difference of a logit over `crops` uint8 (N, S, S, 3). Raises TrainingError where it is above
    TOLERANCE, or, of a transformer, the mean one above TOLERANCE_IN_8_BITS."""
    expected = np.asarray(model.predict(crops, verbose=0)).reshape(-1)
    logits, maps = served.predict(crops)
    differences = np.abs(expected - logits)
    difference = float(differences.max())
    if architectures.is_transformer(model.name):
        held = differences.mean() <= TOLERANCE_IN_8_BITS * expected.std()
    else:
        held = difference <= TOLERANCE
    if not held:
        raise TrainingError(f"LiteRT's logits differ from Keras's by {difference:.4f}: the model was not exported.")
    if not np.allclose(maps.mean(axis=(1, 2)), logits, atol=TOLERANCE):
        raise TrainingError("The activation maps do not add up to the logits: the model was not exported.")
    return difference
