"""python -m benchmarks.faces DATA …: pictures of data sets, judged as they are and turned by several angles. What is
said of a picture should not depend on how it lies.

Beside a turned picture lies its own edge continued, as if a camera had been held at an angle, or the black corners that
an editor leaves.
"""

import argparse
import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image

from detector import Detector, ImageError, Verdict, options
from detector import picture as pictures
from training.data import tables
from training.data.sources import Source

ANGLES = (0, 15, 30, 45, 60, 90, 135, 180, 270)  # degrees counter-clockwise
BESIDE = ("edge", "black")
LONGEST = 1100  # pixels of a picture that is turned


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", nargs="+", help="data sets, whose validation splits are turned")
    parser.add_argument("--limit", type=int, default=125, help="pictures a class and set (default: %(default)s)")
    arguments = parser.parse_args()
    turned([Source.parse(text) for text in arguments.data], arguments.limit)


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
    print("angle  beside  of      pictures  " + "".join(f"{verdict:>13}" for verdict in Verdict))
    for angle, beside in itertools.product(ANGLES, BESIDE):
        if beside != BESIDE[0] and not angle % 90:
            continue  # nothing lies beside it
        with ThreadPoolExecutor(2) as pool:
            pixels = pool.map(partial(at_angle, angle=angle, beside=beside), [file for file, _ in files])
            answers = list(detector.detect_many(pixels, workers=2))
        for name, of in (("real", 0.0), ("forged", 1.0)):
            said = [a for a, (_, target) in zip(answers, files, strict=True) if target == of]
            counts = Counter(answer.verdict for answer in said if not isinstance(answer, ImageError))
            figures = "".join(f"{counts[v]:13d}" for v in Verdict)
            print(f"{angle:5d}  {beside:<8s}{name:<8s}{len(said):8d}  {figures}", flush=True)


def at_angle(file: bytes, angle: int, beside: str) -> np.ndarray:
    """The whole picture turned counter-clockwise, at other than quarter turns with something `beside` it."""
    image = Image.fromarray(pictures.read(file).pixels)
    image.thumbnail((LONGEST, LONGEST))
    pixels = np.asarray(image)
    if not angle % 90:
        return np.ascontiguousarray(np.rot90(pixels, angle // 90))
    turned = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    if beside == "edge":
        more = (max(turned.size) + 1) // 2  # beyond the turned corners
        wide = Image.fromarray(np.pad(pixels, ((more, more), (more, more), (0, 0)), mode="edge"))
        left, top = ((whole - part) // 2 for whole, part in zip(wide.size, turned.size, strict=True))
        turned = wide.rotate(angle, Image.Resampling.BICUBIC).crop(
            (left, top, left + turned.width, top + turned.height)
        )
    return np.asarray(turned)


if __name__ == "__main__":
    options.told(main)
