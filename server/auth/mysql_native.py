"""The password exchange `mysql_native_password`.

Called by server/mysql/handshake.py. The client proves that it knows the password by one response:

    response = SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))

Source: MySQL documentation, "Native Authentication".
"""

from __future__ import annotations

from hashlib import sha1
from hmac import compare_digest

from server.auth.api import UserRecord
from server.auth.steps import Exchange
from sql import verifiers

NAME = "mysql_native_password"
_DIGEST_BYTES = 20


def exchange(record: UserRecord | None, salt: bytes, response: bytes) -> Exchange:
    """Checks the response. It needs no further round: the generator never yields.

    A `record` of None (nobody of that name) fails like a wrong password.
    """
    stored = None if record is None else record.mysql_native
    return stored is not None and matches(stored, salt, response)
    yield  # makes this a generator, like every exchange


def matches(stored: bytes, salt: bytes, response: bytes) -> bool:
    """True if the response proves knowledge of the password behind `stored`."""
    if len(response) != _DIGEST_BYTES:
        # Only an empty password is answered by an empty response.
        return not response and compare_digest(stored, verifiers.mysql_native(""))
    mask = sha1(salt + stored).digest()
    candidate = bytes(a ^ b for a, b in zip(response, mask, strict=True))
    return compare_digest(sha1(candidate).digest(), stored)
