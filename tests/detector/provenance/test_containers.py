"""Where a file may keep its marks, and where they do not count."""

import zlib

from detector.provenance import read
from tests.support.marked_files import (
    AI_ATTRIBUTE,
    AIGC,
    COMFY_PROMPT,
    SETTINGS,
    chunk,
    exif,
    iptc,
    picture,
    png,
    raw_profile,
    save,
    suggested,
    with_chunk,
)


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


def test_raw_profiles_of_a_png():
    credit = iptc((110, b"Edited with Google AI"))
    fields = exif({0x0131: "Midjourney 6"})
    assert suggested(raw_profile("xmp", AI_ATTRIBUTE)) == ["ai_made"]
    assert suggested(raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + AI_ATTRIBUTE)) == ["ai_made"]
    assert suggested(raw_profile("APP1", fields)) == suggested(raw_profile("exif", fields)) == ["ai_made"]
    assert suggested(raw_profile("iptc", credit)) == suggested(raw_profile("8bim", credit)) == ["ai_edited"]
    assert read(raw_profile("icc", AI_ATTRIBUTE), "PNG") == ()
    assert read(png(**{"Raw profile type xmp": "xmp 12 zz"}), "PNG") == ()


def test_an_animated_png_of_comfyui():
    data = save("PNG", save_all=True, append_images=[picture().rotate(90)])
    found = data[:-12] + chunk(b"comf", b"prompt\0" + COMFY_PROMPT.encode()) + data[-12:]
    assert read(data, "PNG") == () and suggested(found) == ["ai_made"]
