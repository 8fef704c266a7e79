"""Files that are not pictures: recognised by their first bytes, each with a sentence for whoever sent it."""

NOT_READ = "{} files are not read: save the picture as JPEG or PNG."
_DOCUMENT = "This is {}, not a picture: take a screenshot of the page with the face, and send that."
_VIDEO = "This is a video ({}), not a picture: pause it where the face is clear, take a screenshot, and send that."
_SOUND = "This is an audio file ({}), not a picture: only photographs can be judged."
_PACKED = "This is {}, not a picture: unpack it, and send the pictures in it."
_LINK = "This is {}, not a picture: open it, save the picture itself, and send that."

# The sentence, what fills it, the byte at which it begins, and how.
OTHER_KINDS = (
    (NOT_READ, "Photoshop", 0, b"8BPS"),
    (NOT_READ, "JPEG XL", 0, b"\xff\x0a"),
    (NOT_READ, "JPEG XL", 0, b"\0\0\0\x0cJXL "),
    (NOT_READ, "JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    (NOT_READ, "CR2", 0, b"II*\0\x10\0\0\0CR"),  # what cameras store raw, as a TIFF: see frames.camera_raw()
    (NOT_READ, "CR3", 4, b"ftypcrx"),
    (NOT_READ, "RAF", 0, b"FUJIFILMCCD-RAW"),
    (NOT_READ, "RW2", 0, b"IIU\0"),
    *((NOT_READ, "ORF", 0, start) for start in (b"IIRO", b"IIRS", b"MMOR")),
    (NOT_READ, "X3F", 0, b"FOVb"),
    (_DOCUMENT, "a PDF", 0, b"%PDF-"),
    (_DOCUMENT, "a PostScript file", 0, b"%!PS"),
    (_DOCUMENT, "an RTF document", 0, b"{\\rtf"),
    (_DOCUMENT, "an Office document", 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    (_PACKED, "a zip or an Office document", 0, b"PK\x03\x04"),
    (_PACKED, "a RAR archive", 0, b"Rar!\x1a\x07"),
    (_PACKED, "a 7z archive", 0, b"7z\xbc\xaf\x27\x1c"),
    (_VIDEO, "WebM or Matroska", 0, b"\x1a\x45\xdf\xa3"),
    (_VIDEO, "AVI", 8, b"AVI "),
    (_VIDEO, "Windows Media", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    (_VIDEO, "MPEG", 0, b"\0\0\x01\xba"),
    (_VIDEO, "QuickTime", 4, b"ftypqt  "),
    (_VIDEO, "QuickTime", 4, b"moov"),
    (_VIDEO, "QuickTime", 4, b"mdat"),
    (_VIDEO, "QuickTime", 4, b"wide"),
    *((_VIDEO, "MP4", 4, b"ftyp" + brand) for brand in (b"iso", b"mp4", b"M4V", b"avc1", b"MSNV", b"dash")),
    (_VIDEO, "3GP", 4, b"ftyp3g"),
    (_SOUND, "M4A", 4, b"ftypM4A"),
    (_SOUND, "MP3", 0, b"ID3"),
    (_SOUND, "WAV", 8, b"WAVE"),
    (_SOUND, "Ogg", 0, b"OggS"),
    (_SOUND, "FLAC", 0, b"fLaC"),
    *((_LINK, "a web page", 0, start) for start in (b"<!DOCTYPE html", b"<!doctype html", b"<html", b"<HTML")),
    *((_LINK, "a link", 0, start) for start in (b"[InternetShortcut]", b"http://", b"https://")),
)


def sentence_for(data: bytes) -> str | None:
    """The sentence for a file of these bytes; None where it is of none of these kinds."""
    for sentence, name, at, start in OTHER_KINDS:
        if data.startswith(start, at):
            return sentence.format(name)
    return None
