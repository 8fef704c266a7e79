"""`python -m faults cache`: ten threads and ten processes on one cache that is empty when they begin.

The Hub's cache by `detector.model_folder.store.load`, the cache of faces by `training.data.face_cache.load`, and
one file that all write at once by `detector.files.write`. All must get the same, and what is left must be whole.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from detector.model_folder import store
from faults import crowd
from faults.figures import conclude, progress
from faults.kill import ROOT
from faults.trials import at_home

REPO = "owner/crowded"


def cache(processes: int = 10, threads: int = 10, *, only: tuple[str, ...] = ("file", "hub", "faces")) -> int:
    """Returns the exit status."""
    started = time.monotonic()
    findings: list[str] = []
    clients = 0
    trials = {"file": _file, "hub": _hub, "faces": _faces}
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        for what in only:
            for each, inside in ((1, threads), (processes, 1)):
                folder = Path(name, f"{what}-{each}")
                folder.mkdir()
                found, answers = trials[what](folder, each, inside)
                clients += answers
                findings += [f"{what}, {each} processes of {inside} threads: {text}" for text in found]
                progress(f"{what}: {each} processes of {inside} threads: {found or 'all the same'}")
    return conclude("cache", findings, crowds=2 * len(only), clients=clients, seconds=time.monotonic() - started)


def _crowd(processes: int, words: list[object], environment: dict[str, str]) -> list[object]:
    """What every thread of every process got."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "faults.crowd", *map(str, words)], cwd=ROOT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(processes)
    ]  # fmt: skip
    got: list[object] = []
    for process in started:
        told, complained = process.communicate()
        got += json.loads(told.splitlines()[-1]) if process.returncode == 0 else [{"error": complained[-500:]}]
    return got


def _differences(got: list[object]) -> list[str]:
    errors = [answer["error"] for answer in got if isinstance(answer, dict) and "error" in answer]
    if errors:
        return [f"{len(errors)} of {len(got)} failed, as {errors[0]}"]
    kinds = {json.dumps(answer, sort_keys=True) for answer in got}
    return [] if len(kinds) == 1 else [f"{len(kinds)} different answers"]


def _file(folder: Path, processes: int, threads: int) -> tuple[list[str], int]:
    place = folder / "state"
    got = _crowd(processes, ["file", threads, place, "w", 60], {})
    found = _differences(got)
    if not crowd.is_whole(place.read_bytes()):
        found.append("the file that is left is not whole")
    return found + _left(folder, {"state"}), len(got)


def _hub(folder: Path, processes: int, threads: int) -> tuple[list[str], int]:
    from tests.support.hub_server import OWNER, serve

    names = (store.CONFIG, store.MODEL, store.METRICS)
    home = folder / "home"
    with serve(folder / "hub", xet=False) as hub:
        commit = hub.put(REPO, {name: (store.BUNDLED / name).read_bytes() for name in names})
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": OWNER, "HF_HUB_DISABLE_XET": "1",
                       "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
        got = _crowd(processes, ["hub", threads, REPO], environment)
    expected = {"source": "hub", "sha256": store.load().info.sha256, "revision": commit}
    found = _differences([*got, expected])
    kept = home / "hub" / "models--owner--crowded" / "snapshots" / commit
    for name in names:
        if not (kept / name).exists() or (kept / name).read_bytes() != (store.BUNDLED / name).read_bytes():
            found.append(f"{name} in the cache is not what the Hub has")
    return found, len(got)


def _faces(folder: Path, processes: int, threads: int) -> tuple[list[str], int]:
    from tests.support.training_fixtures import rows, write_parquet

    data = write_parquet(folder / "portraits", {"train": rows(6, 6)})
    got = _crowd(processes, ["faces", threads, data, folder / "faces"], at_home(folder / "home"))
    found = _differences(got)
    for file in (folder / "faces").glob("*.parquet"):
        pq.read_table(file)
    left = {file.name for file in (folder / "faces").glob("*.parquet")}
    if len(left) != 1:
        found.append(f"{len(left)} files of faces instead of one")
    return found + _left(folder / "faces", left), len(got)


def _left(folder: Path, known: set[str]) -> list[str]:
    others = {file.name for file in folder.iterdir()} - known
    return [f"left behind: {', '.join(sorted(others))}"] if others else []
