"""What was found, and the words for it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

CONTENT_CREDENTIALS = "Content Credentials (C2PA)"
CAMERA_EXIF = "Camera EXIF"
XMP_IPTC = "XMP/IPTC"
GENERATOR_MARK = "Generator's mark"
EDITOR_MARK = "Editor's mark"
AIGC_LABEL = "AIGC label (TC260)"


class Suggests(StrEnum):
    """What a finding speaks for."""

    AI_MADE = "ai_made"
    AI_EDITED = "ai_edited"  # in part, or put together with parts that AI made
    EDITED = "edited"
    CAMERA = "camera"
    NEUTRAL = "neutral"


class Signature(StrEnum):
    """What became of a signature, in the words of the C2PA's validation: in the first four the picture is unchanged
    since it was signed."""

    TRUSTED = "trusted"  # the signer is on the trust list
    UNKNOWN = "unknown"  # the signer is not on it
    UNCHECKED = "unchecked"  # there was no trust list to look at
    EXPIRED = "expired"  # the certificate has run out, and no trusted time stamp is from before
    REVOKED = "revoked"
    CHANGED = "changed"  # after it was signed
    INVALID = "invalid"  # damaged, or against the standard's rules


class ListOwner(StrEnum):
    C2PA = "c2pa"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class ListUsed:
    """The trust list that a signer was looked up in. `date`, as YYYY-MM-DD in UTC, is the day on which it was fetched,
    or on which the administrator's file was last changed."""

    owner: ListOwner
    date: str


@dataclass(frozen=True)
class Finding:
    """One thing that the file says of its origin.

    `source` is where it says so, `summary` one sentence on what was found, `meaning` one or two on what that does and
    does not tell; `by` is the signer or the program that says it, None where nobody is named. All are plain text
    without markup. `signature` is None for what is not signed, and `trust_list` where no signer was looked up.
    `partly_unverified`: a trusted signer passes on what an earlier one said who is not trusted.
    """

    source: str
    summary: str
    meaning: str
    suggests: Suggests
    signature: Signature | None = None
    trust_list: ListUsed | None = None
    by: str | None = None
    partly_unverified: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return asdict(self, dict_factory=plain)


def plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `asdict`: a member of an enum as its value."""
    return {name: str(value) if isinstance(value, StrEnum) else value for name, value in fields}
