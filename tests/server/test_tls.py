"""The TLS certificate: read again when its files change, kept when they are wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.tls import Certificate


def write(chain: Path, key: Path, name: str) -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(secret, hashes.SHA256())
    )
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def shown(context: ssl.SSLContext) -> str:
    """The name in the certificate that a new client gets."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert(binary_form=True)
    assert found is not None
    parsed = x509.load_der_x509_certificate(found)
    return str(parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def sha256(chain: Path) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(chain.read_text())).digest()


def test_new_files_serve_new_clients(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    write(chain, key, "old")
    certificate = Certificate(chain, key)
    assert shown(certificate.context) == "old"
    assert not certificate.refresh()
    before = certificate.end_point
    assert before == sha256(chain)
    write(chain, key, "renewed")
    assert certificate.refresh()
    assert shown(certificate.context) == "renewed"
    assert before != certificate.end_point == sha256(chain)


def test_files_that_do_not_fit_together_leave_the_old_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    write(chain, key, "old")
    certificate = Certificate(chain, key)
    write(chain, tmp_path / "other.pem", "half")
    assert not certificate.refresh()
    assert not certificate.refresh()
    assert caplog.text.count("cannot be used") == 1  # told once, not at every look
    assert shown(certificate.context) == "old"
    chain.unlink()
    assert not certificate.refresh()
    write(chain, key, "whole")
    assert certificate.refresh()
    assert shown(certificate.context) == "whole"
