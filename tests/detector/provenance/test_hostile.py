"""Hostile files: no reader fails on them, and none takes long.

`read` goes on where one of its readers raises, and logs a warning: so that none did is what is looked at.
"""

import logging
import random
import struct
import time
import zlib

import pytest

from detector.provenance import read
from tests.support.marked_files import (
    AI,
    AI_ATTRIBUTE,
    AIGC,
    BODY,
    COMFY_PROMPT,
    LENS,
    MIME,
    SETTINGS,
    SUGGESTIONS,
    chunk,
    exif,
    png,
    raw_profile,
    samsung,
    save,
    with_chunk,
    xmp,
)

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12))
    + ']><x:xmpmeta xmlns:x="adobe:ns:meta/">&m;</x:xmpmeta>'
).encode()
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e;</x:xmpmeta>'


def boxes(count: int) -> bytes:
    """A HEIF file of empty boxes, with the label of a manifest store so that the library is asked."""
    return save("HEIF") + b"\0\0\0\x0cc2pafree" + b"\0\0\0\x08free" * count


HOSTILE = {
    "entity bomb": lambda: save(xmp=BOMB),
    "outside entity": lambda: save(xmp=OUTSIDE),
    "huge XMP": lambda: save("WEBP", xmp=b"<x>" + b" " * 3_000_000 + b"</x>"),
    "deep XMP": lambda: save("WEBP", xmp=xmp("", "<a>" * 100_000 + "</a>" * 100_000)),
    "broken XMP": lambda: save(xmp=b"<x:xmpmeta"),
    "deep JSON": lambda: png(prompt='{"a":' * 200_000),
    "endless number": lambda: png(prompt='{"a": ' + "9" * 500_000 + "}"),
    "huge text": lambda: with_chunk(b"tEXt", b"parameters\0" + SETTINGS.encode() + b"Steps: 1, " * 800_000),
    "zip bomb": lambda: with_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(100_000_000))),
    "many texts": lambda: save("PNG")[:33] + chunk(b"tEXt", b"c2pa\0x") * 1_000_000 + save("PNG")[33:],
    "many boxes": lambda: boxes(3_000_000),
    "slow pattern": lambda: png(Dream='"a"' + " -aaaa" * 50_000 + '"', parameters="Steps: 1," * 200_000),
    "lying notes": lambda: (
        (save() + b"x" * 20_000_000 + struct.pack("<4sII", b"SEFH", 107, 0xFFFFFFFF) + b"\xff" * 24_000)
        + struct.pack("<I4s", 24_012, b"SEFT")
    ),
    "notes before the file": lambda: save() + struct.pack("<I4s", 0xFFFFFFFF, b"SEFT"),
    "odd raw profiles": lambda: (
        save("PNG")[:33] + chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n9\n1c02") + save("PNG")[33:]
    ),
    "packed raw profile": lambda: with_chunk(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n9\n" + b"00" * 50_000_000)
    ),
    "lying length": lambda: save("PNG")[:33] + struct.pack(">I", 0xFFFFFFFF) + b"tEXt" + save("PNG")[33:],
    "odd EXIF": lambda: save("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(256)) * 40),
    "looping EXIF": lambda: save("WEBP", exif=b"MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"),
    "endless WebP": lambda: b"RIFF\xff\xff\xff\xffWEBP" + b"EXIF\0\0\0\0C2PA\0\0\0\0c2pa\0\0\0\0" * 800_000,
}


@pytest.fixture(autouse=True)
def no_reader_fails(caplog):
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_say_nothing_and_take_no_time(name):
    data = HOSTILE[name]()
    started = time.process_time()
    assert read(data, None) == ()
    assert time.process_time() - started < 5


def test_of_a_truncated_file_nothing_is_said_that_the_whole_one_does_not_say(sign):
    for data in (png(parameters=SETTINGS, prompt=COMFY_PROMPT), save("WEBP", xmp=AI_ATTRIBUTE)):
        whole = read(data, None)
        assert whole
        found = [read(data[:length], None) for length in range(0, len(data), max(1, len(data) // 40))]
        assert not found[0] and {finding for findings in found for finding in findings} <= set(whole)
    data = sign([AI])
    for length in range(0, len(data), max(1, len(data) // 40)):
        assert all("Intact" not in finding.summary for finding in read(data[:length], None))


@pytest.mark.slow
def test_what_is_found_in_three_hundred_mutations_is_fit_to_be_shown(sign):
    """Seeded, so that a failure repeats."""
    rng = random.Random(20260)
    seeds = [sign([AI], format_) for format_ in MIME]
    seeds += [save(f, exif=exif(BODY, LENS), xmp=AI_ATTRIBUTE) for f in ("JPEG", "WEBP", "AVIF", "HEIF")]
    seeds.append(save("TIFF", exif=exif(BODY, LENS), tiffinfo={700: AI_ATTRIBUTE, 0x0131: "GIMP 2.10"}))
    seeds.append(png(parameters=SETTINGS, prompt=COMFY_PROMPT, Software="NovelAI", Comment=AIGC))
    seeds.append(samsung({"PhotoEditor_Re_Edit_Data": '{"genAIType": 3}'}))
    seeds.append(raw_profile("APP1", exif(BODY, LENS)))
    for number in range(300):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(rng.randint(1, 12)):
            position = rng.randrange(min(len(data), rng.choice((64, 1024, len(data)))))
            action = rng.randrange(4)
            if action == 0:
                data[position] ^= 1 << rng.randrange(8)
            elif action == 1:
                data[position : position + rng.randint(1, 40)] = rng.randbytes(rng.randint(0, 40))
            elif action == 2:
                data[position : position + 4] = rng.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"))
            else:
                del data[len(data) - rng.randint(1, 200) :]
        for finding in read(bytes(data), None):
            assert finding.suggests in SUGGESTIONS
            for text in (finding.source, finding.summary, finding.meaning):
                assert text and len(text) < 500 and not set("<>\n\0") & set(text)
