"""A data set by its name on the Hub, read by the real `datasets` in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hub_fixtures import environment
from hub_server import Hub
from training_fixtures import rows, write_parquet, write_pictures

pytest_plugins = ["hub_fixtures"]

FACES = "owner/faces"
LOOK = """
import json, logging, sys
from training import data
from training.errors import TrainingError
spec = data.pinned(sys.argv[1])
answer = {"pinned": spec}
for split in ("train", "test"):
    try:
        answer[split] = data.load(data.Source.parse(spec), split).count()
    except TrainingError as error:
        answer[split] = str(error)
print(json.dumps(answer))
"""


def look(hub: Hub, home: Path, spec: str, **more: str) -> dict:
    variables = {"PATH": "/usr/bin:/bin", **environment(hub, home / "hf"), "XDG_CACHE_HOME": str(home), **more}
    ran = subprocess.run([sys.executable, "-c", LOOK, spec], env=variables, capture_output=True, text=True, cwd=home)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def put(hub: Hub, folder: Path) -> str:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return hub.put(f"datasets/{FACES}", files)


@pytest.mark.parametrize("hub", ["lfs"], indirect=True)
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


@pytest.mark.parametrize("hub", ["lfs"], indirect=True)
def test_no_part_of_a_set_that_lost_its_splits_is_called_test(hub: Hub, tmp_path: Path):
    put(hub, write_parquet(tmp_path / "data", {"train": rows(2, 2)}))
    seen = look(hub, tmp_path, FACES)
    assert seen["test"].startswith(f"{seen['pinned']} has no test split: it has train.")
