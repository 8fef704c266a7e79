"""Files -> a repository on the Hub: in one commit or not at all, with the attempts that the client does not make."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from detector import hub
from detector.errors import ModelError
from training.errors import TrainingError

T = TypeVar("T")

MODEL, SPACE = "model", "space"

WITHIN = 30.0  # seconds for a push, and what its bytes take on
SLOWEST = 250_000  # bytes a second
_end: ContextVar[float] = ContextVar("end", default=math.inf)


@dataclass(frozen=True)
class Target:
    """A repository as it was found: `commit` is the head of its main branch, `listed` its files with their hashes."""

    repo: str
    kind: str
    private: bool
    commit: str
    listed: dict[str, Any]


def asked(call: Callable[[], T], repo: str, *, again: bool = True) -> T:
    """What a call of the client returns, tried again while the trouble may pass, unless `again` is False. Raises
    TrainingError or ModelError with the sentence for a person."""

    def attempt() -> T:
        try:
            return call()
        except (TrainingError, ModelError):
            raise
        except Exception as error:
            # An upload that failed comes wrapped.
            inner = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
            raise hub.explain(inner, repo) from error

    left = _end.get() - time.monotonic()
    try:
        if left == math.inf:
            return hub.retried(attempt) if again else attempt()
        if left > 0:
            return hub.within(left, lambda stop: hub.retried(attempt, stop) if again else attempt())
    except hub.Late:
        pass
    except hub.HubTrouble as trouble:
        raise TrainingError(f"The Hub did not finish with {repo}, because {trouble}: run the command again.") from None
    raise TrainingError(f"The Hub did not finish with {repo} in time: look at the connection, and try again.")


@contextmanager
def time_for(files: Mapping[str, bytes]) -> Iterator[None]:
    """All that is asked of the Hub inside has, together, the time that a slow line takes for the files."""
    before = _end.set(time.monotonic() + WITHIN + sum(map(len, files.values())) / SLOWEST)
    try:
        yield
    finally:
        _end.reset(before)


def find_or_create(repo: str, kind: str, *, private: bool) -> Target:
    """The repository, made where there is none. Raises TrainingError, ModelError."""
    if hub.parse(repo) != (repo, None):
        raise TrainingError(f"{repo} is no name that the Hub can have: write owner/name.")
    if not get_token():
        raise TrainingError("The Hub must know who publishes: set HF_TOKEN to a token that may write.")
    try:
        target = find(repo, kind)
    except _Missing:
        asked(
            lambda: HfApi().create_repo(
                repo, repo_type=kind, private=private, exist_ok=True, space_sdk="gradio" if kind == SPACE else None
            ),
            repo,
        )
        target = find(repo, kind)
    if private and not target.private:
        raise TrainingError(f"{repo} is public already: make it private on its page first, or leave --private out.")
    return target


class _Missing(TrainingError):
    """There is no such repository yet."""


def find(repo: str, kind: str) -> Target:
    """The repository as it is now."""

    def call() -> Any:
        try:
            return HfApi().repo_info(repo, repo_type=kind, files_metadata=True, timeout=30)
        except RepositoryNotFoundError:
            raise _Missing(f"The Hub has no {repo}: publish it first.") from None

    info = asked(call, repo)
    return Target(repo, kind, bool(info.private), info.sha, {sibling.rfilename: sibling for sibling in info.siblings})


def commit(
    target: Target, files: Mapping[str, bytes], gone: list[str], message: str, *, pull_request: bool = False
) -> tuple[str, str | None] | None:
    """(the commit, the address of the pull request or None) that leaves `files` in the repository and those of `gone`
    out of it; None where nothing changes. Raises TrainingError where somebody else has committed since `target` was
    found: then nothing is changed."""
    changed = {path: content for path, content in files.items() if not holds(target, path, content)}
    if not changed and not gone:
        return None

    added = [CommitOperationAdd(path, content) for path, content in changed.items()]
    operations = [*added, *(CommitOperationDelete(path) for path in gone)]
    # By itself: an upload that comes too late is followed by no commit.
    asked(
        lambda: HfApi().preupload_lfs_files(
            target.repo, added, repo_type=target.kind, create_pr=pull_request, free_memory=False
        ),
        target.repo,
    )

    def call() -> tuple[str, str | None]:
        try:
            made = HfApi().create_commit(
                target.repo,
                operations,
                repo_type=target.kind,
                commit_message=message,
                parent_commit=target.commit,
                create_pr=pull_request,
            )
            return made.oid, made.pr_url
        except HfHubHTTPError as error:
            if error.response.status_code != 412:
                raise
            # The answer to an earlier attempt may have been lost on the way: then what is there is ours.
            now = find(target.repo, target.kind)
            if gone_or_other := [path for path, content in files.items() if not holds(now, path, content)] + [
                path for path in gone if path in now.listed
            ]:
                raise TrainingError(
                    f"Somebody else has committed to {target.repo} in the meantime, and nothing of yours was: look at "
                    f"their {gone_or_other[0]} and publish again."
                ) from None
            return now.commit, None

    # A second attempt at a pull request could open a second one.
    return asked(call, target.repo, again=not pull_request)


def validate_card(text: str, kind: str) -> None:
    """Ask the Hub whether it accepts the metadata of a README.md. Raises TrainingError with what it finds wrong."""

    def call() -> None:
        try:
            RepoCard(text, ignore_metadata_errors=False).validate(repo_type=kind)
        except HfHubHTTPError:
            raise
        except ValueError as error:
            why = " ".join(str(error).split())[:300].rstrip(".")
            raise TrainingError(f"The Hub does not accept the metadata of README.md ({why}): correct it.") from None

    asked(call, "README.md")


def holds(target: Target, path: str, content: bytes) -> bool:
    """Whether the repository has this file as it is."""
    return path in target.listed and hub.is_as_listed(content, target.listed[path])


def read(folder: Path, paths: list[Path]) -> dict[str, bytes]:
    """The files by their path below `folder`, as the Hub writes it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
