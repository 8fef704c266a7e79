"""What all findings together come to."""

import json

import pytest

from detector.provenance import Finding, ListOwner, ListUsed, Origin, Signature, origin, read
from detector.provenance.trust_list import TrustList
from tests.support.credentials import Authority, signed
from tests.support.marked_files import (
    AI,
    AI_ATTRIBUTE,
    BODY,
    LENS,
    SETTINGS,
    SHOT,
    created,
    exif,
    opened,
    png,
    save,
    xmp,
)


class Listed:
    def __init__(self, authority: Authority) -> None:
        self._list = TrustList(ListUsed(ListOwner.C2PA, "2026-08-13"), authority.pem.decode())

    def current(self) -> TrustList:
        return self._list


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def told(data: bytes, authority: Authority | None = None) -> list[str | None]:
    said = origin(read(data, None, Listed(authority) if authority else None)).to_dict()
    return [said["kind"], said["trust"], said["by"]]


def test_a_signed_picture_by_its_signer(authority):
    def sign(actions, data=None, by=authority, parent=None):
        ingredient = ("parentOf", parent) if parent else None
        return signed(by.signer("Example"), data or save(), "image/jpeg", actions, ingredient)

    stranger = Authority("Example")
    for actions, kind in (([AI], "declared_ai"), ([SHOT], "camera"), ([SHOT, {"action": "c2pa.cropped"}], "edited")):
        assert told(sign(actions), authority) == [kind, "verified", "Example"]
    assert told(sign([AI], by=stranger), authority) == told(sign([AI])) == ["declared_ai", "intact", "Example"]
    assert told(sign([SHOT], by=stranger), authority) == ["none", None, None]  # anybody can sign as a camera
    assert told(sign([created("digitalCreation")]), authority) == ["none", None, None]
    broken = bytearray(sign([AI]))
    broken[-60] ^= 0xFF
    assert told(bytes(broken), authority) == ["none", None, None]
    # A trusted program passes on what a stranger said.
    opens = [opened()]
    assert told(sign(opens, parent=sign([AI], by=stranger)), authority) == ["declared_ai", "intact", "Example"]
    assert told(sign(opens, parent=sign([SHOT], by=stranger)), authority) == ["none", None, None]
    assert told(sign(opens, parent=sign([SHOT])), authority) == ["camera", "verified", "Example"]
    # What else stands in the file was there when it was signed.
    assert told(sign([SHOT], save(exif=exif({0x0131: "GIMP 2.10"}))), authority) == ["camera", "verified", "Example"]
    assert told(sign([SHOT], save(xmp=AI_ATTRIBUTE)), authority) == ["declared_ai", "written", None]
    assert told(sign([AI], save(xmp=AI_ATTRIBUTE)), authority) == ["declared_ai", "verified", "Example"]


def test_what_anybody_can_write():
    assert told(png(parameters=SETTINGS)) == ["declared_ai", "written", "a Stable Diffusion program"]
    assert told(save(xmp=AI_ATTRIBUTE)) == ["declared_ai", "written", None]
    assert told(save(exif=exif({0x0131: "Adobe Photoshop 25.0"}))) == ["edited", "written", "Adobe Photoshop"]
    google = xmp('photoshop:Credit="Edited with Google AI" xmp:CreatorTool="GIMP 2.10"')
    assert told(save(xmp=google)) == ["edited", "written", "Edited with Google AI"]
    assert told(save(exif=exif(BODY, LENS))) == ["none", None, None]
    assert told(save()) == ["none", None, None]


def test_in_plain_types():
    finding = Finding("here", "It says so.", "That means little.", "ai_made", Signature.TRUSTED, by="Example")
    said = origin([finding])
    plain = said.to_dict()
    assert plain == {"kind": "declared_ai", "trust": "verified", "by": "Example", "says": "It says so."}
    assert json.loads(json.dumps(plain)) == plain and type(plain["kind"]) is type(plain["trust"]) is str
    assert origin([]) == Origin("none")


def test_the_result_carries_it(detector, hopper):
    marked = save("PNG", exif=exif({0x0131: "Midjourney 6"}))
    result = detector.detect(marked)
    assert result.origin.kind == "declared_ai" and result.to_dict()["origin"]["by"] == "Midjourney"
    assert detector.detect(hopper).to_dict()["origin"]["kind"] == "none"
