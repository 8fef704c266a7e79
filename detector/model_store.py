"""Where a model folder comes from: a path, or the one that is bundled. Checked before anything is run."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.errors import ModelError
from detector.result import ModelInfo
from detector.verdict import Calibration

FORMAT_VERSION = 1
BUNDLED = Path(__file__).parent / "bundled"
MODEL, CONFIG, METRICS, CARD, KERAS = "model.tflite", "config.json", "metrics.json", "README.md", "model.keras"
_MAX_CONFIG_BYTES = 1_000_000
_MAX_MODEL_BYTES = 200_000_000


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that passed its checks. `model` are the bytes of model.tflite, `margin` the side of a crop in
    face sides."""

    info: ModelInfo
    model: bytes = field(repr=False)
    input_size: int
    margin: float
    calibration: Calibration
    config: dict[str, Any] = field(repr=False)
    metrics: dict[str, Any] = field(repr=False)


def load(model: str | Path | None = None) -> ModelFolder:
    """The model folder at the path `model`, or the bundled one for None.

    Raises ModelError where a file is missing or damaged, the hash of model.tflite is not the one in config.json, or
    the folder is of a newer format.
    """
    if model is None:
        return _read(BUNDLED, "bundled")
    path = Path(model)
    try:
        found = path.is_dir()
    except OSError:  # a name that is too long, or a folder that may not be entered
        found = False
    if not found:
        raise ModelError(f"There is no model folder called {path.name}: give the folder that holds {MODEL}.")
    return _read(path, "folder")


def _read(folder: Path, source: str) -> ModelFolder:
    config = _json(folder / CONFIG, required=True)
    version = config.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise ModelError(f"The model's {CONFIG} names no format version: export the model again.")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"The model is of format {version}, newer than this detector reads ({FORMAT_VERSION}): "
            "update the detector, or take an older revision of the model."
        )
    try:
        digest = str(config["sha256"])
        architecture = str(config["architecture"])
        input_size, margin = int(config["input_size"]), float(config["crop_margin"])
        bands = config["bands"]
        calibration = Calibration(float(config["temperature"]), float(bands["real_below"]), float(bands["fake_above"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"The model's {CONFIG} is incomplete or wrong ({error}): export the model again.") from None
    if not 32 <= input_size <= 1024 or not (math.isfinite(margin) and 0.5 <= margin <= 4):
        raise ModelError(f"The input size or crop margin in the model's {CONFIG} cannot be right: export it again.")
    model = _bytes(folder / MODEL, _MAX_MODEL_BYTES)
    if hashlib.sha256(model).hexdigest() != digest:
        raise ModelError(f"{MODEL} is not the file that {CONFIG} was written for: copy or download the folder again.")
    info = ModelInfo(source, None, None, digest, architecture)
    metrics = _json(folder / METRICS, required=False)
    return ModelFolder(info, model, input_size, margin, calibration, config, metrics)


def _bytes(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError:
        raise ModelError(f"The model folder has no {file.name}: copy or download the whole folder.") from None
    except OSError:
        raise ModelError(f"The model's {file.name} could not be read: check that you may open it.") from None
    if len(content) > limit:
        raise ModelError(f"The model's {file.name} is larger than any model should be: it was not loaded.")
    return content


def _json(file: Path, *, required: bool) -> dict[str, Any]:
    if not required and not file.exists():
        return {}
    try:
        content = json.loads(_bytes(file, _MAX_CONFIG_BYTES))
    except (ValueError, RecursionError):
        raise ModelError(f"The model's {file.name} is damaged: copy or download the folder again.") from None
    if not isinstance(content, dict):
        raise ModelError(f"The model's {file.name} is damaged: copy or download the folder again.")
    return content
