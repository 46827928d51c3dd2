"""From the startup message to the first ReadyForQuery: version, login, parameters.

Driven by connection.py as a generator: it yields bytes to send and receives the client's answer.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind
from server.auth import md5, scram
from server.auth.api import UserRecord, Users, is_trusted
from server.postgres import replies
from server.postgres.cancel import CancelKeys
from server.postgres.messages import Frontend, Password, StartupMessage
from sql.session import ClientInfo, DatabaseApi, SessionApi, TransactionStatus, Wire

MINOR_MAX = 2  # protocol 3.2 differs from 3.0 only in longer cancel keys

# What libpq, pgjdbc, Npgsql and asyncpg read at login.
REPORTED = (
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "default_transaction_read_only",
    "in_hot_standby",
    "is_superuser",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
)
_NOT_SETTINGS = frozenset({"user", "database", "options", "replication"})
_OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.]*|[A-Za-z_][\w-]*)\s*=\s*((?:\\.|\S)*)|(\S+)")

Login = Generator[bytes, Frontend, tuple[SessionApi, bytes]]


@dataclass(frozen=True, slots=True)
class Door:
    """What a login needs to know of the server."""

    database: DatabaseApi
    users: Users
    keys: CancelKeys


def login(
    startup: StartupMessage, door: Door, address: str, end_point: bytes | None = None
) -> Login:
    """Checks who it is and opens the session; returns it and the bytes that end with ReadyForQuery.

    `end_point` is what the login can be bound to, on a TLS connection.

    Raises: DbError (all of them end the connection): BAD_AUTHORIZATION, BAD_PASSWORD,
        UNDEFINED_DATABASE, INVALID_ARGUMENT for a setting, TOO_MANY_CONNECTIONS, PROTOCOL.
    """
    parameters = startup.parameters
    greeting = _negotiation(startup)
    user = parameters.get("user", "")
    if not user:
        raise DbError(
            ErrorKind.BAD_AUTHORIZATION, "no PostgreSQL user name specified in startup packet"
        )
    if parameters.get("replication", "false") not in ("false", "off", "no", "0"):
        raise DbError(ErrorKind.UNSUPPORTED, "streaming replication is not offered")
    record = door.users.lookup(user)
    if not is_trusted(door.users, record):
        greeting = yield from _authenticate(user, record, greeting, end_point)
    session = _open_session(parameters, user, door, address)
    try:
        welcome = _welcome(session, user, door.keys, is_long=startup.minor >= MINOR_MAX)
    except BaseException:
        session.close()
        raise
    return session, greeting + replies.AUTHENTICATION_OK + welcome


def _negotiation(startup: StartupMessage) -> bytes:
    unknown = [name for name in startup.parameters if name.startswith("_pq_.")]
    if startup.minor <= MINOR_MAX and not unknown:
        return b""
    return replies.negotiate(min(startup.minor, MINOR_MAX), unknown)


def _authenticate(
    user: str, record: UserRecord | None, greeting: bytes, end_point: bytes | None
) -> Generator[bytes, Frontend, bytes]:
    """Runs SCRAM-SHA-256, or md5; returns what is left to send before AuthenticationOk."""
    if record is not None and record.scram is None and record.md5 is not None:
        salt = secrets.token_bytes(4)
        answer = yield greeting + replies.md5_password(salt)
        if not md5.matches(record.md5, salt, _data(answer)):
            raise _wrong_password(user)
        return b""
    verifier = scram.mock_verifier(user)
    if record is not None and record.scram is not None:
        verifier = scram.parse_verifier(record.scram)
    offered = [scram.MECHANISM] if end_point is None else [scram.PLUS, scram.MECHANISM]
    first = yield greeting + replies.sasl(offered)
    mechanism, message = _initial_response(_data(first), offered)
    exchange = scram.exchange(verifier, message, mechanism=mechanism, end_point=end_point)
    challenge = next(exchange)
    final = yield replies.sasl_continue(challenge)
    try:
        proof = exchange.send(_data(final))
    except StopIteration:
        raise _wrong_password(user) from None
    return replies.sasl_final(proof)


def _wrong_password(user: str) -> DbError:
    return DbError(ErrorKind.BAD_PASSWORD, f'password authentication failed for user "{user}"')


def _data(event: Frontend) -> bytes:
    if not isinstance(event, Password):
        raise DbError(ErrorKind.PROTOCOL, "expected a password response")
    return event.data


def _initial_response(data: bytes, offered: Sequence[str]) -> tuple[str, bytes]:
    """SASLInitialResponse: mechanism, (length,) client-first-message."""
    name, found, rest = data.partition(b"\0")
    mechanism = name.decode(errors="replace")
    if not found or mechanism not in offered or len(rest) < 4:
        raise DbError(
            ErrorKind.PROTOCOL, "client selected an invalid SASL authentication mechanism"
        )
    length = int.from_bytes(rest[:4], "big", signed=True)
    if length != len(rest) - 4:
        raise DbError(ErrorKind.PROTOCOL, "malformed SASL initial response")
    return mechanism, rest[4:]


def _open_session(parameters: dict[str, str], user: str, door: Door, address: str) -> SessionApi:
    name = parameters.get("database") or user
    application = parameters.get("application_name", "")
    client = ClientInfo(user, name, address, application)
    session = door.database.connect(Wire.POSTGRES, client)
    try:
        for setting, value in _settings(parameters):
            session.set(setting, value)
    except BaseException:
        session.close()
        raise
    return session


def _settings(parameters: dict[str, str]) -> list[tuple[str, str]]:
    """Settings from the `options` string, then from the startup parameters themselves."""
    settings = _options(parameters.get("options", ""))
    settings += [
        (name, value)
        for name, value in parameters.items()
        if name not in _NOT_SETTINGS and not name.startswith("_pq_.")
    ]
    return settings


def _options(text: str) -> list[tuple[str, str]]:
    """`-c name=value --other-name=value` with backslash escapes for spaces."""
    found: list[tuple[str, str]] = []
    for match in _OPTION.finditer(text):
        if match[3] is not None:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"invalid command-line argument for server: {match[3]}"
            )
        value = re.sub(r"\\(.)", r"\1", match[2])
        found.append((match[1].replace("-", "_"), value))
    return found


def _welcome(session: SessionApi, user: str, keys: CancelKeys, *, is_long: bool) -> bytes:
    """ParameterStatus for every reported setting, BackendKeyData, ReadyForQuery."""
    out = [replies.parameter_status(name, session.show(name)) for name in REPORTED]
    out.append(replies.parameter_status("session_authorization", user))
    session.take_reports()  # all of them were just sent
    out.append(replies.backend_key(session.id, keys.add(session, long=is_long)))
    out.append(replies.READY[TransactionStatus.IDLE])
    return b"".join(out)
