"""python -m benchmarks.scale: what bulk judging on Ray costs beside the plain command line, and what it would cost.

Prints photographs per second and core-seconds per photograph of both over the same folder, taken in turns, with one and
with more workers; the memory of each kind of process over a small and a large folder; the size of the output; and from
these the machines and the price for a million and a billion photographs. Machines are noisy: read the ratios.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from benchmarks.speed import jpeg, photograph
from detector import options

DISTINCT = 60
# A run that tells when each unit was done.
RUN = """
import sys, time
from scale.run import Options, judge
for at in judge(Options(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))):
    print(time.time(), at.done, at.failed, flush=True)
"""
KINDS = {"detector.worker": "the process that holds the Detector", "ray::": "worker, which Ray runs", RUN: "driver"}


@dataclass
class Seen:
    """What was seen of a process and all that it started: its output, wall and core seconds, megabytes by kind."""

    wall: float = 0.0
    cores: float = 0.0
    lines: list[str] = field(default_factory=list)
    megabytes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    together: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=600, help="photographs of 0.3 megapixels in the folder")
    parser.add_argument("--rounds", type=int, default=3, help="times that both go over the folder, in turns")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[1000, 50_000], help="small pictures in the folders for the memory"
    )
    parser.add_argument("--price", type=float, default=0.04, help="of a core for an hour")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; medians")
    with tempfile.TemporaryDirectory() as work:
        if arguments.rounds:
            photos = fill(Path(work, "photos"), arguments.photos, large=True)
            core_seconds, row = against(photos, arguments.rounds, arguments.workers)
            estimate(core_seconds, row, arguments.price, statistics.mean(p.stat().st_size for p in photos.iterdir()))
        for count in arguments.memory:
            memory(fill(Path(work, f"small-{count}"), count, large=False), max(arguments.workers))


def fill(folder: Path, count: int, *, large: bool) -> Path:
    """A folder of pictures: photographs of one face, or small ones that show nobody. No two have the same bytes."""
    folder.mkdir()
    if large:
        made = [jpeg(photograph((640, 480), turn=turn)) for turn in range(min(count, DISTINCT))]
    else:
        made = [jpeg(Image.effect_noise((64, 64), 20 + turn).convert("RGB")) for turn in range(DISTINCT)]
    for number in range(count):
        # What follows the end of a JPEG is no part of the picture.
        (folder / f"{number:06d}.jpg").write_bytes(made[number % len(made)] + b"%d" % number)
    return folder


def against(photos: Path, rounds: int, workers: list[int]) -> tuple[float, float]:
    """Both over the same folder. Core-seconds a photograph of Ray with most workers, and bytes of output a row."""
    count = sum(1 for _ in photos.iterdir())
    print(f"\n{count} photographs of 0.3 megapixels, {rounds} rounds      photographs/s   core-seconds/photograph")
    for number in workers:
        plain, whole, judging, plain_cores, ray_cores = [], [], [], [], []
        for _ in range(rounds):
            seen = watch([sys.executable, "-m", "detector", str(photos), "--jsonl", "--workers", str(number)])
            assert len(seen.lines) == count
            plain.append(count / seen.wall)
            plain_cores.append(seen.cores / count)
            with tempfile.TemporaryDirectory() as output:
                seen = scale(photos, Path(output), number)
                row = sum(path.stat().st_size for path in Path(output).glob("*.parquet")) / count
            whole.append(count / seen.wall)
            ray_cores.append(seen.cores / count)
            judging.append(rate(seen, number))
        lines = {
            f"python -m detector --workers {number}": (plain, plain_cores),
            f"python -m scale --workers {number}, judging": (judging, ray_cores),
            "    with the start of Ray": (whole, ray_cores),
        }
        for name, (rates, cores) in lines.items():
            spread = f"{min(rates):.1f}-{max(rates):.1f}"
            print(f"  {name:<42s} {statistics.median(rates):6.1f} ({spread:>11})  {statistics.median(cores):12.4f}")
        pairs = zip(judging, plain, strict=True)
        print(f"    overhead while judging, by round      {', '.join(f'{100 * (b / a - 1):+.1f}%' for a, b in pairs)}")
    return statistics.median(ray_cores), row


def scale(source: Path, output: Path, workers: int) -> Seen:
    """A run on this machine; everything is judged."""
    seen = watch([sys.executable, "-c", RUN, str(source), str(output), str(workers)])
    done, failed = seen.lines[-1].split()[1:]
    assert (int(done), int(failed)) == (sum(1 for _ in source.iterdir()), 0), seen.lines
    return seen


def rate(seen: Seen, workers: int) -> float:
    """Photographs per second from when every worker has done its first unit."""
    steps = [(float(at), int(done)) for at, done, _ in (line.split() for line in seen.lines) if int(done)]
    (began, before), (ended, after) = steps[workers - 1], steps[-1]
    return (after - before) / (ended - began)


def memory(source: Path, workers: int) -> None:
    """The most that each kind of process took over a folder."""
    with tempfile.TemporaryDirectory() as output:
        seen = scale(source, Path(output), workers)
    count = sum(1 for _ in source.iterdir())
    print(f"\n{count} small pictures, {workers} workers, {count / seen.wall:.1f} a second with the start of Ray")
    for kind, most in seen.megabytes.items():
        print(f"  {kind:<40s} {most:6.0f} MB at most")
    print(f"  {'all together, Ray included':<40s} {seen.together:6.0f} MB at most")


def watch(command: list[str]) -> Seen:
    """Run a command, and look at it and all that it started twice a second."""
    seen = Seen()
    cores: dict[int, float] = {}
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as told:
        # Ray would let its workers step back behind all others, and a busy machine would then be measured.
        even = {**os.environ, "RAY_worker_niceness": "0"}
        process = psutil.Popen(command, stdout=told, stderr=subprocess.DEVNULL, env=even)
        while process.poll() is None:
            look(process, seen, cores)
            time.sleep(0.5)
        seen.wall = time.perf_counter() - began
        assert process.returncode == 0, f"{command} ended with {process.returncode}"
        told.seek(0)
        seen.lines = told.read().splitlines()
    seen.cores = sum(cores.values())
    return seen


def look(process: psutil.Process, seen: Seen, cores: dict[int, float]) -> None:
    together = 0.0
    try:
        everyone = [process, *process.children(recursive=True)]
    except psutil.Error:
        return
    for one in everyone:
        try:
            times, taken = one.cpu_times(), one.memory_full_info()
            words = " ".join(one.cmdline())
        except psutil.Error:  # it has just ended
            continue
        cores[one.pid] = times.user + times.system
        together += taken.pss / 1e6
        for word, kind in KINDS.items():
            if word in words:
                seen.megabytes[kind] = max(seen.megabytes[kind], taken.pss / 1e6)
                break
    seen.together = max(seen.together, together)


def estimate(core_seconds: float, row: float, price: float, size: float) -> None:
    """What a million and a billion of such photographs take."""
    print(
        f"\na photograph: {core_seconds:.4f} core-seconds, {size / 1e3:.0f} kB in, {row:.0f} bytes out; "
        f"a core-hour: {price}"
    )
    for count in (10**6, 10**9):
        hours = count * core_seconds / 3600
        machines = hours / 32 / 24
        print(
            f"  {count:13,d}: {hours:10,.0f} core-hours, or {hours * price:10,.0f} in money; "
            f"{machines:7.1f} machines of 32 cores for a day; "
            f"reads {count * size / 1e12:.2f} TB, writes {count * row / 1e9:.1f} GB"
        )


if __name__ == "__main__":
    options.told(main)
