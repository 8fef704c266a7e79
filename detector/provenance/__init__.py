"""What a picture file says of its own origin, in words. Evidence beside the verdict: it never changes the score.

Everything here is a statement of the file, and a file can lie. So a mark counts only where its container really keeps
such marks, and only in a form too specific to stand in an ordinary photograph by chance. That nothing was found
proves nothing. Nothing is fetched: neither manifests kept elsewhere, nor revocation lists, nor trust lists.
"""

import logging

from detector.provenance.c2pa import content_credentials
from detector.provenance.camera import camera_fields
from detector.provenance.containers import read_metadata
from detector.provenance.finding import Finding
from detector.provenance.marks import editors, generators
from detector.provenance.xmp import aigc_labels, source_types

__all__ = ["Finding", "read"]

log = logging.getLogger(__name__)

MAX_BYTES = 64_000_000  # of a file; picture.read allows less


def read(data: bytes | None, format: str | None) -> tuple[Finding, ...]:
    """What the file `data` says of its origin, the strongest evidence first; () where there is no file.

    `format` is the name that Pillow or `picture.Picture` gives it, None to find out. Never raises: what cannot be
    read says nothing, and the log has the reason.
    """
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_BYTES:
        return ()
    try:
        metadata = read_metadata(data, format)
    except Exception as error:  # a parser may raise anything on hostile data
        log.info("No metadata: %r", error)
        return ()
    findings: list[Finding] = []
    for step in (content_credentials, source_types, aigc_labels, generators, editors, camera_fields):
        try:
            findings += step(metadata)
        except Exception as error:  # as above; one broken part must not hide the others
            log.warning("%s skipped: %r", step.__name__, error)
    return tuple(dict.fromkeys(findings))
