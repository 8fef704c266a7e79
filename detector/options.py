"""Options that several command lines have, and what they mean."""

import argparse

from detector import settings

MODEL_NAME = "FOLDER|owner/name[@revision]"


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model` and `--refresh`, for `model_of` and `Detector.load`."""
    parser.add_argument(
        "--model",
        metavar=MODEL_NAME,
        help="a model folder, or a model on the Hub (default: $DETECTOR_MODEL at $DETECTOR_REVISION, else the bundled "
        "one); where the Hub cannot be reached, the cached revision or the bundled model is used, and a line says so",
    )
    parser.add_argument(
        "--refresh", action="store_true", help="download the model from the Hub anew, and accept no other in its place"
    )


def model_of(given: str | None = None) -> tuple[str | None, str | None]:
    """The model that was `given`, which names its own revision, else that of the environment. Both are None where
    nobody named one."""
    if given is not None:
        return given, None
    told = settings.read()
    return told.model, told.revision


def positive(text: str) -> int:
    """A whole number from 1 on. Raises argparse.ArgumentTypeError, or ValueError where it is no number."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
