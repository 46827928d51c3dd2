"""What is kept of a password: verifiers that let a wire check it without knowing it.

Called by CREATE ROLE, by the users file, by `gnomon user hash-password` and by logins that receive
passwords in the clear. Sources: RFC 5802 and RFC 7677 (SCRAM-SHA-256), RFC 4013
(SASLprep), MySQL's native and caching_sha2 password descriptions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

SCRAM_ITERATIONS = 4096  # PostgreSQL's and RFC 7677's number
SCRAM_SALT_BYTES = 16

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(password: str) -> str:
    """The password as RFC 4013 normalises it, or unchanged when that refuses it (as libpq does)."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(test(character) for test in _PROHIBITED for character in prepared):
        return password
    right_to_left = [stringprep.in_table_d1(character) for character in prepared]
    if any(right_to_left) and (
        any(stringprep.in_table_d2(character) for character in prepared)
        or not (right_to_left[0] and right_to_left[-1])
    ):
        return password
    return prepared


def scram_verifier(
    password: str, salt: bytes | None = None, iterations: int = SCRAM_ITERATIONS
) -> str:
    """`SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, PostgreSQL's spelling.

    >>> verifier = scram_verifier("pencil", salt=b"0123456789abcdef")
    >>> verifier.split("$")[1]
    '4096:MDEyMzQ1Njc4OWFiY2RlZg=='
    """
    salt = secrets.token_bytes(SCRAM_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def parse_scram(verifier: str) -> tuple[int, bytes]:
    """Iterations and salt of a SCRAM verifier. Raises: ValueError if it is none."""
    try:
        scheme, parameters, keys = verifier.split("$")
        iterations, salt = parameters.split(":")
        decoded = [base64.b64decode(key, validate=True) for key in keys.split(":")]
        if scheme != "SCRAM-SHA-256" or [len(key) for key in decoded] != [32, 32]:
            raise ValueError
        if not 1 <= int(iterations) <= 10_000_000:
            raise ValueError
        return int(iterations), base64.b64decode(salt, validate=True)
    except ValueError:
        raise ValueError(
            "expected SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>"
        ) from None


def md5(password: str, user: str) -> str:
    """`md5` and md5(password + user) in hexadecimal digits, as PostgreSQL keeps it."""
    digest = hashlib.md5((password + user).encode(), usedforsecurity=False)
    return "md5" + digest.hexdigest()


def mysql_native(password: str) -> bytes:
    """sha1(sha1(password)), what mysql_native_password compares against; empty has none."""
    return hashlib.sha1(hashlib.sha1(password.encode()).digest()).digest()


def caching_sha2(password: str) -> bytes:
    """sha256(sha256(password)), what the fast path of caching_sha2_password compares against."""
    return hashlib.sha256(hashlib.sha256(password.encode()).digest()).digest()
