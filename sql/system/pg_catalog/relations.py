"""pg_class and what hangs on it: attributes, defaults, indexes, constraints, comments, views.

Our databases are PostgreSQL's schemas. A time-series table shows its row identity (tags and time
index) as its primary key, unless it is in append mode and has none, and the time index as an index
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from catalog.details import ConstraintKind
from catalog.objects import Routine
from catalog.records import UNLOGGED, Column, Table, TableKind
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import size_of
from sql.system.information_schema.shapes import INFORMATION_SCHEMA_NAMES
from sql.system.memo import Blocks, Memo
from sql.system.pg_catalog import oids, user_types
from sql.system.pg_catalog.access_lists import ON_TABLE, access_list
from sql.system.pg_catalog.access_methods import method_oid
from sql.system.pg_catalog.keys import Shown, foreign_keys, indexes, own_constraints
from sql.system.pg_catalog.oids import namespace_oid
from sql.system.pg_catalog.sequences import class_rows, sequences, shown_default
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import Typed, format_type, typed_column
from sql.system.table import SystemContext
from sql.temporary import PG_TEMP
from sql.user_types import TypeSlot, slot_oid

# --- pg_class -------------------------------------------------------------------------------------

_CLASS = SHAPES["pg_class"].schema
_HEAPS = (TableKind.TIME_SERIES, TableKind.RELATIONAL)  # what has rows of its own
_CLASS_DEFAULTS = {
    "reltype": 0,
    "reloftype": 0,
    "relowner": oids.OWNER,
    "reltablespace": 0,
    "relpages": 0,
    "relallvisible": 0,
    "reltoastrelid": 0,
    "relisshared": False,
    "relchecks": 0,
    "relhastriggers": False,
    "relhassubclass": False,
    "relrowsecurity": False,
    "relforcerowsecurity": False,
    "relispopulated": True,
    "relispartition": False,
    "relrewrite": 0,
    "relfrozenxid": 0,
    "relminmxid": 0,
}


def pg_class(context: SystemContext) -> pa.Table:
    """Tables, views and indexes; then the system relations themselves."""
    rows = _class_of_users(context)
    if not context.wants("reltuples"):
        return pa.concat_tables([rows, _system_class()])
    sizes = [size_of(context, table) for table in context.tables]
    counts = [-1.0 if size is None else float(size.rows) for size in sizes]
    counts += [0.0] * (rows.num_rows - len(counts))
    column = _CLASS.get_field_index("reltuples")
    rows = rows.set_column(column, _CLASS.field(column), pa.array(counts, pa.float32()))
    return pa.concat_tables([rows, _system_class()])


def _users(context: SystemContext) -> pa.Table:
    namespaces = tuple(_namespaces(context).items())
    tables = pa.concat_tables([_CLASS.empty_table(), *_table_blocks(context.tables, namespaces)])
    with_triggers = _ends_of_foreign_keys(context.tables)
    if with_triggers:
        # PostgreSQL keeps foreign keys by triggers on both sides; psql asks for those first
        column = _CLASS.get_field_index("relhastriggers")
        told = pc.is_in(tables.column("oid"), pa.array(with_triggers, tables.field("oid").type))
        tables = tables.set_column(column, _CLASS.field(column), told)
    parts = [tables, *_index_blocks(context.tables, namespaces)]
    found = class_rows(context, _namespaces(context))
    count = len(sequences(context))
    parts.append(fill(_CLASS, count, _CLASS_DEFAULTS | found))
    types = user_types.class_rows(context, _namespaces(context))
    count = len(user_types.composites(context))
    return pa.concat_tables([*parts, fill(_CLASS, count, _CLASS_DEFAULTS | types)])


_class_of_users = Memo(_users, lambda _: None)


def _namespaces(context: SystemContext) -> dict[str, int]:
    found = {database.name: namespace_oid(database) for database in context.databases}
    return found | {PG_TEMP: oids.TEMPORARY}


def _ends_of_foreign_keys(tables: Sequence[Table]) -> set[int]:
    """Ids of the tables at either end."""
    found = foreign_keys(tables)
    return {table.id for one in found for table in (one.table, one.there) if table is not None}


def _checks(table: Table) -> int:
    return sum(c.kind is ConstraintKind.CHECK for c in table.constraints)


def _relkind(table: Table) -> str:
    if table.kind is TableKind.VIEW:
        return "v"
    if table.kind is TableKind.EXTERNAL:
        return "f"
    return "m" if table.is_materialized else "r"


def _persistence(table: Table) -> str:
    if table.temporary:
        return "t"
    return "u" if UNLOGGED in table.options else "p"


def _class_of_tables(tables: Sequence[Table], told: tuple[tuple[str, int], ...]) -> pa.Table:
    namespaces = dict(told)
    views = [table.kind is TableKind.VIEW for table in tables]
    indexed = {index.table.id for index in indexes(tables)}
    return fill(
        _CLASS,
        len(tables),
        _CLASS_DEFAULTS
        | {
            "oid": [table.id for table in tables],
            "relname": [table.name for table in tables],
            "reltype": [slot_oid(table.id, TypeSlot.ROW) for table in tables],
            "relnamespace": [namespaces.get(table.database, 0) for table in tables],
            "relam": [oids.HEAP if t.kind in _HEAPS else 0 for t in tables],
            "relowner": [oids.role_oid(t.owner or oids.OWNER_NAME) for t in tables],
            "relfilenode": [t.id if t.kind in _HEAPS else 0 for t in tables],
            "relhasindex": [table.id in indexed for table in tables],
            "relchecks": [_checks(table) for table in tables],
            "relpersistence": [_persistence(table) for table in tables],
            "relkind": [_relkind(table) for table in tables],
            "relnatts": [len(table.columns) for table in tables],
            "relhasrules": [bool(table.definition) for table in tables],
            "relispopulated": [table.is_populated for table in tables],
            "relacl": [access_list(t.owner, t.grants, ON_TABLE) for t in tables],
            "relreplident": ["n" if view else "d" for view in views],
        },
    )


_table_blocks = Blocks(_class_of_tables)


def _class_of_indexes(tables: Sequence[Table], told: tuple[tuple[str, int], ...]) -> pa.Table:
    namespaces = dict(told)
    found = indexes(tables)
    return fill(
        _CLASS,
        len(found),
        _CLASS_DEFAULTS
        | {
            "oid": [index.oid for index in found],
            "relname": [index.name for index in found],
            "relnamespace": [namespaces.get(index.table.database, 0) for index in found],
            "relowner": [oids.role_oid(i.table.owner or oids.OWNER_NAME) for i in found],
            "relam": [method_oid(index.method) for index in found],
            "relfilenode": [index.oid for index in found],
            "relhasindex": False,
            "relpersistence": [_persistence(index.table) for index in found],
            "relkind": "i",
            "relnatts": [len(index.parts) for index in found],
            "relhasrules": False,
            "relreplident": "n",
        },
    )


_index_blocks = Blocks(_class_of_indexes)


@cache
def system_relations() -> tuple[tuple[int, str, int, str, int], ...]:
    """(OID, name, namespace, kind, number of columns) of every system relation."""
    catalog = [
        (shape.oid, name, oids.PG_CATALOG, shape.kind, len(shape.schema))
        for name, shape in SHAPES.items()
    ]
    first = oids.INFORMATION_SCHEMA + 1
    views = [
        (first + at, name, oids.INFORMATION_SCHEMA, "v", 0)
        for at, name in enumerate(sorted(INFORMATION_SCHEMA_NAMES))
    ]
    return (*catalog, *views)


@cache
def _system_class() -> pa.Table:
    relations = system_relations()
    return fill(
        _CLASS,
        len(relations),
        _CLASS_DEFAULTS
        | {
            "oid": [relation[0] for relation in relations],
            "relname": [relation[1] for relation in relations],
            "relnamespace": [relation[2] for relation in relations],
            "relkind": [relation[3] for relation in relations],
            "relnatts": [relation[4] for relation in relations],
            "relam": [oids.HEAP if relation[3] == "r" else 0 for relation in relations],
            "relfilenode": 0,
            "reltuples": -1.0,
            "relhasindex": False,
            "relpersistence": "p",
            "relhasrules": [relation[3] == "v" for relation in relations],
            "relreplident": "n",
        },
    )


# --- pg_attribute, pg_attrdef ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One column of a table, view or index."""

    relation: int
    ordinal: int
    column: Column
    typed: Typed
    not_null: bool
    has_default: bool


def _attributes(tables: Sequence[Table]) -> list[_Attribute]:
    found = [
        _Attribute(
            table.id,
            ordinal,
            column,
            typed_column(column),
            not oids.nullable(column, table),
            _has_default(column),
        )
        for table in tables
        for ordinal, column in enumerate(table.columns, 1)
    ]
    for index in indexes(tables):
        found += [
            _Attribute(index.oid, ordinal, column, typed_column(column), False, False)
            for ordinal, column in enumerate(index.columns, 1)
        ]
    return found


def pg_attribute(context: SystemContext) -> pa.Table:
    """The columns of all tables, views and indexes of users."""
    types = user_types.attribute_rows(context)
    return pa.concat_tables([types, *_attribute_blocks(context.tables)])


def _attribute_rows(tables: Sequence[Table]) -> pa.Table:
    found = _attributes(tables)
    types = [attribute.typed.type for attribute in found]
    return fill(
        SHAPES["pg_attribute"].schema,
        len(found),
        {
            "attrelid": [attribute.relation for attribute in found],
            "attname": [attribute.column.name for attribute in found],
            "atttypid": [t.oid for t in types],
            "attstattarget": -1,
            "attlen": [t.length for t in types],
            "attnum": [attribute.ordinal for attribute in found],
            "attndims": [1 if t.category == "A" else 0 for t in types],
            "attcacheoff": -1,
            "atttypmod": [attribute.typed.modifier for attribute in found],
            "attbyval": [t.by_value for t in types],
            "attalign": [t.align for t in types],
            "attstorage": [t.storage for t in types],
            "attcompression": "",
            "attnotnull": [attribute.not_null for attribute in found],
            "atthasdef": [attribute.has_default for attribute in found],
            "atthasmissing": False,
            "attidentity": [_IDENTITIES[attribute.column.identity] for attribute in found],
            "attgenerated": ["s" if attribute.column.generated else "" for attribute in found],
            "attisdropped": False,
            "attislocal": True,
            "attinhcount": 0,
            "attcollation": [t.collation for t in types],
        },
    )


_attribute_blocks = Blocks(_attribute_rows)
_IDENTITIES = {"": "", "always": "a", "by default": "d"}


def _has_default(column: Column) -> bool:
    return bool(column.generated) or (column.default is not None and not column.identity)


def _default(column: Column) -> str | None:
    return column.generated or shown_default(column, Wire.POSTGRES)


def pg_attrdef(context: SystemContext) -> pa.Table:
    """Column defaults; `adbin` is their SQL text, which pg_get_expr returns."""
    schema = SHAPES["pg_attrdef"].schema
    return pa.concat_tables([schema.empty_table(), *_default_blocks(context.tables)])


def _default_rows(tables: Sequence[Table]) -> pa.Table:
    found = [
        (oids.default_oid(table, ordinal), table.id, ordinal, _default(column))
        for table in tables
        for ordinal, column in enumerate(table.columns, 1)
        if _has_default(column)
    ]
    return fill(
        SHAPES["pg_attrdef"].schema,
        len(found),
        {
            "oid": [row[0] for row in found],
            "adrelid": [row[1] for row in found],
            "adnum": [row[2] for row in found],
            "adbin": [row[3] for row in found],
        },
    )


_default_blocks = Blocks(_default_rows)


# --- Comments -------------------------------------------------------------------------------------


def pg_description(context: SystemContext) -> pa.Table:
    """Comments on tables, columns, constraints, routines and schemas."""
    keys = _comments_of([], foreign_keys(context.tables))
    return pa.concat_tables([keys, _of_others(context), *_comment_blocks(context.tables)])


def _of_others(context: SystemContext) -> pa.Table:
    of_routine, of_schema = SHAPES["pg_proc"].oid, SHAPES["pg_namespace"].oid
    routines = (one for one in context.objects if isinstance(one, Routine))
    found = [(one.id, of_routine, one.comment) for one in routines]
    found += [(namespace_oid(one), of_schema, one.comment) for one in context.databases]
    found = [row for row in found if row[2]]
    return fill(
        SHAPES["pg_description"].schema,
        len(found),
        {
            "objoid": [row[0] for row in found],
            "classoid": [row[1] for row in found],
            "objsubid": 0,
            "description": [row[2] for row in found],
        },
    )


_comment_blocks = Blocks(lambda tables: _comments_of(tables, own_constraints(tables)))


def _comments_of(tables: Sequence[Table], shown: Sequence[Shown]) -> pa.Table:
    of_table, of_constraint = SHAPES["pg_class"].oid, SHAPES["pg_constraint"].oid
    found = [(t.id, of_table, 0, t.comment) for t in tables if t.comment]
    found += [
        (table.id, of_table, ordinal, column.comment)
        for table in tables
        for ordinal, column in enumerate(table.columns, 1)
        if column.comment
    ]
    found += [(one.oid, of_constraint, 0, one.comment) for one in shown if one.comment]
    return fill(
        SHAPES["pg_description"].schema,
        len(found),
        {
            "objoid": [row[0] for row in found],
            "classoid": [row[1] for row in found],
            "objsubid": [row[2] for row in found],
            "description": [row[3] for row in found],
        },
    )


def shown_type(column: Column) -> str:
    """The column's type as format_type() prints it."""
    return format_type(typed_column(column))
