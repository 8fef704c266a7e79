"""The web page: `python app.py`. On a Space this file is the entry; `demo` is the page, built when it is imported."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import argparse
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from detector import Detector, ModelError
from ui import about, batch, detect, game, intake
from ui.parts import masthead_html
from ui.theme import CSS, HEAD, theme

_WAITING = 32  # visitors in the queue; the next one is told to come back
_AT_ONCE = 2  # pictures judged at the same time: each uses the cores that it finds


class _Lazy:
    """The detector of this process: loaded for the first picture, or before it by `load`."""

    def __init__(self) -> None:
        self._detector: Detector | None = None
        self._lock = threading.Lock()

    def load(self, model: Path | None) -> None:
        """Load the model folder, the bundled one for None. Raises ModelError."""
        with self._lock:
            self._detector = Detector.load(model)

    def __call__(self) -> Detector:
        with self._lock:
            if self._detector is None:
                self._detector = Detector.load()
            return self._detector


def build(detector: Callable[[], Detector]) -> gr.Blocks:
    """The page with all its tabs, its queue bounded."""
    with gr.Blocks(
        title="Deepfake Image Detector",
        analytics_enabled=False,
        delete_cache=(600, intake.KEPT_SECONDS),
    ) as blocks:
        gr.HTML(masthead_html())
        with gr.Tabs():
            with gr.Tab("Detect", id="detect"):
                detect.build(detector, blocks)
            with gr.Tab("Batch", id="batch"):
                batch.build(detector)
            with gr.Tab("Game", id="game"):
                game.build(detector)
            with gr.Tab("About", id="about"):
                about.build(detector)
    # api_open=False: nobody skips the queue; clients never do.
    return blocks.queue(max_size=_WAITING, default_concurrency_limit=_AT_ONCE, api_open=False)


def launch_options() -> dict[str, Any]:
    """What launch() needs for the page to look and to guard itself as meant."""
    return {
        "theme": theme(),
        "css": CSS,
        "head": HEAD,
        "mcp_server": True,
        "max_file_size": intake.ZIP_BYTES,  # gradio knows one for all; what is no zip is measured where it is read
        "show_error": False,
        "run_history": False,  # a visitor's pictures are kept nowhere, their own browser included
        "enable_monitoring": False,
        "ssr_mode": False,
        "footer_links": ["api"],
    }


_detector = _Lazy()
demo = build(_detector)


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until it is stopped. Returns the exit status: 2 where there is no usable model."""
    parser = argparse.ArgumentParser(prog="app.py", description="Serve the detector's web page.")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a model folder (default: the bundled one)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860 on)")
    parser.add_argument("--share", action="store_true", help="also give the page a public link, through gradio.live")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("ui").setLevel(logging.INFO)
    logging.getLogger("detector").setLevel(logging.ERROR)  # its warnings may quote a visitor's file
    try:
        _detector.load(options.model)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    demo.launch(share=options.share, server_port=options.port, **launch_options())
    return 0


if __name__ == "__main__":
    sys.exit(main())
