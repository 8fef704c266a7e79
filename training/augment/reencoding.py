"""What is left of a picture that was shared again and again: each round scales it down to what a network or messenger
keeps, and saves it again."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from training.augment.corruptions import encoded, measuring_rng

ROUNDS = range(1, 7)


@dataclass(frozen=True)
class Sharing:
    """What one kind of service does: the longest side in pixels that it keeps, and how it saves."""

    longest: int
    format: str
    quality: int


# Round figures for the full view, the feed and a preview, not the settings of any one service. Services scale and save
# again, each in its own way (Moltisanti et al. 2015, Image Manipulation on Facebook for Forensics Evidence; Giudice et
# al. 2017, arXiv:1610.06347: found by uploading to them), which hides forgeries (Dell'Anna et al. 2025,
# arXiv:2504.20658).
SHARINGS = {
    "2048 px, JPEG 85": Sharing(2048, "JPEG", 85),
    "1080 px, JPEG 70": Sharing(1080, "JPEG", 70),
    "1080 px, WebP 75": Sharing(1080, "WEBP", 75),
    "640 px, JPEG 75": Sharing(640, "JPEG", 75),
}
MIXED = "another one each round"
LADDERS = (*SHARINGS, MIXED)


def shared(pixels: np.ndarray, ladder: str, rounds: int, index: int) -> np.ndarray:
    """Picture `index` of a measurement, uint8 RGB (H, W, 3), after so many rounds of one of LADDERS: the same every
    time, and round n goes on from round n - 1. A round takes up to a tenth off each side before the service's own
    limit, as screenshots and re-posts do: without that, saving alone soon changes nothing."""
    rng = measuring_rng("jpeg", 5, index)
    for _ in range(rounds):
        chosen = SHARINGS[list(SHARINGS)[rng.integers(len(SHARINGS))] if ladder == MIXED else ladder]
        height, width = pixels.shape[:2]
        factor = min(rng.uniform(0.9, 1.0), chosen.longest / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        smaller = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        pixels = encoded(smaller, chosen.format, chosen.quality)
    return pixels
