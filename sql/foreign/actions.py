"""ON DELETE and ON UPDATE: child rows go with their parent, follow it, or lose it.

Called by enforce.py. The rows are changed by the same code as those of UPDATE and DELETE, which
leaves them in the transaction for the next round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catalog.details import KeyAction
from catalog.records import Column, Table
from sql.decode.assign import assign
from sql.foreign.guard import Keys
from sql.foreign.keys import ForeignKey, present
from sql.foreign.lookup import children
from sql.statements.changes import ROWID, Changes, change_relational
from sql.statements.generated import generated_names
from sql.statements.row_locking import guarded
from sql.statements.target import complete, default_values

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


def act(
    session: ClientSession,
    transaction: Transaction,
    key: ForeignKey,
    keys: Keys,
    moved: pa.Table | None,
    action: KeyAction,
) -> None:
    """Changes the children of the parents that have gone or, with `moved`, changed their keys.

    Requires: the action is CASCADE, SET NULL or SET DEFAULT. Raises: DbError.
    """
    child = present(session, key.child.id)
    assert child is not None
    cascades = action is KeyAction.CASCADE
    given = Keys(keys.types, _known(moved)) if cascades and moved is not None else keys
    names = key.columns
    if moved is None and key.reference.null_columns:
        names = key.reference.null_columns

    def look() -> list[Changes]:
        found = children(session, key, given)
        rowids = found.select([ROWID])
        if not found.num_rows or (cascades and moved is None):
            return [Changes(deleted=rowids)]
        rows = _changed(session, child, found, key, names, action)
        changed = frozenset(names) | generated_names(child)
        return [Changes(old=rowids, new=rows, changed=changed)]

    (changes,) = guarded(session, transaction, [child], look)()
    if changes.deleted is not None and not changes.deleted.num_rows:
        return
    transaction.change_store(rows_of=child)
    change_relational(session, transaction, child, changes)


def _known(moved: pa.Table) -> pa.Table:
    """The parents whose old key was whole: only those have children."""
    for name in moved.column_names:
        if name.startswith("k") and moved.column(name).null_count:
            moved = moved.filter(pc.is_valid(moved.column(name)))
    return moved


def _changed(
    session: ClientSession,
    child: Table,
    found: pa.Table,
    key: ForeignKey,
    names: tuple[str, ...],
    action: KeyAction,
) -> pa.Table:
    """The child rows as they shall be."""

    def value(column: Column) -> pa.Array:
        if column.name not in names:
            return assign(found.column(column.name), column, session.timezone)
        if action is KeyAction.SET_NULL:
            return pa.nulls(found.num_rows, column.type.arrow)
        if action is KeyAction.SET_DEFAULT:
            return default_values(session, column, found.num_rows)
        new = found.column(f"n{key.columns.index(column.name)}")
        return assign(new, column, session.timezone)

    data = pa.table([value(c) for c in child.columns], names=[c.name for c in child.columns])
    return complete(session, child, child.columns, data)
