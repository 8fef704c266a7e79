"""Content Credentials, signed by throwaway signers."""

import http.server
import io
import json
import threading

import c2pa
import pytest

from detector.provenance import read
from detector.provenance.c2pa import finding_of
from tests.support.marked_files import AI, MIME, SHOT, created, only, opened, picture


@pytest.mark.parametrize("format_", MIME)
def test_signed_as_made_by_ai_in_every_container(sign, format_):
    finding = only(sign([AI], format_))
    assert (finding.source, finding.suggests) == ("Content Credentials (C2PA)", "ai_made")
    assert "Intact" in finding.summary and "was made by generative AI" in finding.summary
    assert "Example bPictures/b" in finding.summary  # the name of the signer, without its markup
    assert "Example Generator" in finding.summary and "Example Model 3" in finding.summary
    assert "not verifiable" in finding.meaning and "anyone can sign under any name" in finding.meaning


@pytest.mark.parametrize(
    ("actions", "suggests", "words"),
    [
        ([created("compositeWithTrainedAlgorithmicMedia")], "ai_edited", "edited with generative AI"),
        ([created("algorithmicMedia")], "neutral", "by a computer program alone"),
        ([SHOT], "camera", "was taken with a camera"),
        ([created("digitalCreation")], "neutral", "was made by a person with a program"),
        ([created("screenCapture")], "neutral", "is a capture of a screen"),
        ([created("unheardOf")], "neutral", "nothing of how the picture was made"),
        ([SHOT, {"action": "c2pa.cropped"}], "edited", "was taken with a camera and was edited"),
        ([SHOT, {**AI, "action": "c2pa.edited"}], "ai_edited", "edited with generative AI"),
        ([AI, {"action": "c2pa.edited"}], "ai_made", "was made by generative AI ("),
    ],
)
def test_what_the_signed_actions_say(sign, actions, suggests, words):
    finding = only(sign(actions))
    assert finding.suggests == suggests and words in finding.summary


def test_an_altered_picture_makes_its_credentials_unbelievable(sign):
    data = bytearray(sign([AI]))
    data[-60] ^= 0xFF
    finding = only(bytes(data))
    assert finding.suggests == "neutral" and "broken" in finding.summary
    assert "Nothing that they say can be believed" in finding.meaning and "made by" not in finding.summary


def test_an_altered_claim_is_unbelievable(sign):
    finding = only(sign([AI]).replace(b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedib"))
    assert finding.suggests == "neutral" and "broken" in finding.summary
    finding = only(sign([SHOT]).replace(b"Example Generator", b"Another Generator"))
    assert finding.suggests == "neutral" and "broken" in finding.summary


def test_credentials_moved_to_another_picture_are_unbelievable(sign):
    data = sign([SHOT])
    other = io.BytesIO()
    picture().rotate(90).point(lambda v: 255 - v).save(other, "JPEG")

    def split(jpeg: bytes) -> int:
        """Where the tables of the picture begin: all before them is metadata."""
        position = 2
        while jpeg[position + 1] != 0xDB:
            position += 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        return position

    moved = data[: split(data)] + other.getvalue()[split(other.getvalue()) :]
    finding = only(moved, "JPEG")
    assert finding.suggests == "neutral" and "broken" in finding.summary


def test_damaged_credentials_are_named_as_such(sign):
    data = sign([AI])
    finding = only(data.replace(b"cbor", b"cbos"))
    assert finding.suggests == "neutral" and "damaged" in finding.summary


def test_a_parent_made_by_ai_counts_and_a_part_counts_as_an_edit(sign):
    finding = only(sign([opened(), {"action": "c2pa.cropped"}], ingredient=("parentOf", sign([AI]))))
    assert finding.suggests == "ai_made" and "Example Model 3" in finding.summary
    finding = only(sign([SHOT, opened("c2pa.placed")], ingredient=("componentOf", sign([AI]))))
    assert finding.suggests == "ai_edited" and "was taken with a camera and was edited with gen" in finding.summary


def test_an_altered_parent_is_not_believed(sign):
    parent = bytearray(sign([AI]))
    parent[-60] ^= 0xFF
    finding = only(sign([opened(), {"action": "c2pa.cropped"}], ingredient=("parentOf", bytes(parent))))
    assert finding.suggests == "edited" and "AI" not in finding.summary


def test_an_expired_certificate_leaves_the_claim_whole(sign):
    """The library calls this "Invalid", which would turn every old picture into a broken one."""
    with c2pa.Reader("image/jpeg", io.BytesIO(sign([AI]))) as reader:
        store = json.loads(reader.json())
    store["validation_state"] = "Invalid"
    failures = store["validation_results"]["activeManifest"]["failure"]
    failures.append({"code": "signingCredential.expired"})
    finding = finding_of(store)
    assert finding.suggests == "ai_made" and "the certificate has run out" in finding.meaning
    failures.append({"code": "signingCredential.revoked"})
    assert finding_of(store).suggests == "neutral"


def test_without_a_proof_of_the_pixels_nothing_is_believed(sign):
    with c2pa.Reader("image/jpeg", io.BytesIO(sign([AI]))) as reader:
        store = json.loads(reader.json())
    active = store["validation_results"]["activeManifest"]
    active["success"] = [s for s in active["success"] if s["code"] != "assertion.dataHash.match"]
    assert finding_of(store).suggests == "neutral"


def test_nothing_is_fetched(sign):
    hits = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        data = sign([AI], remote=f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
        finding = only(data)
        assert finding.suggests == "neutral" and "kept on a web site" in finding.summary
        assert hits == []
        with pytest.raises(c2pa.C2paError):  # the server is there: without our settings it is asked
            c2pa.Reader("image/jpeg", io.BytesIO(data))
        assert hits == ["/manifest.c2pa"]
    finally:
        server.shutdown()
        server.server_close()


def test_many_threads_read_at_once(sign):
    data, results = sign([AI]), []
    threads = [threading.Thread(target=lambda: results.extend(read(data, "JPEG") for _ in range(5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40 and len(set(results)) == 1 and results[0][0].suggests == "ai_made"
