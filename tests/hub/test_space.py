"""The app as it goes to a Space: what is uploaded, what is checked before, and that it runs from what was uploaded."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from gradio_client import handle_file
from huggingface_hub import RepoCard, SpaceHardware
from packaging.requirements import Requirement

from detector.model_folder import hub as room
from tests.support.bundled import FILES
from tests.support.hub_fixtures import by_lfs, environment
from tests.support.hub_server import OWNER, Hub
from tests.support.running_app import api_client, serve
from training import __main__ as command_line
from training.errors import TrainingError
from training.hub import space

pytest_plugins = ["tests.support.hub_fixtures"]

SPACE, MODEL_ON_HUB = "owner/deepfakes", "owner/model"


def card(files: dict) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---", files["README.md"].content.decode(), re.DOTALL)[1])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of what an upload is made from, the networks left out."""
    folder = tmp_path / "root"
    ignore = shutil.ignore_patterns("*.tflite", "*.keras", "__pycache__")
    for name in ("detector", "ui"):
        shutil.copytree(space.ROOT / name, folder / name, ignore=ignore)
    (folder / "docs").mkdir()
    for name in (*space.FILES, "pyproject.toml"):
        shutil.copyfile(space.ROOT / name, folder / name)
    return folder


@by_lfs
def test_only_what_it_needs_in_one_commit(hub: Hub, root: Path, capsys):
    (root / "ui" / "__pycache__").mkdir()
    (root / "ui" / "__pycache__" / "x.pyc").write_bytes(b"1")
    for name in ("model.keras", "model-2.keras"):
        (root / "detector" / "bundled" / name).write_bytes(b"1")
    (root / "notes.txt").write_text("mine")
    commit = space.publish_space(SPACE, root=root)
    here = hub[f"spaces/{SPACE}"]
    assert [c.oid for c in here.commits()][0] == commit and len(here.commits()) == 2
    files = here.find("main").files
    assert {path.partition("/")[0] for path in files} == {
        *(
            "app.py",
            "README.md",
            "requirements.txt",
            "pre-requirements.txt",
            "LICENSE",
            "NOTICE",
            "detector",
            "ui",
            "docs",
        )
    }
    thumbnail = card(files)["thumbnail"]
    assert thumbnail.startswith("http") and thumbnail.endswith(f"spaces/{SPACE}/resolve/main/docs/detect-wide.png")
    assert [path for path in files if path.startswith("docs")] == ["docs/detect-wide.png"]
    assert not any("__pycache__" in path or path.endswith(".keras") for path in files)
    assert here.variables == {}
    assert space.publish_space(SPACE, root=root) == commit, "nothing has changed"
    (root / "ui" / "boxes.py").unlink()
    space.publish_space(SPACE, root=root)
    assert "ui/boxes.py" not in here.find("main").files


@by_lfs
def test_a_model_on_the_hub_is_named_to_it(hub: Hub, root: Path):
    hub.put(MODEL_ON_HUB, FILES)
    space.publish_space(SPACE, model=MODEL_ON_HUB, root=root)
    here = hub[f"spaces/{SPACE}"]
    assert here.variables == {"DETECTOR_MODEL": MODEL_ON_HUB, "DETECTOR_REVISION": "main"}
    assert card(here.find("main").files)["models"] == [MODEL_ON_HUB]


@by_lfs
def test_its_hardware_is_named_when_it_is_made_and_changed_later(hub: Hub, root: Path):
    space.publish_space(SPACE, root=root, hardware="zero-a10g")
    here = hub[f"spaces/{SPACE}"]
    assert here.hardware == "zero-a10g", "a free account could not make it on another one first"
    assert not any(line.endswith("/hardware") for line in hub.requests)
    space.publish_space(SPACE, root=root)
    assert here.hardware == "zero-a10g"
    space.publish_space(SPACE, root=root, hardware="cpu-basic")
    assert here.hardware == "cpu-basic"


def test_the_front_matter_says_what_the_hub_shows():
    front = RepoCard.load(space.ROOT / "README.md").data
    assert front["python_version"] == "3.12" and front["suggested_hardware"] in list(SpaceHardware)
    assert front["models"] and len(front["short_description"]) <= 60
    assert front["license"] == "other" and "non-commercial" in front["license_name"]
    assert "non-commercial" in (space.ROOT / front["license_link"]).read_text()


@pytest.mark.parametrize("static", [[], ["--static"]], ids=["app", "static"])
def test_what_is_no_name_is_a_sentence(static: list[str], capsys):
    assert command_line.main(["publish-space", "not a name", *static]) == 2
    assert capsys.readouterr().err == "not a name is not a valid name on the Hub: write owner/name.\n"


@by_lfs
def test_a_model_that_cannot_be_had_stops_it(hub: Hub, capsys):
    assert command_line.main(["publish-space", SPACE, "--model", "owner/nothing"]) == 2
    assert capsys.readouterr().err.startswith("The Hub has no owner/nothing")
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("sdk_version: 6.31.0", "sdk_version: 5.0.0", "README.md says sdk_version 5.0.0, and requirements.txt pins"),
        ("gradio[mcp]==", "gradio>=", "README.md says sdk_version 6.31.0, and requirements.txt pins gradio to nothing"),
        ('python_version: "3.12"', "python_version: 3.12", "README.md says python_version 3.12: it must be in quot"),
        ('python_version: "3.12"', 'python_version: "3.9"', "README.md says python_version 3.9: it must be in quot"),
        ("app_file: app.py", "app_file: main.py", "README.md must say sdk: gradio, and app_file: app.py."),
        ("  - JamieWithofs/Deepfake-and-real-images", "  - pictures", "README.md lists pictures under datasets:"),
        ("title: Deepfake", "title: [", "README.md has no front matter that can be read:"),
        ("license: other", "license: My Own", "The Hub does not accept the metadata of README.md"),
    ],
)
@by_lfs
def test_the_front_matter_is_checked_first(hub: Hub, root: Path, old, new, why):
    for name in ("README.md", "requirements.txt"):
        (root / name).write_text((root / name).read_text().replace(old, new))
    with pytest.raises(TrainingError) as caught:
        space.publish_space(SPACE, root=root)
    assert str(caught.value).startswith(why)
    assert hub.repositories == {}


def download(hub: Hub, folder: Path) -> Path:
    for path, stored in hub[f"spaces/{SPACE}"].find("main").files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(stored.content)
    return folder


@pytest.mark.slow
@by_lfs
def test_the_space_runs_and_takes_a_new_model_without_a_restart(hub: Hub, tmp_path: Path, hopper: Path):
    """Where DETECTOR_TEST_SPACE names one, in an environment with what the lock and its requirements.txt name, and no
    more."""
    first = hub.put(MODEL_ON_HUB, FILES)
    space.publish_space(SPACE, model=MODEL_ON_HUB)
    root, python = download(hub, tmp_path / "space"), sys.executable
    if installed := os.environ.get("DETECTOR_TEST_SPACE"):
        python = str(Path(installed, "bin", "python"))
        assert (root / "pre-requirements.txt").read_bytes() == (space.ROOT / "pre-requirements.txt").read_bytes()
        more = [python, "-m", "pip", "install", "-r", root / "requirements.txt"]
        told = subprocess.run(more, check=True, capture_output=True, text=True)
        assert "Collecting" not in told.stdout, "the lock has all of it"
    variables = {
        **environment(hub, tmp_path / "space-hf"),
        **hub[f"spaces/{SPACE}"].variables,
        "DETECTOR_REFRESH_MINUTES": "0.02",
        "PYTHONPATH": str(root),
    }
    with serve(root=root, python=python, **variables) as app:
        client = api_client(app.url)

        def revision() -> str:
            return client.predict(handle_file(str(hopper)), api_name="/detect")["model"]["revision"]

        assert revision() == first
        second = hub.put(MODEL_ON_HUB, {"README.md": b"a new commit"})
        end = time.monotonic() + 180
        while revision() != second:
            assert time.monotonic() < end, app.log


@pytest.mark.slow
@by_lfs
def test_the_space_starts_when_the_hub_is_away(hub: Hub, tmp_path: Path, hopper: Path):
    variables = {**environment(hub, tmp_path / "empty"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    started = time.monotonic()
    with serve(DETECTOR_MODEL=MODEL_ON_HUB, **variables) as app:
        assert time.monotonic() - started < room.WITHIN + 60
        client = api_client(app.url)
        model = client.predict(handle_file(str(hopper)), api_name="/detect")["model"]
        assert model["source"] == "bundled"
        assert model["note"].endswith("because the Hub could not be reached: the bundled model is used.")
        assert model["note"] in app.log
        assert client.predict(api_name="/model")["note"] == model["note"]


# --- The workflow ----------------------------------------------------------------------------------------------------

WORKFLOW = space.ROOT / ".github" / "workflows" / "publish-space.yml"


def test_the_workflow_runs_on_a_release_with_no_more_rights_than_it_needs():
    workflow = yaml.load(WORKFLOW.read_text(), yaml.BaseLoader)  # "on" is no truth value
    assert workflow["on"]["release"] == {"types": ["published"]}
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [re.sub("@[0-9a-f]{40}$", "", action) for action in used] == ["actions/checkout", "actions/setup-python"]
    version = job["steps"][1]["with"]["python-version"]
    assert version == re.search(r'python_version: "(.*)"', (space.ROOT / "README.md").read_text())[1]
    [install] = [step["run"] for step in job["steps"] if step.get("run", "").startswith("pip")]
    assert install == "pip install --require-hashes -r pre-requirements.txt"


def test_publishing_a_space_needs_nothing_but_what_the_space_installs(python):
    """And so the workflow can: none of what trains is imported, the packages of pyproject.toml's extra `fit` least."""
    project = tomllib.loads((space.ROOT / "pyproject.toml").read_text())["project"]
    trains = [Requirement(line).name for line in project["optional-dependencies"]["fit"]]
    refused = {*trains, "cv2", "scipy", "sklearn", "tensorflow", "jax"} - {"tqdm"}  # which huggingface-hub needs
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(refused)!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from training.hub.space import main
sys.exit(main(["publish-space", "not a name"]))
"""
    ran = python("-c", code)
    assert ran.returncode == 2 and "Traceback" not in ran.stderr, ran.stderr


@pytest.mark.slow
@by_lfs
@pytest.mark.parametrize("named", [{}, {"MODEL": MODEL_ON_HUB}, {"MODEL": MODEL_ON_HUB, "REVISION": "v1"}], ids=len)
def test_the_workflow_publishes(hub: Hub, tmp_path: Path, named: dict[str, str]):
    """Its own command, with the secret and the variables that a repository has set, in the shell of such a machine."""
    hub.put(MODEL_ON_HUB, FILES)
    hub[MODEL_ON_HUB].tags["v1"] = hub[MODEL_ON_HUB].find("main")
    known = {"secrets.HF_TOKEN": OWNER, "vars.SPACE": SPACE, **{f"vars.{name}": named[name] for name in named}}
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["publish"]["steps"]
    [step] = [step for step in steps if "env" in step]
    given = {key: known.get(re.fullmatch(r"\$\{\{ (.*) \}\}", value)[1], "") for key, value in step["env"].items()}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    variables = {**environment(hub, tmp_path / "hf"), "PATH": path, **given}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(shell, cwd=space.ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = hub[f"spaces/{SPACE}"]
    assert done.stdout == f"{SPACE}@{here.find('main').oid}\n"
    assert here.variables == (
        {"DETECTOR_MODEL": MODEL_ON_HUB, "DETECTOR_REVISION": named.get("REVISION", "main")} if named else {}
    )
