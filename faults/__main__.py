"""python -m faults fuzz | kill | disk | cache | soak; options under --help."""

import argparse
import sys
from pathlib import Path

KEPT = Path("faults-found")


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 nothing was lost, 1 something was found, 2 usage, or the trial cannot run here."""
    parser = argparse.ArgumentParser(
        prog="python -m faults", description="Trials under faults; see docs/reliability.md."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    fuzz = commands.add_parser("fuzz", help="hostile files, led by coverage")
    fuzz.add_argument("target", choices=("picture", "provenance", "zip", "config"))
    fuzz.add_argument("--runs", type=int, default=250_000, help="(default: %(default)s)")
    fuzz.add_argument(
        "--findings", type=Path, default=KEPT, help="folder for inputs that broke something (default: %(default)s)"
    )
    fuzz.add_argument(
        "--corpus", type=Path, help="folder to keep inputs in that reached something new, and to go on from"
    )
    fuzz.set_defaults(run=_fuzz)

    kill = commands.add_parser("kill", help="kill -9 at random moments, and run again")
    kill.add_argument("trial", choices=("fit", "export", "publish", "batch", "judge"))
    kill.add_argument("--times", type=int, default=50, help="(default: %(default)s)")
    kill.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    kill.add_argument("--forked", action="store_true", help="fit and export: fork what has imported already")
    kill.set_defaults(run=_kill)

    soak = commands.add_parser("soak", help="the running app under good and bad calls")
    soak.add_argument("--minutes", type=float, default=60, help="(default: %(default)s)")
    soak.add_argument("--rate", type=float, default=2, help="calls a second (default: %(default)s)")
    soak.set_defaults(run=_soak)

    disk = commands.add_parser("disk", help="full and read-only disks, model folders that are not what they say")
    disk.add_argument(
        "only", nargs="*", help="model_folders, rows, heatmaps, fit_and_export, hub_cache, app: these alone"
    )
    disk.set_defaults(run=_disk)

    cache = commands.add_parser("cache", help="ten threads and ten processes on one cache")
    cache.set_defaults(run=_cache)

    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _fuzz(arguments: argparse.Namespace) -> int:
    from faults.fuzz import fuzz

    return fuzz(arguments.target, arguments.runs, findings=arguments.findings, corpus=arguments.corpus)


def _kill(arguments: argparse.Namespace) -> int:
    from faults.kill import kill
    from faults.trials import TRIALS

    return kill(TRIALS[arguments.trial](), arguments.times, seed=arguments.seed, forked=arguments.forked)


def _soak(arguments: argparse.Namespace) -> int:
    from faults.soak import soak

    return soak(arguments.minutes, arguments.rate)


def _disk(arguments: argparse.Namespace) -> int:
    from faults.disk import disk

    return disk(arguments.only)


def _cache(arguments: argparse.Namespace) -> int:
    from faults.cache import cache

    return cache()


if __name__ == "__main__":
    sys.exit(main())
