"""`python -m faults kill fit|export|publish|batch|judge --times 50`: kill -9 at random moments, then run again.

Half of the kills come at any moment between the first file that a run writes and its end, the other half within
milliseconds of a change in its folder, where a file could be half written. After each, every file under its final name
must be whole; after the second run, the result must be that of a run that nobody disturbed.

Two thirds of a short `fit` or `export` are imports. With `--forked` these are made once, and each run is a fork of the
process that has made them: the same code, killed the same way, in a third of the time.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from faults.figures import conclude, progress

ROOT = Path(__file__).parent.parent

_GLANCE = 0.002  # seconds between two looks at a folder
_AFTER = 0.03  # seconds after a change in which an aimed kill comes
_PATIENCE = 900.0  # seconds until a run is said to hang


class Trial(ABC):
    """One command that is killed. `inputs` is made once, `work` anew for each kill."""

    name: str
    status = 0  # that a run ends with which nobody disturbs
    main: Callable[[list[str]], int] | None = None  # to be forked, where that was asked for

    @contextmanager
    def prepared(self, inputs: Path) -> Iterator[None]:
        """Make what the command reads, and start what it talks to."""
        yield

    @abstractmethod
    def command(self, inputs: Path, work: Path) -> list[object]:
        """The words after `python`."""

    def preload(self, inputs: Path) -> Callable[[list[str]], int]:
        """Import what the command imports, and return its main function: for --forked."""
        raise NotImplementedError(f"{self.name} cannot be forked")

    def again(self, inputs: Path, work: Path) -> list[object]:
        """The words to run it again after a kill."""
        return self.command(inputs, work)

    def environment(self, inputs: Path, work: Path) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def changes(self, work: Path) -> object:
        """What is different when something has been written."""
        return sorted((str(file), file.stat().st_size) for file in files_of(work))

    @abstractmethod
    def halves(self, inputs: Path, work: Path) -> list[str]:
        """What is wrong with what lies there after a kill: files under their final names that are not whole."""

    @abstractmethod
    def result(self, inputs: Path, work: Path) -> Any:
        """What the command has made, to be compared by `same`."""

    def same(self, result: Any, expected: Any) -> bool:
        return result == expected


def files_of(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if file.exists():  # it may be renamed meanwhile
                yield file


@dataclass
class _Run:
    """How a run went that was watched: seconds to its first change and to its end, and how many changes there were."""

    first: float = 0.0
    seconds: float = 0.0
    changes: int = 0
    status: int | None = None
    said: str = ""


@dataclass
class _Plan:
    """When to kill: `after` seconds from the first change on, or so many seconds after change number `change`."""

    change: int
    after: float


@dataclass
class Tally:
    kills: int = 0
    aimed: int = 0
    ended_first: int = 0
    halves: int = 0
    findings: list[str] = field(default_factory=list)


def kill(
    trial: Trial, times: int, *, seed: int = 1, forked: bool = False, report: Callable[[str], None] = progress
) -> int:
    """Returns the exit status. A run that has ended before its kill came is not counted, and another one is made."""
    started = time.monotonic()
    draw = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        inputs = Path(folder, "inputs")
        inputs.mkdir()
        with trial.prepared(inputs):
            if forked:
                trial.main = trial.preload(inputs)
            calm = Path(folder, "calm")
            calm.mkdir()
            whole = _run(trial, inputs, calm, None)
            if not _good(trial, whole) or not whole.changes:
                print(f"The command fails without any kill:\n{whole.said}", file=sys.stderr)
                return 2
            expected = trial.result(inputs, calm)
            report(f"{trial.name}: undisturbed {whole.seconds:.1f} s, first file at {whole.first:.1f} s, "
                   f"{whole.changes} changes seen")  # fmt: skip
            for number in range(4 * times):
                if tally.kills == times:
                    break
                work = Path(folder, f"work-{number}")
                work.mkdir()
                aimed = number % 2 == 1
                after = draw.uniform(0, _AFTER) if aimed else draw.uniform(0, whole.seconds - whole.first)
                plan = _Plan(draw.randint(1, max(1, whole.changes)) if aimed else 1, after)
                ended = _once(trial, inputs, work, plan, expected, tally)
                tally.aimed += aimed and not ended
                shutil.rmtree(work)
                report(f"{trial.name}: {tally.kills} of {times} kills, {len(tally.findings)} findings, "
                       f"{time.monotonic() - started:.0f} s")  # fmt: skip
            else:
                tally.findings.append(f"only {tally.kills} of {times} kills came before the end of a run")
    return conclude(
        f"kill {trial.name}", tally.findings, kills=tally.kills, aimed=tally.aimed, ended_first=tally.ended_first,
        seconds=time.monotonic() - started, undisturbed_s=whole.seconds, half_files=tally.halves,
    )  # fmt: skip


def _once(trial: Trial, inputs: Path, work: Path, plan: _Plan, expected: Any, tally: Tally) -> bool:
    """One kill and what follows; whether the run had ended before it."""
    run = _run(trial, inputs, work, plan)
    if _good(trial, run):
        tally.ended_first += 1
        return True
    if run.status != -signal.SIGKILL:
        tally.findings.append(f"ended with status {run.status} before the kill: {run.said[-500:]}")
        return True
    tally.kills += 1
    halves = trial.halves(inputs, work)
    tally.halves += len(halves)
    tally.findings += halves
    second = _run(trial, inputs, work, None, words=trial.again(inputs, work))
    if not _good(trial, second):
        tally.findings.append(f"the second run ended with status {second.status}: {second.said[-500:]}")
    elif not trial.same(trial.result(inputs, work), expected):
        tally.findings.append(
            f"the second run has another result (killed {plan.after:.3f} s after change {plan.change})"
        )
    return False


def _good(trial: Trial, run: _Run) -> bool:
    """Whether it ended as it should: Python's status of a traceback is one that a command may end with too."""
    return run.status == trial.status and "Traceback (most recent call last)" not in run.said


def _run(trial: Trial, inputs: Path, work: Path, plan: _Plan | None, words: list[object] | None = None) -> _Run:
    """Run the command, watching its folder, to its end or to the kill that is planned."""
    run = _Run()
    log = work.with_suffix(".log")
    words = words or trial.command(inputs, work)
    seen = trial.changes(work)
    started = time.monotonic()
    due: float | None = None
    with log.open("wb") as output:
        process = (_spawned if trial.main is None else _forked)(trial, inputs, work, list(map(str, words)), output)
        try:
            while process.poll() is None:
                now = time.monotonic()
                try:
                    current = trial.changes(work)
                except OSError:  # renamed between two looks
                    current = None
                if current != seen:
                    seen = current
                    run.changes += 1
                    run.first = run.first or now - started
                    if plan and due is None and run.changes >= plan.change:
                        due = now + plan.after
                if due is not None and now >= due:
                    break
                if now - started > _PATIENCE:
                    run.said = "it hangs"
                    break
                time.sleep(_GLANCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            run.status = process.wait()
    run.seconds = time.monotonic() - started
    run.said = run.said or log.read_text(errors="replace")
    return run


def _spawned(trial: Trial, inputs: Path, work: Path, words: list[str], output: IO[bytes]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=work, env=trial.environment(inputs, work), stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip


class _Fork:
    """A forked child, with what is used here of a Popen."""

    def __init__(self, pid: int) -> None:
        self.pid, self._status = pid, None

    def poll(self) -> int | None:
        return self._look(os.WNOHANG)

    def wait(self) -> int:
        return self._look(0)

    def _look(self, options: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, options)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _forked(trial: Trial, inputs: Path, work: Path, words: list[str], output: IO[bytes]) -> _Fork:
    """`words` are -m, a package, and the arguments of its main function."""
    if pid := os.fork():
        return _Fork(pid)
    status = 70
    try:
        os.setsid()
        os.chdir(work)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        os.environ.update(trial.environment(inputs, work))
        status = trial.main(words[2:])
    except BaseException:  # told, whatever it is: nothing of the parent may run on here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
