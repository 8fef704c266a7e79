"""python -m benchmarks.groups: how often a picture of real people is accused, by how many of them it shows.

Real validation faces are put side by side, 1, 5 or 20 in a picture, and the picture goes through the app's path: once
with the thresholds of as many faces, once with those of one, as if it showed no others. Then one of them is made a
forged one: how often it is still found. The measured pictures are few; so groups are drawn again, ten thousand times,
from the scores that the faces got in them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector import Detector, Verdict, options
from detector.crop import crop_face
from detector.model_folder import store
from detector.shares import wilson
from training.data import face_cache
from training.data.sources import Source

GROUPS = (1, 5, 20)
TILE, ROOM = 240, 2.4  # side of a person's square in pixels, and in face sides
_DRAWN = 10_000


def people(source: Source, limit: int, cache: Path | None, *, fake: bool) -> list[np.ndarray]:
    """Squares uint8 (TILE, TILE, 3) round the real or the forged faces of a source's validation pictures."""
    split = face_cache.load(source, "validation", cache=cache, limit=limit)
    faces = [face for face in split.faces if (face.target > 0.5) == fake]
    return [crop_face(split.pixels(face), face.box, TILE, ROOM, roll=face.roll) for face in faces]


def together(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """One picture of them, in rows of up to five."""
    rows = [list(tiles[at : at + 5]) for at in range(0, len(tiles), 5)]
    blank = np.full_like(tiles[0], 127)
    return np.vstack([np.hstack(row + [blank] * (len(rows[0]) - len(row))) for row in rows])


def scores(detector: Detector, tiles: Sequence[np.ndarray], n: int) -> list[np.ndarray]:
    """P(fake) of the faces of each picture of `n` of the tiles."""
    pictures = (together(tiles[at : at + n]) for at in range(0, len(tiles) - n + 1, n))
    found = [result for result in detector.detect_many(pictures) if not isinstance(result, Exception)]
    return [np.array([face.score for face in result.faces]) for result in found if result.faces]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=store.BUNDLED, help="model folder (default: the bundled one)")
    parser.add_argument("--data", nargs="+", required=True, help="sources, seen or unseen")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each class and set (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    arguments = parser.parse_args()
    detector = Detector.load(arguments.model, threads=1)
    rng = np.random.default_rng(0)
    sources = [Source.parse(text) for text in arguments.data]
    real, fake = (
        [tile for source in sources for tile in people(source, arguments.limit, arguments.cache, fake=forged)]
        for forged in (False, True)
    )
    real = [real[i] for i in rng.permutation(len(real))]
    forged = np.concatenate(scores(detector, fake, 1)) if fake else np.zeros(0)
    print(f"{len(real)} real faces, {len(forged)} forged ones")
    print("| faces | pictures | accused, as one face | accused, as so many | redrawn | forged found among them |")
    print("|---|---|---|---|---|---|")
    for n in GROUPS:
        print(_row(detector, n, scores(detector, real, n), forged, rng))


def _row(detector: Detector, n: int, groups: Sequence[np.ndarray], forged: np.ndarray, rng: np.random.Generator) -> str:
    calibration = detector.model.calibration

    def accused(p: np.ndarray, faces: int) -> bool:
        return calibration.among(faces).verdict(float(p.max())) is Verdict.LIKELY_FAKE

    before, after = (sum(accused(p, faces or len(p)) for p in groups) for faces in (1, 0))
    pool = np.concatenate(groups)
    worst = rng.choice(pool, (_DRAWN, n)).max(axis=1)
    drawn = [float(np.mean(worst >= calibration.among(faces).likely_fake_from)) for faces in (1, n)]
    still = np.maximum(rng.choice(pool, (len(forged), n)).max(axis=1) * (n > 1), forged)
    found = f"{np.mean(still >= calibration.among(n).likely_fake_from):.1%}" if len(forged) else ""
    shares = [_share(before, groups), _share(after, groups), f"{drawn[0]:.1%}, {drawn[1]:.1%}", found]
    return f"| {n} | {len(groups)} | {' | '.join(shares)} |"


def _share(count: int, of: Sequence[object]) -> str:
    low, high = wilson(np.array(count), len(of))
    return f"{count / len(of):.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    options.told(main)
