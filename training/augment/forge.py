"""Forgeries of real photographs, made here: a face blended with itself, or put into another photograph.

Self-blended images (Shiohara and Yamasaki 2022, arXiv:2204.08376, section 3): the face of a photo is altered slightly
in colour or sharpness, moved a little, and blended back through a soft mask. What is left are the traces that every
face swap leaves, a boundary and a mismatch between inside and outside, and no generator's own. The paper takes its
mask from 81 landmarks; the face detector here gives six keypoints, so the mask is an irregular oval laid over those.

Swaps (Bitouk et al. 2008, "Face Swapping: Automatically Replacing Faces in Photographs", SIGGRAPH; Nirkin et al. 2018,
arXiv:1704.06729): another face is laid over by its eyes and mouth, given the colours of the place it comes to, and
blended in through the same mask. No 3D model is fitted: faces that look about the same way swap best.

`forge` makes a folder of both, and of the photographs they were made of, all saved alike.
"""

import hashlib
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from detector import face_detector, picture, walk
from detector.errors import ImageError
from training.errors import TrainingError
from training.files import write
from training.options import option

log = logging.getLogger(__name__)

METHODS = ("self_blend", "swap")
MANIFEST = "manifest.json"
_MIRRORED = [1, 0, 2, 4, 3]  # the keypoints of a face in a mirror: left is right


def self_blend(pixels: np.ndarray, keypoints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A forgery of the face at `keypoints` (5, 2; as in detector.face_detector) of `pixels` (H, W, 3) uint8 RGB."""
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
    return np.asarray(np.clip(inner * mask + outer * (1 - mask) + 0.5, 0, 255), np.uint8)


def swap(
    pixels: np.ndarray, keypoints: np.ndarray, donor: np.ndarray, donor_points: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """`pixels` (H, W, 3) uint8 RGB with the face of `donor` (h, w, 3) in place of its own; both keypoints are (5, 2),
    order as in detector.face_detector. The donor is mirrored where it looks the other way."""
    height, width = pixels.shape[:2]
    if _turned(keypoints) * _turned(donor_points) < 0:
        donor = np.ascontiguousarray(donor[:, ::-1])
        donor_points = (np.array([donor.shape[1] - 1, 0], np.float32) + np.array([-1, 1], np.float32) * donor_points)[
            _MIRRORED
        ]
    warp = _affine(donor_points, keypoints)
    scale = float(np.sqrt(abs(np.linalg.det(warp[:, :2]))))
    if scale < 0.5:  # linear interpolation would skip pixels
        size = [max(1, round(side * scale)) for side in donor.shape[1::-1]]
        ratio = np.divide(size, donor.shape[1::-1])
        donor = cv2.resize(donor, size, interpolation=cv2.INTER_AREA)
        warp = _affine(donor_points * ratio, keypoints)
    face = cv2.warpAffine(donor, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mask = face_mask((height, width), keypoints, rng)
    face = _recoloured(face, pixels, mask)
    mask = mask[..., None]
    return np.asarray(np.clip(face * mask + pixels * (1 - mask) + 0.5, 0, 255), np.uint8)


def _turned(keypoints: np.ndarray) -> float:
    """How far the nose lies to one side of the line from between the eyes to the mouth, in pixels."""
    eyes, mouth = _eyes_and_mouth(keypoints)
    nose = keypoints[2]
    down = (mouth - eyes) / max(float(np.hypot(*(mouth - eyes))), 1e-6)
    return float((nose - eyes) @ np.array([-down[1], down[0]]))


def _affine(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(2, 3): lays both eyes and the mouth of one face on those of another."""
    three = (np.array([p[0], p[1], _eyes_and_mouth(p)[1]], np.float32) for p in (points, onto))
    return np.asarray(cv2.getAffineTransform(*three))


def _eyes_and_mouth(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points between the eyes and between the corners of the mouth, (2,) each."""
    return keypoints[:2].mean(axis=0), keypoints[3:].mean(axis=0)


def _recoloured(face: np.ndarray, place: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`face` with mean and spread of the colours of `place` under `mask`, in L*a*b* (Reinhard et al. 2001)."""
    inside = mask > 0.5
    if not inside.any():
        return face
    lab = cv2.cvtColor(face.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    aim = cv2.cvtColor(place.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[inside]
    own = lab[inside]
    gain = np.clip(aim.std(axis=0) / np.maximum(own.std(axis=0), 1e-3), 0.3, 2.0)
    lab = (lab - own.mean(axis=0)) * gain + aim.mean(axis=0)
    return np.asarray(np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB) * 255, 0, 255))


def face_mask(shape: tuple[int, int], keypoints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A soft irregular oval over a face: float32 `shape` (H, W), 0..1. It covers the whole face or its middle part."""
    eyes, mouth = _eyes_and_mouth(keypoints)
    down = mouth - eyes
    length = max(float(np.hypot(*down)), 4.0)
    down = down / length
    across = np.array([-down[1], down[0]])
    half_width = max(1.15 * float(np.abs((keypoints[:2] - eyes) @ across).sum()), 0.6 * length)
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
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), np.float32) / 255.0


def _altered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out: np.ndarray = pixels.astype(np.float32)
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


# ---- a folder of forgeries ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ForgeOptions:
    """`count` forgeries of each of `methods` are made of a photograph, for swaps at most one a donor. Every picture is
    cut to a square of `around` face sides (or what of it the photograph holds), scaled down to `size` pixels at most
    and saved as JPEG of `quality`."""

    methods: tuple[str, ...] = option(METHODS, "how forgeries are made", choices=METHODS)
    count: int = option(1, "forgeries of each photograph")
    around: float = option(3.0, "side of the picture that is cut out / face size")
    size: int = option(512, "longest side in pixels")
    quality: int = option(90, "JPEG quality")
    seed: int = option(1, "random seed: the same seed, the same files")


@dataclass(frozen=True)
class _Photo:
    name: str
    pixels: np.ndarray
    keypoints: np.ndarray


def forge(photos: Path, out: Path, options: ForgeOptions = ForgeOptions()) -> list[dict[str, Any]]:
    """Make forgeries of the photographs below the folder `photos`: `out`/train/Fake, with the photographs they are
    made of in `out`/train/Real, a folder that `--data` takes. The same seed gives the same files.

    Returns the rows of `out`/manifest.json: `file`, `label`, `method`, `pictures` (the photograph, then the donor),
    `seed`. A file's name is made of two checksums, of the photograph's name and of its own bytes. Raises TrainingError
    where there is nothing to forge or `out` is in use.
    """
    if not photos.is_dir():
        raise TrainingError(f"There is no folder called {photos.name}: give the folder that holds the photographs.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out.name} already holds something: give another --out.")
    if options.count < 1 or options.size < 64 or not 1 <= options.quality <= 100 or options.around < 1:
        raise TrainingError("Forging needs a count and --around of 1 or more, a size from 64, a quality of 1 to 100.")
    found = _photos(photos, options)
    if not found:
        raise TrainingError(f"No face was found in the pictures of {photos.name}: give photographs of people.")
    if "swap" in options.methods and len(found) < 2:
        raise TrainingError("A swap needs two photographs with a face: add one, or give --methods self_blend.")
    rows = []
    for number, photo in enumerate(found):
        rows.append(_saved(photo.pixels, out, "real", "none", [photo.name], [], options))
        for method in options.methods:
            rows += _forged(found, number, method, out, options)
    content = {"seed": options.seed, "pictures": rows}
    write(out / MANIFEST, json.dumps(content, indent=1).encode())
    log.info("%d forgeries of %d photographs", sum(row["label"] == "fake" for row in rows), len(found))
    return rows


def _forged(found: list[_Photo], number: int, method: str, out: Path, options: ForgeOptions) -> list[dict[str, Any]]:
    photo = found[number]
    others = [other for other in found if other is not photo]
    order = np.random.default_rng([options.seed, number]).permutation(len(others))
    rows = []
    for turn in range(options.count if method == "self_blend" else min(options.count, len(others))):
        seed = [options.seed, number, METHODS.index(method), turn]
        rng = np.random.default_rng(seed)
        if method == "self_blend":
            names, pixels = [photo.name], self_blend(photo.pixels, photo.keypoints, rng)
        else:
            donor = others[order[turn]]
            names = [photo.name, donor.name]
            pixels = swap(photo.pixels, photo.keypoints, donor.pixels, donor.keypoints, rng)
        rows.append(_saved(pixels, out, "fake", method, names, seed, options))
    return rows


def _photos(folder: Path, options: ForgeOptions) -> list[_Photo]:
    detector = face_detector.FaceDetector()
    photos = []
    passed = walk.PassedOver()
    for file in walk.pictures(folder, passed):
        try:
            pixels = picture.read(file).pixels
        except ImageError as error:
            log.warning("%s is left out: %s", file.name, error)
            continue
        found = detector.find(pixels)
        if not found:
            log.warning("%s is left out: it shows no face.", file.name)
            continue
        photos.append(_portrait(file.relative_to(folder).as_posix(), pixels, found[0], options))
    if told := str(passed):
        log.warning(told)
    return photos


def _portrait(name: str, pixels: np.ndarray, face: face_detector.DetectedFace, options: ForgeOptions) -> _Photo:
    """The square round a face, inside the photograph, scaled down to the size of what is written."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = face.box
    side = min(round(face.side * options.around), height, width)
    x = int(np.clip((left + right - side) / 2, 0, width - side))
    y = int(np.clip((top + bottom - side) / 2, 0, height - side))
    square = np.ascontiguousarray(pixels[y : y + side, x : x + side])
    points = face.keypoints - np.array([x, y], np.float32)
    if side > options.size:
        square = cv2.resize(square, (options.size, options.size), interpolation=cv2.INTER_AREA)
        points = points * (options.size / side)
    return _Photo(name, square, points)


def _saved(
    pixels: np.ndarray, out: Path, label: str, method: str, names: list[str], seed: list[int], options: ForgeOptions
) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=options.quality)
    content = file.getvalue()
    # In the order of names, what is made of one photograph stands together: training holds out the last ones.
    name = hashlib.sha256(names[0].encode()).hexdigest()[:4] + hashlib.sha256(content).hexdigest()[:8]
    path = out / "train" / label.capitalize() / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, content)
    place = path.relative_to(out).as_posix()
    return {"file": place, "label": label, "method": method, "pictures": names, "seed": seed}
