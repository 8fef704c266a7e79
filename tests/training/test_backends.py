"""What JAX or PyTorch trains on a machine without TensorFlow goes on there, and becomes a model folder with
TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from detector.classifier import Classifier
from tests.support.training_fixtures import FIT, REFUSE_TENSORFLOW, STOP_AT_STEP_8, environment
from training import __main__ as command_line
from training.checkpoint import BEST, STATE
from training.distributed import ALONE

pytest_plugins = ["tests.support.training_fixtures"]
pytestmark = pytest.mark.jax

EPOCHS = 2

# Is told to stop, goes on, and says what its network makes of some crops.
STOP_AND_GO_ON = """
import json
from pathlib import Path
import keras, numpy as np
from training.__main__ import main
from training.checkpoint import BEST, STATE
from training.distributed import ALONE

stopped = main(["fit", "--out", "run", *sys.argv[1:]])
step = json.loads(Path("run", STATE).read_text())["step"]
ended = main(["fit", "--out", "run", "--resume"])
crops = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
network = keras.saving.load_model(Path("run", BEST), safe_mode=True)
logits = ALONE.predict(network, crops, len(crops), 32).tolist()
print(json.dumps([keras.backend.backend(), stopped, step, ended, logits]))
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_run_of_another_backend_becomes_a_model_folder(
    backend: str, small_set: Path, caches: Path, tmp_path: Path
) -> None:
    pytest.importorskip(backend)
    words = ("--data", small_set, *FIT, "--epochs", EPOCHS)
    done = subprocess.run(
        [sys.executable, "-c", REFUSE_TENSORFLOW + STOP_AT_STEP_8 + STOP_AND_GO_ON, *map(str, words)],
        env=environment(caches, KERAS_BACKEND=backend),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used, stopped, step, ended, logits = json.loads(done.stdout.splitlines()[-1])
    assert (used, stopped, ended) == (backend, 130, 0)
    steps = 6 * EPOCHS
    assert step == 8 < steps
    state = json.loads((tmp_path / "run" / STATE).read_text())
    assert (state["step"], state["done"], [row["step"] for row in state["history"]]) == (steps, True, [6, steps])

    crops = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    network = keras.saving.load_model(tmp_path / "run" / BEST, compile=False, safe_mode=True)
    assert keras.backend.backend() == "tensorflow"
    np.testing.assert_allclose(ALONE.predict(network, crops, len(crops), 32), logits, atol=1e-3)
    assert np.ptp(logits) > 1e-2, "logits that are all the same would prove nothing"

    folder = tmp_path / "model"
    assert command_line.main(["export", str(tmp_path / "run"), "--out", str(folder)]) == 0
    served, _ = Classifier((folder / "model.tflite").read_bytes(), 64).predict(crops)
    offset = json.loads((folder / "config.json").read_text())["offset"]  # which export adds
    np.testing.assert_allclose(served - offset, logits, atol=1e-3)
