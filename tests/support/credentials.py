"""Content Credentials for tests: throwaway authorities, their signers, and pictures signed by them."""

import datetime
import http.server
import io
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STRANGE_USAGE = x509.ObjectIdentifier("1.2.3.4.5")  # which no certificate profile knows


def signed(
    signer_info: c2pa.C2paSignerInfo,
    data: bytes,
    mime: str,
    actions: list[dict[str, Any]],
    ingredient: tuple[str, bytes] | None = None,
    remote: str | None = None,
    thumbnail: bool = True,
) -> bytes:
    """The picture `data` signed, with what was done to it. `ingredient` is its relationship and a JPEG, `remote` the
    address where the manifest is kept instead of in the file; without a `thumbnail` it is a few kilobytes larger."""
    manifest = {
        "claim_generator_info": [{"name": "Example Generator", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    out = io.BytesIO()
    settings = {
        "version": 1,
        "builder": {"thumbnail": {"enabled": thumbnail}},
        "verify": {"verify_after_sign": False},
        "trust": {"trust_config": STRANGE_USAGE.dotted_string},  # it signs with what it would not accept, too
    }
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_info(signer_info) as signer,
        c2pa.Builder(manifest, context) as builder,
    ):
        if ingredient:
            relationship, other = ingredient
            described = {"title": "source", "relationship": relationship, "label": "source"}
            builder.add_ingredient(described, "image/jpeg", io.BytesIO(other))
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, mime, io.BytesIO(data), out)
    return out.getvalue()


def signer_info() -> c2pa.C2paSignerInfo:
    """A certificate chain made for the moment."""
    return Authority().signer()


class Authority:
    """A throwaway certificate authority. `pem` is its certificate."""

    def __init__(self, organization: str = "Example <b>Pictures</b>", name: str = "Example Root") -> None:
        self._subject = _name(organization, name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(self._subject, self._key.public_key(), (), datetime.timedelta(days=30))
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def signer(
        self,
        organization: str = "Example <b>Pictures</b>",
        valid_for: datetime.timedelta = datetime.timedelta(days=30),
        time_stamps: str | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    ) -> c2pa.C2paSignerInfo:
        """A signer of this authority's, with a certificate for `usages`; `time_stamps` is the address of the authority
        that stamps what he signs."""
        chain, private = self.issue(_name(organization, "Example Signer"), usages, valid_for)
        return c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain + self.pem, private, time_stamps)

    def issue(
        self, subject: x509.Name, usages: Sequence[x509.ObjectIdentifier], valid_for: datetime.timedelta
    ) -> tuple[bytes, bytes]:
        """A certificate for `usages` and its key, both in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(subject, key.public_key(), usages, valid_for)
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _sign(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        usages: Sequence[x509.ObjectIdentifier],
        valid_for: datetime.timedelta,
    ) -> x509.Certificate:
        """One of an authority where there are no `usages`."""
        now = datetime.datetime.now(datetime.UTC)
        rights = {"digital_signature": True} if usages else {"key_cert_sign": True, "crl_sign": True}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + valid_for)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.BasicConstraints(ca=not usages, path_length=None), critical=True)
            .add_extension(_key_usage(**rights), critical=True)
        )
        if usages:
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(issuer, critical=False)
            # RFC 3161 asks that a certificate for time stamps serves for nothing else.
            critical = ExtendedKeyUsageOID.TIME_STAMPING in usages
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
        return builder.sign(self._key, hashes.SHA256())


@contextmanager
def time_stamps(authority: Authority) -> Iterator[str]:
    """The address of a server that stamps what is sent to it with the time, by a certificate of `authority`'s."""
    usages = (ExtendedKeyUsageOID.TIME_STAMPING,)
    certificate, key = authority.issue(_name("Example Clock", "Clock"), usages, datetime.timedelta(days=30))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "certificate.pem").write_bytes(certificate)
        (folder / "authority.pem").write_bytes(authority.pem)
        (folder / "key.pem").write_bytes(key)
        (folder / "serial").write_text("01\n")
        (folder / "config").write_text(_TIME_STAMPS.format(folder=folder))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
                command = ["openssl", "ts", "-reply", "-config", folder / "config", "-queryfile", folder / "query"]
                reply = subprocess.run(command, check=True, capture_output=True).stdout
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


_TIME_STAMPS = """
[tsa]
default_tsa = clock
[clock]
serial = {folder}/serial
signer_cert = {folder}/certificate.pem
certs = {folder}/authority.pem
signer_key = {folder}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


def _name(organization: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(**granted: bool) -> x509.KeyUsage:
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
    names += "crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names.split()})
