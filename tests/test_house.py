"""What the detector starts without, and what is public. Who may import whom stands in pyproject.toml."""

import ast
import re
import sys
import tomllib
from html import unescape
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import detector
from detector.model_folder import store
from tests.support import ROOT
from ui import caught

FOLDER = Path(detector.__file__).parent
ABOVE = {
    "tensorflow",
    "keras",
    "torch",
    "gradio",
    "training",
    "ui",
    "app",
    "benchmarks",
    "tests",
    "datasets",
    "scale",
    "ray",
}
FORBIDDEN = {*ABOVE, "skimage", "matplotlib", "pytest", "sklearn", "scipy", "cv2"}

START = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN!r}:
            raise ImportError("detector must not import " + name)
sys.meta_path.insert(0, Refuse())
import detector, detector.__main__, detector.heatmap
import numpy
result = detector.Detector.load().detect(numpy.full((64, 64, 3), 200, numpy.uint8))
assert result.verdict == "no_face"
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def test_the_detector_starts_without_what_trains_or_shows_it(python):
    ran = python("-c", START)
    assert ran.returncode == 0, ran.stderr
    assert not FORBIDDEN & set(ran.stdout.split())
    assert "ai_edge_litert" in ran.stdout.split()


def test_importing_takes_no_table_no_content_credentials_and_no_hub(python):
    late = "print(sorted({'rich', 'c2pa', 'huggingface_hub', 'httpx2'} & set(sys.modules)))"
    assert python("-c", f"import sys, detector, detector.__main__; {late}").stdout.strip() == "[]"


@pytest.mark.slow
def test_quick_tests_are_collected_without_what_is_slow_to_import(python) -> None:
    """tests/conftest.py lets them import none of it."""
    ran = python("-m", "pytest", "--collect-only", "-q", "-n", 0, "-m", "not slow", "tests/training", "tests/scale")
    assert ran.returncode == 0 and "test_data.py" in ran.stdout, ran.stdout


def test_the_detector_needs_only_what_the_project_says() -> None:
    """What detector/ imports comes with Python or with the dependencies of pyproject.toml, by absolute imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    known = {"detector", "httpx2", *sys.stdlib_module_names}  # huggingface-hub raises the errors of httpx2
    known |= {name for name, of in packages_distributions().items() if needed & set(map(canonicalize_name, of))}
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= known, file
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0 and (node.module or "").partition(".")[0] in known, file


def test_the_public_names_are_those_of_the_contract():
    assert detector.__all__ == ["Detector", "Face", "ImageError", "ModelError", "Result", "Verdict"]
    rooms = {path.stem for path in FOLDER.iterdir()}
    public = {name for name in vars(detector) if not name.startswith("_")}
    assert public <= {*detector.__all__, *rooms}


def test_the_app_knows_no_insides_of_the_detector() -> None:
    """import-linter holds ui/ to the same, and passes over a module that is in no package."""
    nodes = [n for n in ast.walk(ast.parse((ROOT / "app.py").read_text("utf-8"))) if isinstance(n, ast.ImportFrom)]
    rooms = {node.module for node in nodes if (node.module or "").startswith("detector.")}
    assert nodes and rooms <= {"detector.errors", "detector.result"}


def test_the_errors_are_of_kinds_that_a_caller_expects():
    assert issubclass(detector.ImageError, ValueError)
    assert issubclass(detector.ModelError, RuntimeError)


def test_the_readme_names_the_pythons_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    allowed = [f"3.{n}" for n in range(30) if f"3.{n}" in SpecifierSet(project["requires-python"])]
    assert allowed == ["3.11", "3.12", "3.13", "3.14"]
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"Python {allowed[0]} to {allowed[-1]};" in readme
    assert all(where in readme for where in ("Intel", "Windows on ARM", "Alpine")), "which systems LiteRT lacks"


def test_the_readme_has_the_figures_of_the_bundled_model() -> None:
    model = store.load()
    readme = (ROOT / "README.md").read_text("utf-8")
    assert caught.line(model.metrics) in " ".join(readme.split())
    shown = caught.table(model.metrics, model.config.data)
    rows = [
        re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(<th scope=\"row\".*?)</tr>", shown)
    ]
    assert len(rows) > 5 and not [row for row in rows if f"| {' | '.join(map(unescape, row))} |" not in readme]


def test_every_case_of_the_documentation_has_its_test() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "cases.md").read_text("utf-8"))
    assert len(named) > 50
    assert [f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []
