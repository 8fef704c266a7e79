"""Several processes train one network: who they are, what each reads, and what stays when one of them is lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from benchmarks.running_app import free_port
from tests.support.training_fixtures import FIT, JAX_EPOCHS, REFUSE_TENSORFLOW, environment, program
from training.checkpoint import BEST, STATE
from training.data import face_cache
from training.data.crops import CropOptions, training_batches
from training.data.face_cache import Split
from training.data.sources import Source
from training.distributed import ALONE, joined
from training.errors import TrainingError

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.slow  # imports TensorFlow


# ---- who they are ------------------------------------------------------------------------------------------------


def test_several_processes_need_the_strategy() -> None:
    with pytest.raises(TrainingError, match="--strategy data-parallel"), joined("none", "a:1", 2, 0):
        pass


@pytest.mark.jax
def test_data_parallel_needs_jax() -> None:
    """The tests run with TensorFlow."""
    with pytest.raises(TrainingError, match="KERAS_BACKEND=jax"), joined("data-parallel"):
        pass


ASK = """
from training.__main__ import main
for words in (["--processes", "2"], ["--coordinator", "127.0.0.1:1"]):
    assert main(["fit", "--strategy", "data-parallel", *words, "--out", "run"]) == 2
"""


@pytest.mark.jax
def test_what_is_not_said_of_the_others_is_asked_for(tmp_path: Path) -> None:
    told = environment(tmp_path, KERAS_BACKEND="jax")
    done = subprocess.run(
        [sys.executable, "-c", REFUSE_TENSORFLOW + ASK], env=told, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Say where process 0 runs, how many there are and which this is:") == 2
    assert "Traceback" not in done.stderr


def test_without_a_strategy_a_process_is_alone() -> None:
    with joined("none") as alone:
        assert alone is ALONE and alone.is_main and alone.devices == 1
        assert alone.any(True) and not alone.any(False)


# ---- what each reads ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def train(small_set: Path) -> list[tuple[Split, float]]:
    """The same pictures as two sources of different weight."""
    split = face_cache.load(Source(str(small_set)), "train")
    return [(split, 1.0), (split.part(0, 3), 0.5)]


def batches(train: list[tuple[Split, float]], part: tuple[int, int] = (0, 1)):
    options = CropOptions(64, 1.4, corruptions=("blur",), self_blend=0.3)
    return training_batches(train, options, 8, seed=5, threads=2, part=part)


@pytest.mark.parametrize("count", [2, 4])
def test_the_parts_of_all_workers_are_the_batches_of_one(train: list[tuple[Split, float]], count: int) -> None:
    whole, parts = batches(train), [batches(train, (index, count)) for index in range(count)]
    for _ in range(9):  # more than an epoch
        for one, several in zip(next(whole), zip(*map(next, parts), strict=True), strict=True):
            assert np.array_equal(one, np.concatenate(several))
    assert [part.get_state() for part in parts] == count * [whole.get_state()]


def test_another_number_of_workers_goes_on_in_the_same_place(train: list[tuple[Split, float]]) -> None:
    before = batches(train, (1, 2))
    for _ in range(5):
        next(before)
    after, straight = batches(train, (2, 4)), batches(train)
    after.set_state(json.loads(json.dumps(before.get_state())))
    for _ in range(6):
        expected = next(straight)
    assert all(np.array_equal(mine, all_[4:6]) for mine, all_ in zip(next(after), expected, strict=True))


def test_a_split_is_shared_out_whole(train: list[tuple[Split, float]]) -> None:
    split = train[0][0]
    parts = [split.part(index, 5).faces for index in range(5)]
    assert sorted(face.index for part in parts for face in part) == [face.index for face in split.faces]


# ---- two processes on this machine -------------------------------------------------------------------------------


def start(folder: Path, home: Path, index: int, port: int, *words: object) -> subprocess.Popen:
    place = ("--coordinator", f"127.0.0.1:{port}", "--processes", 2, "--process", index)
    told = environment(home, KERAS_BACKEND="jax")
    with (folder / f"worker-{index}").open("w") as log:
        return subprocess.Popen(
            [*program("jax"), "fit", "--strategy", "data-parallel", *map(str, (*words, *place))],
            env=told, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip


def until_a_checkpoint(run: Path, workers: list[subprocess.Popen]) -> None:
    end = time.monotonic() + 300
    while not (run / STATE).exists():
        assert time.monotonic() < end and all(worker.poll() is None for worker in workers)
        time.sleep(0.01)


def losses(run: Path) -> dict[int, float]:
    """The loss of each step, from what TensorBoard reads; of a step taken again, the later one."""
    found = {}
    for file in sorted((run / "tensorboard").iterdir()):
        rest = file.read_bytes()
        while rest:  # TFRecord: length, its checksum, the event, its checksum
            length = int.from_bytes(rest[:8], "little")
            event = event_pb2.Event.FromString(rest[12 : 12 + length])
            found |= {event.step: v.simple_value for v in event.summary.value if v.tag == "train/loss"}  # noqa: B035
            rest = rest[16 + length :]
    return found


@pytest.mark.jax
def test_two_workers_train_as_one_and_one_goes_on_when_the_other_is_lost(
    jax_run: Path, small_set: Path, caches: Path, tmp_path: Path
) -> None:
    """Two processes share each batch; one is killed after the first checkpoint; one with two devices goes on alone."""
    port = free_port()
    words = ("--data", small_set, *FIT, "--epochs", JAX_EPOCHS, "--out", "run")
    both = [start(tmp_path, caches, index, port, *words) for index in range(2)]
    try:
        until_a_checkpoint(tmp_path / "run", both)
        both[1].kill()
        status = both[0].wait(timeout=300)
    finally:
        for worker in both:
            worker.kill()
    said = (tmp_path / "worker-0").read_text()
    assert status != 0, said
    saved = json.loads((tmp_path / "run" / STATE).read_text())
    assert [row["step"] for row in saved["history"]] == [6]
    assert saved["history"][0]["auc"] == json.loads((jax_run / STATE).read_text())["history"][0]["auc"]

    told = environment(caches, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")
    again = [*program("jax"), "fit", "--strategy", "data-parallel", "--out", "run", "--resume"]
    done = subprocess.run(again, env=told, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "continuing at step 6 of" in done.stderr
    straight, shared = losses(jax_run), losses(tmp_path / "run")
    assert set(shared) == set(straight)
    for step, loss in straight.items():
        assert shared[step] == pytest.approx(loss, rel=1e-3), step
    assert (tmp_path / "run" / BEST).exists()


@pytest.mark.jax
def test_a_signal_to_one_worker_stops_all_at_the_same_step(small_set: Path, caches: Path, tmp_path: Path) -> None:
    port = free_port()
    words = ("--data", small_set, *FIT, "--epochs", 900, "--out", "run")
    both = [start(tmp_path, caches, index, port, *words) for index in range(2)]
    try:
        until_a_checkpoint(tmp_path / "run", both)
        both[1].send_signal(signal.SIGTERM)
        status = [worker.wait(timeout=300) for worker in both]
    finally:
        for worker in both:
            worker.kill()
    last = [(tmp_path / f"worker-{n}").read_text().splitlines()[-1] for n in (0, 1)]
    step = json.loads((tmp_path / "run" / STATE).read_text())["step"]
    assert status == [130, 130], last
    assert last == [f"Stopped at step {step} of {900 * 6}: --resume continues from here."] * 2
