"""`python -m faults fuzz picture|provenance|zip|config --runs N`: hostile files, led by coverage, until N are done.

The fuzzer (atheris, which is libFuzzer for Python) runs in child processes of a bounded number of runs each, that share
a corpus. A child that dies, hangs or grows is a finding like an exception that no room documents. The input of each
finding is kept in a folder, to become a case in tests/test_faults_fuzz.py.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from faults import seeds
from faults.board import Board
from faults.figures import conclude, progress

ROOT = Path(__file__).parent.parent
SEEDS = {"picture": seeds.pictures, "provenance": seeds.pictures, "zip": seeds.zips, "config": seeds.configs}

_STUCK = 10.0  # seconds of processor time in one run: the child is ended
_STILL = 600.0  # seconds on the clock in one run, on a machine that may be busy: it waits for something
_DEATHS = 20  # after so many findings the rest is no news


def fuzz(name: str, runs: int, *, findings: Path, corpus: Path | None = None, chunk: int = 25_000) -> int:
    """Returns the exit status. `corpus` is kept where it is given, and gone on from."""
    if importlib.util.find_spec("atheris") is None:
        print("The fuzzer is not installed: pip install -r requirements-faults.txt.", file=sys.stderr)
        return 2
    findings.mkdir(parents=True, exist_ok=True)
    started, done, busy, worst, peak = time.monotonic(), 0, 0.0, 0.0, 0
    found: list[str] = []
    before = set(findings.iterdir())
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        kept = corpus or Path(folder, "corpus")
        kept.mkdir(parents=True, exist_ok=True)
        planted = Path(folder, "seeds")
        planted.mkdir()
        for file, data in SEEDS[name]().items():
            (planted / file).write_bytes(data)
        number = 0
        while done < runs and len(set(findings.iterdir()) - before) < 2 * _DEATHS:
            number += 1
            board_file = Path(folder, f"board-{number}")
            board = Board(board_file)
            log = Path(folder, f"log-{number}")
            wish = min(chunk, runs - done)
            options = (f"-runs={wish}", f"-seed={number}", f"-artifact_prefix={folder}/")
            words = (name, board_file, findings, kept, planted, *options)
            end = _watched([sys.executable, "-m", "faults.fuzz_child", *map(str, words)], board, log)
            if end is not None or board.begun != board.ended:
                why = end or "the process ended in the middle of a run"
                told = log.read_text(errors="replace")[-2000:]
                file = findings / f"death-{hashlib.sha1(board.data, usedforsecurity=False).hexdigest()[:12]}"
                file.write_bytes(board.data)
                file.with_suffix(".txt").write_text(f"{why}\n{told}")
                if not board.begun:  # nothing can be fuzzed
                    print(told, file=sys.stderr)
                    return 2
            done, busy = done + board.begun, busy + board.seconds
            worst, peak = max(worst, board.worst), max(peak, board.peak)
            progress(
                f"{name}: {done} of {runs} runs, {time.monotonic() - started:.0f} s, {len(list(kept.iterdir()))} kept"
            )
    for file in sorted(set(findings.glob("*.txt")) - before):
        found.append(f"{file.with_suffix('')}: {file.read_text().splitlines()[0]}")
    return conclude(
        f"fuzz {name}", found, runs=done, seconds=time.monotonic() - started, busy_s=busy,
        worst_ms=1e3 * worst, peak_mb=peak / 1e6,
    )  # fmt: skip


def _watched(words: list[str], board: Board, log: Path) -> str | None:
    """Run a child to its end: None for a good one, else what happened."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))),
                "TMPDIR": str(log.parent),
            },
        )
        process = psutil.Process(child.pid)
        ended, since, cpu = -1, time.monotonic(), 0.0
        try:
            while child.poll() is None:
                time.sleep(0.5)
                try:
                    now = sum(process.cpu_times()[:2])
                except psutil.Error:
                    continue
                if board.ended != ended or board.begun == board.ended:
                    ended, since, cpu = board.ended, time.monotonic(), now
                elif now - cpu > _STUCK or time.monotonic() - since > _STILL:
                    child.kill()
                    child.wait()
                    return f"hang: {now - cpu:.0f} s of work and {time.monotonic() - since:.0f} s on the clock"
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    return None if child.returncode == 0 else f"the process ended with status {child.returncode}"
