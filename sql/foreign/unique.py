"""UNIQUE constraints that are DEFERRABLE: looked at when a statement ends, or at COMMIT.

Called by enforce.py with the key values that came. DuckDB checks with each row and is told nothing
of these; the guard keeps transactions apart that bring the same key.
https://www.postgresql.org/docs/15/sql-set-constraints.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.details import Constraint
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.foreign import lookup
from sql.foreign.guard import Keys
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def everything(table: Table, constraint: Constraint) -> Keys:
    """Stands for every value of the key."""
    return Keys(lookup.types_of(table, constraint.columns), None)


def check(session: ClientSession, table: Table, constraint: Constraint, keys: Keys) -> None:
    """Raises: DbError UNIQUE_VIOLATION if two rows have one of these keys, or any if it is all."""
    columns = ", ".join(f"c.{quote(name)} AS k{at}" for at, name in enumerate(constraint.columns))
    names = [f"c.{quote(name)}" for name in constraint.columns]
    given = " AND ".join(f"{name} IS NOT NULL" for name in names)
    twice = f"WHERE {given} GROUP BY {', '.join(names)} HAVING count(*) > 1 LIMIT 1"
    stored = lookup.stored_as(table)
    if keys.rows is None:
        found = session.duck.table(f"SELECT {columns} FROM {stored} AS c {twice}")
    else:
        on = lookup.matching("c", constraint.columns, "g")
        with lookup.source_of(session, keys) as source:
            sql = f"SELECT {columns} FROM {stored} AS c SEMI JOIN {source} AS g ON {on} {twice}"
            found = session.duck.table(sql)
    if found.num_rows:
        values = lookup.first(session, Keys(keys.types, found))
        shown = f"({', '.join(constraint.columns)})=({', '.join(values)})"
        raise DbError(
            ErrorKind.UNIQUE_VIOLATION,
            f'duplicate key value violates unique constraint "{constraint.name}"',
            detail=f"Key {shown} already exists.",
            about={"schema": table.database, "table": table.name, "constraint": constraint.name},
        )
