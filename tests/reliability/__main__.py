"""python -m tests.reliability fuzz | kill | disk | soak | deletion | attack; options under --help."""

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 nothing was found, 1 something was, 2 usage, or the trial cannot run here."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability",
        description="Trials under faults; docs/reliability.md has the results.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    commands = parser.add_subparsers(dest="trial", required=True)

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, formatter_class=parser.formatter_class)

    fuzz = add("fuzz", "hostile files, guided by coverage")
    fuzz.add_argument("target", choices=("picture", "provenance", "zip", "config"))
    fuzz.add_argument("--runs", type=int, default=250_000, help="inputs to try")
    fuzz.add_argument("--findings", type=Path, default=Path("findings"), help="folder for inputs that broke something")
    fuzz.add_argument("--corpus", type=Path, help="folder to keep inputs in that reached new code, and to start from")

    kill = add("kill", "kill -9 at random moments, and run again")
    kill.add_argument("command", choices=("fit", "export", "publish", "batch", "judge"))
    kill.add_argument("--times", type=int, default=50, help="number of kills")
    kill.add_argument("--seed", type=int, default=1, help="of the random moments")

    disk = add("disk", "full and read-only disks, damaged model folders")
    disk.add_argument("only", nargs="*", help="trials to run instead of all")

    soak = add("soak", "the running app under good and bad calls")
    soak.add_argument("--minutes", type=float, default=60, help="how long")
    soak.add_argument("--rate", type=float, default=2, help="calls a second")

    deletion = add("deletion", "pictures older than promised, under faults")
    deletion.add_argument("--minutes", type=float, default=10, help="how long")
    deletion.add_argument("--kept", type=float, default=60, help="seconds that pictures are kept, instead of an hour")
    deletion.add_argument("--every", type=float, default=60, help="seconds between two faults")
    attack = add("attack", "files that exhaust whoever reads them, against the running app")
    attack.add_argument("--attackers", type=int, default=2, help="who send each file at once")
    attack.add_argument("--rounds", type=int, default=2, help="times that each of them sends it")

    arguments = vars(parser.parse_args(argv))
    match arguments.pop("trial"):
        case "fuzz":
            from tests.reliability.fuzz import fuzz as run
        case "kill":
            from tests.reliability.kill import kill as run
        case "disk":
            from tests.reliability.disk import disk as run
        case "attack":
            from tests.reliability.attack import attack as run
        case "soak":
            from tests.reliability.soak import soak as run
        case "deletion":
            from tests.reliability.deletion import deletion as run
    return run(**arguments)


if __name__ == "__main__":
    sys.exit(main())
