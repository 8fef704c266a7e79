"""The loopback Hub as a fixture, with the clients of this process and of others pointed to it.

A module that needs it says `pytest_plugins = ["tests.support.hub_fixtures"]`.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.support import ROOT
from tests.support.hub_server import OWNER, Hub, serve

# For what does not depend on how large files travel.
by_lfs = pytest.mark.parametrize("hub", ["lfs"], indirect=True)


@pytest.fixture(params=["xet", "lfs"])
def hub(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """In both upload modes. The client has the owner's token, and its caches in a temporary folder."""
    xet = request.param == "xet"
    home = tmp_path / "hf"
    with serve(tmp_path / "hub", xet=xet) as running:
        for name, value in {
            "ENDPOINT": running.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": running.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_DISABLE_XET": not xet,
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(constants, name, value)
        for name, value in environment(running, home).items():
            monkeypatch.setenv(name, value)
        yield running
    # A call that was left behind closes the client that all share when it finds the server gone.
    for thread in threading.enumerate():
        if thread.name == "hub":
            thread.join(10)


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """For a client in a process of its own."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_XET_CACHE": str(home / "xet"),
        "HF_TOKEN": OWNER,
        "HF_HUB_DISABLE_XET": "0" if hub.xet else "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
