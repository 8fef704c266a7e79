"""A model folder that was measured on generators and cameras that it has never seen, whatever the bundled one was."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detector.fusion import MAX
from detector.model_folder import (
    Counts,
    DataRoles,
    Figure,
    Generator,
    GeneratorFigures,
    GroupFigures,
    HeldOutSet,
    Measured,
    MeasuredSet,
    ModelFolder,
    store,
)

SD3, GEMINI, SWAP = Generator("Stable Diffusion 3", 2024), Generator("Gemini 3 Pro Image", 2025), Generator("inswapper")


def figure(value: float, n: int = 200) -> Figure:
    return Figure(value, max(0.0, value - 0.04), min(1.0, value + 0.04), n)


def _forged(no_signs: float, likely_fake: float) -> Measured:
    figures = {"fake_no_signs": figure(no_signs), "fake_likely_fake": figure(likely_fake), "auc": figure(0.7)}
    return Measured(n=200, judged=198, fake=198, real=0, abstention_rate=figure(0.5), **figures)


_REAL = Measured(
    n=400, judged=399, fake=0, real=399, real_no_signs=figure(0.42), real_likely_fake=figure(0.003),
    false_positive_rate=figure(0.06), abstention_rate=figure(0.57),
)  # fmt: skip
_GROUPS = tuple(
    GroupFigures("era", era, 200, figure(0.05), figure(0.004), figure(0.6)) for era in ("before 1950", "since 1950")
)
UNSEEN = (
    MeasuredSet("two-generators", "validation", "unseen", {"clean": _forged(0.2, 0.04)}, (SD3, GEMINI), (
        GeneratorFigures(SD3, {"clean": _forged(0.26, 0.03)}), GeneratorFigures(GEMINI, {"clean": _forged(0.14, 0.05)}),
    )),
    MeasuredSet("swaps", "validation", "unseen", {"clean": _forged(0.1, 0.2)}, (SWAP,)),
    MeasuredSet("congress", "validation", "unseen", {"clean": _REAL}, groups=_GROUPS),
)  # fmt: skip


def measured_on_unseen(folder: ModelFolder) -> ModelFolder:
    """`folder` with metrics of UNSEEN, and the seen sets that it had. Of 100 forgeries by each generator, 26, 14 and 10
    get no_signs, set by set 15."""
    assert folder.metrics is not None
    config = dataclasses.replace(
        folder.config,
        data=DataRoles(
            folder.config.data.train,
            {one.name: HeldOutSet(Counts(one.clean.fake, one.clean.real), one.generators) for one in UNSEEN},
        ),
    )
    metrics = dataclasses.replace(folder.metrics, sets=(*UNSEEN, *folder.metrics.seen), digest=config.digest)
    return dataclasses.replace(folder, config=config, read_metrics=lambda: metrics)


def write(folder: Path, networks: Sequence[dict[str, Any]] = ()) -> Path:
    """The bundled model in `folder`, measured on UNSEEN; a score below 90 is no_signs, so that a photograph gets it.
    With `networks` its first network alone, as often as these name what is other than in the bundled model."""
    model = measured_on_unseen(store.load())
    calibration = dataclasses.replace(
        model.calibration, no_signs_below=0.9, likely_fake_from=0.95, leans_fake_from=None
    )
    first = model.config.networks[0]
    own = tuple(dataclasses.replace(first, **changes) for changes in networks) or model.config.networks
    config = dataclasses.replace(model.config, calibration=calibration, networks=own)
    return _write(folder, dataclasses.replace(model, config=config))


def without_transformer(folder: Path) -> Path:
    """The bundled model in `folder` without its transformer, which takes a second for a face in a browser."""
    model = store.load()
    own = tuple(network for network in model.config.networks if network.fusion != MAX)
    assert 0 < len(own) < len(model.config.networks)
    return _write(folder, dataclasses.replace(model, config=dataclasses.replace(model.config, networks=own)))


def _write(folder: Path, model: ModelFolder) -> Path:
    assert model.metrics is not None
    folder.mkdir(parents=True, exist_ok=True)
    for network in model.networks:
        (folder / network.config.file).write_bytes(network.model)
    (folder / store.CONFIG).write_text(json.dumps(model.config.to_dict()))
    metrics = dataclasses.replace(model.metrics, digest=model.config.digest)
    (folder / store.METRICS).write_text(json.dumps(metrics.to_dict()))
    return folder
