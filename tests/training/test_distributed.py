"""Several processes train one network: who they are, what each reads, how they meet and part, and what one of them
learns when another is gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.workers import losses
from tests.support.training_fixtures import FIT, JAX_EPOCHS, environment
from training import watch as room
from training.cluster import Cluster
from training.data import face_cache
from training.data.crops import CropOptions, training_batches
from training.data.face_cache import Split
from training.data.sources import Source
from training.distributed import ALONE, joined
from training.errors import TrainingError
from training.fit import BEST, STATE
from training.watch import LOST

pytest_plugins = ["tests.support.training_fixtures"]


# ---- clusters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "environment", "cluster"),
    [
        ((None, None, None), {}, Cluster()),
        (("a:1", 4, 2), {"WORLD_SIZE": "9", "RANK": "8"}, Cluster("a:1", 4, 2)),
        ((None, None, None), {"MASTER_ADDR": "b", "MASTER_PORT": "2", "WORLD_SIZE": "3", "RANK": "1"},
         Cluster("b:2", 3, 1)),
        (("c:3", None, None), {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, Cluster("c:3", 2, 0)),
        (("d:4", None, None), {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, Cluster("d:4", 2, 1)),
        (
            (None, None, None),
            {"JAX_COORDINATOR_ADDRESS": "[::1]:5", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"},
            Cluster("[::1]:5", 2, 1),
        ),
        ((None, None, None), {"WORLD_SIZE": "1", "RANK": "0"}, Cluster("", 1, 0)),
    ],
)  # fmt: skip
def test_a_process_finds_its_cluster(said: tuple, environment: dict[str, str], cluster: Cluster) -> None:
    assert Cluster.detect(*said, environment) == cluster


@pytest.mark.parametrize(
    ("said", "environment", "sentence"),
    [
        (("a:1", None, None), {}, "--processes N --process 0 to N-1"),
        (("a:1", 2, 2), {}, "--processes N --process 0 to N-1"),
        (("a:1", 2, None), {}, "--processes N --process 0 to N-1"),
        ((None, 2, 1), {}, "--coordinator HOST:PORT"),
        (("a", 2, 1), {}, "--coordinator HOST:PORT"),
        (("a:99999", 2, 1), {}, "--coordinator HOST:PORT"),
        ((None, None, None), {"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE in the environment must be a number"),
    ],
)
def test_what_makes_no_cluster_is_refused(said: tuple, environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        Cluster.detect(*said, environment)


def test_several_processes_need_the_strategy() -> None:
    with pytest.raises(TrainingError, match="--strategy data-parallel"), joined("none", Cluster("a:1", 2, 0)):
        pass


@pytest.mark.jax
def test_data_parallel_needs_jax() -> None:
    """The tests run with TensorFlow."""
    with pytest.raises(TrainingError, match="KERAS_BACKEND=jax"), joined("data-parallel", Cluster()):
        pass


def test_without_a_strategy_a_process_is_alone() -> None:
    with joined("none", Cluster()) as alone:
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


# ---- how they meet and part --------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Ended(BaseException):
    pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Little patience, and a list of the sentences and statuses that would end a process."""
    ends: list[tuple[str, int]] = []
    monkeypatch.setattr(room, "JOIN", 4.0)  # seconds that no thread is kept waiting for a core
    monkeypatch.setattr(room, "SILENCE", 4.0)
    monkeypatch.setattr(room, "_BEAT", 0.1)
    monkeypatch.setattr(room.Watch, "_end", lambda self, *how: ends.append(how))
    return ends


def meet(clusters: list[Cluster]) -> list[object]:
    """What each place gets, a watch and an address or the error, when all come at once."""
    found: list[object] = [None] * len(clusters)

    def come(number: int) -> None:
        try:
            found[number] = room.Watch.meet(clusters[number])
        except TrainingError as error:
            found[number] = error

    threads = [threading.Thread(target=come, args=(number,)) for number in range(len(clusters))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def crew(quick: list) -> Iterator[list]:
    """Three watches that have met."""
    address = f"127.0.0.1:{free_port()}"
    found = meet([Cluster(address, 3, index) for index in range(3)])
    assert len({where for _, where in found}) == 1, "all have the same address of JAX's coordinator"
    for watch, _ in found:  # a late word is not to end the tests, when the patches are undone
        watch._end = lambda *how: quick.append(how)
    yield [watch for watch, _ in found]
    for watch, _ in found:
        watch.leave()
        for line in watch._lines.values():
            line.close()


def test_workers_that_leave_are_not_lost(crew: list, quick: list) -> None:
    for watch in crew:
        watch.leave()
    until(lambda: all(set(watch._lines) <= watch._done for watch in crew))
    for line in crew[2]._lines.values():
        line.shutdown(socket.SHUT_RDWR)
    time.sleep(0.3)
    assert quick == []


def test_the_others_wait_for_the_lead(crew: list) -> None:
    assert not any(watch.gone_ahead.wait(0.3) for watch in crew[1:])
    crew[0].tell("go")
    assert all(watch.gone_ahead.wait(60) for watch in crew[1:])


def test_all_learn_who_is_lost(crew: list, quick: list) -> None:
    for watch in crew:
        watch.step, watch.saved = 57, 48
    crew[2]._end = lambda *how: None
    crew[2]._lines[0].shutdown(socket.SHUT_RDWR)
    sentence = "After step 57, worker 2 was lost: the checkpoint of step 48 stays, start all workers with --resume."
    until(lambda: quick.count((sentence, LOST)) >= 2)


def test_a_worker_that_says_nothing_is_lost(crew: list, quick: list) -> None:
    crew[1].tell = lambda word: None
    sentence = "After step 0, worker 1 was lost: there is no checkpoint yet, start all workers again."
    until(lambda: (sentence, LOST) in quick)


def test_a_worker_that_fails_says_so(crew: list, quick: list) -> None:
    crew[1].end_with(TrainingError("There is no such folder."))
    assert ("There is no such folder.", 2) in quick
    until(lambda: any("worker 1 gave up, its own message says why" in sentence for sentence, _ in quick))


def test_a_worker_that_does_not_come_is_named(quick: list) -> None:
    address = f"127.0.0.1:{free_port()}"
    lead, other = meet([Cluster(address, 3, 0), Cluster(address, 3, 2)])
    assert str(lead) == "Of 3 workers, 1 did not come: start all with the same --coordinator and --processes."
    assert isinstance(other, TrainingError)


def test_a_lead_that_does_not_come_is_named(quick: list) -> None:
    address = f"127.0.0.1:{free_port()}"
    [other] = meet([Cluster(address, 2, 1)])
    assert str(other) == f"Worker 0 does not answer at {address}: start it, or give the right --coordinator."


def test_workers_that_count_differently_are_refused(quick: list) -> None:
    address = f"127.0.0.1:{free_port()}"
    lead, _ = meet([Cluster(address, 3, 0), Cluster(address, 2, 1)])
    assert "A worker came as 1 of 2, where 3 are to come" in str(lead)


# ---- two processes on this machine -------------------------------------------------------------------------------


def start(folder: Path, home: Path, index: int, port: int, *words: object) -> subprocess.Popen:
    place = ("--coordinator", f"127.0.0.1:{port}", "--processes", 2, "--process", index)
    told = environment(home, KERAS_BACKEND="jax")
    with (folder / f"worker-{index}").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "training", "fit", "--strategy", "data-parallel", *map(str, (*words, *place))],
            env=told, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip


@pytest.mark.jax
def test_two_workers_train_as_one_and_one_goes_on_when_the_other_is_lost(
    jax_run: Path, small_set: Path, caches: Path, tmp_path: Path
) -> None:
    """Two processes share each batch; one is killed after the first checkpoint; one with two devices goes on alone."""
    port = free_port()
    words = ("--data", small_set, *FIT, "--epochs", JAX_EPOCHS, "--out", "run")
    both = [start(tmp_path, caches, index, port, *words) for index in range(2)]
    try:
        while not (tmp_path / "run" / STATE).exists() and all(worker.poll() is None for worker in both):
            time.sleep(0.01)
        os.kill(both[1].pid, signal.SIGKILL)
        status = both[0].wait(timeout=300)
    finally:
        for worker in both:
            worker.kill()
    said = (tmp_path / "worker-0").read_text()
    assert status == LOST, said
    saved = json.loads((tmp_path / "run" / STATE).read_text())
    assert said.splitlines()[-1].endswith(
        f"worker 1 was lost: the checkpoint of step {saved['step']} stays, start all workers with --resume."
    )
    assert "Traceback" not in said
    assert [row["step"] for row in saved["history"]] == [6]
    assert saved["history"][0]["auc"] == json.loads((jax_run / STATE).read_text())["history"][0]["auc"]

    told = environment(caches, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")
    again = [sys.executable, "-m", "training", "fit", "--strategy", "data-parallel", "--out", "run", "--resume"]
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
        until(lambda: (tmp_path / "run" / STATE).exists() or any(worker.poll() is not None for worker in both), 300)
        both[1].send_signal(signal.SIGTERM)
        status = [worker.wait(timeout=300) for worker in both]
    finally:
        for worker in both:
            worker.kill()
    last = [(tmp_path / f"worker-{n}").read_text().splitlines()[-1] for n in (0, 1)]
    step = json.loads((tmp_path / "run" / STATE).read_text())["step"]
    assert status == [130, 130], last
    assert last == [f"Stopped at step {step} of {900 * 6}: --resume continues from here."] * 2
