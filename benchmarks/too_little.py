"""python -m benchmarks.too_little: how small, blurred or cut off a face may be for its score to tell forged from real.

Validation faces with their surroundings are scaled down, blurred or cut at an edge, and go through the app's path. The
AUC is that of the forged faces of each set against the real ones of all sets, every set counting alike: at 0.5 the
score tells nothing. The limits of detector/quality.py belong where more forgeries are cleared than the thresholds were
fitted to hold.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sklearn.metrics import roc_auc_score

from detector import Detector, ImageError, options, quality
from detector.crop import crop_face
from detector.model_folder import store
from training.data import face_cache
from training.data.sources import Source

ROOM = 3.0  # side of the square that is kept round a face, in face sides
SIDE = 128  # pixels of the face's side, where the size is not what varies
SIDES = (128, 64, 48, 36, 26)
BLUR = (0.015, 0.03, 0.045)  # of a Gaussian, in face sides
CUT = (0.9, 0.8, 0.7, 0.5)  # share of the face's box that is left


@dataclass(frozen=True)
class Person:
    """A face in the middle of a square of ROOM face sides; `tall` is its height by its width."""

    set: str
    fake: bool
    tall: float
    square: np.ndarray


@dataclass(frozen=True)
class Answer:
    """What became of a face under a condition: its score, and what the limits go by."""

    set: str
    fake: bool
    score: float
    side: int
    sharpness: float


def people(split: face_cache.Split) -> Iterator[Person]:
    for face in split.faces:
        left, top, right, bottom = face.box
        square = crop_face(split.pixels(face), face.box, round(ROOM * SIDE), ROOM, roll=face.roll)
        yield Person(split.name, face.target > 0.5, (bottom - top) / (right - left), square)


def scaled(person: Person, side: float) -> np.ndarray:
    length = round(ROOM * side)
    return np.asarray(Image.fromarray(person.square).resize((length, length), Image.Resampling.LANCZOS))


def blurred(person: Person, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(person.square).filter(ImageFilter.GaussianBlur(radius * SIDE)))


def cut(person: Person, share: float) -> np.ndarray:
    """Cut off at the left."""
    middle, width = person.square.shape[1] / 2, SIDE * person.tall**-0.5
    return np.ascontiguousarray(person.square[:, round(middle + width * (0.5 - share)) :])


CONDITIONS: dict[str, tuple[Callable[[Person, float], np.ndarray], Sequence[float]]] = {
    "face side, pixels": (scaled, SIDES),
    "blur, face sides": (blurred, BLUR),
    "visible share": (cut, CUT),
}


def answers(
    detector: Detector, persons: Sequence[Person], alter: Callable[[Person, float], np.ndarray], value: float
) -> list[Answer]:
    """Of each face that is still found."""
    found = []
    results = detector.detect_many(alter(person, value) for person in persons)
    for person, result in zip(persons, results, strict=True):
        if not isinstance(result, ImageError) and result.faces:
            judged = max(result.faces, key=lambda face: face.box[3] - face.box[1])
            left, top, right, bottom = judged.box
            side, sharpness = max(right - left, bottom - top), quality.sharpness(judged.crop)
            found.append(Answer(person.set, person.fake, judged.score, side, sharpness))
    return found


def row(value: float, found: Sequence[Answer], faces: int, detector: Detector) -> str:
    calibration = detector.model.calibration
    fake, real = ([answer for answer in found if answer.fake == forged] for forged in (True, False))
    p_real = [answer.score for answer in real]
    sets = {name: [answer.score for answer in fake if answer.set == name] for name in {answer.set for answer in fake}}
    aucs = [roc_auc_score([0] * len(p_real) + [1] * len(p), [*p_real, *p]) for p in sets.values() if p and p_real]

    def share(of: Sequence[Answer], verdict: str) -> str:
        return f"{np.mean([calibration.verdict(answer.score) == verdict for answer in of]):.0%}" if of else ""

    cells = [
        f"{value:g}",
        f"{len(found) / faces:.0%}",
        f"{np.median([answer.side for answer in found]):.0f}" if found else "",
        f"{np.median([answer.sharpness for answer in found]):.0f}" if found else "",
        f"{np.mean(aucs):.3f}" if aucs else "",
        *(share(of, verdict) for verdict in ("no_signs", "likely_fake") for of in (fake, real)),
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.too_little", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=store.BUNDLED, help="model folder (default: the bundled one)")
    parser.add_argument("--data", nargs="+", required=True, help="sources, of both classes together")
    parser.add_argument("--limit", type=int, default=45, help="pictures of each class and set (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    arguments = parser.parse_args()
    detector = Detector.load(arguments.model, threads=1)
    splits = [
        face_cache.load(Source.parse(text), "validation", cache=arguments.cache, limit=arguments.limit)
        for text in arguments.data
    ]
    persons = [person for split in splits for person in people(split)]
    print(f"{len(persons)} faces, {sum(person.fake for person in persons)} of them forged")
    for name, (alter, values) in CONDITIONS.items():
        print(f"\n| {name} | found | side | sharpness | AUC | forged cleared | real cleared | forged found | accused |")
        print("|---" * 9 + "|")
        for value in values:
            print(row(value, answers(detector, persons, alter, value), len(persons), detector), flush=True)


if __name__ == "__main__":
    options.told(main)
