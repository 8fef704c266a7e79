"""What can go wrong, in one sentence for a person. The message never names a path of the machine it ran on."""


class ImageError(ValueError):
    """A picture that cannot be judged. `str(error)` says what was wrong with it and what to do."""


class ModelError(RuntimeError):
    """A model folder that cannot be used. `str(error)` says what was wrong with it and what to do."""


class SettingError(ValueError):
    """An environment variable that says nothing usable. `str(error)` says which one, and what it may be."""
