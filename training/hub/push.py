"""Files -> a repository on the Hub: in one commit or not at all, with the attempts that the client does not make.

By create_commit, since upload_folder takes files on disk only, and some of ours are made in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from detector.model_folder import hub
from training.errors import TrainingError
from training.hub.retries import asked

MODEL, SPACE = "model", "space"


@dataclass(frozen=True)
class Target:
    """A repository as it was found: `commit` is the head of its main branch, `listed` its files with their hashes."""

    repo: str
    kind: str
    private: bool
    commit: str
    listed: dict[str, Any]


def check_name(repo: str) -> None:
    """Raises TrainingError for what no repository can be called."""
    if hub.parse(repo) != (repo, None):
        raise TrainingError(f"{repo} is not a valid name on the Hub: write owner/name.")


def find_or_create(repo: str, kind: str, *, private: bool, hardware: str | None = None, sdk: str = "gradio") -> Target:
    """The repository, made where there is none, a Space for `sdk` on `hardware`. Raises TrainingError, ModelError."""
    check_name(repo)
    if not get_token():
        raise TrainingError("The Hub must know who publishes: set HF_TOKEN to a token that may write.")
    try:
        target = find(repo, kind)
    except _Missing:
        asked(
            lambda: HfApi().create_repo(
                repo,
                repo_type=kind,
                private=private,
                exist_ok=True,
                space_sdk=sdk if kind == SPACE else None,
                space_hardware=hardware,  # type: ignore[arg-type]  # any name that the Hub knows
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
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *added,
        *(CommitOperationDelete(path) for path in gone),
    ]
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
