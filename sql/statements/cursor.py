"""DECLARE, FETCH, MOVE, CLOSE: forward-only cursors over streaming results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.results import Affected, Cursor, Result, Rows
from sql.session import Wire
from sql.statements.query import bind, plan_of

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
    inner = session.inner_statement(statement, tree.args["query"])
    plan = plan_of(session, inner)
    values = bind(parameters, plan.parameter_types, session.timezone)
    rows = session.runner.query(plan, values, statement.text)
    session.cursors[name] = Cursor(rows, hold=hold)
    return Affected("DECLARE CURSOR", 0 if session.wire is not Wire.POSTGRES else None)


def run_fetch(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """FETCH and MOVE, forward. Raises: DbError UNDEFINED_CURSOR, WRONG_OBJECT_TYPE (backward)."""
    tree = statement.tree
    assert tree is not None
    cursor = _named(session, tree.this.name)
    taken = cursor.take(_count(tree))
    if tree.args.get("move"):
        return Affected("MOVE", sum(batch.num_rows for batch in taken))
    return Rows(cursor.columns, iter(taken), tag="FETCH")


def _count(tree: exp.Expr) -> int | None:
    direction = str(tree.args["direction"])
    count = tree.args.get("count")
    if direction not in ("NEXT", "FORWARD", "RELATIVE"):
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            "cursor can only scan forward",
            hint="cursors keep no rows they have given",
        )
    if count is None:
        return 1
    if isinstance(count, exp.Var):
        return None
    number = int(count.name)
    return max(number, 0)


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
