"""Who may import whom, and what is public."""

import ast
import sys
from pathlib import Path

import pytest

import detector

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


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: str(file.relative_to(FOLDER)))
def test_no_module_names_what_stands_above_it(file):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module]
        else:
            continue
        roots = {name.partition(".")[0] for name in names}
        assert not roots & FORBIDDEN
        assert roots <= {
            "detector",
            "PIL",
            "numpy",
            "pillow_heif",
            "ai_edge_litert",
            "c2pa",
            "defusedxml",
            "rich",
            "huggingface_hub",
            "httpx2",
        } | set(sys.stdlib_module_names)


def test_a_picture_flows_one_way():
    """Each room imports only rooms that come before it."""
    order = "errors files sessions picture faces classifier verdict provenance result rows quality".split()
    order += "model_folder.hub model_folder.store heatmap detector".split()
    for place, name in enumerate(order):
        for node in ast.walk(ast.parse((FOLDER / f"{name.replace('.', '/')}.py").read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module.startswith("detector"):
                continue
            room = node.module.partition(".")[2]
            if (FOLDER / room).is_dir():
                rooms = [f"{room}.{alias.name}".strip(".") for alias in node.names]
            else:
                rooms = [room]
            assert set(rooms) <= set(order[:place]), f"{name} imports {rooms}"


def test_the_public_names_are_those_of_the_contract():
    assert detector.__all__ == ["Detector", "Face", "ImageError", "ModelError", "Result", "Verdict"]
    rooms = {path.stem for path in FOLDER.iterdir()}
    public = {name for name in vars(detector) if not name.startswith("_")}
    assert public <= {*detector.__all__, *rooms}


def test_the_errors_are_of_kinds_that_a_caller_expects():
    assert issubclass(detector.ImageError, ValueError)
    assert issubclass(detector.ModelError, RuntimeError)
