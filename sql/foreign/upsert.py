"""What ON CONFLICT … DO UPDATE, which DuckDB runs by itself, may do to foreign keys.

Called by sql/statements/insert.py before it runs. A SET list that only copies columns of the
incoming rows gives no key that those rows have not; of any other the whole table is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import KeyAction
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.foreign.keys import deferrable_uniques, foreign_constraints, is_checked, keys_onto
from sql.foreign.pending import End

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction

_ACTS = frozenset({KeyAction.CASCADE, KeyAction.SET_NULL, KeyAction.SET_DEFAULT})


def watch_upsert(
    session: ClientSession, transaction: Transaction, tree: exp.Insert, table: Table
) -> None:
    """Has the statement's end look at the whole table where that is needed.

    Raises: DbError UNSUPPORTED for a change of parents' keys that children would have to follow.
    """
    conflict = tree.args.get("conflict")
    if conflict is None or not conflict.expressions:
        return
    computed, copied = _set(conflict)
    if computed & {name for one in deferrable_uniques(table) for name in one.columns}:
        transaction.keys.whole.add((table.id, End.CHILD))
    if not is_checked(session):
        return
    if computed & {name for one in foreign_constraints(table) for name in one.columns}:
        transaction.keys.whole.add((table.id, End.CHILD))
    targets = {key.name for key in conflict.args.get("conflict_keys") or ()}
    changed = computed | (copied - targets)
    for key in keys_onto(session, table):
        if not changed & set(key.parent_columns):
            continue
        if key.reference.on_update in _ACTS:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'ON CONFLICT cannot update the key that "{key.constraint.name}" follows',
                hint="use UPDATE, or MERGE",
            )
        transaction.keys.whole.add((table.id, End.PARENT))


def _set(conflict: exp.Expr) -> tuple[set[str], set[str]]:
    """The columns of the SET list: those of any value, those that take the incoming row's."""
    computed: set[str] = set()
    copied: set[str] = set()
    for item in conflict.expressions:
        left, value = item.this, item.expression
        same = isinstance(value, exp.Column) and value.table.lower() == "excluded"
        for column in [left] if isinstance(left, exp.Column) else left.find_all(exp.Column):
            is_copy = same and value.name == column.name and left is column
            (copied if is_copy else computed).add(column.name)
    return computed, copied
