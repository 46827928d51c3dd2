"""PostgreSQL's md5 login, for users whose only verifier is such a hash.

Called by server/postgres/startup.py. Weak by today's measure: a verifier that leaks opens the door,
and it is not bound to a TLS connection. Nobody uses it whose record has a SCRAM verifier.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""

from __future__ import annotations

import hashlib
import hmac


def matches(stored: str, salt: bytes, answer: bytes) -> bool:
    """True if the answer proves knowledge of the password behind `stored` (`md5…`).

    It is a C string: `md5` and md5(digits of the stored hash + salt) in hexadecimal digits.
    """
    inner = stored.removeprefix("md5").encode() + salt
    expected = "md5" + hashlib.md5(inner, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(answer, expected.encode() + b"\0")
