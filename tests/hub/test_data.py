"""A data set by its name on the Hub, read by the real `datasets` in a process of its own."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.hub_fixtures import by_lfs, environment
from tests.support.hub_server import Fault, Hub
from tests.support.training_fixtures import command, rows, write_parquet, write_pictures, write_shards

pytest_plugins = ["tests.support.hub_fixtures"]
pytestmark = pytest.mark.slow

FACES = "owner/faces"
LOOK = """
import json, sys
from training.data import face_cache, tables
from training.data.sources import Source
from training.errors import TrainingError
spec = tables.pinned(sys.argv[1])
answer = {"pinned": spec}
for split in ("train", "test"):
    try:
        answer[split] = face_cache.load(Source.parse(spec), split).count()
    except TrainingError as error:
        answer[split] = str(error)
print(json.dumps(answer))
"""


STREAM = """
import datasets, json, os, sys
from huggingface_hub.utils import _http
from detector.model_folder import hub
from training.data import streaming, streams, tables
from training.data.crops import CropOptions
from training.data.sources import Source
from training.errors import TrainingError

hub.WAITS = (0.1, 0.1)
datasets.config.STREAMING_READ_MAX_RETRIES = 2
datasets.config.STREAMING_READ_RETRY_INTERVAL = datasets.config.STREAMING_READ_SERVER_UNAVAILABLE_RETRY_INTERVAL = 0.1
datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0  # at the end of an epoch, 5 s
for backoff in (_http.http_backoff, _http.http_stream_backoff.__wrapped__):
    backoff.__kwdefaults__["base_wait_time"] = 0.01  # the first of five waits, each twice the one before: 1 s is usual
source = Source.parse(tables.pinned(sys.argv[1]))

try:
    opened = streams.open_train(source)
    batches = streaming.Batches([(opened, 1.0)], CropOptions(32, 1.2), 8, 1, 2, block=16)
    answer = {"train": opened.count(), "fakes": [int(next(batches)[1].sum()) for _ in range(4)]}
    answer["validation"] = streams.load(source, "validation").count()
    answer["splits"] = sorted(streams.splits_of(source))
except TrainingError as error:
    answer = {"error": str(error)}
print(json.dumps(answer), flush=True)
os._exit(0)  # as training.__main__ ends
"""


def look(hub: Hub, home: Path, spec: str, *words: str, script: str = LOOK, **more: str) -> dict:
    variables = {"PATH": "/usr/bin:/bin", **environment(hub, home / "hf"), "XDG_CACHE_HOME": str(home), **more}
    command = [sys.executable, "-c", script, spec, *words]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=home)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def put(hub: Hub, folder: Path) -> str:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return hub.put(f"datasets/{FACES}", files)


@by_lfs
@pytest.mark.parametrize("write", [write_parquet, write_pictures])
def test_official_splits_at_a_commit(hub: Hub, tmp_path: Path, write):
    first = put(hub, write(tmp_path / "data", {"train": rows(2, 2), "test": rows(1, 1, 200)}))
    seen = look(hub, tmp_path, f"{FACES}:2")
    assert seen["pinned"] == f"{FACES}@{first}:2"
    assert (seen["train"]["fake"], seen["train"]["real"]) == (2, 2)
    assert (seen["test"]["fake"], seen["test"]["real"]) == (1, 1)
    put(hub, write(tmp_path / "more", {"train": rows(3, 3), "test": rows(1, 1, 200)}))
    assert look(hub, tmp_path, f"{FACES}@{first}")["train"] == seen["train"]
    assert look(hub, tmp_path, FACES)["train"]["fake"] == 3
    offline = look(hub, tmp_path, f"{FACES}@{first}", HF_HUB_OFFLINE="1")["train"]
    assert offline == f"{FACES} is kept here at another revision only: connect, or name no revision."


@by_lfs
def test_no_part_of_a_set_that_lost_its_splits_is_called_test(hub: Hub, tmp_path: Path):
    put(hub, write_parquet(tmp_path / "data", {"train": rows(2, 2)}))
    seen = look(hub, tmp_path, FACES)
    assert seen["test"].startswith(f"{seen['pinned']} has no test split: it has train.")


DOWNLOAD = """
import json, os, sys, time
from detector.model_folder import hub
from detector.errors import ModelError
from training.data import tables
from training.hub import retries
from training.errors import TrainingError

hub.WAITS, retries.WITHIN = (0.1, 0.1), 5.0
answers = {}
for name in sys.argv[1:]:
    began = time.monotonic()
    try:
        answer = {split: len(rows) for split, rows in tables.read(name).items()}
    except (TrainingError, ModelError) as error:
        answer = str(error)
    answers[name] = answer, time.monotonic() - began
print(json.dumps(answers), flush=True)
os._exit(0)  # as training.__main__ ends
"""
IN_TIME = "The Hub did not finish with {} in time: look at the connection, and try again."
BECAUSE = "The Hub did not finish with {}, because %s: run the command again."
GONE = "The Hub has no {}, or your token may not see it: check the name and the token."


@by_lfs
def test_a_download_under_faults_ends_in_time_and_leaves_a_whole_cache(hub: Hub, tmp_path: Path):
    for_good = 1_000_000
    ends = {
        ("cut", 1): None,
        ("wrong", 1): None,
        (500, 1): None,
        ("slow", for_good): IN_TIME,
        ("late", for_good): IN_TIME,
        ("wrong", for_good): BECAUSE % "other bytes arrived than the Hub lists",
        (503, for_good): BECAUSE % "the Hub answered with error 503",
        ("gone", for_good): GONE,
    }
    told = {}
    for number, ((kind, times), sentence) in enumerate(ends.items()):
        name = f"owner/faces-{number}"
        folder = write_parquet(tmp_path / "data" / name, {"train": rows(2, 2, 10 * number)})
        [file] = folder.glob("*.parquet")
        hub.put(f"datasets/{name}", {file.name: file.read_bytes()})
        hub.faults.append(Fault(kind, f"GET /lfs/{hashlib.sha256(file.read_bytes()).hexdigest()}", times))
        told[name] = sentence and sentence.format(name)
    for answer, (name, sentence) in zip(download(hub, tmp_path, told), told.items(), strict=True):
        assert answer == (sentence or {"train": 4}), name
    hub.faults.clear()
    assert download(hub, tmp_path, told) == [{"train": 4}] * len(told)


def download(hub: Hub, home: Path, names: Iterable[str]) -> list[dict | str]:
    answers = look(hub, home, *names, script=DOWNLOAD)
    assert max(seconds for _, seconds in answers.values()) < 5 + 90, answers  # and not for ever
    return [answer for answer, _ in answers.values()]


# --- Streams ---------------------------------------------------------------------------------------------------------

BODY = "GET /lfs/"


@by_lfs
def test_a_set_sorted_by_class_is_streamed_mixed(hub: Hub, tmp_path: Path):
    folder = write_shards(tmp_path / "data", "train", rows(16, 16), 2, 4)
    put(hub, write_shards(write_shards(folder, "validation", rows(2, 2, 100), 1, 4), "test", rows(1, 1, 200), 1, 4))
    seen = look(hub, tmp_path, FACES, script=STREAM)
    assert seen["train"] == {"fake": 16, "real": 16}
    assert sum(seen["fakes"]) == 16 and max(seen["fakes"]) < 8
    assert (seen["validation"]["fake"], seen["validation"]["real"]) == (2, 2)
    assert seen["splits"] == ["test", "train", "validation"]
    assert not [path for path in (tmp_path / "hf").rglob("*") if path.suffix in (".parquet", ".arrow")], "no download"
    assert not any("test-00000" in line for line in hub.requests if line.startswith("GET"))

    for kind, times in ((503, 2), ("cut", 1), (429, 1)):
        hub.faults.append(Fault(kind, BODY, times))
    assert look(hub, tmp_path, FACES, script=STREAM) == seen, "what passes changes nothing"
    assert all(fault.times == 0 for fault in hub.faults)

    hub.faults = [Fault(503, BODY)]
    assert look(hub, tmp_path, FACES, script=STREAM) == {
        "error": f"The Hub did not finish with {FACES}, because the Hub answered with error 503: run the command again."
    }


@by_lfs
def test_single_pictures_are_streamed_and_checked(hub: Hub, tmp_path: Path):
    splits = {"train": rows(16, 16), "validation": rows(2, 2, 100), "test": rows(1, 1, 200)}
    put(hub, write_pictures(tmp_path / "data", splits))
    train, test = "GET .*/resolve/.*/train/", "/test/"
    hub.faults += [Fault(503, train, 1), Fault("cut", train, 1)]
    seen = look(hub, tmp_path, FACES, script=STREAM)
    assert seen["train"] == {"fake": 16, "real": 16}
    assert sum(seen["fakes"]) == 16 and max(seen["fakes"]) < 8
    assert (seen["validation"]["fake"], seen["validation"]["real"]) == (2, 2)
    assert all(fault.times == 0 for fault in hub.faults)
    assert not any(test in line for line in hub.requests if line.startswith("GET"))

    hub.put(f"datasets/{FACES}", {"train/Fake/more.zip": b"PK"})
    assert look(hub, tmp_path, FACES, script=STREAM) == {
        "error": f"{FACES} has train/Fake/more.zip, which a stream from the Hub cannot read: name "
        f"{FACES}@refs/convert/parquet, the copy that the Hub makes, or leave --streaming out."
    }


@by_lfs
def test_a_streamed_run_and_its_model_name_the_commit_of_the_data(hub: Hub, tmp_path: Path):
    folder = write_shards(tmp_path / "data", "train", rows(8, 8), 2, 4)
    commit = put(hub, write_shards(folder, "validation", rows(4, 4, 100), 1, 4))
    tiny = "--architecture sequential-baseline --weights none --input-size 48 --batch-size 8 --epochs 1 --corruptions"
    words = (
        ["fit", "--streaming", "--data", FACES, *tiny.split(), "--out", "run"],
        ["export", "run", "--out", "model"],
    )
    for line in words:
        more = {**environment(hub, tmp_path / "hf"), "KERAS_HOME": str(tmp_path / "keras")}
        done = command(*line, home=tmp_path, cwd=tmp_path, **more)
        assert done.returncode == 0, done.stderr
        put(hub, write_shards(tmp_path / "later", "train", rows(1, 1), 1, 4))  # main is another commit then
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    assert (options["data"], options["streaming"]) == ([f"{FACES}@{commit}"], True)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["options"]["data"] == [f"{FACES}@{commit}:1"] and config["options"]["streaming"]
    [counts] = config["data"]["train"].values()
    assert counts["train"] == {"fake": 8, "real": 8} and counts["validation"]["fake"] == 4
    assert f"--data {FACES}@{commit} --streaming" in config["commands"][0]
