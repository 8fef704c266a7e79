"""The environment of processes that tests start."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def for_hub(url: str, token: str, home: Path, *, xet: bool = False) -> dict[str, str]:
    """As `offline`, but the Hub is the one at `url`."""
    return offline(
        home,
        HF_ENDPOINT=url,
        HF_HOME=str(home),
        HF_XET_CACHE=str(home / "xet"),
        HF_TOKEN=token,
        HF_HUB_OFFLINE="0",
        HF_HUB_DISABLE_XET="0" if xet else "1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )
