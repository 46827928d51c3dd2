"""information_schema.tables, schemata, views and partitions."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from catalog.records import Table, TableKind
from sql.collations import TABLE_OPTION
from sql.files.external import shown_options
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import (
    SYSTEM_DATABASES,
    Size,
    catalog_name,
    size_of,
    size_of_regions,
    table_type,
)
from sql.system.information_schema.records import system_tables, told_tables
from sql.system.information_schema.shapes import SHAPES
from sql.system.memo import Memo
from sql.system.pg_catalog.oids import OWNER_NAME
from sql.system.table import SystemContext

_VERSION = 11  # of MySQL's .frm files; clients expect a number
_SYSTEM_TYPES = {Wire.POSTGRES: "VIEW", Wire.MYSQL: "SYSTEM VIEW", Wire.HTTP: "LOCAL TEMPORARY"}

_WRITTEN = (TableKind.TIME_SERIES, TableKind.RELATIONAL)


_SIZES = ("data_length", "avg_row_length", "table_rows")


def tables(context: SystemContext) -> pa.Table:
    """Tables, views and the system tables."""
    rows = _told(context)
    if not context.wants(*_SIZES):
        return rows
    sizes = [_size(context, table) for table in told_tables(context)]
    sizes += [Size(0, 0)] * (rows.num_rows - len(sizes))
    values = {
        "data_length": [size.bytes for size in sizes],
        "avg_row_length": [size.bytes // size.rows if size.rows else 0 for size in sizes],
        "table_rows": [size.rows for size in sizes],
    }
    for name, column in values.items():
        at = rows.schema.get_field_index(name)
        field = rows.schema.field(at)
        rows = rows.set_column(at, field, pa.array(column, field.type))
    return rows


def _unsized(context: SystemContext) -> pa.Table:
    wire = context.session.wire
    system = system_tables(wire)
    users = told_tables(context)
    found = [*users, *system]
    types = [table_type(table, wire) for table in users] + [_SYSTEM_TYPES[wire]] * len(system)
    created = [_microseconds(table) for table in found]
    return fill(
        SHAPES["tables"],
        len(found),
        {
            "table_catalog": catalog_name(context.session),
            "table_schema": [table.database for table in found],
            "table_name": [table.name for table in found],
            "table_type": types,
            "table_id": [table.id for table in found],
            "data_length": 0,
            "max_data_length": 0,
            "index_length": 0,
            "max_index_length": 0,
            "avg_row_length": 0,
            "engine": ["" if t.kind is TableKind.VIEW else t.engine for t in found],
            "version": _VERSION,
            "row_format": "Fixed",
            "table_rows": 0,
            "data_free": 0,
            "auto_increment": 0,
            "create_time": created,
            "update_time": created,
            "table_collation": [t.options.get(TABLE_OPTION) or "utf8_bin" for t in found],
            "checksum": 0,
            "create_options": [_options(table) for table in found],
            "table_comment": [table.comment for table in found],
            "temporary": [
                "Y" if table.temporary or table.database in SYSTEM_DATABASES else "N"
                for table in found
            ],
            "is_insertable_into": ["YES" if table.kind in _WRITTEN else "NO" for table in found],
            "is_typed": "NO",
        },
    )


_told = Memo(_unsized)


def _size(context: SystemContext, table: Table) -> Size:
    return size_of(context, table) or Size(0, 0)


def _microseconds(table: Table) -> int | None:
    return table.created_ms * 1000 or None


def _options(table: Table) -> str:
    options = {} if table.kind is TableKind.VIEW else table.options
    if table.kind is TableKind.EXTERNAL:
        options = shown_options(options)
    return " ".join(f"{name}={value}" for name, value in sorted(options.items()))


def schema_names(context: SystemContext) -> Sequence[str]:
    """Every database a session can name, sorted; pg_catalog is PostgreSQL's alone."""
    system = SYSTEM_DATABASES if context.session.wire is Wire.POSTGRES else SYSTEM_DATABASES[:1]
    return sorted({*system, *(database.name for database in context.databases)})


def schemata(context: SystemContext) -> pa.Table:
    """Databases (PostgreSQL: schemas)."""
    names = list(schema_names(context))
    options = {database.name: database.options for database in context.databases}
    collations = [options.get(name, {}).get(TABLE_OPTION) or "utf8_bin" for name in names]
    return fill(
        SHAPES["schemata"],
        len(names),
        {
            "catalog_name": catalog_name(context.session),
            "schema_name": names,
            "default_character_set_name": [one.partition("_")[0] for one in collations],
            "default_collation_name": collations,
            "options": [
                ",".join(f"{k}={v}" for k, v in sorted(options.get(name, {}).items()))
                for name in names
            ],
            "schema_owner": OWNER_NAME,
        },
    )


def views(context: SystemContext) -> pa.Table:
    """Views and their queries."""
    found = [table for table in context.tables if table.kind is TableKind.VIEW]
    return fill(
        SHAPES["views"],
        len(found),
        {
            "table_catalog": catalog_name(context.session),
            "table_schema": [view.database for view in found],
            "table_name": [view.name for view in found],
            "view_definition": [context.view_text(view) for view in found],
            "check_option": "NONE",
            "is_updatable": "NO",
            "definer": f"{OWNER_NAME}@%",
            "security_type": "DEFINER",
            "character_set_client": "utf8",
            "collation_connection": "utf8_bin",
            "is_insertable_into": "NO",
            "is_trigger_updatable": "NO",
            "is_trigger_deletable": "NO",
            "is_trigger_insertable_into": "NO",
        },
    )


def partitions(context: SystemContext) -> pa.Table:
    """The regions of partitioned tables, by their rules."""
    found = [
        (table, at, region)
        for table in context.tables
        for at, region in enumerate(table.region_ids)
    ]
    known = context.wants("table_rows", "data_length")
    sizes = [size_of_regions(context, (region,)) if known else None for _, _, region in found]
    return fill(
        SHAPES["partitions"],
        len(found),
        {
            "table_catalog": catalog_name(context.session),
            "table_schema": [table.database for table, _, _ in found],
            "table_name": [table.name for table, _, _ in found],
            "partition_name": [f"p{at}" for _, at, _ in found],
            "partition_ordinal_position": [at + 1 for _, at, _ in found],
            "partition_method": ["RANGE" if t.partition_rules else None for t, _, _ in found],
            "partition_expression": [
                ", ".join(table.partition_columns) or None for table, _, _ in found
            ],
            "partition_description": [
                table.partition_rules[at] if at < len(table.partition_rules) else None
                for table, at, _ in found
            ],
            "table_rows": [size.rows if size else None for size in sizes],
            "data_length": [size.bytes if size else None for size in sizes],
            "create_time": [_microseconds(table) for table, _, _ in found],
            "greptime_partition_id": [region for _, _, region in found],
        },
    )
