"""Where a file may keep its marks, and where they do not count."""

import zlib

from detector.provenance import read
from tests.support.marked_files import AI_ATTRIBUTE, AIGC, SETTINGS, chunk, png, save, suggested, with_chunk


def test_xmp_counts_only_where_the_container_holds_it():
    assert read(save() + AI_ATTRIBUTE, "JPEG") == ()
    assert read(save("PNG") + AI_ATTRIBUTE, "PNG") == ()
    assert read(save(comment=AI_ATTRIBUTE), "JPEG") == ()
    assert read(png(Comment=AI_ATTRIBUTE.decode()), "PNG") == ()


def test_png_chunks_of_every_kind_and_place():
    text = SETTINGS.encode()
    assert suggested(with_chunk(b"tEXt", b"parameters\0" + text)) == ["ai_made"]
    assert suggested(with_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(text))) == ["ai_made"]
    assert suggested(with_chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(text))) == ["ai_made"]
    assert suggested(with_chunk(b"tEXt", b"parameters\0" + text, at_end=True)) == ["ai_made"]
    assert suggested(with_chunk(b"tEXt", b"AIGC\0" + AIGC.encode())) == ["ai_made"]


def test_a_text_counts_only_in_a_sound_chunk():
    data = with_chunk(b"tEXt", b"parameters\0" + SETTINGS.encode())
    assert read(data.replace(b"Steps: 20", b"Steps: 21"), "PNG") == ()  # the checksum is wrong
    assert read(save("PNG") + chunk(b"tEXt", b"parameters\0" + SETTINGS.encode()), "PNG") == ()  # after the end
    assert read(save() + b"parameters\0" + SETTINGS.encode(), "JPEG") == ()
