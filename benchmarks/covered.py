"""python -m benchmarks.covered: how often a face is called covered, as it is and under each kind of cover.

The faces are real ones of validation splits. A covered one is cut out where it was found before it was covered.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from detector import options
from detector.covering import COVERED, MARGIN, MODEL, SIZE
from detector.crop import crop_face
from detector.sessions import Session
from detector.shares import wilson
from training.augment import covers
from training.data import face_cache
from training.data.sources import Source


def called_covered(network: Session, pixels: np.ndarray, face: face_cache.Face) -> bool:
    crop = crop_face(pixels, face.box, SIZE, MARGIN, roll=face.roll)
    return bool(network.run(crop[None])[0].item() >= COVERED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.covered", description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", required=True, help="sources, of which the real faces are taken")
    parser.add_argument("--limit", type=int, help="pictures of each class and set (default: all)")
    parser.add_argument("--covered", type=int, default=60, help="faces of each set to cover (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where found faces are kept (default: beside the data)")
    arguments = parser.parse_args()
    network, rng = Session(MODEL.read_bytes(), 1), np.random.default_rng(0)
    rows: dict[str, list[bool]] = defaultdict(list)
    for source in map(Source.parse, arguments.data):
        split = face_cache.load(source, "validation", cache=arguments.cache, limit=arguments.limit)
        groups, real = split.column("group"), [face for face in split.faces if face.target == 0.0]
        every = max(1, len(real) // arguments.covered)
        for number, face in enumerate(real):
            pixels = split.pixels(face)
            called = called_covered(network, pixels, face)
            for name in ("all", split.name, f"{split.name}, {groups[face.index]}"):
                rows[name].append(called)
            for kind in covers.KINDS if number % every == 0 else ():
                covered = covers.cover(pixels, face.keypoints, kind, rng)
                rows[kind].append(called_covered(network, covered, face))
    print("| faces | called covered | of | share | 95% interval |\n|---|---|---|---|---|")
    for name, called_of in rows.items():
        low, high = wilson(np.array(sum(called_of)), len(called_of))
        print(f"| {name} | {sum(called_of)} | {len(called_of)} | {np.mean(called_of):.1%} | {low:.1%} to {high:.1%} |")


if __name__ == "__main__":
    options.told(main)
