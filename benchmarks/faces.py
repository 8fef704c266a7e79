"""python -m benchmarks.faces: which small faces are found, by frame, and how often one is seen where there is none.

The faces are those of two photographs that scikit-image carries, the frames and the pictures without a face its others.
With --turned, the pictures of data sets are judged turned by several angles instead: what is said of one picture should
not depend on how it lies.
"""

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import skimage.data
from PIL import Image
from scipy.stats import binomtest

from detector import Detector, ImageError, Verdict, options
from detector import picture as pictures
from detector.face_detector import FaceDetector, least_face
from detector.sessions import Cores
from training.data import tables
from training.data.sources import Source

FRAMES = {"0.3 megapixels": (640, 480), "2 megapixels": (1632, 1224), "12 megapixels": (4000, 3000)}
ANGLES = (0, 30, 45, 60, 90, 135, 180, 270)  # degrees counter-clockwise
LONGEST = 1100  # pixels of a picture that is turned
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
    parser.add_argument("--turned", nargs="+", metavar="DATA", help="data sets, whose validation splits are turned")
    parser.add_argument("--limit", type=int, default=125, help="pictures a class and set (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.turned:
        turned([Source.parse(text) for text in arguments.turned], arguments.limit)
        return
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


def turned(sources: list[Source], limit: int) -> None:
    """Print what is said of real and forged pictures at each of ANGLES."""
    files: list[tuple[bytes, float]] = []
    for source in sources:
        available = tables.read(source.spec)
        rows = tables.split_in(available, "validation", source)
        targets = tables.targets_of(rows, source)
        keep = tables.rows_of("validation", targets, held_out="validation" not in available, limit=limit)
        files += [(tables.file_of(rows[int(index)]), float(targets[index])) for index in keep]
    detector = Detector.load(threads=1)
    print("angle  of      pictures  " + "".join(f"{verdict:>13}" for verdict in Verdict))
    for angle in ANGLES:
        with ThreadPoolExecutor(2) as pool:
            pixels = pool.map(partial(at_angle, angle=angle), [file for file, _ in files])
            answers = list(detector.detect_many(pixels, workers=2))
        for name, of in (("real", 0.0), ("forged", 1.0)):
            said = [a for a, (_, target) in zip(answers, files, strict=True) if target == of]
            counts = Counter(answer.verdict for answer in said if not isinstance(answer, ImageError))
            print(f"{angle:5d}  {name:<8s}{len(said):8d}  " + "".join(f"{counts[v]:13d}" for v in Verdict), flush=True)


def at_angle(file: bytes, angle: int) -> np.ndarray:
    """The picture turned counter-clockwise, at other than quarter turns on a larger black ground."""
    image = Image.fromarray(pictures.read(file).pixels)
    image.thumbnail((LONGEST, LONGEST))
    if angle % 90:
        return np.asarray(image.rotate(angle, Image.Resampling.BICUBIC, expand=True))
    return np.ascontiguousarray(np.rot90(np.asarray(image), angle // 90))


def picture(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


if __name__ == "__main__":
    options.told(main)
