"""The password exchange `caching_sha2_password`: MySQL 8's default and the only one of MySQL 9.

Called by server/mysql/handshake.py. Two paths:

* fast: response = SHA256(password) XOR SHA256(SHA256(SHA256(password)) + salt), checked against
  the digest SHA256(SHA256(password)) of the user record or of an earlier full login;
* full, when no digest is known: the client sends the password itself, in the clear over TLS, else
  XORed with the salt and encrypted with our RSA key (OAEP, SHA1), which it asks for first. The
  password is checked against the record's other verifiers and its digest is remembered.

Source: MySQL documentation, "Caching_sha2_password information".
"""

from __future__ import annotations

from collections.abc import Generator
from hashlib import sha256
from hmac import compare_digest
from itertools import cycle
from threading import Lock

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.auth.api import UserRecord
from server.auth.passwords import matches as is_password
from server.auth.steps import AUTH_MORE_DATA, Ask, Exchange, Say, Step
from sql import verifiers

NAME = "caching_sha2_password"
_DIGEST_BYTES = 32
_KEY_BITS = 2048  # what mysqld generates
_REQUEST_PUBLIC_KEY = b"\x02"
_FAST_OK = AUTH_MORE_DATA + b"\x03"
_FULL_WANTED = AUTH_MORE_DATA + b"\x04"


class Secrets:
    """What logins of one listener share: the RSA key pair and the digests of full logins.

    Thread-safe. The key pair is made on first use (about 0.1 s): `prepare` does it ahead.
    """

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._key: rsa.RSAPrivateKey | None = None
        self._digests: dict[str, tuple[UserRecord, bytes]] = {}

    def prepare(self) -> rsa.RSAPrivateKey:
        """The private key."""
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
            return self._key

    def public_pem(self) -> bytes:
        """The public key as clients want it."""
        return (
            self.prepare()
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def decrypt(self, secret: bytes, salt: bytes) -> bytes | None:
        """The password in an encrypted answer, None if it is not one of ours."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        try:
            masked = self.prepare().decrypt(secret, oaep)
        except ValueError:  # wrong length or padding: an answer that proves nothing
            return None
        return bytes(a ^ b for a, b in zip(masked, cycle(salt), strict=False))

    def digest(self, record: UserRecord) -> bytes | None:
        """The fast path's digest for this user, if known.

        A digest learned under an older version of the record does not count.
        """
        if record.caching_sha2 is not None:
            return record.caching_sha2
        with self._lock:
            known = self._digests.get(record.name)
        return known[1] if known is not None and known[0] == record else None

    def remember(self, record: UserRecord, password: str) -> None:
        """Lets the user's next login take the fast path."""
        with self._lock:
            self._digests[record.name] = (record, verifiers.caching_sha2(password))


def exchange(
    record: UserRecord | None, salt: bytes, response: bytes, secrets: Secrets, *, secure: bool
) -> Exchange:
    """Checks the response, asking for the password itself when it must.

    A `record` of None (nobody of that name) fails like a wrong password. `secure` tells that the
    socket is encrypted.
    """
    if record is None:
        return False
    if response in (b"", b"\x00"):  # an empty password is not scrambled
        return is_password(record, "")
    known = secrets.digest(record)
    if known is not None:
        if not matches(known, salt, response):
            return False
        yield Say(_FAST_OK)
        return True
    password = yield from _full(salt, secrets, secure=secure)
    if password is None or not is_password(record, password):
        return False
    secrets.remember(record, password)
    return True


def trust(response: bytes) -> Exchange:
    """The exchange for a server without users: any password is right."""
    if response not in (b"", b"\x00"):
        yield Say(_FAST_OK)
    return True


def matches(stored: bytes, salt: bytes, response: bytes) -> bool:
    """True if the response proves knowledge of the password behind `stored`."""
    if len(response) != _DIGEST_BYTES:
        return False
    mask = sha256(stored + salt).digest()
    candidate = bytes(a ^ b for a, b in zip(response, mask, strict=True))
    return compare_digest(sha256(candidate).digest(), stored)


def _full(salt: bytes, secrets: Secrets, *, secure: bool) -> Generator[Step, bytes, str | None]:
    answer = yield Ask(_FULL_WANTED)
    if not secure:
        if answer == _REQUEST_PUBLIC_KEY:
            answer = yield Ask(AUTH_MORE_DATA + secrets.public_pem())
        decrypted = secrets.decrypt(answer, salt)
        if decrypted is None:
            return None
        answer = decrypted
    if not answer.endswith(b"\x00"):  # the password is sent as a C string
        return None
    return answer[:-1].decode(errors="replace")
