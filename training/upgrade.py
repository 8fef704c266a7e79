"""A model folder of an older format -> the newest: then its figures belong to its digest."""

from pathlib import Path

from detector.model_folder import store
from training.files import write_config, write_metrics


def upgrade(folder: Path) -> None:
    """Rewrite config.json and metrics.json. Raises ModelError for a folder that cannot be loaded."""
    model = store.load(folder)
    write_config(folder, model.config)
    if model.metrics is not None:
        write_metrics(folder, model.metrics)
