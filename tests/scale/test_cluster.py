"""python -m scale judge on Ray: two nodes on this machine, one of them killed, and the client of a cluster."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage import data

from detector.model_folder import store
from scale.__main__ import main
from tests.support import ROOT

PICTURES, DIFFERENT = 32, 8  # with the one that is none, two units for two workers after one of a single picture
PATIENCE = 400  # seconds, on a machine that is busy with others

pytestmark = [pytest.mark.ray, pytest.mark.timeout(2 * PATIENCE)]


class Cluster:
    """Two nodes of one core each; `address` is for drivers, `client` for clients."""

    def __init__(self) -> None:
        from ray._common.network_utils import find_free_port
        from ray.cluster_utils import Cluster as Nodes

        port = find_free_port()
        # A node that died is missed after 6 seconds, where Ray itself waits for 15; a busy machine needs some.
        missed = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1200}
        head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port, "_system_config": missed}
        self._nodes = Nodes(initialize_head=True, head_node_args=head)
        self.second = self._nodes.add_node(num_cpus=1)
        self.address, self.client = self._nodes.address, f"ray://127.0.0.1:{port}"

    def workers(self, node: object) -> list[psutil.Process]:
        """Actors of a node that have started their Detector."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        children = raylet.children(recursive=True)
        started = []
        for child in children:
            with suppress(psutil.Error):  # gone meanwhile
                if "detector.worker" in child.cmdline():
                    started.append(child.parent())
        return started

    def kill_second(self) -> None:
        """Without a word to anybody."""
        self._nodes.remove_node(self.second, allow_graceful=False)

    @property
    def head(self) -> object:
        return self._nodes.head_node

    def shutdown(self) -> None:
        self._nodes.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Its processes have no path to the project: the code comes with the run."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "GRPC_ENABLE_FORK_SUPPORT": "0",  # https://github.com/ray-project/ray/issues/63202
        "PYTHONPATH": "",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        made = Cluster()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DIFFERENT ones several times each, turned, which take a while to search, and one that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PICTURES):
        copy, which = divmod(number, DIFFERENT)
        turned = Image.fromarray(data.astronaut()[::2, ::2]).rotate(50 + 40 * which, expand=True)
        turned.save(folder / f"{which}-{copy}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "scale", "judge", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen) -> tuple[int, str]:
    told = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, told


def wait_for(what: Callable[[], object], process: subprocess.Popen) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_killed_worker_and_a_killed_node_cost_nothing(cluster, photos, tmp_path, python):
    output = tmp_path / "out"
    process = start(photos, output, "--address", cluster.address)
    wait_for(lambda: cluster.workers(cluster.second) and cluster.workers(cluster.head), process)
    wait_for(lambda: list(output.glob("*.parquet")), process)
    cluster.workers(cluster.head)[0].kill()
    cluster.kill_second()
    done = len(pq.read_table(output))
    assert done < PICTURES + 1, "both were killed in the middle"
    code, told = ended(process)
    assert code == 1, told
    assert f"{PICTURES} judged, 1 could not be, 0 were in" in told
    rows = {row["file"]: row for row in pq.read_table(output).to_pylist()}
    files = Counter(pq.read_table(output)["file"].to_pylist())
    assert files == {str(path): 1 for path in photos.iterdir()}
    lines = python("-m", "detector", *photos.glob("*-0.jpg"), photos / "broken.jpg", "--jsonl").stdout.splitlines()
    expected = {Path(one["file"]).stem[0]: one for one in map(json.loads, lines)}
    assert len({one.get("score") for one in expected.values()}) == len(expected) == DIFFERENT + 1
    for file, row in rows.items():
        one = expected[Path(file).stem[0]]
        assert row["error"] == one["error"]
        assert (row["verdict"], row["score"]) == (one.get("verdict"), one.get("score"))
    assert {path.name for path in output.iterdir() if path.suffix != ".parquet"} == {"_run.json"}


def test_a_run_that_is_taken_over_ends_with_a_sentence(cluster, photos, tmp_path):
    process = start(photos, tmp_path / "out", "--address", cluster.address)
    wait_for(lambda: cluster.workers(cluster.head), process)
    (tmp_path / "out" / "_run.json").write_text('{"run": "another"}')
    code, told = ended(process)
    said = told.splitlines()[-1]  # above it Ray's native part may say that it is silent
    assert (code, said) == (2, "Another run has taken over OUTPUT: this one has stopped, and nothing is lost."), told


def test_a_client_is_told_what_the_cluster_did(cluster, folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    code, told = ended(start(folder, output, "--address", cluster.client))
    revision = store.load().info.digest
    assert (code, told) == (
        1,
        "Skipped, not pictures: 1 .txt.\n"
        f"3 judged, 2 could not be, 0 were in {output} before; model revision {revision}\n",
    )
    rows = pq.read_table(output).to_pylist()
    assert sorted(row["file"] for row in rows if row["error"]) == [
        str(folder / "broken.png"),
        str(folder / "inner" / "truncated.jpg"),
    ]


def test_one_machine_needs_no_cluster(tmp_path, hopper):
    code, told = ended(start(hopper, tmp_path / "out", "--workers", 1))
    said = told.splitlines()[-1]
    assert code == 0 and said.startswith(f"1 judged, 0 could not be, 0 were in {tmp_path}"), told
    (row,) = pq.read_table(tmp_path / "out").to_pylist()
    assert (row["file"], len(row["faces"])) == (str(hopper), 1)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [("none", "There is nothing at none: check the name."), (".", "INPUT and OUTPUT lie in one another")],
)
def test_what_is_wrong_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, source: str, sentence: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["judge", source, str(ROOT / "tests" / "out"), "--address", "127.0.0.1:1"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(sentence) and len(told.splitlines()) == 1


def test_without_ray_it_says_what_to_install(tmp_path):
    hide = "import sys; sys.modules['ray'] = None; import importlib.util as u; f = u.find_spec; "
    hide += "u.find_spec = lambda name, *rest: None if name == 'ray' else f(name, *rest); "
    ran = subprocess.run(
        [sys.executable, "-c", hide + "from scale.__main__ import main; sys.exit(main())", "judge", "a", "b"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = "Bulk judging needs Ray: run pip install '.[scale]' in the project's folder\n"
    assert (ran.returncode, ran.stderr) == (2, said)
