"""kill -9 at random moments, then run again: `python -m tests.reliability kill fit --times 50`.

Half of the kills come at any moment between a run's first file and its end, the other half within milliseconds of a
change in its folder, where a file could be half written. After each kill, every file under its final name must be
whole; after the second run, the result must be that of an undisturbed run.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.report import conclude, progress
from tests.support.environment import offline

_LOOK = 0.002  # seconds between two looks at a folder
_AIM = 0.03  # seconds after a change in which an aimed kill comes
_PATIENCE = 900.0  # seconds until a run counts as hanging


class Trial(ABC):
    """A command that is killed. `inputs` is made once; `work` is a new folder for each kill."""

    name: str
    status = 0  # the exit status of an undisturbed run

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        """Make what the command reads, and start what it talks to."""
        yield

    @abstractmethod
    def command(self, inputs: Path, work: Path, again: bool = False) -> list[object]:
        """The words after `python`; `again` for the run after a kill."""

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return offline(inputs / "home")

    def state(self, work: Path) -> object:
        """Something that differs once the command has written."""
        return sorted((str(file), file.stat().st_size) for file in files_of(work))

    @abstractmethod
    def broken(self, work: Path) -> list[str]:
        """What is wrong with the files under their final names after a kill."""

    @abstractmethod
    def result(self, work: Path) -> Any:
        """What the command has made, to be compared by `same`."""

    def same(self, result: Any, expected: Any) -> bool:
        return result == expected


def files_of(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            if (file := Path(place, name)).exists():  # it may have been renamed
                yield file


@dataclass
class _Run:
    """How a run went: seconds until its first change and its end, the changes seen, and what it printed."""

    first: float = 0.0
    seconds: float = 0.0
    changes: int = 0
    status: int = 0
    said: str = ""

    def good(self, trial: Trial) -> bool:
        """A traceback is never good, even where its status is that of the command."""
        return self.status == trial.status and "Traceback (most recent call last)" not in self.said


def kill(command: str | Trial, times: int, seed: int = 1) -> int:
    """Returns the exit status. A run that ends before its kill does not count, and another one is made."""
    from tests.reliability.trials import TRIALS

    trial = TRIALS[command]() if isinstance(command, str) else command
    started, draw, kills, aimed_kills, findings = time.monotonic(), random.Random(seed), 0, 0, []
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        inputs, calm = Path(folder, "inputs"), Path(folder, "calm")
        inputs.mkdir()
        calm.mkdir()
        with trial.prepared(inputs):
            whole = _run(trial, inputs, calm)
            if not whole.good(trial) or not whole.changes:
                print(f"The command fails without any kill:\n{whole.said}", file=sys.stderr)
                return 2
            expected = trial.result(calm)
            for number in range(4 * times):
                if kills == times:
                    break
                work = Path(folder, f"work-{number}")
                work.mkdir()
                aimed = number % 2 == 1
                change = draw.randint(1, whole.changes) if aimed else 1
                after = draw.uniform(0, _AIM if aimed else whole.seconds - whole.first)
                run = _run(trial, inputs, work, kill_at=(change, after))
                if run.status == -signal.SIGKILL:
                    kills, aimed_kills = kills + 1, aimed_kills + aimed
                    findings += trial.broken(work)
                    again = _run(trial, inputs, work, again=True)
                    if not again.good(trial):
                        findings.append(f"the second run ended with status {again.status}: {again.said[-500:]}")
                    elif not trial.same(trial.result(work), expected):
                        findings.append(f"another result after a kill {after:.3f} s after change {change}")
                elif not run.good(trial):
                    findings.append(f"ended with status {run.status} before the kill: {run.said[-500:]}")
                shutil.rmtree(work)
                progress(f"{trial.name}: {kills} of {times} kills, {len(findings)} findings")
    if kills < times:
        findings.append(f"only {kills} of {times} kills came before the end of a run")
    return conclude(
        f"kill {trial.name}", findings, kills=kills, aimed=aimed_kills, seconds=time.monotonic() - started,
        undisturbed_s=whole.seconds,
    )  # fmt: skip


def _run(
    trial: Trial, inputs: Path, work: Path, *, kill_at: tuple[int, float] | None = None, again: bool = False
) -> _Run:
    """Run the command to its end, or kill it so many seconds after change number so-and-so in its folder."""
    run, log, seen, due = _Run(), work.with_suffix(".log"), trial.state(work), float("inf")
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *map(str, trial.command(inputs, work, again))],
            cwd=work, env=trial.environment(inputs, work), stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            while process.poll() is None and (now := time.monotonic()) < min(due, started + _PATIENCE):
                try:
                    state = trial.state(work)
                except OSError:  # a file was renamed during the look
                    state = None
                if state != seen:
                    seen, run.first, run.changes = state, run.first or now - started, run.changes + 1
                    if kill_at and run.changes == kill_at[0]:
                        due = now + kill_at[1]
                time.sleep(_LOOK)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            run.status = process.wait()
    run.seconds = time.monotonic() - started
    run.said = log.read_text(errors="replace")
    if due == float("inf") and run.seconds > _PATIENCE:
        run.status, run.said = 124, "it hangs"
    return run
