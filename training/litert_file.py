"""A network as the LiteRT file that the detector serves."""

import keras
import numpy as np

from detector.classifier import Classifier
from training import architectures
from training.errors import TrainingError

TOLERANCE = 1e-3  # largest difference of a logit between Keras and LiteRT


def convert(model: keras.Model) -> bytes:
    """A float32 LiteRT network of a Keras one, with logit and activation map. Raises TrainingError on
    another backend than TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise TrainingError("Export needs TensorFlow: run it without KERAS_BACKEND.")
    import tensorflow as tf

    both = architectures.with_activation_map(model)
    both.trainable = False
    return bytes(tf.lite.TFLiteConverter.from_keras_model(both).convert())


def compare(model: keras.Model, served: Classifier, crops: np.ndarray) -> float:
    """The largest difference of a logit over `crops` uint8 (N, S, S, 3). Raises TrainingError where it is above
    TOLERANCE."""
    expected = np.asarray(model.predict(crops, verbose=0)).reshape(-1)
    logits, maps = served.predict(crops)
    difference = float(np.abs(expected - logits).max())
    if not difference <= TOLERANCE:
        raise TrainingError(f"LiteRT's logits differ from Keras's by {difference:.4f}: the model was not exported.")
    if not np.allclose(maps.mean(axis=(1, 2)), logits, atol=TOLERANCE):
        raise TrainingError("The activation maps do not add up to the logits: the model was not exported.")
    return difference
