"""Notice faces that are covered: by a mask, a bar, a sticker, or a part that was blurred or pixelated.

The network is small, sees the face's crop at SIZE pixels, and was trained on covers that were drawn over faces, by
`python -m training covering`. Sunglasses, beards, hair and hands are left to count as part of a face.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector.crop import crop_face
from detector.face_detector import DetectedFace
from detector.sessions import Cores, SessionPool

MODEL = Path(__file__).parent / "face_detector" / "covering.tflite"
SIZE, MARGIN = 96, 1.4  # of its crop: pixels, face sides
COVERED = 1.0  # logit: of 1,961 uncovered real faces 9 reach it, of 824 under flat bars over the eyes and masks 810


class CoveringDetector:
    """Thread-safe."""

    def __init__(self, cores: Cores | None = None) -> None:
        self._sessions = SessionPool(MODEL.read_bytes(), cores)

    def logits(self, pixels: np.ndarray, found: Sequence[DetectedFace]) -> np.ndarray:
        """float32 (N,), from COVERED on for a covered one, of the faces `found` in `pixels` uint8 (H, W, 3)."""
        logits = np.empty(len(found), np.float32)
        with self._sessions.take() as session:
            for i, face in enumerate(found):
                crop = crop_face(pixels, face.box, SIZE, MARGIN, roll=face.roll)
                logits[i] = session.run(crop[None])[0].item()
        return logits
