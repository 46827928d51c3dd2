"""DELETE: time-series rows by tombstones for their key, plain DELETEs of other rows by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import DataType
from sql.results import Description, Result
from sql.statements.changes import Changes, Seen
from sql.statements.found import (
    describe_joined,
    keys_of,
    outer_columns,
    run_joined,
    seen_columns,
    seen_of,
    with_outer,
)
from sql.statements.joined import Joined, Target, find, read_delete
from sql.statements.parts import Pieces, assigned, column_of, returning_of
from sql.statements.target import identity_columns

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Deletes the rows that match. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Delete)
    joined = read_delete(session, tree, statement.text)
    return run_joined(session, statement, parameters, joined, _find, "DELETE")


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types and RETURNING columns."""
    tree = statement.tree
    assert isinstance(tree, exp.Delete)
    joined = read_delete(session, tree, statement.text)
    return describe_joined(session, statement, declared, joined, (), "DELETE")


def _find(pieces: Pieces, joined: Joined, target: Target) -> Changes:
    table = target.table
    columns = table.columns if returning_of(joined.tree) else ()
    watched = seen_columns(target) if _by_value(pieces, joined, target) else []

    def made() -> exp.Expr:
        values = [
            *(column_of(target.alias, column.name) for column in columns),
            *outer_columns(joined, target),
            *watched,
        ]
        return find(joined, target, values)

    kind = "delete watched" if watched else "delete"
    plan, given = pieces.prepared(f"{kind} {target.alias}", made)
    found = pieces.session.runner.table(plan, given, pieces.text)
    keys = keys_of(table, found)
    seen: Seen | None = seen_of(table, keys, found) if watched else None
    returned: pa.Table | None = None
    if columns:
        returned = with_outer(assigned(pieces.session, found, columns), found)
    return Changes(deleted=keys, seen=seen, affected=found.num_rows, returned=returned)


def _by_value(pieces: Pieces, joined: Joined, target: Target) -> bool:
    """True if a row that another writer changes meanwhile might no longer be meant.

    Only inside a transaction, and not if the condition asks for keys alone.
    """
    transaction = pieces.session.transaction
    if not target.table.is_time_series or transaction is None:
        return False
    if not pieces.session.stages(transaction):
        return False
    where = joined.tree.args.get("where")
    keys = set(identity_columns(target.table)) if not target.table.append_mode else set()
    asked = {c.name for c in where.find_all(exp.Column)} if where is not None else set()
    return joined.has_others or not asked <= keys or bool(joined.tree.args.get("limit"))
