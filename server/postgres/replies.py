"""What the server says to a PostgreSQL client: one function per backend message.

Called by startup.py, conversation.py, extended.py and copy.py. Result rows are not here: they are
made in bulk by server/encode/assemble.py.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from engine.errors import DbError, ErrorKind
from server.postgres.encoded import shown
from server.postgres.types.oids import describe_column
from sql.encodings import UTF8
from sql.results import Notice, Notification, ResultColumn
from sql.session import TransactionStatus

AUTHENTICATION_OK = b"R\0\0\0\x08\0\0\0\0"
PARSE_COMPLETE = b"1\0\0\0\x04"
BIND_COMPLETE = b"2\0\0\0\x04"
CLOSE_COMPLETE = b"3\0\0\0\x04"
COPY_DONE = b"c\0\0\0\x04"
EMPTY_QUERY = b"I\0\0\0\x04"
NO_DATA = b"n\0\0\0\x04"
PORTAL_SUSPENDED = b"s\0\0\0\x04"
READY = {
    status: b"Z\0\0\0\x05" + status.value.encode() for status in TransactionStatus
}  # ReadyForQuery

# asyncpg and pgjdbc know by this that they shall prepare the statement again.
_ROUTINES = {ErrorKind.PLAN_CHANGED: "RevalidateCachedQuery"}
# Tags that PostgreSQL ends with a row count; SHOW and EXPLAIN, for example, have none.
_COUNTED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "FETCH", "MOVE", "COPY"})


def md5_password(salt: bytes) -> bytes:
    """AuthenticationMD5Password: the client answers with a hash over this salt."""
    return _framed(b"R", struct.pack("!i", 5) + salt)


def sasl(mechanisms: Sequence[str]) -> bytes:
    """AuthenticationSASL: which mechanisms the client may choose from."""
    return _framed(b"R", struct.pack("!i", 10) + b"".join(map(_string, mechanisms)) + b"\0")


def sasl_continue(data: bytes) -> bytes:
    """AuthenticationSASLContinue: the server's challenge."""
    return _framed(b"R", struct.pack("!i", 11) + data)


def sasl_final(data: bytes) -> bytes:
    """AuthenticationSASLFinal: the server's proof."""
    return _framed(b"R", struct.pack("!i", 12) + data)


def negotiate(minor: int, unknown: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: the newest minor we speak and the options we do not know."""
    body = struct.pack("!ii", (3 << 16) | minor, len(unknown))
    return _framed(b"v", body + b"".join(map(_string, unknown)))


def function_result(value: bytes | None) -> bytes:
    """FunctionCallResponse: what a call by the fast path gave."""
    if value is None:
        return _framed(b"V", struct.pack("!i", -1))
    return _framed(b"V", struct.pack("!i", len(value)) + value)


def notification(message: Notification, encoding: str = UTF8) -> bytes:
    """NotificationResponse: what NOTIFY has sent."""
    texts = _string(message.channel, encoding) + _string(message.payload, encoding)
    body = struct.pack("!i", message.sender) + texts
    return _framed(b"A", body)


def parameter_status(name: str, value: str) -> bytes:
    """A setting's value, at login and whenever it changes."""
    return _framed(b"S", _string(name) + _string(value))


def backend_key(process: int, secret: bytes) -> bytes:
    """What a CancelRequest has to present."""
    return _framed(b"K", struct.pack("!i", process) + secret)


def command_complete(tag: str, rows: int | None) -> bytes:
    """The end of a statement, e.g. `INSERT 0 5`, `SELECT 3`, `CREATE TABLE`."""
    if rows is None or tag not in _COUNTED:
        return _framed(b"C", _string(tag))
    prefix = "INSERT 0" if tag == "INSERT" else tag
    return _framed(b"C", _string(f"{prefix} {rows}"))


def row_description(
    columns: Sequence[ResultColumn], formats: Sequence[int], encoding: str = UTF8
) -> bytes:
    """Names, types and formats of a result's columns."""
    parts = [struct.pack("!H", len(columns))]
    for column, code in zip(columns, formats, strict=True):
        kind = describe_column(column)
        parts.append(_string(column.name, encoding))
        parts.append(
            struct.pack(
                "!IhIhih",
                column.table_id & 0xFFFFFFFF,
                column.ordinal,
                kind.oid,
                kind.length,
                kind.modifier,
                code,
            )
        )
    return _framed(b"T", b"".join(parts))


def parameter_description(oids: Sequence[int]) -> bytes:
    """The types of a statement's parameters."""
    return _framed(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def copy_response(code: bytes, binary: bool, columns: int) -> bytes:
    """CopyInResponse (`G`) or CopyOutResponse (`H`)."""
    body = struct.pack(f"!bH{columns}H", binary, columns, *([int(binary)] * columns))
    return _framed(code, body)


def error_response(
    error: DbError, *, fatal: bool = False, offset: int = 0, encoding: str = UTF8
) -> bytes:
    """An error; `offset` characters stand before the statement the position counts in."""
    severity = "FATAL" if fatal else "ERROR"
    told = error.message, error.detail, error.hint
    fields = _fields(severity, error.codes.sqlstate, *told, encoding)
    fields += _about(error.about, encoding)
    if error.position is not None:
        fields += b"P" + _string(str(error.position + offset))
    routine = _ROUTINES.get(error.kind)
    if routine is not None:
        fields += b"R" + _string(routine)
    return _framed(b"E", fields + b"\0")


def notice_response(notice: Notice, encoding: str = UTF8) -> bytes:
    """A notice or warning."""
    told = notice.message, notice.detail, notice.hint
    fields = _fields(notice.severity.value, notice.sqlstate, *told, encoding)
    fields += _about(notice.about, encoding)
    return _framed(b"N", fields + b"\0")


def internal_error() -> DbError:
    """What a client learns about an error that is ours."""
    return DbError(ErrorKind.INTERNAL, "internal error", hint="the server's log has the details")


def _fields(
    severity: str, state: str, message: str, detail: str | None, hint: str | None, encoding: str
) -> bytes:
    fields = b"S" + _string(severity) + b"V" + _string(severity) + b"C" + _string(state)
    fields += b"M" + _string(message, encoding)
    if detail is not None:
        fields += b"D" + _string(detail, encoding)
    if hint is not None:
        fields += b"H" + _string(hint, encoding)
    return fields


# https://www.postgresql.org/docs/current/protocol-error-fields.html
_ABOUT = {"schema": b"s", "table": b"t", "column": b"c", "datatype": b"d", "constraint": b"n"}
_ABOUT |= {"context": b"W"}


def _about(names: Mapping[str, str], encoding: str) -> bytes:
    return b"".join(_ABOUT[what] + _string(name, encoding) for what, name in names.items())


def _string(text: str, encoding: str = UTF8) -> bytes:
    """Zero bytes would end the string early, so they go; what is no character is replaced."""
    return shown(text, encoding).replace(b"\0", b"") + b"\0"


def _framed(code: bytes, body: bytes) -> bytes:
    return code + struct.pack("!i", len(body) + 4) + body
