"""Where a model folder comes from: a path, the Hub, or the one that is bundled. Checked before anything is run."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from detector.errors import ModelError
from detector.model_folder import hub
from detector.model_folder.config import ModelConfig, NetworkConfig
from detector.model_folder.metrics import Metrics
from detector.model_folder.schema import CARD, CONFIG, FORMAT_VERSION, KERAS, METRICS, MODEL
from detector.model_folder.scores import PACKED, SCORES, curves_of
from detector.result import ModelInfo, ModelSource
from detector.shares import Curves
from detector.text import excerpt
from detector.verdict import Calibration

__all__ = [
    "BUNDLED",
    "CARD",
    "CONFIG",
    "FORMAT_VERSION",
    "KERAS",
    "METRICS",
    "MODEL",
    "ONNX",
    "SCORES",
    "ModelFolder",
    "Network",
    "load",
]

BUNDLED = Path(__file__).parent.parent / "bundled"
ONNX = "model*.onnx"  # there where export was asked for it; nothing is served from it
_MAX_CONFIG_BYTES = 1_000_000
_MAX_MODEL_BYTES = 500_000_000  # the largest network of training.architectures takes 468_000_000


@dataclass(frozen=True)
class Network:
    """One network of a model folder: the bytes of its .tflite file, and how it is used."""

    model: bytes = field(repr=False)
    config: NetworkConfig


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that passed its checks. `read_metrics` gives what metrics.json holds, None where there is none."""

    info: ModelInfo
    networks: tuple[Network, ...]
    config: ModelConfig = field(repr=False)
    read_metrics: Callable[[], Metrics | None] = field(repr=False, compare=False)

    @cached_property
    def metrics(self) -> Metrics | None:
        """What was measured of it, None where nothing was."""
        return self.read_metrics()

    @property
    def curves(self) -> Curves | None:
        """How rare each score is, None where that is not known."""
        return self.metrics.curves if self.metrics else None

    @property
    def calibration(self) -> Calibration:
        return self.config.calibration


def load(
    model: str | Path | None = None, revision: str | None = None, *, refresh: bool = False, note: str | None = None
) -> ModelFolder:
    """The model folder at the path `model`, that of the Hub's `owner/name` or `owner/name@revision`, or for None the
    bundled one, with `note`. A folder of that name goes before the Hub.

    `revision` is a branch, a tag or a commit, by default `main`. A commit that is in the cache is taken from there.
    Where the Hub cannot be reached, the revision that is in the cache is used, else the bundled model, and `info.note`
    says so. With `refresh` everything is downloaded again and nothing stands in.

    Raises ModelError where a file is missing or damaged, a hash or the digest is not the one in config.json,
    metrics.json is of another model, the folder is of a newer format, or the Hub knows no such name or revision or
    gives no right to it.
    """
    if model is None:
        return _read(BUNDLED, ModelSource.BUNDLED, note=note)
    named = hub.parse(model) if isinstance(model, str) and not _is_folder(Path(model)) else None
    if named is not None:
        return _from_hub(named[0], revision or named[1] or "main", refresh)
    if revision is not None or refresh:
        raise ModelError("Only a model on the Hub has revisions: name it owner/name, or leave the revision out.")
    path = Path(model)
    if not _is_folder(path):
        raise ModelError(f"There is no model folder called {path.name}: give the folder that holds {MODEL}.")
    return _read(path, ModelSource.FOLDER)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or a folder that may not be entered
        return False


def _from_hub(repo: str, revision: str, refresh: bool) -> ModelFolder:
    def usable(kept: hub.Snapshot | None, note: str | None = None) -> ModelFolder | None:
        try:
            return None if kept is None else _read(kept.folder, ModelSource.HUB, repo, kept.revision, note)
        except ModelError:  # damaged since
            return None

    names = (CONFIG, MODEL)
    if hub.is_commit(revision) and not refresh and (found := usable(hub.cached(repo, revision, names))):
        return found
    try:
        pulled = hub.pull(
            repo,
            revision,
            names,
            (METRICS, SCORES, PACKED),
            check=lambda folder: [network.file for network in ModelConfig.from_dict(_json(folder / CONFIG)).networks],
            limit=_MAX_MODEL_BYTES,
            refresh=refresh,
        )
    except hub.HubTrouble as trouble:
        why = f"{repo} could not be loaded from the Hub, because {trouble}"
        if refresh:
            raise ModelError(f"{why}: try again later.") from None
        kept = hub.cached(repo, revision, names)
        note = f"{why}: revision {kept.revision[:8]}, kept from before, is used." if kept else None
        return usable(kept, note) or load(note=f"{why}: the bundled model is used.")
    folder = _read(pulled.folder, ModelSource.HUB, repo, pulled.revision)
    hub.remember(pulled, revision)
    return folder


def _read(
    folder: Path, source: ModelSource, repo: str | None = None, revision: str | None = None, note: str | None = None
) -> ModelFolder:
    config = ModelConfig.from_dict(_json(folder / CONFIG))
    contents = {network.file: _bytes(folder / network.file, _MAX_MODEL_BYTES) for network in config.networks}
    for network in config.networks:
        if hashlib.sha256(contents[network.file]).hexdigest() != network.sha256:
            raise ModelError(
                f"{network.file} does not match its checksum in {CONFIG}: copy or download the folder again."
            )
    info = ModelInfo(source, repo, revision, config.digest, excerpt(config.architecture, 100), note)
    networks = tuple(Network(contents[network.file], network) for network in config.networks)
    read = ModelFolder(info, networks, config, partial(_metrics, folder, config))
    if source is not ModelSource.BUNDLED:  # whose metrics are known to be sound, and take a tenth of the start
        read.metrics  # noqa: B018 – raises
    return read


def _metrics(folder: Path, config: ModelConfig) -> Metrics | None:
    if not (folder / METRICS).exists():
        return None
    metrics = Metrics.from_dict(_json(folder / METRICS)).of(config)
    return metrics if metrics.curves else replace(metrics, curves=curves_of(folder, metrics))


def _bytes(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(min(limit, os.fstat(stream.fileno()).st_size) + 1)
    except FileNotFoundError:
        raise ModelError(f"The model folder has no {file.name}: copy or download the whole folder.") from None
    except OSError:
        raise ModelError(f"The model's {file.name} could not be read: check that you may open it.") from None
    if len(content) > limit:
        raise ModelError(f"The model's {file.name} is larger than any model should be: it was not loaded.")
    return content


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes(file, _MAX_CONFIG_BYTES))
    except (ValueError, RecursionError):
        raise ModelError(f"The model's {file.name} is damaged: copy or download the folder again.") from None
    if not isinstance(content, dict):
        raise ModelError(f"The model's {file.name} is damaged: copy or download the folder again.")
    return content
