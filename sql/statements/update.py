"""UPDATE: rows are found, changed and written; a changed key moves them.

Plain UPDATEs of relational tables are DuckDB's; everything else is found by one query for each
table that changes, then written as one step (sql/statements/changes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.results import Description, Result
from sql.statements.adjusting import adjusted, is_strict
from sql.statements.changes import Changes, check_unique
from sql.statements.counting import count_of, counts_changed, same_column
from sql.statements.found import (
    describe_joined,
    keys_of,
    outer_columns,
    run_joined,
    seen_columns,
    seen_of,
    with_outer,
)
from sql.statements.generated import generated_names
from sql.statements.joined import Joined, Target, find, read_update
from sql.statements.parts import Pieces, assigned
from sql.statements.setting import assignments, new_values
from sql.statements.target import complete

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Updates the rows that match. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Update)
    joined = read_update(session, tree, statement.text)
    return run_joined(session, statement, parameters, joined, _find, "UPDATE")


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types and RETURNING columns."""
    tree = statement.tree
    assert isinstance(tree, exp.Update)
    joined = read_update(session, tree, statement.text)
    target = joined.targets[0]
    changes = assignments(target.table, _mine(joined, target), statement.text)
    values = new_values(target.table, target.alias, changes)
    return describe_joined(session, statement, declared, joined, values, "UPDATE")


def _find(pieces: Pieces, joined: Joined, target: Target) -> Changes:
    session, table = pieces.session, target.table
    changes = assignments(table, _mine(joined, target), pieces.text)

    def made() -> exp.Expr:
        values = [
            *new_values(table, target.alias, changes),
            *outer_columns(joined, target),
            *seen_columns(target),
            same_column(session, target, changes),
        ]
        return find(joined, target, values)

    names = [column.name for column in table.columns]
    strict = is_strict(session)  # else values come as they are, to be adjusted
    plan, given = pieces.prepared(
        f"update {target.alias} {counts_changed(session)} {strict}",
        made,
        (table, names) if strict else None,
    )
    found = session.runner.table(plan, given, pieces.text)
    session.tally.matched(found.num_rows)
    fit = assigned if strict else adjusted
    rows = complete(session, table, table.columns, fit(session, found, table.columns))
    session.tally.told(changes, rows)
    old = keys_of(table, found)
    result = Changes(
        old=old,
        new=rows,
        seen=seen_of(table, old, found),
        affected=count_of(found),
        changed=frozenset(changes) | generated_names(table),
        returned=with_outer(rows, found),
    )
    check_unique(session, table, result)
    return result


def _mine(joined: Joined, target: Target) -> list[exp.Expr]:
    """The items of SET that change columns of this target."""
    items: list[exp.Expr] = joined.tree.expressions
    if len(joined.targets) == 1:
        return items
    mine = []
    for item in items:
        left = item.this
        if not isinstance(left, exp.Column):
            raise DbError(ErrorKind.UNSUPPORTED, "SET (…) = (…) of several tables is not supported")
        if left.table == target.alias or (not left.table and target.table.column(left.name)):
            mine.append(item)
    return mine
