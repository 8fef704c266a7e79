"""The web page: `python app.py`. On a Space this file is the entry; `demo` is the page, built when it is imported."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its warnings come as sentences of ours

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from detector import settings
from detector.errors import SettingError

try:
    settings.check_gradio()  # before it is imported
    _settings = settings.read()
except SettingError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

import gradio as gr

from detector import Detector, ModelError, model_folder, options, text
from detector.result import ModelSource
from ui import about, batch, detect, game, gradio_patches, http_api, link_preview, mcp_tools, storage, uploads
from ui.components import masthead_html
from ui.theme import CSS, HEAD, theme

log = logging.getLogger("app")

_SESSIONS = 250  # whose state is kept: every call of the API is one and takes 150 kB; the least used is dropped
_ISOLATED = os.name == "posix"  # elsewhere visitors' pictures are judged in this process, without limits
_TOLD_EVERY = 1  # second, how many are before them; gradio's own way is to write to all who wait after each answer
_LAST_SECONDS = 2  # after which the process ends, whatever it still does
_AT_ONCE = 12  # pictures handed on at the same time: the detector's own workers decide whose turn it is
# Addresses that no visitor can have. A Space is reached through its host's proxies alone, and those have such ones.
_INSIDE = "127.0.0.0/8,10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,::1,fc00::/7"


class LazyDetector:
    """The detector of this process: loaded for the first picture, or before it by `load`. `refresh` puts another in its
    place between two calls; who has been handed the old one goes on with it."""

    def __init__(self, model: str | None, revision: str | None) -> None:
        """What an administrator wishes for: a model folder, or the Hub's `owner/name` and a revision of it."""
        self._named = (model, revision)
        self._detector: Detector | None = None
        self._lock = threading.Lock()

    def load(self, model: str | None = None) -> Detector:
        """Load `model`, or for None what was wished for: where that cannot be had the bundled one, with a note. Raises
        ModelError for `model` only."""
        if model is not None:
            self._named = (model, None)
        name, revision = self._named
        self._detector = Detector.load(name, revision=revision, or_bundled=model is None, isolated=_ISOLATED)
        return self._detector

    def __call__(self) -> Detector:
        with self._lock:
            return self._detector or self.load()

    def refresh(self) -> None:
        """Ask the Hub once what the wished-for revision is now, and go over to it."""
        try:
            newest = model_folder.load(*self._named)
            if newest.info.source is not ModelSource.HUB or newest.info.note or newest.info == self().model.info:
                return
            self._detector = Detector(newest, isolated=_ISOLATED)
        except ModelError as error:
            log.warning("The model stays as it is. %s", error)
        else:
            log.warning("The model is now %s@%s", newest.info.repo, newest.info.revision)

    def refresh_for_ever(self, minutes: float) -> None:
        """`refresh` again and again, until a revision is in use that can never change."""
        while not (self().model.info.source is ModelSource.HUB and model_folder.is_commit(self._revision)):
            time.sleep(60 * minutes)
            self.refresh()

    @property
    def _revision(self) -> str:
        model, revision = self._named
        return revision or (model or "").partition("@")[2]


def build(detector: Callable[[], Detector]) -> gr.Blocks:
    """The page with all its tabs, its queue bounded."""
    with gradio_patches.Page(
        title="Deepfake Image Detector",
        analytics_enabled=False,
        delete_cache=None,  # the sweeper's
    ) as blocks:
        gr.HTML(masthead_html())
        with gr.Tabs() as tabs:
            with gr.Tab("Detect", id="detect"):
                field = detect.build(detector, blocks)
            with gr.Tab("Batch", id="batch"):
                batch.build(detector, tabs, field)
            with gr.Tab("Game", id="game"):
                game.build(detector)
            with gr.Tab("About", id="about"):
                about.build(detector)
    gradio_patches.serve_in_head(link_preview.HEAD + HEAD + detect.HEAD)
    gradio_patches.forget_files(blocks)
    mcp_tools.install()
    # api_open=False: nobody skips the queue; clients never do.
    return blocks.queue(
        status_update_rate=_TOLD_EVERY, max_size=_settings.waiting, default_concurrency_limit=_AT_ONCE, api_open=False
    )


def launch_options(detector: Callable[[], Detector]) -> dict[str, Any]:
    """What launch() needs for the page to look and to guard itself as meant, and for plain HTTP beside it."""
    return {
        "theme": theme(),
        "css": CSS,
        # What gradio says to screen readers and has no words for.
        "i18n": gr.I18n(en={"common.upload": "Add files", "common.complete": "Done"}),
        "mcp_server": True,
        "max_file_size": uploads.ZIP_BYTES,  # gradio knows one for all; what is no zip is measured where it is read
        "show_error": False,
        "run_history": False,  # a visitor's pictures are kept nowhere, their own browser included
        "enable_monitoring": False,
        "ssr_mode": False,
        "num_workers": 0,  # else GRADIO_NUM_WORKERS
        "state_session_capacity": _SESSIONS,
        "footer_links": ["api"],
        "app_kwargs": {
            "routes": [*http_api.routes(detector, at_once=_AT_ONCE, waiting=_settings.waiting), link_preview.route()],
            "exception_handlers": http_api.GRADIO_ERRORS,
        },
    }


with contextlib.suppress(ImportError):  # on a Space of Hugging Face's it is installed
    import spaces

    @spaces.GPU
    def _needs_no_gpu() -> None:
        """ZeroGPU starts no app without such a function. Nothing calls it, so no visitor's quota is used."""


try:
    _kept = storage.folder()
except OSError as error:
    print(
        f"The folder for visitors’ pictures could not be made: {error.strerror}. Check GRADIO_TEMP_DIR and "
        "DETECTOR_LINKS.",
        file=sys.stderr,
    )
    sys.exit(2)
os.environ["GRADIO_TEMP_DIR"] = str(_kept.uploads)
_detector = LazyDetector(_settings.model, _settings.revision)
demo = build(_detector)
_kept.keep_what_is_there()


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until it is stopped. Returns the exit status: 2 where there is no usable model."""
    parser = options.Parser(prog="app.py", description="Serve the detector's web page.")
    parser.add_argument(
        "--model",
        metavar=options.MODEL_NAME,
        help="a model folder, or a model on the Hub (default: $DETECTOR_MODEL at $DETECTOR_REVISION; where that is not "
        "set or cannot be had, the bundled one)",
    )
    parser.add_argument(
        "--port", type=options.port, help="port to listen on (default: the first free one from 7860 on)"
    )
    parser.add_argument("--share", action="store_true", help="also give the page a public link, through gradio.live")
    given = parser.parse_args(arguments)
    text.start_log(logging.WARNING, "%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("ui").setLevel(logging.INFO)
    logging.getLogger("detector").setLevel(logging.ERROR)  # its warnings may quote a visitor's file
    logging.getLogger("detector.provenance.trust_list").setLevel(logging.WARNING)  # and these never do
    try:
        _detector.load(given.model)  # at start, not with the first visitor
    except (ModelError, SettingError) as error:
        print(error, file=sys.stderr)
        return 2
    if not _ISOLATED:
        log.warning("On this system pictures are judged without limits of memory and time: do not serve strangers.")
    info = _detector().model.info
    if info.note:
        log.warning(info.note)
    if _settings.refresh_minutes and (info.source is ModelSource.HUB or info.note):
        threading.Thread(target=_detector.refresh_for_ever, args=[_settings.refresh_minutes], daemon=True).start()
    if _settings.space:
        # Else all visitors of a Space were one to the limit of each. uvicorn takes the last address of X-Forwarded-For
        # that is not one of these: a proxy wrote it, whatever the visitor sent. Elsewhere it trusts this machine only.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", _INSIDE)
    try:
        demo.launch(share=given.share, server_port=given.port or None, **launch_options(_detector))
    except (OSError, OverflowError) as error:  # the latter for a port above all that there are
        if getattr(error, "errno", None) is not None:  # gradio's own for a port has none
            raise
        print(options.port_taken(given.port), file=sys.stderr)
        return 2
    finally:
        _kept.end()
    return 0


if __name__ == "__main__":
    status = main()
    last = threading.Timer(_LAST_SECONDS, os._exit, [status])  # a picture that is being looked at may take longer
    last.daemon = True
    last.start()
    sys.exit(status)
