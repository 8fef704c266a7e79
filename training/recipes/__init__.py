"""Recipes: the whole training of a model, from its first weights to its folder, in one file that one command repeats.

A recipe is TOML: `unseen` are the sources without a picture in training, which choose checkpoints and thresholds; a
table `fit.NAME` for each run, in their order, holds options of FitOptions; `weights`, `fusion` and `wise_ft_alpha` are
those of export. Folders of data begin with DATA/, and what an earlier run has left with RUNS/NAME/: the runs that no
other goes on from are the model's networks, at most three. A run may also go on from a network of a model folder there,
which another recipe has made.
"""

import dataclasses
import logging
import tomllib
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.options import ExportOptions, FitOptions

log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent
_COMMAND = "python -m training recipe "


def names() -> list[str]:
    """Of the recipes that come with the project."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def follow(recipe: str, data: Path, runs: Path, out: Path, *, cache: Path | None = None) -> Path:
    """Make every run of the recipe, a name or a file, in a folder of its own below `runs`, and export the networks to
    `out`, which is returned. A run that was begun is continued, a finished one is taken as it is.

    Raises TrainingError for a recipe that cannot be followed; otherwise as `fit` and `export` do.
    """
    from training.checkpoint import is_finished
    from training.export import export
    from training.fit import fit

    file = _FOLDER / f"{recipe}.toml" if recipe in names() else Path(recipe)
    content = _read(file)
    unseen = _placed(content["unseen"], data, runs)
    for name, table in content["fit"].items():
        if is_finished(runs / name):
            log.info("%s is trained", name)
            continue
        log.info("training %s", name)
        options = FitOptions(**{key: _placed(value, data, runs) for key, value in table.items()}, unseen=unseen)
        fit(options, runs / name, resume=True, cache=cache)
    named = recipe if recipe in names() else file.name
    first, *others = (runs / name for name in _networks(content["fit"]))
    return export(
        first,
        out,
        ExportOptions(
            tuple(content.get("weights", ())),
            tuple(content.get("fusion", ())),
            unseen,
            wise_ft_alpha=content.get("wise_ft_alpha", 1.0),
        ),
        beside=others,
        cache=cache,
        recipe=f"{_COMMAND}{named} --data DATA --runs RUNS --out MODEL_FOLDER",
    )


def is_recipe(command: str) -> bool:
    """Whether a line of config.json's commands is that of a recipe."""
    return command.startswith(_COMMAND)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise TrainingError(f"There is no recipe {file.name}: give a file, or one of {', '.join(names())}.")
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file.name} is not TOML: {error}.") from None
    tables = content.get("fit", {})
    if (
        not isinstance(tables, dict)
        or not isinstance(content.get("unseen"), list)
        or not 1 <= len(_networks(tables)) <= 3
    ):
        raise TrainingError(f"{file.name} needs a list `unseen`, and a table `fit.NAME` for one to three networks.")
    options = {field.name for field in dataclasses.fields(FitOptions)} - {"unseen"}
    unknown = {*content} - {"unseen", "fit", "weights", "fusion", "wise_ft_alpha"} | {
        key for table in tables.values() for key in table
    } - options
    if unknown:
        raise TrainingError(f"{file.name} has an option that is not known, {min(unknown)}: see fit --help.")
    return content


def _networks(tables: dict[str, Any]) -> list[str]:
    """The runs whose weights no other run goes on from."""
    begun_from = {str(table.get("weights", "")).removeprefix("RUNS/").partition("/")[0] for table in tables.values()}
    return [name for name in tables if name not in begun_from]


def _placed(value: Any, data: Path, runs: Path) -> Any:
    if isinstance(value, list):
        return tuple(_placed(part, data, runs) for part in value)
    if isinstance(value, str):
        for prefix, folder in (("DATA/", data), ("RUNS/", runs)):
            if value.startswith(prefix):
                return str(folder / value.removeprefix(prefix))
    return value
