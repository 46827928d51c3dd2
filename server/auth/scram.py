"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side, as a generator of messages.

Called by server/postgres/startup.py. The password never crosses the wire: the client proves that
it knows it, the server proves that it knows the verifier. With PLUS both also prove that they talk
over the same TLS connection, by its certificate. Sources: RFC 5802, RFC 7677, RFC 5929.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Generator
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind

MECHANISM = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"

_SCHEME = "SCRAM-SHA-256"
_BOUND = "p=tls-server-end-point"
_NONCE_BYTES = 18
_MOCK_ITERATIONS = 4096
_MOCK_SECRET = secrets.token_bytes(32)  # one per process: an unknown user's salt stays the same

Exchange = Generator[bytes, bytes, bool]


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def parse_verifier(text: str) -> Verifier:
    """Reads `SCRAM-SHA-256$iterations:salt$stored:server`. Raises: ValueError if it is none."""
    scheme, parameters, keys = text.split("$")
    iterations, salt = parameters.split(":")
    stored, server = (base64.b64decode(key, validate=True) for key in keys.split(":"))
    if scheme != _SCHEME or len(stored) != 32 or len(server) != 32 or int(iterations) < 1:
        raise ValueError("not a SCRAM-SHA-256 verifier")
    return Verifier(int(iterations), base64.b64decode(salt, validate=True), stored, server)


def mock_verifier(user: str) -> Verifier:
    """A verifier nobody can satisfy, the same for the same name, so that names stay secret."""
    salt = hmac.digest(_MOCK_SECRET, user.encode(), "sha256")[:16]
    return Verifier(_MOCK_ITERATIONS, salt, secrets.token_bytes(32), secrets.token_bytes(32))


def exchange(
    verifier: Verifier,
    client_first: bytes,
    nonce: str | None = None,
    *,
    mechanism: str = MECHANISM,
    end_point: bytes | None = None,
) -> Exchange:
    """Answers the client's first message; ends with True when its proof is right.

    Yields the server's first message, then (proof right) its final one, whose answer is ignored.
    `nonce` is the server's part, random unless given; `end_point` the hash of our certificate,
    where PLUS was offered; `mechanism` what the client has chosen.
    Raises: DbError PROTOCOL for messages that are not SCRAM, or bound to another connection.
    """
    flag, bare = _split_first(client_first)
    _check_flag(flag, mechanism, end_point)
    bound = end_point if flag == _BOUND and end_point is not None else b""
    binding = base64.b64encode(f"{flag},,".encode() + bound).decode()
    client_nonce = _client_nonce(bare)
    full_nonce = client_nonce + (nonce or _random_nonce())
    salt = base64.b64encode(verifier.salt).decode()
    server_first = f"r={full_nonce},s={salt},i={verifier.iterations}"
    answer = _text((yield server_first.encode()))
    without_proof, found, proof = answer.rpartition(",p=")
    attributes = without_proof.split(",")
    if not found or len(attributes) < 2:
        raise _malformed("the final message has no proof")
    if attributes[0] != f"c={binding}":
        raise _malformed("the channel binding does not match")
    if attributes[1] != f"r={full_nonce}":
        raise _malformed("the nonce does not match")
    signed = f"{bare},{server_first},{without_proof}".encode()
    if not _is_proof(verifier, signed, _decoded(proof)):
        return False
    signature = hmac.digest(verifier.server_key, signed, "sha256")
    yield b"v=" + base64.b64encode(signature)
    return True


def _split_first(message: bytes) -> tuple[str, str]:
    """The GS2 header's flag (`n` of `n,,`) and the bare first message."""
    text = _text(message)
    parts = text.split(",", 2)
    if len(parts) != 3:
        raise _malformed("the first message has no header")
    flag, identity, bare = parts
    if identity:
        raise DbError(ErrorKind.UNSUPPORTED, "SCRAM authorization identities are not supported")
    return flag, bare


def _check_flag(flag: str, mechanism: str, end_point: bytes | None) -> None:
    """What the client says of channel binding must fit what it has chosen (RFC 5802, section 6)."""
    if flag.startswith("p="):
        if mechanism != PLUS:
            raise _malformed("it binds the channel, but the mechanism chosen does not")
        if flag != _BOUND:
            raise _malformed(f"unsupported channel binding type {flag[2:]!r}")
    elif flag not in ("n", "y"):
        raise _malformed("unknown channel binding flag")
    elif mechanism == PLUS:
        raise _malformed(f"{PLUS} was chosen without channel binding")
    elif flag == "y" and end_point is not None:
        # Somebody in the middle has taken PLUS out of our offer.
        raise _malformed("the client thinks that channel binding was not offered, but it was")


def _client_nonce(bare: str) -> str:
    """From `n=user,r=nonce`; the name is the startup message's, as in PostgreSQL."""
    attributes = bare.split(",")
    if attributes[0].startswith("m="):
        raise DbError(ErrorKind.UNSUPPORTED, "SCRAM extensions are not supported")
    if len(attributes) < 2 or attributes[0][:2] != "n=" or attributes[1][:2] != "r=":
        raise _malformed("the first message lacks a name or a nonce")
    nonce = attributes[1][2:]
    if not nonce or not all(33 <= ord(letter) <= 126 for letter in nonce):
        raise _malformed("the nonce is not printable")
    return nonce


def _is_proof(verifier: Verifier, signed: bytes, proof: bytes) -> bool:
    signature = hmac.digest(verifier.stored_key, signed, "sha256")
    if len(proof) != len(signature):
        return False
    client_key = bytes(left ^ right for left, right in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)


def _random_nonce() -> str:
    return base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _malformed("the proof is not base64") from error
    except ValueError as error:
        raise _malformed("the proof is not ASCII") from error


def _malformed(reason: str) -> DbError:
    return DbError(ErrorKind.PROTOCOL, f"malformed SCRAM message: {reason}")
