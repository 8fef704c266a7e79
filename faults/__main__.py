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
    kill.set_defaults(run=_kill)

    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


def _fuzz(arguments: argparse.Namespace) -> int:
    from faults.fuzz import fuzz

    return fuzz(arguments.target, arguments.runs, findings=arguments.findings, corpus=arguments.corpus)


def _kill(arguments: argparse.Namespace) -> int:
    from faults.kill import kill
    from faults.trials import TRIALS

    return kill(TRIALS[arguments.trial](), arguments.times, seed=arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
