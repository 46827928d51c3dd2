"""ON CONFLICT and ON DUPLICATE KEY UPDATE of time-series tables, where a plain insert is the same.

Called by sql/statements/insert.py. A row replaces the one of the same tags and time, so a conflict
clause that sets every other column to the new row's value asks for nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.statements.target import identity_columns


def check_conflict(tree: exp.Insert, table: Table, columns: Sequence[Column]) -> None:
    """Requires: a time-series table, the columns that are inserted.

    Raises: DbError UNSUPPORTED for RETURNING, and for a conflict clause that a plain insert does
    not fulfil.
    """
    if tree.args.get("returning"):
        raise DbError(ErrorKind.UNSUPPORTED, "RETURNING is not supported on time-series tables")
    conflict = tree.args.get("conflict")
    if conflict is None or _is_replacement(conflict, table, columns):
        return
    raise DbError(
        ErrorKind.UNSUPPORTED,
        "this conflict clause is not supported on time-series tables",
        detail="a row replaces the one with the same tags and time: insert all columns, and set"
        " each that is no tag and not the time index to its new value",
        hint="leave the clause out to replace rows",
    )


def _is_replacement(conflict: exp.Expr, table: Table, columns: Sequence[Column]) -> bool:
    identity = set(identity_columns(table))
    keys = {key.this.name for key in conflict.args.get("conflict_keys") or []}
    updated = {_renewed(item) for item in conflict.expressions}
    others = {column.name for column in table.columns} - identity
    return (
        str(conflict.args.get("action")).upper() in ("DO UPDATE", "UPDATE")
        and conflict.args.get("where") is None
        and conflict.args.get("constraint") is None
        and not table.append_mode
        and keys in (set(), identity)
        and len(columns) == len(table.columns)
        and updated - identity == others
    )


def _renewed(item: exp.Expr) -> str | None:
    """The column that `c = excluded.c` or `c = VALUES(c)` gives its new value, else None."""
    if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column):
        return None
    name, value = item.this.name, item.expression
    if isinstance(value, exp.Column) and value.table.lower() == "excluded":
        return name if value.name == name else None
    if isinstance(value, exp.Anonymous) and value.name.upper() == "VALUES":
        return name if [part.name for part in value.expressions] == [name] else None
    return None
