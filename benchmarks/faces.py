"""python -m benchmarks.faces: which small faces are found, by frame, and how often one is seen where there is none.

The faces are those of two photographs that scikit-image carries, the frames and the pictures without a face its others.
"""

import argparse

import numpy as np
import skimage.data
from PIL import Image
from scipy.stats import binomtest

from detector.finder import FaceDetector, least_face
from detector.sessions import Cores

FRAMES = {"0.3 megapixels": (640, 480), "2 megapixels": (1632, 1224), "12 megapixels": (4000, 3000)}
SIDES = (24, 32, 48)  # pixels from the hairline to the chin
# Photographs and the box of the face in each, (left, top, right, bottom), drawn by hand.
PORTRAITS = (
    (skimage.data.astronaut, (180, 60, 271, 176)),
    (skimage.data.camera, (193, 109, 258, 199)),
)
FACELESS = (
    "coffee",
    "rocket",
    "immunohistochemistry",
    "chelsea",
    "brick",
    "grass",
    "gravel",
    "coins",
    "text",
    "retina",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--places", type=int, default=24, help="places of each face in each frame (default: %(default)s)"
    )
    parser.add_argument("--crops", type=int, default=2000, help="pictures without a face (default: %(default)s)")
    arguments = parser.parse_args()
    detector = FaceDetector(Cores(2))
    print("faces found, of the surest size on" + "".join(f"{side:>8} px" for side in SIDES))
    for name, size in FRAMES.items():
        found = [recall(detector, size, side, arguments.places) for side in SIDES]
        print(f"  {name:<16s} {least_face(*size):3d} px         " + "".join(f"{share:11.0%}" for share in found))
    wrong = false_finds(detector, arguments.crops)
    interval = binomtest(wrong, arguments.crops).proportion_ci(method="wilson")
    print(
        f"crops without a face in which one is seen: {wrong} of {arguments.crops} "
        f"({interval.low:.2%} to {interval.high:.2%})"
    )


def recall(detector: FaceDetector, size: tuple[int, int], side: int, places: int) -> float:
    """Share of faces `side` pixels high that are found, each at `places` random places of a frame of `size`."""
    rng = np.random.default_rng(side)
    hits = 0
    for number in range(places):
        portrait, box = PORTRAITS[number % len(PORTRAITS)]
        frame = picture(FACELESS[number % 3]).resize(size)
        image = picture(portrait.__name__)
        scale = side / (box[3] - box[1])
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        left, top = (int(rng.integers(0, whole - part)) for whole, part in zip(size, small.size, strict=True))
        frame.paste(small, (left, top))
        x, y = (left + (box[0] + box[2]) / 2 * scale, top + (box[1] + box[3]) / 2 * scale)
        hits += any(
            abs((f.box[0] + f.box[2]) / 2 - x) < side / 2 and abs((f.box[1] + f.box[3]) / 2 - y) < side / 2
            for f in detector.find(np.asarray(frame), min_face=side // 2)
        )
    return hits / places


def false_finds(detector: FaceDetector, count: int) -> int:
    """In how many of `count` random parts of pictures without a face, scaled at random, a face is seen."""
    rng = np.random.default_rng(0)
    wrong = 0
    for number in range(count):
        whole = picture(FACELESS[number % len(FACELESS)])
        side = int(rng.integers(60, min(whole.size)))
        left, top = (int(rng.integers(0, length - side + 1)) for length in whole.size)
        part = whole.crop((left, top, left + side, top + side)).resize((int(rng.integers(120, 700)),) * 2)
        wrong += bool(detector.find(np.asarray(part)))
    return wrong


def picture(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


if __name__ == "__main__":
    main()
