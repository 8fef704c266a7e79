"""Forgeries of real photographs, made here: a face blended with itself.

Self-blended images (Shiohara and Yamasaki 2022, arXiv:2204.08376, section 3): the face of a photo is altered slightly
in colour or sharpness, moved a little, and blended back through a soft mask. What is left are the traces that every
face swap leaves, a boundary and a mismatch between inside and outside, and no generator's own. The paper takes its
mask from 81 landmarks; the finder here gives six keypoints, so the mask is an irregular oval laid over those.
"""

import cv2
import numpy as np


def self_blend(pixels: np.ndarray, keypoints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A forgery of the face at `keypoints` (6, 2; order as in detector.faces) of `pixels` (H, W, 3) uint8 RGB."""
    outer, inner = (pixels, _altered(pixels, rng))
    if rng.random() < 0.5:
        outer, inner = inner, outer
    height, width = pixels.shape[:2]
    reach = float(np.ptp(keypoints[:, 0]) + np.ptp(keypoints[:, 1])) / 2
    centre = keypoints.mean(axis=0)
    turn = cv2.getRotationMatrix2D(
        (float(centre[0]), float(centre[1])), float(rng.uniform(-2, 2)), float(rng.uniform(0.95, 1.05))
    )
    turn[:, 2] += rng.uniform(-0.03, 0.03, 2) * reach
    inner = cv2.warpAffine(inner, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mask = face_mask((height, width), keypoints, rng)[..., None] * rng.choice((0.5, 0.75, 1.0, 1.0, 1.0))
    return np.clip(inner * mask + outer * (1 - mask) + 0.5, 0, 255).astype(np.uint8)


def face_mask(shape: tuple[int, int], keypoints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A soft irregular oval over a face: float32 `shape` (H, W), 0..1. It covers the whole face or its middle part."""
    eyes = keypoints[:2].mean(axis=0)
    mouth = keypoints[3]
    down = mouth - eyes
    length = max(float(np.hypot(*down)), 4.0)
    down = down / length
    across = np.array([-down[1], down[0]])
    half_width = max(float(np.abs((keypoints[4:6] - eyes) @ across).mean()), 0.6 * length)
    centre = eyes + down * length * rng.uniform(0.35, 0.6)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wobble = 1 + 0.12 * rng.standard_normal(24)
    wobble = (wobble + np.roll(wobble, 1) + np.roll(wobble, -1)) / 3
    a = half_width * rng.uniform(0.65, 1.0) * wobble
    b = length * rng.uniform(0.9, 1.35) * wobble
    points = centre + np.outer(np.cos(angles) * a, across) + np.outer(np.sin(angles) * b, down)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255)
    softness = max(0.6, half_width * rng.uniform(0.03, 0.2))
    return cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32) / 255.0


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = pixels.astype(np.float32)
    out = out + rng.uniform(-18, 18, 3)  # colour shift
    out = 128 + (out - 128) * rng.uniform(0.85, 1.15) + rng.uniform(-14, 14)
    grey = out.mean(axis=2, keepdims=True)
    out = np.clip(grey + (out - grey) * rng.uniform(0.75, 1.25), 0, 255).astype(np.uint8)
    height, width = out.shape[:2]
    choice = rng.random()
    if choice < 0.4:  # as a generator's face is: of fewer pixels than its place
        factor = rng.uniform(0.35, 0.85)
        small = cv2.resize(
            out, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA
        )
        out = cv2.resize(small, (width, height), interpolation=int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC))))
    elif choice < 0.7:  # or sharpened after
        blurred = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.8, 2.0)))
        out = cv2.addWeighted(out, 1 + (amount := float(rng.uniform(0.3, 1.2))), blurred, -amount, 0)
    return out
