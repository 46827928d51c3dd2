"""CREATE and DROP of MySQL's procedures and functions.

Called by sql/statements/routines.py for MySQL's sessions. A routine is kept as text; that its
body can be run is checked when it is made. Source: MySQL 8.4 reference, "CREATE PROCEDURE".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot.tokenizer_core import TokenType

from catalog.objects import Argument, Routine
from engine.errors import DbError, ErrorKind
from sql.dialect.parser import parse
from sql.privileges import check_owner, check_schema, owner_of_new
from sql.results import Affected, Notice, Result
from sql.routines.find import find
from sql.routines.header import Header
from sql.routines.parse import parse_body
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_MODES = ("IN", "OUT", "INOUT")
_CHARACTERISTICS = (
    *(("LANGUAGE", "SQL"), ("NOT", "DETERMINISTIC"), ("CONTAINS", "SQL")),
    *(("NO", "SQL"), ("READS", "SQL", "DATA"), ("MODIFIES", "SQL", "DATA")),
    *(("SQL", "SECURITY", "DEFINER"), ("SQL", "SECURITY", "INVOKER")),
)


def create(session: ClientSession, text: str, kind: str, *, replace: bool) -> Result:
    """`text` is what follows CREATE PROCEDURE or FUNCTION (`kind`). Raises: DbError."""
    header = Header(text, Wire.MYSQL)
    exists = header.take("IF", "NOT", "EXISTS")
    made = _read(header, session.database, is_function=kind == "FUNCTION")
    if not session.has_database(made.database):
        message = f'database "{made.database}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_DATABASE, message)
    there = find(session, made.database, made.name, is_function=made.is_function)
    if there is not None and not replace:
        error = DbError(ErrorKind.DUPLICATE_OBJECT, f"{kind} {made.name} already exists")
        error.mysql = (1304, "42000")
        if not exists:
            raise error
        session.notice(Notice(error.message, errno=1304))
        return Affected(f"CREATE {kind}", 0)
    store(session, made, there)
    return Affected(f"CREATE {kind}", 0)


def _read(header: Header, database: str, *, is_function: bool) -> Routine:
    """The routine that a definition describes, without a number of its own."""
    home, name = header.qualified()
    arguments = tuple(_arguments(header, is_function=is_function))
    returns = ""
    if is_function:
        header.require("RETURNS")
        returns = _type(header, _WORDS_AFTER_TYPE)
    comment, deterministic = _characteristics(header)
    body = header.rest()
    parse_body(body, is_function=is_function)
    return Routine(
        id=0,
        database=home or database,
        name=name,
        arguments=arguments,
        body=body,
        comment=comment,
        is_function=is_function,
        returns=returns,
        volatility="i" if deterministic else "v",
    )


def store(session: ClientSession, made: Routine, there: Routine | None) -> None:
    """Keeps a routine, in place of one that is there. Raises: DbError ACCESS_DENIED."""
    check_schema(session, made.database)
    if there is not None:
        check_owner(session, there.role, f"{noun(there)} {there.name}")
    with session.writing() as transaction:
        transaction.change_store()
        cursor = session.duck.cursor
        number, role, comment = session.next_id(), owner_of_new(session), made.comment
        if there is not None and there.language != "mysql":
            number, role, comment = there.id, there.role, there.comment
        if there is not None:
            session.catalog.remove_object(cursor, there)
        grants = there.grants if there is not None else None
        made = replace(
            made,
            id=number,
            role=role,
            comment=comment,
            created_ms=session.server.clock.now_ms(),
            grants=grants,
        )
        session.catalog.put_object(cursor, made)


def noun(one: Routine) -> str:
    """What a routine is called in messages."""
    return "function" if one.is_function else "procedure"


def drop(session: ClientSession, text: str, kind: str) -> bool:
    """`text` is what follows DROP PROCEDURE [IF EXISTS]; False if there is none."""
    database, name = Header(text, Wire.MYSQL).qualified()
    is_function = kind == "FUNCTION"
    one = find(session, database or session.database, name, is_function=is_function)
    if one is not None:
        remove(session, one)
    return one is not None


def remove(session: ClientSession, one: Routine) -> None:
    """Forgets a routine. Raises: DbError ACCESS_DENIED."""
    check_owner(session, one.role, f"{noun(one)} {one.name}")
    with session.writing() as transaction:
        transaction.change_store()
        session.catalog.remove_object(session.duck.cursor, one)


def shown(routine: Routine) -> pa.Table:
    """The row of SHOW CREATE PROCEDURE or FUNCTION."""
    kind = noun(routine)
    modes = [("" if routine.is_function else f"{a.mode} ", a) for a in routine.arguments]
    arguments = ", ".join(f"{mode}`{a.name}` {a.type}" for mode, a in modes)
    comment = routine.comment.replace("'", "''")
    told = f" RETURNS {routine.returns}\n" if routine.is_function else "\n"
    told += "    DETERMINISTIC\n" if routine.volatility == "i" else ""
    told += f"    COMMENT '{comment}'\n" if comment else ""
    row = {
        kind.capitalize(): routine.name,
        "sql_mode": "",
        f"Create {kind.capitalize()}": (
            f"CREATE {kind.upper()} `{routine.name}`({arguments}){told}{routine.body}"
        ),
        "character_set_client": "utf8mb4",
        "collation_connection": "utf8mb4_bin",
        "Database Collation": "utf8mb4_bin",
    }
    return pa.table({name: [value] for name, value in row.items()})


def _arguments(header: Header, *, is_function: bool) -> list[Argument]:
    """`([IN | OUT | INOUT] name type, …)`. Raises: DbError SYNTAX."""
    found: list[Argument] = []
    if not header.skip(TokenType.L_PAREN):
        raise DbError(ErrorKind.SYNTAX, 'syntax error: "(" expected after the routine\'s name')
    while not header.skip(TokenType.R_PAREN):
        mode = "IN"
        if not is_function and header.peek() in _MODES:
            mode = header.word().upper()
        found.append(Argument(mode, header.word(), _type(header, ())))
        header.skip(TokenType.COMMA)
    return found


def _type(header: Header, ends: Sequence[str]) -> str:
    """A type as it was written. Raises: DbError SYNTAX."""
    text = header.between(*header.until(*ends))
    if not text or header.ended:
        raise DbError(ErrorKind.SYNTAX, "syntax error: an argument of a routine has a type")
    parse(f"CREATE TABLE t (a {text})", Wire.MYSQL)
    return text


_WORDS_AFTER_TYPE = (
    *("LANGUAGE", "DETERMINISTIC", "NOT", "CONTAINS", "NO", "READS", "MODIFIES", "SQL"),
    *("COMMENT", "BEGIN", "RETURN"),
)


def _characteristics(header: Header) -> tuple[str, bool]:
    """What is said of the routine: its comment, and whether it is deterministic."""
    comment, deterministic = "", False
    while True:
        if header.take("COMMENT"):
            comment = header.string()
        elif header.take("DETERMINISTIC"):
            deterministic = True
        elif not any(header.take(*words) for words in _CHARACTERISTICS):
            return comment, deterministic
