"""The fast path: functions called by their numbers, without a statement.

Called by conversation.py. Only large objects are reached so; libpq and pgjdbc know no other way.
https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.6
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from engine.errors import DbError, ErrorKind
from server.postgres.messages import FunctionCall
from server.postgres.types import oids
from server.postgres.types.parameters import decode_parameters
from sql.large_objects import BYTEA, INT4, INT8, OID, VOID, LargeObjectCall, by_oid
from sql.session import SessionApi

_OIDS = {INT4: oids.INT4, INT8: oids.INT8, OID: oids.OID, BYTEA: oids.BYTEA}


def call_function(session: SessionApi, event: FunctionCall) -> bytes | None:
    """What the call gave, in the format asked for; None for NULL. Raises: DbError."""
    found = by_oid(event.oid)
    if found is None:
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"function with OID {event.oid} cannot be called without a statement",
            hint="use SELECT",
        )
    name, function = found
    if len(event.arguments) != len(function.takes):
        raise DbError(
            ErrorKind.PROTOCOL,
            f"function call message contains {len(event.arguments)} arguments but function "
            f"requires {len(function.takes)}",
        )
    types = [_OIDS[kind] for kind in function.takes]
    arguments = decode_parameters(event.arguments, event.formats, types)
    value = session.run(LargeObjectCall(name, tuple(arguments)))
    shown = (_TEXT, _BINARY)[event.result_format]
    return None if value is None else shown[function.gives](value)


def _packed(layout: str) -> Callable[[object], bytes]:
    return lambda value: struct.pack(layout, value)


def _hex(value: object) -> bytes:
    assert isinstance(value, bytes)
    return b"\\x" + value.hex().encode()


def _digits(value: object) -> bytes:
    return str(value).encode()


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _nothing(value: object) -> bytes:
    return b""


_TEXT = {INT4: _digits, INT8: _digits, OID: _digits, BYTEA: _hex, VOID: _nothing}
_BINARY = {
    INT4: _packed("!i"),
    INT8: _packed("!q"),
    OID: _packed("!I"),
    BYTEA: _bytes,
    VOID: _nothing,
}
