"""Folders of format version 1 in the words of version 2, as plain dictionaries that are then checked."""

from collections.abc import Mapping
from typing import Any

_CONDITIONS = {"clean": "clean", "web": "half_size_jpeg", "hard": "quarter_size_jpeg", "as_given": "no_crop"}
_FIGURES = {
    "false_accusations": "false_positive_rate",
    "missed_fakes": "false_negative_rate",
    "called_likely_fake_though_real": "real_likely_fake",
    "called_likely_real_though_fake": "fake_no_signs",
    "uncertain": "abstention_rate",
    "error_when_decided": "selective_risk",
    "picture_false_accusations": "picture_false_positive_rate",
}
_SAME = ("auc", "accuracy", "precision_fake", "recall_fake", "precision_real", "recall_real", "ece", "picture_auc")
_OF_REAL = ("recall_real", "false_positive_rate", "real_likely_fake", "picture_false_positive_rate")
_OF_FAKE = ("recall_fake", "false_negative_rate", "fake_no_signs")
_SPLITS = {"validation": "validation", "test": "test", "held-out part of train": "held_out"}


def config(content: Mapping[str, Any]) -> dict[str, Any]:
    """config.json: one network with weight 1, bands as thresholds, all data as train. Raises KeyError, TypeError,
    ValueError or AttributeError for what is missing or of another kind."""
    bands = content["bands"]
    network = {
        "file": "model.tflite",
        "sha256": str(content["sha256"]),
        "keras": "model.keras",
        "input_size": content["input_size"],
        "crop_margin": content["crop_margin"],
        "weight": 1.0,
    }
    kept = ("offset", "options", "commands", "litert_against_keras", "versions", "seed", "date", "git_commit")
    return {
        "format_version": 1,
        "architecture": content["architecture"],
        "networks": [network],
        "temperature": content["temperature"],
        "thresholds": {"no_signs_below": bands["real_below"], "likely_fake_from": bands["fake_above"]},
        "face_detector": content.get("face_finder", ""),
        "data": {"train": {name: dict(splits) for name, splits in content.get("data", {}).items()}},
        **{name: content[name] for name in kept if name in content},
    }


def metrics(content: Mapping[str, Any]) -> dict[str, Any]:
    """metrics.json: all sets were seen, since version 1 knew no other. Raises as `config` does."""
    curves = content.get("curves") or {}
    kept = ("command", "date", "git_commit", "model_sha256", "versions")
    robustness, ablations = content.get("robustness"), content.get("ablations") or []
    result = {
        "format_version": 1,
        "sets": [_set(title, conditions, curves.get(title)) for title, conditions in content.get("sets", {}).items()],
        "ablations": [{**run, "sets": {n: _conditions(c) for n, c in run["sets"].items()}} for run in ablations],
        **{name: content[name] for name in kept if name in content},
    }
    if robustness:
        corruptions = {
            name: [{"severity": row["severity"], **_measured(row, keep=("judged",))} for row in rows]
            for name, rows in robustness["corruptions"].items()
        }
        result["robustness"] = {**robustness, "corruptions": corruptions}
    return result


def _set(title: str, conditions: Mapping[str, Any], curve: Mapping[str, Any] | None) -> dict[str, Any]:
    name, _, split = title.partition(" ")
    result = {"name": name, "split": _SPLITS[split], "role": "seen", "conditions": _conditions(conditions)}
    if curve:
        roc = curve["roc"]
        rates = {"false_positive_rate": roc["false_accusations"], "true_positive_rate": roc["found_fakes"]}
        result |= {"roc": rates, "reliability": curve["reliability"]}
    return result


def _conditions(conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {_CONDITIONS[name]: _measured(found) for name, found in conditions.items()}


def _measured(
    found: Mapping[str, Any], keep: tuple[str, ...] = ("n", "judged", "fake", "real", "no_face", "confusion")
) -> dict[str, Any]:
    """Figures by their new names, each with the number of faces that it was taken over."""
    fake, real = found.get("fake", 0), found.get("real", 0)
    counts = {"n": fake + real, "judged": fake + real, "fake": fake, "real": real}
    result = {name: found.get(name, counts.get(name)) for name in keep if name in found or name in counts}
    for old, new in (*_FIGURES.items(), *((name, name) for name in _SAME)):
        if old in found:
            judged = found.get("judged", fake + real)
            n = (real if new in _OF_REAL else fake if new in _OF_FAKE else judged) or judged
            result[new] = {**found[old], "n": n}
    return result
