"""A face as old photographs show it: grey or toned, bleached or faded, grainy, half in shade, printed in dots."""

import cv2
import numpy as np


def aged(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`pixels` uint8 (H, W, 3) of a crop, altered; the same shape comes back."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    grey = pixels @ rng.dirichlet((2, 3, 2)).astype(np.float32) / 255  # old plates saw blue best, and hardly any red
    if rng.random() < 0.3:
        grey *= _shade(x, y, rng)
    grey = (grey - grey.mean()) * np.exp(rng.normal(0, 0.4)) / max(float(grey.std()), 0.02) * 0.22
    grey += rng.uniform(0.3, 0.75)  # the brightest and the darkest parts go out, as in copies of copies
    if rng.random() < 0.5:
        grey = cv2.GaussianBlur(grey, (0, 0), width * rng.uniform(0.003, 0.014))
    if rng.random() < 0.3:  # a vignette, light or dark
        out = np.clip((np.hypot(x, y * rng.uniform(0.7, 1)) - rng.uniform(0.7, 1.0)) / rng.uniform(0.2, 0.6), 0, 1)
        grey += (rng.integers(2) - grey) * out
    if rng.random() < 0.15:
        steps, turn = rng.uniform(25, 60), rng.uniform(0, np.pi)
        across, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        grey += rng.uniform(0.1, 0.4) * np.sin(across * steps * np.pi) * np.sin(down * steps * np.pi)
    if rng.random() < 0.6:
        grain = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), rng.uniform(0.3, 2.5))
        grey += grain / grain.std() * rng.uniform(0, 0.08)
    grey = np.clip(grey, 0, 1)[..., None]
    black, white = np.zeros(3), np.full(3, 255.0)
    if rng.random() < 0.6:  # faded ink on yellowed paper
        black = rng.uniform(0, 90) * np.array((1, 0.85, 0.65))
        white -= rng.uniform(0, 70) * np.array((0.3, 0.6, 1))
    return np.asarray(black + grey * (white - black), np.uint8)


def _shade(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """That of a hat, from above, or of light from one side."""
    turn = rng.choice((0, np.pi / 2, np.pi)) + rng.normal(0, 0.3)
    into = (x * np.cos(turn) - y * np.sin(turn) - rng.uniform(-0.2, 0.4)) / rng.uniform(0.05, 0.4)
    shade: np.ndarray = 1 - rng.uniform(0.3, 0.8) / (1 + np.exp(-into))
    return shade.astype(np.float32)
