"""What most tests look at: two real photographs with one face each, and the detector as it is shipped."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image
from skimage import data

from detector import Detector
from detector.face_detector import FaceDetector
from detector.sessions import Cores
from tests.support import ROOT
from tests.support.running_app import PATIENCE, RunningApp, api_client, browser, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

os.environ["DETECTOR_TRUST_LIST"] = "none"  # no test asks the C2PA's server; those of the list name their own

SLOW_TO_IMPORT = ("jax", "ray", "tensorflow")  # a test that imports one in its own process is slow
_SLOW_MODULE = re.compile(r"^pytestmark = .*\bpytest\.mark\.(?:jax|ray|slow)\b", re.MULTILINE)
_SLOW = {"running_app", "small_set", "run", "jax_run"}  # an app in a process of its own, data, runs trained on them
_LONGEST = (  # the longest files, folders by their slowest one, and the longest of what is left
    *("test_cluster", "test_trials", "test_export_evaluate", "test_attack", "test_parity", "test_distributed"),
    *("web", "reliability", "hub", "ui", "training", "scale", "test_settings", "test_picture", "test_isolation"),
)


def _quick(config: pytest.Config) -> bool:
    return "not slow" in config.option.markexpr


def pytest_configure(config: pytest.Config) -> None:
    if _quick(config):
        sys.modules.update(dict.fromkeys(SLOW_TO_IMPORT))  # as if they were not installed


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A module that is slow as a whole is not even imported where slow tests are left out."""
    module = collection_path.suffix == ".py" and _quick(config)
    return True if module and _SLOW_MODULE.search(collection_path.read_text("utf-8")) else None


@pytest.hookimpl(optionalhook=True)  # nobody asks where xdist is left out
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process more than processors: each waits now and then, for a browser, an app or a clock."""
    return None if _quick(config) else (os.cpu_count() or 1) + 1


def _place(item: pytest.Item) -> int:
    names = {item.path.stem, item.path.parent.name}
    return next((place for place, name in enumerate(_LONGEST) if name in names), len(_LONGEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs is told by its fixtures; `ray` and `jax` by its module. The longest come first: each process
    takes whole files, and none is to have a long one left when the others are done."""
    items.sort(key=_place)
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "chromium" in fixtures:
            item.add_marker("browser")
        if "hub" in fixtures:
            item.add_marker("hub")
        trial = item.path.parent.name == "reliability"
        again = getattr(item, "callspec", None) and item.callspec.params.get("hub") == "xet"  # by LFS it is quick
        if (
            trial
            or again
            or fixtures & _SLOW
            or any(item.get_closest_marker(name) for name in ("browser", "ray", "jax"))
        ):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector.load()


@pytest.fixture(scope="session")
def finder() -> FaceDetector:
    return FaceDetector(Cores(2))


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return data.astronaut()


@pytest.fixture(scope="session")
def hopper() -> Path:
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="session")
def no_face() -> np.ndarray:
    """A page of print."""
    return np.repeat(data.page()[..., None], 3, axis=2)


@pytest.fixture
def folder(tmp_path, astronaut, hopper, no_face) -> Path:
    """Three good pictures, one of them in a folder of its own, two broken ones, and a file that is no picture's."""
    whole = hopper.read_bytes()
    (tmp_path / "inner").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    Image.fromarray(no_face).save(tmp_path / "page.webp", lossless=True)
    (tmp_path / "inner" / "HOPPER.JPG").write_bytes(whole)
    (tmp_path / "inner" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    (tmp_path / "notes.txt").write_text("no picture's name")
    return tmp_path


@pytest.fixture(scope="session")
def python():
    """Runs this Python in the project's folder, or in `cwd`, with the project importable."""

    def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(ROOT),
                "PYTHONUTF8": "1",
                "DETECTOR_TRUST_LIST": "none",
                **environment,
            },
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    return run


# --- The page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def running_app() -> Iterator[RunningApp]:
    with serve() as app:
        yield app


@pytest.fixture(scope="session")
def client(running_app: RunningApp) -> Client:
    return api_client(running_app.url)


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    with browser() as opened:
        yield opened


@contextmanager
def _looking(app: RunningApp, chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    opened, asked, servers = [], [], ["data:", "blob:"]

    def open_page(width: int = 1280, scheme: str = "light", url: str = app.url) -> "Page":
        page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        opened.append(page)
        servers.append(url)
        page.goto(url)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert [url for url in asked if not url.startswith(tuple(servers))] == []


@pytest.fixture
def look(running_app: RunningApp, chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Opens the page at a width and colour scheme. At the end: nothing was asked of any other server."""
    with _looking(running_app, chromium) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def look_once(running_app: RunningApp, chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Likewise, for a page that several tests of a module look at: none of them needs it as it was opened."""
    with _looking(running_app, chromium) as open_page:
        yield open_page
