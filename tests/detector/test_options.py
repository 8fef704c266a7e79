"""What several command lines share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.mark.parametrize("command", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_a_benchmark_ends_in_a_sentence_too(command: str) -> None:
    source = (ROOT / "benchmarks" / f"{command}.py").read_text("utf-8")
    assert ("__main__" in source) == source.endswith('if __name__ == "__main__":\n    options.told(main)\n')


@pytest.mark.slow
def test_a_bad_setting_is_a_sentence_of_a_benchmark(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed"],
        cwd=ROOT,
        env={**os.environ, "DETECTOR_WAITING": "x"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 2
    assert ran.stderr.endswith("DETECTOR_WAITING must be a whole number from 1 to 999999999, such as 32.\n")
    assert "Traceback" not in ran.stderr
