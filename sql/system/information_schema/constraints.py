"""information_schema.table_constraints, key_column_usage and statistics (indexes).

On MySQL and HTTP the constraints are called PRIMARY (the tags) and TIME INDEX; PostgreSQL's clients
see what pg_constraint says: one primary key over the whole row identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from catalog.details import Constraint, ConstraintKind, Index, Reference
from catalog.records import Column, Table
from engine.datatypes import STRING
from sql.dialect.show_create_mysql import check_text
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.records import told_tables
from sql.system.information_schema.shapes import SHAPES
from sql.system.pg_catalog.keys import Places, identity_columns, key_name
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
    deferral: tuple[bool, bool] = (False, False)  # may it be deferred, is it at first
    length: int | None = None  # how many characters of the column count; None for all
    expression: str = ""  # of an index over one, which has no column there

    @property
    def unique(self) -> bool:
        """True for the primary key and unique constraints."""
        return self.type in (PRIMARY, "UNIQUE")


def keys(tables: Sequence[Table], wire: Wire, places: Places | None = None) -> list[Key]:
    """The columns of all constraints; `places` are all tables, where foreign keys may point."""
    places = places or Places(tables)
    return [key for table in tables for key in _keys(table, wire, places)]


def _keys(table: Table, wire: Wire, places: Places) -> list[Key]:
    if wire is Wire.POSTGRES:
        found = _key(table, key_name(table), identity_columns(table), PRIMARY)
        return found + _declared(table, places)
    time_index = () if table.time_index is None else (table.time_index,)
    return [
        *_key(table, PRIMARY, table.primary_key, PRIMARY, _PRIMARY_STRUCTURE),
        *_key(table, TIME_INDEX, time_index, "TIME"),
        *_declared(table, places),
    ]


def _declared(table: Table, places: Places) -> list[Key]:
    """UNIQUE, FOREIGN KEY and CHECK of a relational table."""
    found: list[Key] = []
    for constraint in table.constraints:
        if constraint.kind not in _KINDS:
            continue
        columns = _key(table, constraint.name, constraint.columns, _KINDS[constraint.kind])
        reference = _told(table, constraint, places)
        if reference is not None:
            deferral = reference.deferrable, reference.deferred
            there = [(reference.database, reference.table, name) for name in reference.columns]
            columns = [
                replace(key, references=there[key.position - 1], deferral=deferral)
                for key in columns
            ]
        found += columns
    return found


def _told(table: Table, constraint: Constraint, places: Places) -> Reference | None:
    """Where a foreign key points, by the names of now."""
    if constraint.references is None:
        return None
    key = places.key(table, constraint)
    return constraint.references if key is None else key.reference


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
        key for table in tables for index in table.indexes for key in _index_parts(table, index)
    ]


def _index_parts(table: Table, index: Index) -> list[Key]:
    kind = "UNIQUE" if index.unique else index.method.upper()
    kind = kind if kind in ("UNIQUE", "FULLTEXT", "SPATIAL") else "BTREE"
    expressions = [
        Key(table, index.name, Column("", STRING), at, kind, expression=part[1:-1])
        for at, part in enumerate(index.columns, 1)
        if part.startswith("(")
    ]
    found = [*_key(table, index.name, index.columns, kind), *expressions]
    sizes = dict(enumerate(index.lengths, 1))
    found = [replace(key, length=sizes.get(key.position) or None) for key in found]
    return sorted(found, key=lambda key: key.position)


def indexed(tables: Sequence[Table], wire: Wire) -> list[Key]:
    """All that SHOW INDEX tells of."""
    found = [key for key in keys(tables, wire) if key.type not in ("FOREIGN KEY", "CHECK")]
    return found + secondary(tables) + named_indexes(tables)


def table_constraints(context: SystemContext) -> pa.Table:
    """Primary keys and time indexes."""
    catalog = catalog_name(context.session)
    every = keys(told_tables(context), context.session.wire, Places(context.tables))
    found = [key for key in every if key.position == 1]
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
            "is_deferrable": ["YES" if key.deferral[0] else "NO" for key in found],
            "initially_deferred": ["YES" if key.deferral[1] else "NO" for key in found],
            "nulls_distinct": [_nulls_distinct(key) for key in found],
        },
    )


def _nulls_distinct(key: Key) -> str | None:
    """Of UNIQUE; None for all else."""
    if _constraint_type(key) != "UNIQUE":
        return None
    found = (one for one in key.table.constraints if one.name == key.name)
    return "YES" if all(one.nulls_distinct for one in found) else "NO"


def _constraint_type(key: Key) -> str:
    if key.name == TIME_INDEX:
        return TIME_INDEX
    return "PRIMARY KEY" if key.type == PRIMARY else key.type


def key_column_usage(context: SystemContext) -> pa.Table:
    """The columns of primary keys and time indexes; not on PostgreSQL: of other indexes too."""
    wire, catalog = context.session.wire, catalog_name(context.session)
    every = keys(told_tables(context), wire, Places(context.tables))
    found = [key for key in every if key.type != "CHECK"]
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
    places = Places(context.tables)
    found = [
        (table, one, there)
        for table in told_tables(context)
        for one in table.constraints
        if (there := _told(table, one, places)) is not None
    ]
    return fill(
        SHAPES["referential_constraints"],
        len(found),
        {
            "constraint_catalog": catalog,
            "constraint_schema": [table.database for table, _, _ in found],
            "constraint_name": [one.name for _, one, _ in found],
            "unique_constraint_catalog": catalog,
            "unique_constraint_schema": [there.database for _, _, there in found],
            "unique_constraint_name": [
                _relied_on(table, one, places, context.session.wire) for table, one, _ in found
            ],
            "match_option": ["FULL" if there.match_full else "NONE" for _, _, there in found],
            "update_rule": [there.on_update.words for _, _, there in found],
            "delete_rule": [there.on_delete.words for _, _, there in found],
            "table_name": [table.name for table, _, _ in found],
            "referenced_table_name": [there.table for _, _, there in found],
        },
    )


def _relied_on(table: Table, one: Constraint, places: Places, wire: Wire) -> str:
    """The name of the parent's key that the columns are."""
    key = places.key(table, one)
    if key is None:
        return PRIMARY
    for other in key.parent.constraints:
        unique = other.kind is ConstraintKind.UNIQUE
        if unique and set(other.columns) == set(key.parent_columns):
            return other.name
    return key_name(key.parent) if wire is Wire.POSTGRES else PRIMARY


def check_constraints(context: SystemContext) -> pa.Table:
    """CHECK constraints with their conditions."""
    wire = context.session.wire
    found = [
        (table, one)
        for table in told_tables(context)
        for one in table.constraints
        if one.kind is ConstraintKind.CHECK
    ]
    return fill(
        SHAPES["check_constraints"],
        len(found),
        {
            "constraint_catalog": catalog_name(context.session) if wire is Wire.POSTGRES else "def",
            "constraint_schema": [table.database for table, _ in found],
            "constraint_name": [one.name for _, one in found],
            "check_clause": [check_text(one.expression, wire) for _, one in found],
        },
    )


def column_usage(context: SystemContext) -> pa.Table:
    """PostgreSQL's constraint_column_usage: a foreign key is told by the columns it points at."""
    catalog = catalog_name(context.session)
    found = keys(context.tables, Wire.POSTGRES)
    named = [
        key.references or (key.table.database, key.table.name, key.column.name) for key in found
    ]
    return fill(
        SHAPES["constraint_column_usage"],
        len(found),
        {
            "table_catalog": catalog,
            "table_schema": [database for database, _, _ in named],
            "table_name": [table for _, table, _ in named],
            "column_name": [column for _, _, column in named],
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
            "column_name": [key.column.name or None for key in found],
            "collation": "A",
            "sub_part": [key.length for key in found],
            "nullable": ["YES" if nullable(key.column, key.table) else "" for key in found],
            "index_type": ["BTREE" if key.type == "UNIQUE" else key.type for key in found],
            "comment": "",
            "index_comment": "",
            "is_visible": "YES",
            "greptime_index_type": [key.structure for key in found],
        },
    )
