"""SCRAM-SHA-256 against RFC 7677's example and against wrong, broken and hostile clients."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from engine.errors import DbError, ErrorKind
from server.auth.scram import (
    MECHANISM,
    PLUS,
    Exchange,
    Verifier,
    exchange,
    mock_verifier,
    parse_verifier,
)
from sql.verifiers import scram_verifier

# RFC 7677, section 3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FULL_NONCE = "rOprNGfwEbeRWgbNEkqO" + SERVER_NONCE
CLIENT_FINAL = f"c=biws,r={FULL_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()


def pencil() -> Verifier:
    return parse_verifier(scram_verifier("pencil", SALT, 4096))


def outcome(running: Exchange, answer: bytes) -> tuple[bytes | None, bool]:
    """The server's final message, if any, and whether the login succeeded."""
    try:
        final = running.send(answer)
    except StopIteration as end:
        return None, end.value
    with pytest.raises(StopIteration) as ended:
        running.send(b"")
    return final, ended.value.value


def test_the_example_of_rfc_7677() -> None:
    running = exchange(pencil(), CLIENT_FIRST, SERVER_NONCE)
    assert next(running) == f"r={FULL_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    final, is_right = outcome(running, CLIENT_FINAL)
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert is_right


def client_final(
    password: str, server_first: bytes, first: bytes = CLIENT_FIRST, bound: bytes = b""
) -> bytes:
    """What a client of this password answers; `bound` is what it binds the login to."""
    attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(attributes["s"]), int(attributes["i"])
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    header, bare = first.split(b",,")
    binding = base64.b64encode(header + b",," + bound).decode()
    without = f"c={binding},r={attributes['r']}"
    message = bare + b"," + server_first + b"," + without.encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return f"{without},p={base64.b64encode(proof).decode()}".encode()


@pytest.mark.parametrize(
    ("password", "expected"), [("pencil", True), ("Pencil", False), ("", False)]
)
def test_only_the_right_password_proves_itself(password, expected) -> None:
    running = exchange(pencil(), CLIENT_FIRST)
    final, is_right = outcome(running, client_final(password, next(running)))
    assert is_right is expected
    assert (final is not None) is expected


BOUND = b"p=tls-server-end-point,,n=user,r=abc"


@pytest.mark.parametrize(("seen", "agrees"), [(b"our certificate", True), (b"another", False)])
def test_a_login_is_bound_to_the_certificate_that_the_client_sees(seen, agrees) -> None:
    running = exchange(pencil(), BOUND, mechanism=PLUS, end_point=b"our certificate")
    answer = client_final("pencil", next(running), BOUND, seen)
    if agrees:
        assert outcome(running, answer)[1]
        return
    with pytest.raises(DbError, match="channel binding does not match") as caught:
        running.send(answer)
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize(
    ("flag", "mechanism", "reason"),
    [
        ("y", MECHANISM, "thinks that channel binding was not offered"),
        ("n", PLUS, "without channel binding"),
        ("p=tls-server-end-point", MECHANISM, "the mechanism chosen does not"),
        ("p=tls-unique", PLUS, "unsupported channel binding type"),
    ],
)
def test_a_flag_that_does_not_fit_the_mechanism_is_refused(flag, mechanism, reason) -> None:
    first = f"{flag},,n=user,r=abc".encode()
    with pytest.raises(DbError, match=reason) as caught:
        next(exchange(pencil(), first, mechanism=mechanism, end_point=b"x"))
    assert caught.value.kind is ErrorKind.PROTOCOL


def test_a_client_that_could_bind_may_log_in_where_it_is_not_offered() -> None:
    first = b"y,,n=user,r=abc"
    running = exchange(pencil(), first)
    assert outcome(running, client_final("pencil", next(running), first))[1]


def test_nonces_differ_every_time() -> None:
    assert next(exchange(pencil(), CLIENT_FIRST)) != next(exchange(pencil(), CLIENT_FIRST))


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,r=abc,n=user",
        b"p=tls-unique,,n=user,r=abc",
        b"x,,n=user,r=abc",
        b"n,,n=user,r=a b",
        b"n,,n=\xff,r=abc",
    ],
)
def test_a_malformed_first_message_is_a_protocol_error(first) -> None:
    with pytest.raises(DbError) as caught:
        next(exchange(pencil(), first))
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("first", [b"n,a=boss,n=user,r=abc", b"n,,m=ext,n=user,r=abc"])
def test_what_we_do_not_offer_is_refused(first) -> None:
    with pytest.raises(DbError) as caught:
        next(exchange(pencil(), first))
    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"c=biws",
        f"c=biws,r={FULL_NONCE}".encode(),
        f"c=eSws,r={FULL_NONCE},p=AAAA".encode(),
        b"c=biws,r=other,p=AAAA",
        f"c=biws,r={FULL_NONCE},p=!!!".encode(),
        f"c=biws,r={FULL_NONCE},p=\xc3\xa4".encode(),
        b"\xff\xfe",
    ],
)
def test_a_malformed_final_message_is_a_protocol_error(final) -> None:
    running = exchange(pencil(), CLIENT_FIRST, SERVER_NONCE)
    next(running)
    with pytest.raises(DbError) as caught:
        running.send(final)
    assert caught.value.kind is ErrorKind.PROTOCOL


def test_a_proof_of_the_wrong_size_fails() -> None:
    running = exchange(pencil(), CLIENT_FIRST, SERVER_NONCE)
    next(running)
    assert outcome(running, f"c=biws,r={FULL_NONCE},p=AAAA".encode()) == (None, False)


def test_an_unknown_user_always_sees_the_same_salt() -> None:
    first, again = mock_verifier("nobody"), mock_verifier("nobody")
    assert first.salt == again.salt
    assert first.salt != mock_verifier("somebody").salt
    assert len(first.salt) == 16
    assert first.stored_key != again.stored_key


@pytest.mark.parametrize(
    "text",
    ["", "SCRAM-SHA-256", "MD5$1:YQ==$YQ==:YQ==", "SCRAM-SHA-256$0:YQ==$YQ==:YQ==", "a$b$c"],
)
def test_a_text_that_is_no_verifier_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_verifier(text)
