"""MySQL's procedures; its functions, triggers and events, of which there are none; HELP and XA.

Called by utility.py for sessions of MySQL's wire: what is dropped, called or shown is missing, with
MySQL's numbers, and with IF EXISTS only a note. Making one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.mysql_errors import MISSING, missing
from sql.results import Affected, Notice, Result
from sql.routines import interpreted
from sql.routines.definition import create, drop
from sql.statements.answers import table_rows
from sql.system.arrow import strings

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

KINDS = frozenset(MISSING)
_ROUTINES = ("PROCEDURE", "FUNCTION")
_EXISTS = re.compile(r"IF\s+EXISTS\s+", re.IGNORECASE)


def run(session: ClientSession, verb: str, text: str) -> Result:
    """A statement that is known by its verb alone. Raises: DbError."""
    act, kind = verb.split(" ")[0], verb.split(" ")[-1]
    if act == "HELP":  # there are no help tables: no topic is found
        names = strings("name", "is_it_category")
        return table_rows(pa.schema(names).empty_table(), tag="HELP")
    if act == "XA":
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "XA transactions are not supported",
            hint="START TRANSACTION begins one of this server alone",
        )
    if act == "CREATE" and kind in _ROUTINES:
        return create(session, text, kind, replace="REPLACE" in verb)
    if act == "DROP" and kind in MISSING:
        return _drop(session, kind, text)
    raise DbError(ErrorKind.UNSUPPORTED, f"{verb} is not supported")


def run_call(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CALL of PostgreSQL's procedures. Raises: DbError."""
    return interpreted.call(session, statement, parameters)


def _drop(session: ClientSession, kind: str, text: str) -> Result:
    optional = _EXISTS.match(text)
    name = text[optional.end() :] if optional else text
    if kind in _ROUTINES and drop(session, name, kind):
        return Affected(f"DROP {kind}", 0)
    error = missing(kind, name)
    if not optional:
        raise error
    session.notice(Notice(error.message, errno=error.codes.errno))
    return Affected(f"DROP {kind}", 0)
