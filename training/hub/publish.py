"""A model folder -> a model on the Hub, that Detector.load() takes by its name."""

import json
import logging
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError

from detector.errors import ModelError
from detector.model_folder import Metrics, ModelConfig, store
from training.data.sources import Source
from training.errors import TrainingError
from training.evaluation import card as card_of
from training.hub import push, retries

log = logging.getLogger(__name__)

_FILES = (store.CONFIG, store.MODEL, store.KERAS, store.METRICS, store.CARD)
_PLOTS = "plots/"
_OPTIONAL = ("scores.csv*", store.ONNX)
_FIGURES = ("auc", "accuracy")  # what two models are compared by: the first that both have
_METADATA = ("license", "library_name", "pipeline_tag")  # what the card must tell the Hub


def publish(
    folder: Path,
    repo: str,
    *,
    private: bool = False,
    tag: str | None = None,
    pull_request: bool = False,
    allow_worse: bool = False,
) -> str:
    """Push the model, its card, metrics, plots and ONNX files as one commit, then the tag. Returns the commit,
    which is the published one where nothing has changed.

    A model that is worse than the published one, by the interval of a figure of a set that both were measured on, needs
    `allow_worse`. Where anything is wrong, nothing is pushed. Raises TrainingError, ModelError.
    """
    if tag and pull_request:
        raise TrainingError("A pull request has nothing to tag yet: leave --tag or --pr out.")
    files = _checked(folder)
    with retries.time_for(sum(map(len, files.values()))):
        return _publish(files, repo, private, tag, pull_request, allow_worse)


def _publish(
    files: dict[str, bytes], repo: str, private: bool, tag: str | None, pull_request: bool, allow_worse: bool
) -> str:
    config = ModelConfig.from_dict(json.loads(files[store.CONFIG]))
    _check_card(files[store.CARD].decode(), config)
    target = push.find_or_create(repo, push.MODEL, private=private)
    tags = _tags(repo) if tag else {}
    worse = _worse(_published_metrics(target), Metrics.from_dict(json.loads(files[store.METRICS])))
    if worse and not allow_worse:
        raise TrainingError(f"{repo} has a better model ({'; '.join(worse)}): keep it, or publish with --allow-worse.")
    optional = (p for p in target.listed if p.startswith(_PLOTS) or any(fnmatch(p, name) for name in _OPTIONAL))
    gone = [path for path in optional if path not in files]
    if tag in tags and (tags[tag] != target.commit or any(not push.holds(target, *item) for item in files.items())):
        raise TrainingError(f"{repo} has a tag {tag} already: choose another.")
    sizes = " and ".join(dict.fromkeys(f"{network.input_size}" for network in config.networks))
    message = f"{config.architecture}, {sizes} pixels{f', {tag}' if tag else ''}"
    made = push.commit(target, files, gone, message, pull_request=pull_request)
    revision, address = made or (target.commit, None)
    log.info("%s@%s%s", repo, revision, f": {address}" if address else "" if made else " is this model already")
    if tag and tag not in tags:
        _tag(repo, tag, revision)
    return revision


def _checked(folder: Path) -> dict[str, bytes]:
    """The files of a model folder that is whole, measured and described."""
    model = store.load(Path(folder))
    for name in (store.KERAS, store.METRICS, store.CARD):
        if not (folder / name).is_file():
            raise TrainingError(f"The model folder has no {name}: export it again, or run python -m training evaluate.")
    for measured in model.metrics.sets if model.metrics else ():
        if measured.split == "test" and Source.parse(measured.name).merged_from:
            raise TrainingError(
                f"metrics.json calls a part of {measured.name} a test, which has none: measure the model again."
            )
    names = dict.fromkeys([*_FILES, *(name for n in model.config.networks for name in (n.file, n.keras) if name)])
    optional = [path for name in (*_OPTIONAL, f"{_PLOTS}*.png") for path in sorted(folder.glob(name))]
    return push.read(folder, [*(folder / name for name in names), *optional])


def _check_card(text: str, config: ModelConfig) -> None:
    push.validate_card(text, push.MODEL)
    card = ModelCard(text)
    wanted = (*_METADATA, *(("datasets",) if card_of.datasets(config) else ()))
    missing = [name for name in wanted if not card.data.get(name)]
    if missing:
        raise TrainingError(f"README.md does not say its {' and '.join(missing)}: run python -m training evaluate.")


def _published_metrics(target: push.Target) -> Metrics | None:
    if store.METRICS not in target.listed:
        return None
    path = retries.asked(
        lambda: HfApi().hf_hub_download(target.repo, store.METRICS, revision=target.commit), target.repo
    )
    try:
        return Metrics.from_dict(json.loads(Path(path).read_text("utf-8")))
    except (ValueError, ModelError, AttributeError):
        log.warning("The metrics.json of %s cannot be read: nothing was compared with it", target.repo)
        return None


def _worse(old: Metrics | None, new: Metrics) -> list[str]:
    """Where the interval of a new figure lies wholly below that of the old one, in words: on the unseen sets and the
    test pictures that both know, else on any that both know."""
    if old is None or not old.sets:
        return []
    now = {(measured.role, measured.title): measured for measured in new.sets}
    shared = [measured for measured in old.sets if (measured.role, measured.title) in now]
    telling = [measured for measured in shared if measured.role == "unseen" or measured.split == "test"]
    found = []
    for measured in telling or shared:
        before, after = measured.clean.figures, now[measured.role, measured.title].clean.figures
        figure = next((name for name in _FIGURES if name in before and name in after), None)
        if figure and after[figure].high < before[figure].low:
            was, is_now = before[figure], after[figure]
            found.append(
                f"{figure} on {measured.title} {was.value:.3f} [{was.low:.3f}, {was.high:.3f}] against "
                f"{is_now.value:.3f} [{is_now.low:.3f}, {is_now.high:.3f}]"
            )
    if not shared:
        log.warning("No data set is in both metrics.json: which model is better was not compared")
    return found


def _tags(repo: str) -> dict[str, str]:
    refs = retries.asked(lambda: HfApi().list_repo_refs(repo), repo)
    return {reference.name: reference.target_commit for reference in refs.tags}


def _tag(repo: str, tag: str, revision: str) -> None:
    def call() -> None:
        try:
            HfApi().create_tag(repo, tag=tag, revision=revision)
        except HfHubHTTPError as error:
            # 409 where the answer to an earlier attempt was lost.
            if error.response.status_code != 409 or _tags(repo).get(tag) != revision:
                raise

    try:
        retries.asked(call, repo)
    except (TrainingError, ModelError):
        raise TrainingError(
            f"The model was published as {repo}@{revision[:8]}, but the tag {tag} was not set: run the command again."
        ) from None
