"""One process against several that share each batch: the same loss, step by step, and how fast.

    python -m benchmarks.workers DATA --processes 1 2 4

Trains a small network with each number of processes, all on this machine, one after the other. Needs
the extra `jax`.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboardX.proto import event_pb2

from detector import options

FIT = (
    "--strategy data-parallel --architecture sequential-baseline --weights none --input-size 64 --learning-rate 0.01 "
    "--corruptions blur noise --patience 1000 --threads 2"
).split()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers")
    parser.add_argument("data", help="a folder or a Hub id")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--batch-size", type=int, default=8, help="of all together (default: %(default)s)")
    parser.add_argument("--epochs", type=float, default=4.0, help="(default: %(default)s)")
    arguments = parser.parse_args(argv)
    curves, rates = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.processes:
            run = Path(folder, str(count))
            words = ["--data", arguments.data, "--batch-size", str(arguments.batch_size), "--epochs",
                     str(arguments.epochs), *FIT, "--out", str(run)]  # fmt: skip
            train(words, count)
            curves[count] = losses(run)
            rates[count] = arguments.batch_size * rate(run)
    print("  step" + "".join(f"{f'{count} processes':>14}" for count in curves))
    for step in curves[arguments.processes[0]]:
        print(f"{step:6d}" + "".join(f"{curve[step]:14.6f}" for curve in curves.values()))
    print("images/s" + "".join(f"{each:{12 if not number else 14}.1f}" for number, each in enumerate(rates.values())))
    return 0


def train(words: list[str], count: int) -> None:
    """Run `fit` as `count` processes that meet on the loopback. Raises SystemExit where one fails."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    workers = []
    for index in range(count):
        place = ["--coordinator", f"127.0.0.1:{port}", "--processes", str(count), "--process", str(index)]
        command = [sys.executable, "-m", "training", "fit", *words, *place]
        workers.append(subprocess.Popen(command, env={**os.environ, "KERAS_BACKEND": "jax"}))
    if any(status != 0 for status in [worker.wait() for worker in workers]):
        raise SystemExit("A worker failed.")


def _events(run: Path) -> list[event_pb2.Event]:
    found = []
    for file in sorted((run / "tensorboard").iterdir()):
        rest = file.read_bytes()
        while rest:  # TFRecord: length, its checksum, the event, its checksum
            length = int.from_bytes(rest[:8], "little")
            found.append(event_pb2.Event.FromString(rest[12 : 12 + length]))
            rest = rest[16 + length :]
    return found


def losses(run: Path) -> dict[int, float]:
    """The loss of each step of a run, from what TensorBoard reads; of a step taken again, the later one."""
    return {
        event.step: value.simple_value
        for event in _events(run)
        for value in event.summary.value
        if value.tag == "train/loss"
    }


def rate(run: Path) -> float:
    """Steps a second, without the first, which compiles."""
    times = sorted(event.wall_time for event in _events(run) if any(v.tag == "train/loss" for v in event.summary.value))
    return (len(times) - 1) / max(times[-1] - times[0], 1e-9)


if __name__ == "__main__":
    options.told(main)
