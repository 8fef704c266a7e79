"""What visitors sent is deleted in its time, also while others send more."""

import threading
import time
from pathlib import Path

import gradio as gr
import pytest
from gradio.route_utils import delete_files_created_by_app

import app
from detector import Detector
from ui import gradio_patches


@pytest.mark.slow
def test_old_files_go_while_new_ones_arrive(tmp_path: Path, detector: Detector) -> None:
    """gradio's own sets raise in the middle here, which ends its task for good."""
    blocks = app.build(lambda: detector)
    uploads = [tmp_path / f"{number}.jpg" for number in range(2000)]
    shown = next(block for block in blocks.blocks.values() if isinstance(block, gr.components.Component))
    for number, file in enumerate(uploads):
        file.touch()
        (blocks.upload_file_set if number % 2 else shown.temp_files).add(str(file))
    done = threading.Event()

    def visitors() -> None:
        number = 0
        while not done.is_set():
            number += 1
            blocks.upload_file_set.add(str(tmp_path / f"gone-{number}.jpg"))
            gradio_patches.keep(shown, str(tmp_path / f"shown-{number}.png"))
            time.sleep(1e-4)  # or the lists grow faster than they can be gone through

    thread = threading.Thread(target=visitors)
    thread.start()
    try:
        delete_files_created_by_app(blocks, -1)
    finally:
        done.set()
        thread.join()
    assert not any(file.exists() for file in uploads)
    assert not {str(file) for file in uploads} & (blocks.upload_file_set | shown.temp_files)


@pytest.mark.slow
def test_every_list_of_files_is_still_looked_through(detector: Detector) -> None:
    blocks = app.build(lambda: detector)
    listed = {id(files) for files in blocks.temp_file_sets}
    assert id(blocks.upload_file_set) in listed
    components = [block for block in blocks.blocks.values() if isinstance(block, gr.components.Component)]
    assert components and all(id(component.temp_files) in listed for component in components)
