"""Look at a picture and say what is known about it: were its faces forged?

In three lines:

    from detector import Detector
    result = Detector.load().detect("photo.jpg")
    print(result.verdict, result.score)
"""

from detector.detector import Detector
from detector.errors import ImageError, ModelError
from detector.result import Face, Result
from detector.verdict import Verdict

__all__ = ["Detector", "Face", "ImageError", "ModelError", "Result", "Verdict"]

__version__ = "0.2.0"
