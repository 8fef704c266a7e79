"""Bulk judging without a cluster: what a worker makes of a plan, in this process. The cluster has its own module."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from detector.isolation import CRASHED
from detector.model_folder import store
from detector.picture import MAX_BYTES
from scale import plan, results
from scale.errors import ScaleError
from scale.storage import Place, within
from scale.worker import Job, Worker
from tests.support.attacks import poison as poison

SAID = "headline verdict score false_positive_share unseen_share seen_share origin faces".split()
COLUMNS = ["file", "sha256", *SAID, "findings", "warnings", "error", "model_revision"]


@pytest.fixture(scope="module")
def model() -> store.ModelFolder:
    return store.load()


class Run:
    """A run as scale.run makes it, worked on by one worker."""

    def __init__(self, source: object, output: object, model: store.ModelFolder, name: str, column=None) -> None:
        self.source, self.output = Place.input(str(source)), Place.output(str(output))
        self.known = results.begin(self.output, name, model)
        self.plan = plan.make(self.source, self.output, f"_plan-{name}.arrow", 1, column)
        self.worker = Worker(Job(name, self.source, self.output, self.plan), model, self.known)

    def judge(self, *units: int) -> Counter:
        total = Counter()
        for number in units or range(self.plan.units):
            total.update(self.worker.judge(number))
        return total


def rows(output: object) -> list[dict]:
    return pq.read_table(str(output)).to_pylist()


def picture(text: str, side: int = 48) -> bytes:
    """A small PNG that shows nobody, another one for another text."""
    file = io.BytesIO()
    noise = np.random.default_rng(list(text.encode())).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.png").write_bytes(picture(name))
    return folder


def test_rows_are_those_of_the_command_line_to_the_last_bit(folder, tmp_path_factory, model, python):
    output = tmp_path_factory.mktemp("out")
    counts = Run(folder, output, model, "a").judge()
    assert counts == {"judged": 3, "failed": 2, "known": 0}
    expected = {
        row["file"]: row for row in map(json.loads, python("-m", "detector", folder, "--jsonl").stdout.split("\n")[:-1])
    }
    table = pq.read_table(output)
    assert table.column_names == COLUMNS
    found = {row["file"]: row for row in table.to_pylist()}
    assert found.keys() == expected.keys()
    for name, row in found.items():
        wanted = expected[name]
        assert row["model_revision"] == model.info.digest and len(row["sha256"]) == 64
        if wanted["error"]:
            assert (row["error"], row["verdict"], row["score"], row["faces"]) == (wanted["error"], None, None, None)
            continue
        assert row["error"] is None and row["sha256"] == wanted["picture"]["sha256"]
        for column in (*SAID, "warnings"):
            assert row[column] == wanted[column]
        assert row["findings"] == wanted["provenance"]


@pytest.mark.slow
def test_parquet_files_are_read_by_row(tmp_path, model):
    source = tmp_path / "in"
    source.mkdir()
    images = [{"bytes": picture(f"row {n}"), "path": None} for n in range(20)]
    images[7] = None
    images[8]["bytes"] = b"no picture"
    table = pa.table({"label": list(range(20)), "image": images})
    pq.write_table(table, source / "a.parquet", row_group_size=6)
    (source / "b.parquet").write_bytes((source / "a.parquet").read_bytes()[:-100])
    counts = Run(source, tmp_path / "out", model, "a").judge()
    assert counts == {"judged": 18, "failed": 3, "known": 0}
    found = {Path(row["file"]).name: row for row in rows(tmp_path / "out")}
    assert found.keys() == {*(f"a.parquet#{n}" for n in range(20)), "b.parquet"}
    assert found["a.parquet#7"]["error"] == "There is no picture in this row."
    assert found["a.parquet#8"]["error"].startswith("This is not a picture")
    assert found["b.parquet"]["error"].startswith("The parquet file is damaged")
    assert found["a.parquet#19"]["verdict"] == "no_face"
    again = Run(source / "a.parquet", tmp_path / "out", model, "b", column="image")
    assert again.judge() == {"judged": 0, "failed": 0, "known": 20}


def test_the_column_of_the_pictures_is_found_or_asked_for(tmp_path, model):
    def asked(columns: dict, column: str | None = None) -> str:
        pq.write_table(pa.table(columns), tmp_path / "x.parquet")
        with pytest.raises(ScaleError) as error:
            Run(tmp_path / "x.parquet", tmp_path / "out", model, "a", column)
        return str(error.value)

    one = {"photo": [picture("a")]}
    pq.write_table(pa.table({**one, "name": ["a"]}), tmp_path / "x.parquet")
    assert Run(tmp_path / "x.parquet", tmp_path / "out", model, "a").plan.column == "photo"
    assert "photo, mask: choose by --column" in asked({**one, "mask": [b""]})
    assert "no column of pictures" in asked({"name": ["a"]})
    assert "no column painting of pictures" in asked(one, "painting")


@pytest.mark.slow
def test_a_rerun_judges_only_what_is_new(tmp_path, model):
    source, output = pictures(tmp_path / "in", "a", "b", "c"), tmp_path / "out"
    shutil.copy(source / "a.png", source / "copy.png")
    (source / "broken.png").write_bytes(b"broken")
    assert Run(source, output, model, "one").judge() == {"judged": 4, "failed": 1, "known": 0}
    first = {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    again = Run(source, output, model, "two")
    assert again.known.failed == 1 and again.judge() == {"judged": 0, "failed": 0, "known": 5}
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("*.parquet")} == first
    pictures(source, "d")
    (source / "b.png").write_bytes(picture("another b"))
    assert Run(source, output, model, "three").judge() == {"judged": 2, "failed": 0, "known": 4}
    seen = Counter(Path(row["file"]).name for row in rows(output))
    assert seen == {"a.png": 1, "b.png": 2, "c.png": 1, "d.png": 1, "copy.png": 1, "broken.png": 1}


@pytest.mark.slow
def test_a_stopped_run_is_continued_and_no_row_is_there_twice(tmp_path, model):
    source, output = pictures(tmp_path / "in", *map(str, range(40))), tmp_path / "out"
    stopped = Run(source, output, model, "one")
    assert stopped.plan.units == 3
    stopped.judge(0)
    stopped.judge(0)  # as after the death of the worker that did it
    (output / f".part-one-0000001.parquet.{os.getpid()}.part").write_bytes(b"half")
    assert len(rows(output)) == 16
    assert Run(source, output, model, "two").judge() == {"judged": 24, "failed": 0, "known": 16}
    assert Counter(Path(row["file"]).name for row in rows(output)) == {f"{n}.png": 1 for n in range(40)}
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith("part-")) == [
        "_plan-two.arrow",
        "_run.json",
    ]
    # What the first run left at work must not write any more.
    (source / "0.png").write_bytes(picture("other"))
    with pytest.raises(ScaleError, match="Another run has taken over"):
        stopped.judge()
    assert len(rows(output)) == 40


@pytest.mark.slow
def test_one_output_holds_one_model(tmp_path, model):
    source, output = pictures(tmp_path / "in", "a"), tmp_path / "out"
    Run(source, output, model, "one").judge()
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    other = shutil.copytree(store.BUNDLED, tmp_path / "model")
    (other / "metrics.json").unlink()
    config = store.load(other).config
    lighter = [dataclasses.replace(network, weight=0.5) for network in config.networks]
    stricter = dataclasses.replace(config.calibration, likely_fake_from=1.0)
    changes = ({"calibration": stricter}, {"networks": tuple(lighter)}, {"face_detector": "another"})
    changed = [dataclasses.replace(config, **change) for change in changes]
    network = (other / "model.tflite").read_bytes() + b"\0"
    retrained = dataclasses.replace(config.networks[0], file="new.tflite", sha256=hashlib.sha256(network).hexdigest())
    (other / "new.tflite").write_bytes(network)
    changed.append(dataclasses.replace(config, networks=(retrained, *config.networks[1:])))
    for one in changed:
        (other / "config.json").write_text(json.dumps(one.to_dict()))
        digests = [folder.info.digest[:12] for folder in (model, store.load(other))]
        assert digests[0] != digests[1]
        with pytest.raises(ScaleError, match="revision {}, and this is {}: take the same".format(*digests)):
            Run(source, output, store.load(other), "two")
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before, "a refusal touches nothing"
    pq.write_table(pa.table({"a": [1]}), tmp_path / "in" / "x.parquet")
    with pytest.raises(ScaleError, match="that this command did not write"):
        Run(source, tmp_path / "in", model, "two")


@pytest.mark.slow
def test_a_picture_that_ends_the_process_costs_one_row(tmp_path, model, poison):
    source = pictures(tmp_path / "in", *map(str, range(20)))
    (source / "05.png").write_bytes(picture("05") + b"crash")
    assert Run(source, tmp_path / "out", model, "one").judge() == {"judged": 20, "failed": 1, "known": 0}
    (failed,) = (row for row in rows(tmp_path / "out") if row["error"])
    assert Path(failed["file"]).name == "05.png" and failed["error"] == CRASHED
    assert len(failed["sha256"]) == 64


@pytest.mark.slow
def test_files_that_cannot_be_read_cost_a_row_each(tmp_path, model):
    source = pictures(tmp_path / "in", "a")
    with (source / "large.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (source / os.fsdecode(b"caf\xe9.png")).write_bytes(picture("b"))
    run = Run(source, tmp_path / "out", model, "one")
    pictures(source, "gone")
    late = Run(source, tmp_path / "out", model, "two")
    (source / "gone.png").unlink()
    assert late.judge() == {"judged": 2, "failed": 2, "known": 0}
    found = {Path(row["file"]).name: row for row in rows(tmp_path / "out")}
    assert found.keys() == {"a.png", "large.jpg", "caf\\udce9.png", "gone.png"}
    assert (
        found["large.jpg"]["error"].startswith("The file is larger than the limit") and not found["large.jpg"]["sha256"]
    )
    assert found["gone.png"]["error"] == "There is no file called gone.png."
    assert run.plan.pictures == 3


def test_a_folder_that_cannot_be_opened_costs_a_row(tmp_path, model, monkeypatch):
    """As the system refuses it to whoever has no right; root has all."""
    source = pictures(tmp_path / "in", "a")
    (source / "shut").mkdir()
    scan = os.scandir

    def refuse(path):
        if os.path.basename(path) == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert Run(source, tmp_path / "out", model, "one").judge() == {"judged": 1, "failed": 1, "known": 0}
    (failed,) = (row for row in rows(tmp_path / "out") if row["error"])
    assert failed["error"] == "shut could not be read: check that you may open it."


@pytest.mark.slow
def test_folders_are_walked_as_on_the_command_line(tmp_path, model):
    """Here and on an object store, which is not asked how a file without a suffix begins."""
    memory = fsspec.filesystem("memory")
    own, added = ["a.png", "b/c.PNG", "IMG_1"], ["@eaDir/a.png", ".thumbnails/a.png", "b/._c.png"]
    for name in [*own, *added, "b/notes.txt"]:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(picture(name))
        memory.pipe_file(f"/walked/{name}", picture(name))
    (tmp_path / "in" / "linked").symlink_to(pictures(tmp_path / "elsewhere", "d"))
    for source, names, passed in (
        (tmp_path / "in", {*own, "linked/d.png"}, "1 .txt"),
        ("memory://walked", {*own[:2]}, "1 without a suffix, 1 .txt"),
    ):
        run = Run(source, tmp_path / f"out-{len(names)}", model, "one")
        assert run.plan.passed == f"Skipped, not pictures: {passed}, 3 that systems add (hidden files, thumbnails)."
        run.judge()
        found = {row["file"] for row in rows(tmp_path / f"out-{len(names)}") if not row["error"]}
        assert {name.split("/in/" if source == tmp_path / "in" else "walked/")[1] for name in found} == names


@pytest.mark.slow
def test_an_object_store_is_read_and_written(tmp_path, model):
    memory = fsspec.filesystem("memory")
    for name in ("a", "b"):
        memory.pipe_file(f"/bucket/photos/deep/{name}.png", picture(name))
    memory.pipe_file("/bucket/photos/notes.txt", b"no picture's name")
    assert Run("memory://bucket/photos", "memory://bucket/out", model, "one").judge()["judged"] == 2
    table = pq.read_table("/bucket/out", filesystem=memory)
    assert sorted(table["file"].to_pylist()) == [f"memory:///bucket/photos/deep/{name}.png" for name in "ab"]
    again = Run("memory://bucket/photos", "memory://bucket/out", model, "two")
    assert again.judge() == {"judged": 0, "failed": 0, "known": 2}
    memory.rm("/bucket", recursive=True)


def test_what_is_named_wrongly_is_said_in_a_sentence(tmp_path):
    for name in (tmp_path / "none", "memory://none"):
        with pytest.raises(ScaleError, match="There is nothing at"):
            Place.input(str(name))
    with pytest.raises(ScaleError, match="is not an address"):
        Place.input("teapot://pot")
    here = Place.output(str(tmp_path))
    assert within(Place.output(str(tmp_path / "out")), here) and within(here, here)
    assert not within(here, Place.output(str(tmp_path / "out")))
    assert not within(here, Place.output(f"memory://{tmp_path}"))


def test_units_grow_with_the_pictures_and_fit_the_workers(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3000):
        (tmp_path / "in" / f"{number}.jpg").touch()
    made = plan.make(Place.input(str(tmp_path / "in")), Place.output(str(tmp_path)), "plan", 2)
    with plan.read(made) as reader:
        sizes = [len(plan.unit(reader, number)) for number in range(made.units)]
        names = {item.path for number in range(made.units) for item in plan.unit(reader, number)}
    assert made.pictures == sum(sizes) == len(names) == 3000
    assert sizes[0] == plan.FIRST_UNIT and sizes[:-1] == sorted(sizes[:-1]) and max(sizes) <= plan.UNIT
