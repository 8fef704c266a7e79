"""The page that judges in the visitor's browser -> a static Space on the Hub, which costs nothing, in one commit."""

import logging

from huggingface_hub import RepoCard, hf_hub_url

from detector.model_folder import hub
from training.errors import TrainingError
from training.hub import push, retries
from training.hub.space import ROOT

log = logging.getLogger(__name__)

_CARD, _THUMBNAIL, _NOTICE = "README.md", "docs/web-wide.png", "notice.txt"
_OF_GRADIO = ("sdk_version", "python_version", "suggested_hardware")
_ELSEWHERE = (".gitattributes",)  # the Hub's own
_BODY = """
# Deepfake Image Detector on your device

Was a face in this photo forged? The page judges in the visitor's own browser, with LiteRT.js: no picture leaves the
device, and after the first visit it works without a network. It was built by `python -m web build`.
"""


def publish_static_space(
    repo: str, *, model: str | None = None, revision: str | None = None, private: bool = False
) -> str:
    """Push the page with the bundled model, or with the model folder or Hub model `model`. Returns the commit.

    Raises TrainingError where the page cannot be built or the Space holds something else, ModelError where the model
    cannot be loaded; nothing is pushed then.
    """
    if not (ROOT / "web").is_dir():
        raise TrainingError("The page is not installed with the program: publish it from its repository.")
    push.check_name(repo)
    from web.build import PREVIEW, BuildError, built

    try:
        files = built(model, revision, hf_hub_url(repo, PREVIEW, repo_type="space"))
    except BuildError as error:
        raise TrainingError(str(error)) from None
    files[_THUMBNAIL] = (ROOT / _THUMBNAIL).read_bytes()
    files[_CARD] = _card((ROOT / _CARD).read_text("utf-8"), repo, model)
    with retries.time_for(sum(map(len, files.values()))):
        push.validate_card(files[_CARD].decode(), push.SPACE)
        target = push.find_or_create(repo, push.SPACE, private=private, sdk="static")
        if "app.py" in target.listed:
            raise TrainingError(f"{repo} holds the app that runs on the Hub: give the static page another name.")
        gone = [path for path in target.listed if path not in files and path not in _ELSEWHERE]
        made = push.commit(target, files, gone, "The page")
    log.info("%s: %s", repo, f"{len(files)} files" if made else "nothing has changed")
    return made[0] if made else target.commit


def _card(text: str, repo: str, model: str | None) -> bytes:
    """README.md's front matter, for a static Space."""
    card = RepoCard(text)
    for name in _OF_GRADIO:
        card.data.pop(name, None)
    card.data["sdk"] = "static"
    card.data["app_file"] = "index.html"
    card.data["license_link"] = _NOTICE
    card.data["thumbnail"] = hf_hub_url(repo, _THUMBNAIL, repo_type="space")
    if model is not None and (named := hub.parse(model)):
        card.data["models"] = [named[0]]
    card.text = _BODY
    return str(card).encode()
