"""Options that several command lines have, and what they mean."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from detector import settings
from detector.errors import Told
from detector.text import visible

MODEL_NAME = "FOLDER|owner/name[@revision]"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints about a word, a file's name that begins with a dash say, steer no terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model` and `--refresh`, for `model_of` and `Detector.load`."""
    parser.add_argument(
        "--model",
        metavar=MODEL_NAME,
        help="a model folder, or a model on the Hub (default: $DETECTOR_MODEL at $DETECTOR_REVISION, else the bundled "
        "one); where the Hub cannot be reached, the cached revision or the bundled model is used, and a line says so",
    )
    parser.add_argument(
        "--refresh", action="store_true", help="download the model from the Hub again, and fail rather than use another"
    )


def model_of(given: str | None = None) -> tuple[str | None, str | None]:
    """The model that was `given`, which names its own revision, else that of the environment. Both are None where
    nobody named one."""
    if given is not None:
        return given, None
    told = settings.read()
    return told.model, told.revision


def positive(text: str) -> int:
    """A whole number from 1 on. Raises argparse.ArgumentTypeError, or ValueError where it is not a number."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def port(text: str) -> int:
    """The number of a port. Raises as `positive` does."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("must be from 0, which is any free port, to 65535")
    return number


def port_taken(number: int | None) -> str:
    """The sentence for a port that nobody can listen on, None where all that were tried are such."""
    which = f"Port {number}" if number else "Every port that was tried"
    return f"{which} is in use, or you may not use it: choose another one with --port."


def told(main: Callable[[], int | None]) -> NoReturn:
    """Run a command to its end. Of an error that has a sentence for a person, that alone is printed."""
    try:
        sys.exit(main())
    except Told as error:
        print(error, file=sys.stderr)
        sys.exit(2)
