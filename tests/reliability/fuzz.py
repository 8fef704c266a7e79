"""Fuzzing that is guided by coverage, with atheris (libFuzzer for Python).

The fuzzer runs in child processes of a bounded number of runs each, on one corpus. A finding is an exception that is
not documented, an input over its budget of time or memory, or what libFuzzer itself reports: the end of the process, a
hang. Pictures that reached new code go through the app's workers afterwards, and what exceeds their limits is a finding
too. The input of each finding is kept, to become a case in test_fuzz.py.
"""

import hashlib
import importlib
import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.reliability.report import conclude, progress
from tests.support import ROOT

# The modules whose coverage guides the fuzzer.
WATCHED = {
    "picture": ("detector.picture", "PIL", "pillow_heif"),
    "provenance": ("detector.provenance", "PIL", "xml", "defusedxml", "json"),
    "zip": ("ui.archive", "ui.uploads", "zipfile"),
    "config": ("detector.model_folder", "detector.verdict", "json", "ui.about"),
}
# Longer inputs from the start: many faults of readers need thousands of parts.
OPTIONS = "-max_len=4194304 -len_control=0 -timeout=60 -report_slow_units=60 -rss_limit_mb=1000 -print_final_stats=1"
SLOW = 2.0  # seconds of processor time for one input of less than a megabyte; for a larger one as much for each
CHUNK = 25_000  # runs of one child


def fuzz(target: str, runs: int, findings: Path, corpus: Path | None = None) -> int:
    """Returns the exit status."""
    if importlib.util.find_spec("atheris") is None:
        print("The fuzzer is not installed: pip install atheris.", file=sys.stderr)
        return 2
    from tests.reliability.seeds import SEEDS

    findings.mkdir(parents=True, exist_ok=True)
    findings = findings.resolve()
    before = set(findings.iterdir())
    started, done, peak, broken = time.monotonic(), 0, 0, []
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        seeds, kept = Path(folder, "seeds"), (corpus or Path(folder, "corpus")).resolve()
        seeds.mkdir()
        kept.mkdir(parents=True, exist_ok=True)
        for name, data in SEEDS[target]().items():
            (seeds / name).write_bytes(data)
        while done < runs:
            known = set(findings.iterdir())
            options = [*OPTIONS.split(), f"-runs={min(CHUNK, runs - done)}", f"-seed={done + 1}"]
            options.append(f"-artifact_prefix={findings}/")
            child = subprocess.run(
                # By way of a shell that forks: else libFuzzer takes the peak memory of this process for its own.
                ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.reliability.fuzz",
                 target, findings, kept, seeds, *options],
                cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "TMPDIR": folder},
            )  # fmt: skip
            said = dict(re.findall(r"stat::(\w+):\s+(\d+)", child.stderr))
            done += int(said.get("number_of_executed_units", 1))
            peak = max(peak, int(said.get("peak_rss_mb", 0)))
            if child.returncode and set(findings.iterdir()) == known:  # what ended it is known, or it cannot start
                broken.append(f"the fuzzer ended with status {child.returncode}: {child.stderr[-2000:]}")
                break
            progress(f"{target}: {done} of {runs} runs, {time.monotonic() - started:.0f} s")
        if target in ("picture", "provenance"):
            judge_in_workers(sorted(kept.iterdir()), findings)
    for file in sorted(set(findings.iterdir()) - before):
        if file.suffix != ".txt":
            why = file.with_suffix(".txt")
            broken.append(f"{file}: {why.read_text() if why.exists() else 'the process ended'}")
    return conclude(f"fuzz {target}", broken, runs=done, seconds=time.monotonic() - started, peak_mb=peak)


def judge_in_workers(files: list[Path], findings: Path) -> None:
    """Keep those of the `files` that take more time or memory than a picture may, or that end their worker."""
    from detector import Detector, ImageError  # the fuzzer's own process imports it with instrumentation

    detector = Detector.load(isolated=True)
    for file, answer in zip(files, detector.detect_many(files), strict=True):
        if isinstance(answer, ImageError) and answer.code in ("resource_limit", "crashed"):
            kept = findings / f"{answer.code}-{file.name[:12]}"
            shutil.copyfile(file, kept)
            kept.with_suffix(".txt").write_text(str(answer))


def child(name: str, findings: str, *options: str) -> None:
    """Run the fuzzer in this process. It ends the process."""
    import atheris

    standard = {root for root in WATCHED[name] if root in sys.stdlib_module_names}
    for module in [module for module in sys.modules if module.partition(".")[0] in standard]:
        del sys.modules[module]  # to be imported again, with instrumentation
    with atheris.instrument_imports(include=list(WATCHED[name])):
        target = importlib.import_module("tests.reliability.targets").TARGETS[name]
        target.run(b"")  # and what it imports late
    seen: set[str] = set()

    def keep(kind: str, data: bytes, why: str) -> None:
        if (kind + why) not in seen:  # once for each cause
            seen.add(kind + why)
            file = Path(findings, f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}")
            file.write_bytes(data)
            file.with_suffix(".txt").write_text(why)

    def run(data: bytes) -> None:
        started = time.process_time()
        try:
            target.run(data)
        except Exception as error:  # any that is not documented
            at = traceback.extract_tb(error.__traceback__)[-1]
            keep(type(error).__name__, data, f"{error!r:.300} at {Path(at.filename).name}:{at.lineno}")
        if time.process_time() - started > (budget := SLOW * max(1.0, len(data) / 1e6)):
            keep("slow", data, f"over {budget:.1f} s")

    def mutate(data: bytes, limit: int, seed: int) -> bytes:
        return target.mutate(data, limit, random.Random(seed), atheris.Mutate)

    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    child(*sys.argv[1:])
