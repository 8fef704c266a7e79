"""What can go wrong while training that a person can put right."""

from detector.errors import Told


class TrainingError(Told, ValueError):
    """`str(error)` is a sentence: what was wrong and what to do. The command line prints it without a traceback."""


class WeightsUnavailable(TrainingError):
    """Pretrained weights that are not here and cannot be fetched; the message says what to do."""


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint is written."""
