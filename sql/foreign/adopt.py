"""Stores of older versions, where DuckDB kept to the foreign keys: their tables are built anew.

DuckDB cannot drop a foreign key, so a table that has one is copied into one that has none, in one
transaction for all, when the database opens. From then on sql/foreign/ keeps to the keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from catalog.catalog import EmbeddedCatalog
from catalog.details import Constraint
from catalog.records import Table
from sql.foreign.keys import parent_columns
from sql.types import quote

_NEW = "__without_keys"
_FOREIGN = (
    "SELECT DISTINCT schema_name, table_name, referenced_table FROM duckdb_constraints()"
    " WHERE constraint_type = 'FOREIGN KEY' AND database_name = current_database()"
)


@dataclass(frozen=True)
class _Name:
    database: str
    table: str

    @property
    def quoted(self) -> str:
        return f"{quote(self.database)}.{quote(self.table)}"


def adopt_keys(cursor: duckdb.DuckDBPyConnection, catalog: EmbeddedCatalog) -> None:
    """Takes all foreign keys over from DuckDB. Requires: nobody else uses the store yet."""
    found = cursor.execute(_FOREIGN).fetchall()
    if not found:
        return
    points = {(_Name(base, child), _Name(base, parent)) for base, child, parent in found}
    cursor.execute("BEGIN TRANSACTION")
    try:
        for name in _children_first(points):
            _rebuild(cursor, name)
            table = catalog.table(cursor, name.database, name.table)
            if table is not None:
                catalog.put_table(cursor, _pointing(cursor, catalog, table))
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        catalog.rollback(cursor)
        raise
    catalog.commit(cursor)


def _children_first(points: set[tuple[_Name, _Name]]) -> list[_Name]:
    """Every table with a key, none before those that point at it; DuckDB's keys form no circle."""
    left = {child for child, _ in points}
    found: list[_Name] = []
    while left:
        needed = {parent for child, parent in points if child in left and child != parent}
        free = sorted(left - needed, key=lambda name: name.quoted)
        assert free, "tables that point at each other"
        found += free
        left -= set(free)
    return found


def _rebuild(cursor: duckdb.DuckDBPyConnection, name: _Name) -> None:
    given = [name.database, name.table]
    where = "database_name = current_database() AND schema_name = ? AND table_name = ?"
    columns = cursor.execute(
        f"SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE {where}"
        " ORDER BY column_index",
        given,
    ).fetchall()
    parts = [f"{quote(c)} {kind}{'' if null else ' NOT NULL'}" for c, kind, null in columns]
    constraints = cursor.execute(
        f"SELECT constraint_text FROM duckdb_constraints() WHERE {where}"
        " AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'CHECK') ORDER BY constraint_index",
        given,
    ).fetchall()
    parts += [text for (text,) in constraints]
    indexes = cursor.execute(f"SELECT sql FROM duckdb_indexes() WHERE {where}", given).fetchall()
    new = _Name(name.database, _NEW)
    cursor.execute(f"CREATE TABLE {new.quoted} ({', '.join(parts)})")
    cursor.execute(f"INSERT INTO {new.quoted} SELECT * FROM {name.quoted}")
    cursor.execute(f"DROP TABLE {name.quoted}")
    cursor.execute(f"ALTER TABLE {new.quoted} RENAME TO {quote(name.table)}")
    for (text,) in indexes:
        cursor.execute(text)


def _pointing(cursor: duckdb.DuckDBPyConnection, catalog: EmbeddedCatalog, table: Table) -> Table:
    """The record with its keys pointing at tables for good, where those are there."""

    def pointing(one: Constraint) -> Constraint:
        reference = one.references
        if reference is None or reference.table_id:
            return one
        parent = catalog.table(cursor, reference.database, reference.table)
        if parent is None:
            return one
        ids = {column.name: column.id for column in parent.columns}
        names = parent_columns(reference, parent)
        there = replace(
            reference,
            columns=names,
            table_id=parent.id,
            column_ids=tuple(ids[name] for name in names),
        )
        return replace(one, references=there)

    return replace(table, constraints=tuple(map(pointing, table.constraints)))
