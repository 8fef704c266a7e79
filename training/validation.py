"""How well a network tells the faces of the validation splits apart, while it trains."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from training.data.crops import serving_crops
from training.data.splits import RunData
from training.distributed import Workers
from training.evaluation.metrics import auc_against_pooled, mean_by_precision
from training.options import FitOptions


@dataclass(frozen=True)
class ValidationSet:
    """`targets` float32 (N,) of all its faces, and the `crops` uint8 (n, S, S, 3) that this worker judges."""

    name: str
    unseen: bool
    targets: np.ndarray
    crops: np.ndarray


def cut(data: RunData, options: FitOptions, workers: Workers) -> list[ValidationSet]:
    """The sets that have a face, cut once for the whole run."""
    return [
        ValidationSet(
            split.name,
            unseen,
            split.targets,
            serving_crops(split.part(workers.rank, workers.world_size), options.size, options.margin)[0],
        )
        for unseen, splits in ((False, data.validation), (True, data.unseen))
        for split in splits
        if len(split)
    ]


def validate(model: keras.Model, sets: list[ValidationSet], batch_size: int, workers: Workers) -> dict[str, Any]:
    """`auc` and `accuracy` by set, `unseen_auc` of each unseen set's fakes against the real faces of all of them, and
    `mean_auc`, which chooses the checkpoint: of the unseen sets, where there are any."""
    row: dict[str, Any] = {"auc": {}, "accuracy": {}}
    faces, unseen = {}, {}
    for each in sets:
        logits, targets = workers.predict(model, each.crops, len(each.targets), batch_size), each.targets
        if each.unseen:
            unseen[each.name] = (logits, targets)
            continue
        faces[each.name] = len(targets)
        row["accuracy"][each.name] = float(((logits > 0) == (targets > 0.5)).mean())
        if 0 < targets.sum() < len(targets):
            row["auc"][each.name] = float(roc_auc_score(targets, logits))
    row["unseen_auc"] = auc_against_pooled(unseen)
    row["mean_auc"] = (
        float(np.mean(list(row["unseen_auc"].values())))
        if row["unseen_auc"]
        else mean_by_precision(row["auc"] or row["accuracy"], faces)
    )
    return row
