"""python -m benchmarks.too_little: would fewer verdicts be wrong if small or blurred faces got none?

Validation pictures as they are, at half and quarter size, and re-encoded as social networks do, go through the app's
path. A rule "uncertain below a limit" then takes verdicts away: those that were wrong (a real face likely fake, a
forgery without signs) and those that were right. It is of use where it takes more wrong ones. Sets are to be chosen so
that there are as many forgeries as real pictures; the figures say nothing of a face that is not found.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector import Detector, ImageError, Verdict, picture, quality
from detector.model_folder import store
from training.augment import corruptions, reencoding
from training.data import face_cache
from training.data.sources import Source

CONDITIONS: dict[str, corruptions.Corrupt | None] = {
    "clean": None,
    "half size": corruptions.web_measured,
    "quarter size": corruptions.hard_measured,
    "shared 3 times": lambda pixels, index: reencoding.shared(pixels, reencoding.MIXED, 3, index),
    "shared 6 times": lambda pixels, index: reencoding.shared(pixels, reencoding.MIXED, 6, index),
}
SIDES = (16, 24, 32, 40, 48, 64, 96, 128)  # pixels of the face's side in the picture
SHARPNESS = (1.0, 2.0, 4.0, 8.0, 12.0, 20.0, 40.0, 80.0)  # variance of the Laplacian of the crop


@dataclass(frozen=True)
class Look:
    """One decided face: what it measures, and whether its verdict was wrong."""

    condition: str
    side: float
    sharpness: float
    wrong: bool


def looks(detector: Detector, split: face_cache.Split, condition: str) -> Iterator[Look]:
    """The faces of a split that get a verdict under a condition."""
    corrupt = CONDITIONS[condition]

    def altered(index: int) -> bytes | np.ndarray:
        file = split.file(index)
        return file if corrupt is None else corrupt(picture.read(file).pixels, index)

    with ThreadPoolExecutor(2) as pool:
        results = detector.detect_many(pool.map(altered, [face.index for face in split.faces]))
        for face, result in zip(split.faces, results, strict=True):
            if isinstance(result, ImageError) or not result.faces:
                continue
            judged = face_cache.labelled_face(result.faces, result.picture.width, result.picture.height)
            if judged.verdict is not Verdict.UNCERTAIN:
                left, top, right, bottom = judged.box
                wrong = (judged.verdict is Verdict.LIKELY_FAKE) != (face.target > 0.5)
                yield Look(condition, min(right - left, bottom - top), quality.sharpness(judged.crop), wrong)


def table(found: list[Look]) -> Iterator[str]:
    """Rows of Markdown: what each limit takes away, under each condition and under all."""
    names = [name for name in CONDITIONS if any(look.condition == name for look in found)]
    yield "| uncertain below | " + " | ".join([*names, "all: wrong, right"]) + " |"
    yield "|---" * (len(names) + 2) + "|"
    for title, measure, limits in (("side {} px", "side", SIDES), ("sharpness {:g}", "sharpness", SHARPNESS)):
        for limit in limits:
            hit = [look for look in found if getattr(look, measure) < limit]
            cells = [counts([look for look in hit if look.condition == name]) for name in names]
            yield "| " + " | ".join([title.format(limit), *cells, counts(hit)]) + " |"
    cells = [counts([look for look in found if look.condition == name]) for name in names]
    yield "| " + " | ".join(["every verdict", *cells, counts(found)]) + " |"


def counts(found: list[Look]) -> str:
    wrong = sum(look.wrong for look in found)
    return f"{wrong}, {len(found) - wrong}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.too_little", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=store.BUNDLED, help="model folder (default: the bundled one)")
    parser.add_argument("--data", nargs="+", required=True, help="sources with both classes, seen or unseen")
    parser.add_argument("--limit", type=int, default=50, help="pictures of each class and set (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    arguments = parser.parse_args()
    detector = Detector.load(arguments.model, threads=1)
    found: list[Look] = []
    for text in arguments.data:
        source = Source.parse(text)
        split = face_cache.load(source, "validation", cache=arguments.cache, limit=arguments.limit)
        for condition in CONDITIONS:
            found += looks(detector, split, condition)
        print(f"{source.name}: {split.count()}", flush=True)
    print("Verdicts taken away, wrong ones and right ones:")
    print(*table(found), sep="\n")


if __name__ == "__main__":
    main()
