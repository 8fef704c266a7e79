"""Bulk judging of a data set on the Hub, at one commit."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem
from PIL import Image

from detector.model_folder import store
from scale import plan, results
from scale.errors import ScaleError
from scale.storage import Place
from scale.worker import Job, Worker
from tests.support.hub_server import Hub

pytest_plugins = ["tests.support.hub_fixtures"]
pytestmark = pytest.mark.parametrize("hub", ["lfs"], indirect=True)


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def parquet(*seeds: int) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"image": [{"bytes": picture(seed), "path": None} for seed in seeds]}), file)
    return file.getvalue()


@pytest.fixture(autouse=True)
def fresh():
    """The client keeps its file systems, and with them the address of another test's Hub."""
    HfFileSystem.clear_instance_cache()


@pytest.mark.slow
def test_pictures_and_parquet_at_one_commit(hub: Hub, tmp_path):
    model, output = store.load(), Place.output(str(tmp_path / "out"))

    def judge(name: str, run: str) -> dict[str, int]:
        source = Place.input(name)
        known = results.begin(output, run, model)
        todo = plan.make(source, output, f"_plan-{run}.arrow", 1)
        # What comes to the Hub now is not of this run.
        hub.put("datasets/owner/faces", {"late.png": picture(99)})
        worker = Worker(Job(run, source, output, todo), model, known)
        assert todo.units == 1
        return worker.judge(0)

    first = hub.put("datasets/owner/faces", {"data/train.parquet": parquet(1, 2), "extra/a.png": picture(3)})
    assert judge("owner/faces", "one") == {"judged": 3, "failed": 0, "known": 0}
    files = pq.read_table(tmp_path / "out")["file"].to_pylist()
    assert sorted(files) == [
        "hf://datasets/owner/faces/data/train.parquet#0",
        "hf://datasets/owner/faces/data/train.parquet#1",
        "hf://datasets/owner/faces/extra/a.png",
    ]
    assert judge(f"owner/faces@{first}", "two") == {"judged": 0, "failed": 0, "known": 3}
    assert judge("hf://datasets/owner/faces", "three")["known"] == 3


def test_what_the_hub_refuses_is_said_in_a_sentence(hub: Hub):
    hub.put("datasets/owner/faces", {"a.png": picture(1)})
    wanted = {
        "owner/none": "The Hub has no owner/none, or your token may not see it",
        "owner/faces@none": "owner/faces has no revision none: name a branch",
        "hf://owner/faces": "hf://owner/faces is not a data set",
        "hf://datasets/owner/faces/none": "There is nothing at hf://datasets/owner/faces/none",
    }
    for name, sentence in wanted.items():
        with pytest.raises(ScaleError, match=sentence):
            Place.input(name)
