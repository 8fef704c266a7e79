"""Who signed: authorities, signers, lists and clocks of the moment, and the real library."""

import datetime
import io
import json
import time
from itertools import combinations

import c2pa
import pytest
from cryptography import x509

from detector.provenance import Finding, ListOwner, ListUsed, Signature, read
from detector.provenance.c2pa import KEY_USAGES, finding_of
from detector.provenance.trust_list import TrustList
from tests.support.credentials import STRANGE_USAGE, Authority, signed, time_stamps
from tests.support.marked_files import AI, SHOT, opened, save

USED = ListUsed(ListOwner.C2PA, "2026-08-13")
SHORT = datetime.timedelta(seconds=5)  # enough to sign two pictures on a busy machine


class Listed:
    """A source of the list of these authorities."""

    def __init__(self, *signers: Authority, clocks: tuple[Authority, ...] = ()) -> None:
        signers_pem, clocks_pem = ("\n".join(one.pem.decode() for one in some) for some in (signers, clocks))
        self._list = TrustList(USED, signers_pem, clocks_pem)

    def current(self) -> TrustList:
        return self._list


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def other() -> Authority:
    return Authority("Another", "Another Root")


def sign(signer: c2pa.C2paSignerInfo, actions=(AI,), parent: bytes | None = None) -> bytes:
    ingredient = ("parentOf", parent) if parent else None
    return signed(signer, save("JPEG"), "image/jpeg", list(actions), ingredient)


def only(data: bytes, listed: Listed | None) -> Finding:
    (finding,) = read(data, "JPEG", listed)
    return finding


def test_a_signer_on_the_list(authority):
    finding = only(sign(authority.signer()), Listed(authority))
    assert (finding.signature, finding.trust_list) == (Signature.TRUSTED, USED)
    assert "signed by “Example bPictures/b”" in finding.summary
    assert "by a signer on the C2PA trust list of 13 August 2026" in finding.meaning
    assert "not for what they say" in finding.meaning and "not verifiable" not in finding.meaning


@pytest.mark.parametrize("usages", [*combinations(KEY_USAGES, 1), *combinations(KEY_USAGES, 2), KEY_USAGES])
def test_every_key_usage_of_the_certificate_profile_is_known(authority, other, usages):
    """Those that telephones and generators sign with are others than the library's own."""
    data = sign(authority.signer(usages=[x509.ObjectIdentifier(usage) for usage in usages]))
    assert only(data, Listed(authority)).signature is Signature.TRUSTED
    assert only(data, Listed(other)).signature is Signature.UNKNOWN
    finding = only(data, None)
    assert finding.signature is Signature.UNCHECKED and finding.suggests == "ai_made"


def test_a_certificate_for_something_else_signs_nothing(authority):
    finding = only(sign(authority.signer(usages=[STRANGE_USAGE])), Listed(authority))
    assert finding.signature is Signature.INVALID and "not for signing pictures" in finding.summary


def test_a_signer_that_is_not_on_the_list(authority, other):
    finding = only(sign(authority.signer()), Listed(other))
    assert (finding.signature, finding.trust_list) == (Signature.UNKNOWN, USED)
    assert "signed under the name “Example bPictures/b”" in finding.summary
    assert "not on the C2PA trust list of 13 August 2026" in finding.meaning
    assert "anyone can sign under any name" in finding.meaning


def test_without_a_list_no_signer_is_known(authority):
    finding = only(sign(authority.signer()), None)
    assert (finding.signature, finding.trust_list) == (Signature.UNCHECKED, None)
    assert "no list of trusted signers is used" in finding.meaning


def test_a_name_alone_never_counts(authority):
    """Signer and authority are called as those on the list are, but have keys of their own."""
    forged = Authority("Adobe Inc.", "Adobe Root")
    finding = only(sign(forged.signer("Adobe Inc.")), Listed(Authority("Adobe Inc.", "Adobe Root")))
    assert finding.signature is Signature.UNKNOWN and "signed under the name “Adobe Inc.”" in finding.summary


def test_a_picture_that_was_changed_after_it_was_signed(authority):
    data = bytearray(sign(authority.signer()))
    data[-60] ^= 0xFF
    finding = only(bytes(data), Listed(authority))
    assert finding.signature is Signature.CHANGED and finding.suggests == "neutral"
    assert "Example" not in finding.summary and "no longer match this picture" in finding.summary


def test_damaged_credentials_are_not_valid(authority):
    finding = only(sign(authority.signer()).replace(b"cbor", b"cbos"), Listed(authority))
    assert finding.signature is Signature.INVALID


@pytest.fixture(scope="module")
def run_out(authority, other) -> tuple[bytes, bytes]:
    """A picture whose certificate has run out since, and one that was stamped with the time before."""
    with time_stamps(other) as clock:
        signers = [authority.signer(valid_for=SHORT, time_stamps=address) for address in (None, clock)]
        end = time.monotonic() + SHORT.seconds + 1  # both were made before
        plain, stamped = map(sign, signers)
    time.sleep(max(0.0, end - time.monotonic()))
    return plain, stamped


@pytest.mark.slow
def test_a_certificate_that_has_run_out(authority, run_out):
    finding = only(run_out[0], Listed(authority))
    assert finding.signature is Signature.EXPIRED and finding.suggests == "ai_made"
    assert "the certificate has run out" in finding.meaning and "not verifiable" in finding.meaning


@pytest.mark.slow
def test_a_time_stamp_outlives_the_certificate(authority, other, run_out):
    """And only one by a clock on the list does."""
    assert only(run_out[1], Listed(authority, clocks=(other,))).signature is Signature.TRUSTED
    assert (
        only(run_out[1], Listed(authority, other)).signature is Signature.TRUSTED
    )  # it is on both of the C2PA's lists
    assert only(run_out[1], Listed(authority)).signature is Signature.EXPIRED


def test_an_authority_for_time_stamps_vouches_for_no_signer(authority, other):
    """The library itself calls such a signer trusted."""
    assert only(sign(authority.signer()), Listed(other, clocks=(authority,))).signature is Signature.UNKNOWN


def test_a_revoked_certificate(authority):
    """As the library reports a revocation that is in the file; none is asked for."""
    with c2pa.Reader("image/jpeg", io.BytesIO(sign(authority.signer()))) as reader:
        store = json.loads(reader.json())
    for code in ("signingCredential.revoked", "signingCredential.ocsp.revoked"):
        store["validation_results"]["activeManifest"]["failure"] = [{"code": code}]
        finding = finding_of(store)
        assert finding.signature is Signature.REVOKED and finding.suggests == "neutral"
        assert "revoked" in finding.summary and "withdrawn" in finding.meaning and "made by" not in finding.summary


def test_a_trusted_signer_does_not_vouch_for_an_unknown_one(authority, other):
    """Who opens a picture of a stranger's in a known program has its claims signed once more."""
    stranger = sign(other.signer("Canon"), [SHOT])
    crop = [opened(), {"action": "c2pa.cropped"}]
    finding = only(sign(authority.signer(), crop, parent=stranger), Listed(authority))
    assert finding.signature is Signature.TRUSTED and "was taken with a camera" in finding.summary
    assert "A part of this is from earlier Content Credentials, whose signer was not found" in finding.meaning
    both = only(sign(authority.signer(), crop, parent=sign(authority.signer(), [SHOT])), Listed(authority))
    assert both.signature is Signature.TRUSTED and "earlier" not in both.meaning
    outer = only(sign(other.signer(), crop, parent=sign(authority.signer(), [SHOT])), Listed(authority))
    assert outer.signature is Signature.UNKNOWN


def test_a_finding_in_plain_types(authority):
    plain = only(sign(authority.signer()), Listed(authority)).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert type(plain["signature"]) is type(plain["suggests"]) is str
    assert plain["trust_list"] == {"owner": "c2pa", "date": "2026-08-13"}
