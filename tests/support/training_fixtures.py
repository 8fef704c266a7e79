"""Small data sets for the tests of training/, made from photographs that packages carry, and one run trained on them.

A module that needs them says `pytest_plugins = ["tests.support.training_fixtures"]`: one run then serves every module.
PYTEST_DONT_REWRITE, since test modules import from here before pytest does.
"""

import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import datasets
import matplotlib
import numpy as np
import pytest
import skimage.data
from filelock import FileLock
from PIL import Image

from detector import face_detector
from detector.crop import crop_face
from tests.support.environment import offline
from training import __main__ as command_line
from training.augment import forge

SIDE = 160  # pixels of the pictures that are made here

# One that shows nobody, one whose end is missing, one that is no picture.
FACELESS = "brick"
TRUNCATED = "truncated"
NONSENSE = "nonsense"


@cache
def heads() -> tuple[np.ndarray, ...]:
    """Three portraits, uint8 RGB, square, the face in the middle half."""
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    camera = np.repeat(skimage.data.camera()[..., None], 3, axis=2)
    photographs = (skimage.data.astronaut(), np.asarray(Image.open(hopper).convert("RGB")), camera)
    found = []
    for photograph in photographs:
        face = face_detector.FaceDetector().find(photograph)[0]
        found.append(crop_face(photograph, face.box, 2 * SIDE, 2.4))
    return tuple(found)


def photograph(number: int) -> np.ndarray:
    """Real picture `number`, uint8 (SIDE, SIDE, 3): a portrait of its own place, side, colour and size."""
    rng = np.random.default_rng([7, number])
    head = heads()[number % 3]
    if rng.random() < 0.5:
        head = head[:, ::-1]
    side = int(rng.uniform(0.8, 0.98) * len(head))
    top, left = rng.integers(0, len(head) - side + 1, 2)
    part = cv2.resize(head[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    coloured = part * rng.uniform(0.75, 1.1, 3) + rng.uniform(-12, 12, 3)
    return np.clip(coloured, 0, 255).astype(np.uint8)


def forgery(number: int) -> np.ndarray:
    """Fake picture `number`: a photograph blended with itself, then tinted so that a small network can learn it."""
    pixels = photograph(1000 + number)
    face = face_detector.FaceDetector().find(pixels)[0]
    blended = forge.self_blend(pixels, face.keypoints, np.random.default_rng([8, number]))
    return np.clip(blended * np.array([1.25, 0.8, 1.1]), 0, 255).astype(np.uint8)


@cache
def picture_file(label: str, number: int) -> bytes:
    """JPEG bytes of picture `number` of a label."""
    buffer = io.BytesIO()
    pixels = photograph(number) if label == "Real" else forgery(number)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=93)
    return buffer.getvalue()


@cache
def odd_file(kind: str) -> bytes:
    """Bytes of a file that gives no face: FACELESS, TRUNCATED or NONSENSE."""
    if kind == NONSENSE:
        return b"These are words, not a picture. " * 20
    if kind == TRUNCATED:
        whole = picture_file("Real", 0)
        return whole[: len(whole) // 3]
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(skimage.data.brick()[:SIDE, :SIDE, None], 3, axis=2)).save(buffer, "PNG")
    return buffer.getvalue()


def rows(fake: int, real: int, start: int = 0) -> list[tuple[str, str, bytes]]:
    """(label, file name, bytes) of so many pictures of each class, sorted by class as published sets are."""
    return [
        (label, f"{label.lower()}_{number:03d}.jpg", picture_file(label, number))
        for label, count in (("Fake", fake), ("Real", real))
        for number in range(start, start + count)
    ]


def write_parquet(
    folder: Path,
    splits: dict[str, Sequence[tuple[str, str, bytes]]],
    names: Sequence[str] = ("Fake", "Real"),
    label_feature: object | None = None,
    more: dict[str, Sequence[str]] | None = None,
) -> Path:
    """A folder of one parquet file a split, labels numbered in the order of `names` unless `label_feature` is given.
    `more` are further columns of words, as long as each split."""
    folder.mkdir(parents=True, exist_ok=True)
    feature = label_feature or datasets.ClassLabel(names=list(names))
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    for split, pictures in splits.items():
        numbered = isinstance(feature, datasets.ClassLabel) or feature.dtype.startswith("int")
        table = {
            "image": [{"bytes": content, "path": name} for _, name, content in pictures],
            "label": [_number(label, names) if numbered else label for label, _, _ in pictures],
            **(more or {}),
        }
        of_more = {name: datasets.Value("string") for name in more or {}}
        kept = datasets.Dataset.from_dict(table, features=datasets.Features({**features, **of_more}))
        kept.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


def _number(label: str, names: Sequence[str]) -> int:
    return list(names).index(label) if label in names else -1


def write_shards(folder: Path, split: str, pictures: Sequence[tuple[str, str, bytes]], files: int, group: int) -> Path:
    """A folder with the pictures in their order in so many parquet files, in row groups of `group`."""
    folder.mkdir(parents=True, exist_ok=True)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["Fake", "Real"])})
    for number, part in enumerate(np.array_split(np.arange(len(pictures)), files)):
        rows_here = [pictures[n] for n in part]
        table = {
            "image": [{"bytes": content, "path": name} for _, name, content in rows_here],
            "label": [_number(label, ["Fake", "Real"]) for label, _, _ in rows_here],
        }
        name = f"{split}-{number:05d}-of-{files:05d}.parquet"
        datasets.Dataset.from_dict(table, features=features).to_parquet(folder / name, batch_size=group)
    return folder


def write_pictures(folder: Path, splits: dict[str, Sequence[tuple[str, str, bytes]]]) -> Path:
    """A folder of pictures: split/label/name."""
    for split, pictures in splits.items():
        for label, name, content in pictures:
            file = folder / split / label / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder


def take(iterator: Iterator, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The next batches."""
    return list(itertools.islice(iterator, count))


def same(first: list, second: list) -> bool:
    """Whether two lists of batches are equal to the last bit."""
    return all(
        np.array_equal(mine, yours)
        for pair in zip(first, second, strict=True)
        for mine, yours in zip(*pair, strict=True)
    )


def environment(home: Path, **more: str) -> dict[str, str]:
    """For a process of its own: its caches below `home`, no network, the code found."""
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(home / "jax"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    compiled["USE_TF"] = "0"  # else `datasets` looks for TensorFlow where there is none
    return offline(home, **compiled | more)


# The start of a program that runs on a machine without TensorFlow, which Keras would import to seed it.
REFUSE_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ImportError("there is no tensorflow on this machine")

sys.meta_path.insert(0, Refuse())
"""


def program(backend: str = "tensorflow") -> list[str]:
    """`python -m training`; for another backend where there is no TensorFlow."""
    if backend == "tensorflow":
        return [sys.executable, "-m", "training"]
    run = "import runpy; runpy.run_module('training', run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", REFUSE_TENSORFLOW + run]


def command(*words: object, home: Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`python -m training …`, run to its end in the folder `cwd`."""
    return subprocess.run(
        [*program(more.get("KERAS_BACKEND", "tensorflow")), *map(str, words)],
        env=environment(home, **more),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing of the user's caches is read or written."""
    home = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "hf" / "datasets")
        patch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
        yield home


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A new folder, handed to `make` by the first that asks: the others of the processes that run the tests wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder / ".made"
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parquet files with all three splits: 24, 12 and 6 pictures of each class."""

    def make(folder: Path) -> None:
        splits = {"train": rows(24, 24), "validation": rows(12, 12, 100), "test": rows(6, 6, 200)}
        write_parquet(folder / "portraits_and_blends", splits)

    return once(tmp_path_factory, "data", make) / "portraits_and_blends"


@pytest.fixture(scope="session")
def unseen_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 10 fakes by two generators and 24 real pictures of two groups, all in the validation split."""

    def make(folder: Path) -> None:
        more = {
            "generator": ["one"] * 4 + ["two"] * 6 + [""] * 24,
            "group": [""] * 10 + ["female"] * 20 + ["male"] * 4,
        }
        write_parquet(folder / "elsewhere", {"validation": rows(10, 24, 300)}, more=more)

    return once(tmp_path_factory, "unseen", make) / "elsewhere"


FIT = (
    "--architecture sequential-baseline --weights none --input-size 64 --batch-size 8 --learning-rate 0.01 "
    "--corruptions blur noise --ema-decay 0.9 --patience 50 --threads 2 --seed 3"
).split()
EPOCHS = 12  # of 6 batches


@pytest.fixture(scope="session")
def run(small_set: Path, caches: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of `fit` on `small_set`: EPOCHS of them."""

    def make(folder: Path) -> None:
        done = command("fit", "--preset", "laptop", "--data", small_set, *FIT, "--epochs", EPOCHS, "--out", "straight",
                       home=caches, cwd=folder)  # fmt: skip
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "runs", make) / "straight"


JAX_EPOCHS = 2

# Before training begins: the process gets SIGTERM in step 8, two steps after the first checkpoint of runs of FIT.
STOP_AT_STEP_8 = """
import os, signal
import keras

train_on_batch, taken = keras.Model.train_on_batch, []

def stop(self, *batch, **options):
    taken.append(1)
    if len(taken) == 8:
        os.kill(os.getpid(), signal.SIGTERM)
    return train_on_batch(self, *batch, **options)

keras.Model.train_on_batch = stop
"""


@pytest.fixture(scope="session")
def jax_run(small_set: Path, caches: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on JAX, JAX_EPOCHS long."""

    def make(folder: Path) -> None:
        words = ("--data", small_set, *FIT, "--epochs", JAX_EPOCHS, "--out", "straight")
        done = command("fit", *words, home=caches, cwd=folder, KERAS_BACKEND="jax")
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "jax", make) / "straight"


@pytest.fixture(scope="session")
def model_folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder that `export` makes of `run`."""

    def make(folder: Path) -> None:
        assert command_line.main(["export", str(run), "--out", str(folder / "tiny")]) == 0

    return once(tmp_path_factory, "models", make) / "tiny"


@pytest.fixture(scope="session")
def measured_folder(model_folder: Path, small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `model_folder` after `evaluate`: with metrics.json, plots and a card."""

    def make(folder: Path) -> None:
        shutil.copytree(model_folder, folder / "tiny")
        words = ["evaluate", folder / "tiny", "--data", small_set, "--limit", 6, "--robustness", 1]
        words += ["--reencoding", 1, "--workers", 2]
        assert command_line.main(list(map(str, words))) == 0

    return once(tmp_path_factory, "measured", make) / "tiny"


@pytest.fixture(scope="session")
def config(model_folder: Path) -> dict:
    return json.loads((model_folder / "config.json").read_text())
