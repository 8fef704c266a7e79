"""The files that visitors send: how large they may be, where they lie, and what they are called."""

from typing import Any

from gradio.utils import get_upload_folder

from detector import ImageError
from ui import storage

BATCH_FILES = 200  # pictures of one batch, those in its zips included
ZIP_BYTES = 150_000_000  # of a zip
UNPACKED_BYTES = 500_000_000  # of all pictures in the zips of one batch
UPLOAD_BYTES = 1_000_000_000  # of all that is sent at once
UNPACKED_RATIO = 200  # a picture's size to what it takes in the zip: photographs hardly shrink

NO_PICTURE = "No picture came with the request: send the file itself."
NOT_WHOLE = "data:"  # what is left of a data: URL that cannot be decoded
LONGEST_NAME = 200  # characters


def file_of(upload: dict[str, Any] | None) -> str:
    """The file that a gradio field names with `preprocess=False`; a data: URL has become one. Raises ImageError."""
    if not isinstance(upload, dict):
        raise ImageError(NO_PICTURE)
    if upload.get("url") == NOT_WHOLE:
        raise ImageError("The picture did not arrive whole: send it again.")
    path = upload.get("path")
    if not isinstance(path, str) or not path:
        raise ImageError(NO_PICTURE)
    # gradio checks this too, but not where a request leaves `meta` out: then any file of the server could be named.
    if not storage.holds(get_upload_folder(), path):
        raise ImageError(NO_PICTURE)
    return path


def name_of(upload: dict[str, Any] | None, number: int) -> str:
    """What the visitor calls the file: without folders, and never the server's name for it."""
    given = upload.get("orig_name") or upload.get("path") if isinstance(upload, dict) else None
    name = plain_name(given).replace("\\", "/").rpartition("/")[2] if isinstance(given, str) else ""
    return name or f"picture {number}"


def plain_name(name: str) -> str:
    """`name` without characters that cannot be shown or turn the line round, cut to a length that can be read."""
    shown = "".join(c if c.isprintable() or c in "\u200c\u200d" else "\ufffd" for c in name)  # joiners: part of words
    return shown if len(shown) <= LONGEST_NAME else f"…{shown[1 - LONGEST_NAME :]}"
