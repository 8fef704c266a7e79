"""The fields of a camera."""

import pytest

from detector.provenance import read
from tests.support.marked_files import BODY, LENS, exif, only, save, suggested


@pytest.mark.parametrize("format_", ["JPEG", "TIFF", "WEBP", "PNG", "AVIF", "HEIF"])
def test_the_fields_of_a_camera(format_):
    finding = only(save(format_, exif=exif(BODY, LENS)))
    assert (finding.source, finding.suggests) == ("Camera EXIF", "camera")
    assert "Canon EOS R5, taken at 2024-05-06 07:08:09, with 6 of 6" in finding.summary
    assert "forged or copied" in finding.meaning


@pytest.mark.parametrize(
    ("fields", "shot"),
    [
        (BODY, {}),  # a scanner or an export
        (BODY, {0x829A: 0.004, 0x829D: 2.8}),
        ({0x010F: "Canon"}, LENS),
        ({}, LENS),
        (BODY, {0x829A: 0.004, 0x829D: 2.8, 0x8827: 0, 0x9003: ""}),
    ],
)
def test_too_few_fields_make_no_camera(fields, shot):
    assert read(save(exif=exif(fields, shot)), "JPEG") == ()


def test_a_photograph_that_was_edited_says_both():
    assert suggested(save(exif=exif({**BODY, 0x0131: "Adobe Photoshop 25.0"}, LENS))) == ["edited", "camera"]
