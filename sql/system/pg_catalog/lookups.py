"""Helper relations behind the functions that find something by its OID.

pg_rewrites.py turns `pg_get_viewdef(oid)`, `oid::regclass`, `pg_table_is_visible(oid)` and their
kin into subqueries on these. Their names cannot be written without quotes and no list shows them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from catalog.records import TableKind
from sql.system.arrow import from_rows
from sql.system.facts import search_path, size_of
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.oids import Slot, dependent_oid
from sql.system.pg_catalog.relations import indexes, quote, system_relations
from sql.system.table import SystemContext

RELATIONS = "#relations"
DEFINITIONS = "#definitions"
RELATIONS_SCHEMA = pa.schema(
    [
        ("oid", pa.int64()),
        ("bare", pa.string()),  # the name alone, quoted if need be
        ("qualified", pa.string()),  # schema.name
        ("shown", pa.string()),  # as regclass prints it: qualified unless visible
        ("visible", pa.bool_()),
        ("size", pa.int64()),  # bytes
    ]
)
DEFINITIONS_SCHEMA = pa.schema(
    [("oid", pa.int64()), ("name", pa.string()), ("definition", pa.string())]
)


def relations(context: SystemContext) -> pa.Table:
    """Every relation; `visible` if an unqualified name finds this one."""
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


def definitions(context: SystemContext) -> pa.Table:
    """What the pg_get_…def functions print, by the OID they are asked for."""
    rows = []
    for table in context.tables:
        if table.kind is TableKind.VIEW:
            text = f" {table.definition.rstrip('; ')};"
            rows.append((table.id, f"{quote(table.database)}.{quote(table.name)}", text))
    for index in indexes(context.tables):
        rows.append((index.oid, index.name, index.definition))
        if index.primary:
            oid = dependent_oid(index.table, Slot.PRIMARY_CONSTRAINT)
            rows.append((oid, index.name, f"PRIMARY KEY ({index.column_list})"))
    return from_rows(DEFINITIONS_SCHEMA, rows)
