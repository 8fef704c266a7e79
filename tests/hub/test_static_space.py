"""The static page as it goes to a Space: what is uploaded, and that it judges from what was uploaded."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hub.test_space import card, download
from tests.support.bundled import FILES
from tests.support.hub_fixtures import by_lfs
from tests.support.hub_server import Hub
from tests.support.web_page import give, served
from training import __main__ as command_line
from training.hub import space

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["tests.support.hub_fixtures", "tests.support.web_page"]
pytestmark = pytest.mark.slow

SPACE, MODEL_ON_HUB = "owner/deepfakes", "owner/model"


@by_lfs
def test_it_is_pushed_in_one_commit_and_judges(
    hub: Hub, visitor: Callable[..., "Page"], hopper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.put(MODEL_ON_HUB, FILES)
    command = ["publish-space", SPACE, "--static", "--model", MODEL_ON_HUB]
    assert command_line.main(command) == 0
    here = hub[f"spaces/{SPACE}"]
    commit = here.find("main")
    assert capsys.readouterr().out == f"{SPACE}@{commit.oid}\n" and len(here.commits()) == 2
    assert here.sdk == "static"
    front = card(commit.files)
    assert (front["sdk"], front["app_file"], front["models"]) == ("static", "index.html", [MODEL_ON_HUB])
    assert not {"sdk_version", "python_version", "suggested_hardware"} & front.keys()
    assert front["license_link"] in commit.files
    assert f"/spaces/{SPACE}/resolve/main/link-preview.jpg".encode() in commit.files["index.html"].content
    assert command_line.main(command) == 0 and here.find("main").oid == commit.oid, "nothing has changed"
    with served(download(hub, tmp_path / "space")) as url:
        [row] = give(visitor(url), [hopper])
    assert row["faces"] and row["model"]["repo"] == MODEL_ON_HUB and len(row["model"]["revision"]) == 40


@by_lfs
def test_it_never_takes_the_place_of_the_app(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    space.publish_space(SPACE)
    files = hub[f"spaces/{SPACE}"].find("main").files
    assert command_line.main(["publish-space", SPACE, "--static"]) == 2
    assert "holds the app that runs on the Hub" in capsys.readouterr().err
    assert hub[f"spaces/{SPACE}"].find("main").files == files
    assert command_line.main(["publish-space", "owner/other", "--static", "--hardware", "cpu-basic"]) == 2
    assert "leave --hardware out" in capsys.readouterr().err
