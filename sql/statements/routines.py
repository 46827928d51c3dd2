"""MySQL's routines, triggers and events, of which there are none; HELP and XA.

Called by utility.py for sessions of MySQL's wire: what is dropped, called or shown is missing, with
MySQL's numbers, and with IF EXISTS only a note. Making one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.results import Affected, Notice, Result
from sql.session import Wire
from sql.statements.answers import table_rows
from sql.system.arrow import strings

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_MISSING = {
    "PROCEDURE": (1305, "42000"),
    "FUNCTION": (1305, "42000"),
    "TRIGGER": (1360, "HY000"),
    "EVENT": (1539, "HY000"),
}
KINDS = frozenset(_MISSING)
_EXISTS = re.compile(r"IF\s+EXISTS\s+", re.IGNORECASE)


def run(session: ClientSession, verb: str, text: str) -> Result:
    """A statement that is known by its verb alone. Raises: DbError."""
    act, _, kind = verb.partition(" ")
    if act == "HELP":  # there are no help tables: no topic is found
        names = strings("name", "is_it_category")
        return table_rows(pa.schema(names).empty_table(), tag="HELP")
    if act == "XA":
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "XA transactions are not supported",
            hint="START TRANSACTION begins one of this server alone",
        )
    if act == "DROP" and kind in _MISSING:
        return _drop(session, kind, text)
    raise DbError(ErrorKind.UNSUPPORTED, f"{verb} is not supported")


def run_call(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CALL. Raises: DbError; there is no procedure."""
    assert statement.tree is not None
    if session.wire is not Wire.MYSQL:
        raise DbError(ErrorKind.UNSUPPORTED, "CALL is not supported")
    raise missing("PROCEDURE", f"{session.database}.{statement.tree.this.name}")


def _drop(session: ClientSession, kind: str, text: str) -> Result:
    optional = _EXISTS.match(text)
    error = missing(kind, text[optional.end() :] if optional else text)
    if not optional:
        raise error
    session.notice(Notice(error.message, errno=error.codes.errno))
    return Affected(f"DROP {kind}", 0)


def missing(kind: str, name: str) -> DbError:
    """The error of naming a routine, a trigger or an event."""
    shown = name.strip().rstrip(";").replace("`", "")
    error = DbError(ErrorKind.UNDEFINED_OBJECT, f"{kind} {shown} does not exist")
    error.mysql = _MISSING[kind]
    return error
