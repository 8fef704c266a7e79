"""Find the faces of a picture: one network sees the whole picture at once.

The network is RetinaFace with MobileNet-0.25 (Deng et al. 2020, arXiv:1905.00641), converted by
`python -m training convert-face-detector`. A picture is scaled so that its longer side is COARSE pixels, and gets a
border, so that faces that fill the picture are found. Where this pass finds no face, or sees a hint of one that is too
small for it, the picture is searched once more at up to FINE pixels, for small faces only: what looks large there and
went unseen before is a cat or a stone.

The network knows faces that are upright or a little tilted; of others it finds some, unsurely, and may take a chin for
a forehead. So where no face is found that is surely upright, the picture is searched turned by every eighth of a
circle, too.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from detector import crop
from detector.sessions import Cores, SessionPool

# Part of the key of every cache of boxes: raise it whenever a box can come out differently.
VERSION = "retinaface-mobilenet0.25-3"
MODEL = Path(__file__).with_name("retinaface.tflite")

MIN_FACE = 24  # pixels: below, there is nothing left to judge
MIN_SCORE, SMALL_SCORE = 0.9, 0.6  # a small face gets lower scores, and so does what is none
SURE = 0.997  # a face below that is looked at turned: nine of ten upright faces have more
LEANING = 45.0  # degrees of roll up to which a look finds faces as they are
EIGHTHS = 8  # of a circle
COARSE, FINE = 320, 3200  # pixels of the longer side in the two passes, at most
GLANCE = 640  # likewise where the picture is looked at turned by quarters
ENLARGED = 1.6  # the fine pass scales a smaller picture up: the network's smallest anchor has 16 pixels
LEAST = 36  # pixels: side, in a pass, of the smallest faces that it finds for sure
SMALL = 24  # pixels: in the coarse pass, below this a face's box is left to the fine pass
LARGE = 48  # pixels: in the coarse pass, above this a face that only the fine pass sees is none
HINT = 0.1  # score from which a candidate below SMALL asks for the fine pass
SPARE = 3  # pixels, along each side, of which one of the scaled picture is made at least: more cost time only
BORDER = 32  # pixels round the scaled picture
STEP = 64  # sides of the network's input are multiples of it: few shapes, few allocations
MEAN = (127, 117, 104)  # RGB that the network sees as zero
STRIDES = (8, 16, 32)
ANCHORS = ((16, 32), (64, 128), (256, 512))  # sides in pixels, two anchors a cell, by stride
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2  # RetinaFace codes its boxes as SSD does (Liu et al. 2016, section 2.2)
MOST_FACES = 200  # of a picture, the largest: each takes a run of the networks
MOST_BOXES = 20 * MOST_FACES  # compared with one another, the largest: a face has about ten
IOU = 0.4  # above, two boxes are one face


@dataclass(frozen=True)
class DetectedFace:
    """One face, hairline to chin: `box` (left, top, right, bottom) in pixels of the upright picture, inside it; `score`
    0..1; `visible`, the share of the face's own box that lies inside the picture, 0..1; `keypoints` float32 (5, 2), x
    and y: right eye, left eye, nose, right and left corner of the mouth (the subject's right)."""

    box: tuple[int, int, int, int]
    score: float
    visible: float
    keypoints: np.ndarray

    @property
    def side(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def roll(self) -> float:
        return crop.roll(self.keypoints)


class FaceDetector:
    """Thread-safe. Loading takes a few milliseconds."""

    def __init__(self, cores: Cores | None = None) -> None:
        self._sessions = SessionPool(MODEL.read_bytes(), cores)

    def find(self, pixels: np.ndarray, *, min_face: int = MIN_FACE, min_score: float = MIN_SCORE) -> list[DetectedFace]:
        """Faces of an RGB picture, uint8 (H, W, 3), the largest first, MOST_FACES at most; an empty list where there is
        none. Faces of `least_face` pixels or more are detected reliably, smaller ones usually."""
        height, width = pixels.shape[:2]
        rows = self._look(pixels, min_score)
        if not ((rows[:, 0] >= SURE) & (abs(_rolls(rows)) <= LEANING)).any():
            rows = self._look_turned(pixels, rows, min_score)
        found = [_found(row, width, height) for row in rows]
        large = sorted((face for face in found if face and face.side >= min_face), key=lambda face: -face.side)
        return large[:MOST_FACES]

    def _look(self, pixels: np.ndarray, min_score: float, eighths: int = 0) -> np.ndarray:
        """Rows as of _search(), of both passes, of the picture turned by so many eighths of a circle."""
        longer = max(pixels.shape[:2])
        rows = _search(pixels, COARSE, min(min_score, HINT), self._sessions, eighths)
        sides = _sides(rows) * COARSE / longer
        sure = rows[:, 0] >= min_score
        hints = sides < SMALL
        if longer > COARSE and (hints.any() or not sure.any()):
            fine = min(FINE, round(ENLARGED * longer))
            found = _search(pixels, fine, min(min_score, SMALL_SCORE), self._sessions, eighths)
            found = found[_sides(found) * COARSE / longer <= LARGE]
            kept = rows[sure & ~hints]
            return np.concatenate([kept, found[[not _overlaps(row, kept) for row in found]]]) if len(found) else kept
        return rows[sure]

    def _look_turned(self, pixels: np.ndarray, rows: np.ndarray, min_score: float) -> np.ndarray:
        """`rows`, and what more is seen, or seen more surely, of the picture turned as shows the surest face at a
        glance: by quarters of a circle, or where none of those shows one upright, by an odd eighth."""
        best, left, eighths = max(self._glance(pixels, n) for n in range(2, EIGHTHS, 2))
        if best < min_score or left > crop.UPRIGHT:
            odd, _, odd_eighths = max(self._glance(pixels, n) for n in range(1, EIGHTHS, 2))
            if odd > best and (odd >= min_score or best < HINT):
                best, eighths = odd, odd_eighths
        if best < HINT:
            return rows
        turned = _leaning(self._look(pixels, min_score, eighths), eighths)
        every = np.concatenate([rows, turned])
        kept = rows[:0]
        for row in every[np.argsort(-every[:, 0], kind="stable")]:
            if not _overlaps(row, kept):
                kept = np.concatenate([kept, row[None]])
        return kept

    def _glance(self, pixels: np.ndarray, eighths: int) -> tuple[float, float, int]:
        """The score of the surest face that a turned picture shows, how many degrees it is then from upright, and how
        far the picture is turned."""
        longer = COARSE if eighths % 2 else max(COARSE, min(GLANCE, max(pixels.shape[:2])))
        rows = _leaning(_search(pixels, longer, HINT, self._sessions, eighths), eighths)
        return (float(rows[0, 0]), abs(_left(rows, eighths)[0]), eighths) if len(rows) else (0.0, 0.0, eighths)


def least_face(width: int, height: int) -> int:
    """Side in pixels of the smallest faces that are detected reliably in a picture of this size: MIN_FACE up to a
    longer side of 2,133 pixels, and 1.1% of the longer side above."""
    return max(MIN_FACE, round(LEAST * max(width, height) / FINE))


def _search(pixels: np.ndarray, longer: int, min_score: float, sessions: SessionPool, eighths: int = 0) -> np.ndarray:
    """Rows float32 (n, 15) of score, box and keypoints in pixels of the picture, the surest first, one a face; the
    picture's longer side is scaled to `longer` pixels, and it is turned by so many eighths of a circle."""
    whole = pixels.shape[1::-1]
    scale = longer / max(whole)
    width, height = (max(1, round(side * scale)) for side in whole)
    step = max(1, int(1 / scale / SPARE))
    sparse = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    small = np.asarray(sparse.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))
    turned, back = _turned(small, eighths)
    rows, columns = (-(-(side + 2 * BORDER) // STEP) * STEP for side in turned.shape[:2])
    canvas = np.full((1, rows, columns, 3), MEAN, np.uint8)
    top, left = (rows - turned.shape[0]) // 2, (columns - turned.shape[1]) // 2
    canvas[0, top : top + turned.shape[0], left : left + turned.shape[1]] = turned
    with sessions.take() as session:
        maps = session.run(canvas)
    found = _decode(sorted(maps, key=lambda values: -values.shape[1]), min_score)
    found[:, 1:] -= np.tile(np.array([left, top], np.float32), 7)
    if eighths:
        found = _turned_back(found, back, eighths)
    ratio = np.array([whole[0] / width, whole[1] / height], np.float32)
    found[:, 1:] *= np.tile(ratio, 7)
    return non_maximum_suppression(found)


def _turned(small: np.ndarray, eighths: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture turned counter-clockwise, and the matrix float64 (2, 3) from its points to those of `small`."""
    height, width = small.shape[:2]
    angle = eighths * 2 * math.pi / EIGHTHS
    matrix = np.array([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]])
    if eighths % 2:
        turned_width = turned_height = math.ceil((width + height) * 0.5**0.5)
    else:
        turned_height, turned_width = (height, width) if eighths % 4 == 0 else (width, height)
    middle = np.array([width, height]) / 2
    matrix[:, 2] = middle - matrix[:, :2] @ (np.array([turned_width, turned_height]) / 2)
    if eighths % 2 == 0:
        return np.rot90(small, eighths // 2), matrix
    image = Image.fromarray(small).transform(
        (turned_width, turned_height),
        Image.Transform.AFFINE,
        matrix.ravel().tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=MEAN,
    )
    return np.asarray(image), matrix


def _turned_back(rows: np.ndarray, matrix: np.ndarray, eighths: int) -> np.ndarray:
    """Rows that were found in a turned picture, in points of the one that was turned."""
    points = np.concatenate([(rows[:, 1:3] + rows[:, 3:5]) / 2, rows[:, 5:]], axis=1).reshape(-1, 6, 2)
    points = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    half = (rows[:, 3:5] - rows[:, 1:3]) / 2
    if eighths % 2:  # as large as the network makes the box of such a face
        loose = np.array([crop.loose(crop.roll(keypoints)) for keypoints in points[:, 1:]], np.float32)
        half = np.repeat((np.sqrt(np.clip(half, 0, None).prod(axis=1)) * loose)[:, None], 2, axis=1)
    elif eighths % 4:
        half = half[:, ::-1]
    middle = points[:, 0]
    return np.concatenate([rows[:, :1], middle - half, middle + half, points[:, 1:].reshape(-1, 10)], axis=1)


def _left(rows: np.ndarray, eighths: int) -> np.ndarray:
    """By how many degrees, -180 to 180, the faces are turned in a picture that is turned so."""
    return (_rolls(rows) - eighths * 360 / EIGHTHS + 180) % 360 - 180


def _rolls(rows: np.ndarray) -> np.ndarray:
    return np.array([crop.roll(row[5:].reshape(5, 2)) for row in rows], float)


def _leaning(rows: np.ndarray, eighths: int) -> np.ndarray:
    """The rows whose faces are nearly upright in a picture turned so, and not as it was."""
    return rows[(abs(_left(rows, eighths)) <= LEANING) & (abs(_rolls(rows)) > crop.UPRIGHT)]


def _decode(maps: list[np.ndarray], min_score: float) -> np.ndarray:
    """Rows (n, 15) in pixels of the network's input, of its maps (1, h, w, 32) for strides 8, 16 and 32."""
    found = []
    for stride, sides, values in zip(STRIDES, ANCHORS, maps, strict=True):
        width = values.shape[2]
        values = values.reshape(-1, 32)
        logits = values[:, 8:12].reshape(-1, 2, 2)
        scores = 1 / (1 + np.exp(np.clip(logits[..., 0] - logits[..., 1], -50, 50)))
        cell, anchor = np.nonzero(scores >= min_score)
        centre = (np.stack([cell % width, cell // width], axis=-1) + 0.5) * stride
        side = np.array(sides, np.float32)[anchor][:, None]
        offsets = values[:, :8].reshape(-1, 2, 4)[cell, anchor]
        points = values[:, 12:].reshape(-1, 2, 10)[cell, anchor]
        middle = centre + offsets[:, :2] * CENTRE_VARIANCE * side
        half = side * np.exp(np.clip(offsets[:, 2:] * SIZE_VARIANCE, -10, 10)) / 2
        keypoints = np.tile(centre, 5) + points * CENTRE_VARIANCE * side
        found.append(np.concatenate([scores[cell, anchor][:, None], middle - half, middle + half, keypoints], axis=1))
    return np.concatenate(found).astype(np.float32)


def non_maximum_suppression(rows: np.ndarray) -> np.ndarray:
    """Of boxes that overlap, the surest stays. Where there are too many to compare, the largest are looked at."""
    if len(rows) > MOST_BOXES:
        rows = rows[np.argpartition(-_areas(rows), MOST_BOXES)[:MOST_BOXES]]
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    kept = []
    while len(rows):
        kept.append(rows[0].copy())  # a view would keep all the others too
        common = _common(rows[0], rows)
        rows = rows[common / np.maximum(_areas(rows[:1]) + _areas(rows) - common, 1e-6) < IOU]
    return np.stack(kept) if kept else np.empty((0, 15), np.float32)


def _overlaps(row: np.ndarray, others: np.ndarray) -> bool:
    """Whether half of the smaller box is common: part of a face that was found whole already."""
    return bool((_common(row, others) > 0.5 * np.minimum(_areas(row[None]), _areas(others))).any())


def _common(row: np.ndarray, rows: np.ndarray) -> np.ndarray:
    low, high = np.maximum(row[1:3], rows[:, 1:3]), np.minimum(row[3:5], rows[:, 3:5])
    area: np.ndarray = np.prod(np.clip(high - low, 0, None), axis=1)
    return area


def _areas(rows: np.ndarray) -> np.ndarray:
    area: np.ndarray = np.prod(np.clip(rows[:, 3:5] - rows[:, 1:3], 0, None), axis=1)
    return area


def _sides(rows: np.ndarray) -> np.ndarray:
    longer: np.ndarray = (rows[:, 3:5] - rows[:, 1:3]).max(axis=1, initial=0.0)
    return longer


def _found(row: np.ndarray, width: int, height: int) -> DetectedFace | None:
    """None where less than a pixel of the face is in the picture."""
    left, top, right, bottom = (float(v) for v in row[1:5])
    inside = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
    if inside[2] - inside[0] < 1 or inside[3] - inside[1] < 1:
        return None
    visible = (inside[2] - inside[0]) * (inside[3] - inside[1]) / max((right - left) * (bottom - top), 1e-6)
    box = (round(inside[0]), round(inside[1]), round(inside[2]), round(inside[3]))
    return DetectedFace(box, float(row[0]), min(visible, 1.0), row[5:].reshape(5, 2).copy())
