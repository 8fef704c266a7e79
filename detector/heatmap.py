"""Activation map -> a picture that shows where in a crop the evidence lies."""

import numpy as np
from PIL import Image

# From nothing to strong: transparent, then yellow, orange and dark red. Told apart by brightness alone, too.
STOPS = np.array([0.0, 0.35, 0.7, 1.0])
COLOURS = np.array([[255, 236, 160], [254, 200, 90], [240, 100, 40], [140, 10, 40]], float)
STRENGTH = 0.75  # opacity of the strongest evidence
FULL = 12.0  # evidence, in logits, that is shown at full strength: one scale for all pictures

SEEN = FULL / 6  # the least that is plainly seen


def shows(activation: np.ndarray) -> bool:
    """Whether there is anything to see in the map, float32 (h, w)."""
    return bool(np.max(activation) >= SEEN)


def overlay(crop: np.ndarray, activation: np.ndarray, strength: float = STRENGTH) -> np.ndarray:
    """The crop uint8 (S, S, 3) with the evidence for a forgery laid over it; the same shape comes back.

    `activation` is float32 (h, w); what speaks against a forgery (below 0) is left as it is. The scale is the same for
    every picture, so that a real face stays clear. `strength` 0..1 is the opacity of the strongest evidence.
    """
    height, width = crop.shape[:2]
    evidence = np.clip(np.asarray(activation, np.float32) / FULL, 0.0, 1.0)
    smooth = np.asarray(Image.fromarray(evidence).resize((width, height), Image.Resampling.BICUBIC))
    smooth = np.clip(smooth, 0.0, 1.0)
    colour = np.stack([np.interp(smooth, STOPS, COLOURS[:, channel]) for channel in range(3)], axis=-1)
    opacity = (strength * smooth**0.5)[..., None]
    laid: np.ndarray = crop * (1 - opacity) + colour * opacity + 0.5
    return laid.astype(np.uint8)
