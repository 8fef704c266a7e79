"""What can go wrong with a whole run that a person can put right."""

from detector.errors import Told


class ScaleError(Told, RuntimeError):
    """`str(error)` is a sentence: what was wrong and what to do. The command line prints it without a traceback."""
