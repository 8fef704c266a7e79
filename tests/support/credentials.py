"""Content Credentials for tests: a throwaway signer that no one trusts, and pictures signed by it."""

import datetime
import io
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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
    settings = {"version": 1, "builder": {"thumbnail": {"enabled": thumbnail}}}
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
    now = datetime.datetime.now(datetime.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(common_name: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example <b>Pictures</b>"),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )

    def certificate(subject: str, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Example Root"))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )

    root = (
        certificate("Example Root", root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        certificate("Example Signer", key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (leaf, root))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, private, None)


def _key_usage(**granted: bool) -> x509.KeyUsage:
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
    names += "crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names.split()})
