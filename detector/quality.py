"""What makes a verdict weak: a face that is tiny, cut off or blurred, and a picture that is no photograph."""

from collections.abc import Iterator, Sequence

import numpy as np

from detector import finder
from detector.picture import Picture
from detector.result import Warning, WarningCode

TINY_FACE = 48  # pixels: below, much of what gives a forgery away is gone
MANY_FACES = 8
CUT_OFF = 0.75  # share of a face's box inside the picture
_BLURRED = 12.0  # variance of the Laplacian of the crop's grey values
_FEW_COLOURS, _FLAT = 0.65, 0.5  # shares of a graphic, see _is_graphic; none of 10,150 photographs had them


def warnings(seen: Picture, found: Sequence[finder.FoundFace], crops: np.ndarray) -> Iterator[Warning]:
    """What makes the verdict on `seen` weak: its faces as `found`, their `crops` uint8 (N, S, S, 3)."""

    def some(count: int) -> str:
        return "One face is" if count == 1 else f"{count} faces are"

    if _is_graphic(seen.pixels):
        yield Warning(
            WarningCode.NOT_A_PHOTOGRAPH,
            "This looks like a drawing, a graphic or a screenshot, not like a photograph: the detector has learned "
            "from photographs only.",
        )
    tiny = sum(face.side < TINY_FACE for face in found)
    cut = sum(face.visible < CUT_OFF for face in found)
    blurred = sum(_sharpness(crop) < _BLURRED for crop in crops)
    if tiny:
        yield Warning(
            WarningCode.TINY_FACE,
            f"{some(tiny)} smaller than {TINY_FACE} pixels: little is left to judge by, use a larger copy.",
        )
    least = finder.least_face(seen.width, seen.height)
    if least > 2 * finder.MIN_FACE:
        yield Warning(
            WarningCode.LARGE_PICTURE,
            f"In a picture this large, faces smaller than {least} pixels may be missed: check a part of it for them.",
        )
    if cut:
        yield Warning(
            WarningCode.CUT_OFF_FACE,
            f"{some(cut)} cut off by the edge of the picture: what is missing could not be judged.",
        )
    if blurred:
        yield Warning(
            WarningCode.BLURRED_FACE,
            f"{some(blurred)} heavily blurred: the traces of a forgery may be gone, and so may those of a real photo.",
        )
    if len(found) >= MANY_FACES:
        yield Warning(
            WarningCode.MANY_FACES,
            f"{len(found)} faces were judged: the more faces, the likelier that one is called forged by mistake.",
        )


def _sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of the grey crop."""
    grey = crop.astype(np.float32).mean(axis=2)
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def _is_graphic(pixels: np.ndarray) -> bool:
    """Whether `pixels` uint8 (H, W, 3) are flat areas of a few exact colours, which noise and compression leave no
    photograph. A drawing that was shaded, or stored as JPEG, passes for a photograph too."""
    height, width = pixels.shape[:2]
    step = max(1, round((height * width / 20_000) ** 0.5))
    here, right, below = (
        pixels[down : height - 1 + down : step, along : width - 1 + along : step]
        for down, along in ((0, 0), (0, 1), (1, 0))
    )
    if ((here == right) & (here == below)).all(axis=2).mean() < _FLAT:
        return False
    colours = here.astype(np.int32) @ (65536, 256, 1)
    counts = np.sort(np.unique(colours, return_counts=True)[1])[:-1]  # without the background
    return bool(counts[-8:].sum() >= _FEW_COLOURS * counts.sum())
