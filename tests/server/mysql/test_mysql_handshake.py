"""Logins as pure exchanges: both password plugins, every path, every truncation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from raw_mysql import PLAIN, handshake_response, native_proof, parse_greeting, sha2_proof

from engine.errors import DbError, ErrorKind
from server.auth.api import OpenDoor, UserRecord, Users
from server.auth.caching_sha2 import Secrets
from server.auth.steps import Ask, Say
from server.mysql.constants import Capability
from server.mysql.handshake import Login, Terms, change_user, login, new_salt
from sql import verifiers

SALT = b"abcdefghijklmnopqrst"
SECRETS = Secrets()
NOTHING = Capability(0)
NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"


@dataclass
class Known:
    """Users for tests."""

    records: dict[str, UserRecord] = field(default_factory=dict)
    required: bool = True

    def lookup(self, name: str) -> UserRecord | None:
        return self.records.get(name)


ALL = UserRecord(
    "ann",
    scram=verifiers.scram_verifier("right", b"salt"),
    mysql_native=verifiers.mysql_native("right"),
    caching_sha2=verifiers.caching_sha2("right"),
)
NATIVE_ONLY = UserRecord("nat", mysql_native=verifiers.mysql_native("right"))
SCRAM_ONLY = UserRecord("scr", scram=verifiers.scram_verifier("right", b"salt"))
USERS = Known({"ann": ALL, "nat": NATIVE_ONLY, "scr": SCRAM_ONLY})


def terms(users: Users = USERS, *, tls: bool = False, secrets: Secrets = SECRETS) -> Terms:
    return Terms(7, SALT, users, secrets, "10.0.0.9:5555", tls=tls)


@dataclass
class Talk:
    """Plays the client against a login and remembers what the server said."""

    said: list[bytes] = field(default_factory=list)
    login: Login | None = None
    error: DbError | None = None


Answer = Callable[[bytes], bytes]


def play(where: Terms, first: bytes, *answers: Answer) -> Talk:
    talk = Talk()
    left = [lambda _: first, *answers]
    exchange = login(where)
    step = next(exchange)
    try:
        while True:
            if isinstance(step, Say):
                talk.said.append(step.payload)
                step = exchange.send(b"")
                continue
            payload = step.payload if isinstance(step, Ask) else b"<tls>"
            talk.said.append(payload)
            step = exchange.send(left.pop(0)(payload))
    except StopIteration as done:
        talk.login = done.value
    except DbError as error:
        talk.error = error
    return talk


def as_user(name: str, proof: bytes, plugin: str, extra: Capability = NOTHING) -> bytes:
    return handshake_response(PLAIN | extra, name, proof, plugin)


def switched(plugin: str, prove: Callable[[str, bytes], bytes], password: str) -> Answer:
    def answer(payload: bytes) -> bytes:
        assert payload == b"\xfe" + plugin.encode() + b"\0" + SALT + b"\0"
        return prove(password, SALT)

    return answer


def encrypted(password: str) -> Answer:
    def answer(payload: bytes) -> bytes:
        assert payload[:1] == b"\x01"
        key = serialization.load_pem_public_key(payload[1:])
        assert isinstance(key, rsa.RSAPublicKey)
        plain = password.encode() + b"\0"
        mask = (SALT * (len(plain) // len(SALT) + 1))[: len(plain)]
        masked = bytes(a ^ b for a, b in zip(plain, mask, strict=True))
        return key.encrypt(masked, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))

    return answer


def asks_for_key(payload: bytes) -> bytes:
    assert payload == b"\x01\x04"
    return b"\x02"


def test_the_greeting_tells_who_we_are() -> None:
    greeting = parse_greeting(play(terms(), b"").said[0])
    assert greeting.version.startswith("8.4.2-gnomon-")
    assert greeting.connection_id == 7
    assert greeting.salt == SALT
    assert greeting.plugin == SHA2
    assert Capability.DEPRECATE_EOF in greeting.capabilities
    assert Capability.COMPRESS in greeting.capabilities
    for refused in (Capability.SSL, Capability.NO_SCHEMA):
        assert refused not in greeting.capabilities
    with_tls = parse_greeting(play(terms(tls=True), b"").said[0])
    assert Capability.SSL in with_tls.capabilities


def test_salts_hold_no_zero_byte_and_differ() -> None:
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert all(len(salt) == 20 and min(salt) > 32 for salt in salts)


@pytest.mark.parametrize("name", ["ann", "nat"])
def test_native_password(name: str) -> None:
    talk = play(terms(), as_user(name, native_proof("right", SALT), NATIVE))
    assert talk.login is not None
    assert talk.login.user == name
    assert len(talk.said) == 1


def test_caching_sha2_fast_path() -> None:
    talk = play(terms(), as_user("ann", sha2_proof("right", SALT), SHA2))
    assert talk.login is not None
    assert talk.said[1:] == [b"\x01\x03"]


def test_caching_sha2_full_path_by_rsa_then_fast_path_from_the_cache() -> None:
    where = terms(secrets=Secrets())
    first = as_user("scr", sha2_proof("right", SALT), SHA2)
    talk = play(where, first, asks_for_key, encrypted("right"))
    assert talk.login is not None
    again = play(where, first)
    assert again.login is not None
    assert again.said[1:] == [b"\x01\x03"]
    wrong = play(where, as_user("scr", sha2_proof("wrong", SALT), SHA2))
    assert wrong.error is not None


def test_a_changed_verifier_forgets_the_cached_digest() -> None:
    users = Known({"scr": SCRAM_ONLY})
    where = terms(users, secrets=Secrets())
    first = as_user("scr", sha2_proof("right", SALT), SHA2)
    assert play(where, first, asks_for_key, encrypted("right")).login is not None
    users.records["scr"] = UserRecord("scr", scram=verifiers.scram_verifier("new", b"pepper"))
    assert play(where, first, asks_for_key, encrypted("right")).error is not None


def test_caching_sha2_full_path_in_the_clear_over_tls() -> None:
    where = terms(tls=True, secrets=Secrets())
    request = int(PLAIN | Capability.SSL).to_bytes(4, "little") + bytes(28)
    response = as_user("scr", sha2_proof("right", SALT), SHA2, Capability.SSL)
    talk = play(where, request, lambda _: response, lambda _: b"right\0")
    assert talk.login is not None
    assert talk.said[1:] == [b"<tls>", b"\x01\x04"]


def test_a_password_in_the_clear_is_not_taken_without_tls() -> None:
    where = terms(secrets=Secrets())
    first = as_user("scr", sha2_proof("right", SALT), SHA2)
    talk = play(where, first, lambda _: b"right\0")
    assert talk.error is not None
    assert talk.error.kind is ErrorKind.BAD_PASSWORD


@pytest.mark.parametrize(
    ("name", "plugin", "prove"),
    [
        ("ann", NATIVE, native_proof),
        ("ann", SHA2, sha2_proof),
        ("nat", NATIVE, native_proof),
        ("nobody", NATIVE, native_proof),
        ("nobody", SHA2, sha2_proof),
        ("ann", NATIVE, lambda password, salt: b""),
        ("ann", SHA2, lambda password, salt: b""),
        ("ann", SHA2, lambda password, salt: b"short"),
        ("ann", NATIVE, lambda password, salt: b"short"),
    ],
)
def test_wrong_passwords_and_names_are_refused_alike(
    name: str, plugin: str, prove: Callable[[str, bytes], bytes]
) -> None:
    talk = play(terms(), as_user(name, prove("wrong", SALT), plugin))
    assert talk.error is not None
    assert talk.error.codes.errno == 1045
    assert talk.error.codes.mysql_state == "28000"
    assert f"'{name}'@'10.0.0.9'" in talk.error.message
    assert len(talk.said) == 1


def test_a_wrong_password_on_the_full_path_is_refused() -> None:
    where = terms(secrets=Secrets())
    first = as_user("scr", sha2_proof("wrong", SALT), SHA2)
    talk = play(where, first, asks_for_key, encrypted("wrong"))
    assert talk.error is not None
    assert talk.error.codes.errno == 1045
    assert play(where, first, asks_for_key, lambda _: bytes(256)).error is not None
    assert play(where, first, lambda _: b"").error is not None


@pytest.mark.parametrize(
    ("name", "offered", "wanted", "prove"),
    [
        ("nat", SHA2, NATIVE, native_proof),
        ("scr", NATIVE, SHA2, sha2_proof),
        ("ann", "sha256_password", SHA2, sha2_proof),
    ],
)
def test_a_client_with_another_plugin_is_asked_to_switch(
    name: str, offered: str, wanted: str, prove: Callable[[str, bytes], bytes]
) -> None:
    answers = [switched(wanted, prove, "right"), asks_for_key, encrypted("right")]
    talk = play(terms(secrets=Secrets()), as_user(name, bytes(20), offered), *answers)
    assert talk.login is not None


def test_a_client_without_plugins_cannot_switch() -> None:
    old = handshake_response(PLAIN & ~Capability.PLUGIN_AUTH, "scr", bytes(20))
    talk = play(terms(), old)
    assert talk.error is not None
    assert talk.error.kind is ErrorKind.BAD_PASSWORD


@pytest.mark.parametrize("plugin", [NATIVE, SHA2])
@pytest.mark.parametrize("password", ["", "anything"])
def test_without_users_everybody_may_enter(plugin: str, password: str) -> None:
    prove = native_proof if plugin == NATIVE else sha2_proof
    talk = play(terms(OpenDoor()), as_user("who", prove(password, SALT), plugin))
    assert talk.login is not None
    assert talk.said[1:] == ([b"\x01\x03"] if plugin == SHA2 and password else [])


def test_a_user_with_an_empty_password() -> None:
    users = Known({"e": UserRecord("e", caching_sha2=verifiers.caching_sha2(""))})
    assert play(terms(users), as_user("e", b"", SHA2)).login is not None
    assert play(terms(users), as_user("e", b"\0", SHA2)).login is not None
    users = Known({"e": UserRecord("e", mysql_native=verifiers.mysql_native(""))})
    assert play(terms(users), as_user("e", b"", NATIVE)).login is not None


def test_database_charset_and_attributes_are_read() -> None:
    flags = PLAIN | Capability.CONNECT_WITH_DB | Capability.CONNECT_ATTRS
    payload = handshake_response(
        flags, "who", b"", NATIVE, "shop", {"program_name": "test", "_pid": "1"}, charset=33
    )
    accepted = play(terms(OpenDoor()), payload).login
    assert accepted == Login("who", "shop", flags, 33, {"program_name": "test", "_pid": "1"})


def test_capabilities_that_are_not_offered_are_not_agreed() -> None:
    payload = handshake_response(PLAIN | Capability.NO_SCHEMA | Capability.SSL, "who")
    accepted = play(terms(OpenDoor()), payload).login
    assert accepted is not None
    assert accepted.capabilities == PLAIN


def test_clients_from_before_4_1_are_refused() -> None:
    talk = play(terms(OpenDoor()), b"\x05\x00\x00\x00\x01root\0")
    assert talk.error is not None
    assert talk.error.kind is ErrorKind.PROTOCOL


def test_every_truncated_response_is_a_protocol_error() -> None:
    flags = PLAIN | Capability.CONNECT_WITH_DB | Capability.CONNECT_ATTRS
    whole = handshake_response(flags, "who", bytes(20), NATIVE, "shop", {"a": "b"})
    ends = {len(whole)}
    for cut in range(len(whole)):
        talk = play(terms(OpenDoor()), whole[:cut])
        if talk.login is not None:
            ends.add(cut)
        else:
            assert talk.error is not None
            assert talk.error.kind is ErrorKind.PROTOCOL
    # A response may end after the proof, the database or the plugin: all of them are optional.
    assert len(ends) == 4


def test_change_user_uses_the_same_salt() -> None:
    payload = b"".join(
        (
            b"ann\0",
            b"\x14" + native_proof("right", SALT),
            b"other\0",
            (45).to_bytes(2, "little"),
            NATIVE.encode() + b"\0",
        )
    )
    exchange = change_user(terms(), payload, PLAIN, secure=False)
    with pytest.raises(StopIteration) as done:
        next(exchange)
    assert done.value.value == Login("ann", "other", PLAIN, 45, {})


def test_no_tls_step_without_tls() -> None:
    request = int(PLAIN | Capability.SSL).to_bytes(4, "little") + bytes(28)
    exchange = login(terms())
    next(exchange)
    with pytest.raises(DbError) as caught:
        exchange.send(request)
    assert caught.value.kind is ErrorKind.PROTOCOL
