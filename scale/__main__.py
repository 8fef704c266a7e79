"""python -m scale judge INPUT OUTPUT: judge pictures in bulk, on this machine or on a Ray cluster."""

import argparse
import importlib.util
import io
import os
import sys

from detector import ModelError, options
from detector.errors import SettingError
from detector.provenance import from_environment
from scale.errors import ScaleError


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 success, 1 some pictures failed, 2 usage error, no model, or the run was stopped."""
    arguments = _parser().parse_args(argv)
    if not all(importlib.util.find_spec(name) for name in ("ray", "pyarrow")):
        print("Bulk judging needs Ray: run pip install '.[scale]' in the project's folder", file=sys.stderr)
        return 2
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # the sentences below say what its warnings would
    try:
        from_environment()  # a wrong setting is told here, and not by every worker
        return _judge(arguments)
    except (ScaleError, ModelError, SettingError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on where it was.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = options.Parser(prog="python -m scale", description="Judge pictures in bulk.")
    commands = parser.add_subparsers(dest="command", required=True)
    judge = commands.add_parser(
        "judge",
        help="many pictures in, parquet out",
        description="One row a picture, in parquet files. The same command again goes on where it was stopped.",
    )
    judge.add_argument(
        "source",
        metavar="INPUT",
        help="a folder of pictures or parquet files, a file, an address (s3://…, hf://datasets/…), or "
        "owner/name[@revision] of a data set on the Hub",
    )
    judge.add_argument("output", metavar="OUTPUT", help="a folder or address for the parquet files")
    options.add_model(judge)
    judge.add_argument("--column", help="that of the pictures in parquet files (default: the only one, or image)")
    judge.add_argument("--workers", type=options.positive, metavar="N", help="one core each (default: one a core)")
    judge.add_argument(
        "--address", help="of a Ray cluster: ray://HOST:10001, HOST:6379 or auto (default: this machine alone)"
    )
    return parser


def _judge(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from scale.run import Options, judge

    asked = Options(
        arguments.source,
        arguments.output,
        *options.model_of(arguments.model),
        arguments.refresh,
        arguments.column,
        arguments.workers,
        arguments.address,
    )
    console = Console(stderr=True)
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=None)
        for at in judge(asked):  # at least once
            bar.update(task, total=at.pictures, completed=at.done)
    for told in filter(None, (at.note, at.passed)):
        print(told, file=sys.stderr)
    if not at.pictures:
        print("No pictures found.", file=sys.stderr)
        return 2
    print(
        f"{at.judged:,} judged, {at.failed:,} could not be, {at.known:,} were in {arguments.output} before; "
        f"model revision {at.model}",
        file=sys.stderr,
    )
    return 1 if at.failed or at.failed_before else 0


if __name__ == "__main__":
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    sys.exit(main())
