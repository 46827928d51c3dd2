"""ALTER TABLE … ADD INDEX and DROP INDEX, as MySQL writes them.

Called by alter.py, which builds and drops what the store keeps of them (indexes.py).
"""

from __future__ import annotations

from dataclasses import replace

from catalog.details import Index
from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes
from sql.statements.alter_constraints import check_unneeded, drop_named
from sql.statements.alteration import Alteration


def add(change: Alteration, action: mysql_nodes.AddIndex) -> None:
    """Raises: DbError UNDEFINED_COLUMN, DUPLICATE_TABLE, UNSUPPORTED for UNIQUE of a series."""
    session, table = change.session, change.table
    columns = tuple(change.column(node.name).name for node in action.args["columns"])
    unique = bool(action.args.get("unique"))
    if unique and table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "UNIQUE indexes on time-series tables are not supported",
            hint="tags and time index already name a row",
        )
    taken = {index.name for index in table.indexes} | {one.name for one in table.constraints}
    name, count = action.name or columns[0], 1
    while not action.name and name in taken:
        count += 1
        name = f"{columns[0]}_{count}"
    if name in taken:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'index "{name}" already exists')
    number = session.catalog.next_table_id(session.duck.cursor)
    method = str(action.args.get("method") or "btree")
    index = Index(number, name, columns, unique, method)
    change.table = replace(table, indexes=(*table.indexes, index))


def drop(change: Alteration, action: mysql_nodes.DropIndex) -> None:
    """Raises: DbError UNDEFINED_OBJECT; DEPENDENT_OBJECTS for a key that others point at."""
    table, name = change.table, action.name
    if drop_named(change, name):
        return
    kept = tuple(index for index in table.indexes if index.name != name)
    if len(kept) == len(table.indexes):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'index "{name}" does not exist')
    made = replace(table, indexes=kept)
    check_unneeded(change.session, table, made, name)
    change.table = made


def rename(change: Alteration, action: mysql_nodes.RenameIndex) -> None:
    """Raises: DbError UNDEFINED_OBJECT, DUPLICATE_TABLE."""
    table, old, new = change.table, action.name, action.args["to"].name
    names = [one.name for one in table.indexes] + [one.name for one in table.constraints]
    if old not in names:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'index "{old}" does not exist')
    if old != new and new in names:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'index "{new}" already exists')
    indexes = (replace(one, name=new) if one.name == old else one for one in table.indexes)
    constraints = (replace(one, name=new) if one.name == old else one for one in table.constraints)
    change.table = replace(table, indexes=tuple(indexes), constraints=tuple(constraints))
