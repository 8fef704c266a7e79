"""What was found, and the words for it."""

from dataclasses import dataclass

CONTENT_CREDENTIALS = "Content Credentials (C2PA)"
CAMERA_EXIF = "Camera EXIF"
XMP_IPTC = "XMP/IPTC"
GENERATOR_MARK = "Generator's mark"
EDITOR_MARK = "Editor's mark"
AIGC_LABEL = "AIGC label (TC260)"


@dataclass(frozen=True)
class Finding:
    """One thing that the file says of its origin.

    `source` is where it says so, `summary` one sentence on what was found, `meaning` one sentence on what that does
    and does not tell. `suggests` is "ai_made", "edited", "camera" or "neutral". All are plain text without markup.
    """

    source: str
    summary: str
    meaning: str
    suggests: str
