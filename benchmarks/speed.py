"""python -m benchmarks.speed: how fast the served model is, on the same pictures and in one run.

Prints ms per crop of the served network, of Keras `predict` and of compiled TensorFlow for the same weights; ms per
photograph by stage; the time from process start to the first verdict; peak memory; photographs per second of the
command line over a folder and how busy it keeps the cores. Machines are noisy: read the ratios.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from detector import Detector, options
from detector.classifier import Classifier
from detector.crop import crop_face
from detector.face_detector import FaceDetector
from detector.model_folder import store
from detector.sessions import Cores
from training.augment import corruptions

Crops = Iterator[np.ndarray]
BATCHES = (1, 8, 32)
PHOTOS = {"0.3 megapixels": (640, 480), "2 megapixels": (1632, 1224), "12 megapixels": (4000, 3000)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=store.BUNDLED, help="model folder (default: the bundled one)")
    parser.add_argument("--photos", type=int, default=200, help="photographs in the folder for the command line")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores; medians")
    photographs(arguments.model)
    start(arguments.model)
    folder(arguments.model, arguments.photos)
    crops(arguments.model)  # last: TensorFlow's memory would count for the others


def crops(model: Path) -> None:
    """ms per crop: served, Keras predict, compiled TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    loaded = store.load(model)
    of_network = loaded.networks[0].config
    served = Classifier(loaded.networks[0].model, of_network.input_size, Cores(os.cpu_count() or 1))
    network = keras.saving.load_model(model / store.KERAS, compile=False, safe_mode=True)
    compiled = tf.function(lambda x: network(x, training=False), reduce_retracing=True)

    def calls(batch: int, one: Crops, two: Crops, three: Crops) -> dict[str, Callable[[], object]]:
        return {
            "served": lambda: served.predict(next(one)),
            "predict": lambda: network.predict(next(two), batch_size=batch, verbose=0),
            "compiled": lambda: compiled(tf.constant(next(three), tf.float32)).numpy(),
        }

    faces = altered_faces(of_network.input_size, of_network.crop_margin, max(BATCHES))
    print(f"\nmedians over {len(faces)} altered crops of one face, the first network")
    print("ms per crop        served   predict  compiled   predict/served  compiled/served")
    for batch in BATCHES:
        parts = np.split(faces, len(faces) // batch)
        rounds = [iter(parts * (1 + 70 // len(parts))) for _ in range(3)]  # every call meets the same crops
        times = alternate(calls(batch, *rounds), rounds=max(6, 64 // batch))
        a, b, c = (times[name] / batch * 1e3 for name in ("served", "predict", "compiled"))
        print(f"  batch {batch:<3d}      {a:8.2f}  {b:8.2f}  {c:8.2f}   {b / a:14.1f}  {c / a:15.1f}")


def photographs(model: Path) -> None:
    """ms per photograph, by stage."""
    detector = Detector.load(model)
    print(
        "\nms per photograph (JPEG, one face)   "
        + "".join(f"{s:>11}" for s in ("read", "provenance", "faces", "model", "total"))
    )
    for name, size in PHOTOS.items():
        data = jpeg(photograph(size))
        detector.detect(data)
        seconds = [detector.detect(data).seconds for _ in range(10)]
        stages = ("read", "provenance", "faces", "model", "total")
        print(f"  {name:<34s} " + "".join(f"{statistics.median(s[k] for s in seconds) * 1e3:11.1f}" for k in stages))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory of this process          {peak:.0f} MB")


def start(model: Path) -> None:
    """Process start to the first verdict."""
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "photo.jpg"
        file.write_bytes(jpeg(photograph(PHOTOS["0.3 megapixels"])))
        code = (
            "import sys; from detector import Detector; print(Detector.load(sys.argv[1]).detect(sys.argv[2]).verdict)"
        )
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code, str(model), str(file)], check=True, capture_output=True)
            times.append(time.perf_counter() - began)
    print(f"\nprocess start to first verdict        {statistics.median(times):.2f} s")


def folder(model: Path, count: int) -> None:
    """Photographs per second of the command line over a folder, and how many cores it kept busy."""
    with tempfile.TemporaryDirectory() as work:
        for number in range(count):
            (Path(work) / f"{number:05d}.jpg").write_bytes(jpeg(photograph((640, 480), turn=number)))
        print(f"\ncommand line over {count} photographs of 0.3 megapixels")
        for workers in (1, os.cpu_count() or 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.perf_counter()
            command = [
                sys.executable,
                "-m",
                "detector",
                work,
                "--jsonl",
                "--model",
                str(model),
                "--workers",
                str(workers),
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wall = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"  --workers {workers}:  {count / wall:6.1f} photographs/s   {cpu / wall:.2f} cores busy")


def altered_faces(size: int, margin: float, count: int) -> np.ndarray:
    """Crops uint8 (count, size, size, 3) of an astronaut's face, altered as pictures on their way are."""
    pixels = skimage.data.astronaut()
    box = FaceDetector().find(pixels)[0].box
    rng = np.random.default_rng(0)
    crops = []
    for _ in range(count):
        altered = corruptions.for_training(pixels, rng)
        crops.append(crop_face(altered, box, size, margin))
    return np.stack(crops)


def alternate(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call, taken in turns so that noise falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn >= 2:  # warm
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def photograph(size: tuple[int, int], turn: int = 0) -> Image.Image:
    """A photograph of one face, an astronaut's portrait on a canvas of `size`."""
    face = Image.fromarray(skimage.data.astronaut())
    canvas = Image.new("RGB", size, (90 + turn % 60, 110, 120))
    side = int(size[1] * 0.9)
    canvas.paste(face.resize((side, side)), ((size[0] - side) // 2, (size[1] - side) // 2))
    return canvas


def jpeg(image: Image.Image) -> bytes:
    """The bytes of a JPEG file."""
    with tempfile.SpooledTemporaryFile() as file:
        image.save(file, "JPEG", quality=90)
        file.seek(0)
        return file.read()


if __name__ == "__main__":
    options.told(main)
