"""DECLARE, FETCH, MOVE, CLOSE: cursors over streaming results (sql/scrolling.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.results import Affected, Cursor, Result, Rows
from sql.scrolling import DeclaredCursor
from sql.session import Wire
from sql.statements.query import bind, inner_statement, locked_rows, plan_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run_declare(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """DECLARE name CURSOR FOR query. Raises: DbError DUPLICATE_CURSOR, NO_TRANSACTION."""
    tree = statement.tree
    assert tree is not None
    name = tree.this.name
    hold = bool(tree.args.get("hold"))
    if name in session.cursors:
        raise DbError(ErrorKind.DUPLICATE_CURSOR, f'cursor "{name}" already exists')
    if session.wire is Wire.POSTGRES and session.transaction is None and not hold:
        message = "DECLARE CURSOR can only be used in transaction blocks"
        raise DbError(ErrorKind.NO_TRANSACTION, message, hint="use WITH HOLD, or BEGIN first")
    inner = inner_statement(session, statement, tree.args["query"])
    rows = locked_rows(session, inner, parameters)
    if rows is None:
        plan = plan_of(session, inner)
        values = bind(parameters, plan.parameter_types, session.timezone)
        rows = session.runner.query(plan, values, statement.text)
    session.cursors[name] = DeclaredCursor(
        rows,
        statement=statement.text,
        hold=hold,
        scroll=tree.args.get("scroll"),
        binary=bool(tree.args.get("binary")),
        made_ms=session.moment_ms(),
    )
    return Affected("DECLARE CURSOR", 0 if session.wire is not Wire.POSTGRES else None)


def run_fetch(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """FETCH and MOVE. Raises: DbError UNDEFINED_CURSOR, NOT_READY (it cannot go back there)."""
    tree = statement.tree
    assert tree is not None
    cursor = _named(session, tree.this.name)
    taken = _taken(cursor, str(tree.args["direction"]), _count(tree))
    if tree.args.get("move"):
        return Affected("MOVE", sum(batch.num_rows for batch in taken))
    binary = isinstance(cursor, DeclaredCursor) and cursor.binary
    return Rows(cursor.columns, iter(taken), tag="FETCH", binary=binary)


def _taken(cursor: Cursor, direction: str, count: int | None) -> list[pa.RecordBatch]:
    """The rows FETCH asks for; `count` is None for ALL."""
    if direction in _PLACES:
        direction, count = "ABSOLUTE", _PLACES[direction]
    elif direction == "PRIOR":
        direction = "BACKWARD"
    if direction == "BACKWARD" and count is not None:
        direction, count = "FORWARD", -count
    if not isinstance(cursor, DeclaredCursor):  # a portal of the protocol
        if direction not in ("NEXT", "FORWARD", "RELATIVE") or (count is not None and count < 0):
            raise DbError(ErrorKind.NOT_READY, "cursor can only scan forward")
        return cursor.take(count)
    if direction == "BACKWARD":
        return cursor.back(None)
    if direction in ("NEXT", "FORWARD") and count != 0:
        return cursor.back(-count) if count is not None and count < 0 else cursor.take(count)
    assert count is not None
    return cursor.absolute(count) if direction == "ABSOLUTE" else cursor.relative(count)


_PLACES = {"FIRST": 1, "LAST": -1}


def _count(tree: exp.Expr) -> int | None:
    count = tree.args.get("count")
    if count is None:
        return 1
    if isinstance(count, exp.Var):
        return None
    return -int(count.this.name) if isinstance(count, exp.Neg) else int(count.name)


def run_close(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CLOSE name or ALL."""
    assert statement.tree is not None
    node = statement.tree.this
    names = list(session.cursors) if node is None else [node.name]
    for name in names:
        _named(session, name).close()
        del session.cursors[name]
    return Affected("CLOSE CURSOR ALL" if node is None else "CLOSE CURSOR")


def _named(session: ClientSession, name: str) -> Cursor:
    found = session.cursors.get(name)
    if found is None:
        raise DbError(ErrorKind.UNDEFINED_CURSOR, f'cursor "{name}" does not exist')
    return found
