"""python -m detector PHOTO|FOLDER …, or deepfake-detector PHOTO|FOLDER …: judge pictures from the command line."""

import argparse
import glob
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from detector import (
    Detector,
    ImageError,
    ModelError,
    Result,
    Verdict,
    __version__,
    messages,
    options,
    picture,
    walk,
)
from detector.errors import SettingError
from detector.files import atomic_path, write_error_hint
from detector.heatmap import overlay
from detector.provenance import OriginKind
from detector.rows import csv_cells, csv_writer, json_line, row_of
from detector.text import start_log, visible

_COLOURS = {
    Verdict.LIKELY_FAKE: "red",
    Verdict.LEANS_FAKE: "bright_red",
    Verdict.UNCERTAIN: "yellow",
    Verdict.NO_SIGNS: "cyan",
    Verdict.NO_FACE: "dim",
}

Answer = Result | ImageError
Answers = Iterable[tuple[Path, Answer]]


def main(argv: list[str] | None = None, prog: str = "python -m detector") -> int:
    """Exit status: 0 success, 1 some pictures failed, 2 usage error or no model."""
    arguments = _parser(prog).parse_args(argv)
    start_log(logging.ERROR, logging.BASIC_FORMAT)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # the sentences below say what its warnings would
    passed = walk.PassedOver()
    files = list(_walk(arguments.pictures, passed))
    if told := str(passed):
        print(told, file=sys.stderr)
    if not files:
        print("No pictures found.", file=sys.stderr)
        return 2
    try:
        detector = _load(arguments, alone=len(files) == 1)
        if detector.model.info.note:
            print(detector.model.info.note, file=sys.stderr)
        if arguments.heatmaps:
            arguments.heatmaps.mkdir(parents=True, exist_ok=True)
    except (ModelError, SettingError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError:
        print("The folder for heat maps could not be made: check its name and rights.", file=sys.stderr)
        return 2
    return _show(arguments, detector, files)


def _load(arguments: argparse.Namespace, *, alone: bool) -> Detector:
    model, revision = options.model_of(arguments.model)
    return Detector.load(
        model,
        revision=revision,
        refresh=arguments.refresh,
        # Pictures run side by side, one core each: faster over a folder than one picture on all cores.
        threads=None if alone else 1,
        isolated=arguments.isolated,
        workers=arguments.workers or (1 if alone else None),
    )


def _show(arguments: argparse.Namespace, detector: Detector, files: list[Path]) -> int:
    """Judge the files and print what is said of them. Returns the exit status."""
    answers: Iterable[tuple[Path, Answer]] = zip(
        files, detector.detect_many(files, max_pixels=arguments.max_pixels, workers=arguments.workers), strict=True
    )
    if arguments.heatmaps:
        answers = _with_heatmaps(answers, arguments.heatmaps)
    try:
        failed = arguments.show(answers, len(files))
    except BrokenPipeError:  # the reader, `head` say, has enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except ModelError as error:  # of a network that loads and then says nothing usable
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # of the rows, a heat map or where they go
        if (sentence := write_error_hint(error)) is None:
            raise
        print(sentence, file=sys.stderr)
        _drop_output()
        return 2
    return 1 if failed else 0


def _drop_output() -> None:
    """What is still to be printed has nowhere to go, and Python would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = options.Parser(prog=prog, description="Was a face in these pictures forged? Folders are walked.")
    parser.add_argument("pictures", nargs="+", metavar="PHOTO|FOLDER", help="* and ? are expanded, ** through folders")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options.add_model(parser)
    parser.set_defaults(show=_print_table)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--jsonl",
        dest="show",
        action="store_const",
        const=_print_jsonl,
        help="one JSON object per picture, printed as each is done",
    )
    form.add_argument("--csv", dest="show", action="store_const", const=_print_csv, help="one row per picture")
    parser.add_argument("--heatmaps", type=Path, metavar="DIR", help="write a heat map of every face there")
    parser.add_argument("--workers", type=options.positive, metavar="N", help="threads (default: one a core)")
    parser.add_argument(
        "--max-pixels",
        type=options.positive,
        default=picture.MAX_PIXELS,
        metavar="N",
        help="larger pictures are read at a reduced size or refused; more take more memory (default: %(default)s)",
    )
    parser.add_argument(
        "--isolated",
        action="store_true",
        help="read and judge in processes with limits of memory and time: for strangers' files",
    )
    return parser


def _walk(named: Iterable[str], passed: walk.PassedOver) -> Iterator[Path]:
    """Files that were named, whatever they are, and of folders the pictures; each once."""
    seen = set()
    for path in (path for name in named for path in _matching(name)):
        for file in walk.pictures(path, passed) if os.path.isdir(path) else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def _matching(name: str) -> list[Path]:
    """What a name stands for: itself, or as a pattern what it matches, where the shell has not done that."""
    found = [] if os.path.lexists(name) or not glob.has_magic(name) else sorted(glob.glob(name, recursive=True))
    return [Path(match) for match in found or [name]]


def _print_jsonl(answers: Answers, _total: int) -> int:
    failed = 0
    for file, answer in answers:
        failed += isinstance(answer, ImageError)
        print(json_line(row_of(str(file), answer), sys.stdout.encoding or "utf-8"), flush=True)
    return failed


def _print_csv(answers: Answers, _total: int) -> int:
    writer = csv_writer(sys.stdout)
    failed = 0
    for file, answer in answers:
        failed += isinstance(answer, ImageError)
        writer.writerow(csv_cells(row_of(str(file), answer)))
        sys.stdout.flush()
    return failed


def _print_table(answers: Answers, total: int) -> int:
    from rich.console import Console  # only people need it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("picture", "verdict", "score", "% of real", "faces", "notes"):
        table.add_column(
            title, overflow="fold", justify="left" if title in ("picture", "verdict", "notes") else "right"
        )
    failed, last, cleared = 0, None, False
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=total)
        for file, answer in answers:
            progress.advance(task)
            if isinstance(answer, ImageError):
                failed += 1
                table.add_row(
                    Text(visible(str(file))), Text("not judged", style="magenta"), "", "", "", Text(str(answer))
                )
                continue
            notes = [finding.summary for finding in answer.provenance] + [warning.text for warning in answer.warnings]
            score = "" if answer.score is None or answer.undecidable else f"{answer.score:.2f}"
            last, cleared = answer, cleared or answer.verdict is Verdict.NO_SIGNS
            declared = answer.origin.kind is OriginKind.DECLARED_AI
            style = "magenta" if declared else _COLOURS[answer.verdict]
            verdict = Text(_plain(answer.headline.title), style=style)
            real = messages.per_100(share.value) if (share := answer.shares.false_positive) else ""
            name, faces = Text(visible(str(file))), str(len(answer.faces))
            table.add_row(name, verdict, score, real, faces, Text(" ".join(notes)))
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)
    for line in _told(last) if total == 1 and last else [messages.NOT_PROOF] if cleared else []:
        console.print(Text(_plain(f"\n{visible(line)}")))
    return failed


def _told(result: Result) -> list[str]:
    """What the headline means, and how rare the score is."""
    rarity = messages.rarity(result.verdict, result.shares, result.judged)
    return [*result.headline.lines, *([rarity] if result.score is not None and not result.undecidable else [])]


def _plain(text: str) -> str:
    """With the apostrophe that every terminal has."""
    return text.replace("’", "'")


def _with_heatmaps(answers: Answers, folder: Path) -> Iterator[tuple[Path, Answer]]:
    for file, answer in answers:
        if isinstance(answer, Result):
            for number, face in enumerate(answer.faces, 1):
                name = f"{file.stem[:50]}-{answer.picture.sha256[:8]}-face{number}.png"
                with atomic_path(folder / name) as beside:
                    Image.fromarray(overlay(face.crop, face.activation)).save(beside, "PNG")
        yield file, answer


def run(prog: str = "deepfake-detector") -> None:
    """The console command."""
    warnings.simplefilter("ignore")  # Pillow's of damaged files, which a line of ours tells of
    # A file's name may be no text: an escape instead of an end. What programs read is UTF-8, whatever the system's.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="backslashreplace")
    sys.exit(main(prog=prog))


if __name__ == "__main__":
    run("python -m detector")
