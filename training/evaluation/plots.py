"""metrics.json -> pictures of its curves."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from detector.model_folder import MeasuredSet, Metrics, ReencodingLadder, Robustness
from training.evaluation import card
from training.files import atomic_path

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend must be chosen first)

_SIZE = (6.4, 4.8)


def draw(metrics: Metrics, folder: Path) -> None:
    """Write roc.png, reliability.png and, where they were measured, robustness.png and reencoding.png."""
    folder.mkdir(parents=True, exist_ok=True)
    _roc(metrics.sets, folder / "roc.png")
    _reliability(metrics.sets, folder / "reliability.png")
    if metrics.robustness:
        _robustness(metrics.robustness, folder / "robustness.png")
    if metrics.reencoding:
        _reencoding(metrics.reencoding, folder / "reencoding.png")


def _roc(sets: Sequence[MeasuredSet], file: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
    for measured in sets:
        if measured.roc:
            roc = measured.roc
            axes.plot(roc.false_positive_rate, roc.true_positive_rate, _LINES[measured.role], label=_label(measured))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="Receiver operating characteristic")
    if any(measured.roc for measured in sets):
        axes.legend(loc="lower right", fontsize=8)
    _save(figure, file)


def _reliability(sets: Sequence[MeasuredSet], file: Path) -> None:
    figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    for measured in sets:
        rows = [row for row in measured.reliability if row.n >= 5]
        if rows:
            x, y = [row.mean_p for row in rows], [row.fakes for row in rows]
            axes.plot(x, y, _LINES[measured.role], marker="o", markersize=3, label=_label(measured))
    axes.set(xlabel="score that was given", ylabel="share that was fake", title="Reliability")
    if any(measured.reliability for measured in sets):
        axes.legend(loc="upper left", fontsize=8)
    _save(figure, file)


_LINES = {"unseen": "-", "seen": "--"}


def _label(measured: MeasuredSet) -> str:
    return f"{measured.title} ({measured.role})"


def _robustness(robustness: Robustness, file: Path) -> None:
    table = robustness.corruptions
    severities = [row.severity for row in next(iter(table.values()))]
    values = [[row.auc.value if row.auc else float("nan") for row in rows] for rows in table.values()]
    figure, axes = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
    image = axes.imshow(values, vmin=0.5, vmax=1.0, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(severities)), severities)
    axes.set_yticks(range(len(table)), list(table))
    axes.set(xlabel="severity", title=f"AUC under corruption, {robustness.set}")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", fontsize=8, color="w" if value < 0.85 else "k")
    figure.colorbar(image)
    _save(figure, file)


def _reencoding(measured: ReencodingLadder, file: Path) -> None:
    figure, places = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    for axes, (title, name) in zip(places, card.REENCODING_FIGURES.items(), strict=True):
        for ladder, rounds in measured.ladders.items():
            found = [(row.round, getattr(row.measured, name)) for row in rounds]
            axes.plot(
                [x for x, y in found if y], [y.value for _, y in found if y], marker="o", markersize=3, label=ladder
            )
        axes.set(xlabel="rounds", title=title, ylim=(0.5 if name == "auc" else 0, 1))
    places[0].legend(loc="lower left", fontsize=8)
    _save(figure, file)


def _save(figure: plt.Figure, file: Path) -> None:
    with atomic_path(file) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)
