"""What a picture file says of its own origin, in words. Evidence beside the verdict: it never changes the score.

Everything here is a statement of the file, and a file can lie. So a mark counts only where its container really keeps
such marks, and only in a form too specific to stand in an ordinary photograph by chance. That nothing was found
proves nothing. Nothing that a file names is fetched, neither manifests kept elsewhere nor revocation lists.
"""

import logging
from functools import partial

from detector.provenance.c2pa import content_credentials
from detector.provenance.camera import camera_fields
from detector.provenance.containers import read_metadata
from detector.provenance.finding import Finding, ListOwner, ListUsed, Signature, Suggests
from detector.provenance.marks import editors, generators
from detector.provenance.origin import Origin, OriginKind, Trust, origin
from detector.provenance.trust_list import TrustSource, from_environment
from detector.provenance.xmp import aigc_labels, source_types

__all__ = [
    "Finding",
    "ListOwner",
    "ListUsed",
    "Origin",
    "OriginKind",
    "Signature",
    "Suggests",
    "Trust",
    "TrustSource",
    "from_environment",
    "origin",
    "read",
]

log = logging.getLogger(__name__)

MAX_BYTES = 64_000_000  # of a file; picture.read allows less


def read(data: bytes | None, format: str | None, trust: TrustSource | None = None) -> tuple[Finding, ...]:
    """What the file `data` says of its origin, the strongest evidence first; () where there is no file.

    `format` is the name that Pillow or `picture.Picture` gives it, None to find out. Signers of Content Credentials are
    looked up in the list of `trust`, which may take a few seconds once a day. What cannot be read says nothing, and the
    log has the reason: raises nothing but MemoryError.
    """
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_BYTES:
        return ()
    try:
        metadata = read_metadata(data, format)
    except MemoryError:  # the file is to blame, not a part of it
        raise
    except Exception as error:  # a parser may raise anything on hostile data
        log.info("No metadata: %r", error)
        return ()
    findings: list[Finding] = []
    for step in (
        partial(content_credentials, trust=trust),
        source_types,
        aigc_labels,
        generators,
        editors,
        camera_fields,
    ):
        try:
            findings += step(metadata)
        except MemoryError:
            raise
        except Exception as error:  # as above; one broken part must not hide the others
            log.warning("%s skipped: %r", step, error)
    return tuple(dict.fromkeys(findings))
