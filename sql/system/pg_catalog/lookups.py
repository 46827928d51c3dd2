"""Helper relations behind the functions that find something by its OID.

pg_rewrites.py turns `pg_get_viewdef(oid)`, `oid::regclass`, `pg_table_is_visible(oid)` and their
kin into subqueries on these. Their names cannot be written without quotes, no list shows them, and
no column of theirs has a name that a client's query could mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache

import pyarrow as pa

from catalog.records import TableKind
from sql.system.arrow import from_rows
from sql.system.facts import search_path, size_of
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.cluster import role_names
from sql.system.pg_catalog.oids import Slot, dependent_oid, namespace_oid, role_oid
from sql.system.pg_catalog.relations import indexes, quote, system_relations
from sql.system.pg_catalog.types import IO_FUNCTIONS
from sql.system.table import SystemContext

RELATIONS = "#relations"
TEXTS = "#texts"
RELATIONS_SCHEMA = pa.schema(
    [
        ("_oid", pa.int64()),
        ("_bare", pa.string()),  # the name alone, quoted if need be
        ("_qualified", pa.string()),  # schema.name
        ("_shown", pa.string()),  # as regclass prints it: qualified unless visible
        ("_visible", pa.bool_()),
        ("_size", pa.int64()),  # bytes
    ]
)
TEXTS_SCHEMA = pa.schema(
    [("_kind", pa.string()), ("_oid", pa.int64()), ("_sub", pa.int64()), ("_text", pa.string())]
)

_Text = tuple[str, int, int, str]


class Kind(Enum):
    """What a text says of the object with its OID."""

    DEFINITION = "definition"  # what the pg_get_…def functions print
    INDEX_COLUMN = "index column"  # sub: its 1-based place
    COMMENT = "comment"  # sub: the column, 0 for the relation
    ROLE = "role"
    NAMESPACE = "namespace"
    FUNCTION = "function"


def relations(context: SystemContext) -> pa.Table:
    """Every relation; `_visible` if an unqualified name finds this one."""
    path = ("pg_catalog", *search_path(context.session))
    rank = {schema: at for at, schema in enumerate(path)}
    found = sorted(_relations(context), key=lambda row: rank.get(row[1], len(path)))
    seen: set[str] = set()
    rows = []
    for oid, schema, name, size in found:
        visible = schema in rank and name not in seen
        seen.add(name)
        bare, qualified = quote(name), f"{quote(schema)}.{quote(name)}"
        rows.append((oid, bare, qualified, bare if visible else qualified, visible, size))
    return from_rows(RELATIONS_SCHEMA, rows)


def _relations(context: SystemContext) -> Iterator[tuple[int, str, str, int]]:
    """(OID, schema, name, bytes) of every relation."""
    for oid, name, namespace, _, _ in system_relations():
        in_catalog = namespace == oids.PG_CATALOG
        yield oid, "pg_catalog" if in_catalog else "information_schema", name, 0
    for table in context.tables:
        size = size_of(context, table)
        yield table.id, table.database, table.name, size.bytes if size else 0
    for index in indexes(context.tables):
        yield index.oid, index.table.database, index.name, 0


def texts(context: SystemContext) -> pa.Table:
    """Definitions, comments and names, by what is asked and of which OID."""
    rows = [*_definitions(context), *_comments(context), *_names(context)]
    return pa.concat_tables([from_rows(TEXTS_SCHEMA, rows), _functions()])


def _definitions(context: SystemContext) -> Iterator[_Text]:
    kind = Kind.DEFINITION.value
    for table in context.tables:
        if table.kind is TableKind.VIEW:
            yield kind, table.id, 0, f" {table.definition.rstrip('; ')};"
    for index in indexes(context.tables):
        yield kind, index.oid, 0, index.definition
        for place, at in enumerate(index.columns, 1):
            yield Kind.INDEX_COLUMN.value, index.oid, place, quote(index.table.columns[at - 1].name)
        if index.primary:
            oid = dependent_oid(index.table, Slot.PRIMARY_CONSTRAINT)
            yield kind, oid, 0, f"PRIMARY KEY ({index.column_list})"


def _comments(context: SystemContext) -> Iterator[_Text]:
    for table in context.tables:
        said = [table.comment, *(column.comment for column in table.columns)]
        for sub, comment in enumerate(said):
            if comment:
                yield Kind.COMMENT.value, table.id, sub, comment


def _names(context: SystemContext) -> Iterator[_Text]:
    for role in role_names(context):
        yield Kind.ROLE.value, role_oid(role), 0, role
    yield Kind.NAMESPACE.value, oids.PG_CATALOG, 0, "pg_catalog"
    yield Kind.NAMESPACE.value, oids.INFORMATION_SCHEMA, 0, "information_schema"
    for database in context.databases:
        yield Kind.NAMESPACE.value, namespace_oid(database), 0, quote(database.name)


@cache
def _functions() -> pa.Table:
    kind = Kind.FUNCTION.value
    return from_rows(TEXTS_SCHEMA, [(kind, oid, 0, name) for name, oid in IO_FUNCTIONS.items()])
