"""The pictures to try the page with: a thumbnail and a name each, which says what the answer will be."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from ui import gradio_patches

# Of free licence: examples/README.md says where each comes from.
FOLDER = Path(__file__).with_name("examples")
FILES = {
    "A real portrait": "portrait.jpg",
    "A forged face": "generated.jpg",
    "A file that says AI": "declared-ai.jpg",
    "One it can’t tell": "astronaut.jpg",
    "A group": "group.jpg",
    "No face": "galaxies.jpg",
}


def build(field: gr.Image) -> None:
    """Lay them out in the `gr.Blocks` that is open: pressing one puts it into `field`."""
    gr.HTML('<p class="page soft">Or try one of these</p>')
    with gr.Row(elem_id="examples"):
        for name, file in FILES.items():
            path = gradio_patches.save_bytes((FOLDER / file).read_bytes(), file, field.GRADIO_CACHE)
            gr.Button(name, icon=path, size="sm", min_width=90).click(
                _giving(path), None, field, queue=False, show_progress="hidden", api_visibility="private"
            )


def _giving(path: str) -> Callable[[], str]:
    return lambda: path
