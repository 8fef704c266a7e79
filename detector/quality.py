"""What weakens a verdict, such as a picture that is not a photograph, and what rules one out: a face that is tiny, cut
off, blurred, covered or near a corner that an editor left empty."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from detector import face_detector
from detector.covering import COVERED
from detector.crop import places, turns
from detector.picture import Picture
from detector.result import Warning, WarningCode

# Below, more than a fifth of the forgeries by some unseen generator score as low as real faces do, and hardly one is
# called forged (docs/wrong-verdicts.md).
TINY_FACE = 48  # pixels of the longer side
CUT_OFF = 0.75  # share of a face's box inside the picture
BLURRED = 5.0  # variance of the Laplacian of the crop's grey values
MANY_FACES = 8
# Of the corners that a picture has after it was turned in an editor, see _empty_corners.
LEVELS = 12  # of 255 by which JPEG changes their colour, at most
RIM, LEAST_CORNER = 0.01, 0.02  # shares of the picture's shorter side
BENT = 0.25  # share of the places at the straight edge of one that may look otherwise
CORNERS, APART = 2, 6.0  # at least so many have such an edge, at angles so many degrees apart at most
EMPTY = 0.01  # share of a crop; where less is empty, real portraits are accused no more often than upright ones
FEW_COLOURS, FLAT = 0.65, 0.5  # shares of a graphic, see _is_graphic; none of 10,150 photographs had them


# What a face that is not judged may have, in the order in which it is told.
DOUBTS = (
    WarningCode.TINY_FACE,
    WarningCode.CUT_OFF_FACE,
    WarningCode.BLURRED_FACE,
    WarningCode.COVERED_FACE,
    WarningCode.EMPTY_CORNER,
)
_FACES = ("One face is", "This face is", "{n} faces are")
# Of one face, of this one beside its crop, and of {n}.
SENTENCES = {
    WarningCode.NOT_A_PHOTOGRAPH: (
        "This looks like a drawing, a graphic or a screenshot, not like a photograph: the detector has learned from "
        "photographs only.",
    ),
    WarningCode.TINY_FACE: tuple(
        f"{faces} smaller than {TINY_FACE} pixels, too small to be judged: use a larger copy." for faces in _FACES
    ),
    WarningCode.LARGE_PICTURE: (
        "In a picture this large, faces smaller than {n} pixels may be missed: check a part of it for them.",
    ),
    WarningCode.CUT_OFF_FACE: tuple(
        f"{faces} cut off by the edge of the picture, and cannot be judged: use a copy that shows the whole face."
        for faces in _FACES
    ),
    WarningCode.BLURRED_FACE: tuple(f"{faces} too blurred to be judged: use a sharper copy." for faces in _FACES),
    WarningCode.COVERED_FACE: tuple(
        f"{faces} covered, by a mask, a bar or something else, and cannot be judged: use a copy that shows the whole "
        "face."
        for faces in _FACES
    ),
    WarningCode.EMPTY_CORNER: tuple(
        f"Part of the picture around {faces} is empty, as after turning it in an editor: use the picture as it was "
        "taken."
        for faces in ("one face", "this face", "{n} faces")
    ),
    WarningCode.TURNED_FACE: tuple(
        f"{faces} on the side or upside down: turned upright to be judged." for faces in _FACES
    ),
    WarningCode.MORE_FRAMES: (
        "The file holds several frames or pages: only the first was judged.",
        "The file holds several frames or pages: only number {n} was judged, the first that shows something.",
    ),
    WarningCode.REDUCED_PICTURE: ("The picture has {n} megapixels: it was judged at a smaller size.",),
    WarningCode.MANY_FACES: (
        "{n} faces were judged: the more there are, the sooner one scores high by chance, so each must score higher "
        "before it is called forged.",
    ),
    WarningCode.TOO_MANY_FACES: (
        "Only the {n} largest faces are judged: if there are more, check a part of the picture for them.",
    ),
}


def doubts(
    pixels: np.ndarray,
    found: Sequence[face_detector.DetectedFace],
    crops: np.ndarray,
    covering: np.ndarray,
    margin: float,
) -> list[tuple[WarningCode, ...]]:
    """Which of DOUBTS keep each of the faces `found` in `pixels` from being judged, of their `crops` uint8
    (N, S, S, 3), what CoveringDetector says of them, float (N,), and the widest `margin` of their crops."""
    corners = _empty_corners(pixels)

    def emptied(face: face_detector.DetectedFace) -> bool:
        if not corners:
            return False
        x, y = places(face.box, margin, crops.shape[1], face.roll)
        return bool(sum((a * x + b * y < c).mean() for a, b, c in corners) >= EMPTY)

    def of(face: face_detector.DetectedFace, crop: np.ndarray, logit: float) -> tuple[WarningCode, ...]:
        doubted = (
            face.side < TINY_FACE,
            face.visible < CUT_OFF,
            sharpness(crop) < BLURRED,
            logit >= COVERED,
            emptied(face),
        )
        return tuple(code for code, is_so in zip(DOUBTS, doubted, strict=True) if is_so)

    return [of(*one) for one in zip(found, crops, covering, strict=True)]


def warnings(
    seen: Picture, found: Sequence[face_detector.DetectedFace], doubted: Sequence[tuple[WarningCode, ...]]
) -> Iterator[Warning]:
    """What makes the verdict on `seen` weak, its faces as `found`, with such doubts."""
    if _is_graphic(seen.pixels):
        yield _warning(WarningCode.NOT_A_PHOTOGRAPH, 1)
    height, width = seen.pixels.shape[:2]
    if seen.width > width:
        yield _warning(WarningCode.REDUCED_PICTURE, round(seen.width * seen.height / 1e6))
    if seen.more_frames:
        yield _warning(WarningCode.MORE_FRAMES, seen.frame)
    if turned := sum(turns(face.roll)[0] > 0 for face in found):
        yield _warning(WarningCode.TURNED_FACE, turned)
    least = face_detector.least_face(width, height)
    if least > 2 * face_detector.MIN_FACE:
        yield _warning(WarningCode.LARGE_PICTURE, round(least * seen.width / width))
    counts = Counter(code for own in doubted for code in own)
    for code in DOUBTS:
        if code in counts:
            yield _warning(code, counts[code])
    if (judged := sum(not own for own in doubted)) >= MANY_FACES:
        yield _warning(WarningCode.MANY_FACES, judged)
    if len(found) == face_detector.MOST_FACES:
        yield _warning(WarningCode.TOO_MANY_FACES, len(found))


def _warning(code: WarningCode, n: int) -> Warning:
    sentences = SENTENCES[code]
    return Warning(code, sentences[0 if n == 1 else -1].format(n=n))


def sharpness(crop: np.ndarray) -> float:
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
    if ((here == right) & (here == below)).all(axis=2).mean() < FLAT:
        return False
    colours = here.astype(np.int32) @ (65536, 256, 1)
    counts = np.sort(np.unique(colours, return_counts=True)[1])[:-1]  # without the background
    return bool(counts[-8:].sum() >= FEW_COLOURS * counts.sum())


def _empty_corners(pixels: np.ndarray) -> list[tuple[float, float, float]]:
    """What turning `pixels` uint8 (H, W, 3) in an editor left empty: (a, b, c) for each corner, where a * x + b * y < c
    holds. None, unless all four have one colour, and those that end at a straight edge do so at the same angle: a plain
    wall or the corners round an oval are none."""
    height, width = pixels.shape[:2]
    least, rim = LEAST_CORNER * min(height, width), round(RIM * min(height, width))
    inner = pixels[rim : height - rim, rim : width - rim]  # at the rim the photograph's own corners meet the edge
    four = inner[[0, 0, -1, -1], [0, -1, 0, -1]]
    if np.ptp(four, axis=0).max() > LEVELS:
        return []

    def empty(part: np.ndarray) -> np.ndarray:
        alike: np.ndarray = np.abs(part - four.mean(axis=0)).max(axis=-1) <= LEVELS
        return alike

    corners, angles = [], []
    along = np.linspace(0.15, 0.85, 8)
    for low, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        seen = inner[:: 1 - 2 * low, :: 1 - 2 * right]
        across, down = int(empty(seen[0]).argmin()), int(empty(seen[:, 0]).argmin())  # 0 where all is empty
        if min(across, down) <= least:
            continue
        before, behind = (
            empty(seen[(reach * (1 - along) * down).astype(int), (reach * along * across).astype(int)])
            for reach in (0.85, 1.15)
        )
        if before.mean() < 1 - BENT or behind.mean() > BENT:
            continue
        a, b = (1 - 2 * right) / across, (1 - 2 * low) / down
        corners.append((a, b, 1 + a * (width - rim if right else rim) + b * (height - rim if low else rim)))
        angles.append(math.degrees(math.atan2(across, down) if low == right else math.atan2(down, across)))
    return corners if len(corners) >= CORNERS and max(angles) - min(angles) <= APART else []
