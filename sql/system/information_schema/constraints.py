"""information_schema.table_constraints, key_column_usage and statistics (indexes).

On MySQL and HTTP the constraints are called PRIMARY (the tags) and TIME INDEX; PostgreSQL's clients
see what pg_constraint says: one primary key over the whole row identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from catalog.details import ConstraintKind
from catalog.records import Column, Table
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.records import told_tables
from sql.system.information_schema.shapes import SHAPES
from sql.system.pg_catalog.keys import identity_columns, key_name
from sql.system.pg_catalog.oids import nullable
from sql.system.table import SystemContext

PRIMARY = "PRIMARY"
TIME_INDEX = "TIME INDEX"
_STRUCTURES = {
    "INVERTED": "inverted",
    "SKIPPING": "bloom_filter",
    "FULLTEXT": "fulltext_bloom",
    "VECTOR": "vector",
}
_KINDS = {
    ConstraintKind.UNIQUE: "UNIQUE",
    ConstraintKind.FOREIGN_KEY: "FOREIGN KEY",
    ConstraintKind.CHECK: "CHECK",
}
_PRIMARY_STRUCTURE = "dense"


@dataclass(frozen=True, slots=True)
class Key:
    """One column of a key or index of a table."""

    table: Table
    name: str  # of the key
    column: Column
    position: int  # 1-based, within the key
    type: str  # PRIMARY, TIME, INVERTED, SKIPPING or FULLTEXT
    structure: str = ""  # how the engine keeps it
    references: tuple[str, str, str] | None = None  # of a foreign key: database, table, column

    @property
    def unique(self) -> bool:
        """True for the primary key and unique constraints."""
        return self.type in (PRIMARY, "UNIQUE")


def keys(tables: Sequence[Table], wire: Wire) -> list[Key]:
    """The columns of all primary keys and time indexes."""
    return [key for table in tables for key in _keys(table, wire)]


def _keys(table: Table, wire: Wire) -> list[Key]:
    if wire is Wire.POSTGRES:
        found = _key(table, key_name(table), identity_columns(table), PRIMARY)
        return found + _declared(table)
    time_index = () if table.time_index is None else (table.time_index,)
    return [
        *_key(table, PRIMARY, table.primary_key, PRIMARY, _PRIMARY_STRUCTURE),
        *_key(table, TIME_INDEX, time_index, "TIME"),
        *_declared(table),
    ]


def _declared(table: Table) -> list[Key]:
    """UNIQUE, FOREIGN KEY and CHECK of a relational table."""
    found: list[Key] = []
    for constraint in table.constraints:
        if constraint.kind not in _KINDS:
            continue
        columns = _key(table, constraint.name, constraint.columns, _KINDS[constraint.kind])
        if constraint.references is not None:
            database, other, names = constraint.references
            there = [(database, other, name) for name in names]
            columns = [
                replace(key, references=there[at]) if at < len(there) else key
                for at, key in enumerate(columns)
            ]
        found += columns
    return found


def _key(
    table: Table, name: str, columns: Sequence[str], kind: str, structure: str = ""
) -> list[Key]:
    named = ((at, table.column(column)) for at, column in enumerate(columns, 1))
    return [Key(table, name, column, at, kind, structure) for at, column in named if column]


def secondary(tables: Sequence[Table]) -> list[Key]:
    """The columns that have an inverted, skipping or full-text index."""
    return [
        Key(table, f"{kind}_INDEX_{column.name}", column, 1, kind, _STRUCTURES.get(kind, ""))
        for table in tables
        for column in table.columns
        for kind in (name.upper() for name in column.indexes)
    ]


def named_indexes(tables: Sequence[Table]) -> list[Key]:
    """The columns of the indexes that tables were given by name."""
    return [
        key
        for table in tables
        for index in table.indexes
        for key in _key(table, index.name, index.columns, "UNIQUE" if index.unique else "BTREE")
    ]


def indexed(tables: Sequence[Table], wire: Wire) -> list[Key]:
    """All that SHOW INDEX tells of."""
    found = [key for key in keys(tables, wire) if key.type not in ("FOREIGN KEY", "CHECK")]
    return found + secondary(tables) + named_indexes(tables)


def table_constraints(context: SystemContext) -> pa.Table:
    """Primary keys and time indexes."""
    catalog = catalog_name(context.session)
    found = [key for key in keys(told_tables(context), context.session.wire) if key.position == 1]
    return fill(
        SHAPES["table_constraints"],
        len(found),
        {
            "constraint_catalog": catalog if context.session.wire is Wire.POSTGRES else "def",
            "constraint_schema": [key.table.database for key in found],
            "constraint_name": [key.name for key in found],
            "table_schema": [key.table.database for key in found],
            "table_name": [key.table.name for key in found],
            "constraint_type": [_constraint_type(key) for key in found],
            "enforced": "YES",
            "table_catalog": catalog,
            "is_deferrable": "NO",
            "initially_deferred": "NO",
        },
    )


def _constraint_type(key: Key) -> str:
    if key.name == TIME_INDEX:
        return TIME_INDEX
    return "PRIMARY KEY" if key.type == PRIMARY else key.type


def key_column_usage(context: SystemContext) -> pa.Table:
    """The columns of primary keys and time indexes; not on PostgreSQL: of other indexes too."""
    wire, catalog = context.session.wire, catalog_name(context.session)
    found = [key for key in keys(told_tables(context), wire) if key.type != "CHECK"]
    if wire is not Wire.POSTGRES:
        found += secondary(context.tables)
    return fill(
        SHAPES["key_column_usage"],
        len(found),
        {
            "constraint_catalog": catalog if wire is Wire.POSTGRES else "def",
            "constraint_schema": [key.table.database for key in found],
            "constraint_name": [key.name for key in found],
            "table_catalog": catalog if wire is Wire.POSTGRES else "def",
            "real_table_catalog": catalog,
            "table_schema": [key.table.database for key in found],
            "table_name": [key.table.name for key in found],
            "column_name": [key.column.name for key in found],
            "ordinal_position": [key.position for key in found],
            "greptime_index_type": [key.structure for key in found],
            "position_in_unique_constraint": [
                key.position if key.references else None for key in found
            ],
            **{
                f"referenced_{name}": [key.references and key.references[at] for key in found]
                for at, name in enumerate(("table_schema", "table_name", "column_name"))
            },
        },
    )


def referential_constraints(context: SystemContext) -> pa.Table:
    """Foreign keys."""
    catalog = catalog_name(context.session) if context.session.wire is Wire.POSTGRES else "def"
    found = [
        (table, one)
        for table in told_tables(context)
        for one in table.constraints
        if one.references is not None
    ]
    there = [one.references or ("", "", ()) for _, one in found]
    return fill(
        SHAPES["referential_constraints"],
        len(found),
        {
            "constraint_catalog": catalog,
            "constraint_schema": [table.database for table, _ in found],
            "constraint_name": [one.name for _, one in found],
            "unique_constraint_catalog": catalog,
            "unique_constraint_schema": [database for database, _, _ in there],
            "unique_constraint_name": PRIMARY,
            "match_option": "NONE",
            "update_rule": "NO ACTION",
            "delete_rule": "NO ACTION",
            "table_name": [table.name for table, _ in found],
            "referenced_table_name": [name for _, name, _ in there],
        },
    )


def column_usage(context: SystemContext) -> pa.Table:
    """PostgreSQL's constraint_column_usage: which columns a primary key names."""
    catalog = catalog_name(context.session)
    found = keys(context.tables, Wire.POSTGRES)
    return fill(
        SHAPES["constraint_column_usage"],
        len(found),
        {
            "table_catalog": catalog,
            "table_schema": [key.table.database for key in found],
            "table_name": [key.table.name for key in found],
            "column_name": [key.column.name for key in found],
            "constraint_catalog": catalog,
            "constraint_schema": [key.table.database for key in found],
            "constraint_name": [key.name for key in found],
        },
    )


def statistics(context: SystemContext) -> pa.Table:
    """Every index, a row per column."""
    found = indexed(told_tables(context), context.session.wire)
    return fill(
        SHAPES["statistics"],
        len(found),
        {
            "table_catalog": catalog_name(context.session),
            "table_schema": [key.table.database for key in found],
            "table_name": [key.table.name for key in found],
            "non_unique": [int(not key.unique) for key in found],
            "index_schema": [key.table.database for key in found],
            "index_name": [key.name for key in found],
            "seq_in_index": [key.position for key in found],
            "column_name": [key.column.name for key in found],
            "collation": "A",
            "nullable": ["YES" if nullable(key.column, key.table) else "" for key in found],
            "index_type": ["BTREE" if key.type == "UNIQUE" else key.type for key in found],
            "comment": "",
            "index_comment": "",
            "is_visible": "YES",
            "greptime_index_type": [key.structure for key in found],
        },
    )
