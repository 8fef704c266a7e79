"""The commands that are killed, and how each one's files are told whole from half."""

import io
import itertools
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from detector import ModelError
from detector.model_folder import store
from faults.figures import read_json
from faults.kill import ROOT, Trial, files_of

_TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}  # of weights: sums over threads come in any order


# --- Training ---------------------------------------------------------------------------------------------------------


class Fit(Trial):
    """Training of a small network on 44 pictures, its faces not yet found. The second run has --resume."""

    name = "fit"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        _apart(_PORTRAITS, inputs)
        yield

    def preload(self, inputs: Path) -> Callable[[list[str]], int]:
        return _training(inputs)

    def command(self, inputs: Path, work: Path) -> list[object]:
        return ["-m", "training", "fit", "--preset", "laptop", "--data", inputs / "portraits", *FIT, "--epochs", 4,
                "--out", work / "run", "--cache", work / "faces"]  # fmt: skip

    def again(self, inputs: Path, work: Path) -> list[object]:
        return [*self.command(inputs, work), "--resume"]

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return at_home((inputs if self.main else work) / "home")  # what is imported already has found its home

    def changes(self, work: Path) -> object:
        """Of its own files: the home has those of libraries."""
        return [_listed(work / name) for name in ("run", "faces")]

    def halves(self, inputs: Path, work: Path) -> list[str]:
        run = work / "run"
        found = broken(run) + broken(work / "faces")
        if (run / "checkpoint.json").exists() and not found:
            weights = read_json(run / "checkpoint.json")["weights"]
            if not (run / weights).exists():
                found.append(f"checkpoint.json names {weights}, which is not there")
        return found

    def result(self, inputs: Path, work: Path) -> Any:
        state = read_json(work / "run" / "checkpoint.json")
        best, last = (_weights(work / "run" / name) for name in ("best.keras", state["weights"]))
        return state, best, last

    def same(self, result: Any, expected: Any) -> bool:
        return result[0] == expected[0] and all(map(_close, result[1:], expected[1:]))


class Export(Trial):
    """A run -> a model folder."""

    name = "export"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        _apart(_PORTRAITS, inputs)
        words = ["-m", "training", "fit", "--preset", "laptop", "--data", inputs / "portraits", *FIT]
        _apart([*words, "--epochs", 4, "--out", inputs / "run"], inputs)
        yield

    def preload(self, inputs: Path) -> Callable[[list[str]], int]:
        return _training(inputs)

    def command(self, inputs: Path, work: Path) -> list[object]:
        return ["-m", "training", "export", inputs / "run", "--out", work / "model"]

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return at_home(inputs / "home")

    def halves(self, inputs: Path, work: Path) -> list[str]:
        folder = work / "model"
        if (folder / store.CONFIG).exists():  # the last one to be written: now all must be there
            try:
                store.load(folder)
            except ModelError as error:
                return [f"a folder with a config.json is not whole: {error}"]
            if not (folder / store.KERAS).exists():
                return ["a folder with a config.json has no model.keras"]
        return broken(folder)

    def result(self, inputs: Path, work: Path) -> Any:
        config = read_json(work / "model" / store.CONFIG)
        loaded = store.load(work / "model")
        return {k: v for k, v in config.items() if k != "date"}, loaded.model, _weights(work / "model" / "model.keras")

    def same(self, result: Any, expected: Any) -> bool:
        return result[:2] == expected[:2] and _close(result[2], expected[2])


# Small, so that a run is short, and faults of its files are as likely as of larger ones.
FIT = (
    "--architecture sequential-baseline --weights none --input-size 64 --batch-size 8 --learning-rate 0.01 "
    "--corruptions jpeg noise --patience 50 --threads 2 --seed 3"
).split()
_PORTRAITS = [
    "-c",
    "import pathlib, sys; from tests.support.training_fixtures import rows, write_parquet; "
    "write_parquet(pathlib.Path('portraits'), {'train': rows(16, 16), 'validation': rows(6, 6, 100)})",
]


def at_home(home: Path) -> dict[str, str]:
    """The environment of a process that finds the code, keeps its caches below `home` and asks no network."""
    return {
        **os.environ,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_OFFLINE": "1",
        "XDG_CACHE_HOME": str(home / "xdg"),
        "KERAS_HOME": str(home / "keras"),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _apart(words: list[object], folder: Path) -> None:
    """Run Python in `folder`, in a process of its own: its threads are none of a process that is forked."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, env=at_home(folder / "home"), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def _training(inputs: Path) -> Callable[[list[str]], int]:
    os.environ.update(at_home(inputs / "home"))
    from training import __main__ as command_line
    from training import export, fit  # noqa: F401  (imported late by the command line)

    return command_line.main


def broken(folder: Path) -> list[str]:
    """Files under their final names that cannot be read to their end."""
    found = []
    for file in files_of(folder):
        if file.name.startswith(".") or "tfevents" in file.name:  # beside; a log that is only added to
            continue
        try:
            match file.suffix:
                case ".json":
                    read_json(file)
                case ".keras":
                    with zipfile.ZipFile(file) as opened:
                        if bad := opened.testzip():
                            raise ValueError(f"damaged {bad}")
                case ".parquet":
                    pq.read_table(file)
                case ".png":
                    Image.open(file).load()
        except Exception as error:  # whatever a reader says of half a file
            found.append(f"half a file taken for a whole one: {file.relative_to(folder)} ({error!r:.200})")
    return found


def _listed(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(file), file.stat().st_size) for file in files_of(folder))


def _weights(file: Path) -> dict[str, np.ndarray]:
    """By their place in a .keras file."""
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as opened:
        opened.visititems(
            lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


def _close(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return some.keys() == others.keys() and all(np.allclose(some[name], others[name], **_TOLERANCE) for name in some)


# --- The Hub ----------------------------------------------------------------------------------------------------------


class Publish(Trial):
    """The bundled model -> a new repository of a loopback Hub, with a tag; both ways to upload in turn."""

    name = "publish"
    _tag = "v1.0"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        from tests.support.hub_server import serve

        with ExitStack() as stack:
            self._hubs = [stack.enter_context(serve(inputs / f"hub-{xet}", xet=xet)) for xet in (False, True)]
            self._turn: dict[Path, int] = {}
            self._next = itertools.count()
            yield

    def _hub(self, work: Path) -> Any:
        return self._hubs[self._turn.setdefault(work, next(self._next) // 2 % 2)]

    def _repo(self, work: Path) -> str:
        return f"owner/{work.name}"

    def command(self, inputs: Path, work: Path) -> list[object]:
        return ["-m", "training", "publish", store.BUNDLED, self._repo(work), "--tag", self._tag]

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        from tests.support.hub_server import OWNER

        hub = self._hub(work)
        return {
            **os.environ, "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "HF_HOME": str(work / "home"),
            "HF_XET_CACHE": str(work / "home" / "xet"), "HF_TOKEN": OWNER, "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "0" if hub.xet else "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip

    def changes(self, work: Path) -> object:
        return len(self._hub(work).requests)

    def _there(self, work: Path) -> Any:
        return self._hub(work).repositories.get(("models", self._repo(work)))

    def halves(self, inputs: Path, work: Path) -> list[str]:
        there = self._there(work)
        if there is None:
            return []
        commits = there.commits()
        found = []
        if len(commits) > 2 or (len(commits) == 2 and _contents(commits[0]) != _expected()):
            found.append(f"{len(commits) - 1} commits, the last with {len(commits[0].files)} files")
        if there.tags and there.tags.get(self._tag) is not commits[0]:
            found.append("a tag names something else than the model")
        if there.tags and len(commits) < 2:
            found.append("a tag without a model")
        return found

    def result(self, inputs: Path, work: Path) -> Any:
        there = self._there(work)
        commits = there.commits()
        return len(commits), _contents(commits[0]), there.tags[self._tag] is commits[0]


def _contents(commit: Any) -> dict[str, bytes]:
    return {path: stored.content for path, stored in commit.files.items()}


def _expected() -> dict[str, bytes]:
    folder = store.BUNDLED
    names = (store.CONFIG, store.MODEL, store.KERAS, store.METRICS, store.CARD)
    files = [*(folder / name for name in names), *sorted((folder / "plots").glob("*.png"))]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


# --- Judging ----------------------------------------------------------------------------------------------------------


def write_photographs(folder: Path, count: int) -> None:
    """Portraits of different bytes, and two files that are none."""
    from tests.support.training_fixtures import odd_file, photograph

    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(photograph(number)).save(folder / f"{number:03d}.jpg", quality=90)
    (folder / "broken.jpg").write_bytes(odd_file("truncated"))
    (folder / "words.png").write_bytes(odd_file("nonsense"))


def told(text: str) -> dict[str, Any]:
    """The rows of JSON lines by their file; how long each took is left out."""
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["file"]: {key: value for key, value in row.items() if key != "seconds"} for row in rows}


class Batch(Trial):
    """The command line over a folder, to JSON lines and heat maps."""

    name = "batch"
    status = 1  # two files cannot be judged

    def __init__(self, count: int = 24) -> None:
        """`count` is how many photographs there are."""
        self._count = count

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        write_photographs(inputs / "photos", self._count)
        yield

    def command(self, inputs: Path, work: Path) -> list[object]:
        # As a shell does it: `… --jsonl > rows.jsonl`.
        code = (
            "import os, sys; os.dup2(os.open('rows.jsonl', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1); "
            "from detector.__main__ import main; sys.exit(main(sys.argv[1:]))"
        )
        return ["-c", code, inputs / "photos", "--jsonl", "--heatmaps", work / "maps"]

    def halves(self, inputs: Path, work: Path) -> list[str]:
        found = broken(work / "maps")
        rows = work / "rows.jsonl"
        lines = rows.read_text().splitlines(keepends=True) if rows.exists() else []
        for number, line in enumerate(lines):
            if not line.endswith("\n") and number == len(lines) - 1:
                continue  # cut off, and seen to be
            try:
                json.loads(line)
            except ValueError:
                found.append(f"line {number} of the rows is no JSON")
        return found

    def result(self, inputs: Path, work: Path) -> Any:
        maps = {file.name: file.read_bytes() for file in (work / "maps").iterdir() if not file.name.startswith(".")}
        return told((work / "rows.jsonl").read_text()), maps


class Judge(Trial):
    """Bulk judging of a folder into a folder."""

    name = "judge"
    status = 1  # as above
    _count = 40

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        write_photographs(inputs / "photos", self._count)
        yield

    def command(self, inputs: Path, work: Path) -> list[object]:
        return ["-m", "scale", "judge", inputs / "photos", work / "judged"]

    def halves(self, inputs: Path, work: Path) -> list[str]:
        return broken(work / "judged")

    def result(self, inputs: Path, work: Path) -> Any:
        """Rows by file, sorted; a row that is there twice makes another result."""
        rows: list[str] = []
        for file in sorted(files_of(work / "judged")):
            if file.suffix == ".parquet" and not file.name.startswith("."):
                for row in pq.read_table(file).to_pylist():
                    rows.append(json.dumps(_timeless(row), sort_keys=True, default=str))
            elif file.suffix == ".jsonl" and not file.name.startswith("."):
                rows += [
                    json.dumps(_timeless(json.loads(line)), sort_keys=True) for line in file.read_text().splitlines()
                ]
        return sorted(rows)


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("seconds", "judged_at")}


TRIALS: dict[str, type[Trial]] = {trial.name: trial for trial in (Fit, Export, Publish, Batch, Judge)}
