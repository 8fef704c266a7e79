"""Find the faces of a picture and cut each one out: the only crop path, for training, measuring and serving.

The finder is BlazeFace, back-camera variant (Bazarevsky et al. 2019, arXiv:1907.05047), as published with MediaPipe.
It sees 256 x 256 pixels at a time, so a picture is looked at whole (with a border, or a face that fills the picture is
missed) and in overlapping tiles for small faces. Every face is then looked at once more in a window of fixed relative
size: the box no longer depends on where in the picture, or at which scale, the face was first seen.
"""

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from detector.sessions import SessionPool

# Part of the key of every cache of boxes: raise it whenever a box can come out differently.
FINDER_VERSION = "blazeface-back-2"

MIN_FACE = 24  # pixels: below, there is nothing left to judge
MIN_SCORE = 0.5
SURE = 0.7  # faces reach 0.9 on the photographs of the tests, cups, cats and badges at most 0.66
_AT_ONCE = 0.82  # both first looks as sure as this: no wider one has contradicted them in 367 faces of photographs
BORDER = 0.25  # of the longer side, round the whole picture
MODEL = Path(__file__).parent / "finder" / "blazeface_back.tflite"
_INPUT = 256
_TILE = 384  # pixels: a face of 24 is then 16 wide for the finder, about the least it sees
_STEP = 0.8  # of a tile, from one to the next
_LEAST = 16 / _INPUT  # of a tile's side: smaller faces in it are missed
_MAX_TILES = 36  # of the smallest, which are most: what a large picture costs
_WINDOW = 2.4  # side of the second look, in face sides
_WIDE = 3.4  # side of a wider window, seen as it is and mirrored: cups, cats and badges fail there, faces do not
_IOU = 0.3


@dataclass(frozen=True)
class FoundFace:
    """One face: `box` (left, top, right, bottom) in pixels of the upright picture, inside it; `score` 0..1;
    `visible`, the share of the face's own box that lies inside the picture, 0..1;
    `keypoints` float32 (6, 2), x and y: right eye, left eye, nose, mouth, right ear, left ear (the subject's)."""

    box: tuple[int, int, int, int]
    score: float
    visible: float
    keypoints: np.ndarray

    @property
    def side(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class FaceFinder:
    """Thread-safe. Loading takes a few milliseconds. `threads` look at a picture side by side, where it is alone."""

    def __init__(self, threads: int = 1) -> None:
        self._sessions = SessionPool(MODEL.read_bytes())
        self._anchors = _anchors()
        # The network is too small to gain from a second core; the looks at a picture are many and independent.
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "faces") if threads > 1 else None

    def find(
        self,
        pixels: np.ndarray,
        *,
        min_face: int = MIN_FACE,
        min_score: float = MIN_SCORE,
        sure: float = SURE,
        alone: bool = True,
    ) -> list[FoundFace]:
        """Faces of an RGB picture, uint8 (H, W, 3), the largest first; an empty list where there is none.

        A face that the first two looks are not sure of is looked at again, and the mean score must reach `sure`, or
        cups and cats are taken for faces.
        At 0 every candidate stays: right for data sets, whose pictures are known to show a face.
        The same faces are found whether the picture is `alone` or other pictures need the threads.
        """
        image = Image.fromarray(pixels)
        width, height = image.size
        pool = self._pool if alone else None
        side_by_side = pool.map if pool else map
        seen, early = self._first_looks(image, min_score, pool)
        first = _suppress(seen)

        def look_again(row: np.ndarray) -> np.ndarray | None:
            key = row.tobytes()
            return early[key] if key in early else self._second_look(image, row, min_score)

        rows = []
        for row, again in zip(first, side_by_side(look_again, first), strict=True):
            face = _found(again, width, height) if again is not None else None
            if face and face.side >= min_face:
                rows.append((again, face, min(row[0], again[0]) >= _AT_ONCE))
        if sure > 0:
            rows = self._confirmed(image, rows, sure, side_by_side)
        kept = _suppress(np.stack([row for row, *_ in rows])) if rows else []
        found = [face for row, face, _ in rows if any(np.array_equal(row, k) for k in kept)]
        return sorted(found, key=lambda face: -face.side)

    def _first_looks(
        self, image: Image.Image, min_score: float, pool: ThreadPoolExecutor | None
    ) -> tuple[np.ndarray, dict[bytes, np.ndarray | None]]:
        """The rows of all windows, and by row the second look that was taken already."""
        windows = _windows(*image.size)
        if pool is None:
            return np.concatenate([self._look(image, window, min_score) for window in windows]), {}
        looks = [pool.submit(self._look, image, window, min_score) for window in windows]

        def early() -> dict[bytes, np.ndarray | None]:
            whole = looks[0].result()[:1]  # was begun before this; the surest row comes first
            return {row.tobytes(): self._second_look(image, row, min_score) for row in whole}

        # The last round of looks would leave a thread idle. Of 149 faces 121 were seen best in the picture as a whole.
        ahead = pool.submit(early) if len(windows) % self._threads else None
        return np.concatenate([look.result() for look in looks]), ahead.result() if ahead else {}

    def _confirmed(
        self,
        image: Image.Image,
        rows: list[tuple[np.ndarray, FoundFace, bool]],
        sure: float,
        side_by_side: Callable[..., Iterable[float]],
    ) -> list[tuple[np.ndarray, FoundFace, bool]]:
        """Of (row, face, whether it needs no confirming), those that are faces."""
        looks = [(row, mirrored) for row, _, at_once in rows if not at_once for mirrored in (False, True)]
        scores = np.fromiter(side_by_side(lambda look: self._wide_look(image, *look), looks), float).reshape(-1, 2)
        wide = iter(scores)
        return [item for item in rows if item[2] or np.mean([item[0][0], *next(wide)]) >= sure]

    def _second_look(self, image: Image.Image, row: np.ndarray, min_score: float) -> np.ndarray | None:
        again = self._look(image, _around(row, _WINDOW), min_score)
        overlaps = _iou(row[1:5], again[:, 1:5])
        return again[int(np.argmax(overlaps))] if len(again) and overlaps.max() > _IOU else None

    def _wide_look(self, image: Image.Image, row: np.ndarray, mirrored: bool) -> float:
        """The score of the same face in a wider window; 0 where it is not found again."""
        # The box is in the middle: mirrored, it is where it was.
        again = self._look(image, _around(row, _WIDE), 0.1, mirrored)
        return float(max(again[_iou(row[1:5], again[:, 1:5]) > _IOU, 0], default=0.0))

    def _look(
        self, image: Image.Image, window: tuple[float, float, float], min_score: float, mirrored: bool = False
    ) -> np.ndarray:
        """Rows (n, 17) of score, box, keypoints in pixels of the picture, merged; `window` is left, top, side."""
        frame = _frame(image, window)
        if mirrored:
            frame = frame[:, ::-1]
        with self._sessions.take() as session:
            raw_boxes, raw_scores = session.run((frame.astype(np.float32) - 127.5)[None] / 127.5)
        scores = 1.0 / (1.0 + np.exp(-np.clip(raw_scores[0, :, 0], -50.0, 50.0)))
        sure = scores >= min_score
        if not sure.any():
            return np.empty((0, 17), np.float32)
        raw, anchors, scores = raw_boxes[0][sure] / _INPUT, self._anchors[sure], scores[sure]
        centre = raw[:, :2] + anchors
        half = raw[:, 2:4] / 2
        keypoints = (raw[:, 4:16].reshape(-1, 6, 2) + anchors[:, None]).reshape(-1, 12)
        coords = np.concatenate([centre - half, centre + half, keypoints], axis=1)
        left, top, side = window
        coords = coords * side + np.tile(np.float32([left, top]), 8)
        return _merge(np.concatenate([scores[:, None], coords], axis=1).astype(np.float32))


def cut(
    pixels: np.ndarray,
    box: tuple[float, float, float, float],
    size: int,
    margin: float,
    *,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """The square crop of a face: uint8 RGB (size, size, 3).

    Its side is `margin` times the longer side of `box` (left, top, right, bottom), its centre the box's. What lies
    outside the picture repeats the picture's edge. Training varies `scale` (of the side), `shift` (in face sides)
    and `resample`; serving leaves them alone.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    face = max(right - left, bottom - top)
    side = max(2, round(face * margin * scale))
    x0 = round((left + right) / 2 + shift[0] * face - side / 2)
    y0 = round((top + bottom) / 2 + shift[1] * face - side / 2)
    x1, y1 = x0 + side, y0 + side
    first_row, first_column = min(max(y0, 0), height - 1), min(max(x0, 0), width - 1)
    part = pixels[first_row : max(min(y1, height), 1), first_column : max(min(x1, width), 1)]
    if part.shape[:2] != (side, side):
        rows = np.clip(np.arange(y0, y1), 0, height - 1) - first_row
        columns = np.clip(np.arange(x0, x1), 0, width - 1) - first_column
        part = part[rows][:, columns]
    return np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize((size, size), resample, reducing_gap=3.0))


def _around(row: np.ndarray, sides: float) -> tuple[float, float, float]:
    """The window of so many face sides with the face in its middle."""
    left, top, right, bottom = row[1:5]
    side = max(right - left, bottom - top) * sides
    return (left + right - side) / 2, (top + bottom - side) / 2, side


def _windows(width: int, height: int) -> list[tuple[float, float, float]]:
    longer = max(width, height)
    side = longer * (1 + 2 * BORDER)
    windows = [((width - side) / 2, (height - side) / 2, side)]
    tile = _smallest_tile(width, height)
    while tile < longer:
        windows += _tiles(width, height, tile)
        # A tile's overlap holds whole what the next larger tiles are the first to see.
        tile *= 3
    return windows


def least_face(width: int, height: int) -> int:
    """Side in pixels of the smallest faces that are found for sure in a picture of this size: the larger it is, the
    coarser it is searched."""
    return max(MIN_FACE, round(_smallest_tile(width, height) * _LEAST))


def _smallest_tile(width: int, height: int) -> float:
    tile = float(_TILE)
    while len(_tiles(width, height, tile)) > _MAX_TILES:
        tile *= 1.05
    return tile


def _tiles(width: int, height: int, tile: float) -> list[tuple[float, float, float]]:
    return [(x, y, tile) for y in _steps(height, tile) for x in _steps(width, tile)]


def _steps(length: int, tile: float) -> list[float]:
    if length <= tile:
        return [(length - tile) / 2]
    count = math.ceil((length - tile) / (tile * _STEP)) + 1
    return list(np.linspace(0, length - tile, count))


def _frame(image: Image.Image, window: tuple[float, float, float]) -> np.ndarray:
    """The window of the picture as the finder's input, black outside the picture."""
    left, top, side = window
    width, height = image.size
    inner = (max(left, 0.0), max(top, 0.0), min(left + side, width), min(top + side, height))
    scale = _INPUT / side
    target = [round((v - o) * scale) for v, o in zip(inner, (left, top, left, top), strict=True)]
    target_size = (max(target[2] - target[0], 1), max(target[3] - target[1], 1))
    canvas = np.zeros((_INPUT, _INPUT, 3), np.uint8)
    if inner[2] - inner[0] < 1 or inner[3] - inner[1] < 1:
        return canvas
    part = image.resize(target_size, Image.Resampling.BILINEAR, box=inner, reducing_gap=2.0)
    y, x = min(target[1], _INPUT - 1), min(target[0], _INPUT - 1)
    block = np.asarray(part)[: _INPUT - y, : _INPUT - x]
    canvas[y : y + block.shape[0], x : x + block.shape[1]] = block
    return canvas


def _anchors() -> np.ndarray:
    """Centres (896, 2) of the back-camera model: 16 x 16 cells of 2 anchors, 8 x 8 cells of 6."""
    rows = []
    for cells, count in ((16, 2), (8, 6)):
        y, x = np.mgrid[0:cells, 0:cells]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        rows.append(np.repeat(centres, count, axis=0))
    return np.concatenate(rows).astype(np.float32)


def _merge(rows: np.ndarray) -> np.ndarray:
    """Overlapping answers of one look, blended by score (BlazeFace, section 3.4)."""
    rows = rows[np.argsort(-rows[:, 0])]
    merged = []
    while len(rows):
        near = _iou(rows[0, 1:5], rows[:, 1:5]) > _IOU
        near[0] = True
        group, rows = rows[near], rows[~near]
        weights = group[:, :1] / group[:, 0].sum()
        blended = (group * weights).sum(axis=0)
        blended[0] = group[0, 0]
        merged.append(blended)
    return np.stack(merged)


def _suppress(rows: np.ndarray) -> list[np.ndarray]:
    """The same face seen in several looks: the surest row of each stays."""
    kept: list[np.ndarray] = []
    for row in rows[np.argsort(-rows[:, 0], kind="stable")] if len(rows) else []:
        if not kept or max(_overlap(row[1:5], other[1:5]) for other in kept) < 0.5:
            kept.append(row)
    return kept


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    if not len(boxes):
        return np.zeros(0, np.float32)
    common = _common(box, boxes)
    return common / np.maximum(_area(box) + _area(boxes) - common, 1e-6)


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Common area over the smaller of both: a half-seen face at a tile's edge lies inside the whole one."""
    return float(_common(box, other[None])[0] / max(min(_area(box), _area(other)), 1e-6))


def _common(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes[..., 2] - boxes[..., 0], 0, None) * np.clip(boxes[..., 3] - boxes[..., 1], 0, None)


def _found(row: np.ndarray, width: int, height: int) -> FoundFace | None:
    left, top, right, bottom = (float(v) for v in row[1:5])
    inside = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
    if inside[2] - inside[0] < 1 or inside[3] - inside[1] < 1:
        return None
    visible = float(_area(np.array(inside)) / max(_area(row[1:5]), 1e-6))
    box = tuple(int(round(v)) for v in inside)
    return FoundFace(box, float(row[0]), min(visible, 1.0), row[5:17].reshape(6, 2).copy())
