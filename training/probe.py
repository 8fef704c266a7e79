"""Fit the head of a probe, at once instead of step by step: logistic regression on features that do not change."""

from collections.abc import Iterable

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from training import architectures


def fit_head(model: keras.Model, batches: Iterable[tuple[np.ndarray, np.ndarray]], l2: float) -> None:
    """Fit the head of `model`, a probe, on batches of crops uint8 (B, S, S, 3) and targets float32 (B, 1), 1 for fake.

    The features are standardised, `l2` times half the sum of their squared weights is added to the mean loss, and
    the head's logits are given in units of two standard deviations.
    """
    features = architectures.probed_features(model)
    pairs = [(np.asarray(features.predict_on_batch(crops)), targets[:, 0]) for crops, targets in batches]
    found, targets = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    mean, deviation = found.mean(axis=0), found.std(axis=0) + 1e-6
    regression = LogisticRegression(C=1 / (l2 * len(found)), max_iter=1000)
    regression.fit((found - mean) / deviation, targets)
    kernel = regression.coef_[0] / deviation
    unit = 2 * (found @ kernel).std()
    bias = (regression.intercept_[0] - mean @ kernel) / unit
    model.get_layer(architectures.SCORE).set_weights([kernel.reshape(1, 1, -1, 1) / unit, np.array([bias])])
