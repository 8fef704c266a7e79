"""The app -> a Space on the Hub: what it needs and nothing else, checked before, in one commit.

`python -m training publish-space` and, where nothing is installed but pre-requirements.txt, `python -m
training.hub.space publish-space`.
"""

import argparse
import logging
import re
import sys
import tomllib
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, RepoCard, hf_hub_url
from packaging.specifiers import SpecifierSet

from detector.errors import ModelError
from detector.model_folder import hub, store
from detector.options import Parser
from detector.result import ModelSource
from detector.text import start_log
from training.errors import TrainingError
from training.hub import push, retries

log = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent.parent
_CARD, _REQUIREMENTS, _THUMBNAIL = "README.md", "requirements.txt", "docs/detect-wide.png"
_LOCK = (
    "pre-requirements.txt"  # installed first, with hashes: by requirements.txt a Space installs names of its own, too
)
FILES = ("app.py", _CARD, _REQUIREMENTS, _LOCK, "LICENSE", "NOTICE", _THUMBNAIL)
_FOLDERS = ("detector", "ui")
_LEFT_OUT = (
    ".*",
    "__pycache__",
    "*.keras",
)  # the last are networks to train on from: serving needs the other files only


def publish_space(
    repo: str,
    *,
    model: str | None = None,
    revision: str | None = None,
    hardware: str | None = None,
    private: bool = False,
    root: Path = ROOT,
) -> str:
    """Push the app at `root`. With `model` (`owner/name` on the Hub) the Space serves that one at `revision` instead of
    the bundled one: its variables DETECTOR_MODEL and DETECTOR_REVISION are set. `hardware` is the Hub's name of what it
    runs on, for None that which it has, or the Hub's default. Returns the commit of the Space.

    Raises TrainingError where the front matter of README.md does not fit the app, and ModelError where the model cannot
    be loaded; nothing is pushed then.
    """
    push.check_name(repo)
    files = push.read(root, _needed(root))
    check(files, root)
    variables = {}
    if model is not None:
        info = store.load(model, revision).info
        if info.source is not ModelSource.HUB or info.note:
            raise TrainingError(info.note or f"{model} is a folder here: name a model that is on the Hub.")
        name, at = hub.parse(model) or (model, None)
        variables = {"DETECTOR_MODEL": name, "DETECTOR_REVISION": revision or at or "main"}
        model = name
    files[_CARD] = _card(files[_CARD].decode(), repo, model)
    with retries.time_for(sum(map(len, files.values()))):
        return _publish(files, repo, variables, hardware, private)


def _publish(files: dict[str, bytes], repo: str, variables: dict[str, str], hardware: str | None, private: bool) -> str:
    push.validate_card(files[_CARD].decode(), push.SPACE)
    target = push.find_or_create(repo, push.SPACE, private=private, hardware=hardware)
    api = HfApi()
    if hardware is not None:
        runtime = retries.asked(lambda: api.get_space_runtime(repo), repo)
        if hardware not in (runtime.hardware, runtime.requested_hardware):
            retries.asked(lambda: api.request_space_hardware(repo, hardware), repo)  # type: ignore[arg-type]
    known = retries.asked(lambda: api.get_space_variables(repo), repo) if variables else {}
    for key, value in variables.items():
        if key not in known or known[key].value != value:
            retries.asked(partial(api.add_space_variable, repo, key, value), repo)
    gone = [path for path in target.listed if path.startswith(tuple(f"{f}/" for f in _FOLDERS)) and path not in files]
    made = push.commit(target, files, gone, "The app")
    log.info("%s: %s", repo, f"{len(files)} files" if made else "nothing has changed")
    return made[0] if made else target.commit


def _needed(root: Path) -> list[Path]:
    found = [root / name for name in FILES]
    for path in found:
        if not path.is_file():
            raise TrainingError(f"The app has no {path.name}: publish it from its repository.")
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(fnmatch(part, pattern) for part in parts for pattern in _LEFT_OUT):
                found.append(path)
    return found


def check(files: dict[str, bytes], root: Path) -> None:
    """Whether the front matter of README.md fits the app that goes with it. Raises TrainingError."""
    front = _front_matter(files[_CARD].decode())
    pinned = re.search(r"^gradio(?:\[\w+\])?==([\w.]+)", files[_REQUIREMENTS].decode(), re.MULTILINE)
    if front.get("sdk") != "gradio" or front.get("app_file") not in files:
        raise TrainingError("README.md must say sdk: gradio, and app_file: app.py.")
    if not pinned or str(front.get("sdk_version")) != pinned[1]:
        raise TrainingError(
            f"README.md says sdk_version {front.get('sdk_version')}, and requirements.txt pins gradio "
            f"{pinned[1] if pinned else 'to nothing'}: make them the same."
        )
    supported = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    version = front.get("python_version")
    if not isinstance(version, str) or not re.fullmatch(r"\d+\.\d+", version) or version not in SpecifierSet(supported):
        raise TrainingError(f"README.md says python_version {version}: it must be in quotation marks and {supported}.")
    for field in ("models", "datasets"):
        for name in front.get(field) or []:
            if not isinstance(name, str) or hub.parse(name) != (name, None):
                raise TrainingError(f"README.md lists {name} under {field}: write owner/name.")


def _front_matter(text: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    try:
        front = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        front = None
    if not isinstance(front, dict):
        raise TrainingError("README.md has no front matter that can be read: begin it with --- and YAML.")
    return front


def _card(text: str, repo: str, model: str | None) -> bytes:
    """The card with the Space's own picture as its thumbnail and, for another `model` than the bundled one, that among
    its `models`, which links the two on the Hub."""
    card = RepoCard(text)
    card.data["thumbnail"] = hf_hub_url(repo, _THUMBNAIL, repo_type="space")
    if model is not None:
        card.data["models"] = [model]
    return str(card).encode()


def add_command(commands: "argparse._SubParsersAction[Parser]") -> None:
    """`publish-space`, for a parser of several commands."""
    parser = commands.add_parser("publish-space", help="the app -> a Space on the Hub; HF_TOKEN says who you are")
    parser.add_argument("repo", metavar="owner/name", help="created if missing")
    parser.add_argument(
        "--model", metavar="owner/name", help="the model that it serves, on the Hub (default: the bundled one)"
    )
    parser.add_argument("--revision", help="of that model: a branch, which it then follows, a tag or a commit")
    parser.add_argument(
        "--hardware",
        metavar="NAME",
        help="what it runs on, by the Hub's name: zero-a10g, which a free account may have, cpu-basic, … (default: "
        "what it has; for a new one the Hub's)",
    )
    parser.add_argument("--private", action="store_true", help="make the Space private")
    parser.add_argument(
        "--static",
        action="store_true",
        help="the page that judges in the visitor's browser instead, on a static Space, which is free; --model may "
        "then be a folder, too",
    )

    def run(given: argparse.Namespace) -> int:
        if given.static:
            from training.hub.static_space import publish_static_space

            if given.hardware:
                raise TrainingError("A static Space has no hardware: leave --hardware out.")
            revision = publish_static_space(
                given.repo, model=given.model, revision=given.revision, private=given.private
            )
        else:
            revision = publish_space(
                given.repo, model=given.model, revision=given.revision, hardware=given.hardware, private=given.private
            )
        print(f"{given.repo}@{revision}")
        return 0

    parser.set_defaults(run=run)


def main(argv: list[str] | None = None) -> int:
    """`publish-space` alone. Exit status: 2 with a sentence where it fails."""
    start_log(logging.INFO, "%(message)s")
    parser = Parser(prog="python -m training.hub.space")
    add_command(parser.add_subparsers(required=True))
    given = parser.parse_args(argv)
    try:
        status: int = given.run(given)
    except (TrainingError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
