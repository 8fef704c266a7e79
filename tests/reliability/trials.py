"""The commands that are killed, and how whole files are told from half ones."""

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from detector import ModelError
from detector.model_folder import store
from tests.reliability.kill import Trial, files_of
from tests.support.environment import offline
from tests.support.hub_fixtures import environment

Weights = dict[str, np.ndarray]


class Fit(Trial):
    """Training a small network on 44 pictures whose faces are not found yet. The second run has --resume."""

    name = "fit"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        _write_portraits(inputs)
        yield

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        from tests.support.training_fixtures import FIT  # small, so that a run is short

        return ["-m", "training", "fit", "--preset", "laptop", "--data", inputs / "portraits", *FIT, "--epochs", 4,
                "--out", work / "run", "--cache", work / "faces", *["--resume"] * again]  # fmt: skip

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return offline(work / "home")

    def state(self, work: Path) -> object:
        """Without the home, where libraries write."""
        return [super(Fit, self).state(work / name) for name in ("run", "faces")]

    def broken(self, work: Path) -> list[str]:
        found = broken(work / "run") + broken(work / "faces")
        state = work / "run" / "checkpoint.json"
        if state.exists() and not found and not (work / "run" / (name := _json(state)["weights"])).exists():
            found.append(f"checkpoint.json names {name}, which is not there")
        return found

    def result(self, work: Path) -> tuple[Any, Weights, Weights]:
        state = _json(work / "run" / "checkpoint.json")
        return state, _weights(work / "run" / "best.keras"), _weights(work / "run" / state["weights"])

    def same(self, result: Any, expected: Any) -> bool:
        return result[0] == expected[0] and all(map(_close, result[1:], expected[1:]))


class Export(Trial):
    """A run to a model folder."""

    name = "export"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        from tests.support.training_fixtures import FIT, command

        _write_portraits(inputs)
        words = ("--preset", "laptop", "--data", inputs / "portraits", *FIT, "--epochs", 4, "--out", inputs / "run")
        done = command("fit", *words, home=inputs / "home", cwd=inputs)
        if done.returncode:
            raise RuntimeError(done.stderr)
        yield

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        return ["-m", "training", "export", inputs / "run", "--out", work / "model"]

    def broken(self, work: Path) -> list[str]:
        folder = work / "model"
        if (folder / store.CONFIG).exists():  # it is written last: now all must be there
            try:
                store.load(folder)
            except ModelError as error:
                return [f"a folder with a config.json is not whole: {error}"]
            if not (folder / store.KERAS).exists():
                return ["a folder with a config.json has no model.keras"]
        return broken(folder)

    def result(self, work: Path) -> tuple[Any, list[bytes], Weights]:
        folder = work / "model"
        config = {key: value for key, value in _json(folder / store.CONFIG).items() if key != "date"}
        return config, [network.model for network in store.load(folder).networks], _weights(folder / store.KERAS)

    def same(self, result: Any, expected: Any) -> bool:
        return result[:2] == expected[:2] and _close(result[2], expected[2])


class Publish(Trial):
    """The bundled model to a new repository of a loopback Hub, with a tag; by LFS and by Xet in turn."""

    name = "publish"

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        from tests.support.hub_server import serve

        with ExitStack() as stack:
            hubs = [stack.enter_context(serve(inputs / f"hub-{xet}", xet=xet)) for xet in (False, True)]
            self._next, self._hubs = itertools.cycle([hubs[0], hubs[0], hubs[1], hubs[1]]), {}
            yield

    def _hub(self, work: Path) -> Any:
        if work not in self._hubs:
            self._hubs[work] = next(self._next)
        return self._hubs[work]

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        return ["-m", "training", "publish", store.BUNDLED, f"owner/{work.name}", "--tag", "v1.0"]

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return offline(work / "home", **environment(self._hub(work), work / "home"))

    def state(self, work: Path) -> object:
        return len(self._hub(work).requests)

    def broken(self, work: Path) -> list[str]:
        repository = self._hub(work).repositories.get(("models", f"owner/{work.name}"))
        if repository is None:
            return []
        commits, found = repository.commits(), []
        if len(commits) > 2 or (len(commits) == 2 and _contents(commits[0]) != _bundled()):
            found.append(f"{len(commits) - 1} commits, the last with {len(commits[0].files)} files")
        if repository.tags and (len(commits) < 2 or repository.tags.get("v1.0") is not commits[0]):
            found.append("a tag that does not name the model")
        return found

    def result(self, work: Path) -> Any:
        repository = self._hub(work).repositories["models", f"owner/{work.name}"]
        commits = repository.commits()
        return len(commits), _contents(commits[0]), repository.tags["v1.0"] is commits[0]


class Batch(Trial):
    """The command line over a folder, to JSON lines and heat maps."""

    name = "batch"
    status = 1  # two files cannot be judged
    photographs = 24

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        write_photographs(inputs / "photos", self.photographs)
        yield

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        # As a shell does `… --jsonl > rows.jsonl`.
        code = (
            "import os, sys; os.dup2(os.open('rows.jsonl', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1); "
            "from detector.__main__ import main; sys.exit(main(sys.argv[1:]))"
        )
        return ["-c", code, inputs / "photos", "--jsonl", "--heatmaps", work / "maps"]

    def broken(self, work: Path) -> list[str]:
        return broken(work)

    def result(self, work: Path) -> Any:
        maps = {file.name: file.read_bytes() for file in (work / "maps").iterdir() if not file.name.startswith(".")}
        return sorted(_rows((work / "rows.jsonl").read_text())), maps


class Judge(Batch):
    """Bulk judging of a folder into a folder."""

    name = "judge"
    photographs = 40

    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        return ["-m", "scale", "judge", inputs / "photos", work / "judged"]

    def result(self, work: Path) -> list[str]:
        """All rows; one that is there twice makes another result."""
        files = [file for file in files_of(work / "judged") if not file.name.startswith(".")]
        rows = [_row(row) for file in files if file.suffix == ".parquet" for row in pq.read_table(file).to_pylist()]
        return sorted(rows + [row for file in files if file.suffix == ".jsonl" for row in _rows(file.read_text())])


TRIALS: dict[str, type[Trial]] = {trial.name: trial for trial in (Fit, Export, Publish, Batch, Judge)}


# ---- files -------------------------------------------------------------------------------------------------------


def _write_portraits(folder: Path) -> None:
    from tests.support.training_fixtures import rows, write_parquet

    write_parquet(folder / "portraits", {"train": rows(16, 16), "validation": rows(6, 6, 100)})


def write_photographs(folder: Path, count: int) -> None:
    """So many portraits, no two alike, and two files that cannot be judged."""
    from tests.support.training_fixtures import odd_file, photograph

    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(photograph(number)).save(folder / f"{number:03d}.jpg", quality=90)
    (folder / "broken.jpg").write_bytes(odd_file("truncated"))
    (folder / "words.png").write_bytes(odd_file("nonsense"))


def broken(folder: Path) -> list[str]:
    """Files under their final names that cannot be read to their end."""
    found = []
    for file in files_of(folder):
        try:
            match file.suffix if not file.name.startswith(".") else "":  # hidden ones are not finished
                case ".json":
                    _json(file)
                case ".jsonl":
                    _rows(file.read_text().rpartition("\n")[0])  # a last line that was cut off is seen to be
                case ".keras":
                    with zipfile.ZipFile(file) as opened:
                        if bad := opened.testzip():
                            raise ValueError(f"damaged {bad}")
                case ".parquet":
                    pq.read_table(file)
                case ".png":
                    Image.open(file).load()
        except Exception as error:  # whatever a reader says of half a file
            found.append(f"half a file under its final name: {file.relative_to(folder)} ({error!r:.200})")
    return found


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _rows(text: str) -> list[str]:
    return [_row(json.loads(line)) for line in text.splitlines()]


def _row(row: dict[str, Any]) -> str:
    """Without what differs from run to run."""
    kept = {key: value for key, value in row.items() if key not in ("seconds", "judged_at")}
    return json.dumps(kept, sort_keys=True, default=str)


def _weights(file: Path) -> Weights:
    """Of a .keras file, by name."""
    found: Weights = {}
    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as opened:
        opened.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def _close(some: Weights, others: Weights) -> bool:
    """Up to the order of sums, which differs with threads."""
    return some.keys() == others.keys() and all(np.allclose(some[k], others[k], rtol=1e-6, atol=1e-7) for k in some)


def _contents(commit: Any) -> dict[str, bytes]:
    return {path: stored.content for path, stored in commit.files.items()}


def _bundled() -> dict[str, bytes]:
    files = [file for file in store.BUNDLED.rglob("*") if file.is_file()]
    return {file.relative_to(store.BUNDLED).as_posix(): file.read_bytes() for file in files}
