"""A data set on the Hub -> the copy that `datasets` makes of it in its cache: in bounded time, every byte checked.

File by file: snapshot_download would compare each file of a repository with each name that is wanted, and compares no
hash.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import datasets
from datasets.data_files import DataFilesDict, DataFilesList
from huggingface_hub import HfApi

from detector.model_folder import hub
from training.errors import TrainingError
from training.hub import retries

log = logging.getLogger(__name__)

_AT_ONCE = 8  # files


def prepared(name: str, revision: str | None) -> dict[str, datasets.Dataset]:
    """All splits of the data set `name` at `revision`, downloaded where the cache does not have them; what it has
    serves without the Hub. Raises TrainingError or ModelError with a sentence; then no file is kept that is not whole.
    """

    def find() -> datasets.DatasetBuilder:
        try:
            return datasets.load_dataset_builder(name, revision=revision)
        except (FileNotFoundError, ConnectionError):
            raise TrainingError(
                f"{name} is not a folder here, and the Hub does not have it: check the name and the connection."
            ) from None

    with retries.time_for(0):
        builder = retries.asked(find, name)
    remote = builder.config.data_files  # None where the Hub could not be asked
    if remote and not Path(builder.cache_dir).exists():
        here = _fetch(name, [url for urls in remote.values() for url in urls])
        # `datasets` asks for each file again, and waits for ever for a server that drips.
        builder.config.data_files = DataFilesDict(
            {split: DataFilesList([here[url] for url in urls], []) for split, urls in remote.items()}
        )
    builder.download_and_prepare()
    splits: dict[str, datasets.Dataset] = builder.as_dataset()
    return splits


def _fetch(name: str, urls: list[str]) -> dict[str, str]:
    """Where the client's cache now has each file that is named hf://datasets/NAME@COMMIT/PATH."""
    places = {url: url.removeprefix(f"hf://datasets/{name}@").split("/", 1) for url in urls}
    commit = places[urls[0]][0]
    with retries.time_for(0):
        info = retries.asked(lambda: HfApi().dataset_info(name, revision=commit, files_metadata=True, timeout=10), name)
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    size = sum(listed[path].size or 0 for _, path in places.values())
    log.info("%s: downloading %d files, %.0f MB", name, len(urls), size / 1e6)

    def fetch(path: str) -> str:
        file = Path(HfApi().hf_hub_download(name, path, revision=commit, repo_type="dataset"))
        if not hub.is_as_listed(file, listed[path]):
            hub.drop(file)
            raise hub.HubTrouble("other bytes arrived than the Hub lists")
        return str(file)

    def in_time(path: str) -> str:
        return retries.asked(lambda: fetch(path), name)

    with retries.time_for(size), ThreadPoolExecutor(_AT_ONCE) as pool:
        context = copy_context()  # has the time
        calls = {url: pool.submit(context.copy().run, in_time, path) for url, (_, path) in places.items()}
        try:
            return {url: call.result() for url, call in calls.items()}
        finally:
            pool.shutdown(cancel_futures=True)
