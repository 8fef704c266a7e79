"""The environment of processes that tests start."""

import os
from pathlib import Path

from tests.support import ROOT


def offline(home: Path, **more: str) -> dict[str, str]:
    """The code can be imported, all caches are below `home`, and the Hub is not asked. `more` is added."""
    return {
        **os.environ,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_OFFLINE": "1",
        "XDG_CACHE_HOME": str(home / "xdg"),
        "KERAS_HOME": str(home / "keras"),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **more,
    }
