"""Of all that a file says of its origin, the one thing that counts most, and how far it can be trusted."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from detector.provenance.finding import Finding, Signature, Suggests, plain


class OriginKind(StrEnum):
    """What a file declares."""

    DECLARED_AI = "declared_ai"  # made by generative AI
    EDITED = "edited"
    CAMERA = "camera"  # only where a trusted signer says so: everybody can write EXIF
    NONE = "none"


class Trust(StrEnum):
    """How far that can be believed."""

    WRITTEN = "written"  # anybody could have written it
    INTACT = "intact"  # unchanged since it was signed, by whom is not known
    VERIFIED = "verified"  # unchanged since it was signed, by a signer on the trust list


@dataclass(frozen=True)
class Origin:
    """What the file declares. `trust` is None where it declares nothing, `by` where nobody is named: a signer or a
    program. `says` is the sentence of the finding that this is taken from."""

    kind: OriginKind
    trust: Trust | None = None
    by: str | None = None
    says: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return asdict(self, dict_factory=plain)


_KINDS = {
    Suggests.AI_MADE: OriginKind.DECLARED_AI,
    Suggests.AI_EDITED: OriginKind.EDITED,
    Suggests.EDITED: OriginKind.EDITED,
    Suggests.CAMERA: OriginKind.CAMERA,
}
_INTACT = (Signature.UNKNOWN, Signature.UNCHECKED, Signature.EXPIRED)
_LEVELS = list(Trust)


def origin(findings: Iterable[Finding]) -> Origin:
    """What `findings` come to. That AI made the picture goes before all else, whoever says so; of the rest what is best
    trusted, and an edit before the camera. What a broken signature says does not count."""
    said = [(finding, _KINDS[finding.suggests], _trust(finding)) for finding in findings if finding.suggests in _KINDS]
    said = [one for one in said if one[1] is not OriginKind.CAMERA or one[2] is Trust.VERIFIED]
    if not said:
        return Origin(OriginKind.NONE)
    order = list(_KINDS)
    finding, kind, trust = max(
        said,
        key=lambda one: (one[1] is OriginKind.DECLARED_AI, _LEVELS.index(one[2]), -order.index(one[0].suggests)),
    )
    return Origin(kind, trust, finding.by, finding.summary)


def _trust(finding: Finding) -> Trust:
    if finding.signature is Signature.TRUSTED:
        return Trust.INTACT if finding.partly_unverified else Trust.VERIFIED
    return Trust.INTACT if finding.signature in _INTACT else Trust.WRITTEN
