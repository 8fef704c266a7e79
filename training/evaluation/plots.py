"""metrics.json -> pictures of its curves."""

from pathlib import Path
from typing import Any

import matplotlib

from training.files import whole

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend must be chosen first)

_SIZE = (6.4, 4.8)


def draw(metrics: dict[str, Any], folder: Path) -> None:
    """Write roc.png, reliability.png and, where it was measured, robustness.png."""
    folder.mkdir(parents=True, exist_ok=True)
    _roc(metrics["curves"], folder / "roc.png")
    _reliability(metrics["curves"], folder / "reliability.png")
    if metrics.get("robustness"):
        _robustness(metrics["robustness"], folder / "robustness.png")


def _roc(curves: dict[str, Any], file: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
    for name, curve in curves.items():
        axes.plot(curve["roc"]["false_accusations"], curve["roc"]["found_fakes"], label=name)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="real faces called fake", ylabel="fakes found", title="Receiver operating characteristic")
    if curves:
        axes.legend(loc="lower right", fontsize=8)
    _save(figure, file)


def _reliability(curves: dict[str, Any], file: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    for name, curve in curves.items():
        rows = [row for row in curve["reliability"] if row["n"] >= 5]
        axes.plot([row["mean_p"] for row in rows], [row["fakes"] for row in rows], marker="o", markersize=3, label=name)
    axes.set(xlabel="P(fake) that was said", ylabel="share that was fake", title="Reliability")
    if curves:
        axes.legend(loc="upper left", fontsize=8)
    _save(figure, file)


def _robustness(robustness: dict[str, Any], file: Path) -> None:
    table = robustness["corruptions"]
    severities = [row["severity"] for row in next(iter(table.values()))]
    values = [[row.get("auc", {}).get("value", float("nan")) for row in rows] for rows in table.values()]
    figure, axes = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
    image = axes.imshow(values, vmin=0.5, vmax=1.0, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(severities)), severities)
    axes.set_yticks(range(len(table)), list(table))
    axes.set(xlabel="severity", title=f"AUC under corruption, {robustness['set']}")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", fontsize=8, color="w" if value < 0.85 else "k")
    figure.colorbar(image)
    _save(figure, file)


def _save(figure: plt.Figure, file: Path) -> None:
    with whole(file) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)
