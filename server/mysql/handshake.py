"""The connection phase: greeting, capabilities, login and change of user.

`login` and `change_user` are generators of steps (server/auth/steps.py) that read top to bottom;
connection.py drives them. No I/O, no session: the result is a `Login`.
Source: MySQL protocol pages "Protocol::HandshakeV10", "HandshakeResponse41", "COM_CHANGE_USER".
"""

from __future__ import annotations

import secrets as random
from collections.abc import Generator
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind
from server.auth import caching_sha2, mysql_native
from server.auth.api import UserRecord, Users, is_trusted
from server.auth.caching_sha2 import Secrets
from server.auth.steps import Ask, Exchange, StartTls, Step
from server.mysql.constants import (
    CHARSET_DEFAULT,
    OFFERED,
    SALT_BYTES,
    Capability,
    Status,
)
from server.mysql.packets import PacketReader, decode_text, malformed
from sql.settings import MYSQL_VERSION, PRODUCT_VERSION

_PROTOCOL_VERSION = 10
_AUTH_SWITCH = b"\xfe"
SSL_REQUEST_BYTES = 32
_PLUGINS = (caching_sha2.NAME, mysql_native.NAME)
DEFAULT_PLUGIN = caching_sha2.NAME


@dataclass(frozen=True, slots=True)
class Terms:
    """What a connection brings into its logins.

    `tls` says that the socket may be upgraded, `tls_required` that nobody logs in without.
    """

    connection_id: int
    salt: bytes
    users: Users
    secrets: Secrets
    address: str
    tls: bool = False
    tls_required: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """A login that succeeded: who, where, and how to speak."""

    user: str
    database: str
    capabilities: Capability
    charset: int
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Response:
    """HandshakeResponse41, or what COM_CHANGE_USER has of it."""

    capabilities: Capability
    charset: int
    user: str
    proof: bytes
    database: str
    plugin: str
    attributes: dict[str, str]


def new_salt() -> bytes:
    """A nonce of printable bytes: some clients stop reading it at a zero byte."""
    return bytes(33 + random.randbelow(94) for _ in range(SALT_BYTES))


def login(terms: Terms) -> Generator[Step, bytes, Login]:
    """The whole login of a new connection.

    Raises: DbError PROTOCOL, INVALID_ENCODING, or BAD_PASSWORD; the connection ends then.
    """
    offered = OFFERED | Capability.SSL if terms.tls else OFFERED
    payload = yield Ask(_greeting(terms, offered))
    secure = False
    if terms.tls and _is_ssl_request(payload):
        payload = yield StartTls()
        secure = True
    response = _parse_response(payload, offered)
    if terms.tls_required and not secure:
        raise _insecure()
    return (yield from _authenticate(terms, response, secure=secure))


def _insecure() -> DbError:
    error = DbError(
        ErrorKind.ACCESS_DENIED,
        "connections using insecure transport are prohibited (require_secure_transport is on)",
    )
    error.mysql = (3159, "HY000")
    return error


def change_user(
    terms: Terms, payload: bytes, capabilities: Capability, *, secure: bool
) -> Generator[Step, bytes, Login]:
    """The login inside a COM_CHANGE_USER command, whose payload (without its code) is given."""
    response = _parse_change_user(payload, capabilities)
    return (yield from _authenticate(terms, response, secure=secure))


def _greeting(terms: Terms, offered: Capability) -> bytes:
    flags = int(offered).to_bytes(4, "little")
    return b"".join(
        (
            bytes((_PROTOCOL_VERSION,)),
            f"{MYSQL_VERSION}-gnomon-{PRODUCT_VERSION}\0".encode(),
            terms.connection_id.to_bytes(4, "little"),
            terms.salt[:8] + b"\x00",
            flags[:2],
            bytes((CHARSET_DEFAULT,)),
            int(Status.AUTOCOMMIT).to_bytes(2, "little"),
            flags[2:],
            bytes((SALT_BYTES + 1,)),
            bytes(10),
            terms.salt[8:] + b"\x00",
            DEFAULT_PLUGIN.encode() + b"\x00",
        )
    )


def _is_ssl_request(payload: bytes) -> bool:
    flags = int.from_bytes(payload[:4], "little")
    return len(payload) == SSL_REQUEST_BYTES and bool(flags & Capability.SSL)


def _parse_response(payload: bytes, offered: Capability) -> _Response:
    reader = PacketReader(payload)
    claimed = reader.integer(4)
    if not claimed & Capability.PROTOCOL_41:
        raise malformed("the client is too old: it does not speak the 4.1 protocol")
    capabilities = Capability(claimed & offered)
    reader.fixed(4)  # the client's own packet limit: results are split anyway
    charset = reader.integer(1)
    reader.fixed(23)
    user = decode_text(reader.null_terminated())
    if Capability.PLUGIN_AUTH_LENENC in capabilities:
        proof = reader.lenenc_bytes()
    elif Capability.SECURE_CONNECTION in capabilities:
        proof = reader.fixed(reader.integer(1))
    else:
        proof = reader.null_terminated()
    database = ""
    if Capability.CONNECT_WITH_DB in capabilities and reader.remaining:
        database = decode_text(reader.null_terminated())
    plugin = _plugin(reader, capabilities)
    attributes = _attributes(reader, capabilities)
    return _Response(capabilities, charset, user, proof, database, plugin, attributes)


def _parse_change_user(payload: bytes, capabilities: Capability) -> _Response:
    reader = PacketReader(payload)
    user = decode_text(reader.null_terminated())
    if Capability.SECURE_CONNECTION in capabilities:
        proof = reader.fixed(reader.integer(1))
    else:
        proof = reader.null_terminated()
    database = decode_text(reader.null_terminated())
    charset = reader.integer(2) if reader.remaining else CHARSET_DEFAULT
    plugin = _plugin(reader, capabilities)
    attributes = _attributes(reader, capabilities)
    return _Response(capabilities, charset, user, proof, database, plugin, attributes)


def _plugin(reader: PacketReader, capabilities: Capability) -> str:
    """The plugin that made the proof; clients from before plugins use the native one."""
    if Capability.PLUGIN_AUTH not in capabilities or not reader.remaining:
        return mysql_native.NAME
    return decode_text(reader.null_terminated())


def _attributes(reader: PacketReader, capabilities: Capability) -> dict[str, str]:
    if Capability.CONNECT_ATTRS not in capabilities or not reader.remaining:
        return {}
    inner = PacketReader(reader.lenenc_bytes())
    attributes: dict[str, str] = {}
    while inner.remaining:
        name = decode_text(inner.lenenc_bytes())
        attributes[name] = decode_text(inner.lenenc_bytes())
    return attributes


def _authenticate(
    terms: Terms, response: _Response, *, secure: bool
) -> Generator[Step, bytes, Login]:
    record = terms.users.lookup(response.user)
    plugin, proof = response.plugin, response.proof
    usable = _usable_plugins(record)
    if plugin not in usable:
        plugin = usable[0]
        if Capability.PLUGIN_AUTH not in response.capabilities:
            raise _denied(terms, response)
        request = _AUTH_SWITCH + plugin.encode() + b"\x00" + terms.salt + b"\x00"
        proof = yield Ask(request)
    if is_trusted(terms.users, record):
        accepted = yield from _trust(plugin, proof)
    else:
        accepted = yield from _exchange(terms, record, plugin, proof, secure=secure)
    if not accepted:
        raise _denied(terms, response)
    return Login(
        response.user,
        response.database,
        response.capabilities,
        response.charset,
        response.attributes,
    )


def _usable_plugins(record: UserRecord | None) -> tuple[str, ...]:
    """Which plugins can check this user, the preferred first.

    Unknown users may use any, so that an answer never tells whether a name exists. A user with
    only a native verifier is sent to that plugin, as MySQL does, because it needs no RSA.
    """
    if record is None:
        return _PLUGINS
    if record.mysql_native is None:
        return (caching_sha2.NAME,)
    if record.caching_sha2 is None and record.scram is None and record.md5 is None:
        return (mysql_native.NAME,)
    return _PLUGINS


def _exchange(
    terms: Terms, record: UserRecord | None, plugin: str, proof: bytes, *, secure: bool
) -> Exchange:
    if plugin == mysql_native.NAME:
        return (yield from mysql_native.exchange(record, terms.salt, proof))
    exchange = caching_sha2.exchange(record, terms.salt, proof, terms.secrets, secure=secure)
    return (yield from exchange)


def _trust(plugin: str, proof: bytes) -> Exchange:
    """Any password is right, or none."""
    if plugin == mysql_native.NAME:
        return True
    return (yield from caching_sha2.trust(proof))


def _denied(terms: Terms, response: _Response) -> DbError:
    host = terms.address.rpartition(":")[0] or terms.address
    used = "YES" if response.proof else "NO"
    return DbError(
        ErrorKind.BAD_PASSWORD,
        f"access denied for user '{response.user}'@'{host}' (using password: {used})",
    )
