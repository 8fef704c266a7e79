"""The project as it is installed: what the wheel holds, that it runs away from the checkout, one version, one list."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import detector
from detector.model_folder import BUNDLED, CONFIG, KERAS
from tests.support import ROOT

SCORES = "scores.csv"  # as training.evaluation.evaluate writes it
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    return {requirement.name.lower(): requirement for requirement in parsed}


def test_the_space_installs_what_the_app_needs() -> None:
    """requirements.txt pins the dependencies and the extra `app`, each to a version that pyproject.toml allows."""
    pinned = requirements((ROOT / "requirements.txt").read_text("utf-8").splitlines())
    needed = requirements([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["app"]])
    assert pinned.keys() == needed.keys()
    for name, requirement in needed.items():
        [pin] = pinned[name].specifier
        assert (pin.operator, pinned[name].extras) == ("==", requirement.extras)
        assert pin.version in requirement.specifier


LOCK = (ROOT / "pre-requirements.txt").read_text("utf-8")


def test_the_lock_holds_what_is_required_with_hashes() -> None:
    """What a Space and the container install: pinned, with a hash for every file, and from no index in particular.
    test_space.py runs a Space with no more where DETECTOR_TEST_SPACE names it."""
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", LOCK, flags=re.MULTILINE).strip())
    locked = {}
    for entry in entries:
        line, *hashes = [part.strip() for part in entry.split("\\\n")]
        requirement = Requirement(line)
        [pin] = requirement.specifier
        assert pin.operator == "==" and hashes, line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in hashes), line
        locked.setdefault(requirement.name, set()).add(pin.version)
    for name, requirement in requirements((ROOT / "requirements.txt").read_text("utf-8").splitlines()).items():
        assert locked[name] == {pin.version for pin in requirement.specifier}, "make the lock again, as it says"
    assert len(locked) > 60 and "\n--" not in LOCK and "://" not in LOCK, "no address and no option"


def test_there_is_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == detector.__version__
    latest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert latest and latest[1] == detector.__version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a release uploads, built from a copy: the build leaves folders behind."""
    copy = tmp_path_factory.mktemp("source") / "copy"
    junk = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*", "node_modules")
    for name in ("detector", "ui", "training", "scale"):
        shutil.copytree(ROOT / name, copy / name, ignore=junk)
    for name in ("app.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copyfile(ROOT / name, copy / name)
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    mistagged = release(copy, "v0")
    assert mistagged.returncode == 1 and detector.__version__ in mistagged.stderr and not (copy / "dist").exists()
    tagged = release(copy, f"v{detector.__version__}")
    assert tagged.returncode == 0, tagged.stdout + tagged.stderr
    assert len(list((copy / "dist").glob("*.tar.gz"))) == 1
    [built] = (copy / "dist").glob("*.whl")
    return built


def release(copy: Path, tag: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = [str(copy / ".ci" / "release"), tag]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300)


def pip(arguments: list[object]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_the_wheel_holds_what_runs(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {path.name for path in BUNDLED.iterdir() if path.is_file()}
    checkout = {name for name in files if name.endswith(".keras")} | {SCORES}  # for those who train and check
    assert {KERAS, SCORES, CONFIG} <= files
    assert {f"detector/bundled/{name}" for name in files - checkout} <= held
    networks = {str(path.relative_to(ROOT)) for path in (ROOT / "detector").rglob("*.tflite")}
    assert networks <= held and len(networks) >= 2
    modules = {str(path.relative_to(ROOT)) for room in ("detector", "ui") for path in (ROOT / room).rglob("*.py")}
    assert modules | {"app.py", "detector/py.typed"} <= held
    pictures = [path for path in (ROOT / "ui").rglob("*") if path.suffix in (".jpg", ".json")]
    assert {str(path.relative_to(ROOT)) for path in pictures} <= held
    assert not [
        name for name in held if name.startswith(("tests", "benchmarks", "docs")) or name.endswith((".keras", SCORES))
    ]


@pytest.mark.slow
def test_the_command_runs_away_from_the_checkout(wheel: Path, hopper: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    pip(["install", wheel, "--no-deps", "--target", target])
    elsewhere.mkdir()
    shutil.copyfile(hopper, elsewhere / "photo.jpg")

    def run(*command: object) -> str:
        ran = subprocess.run(
            [str(word) for word in command],
            cwd=elsewhere,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(target), "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert run(sys.executable, "-c", "import detector; print(detector.__file__)").startswith(str(target))
    table = run(target / "bin" / "deepfake-detector", "photo.jpg")
    assert re.search(r"^photo\.jpg +\S+", table, re.MULTILINE)
    assert table == run(sys.executable, "-m", "detector", "photo.jpg")
