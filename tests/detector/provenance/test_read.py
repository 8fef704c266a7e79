"""What all rooms keep to: marks are put into real containers, each beside a near miss."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from detector.provenance import read
from tests.support.marked_files import (
    AI,
    AI_ATTRIBUTE,
    BODY,
    LENS,
    MIME,
    SETTINGS,
    exif,
    png,
    save,
    suggested,
)


def test_nothing_is_said_where_there_is_no_file():
    assert read(None, None) == read(None, "JPEG") == read(b"", "PNG") == read(b"nothing", None) == ()


@pytest.mark.parametrize("format_", [*MIME, "BMP"])
def test_a_bare_file_says_nothing(format_):
    name = "HEIC" if format_ == "HEIF" else format_
    assert read(save(format_), name) == read(save(format_), None) == ()


def test_the_container_must_be_the_one_that_is_named():
    data = png(parameters=SETTINGS)
    assert suggested(data, "PNG") == suggested(data, None) == ["ai_made"]
    assert read(data, "JPEG") == read(data, "PSD") == ()


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("skimage", "data/astronaut.png"),
        ("skimage", "data/rocket.jpg"),
        ("skimage", "data/chelsea.png"),
        ("skimage", "data/hubble_deep_field.jpg"),
        ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ],
)
def test_real_photographs_are_not_accused(package, path):
    data = (Path(importlib.util.find_spec(package).origin).parent / path).read_bytes()
    assert not {"ai_made", "camera"} & set(suggested(data))


def test_c2pa_is_loaded_only_when_a_file_is_read():
    code = "import sys, detector.provenance; sys.exit('c2pa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_rest_is_read_where_c2pa_cannot_be_loaded(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert suggested(png(parameters=SETTINGS, note="c2pa")) == ["ai_made"]
    assert "c2pa cannot be loaded" in caplog.text


def test_the_strongest_evidence_comes_first(sign):
    data = sign([AI])
    with_exif = io.BytesIO()
    Image.open(io.BytesIO(data)).save(with_exif, "JPEG", exif=exif(BODY, LENS), xmp=AI_ATTRIBUTE)
    assert [f.source for f in read(with_exif.getvalue(), "JPEG")] == ["XMP/IPTC", "Camera EXIF"]
