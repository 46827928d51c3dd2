"""The system tables themselves as catalog records, so that lists of tables can include them."""

from __future__ import annotations

from functools import cache

from catalog.records import Column, Table, TableKind
from sql.plan.numbers import RECORD as NUMBERS
from sql.session import Wire
from sql.system.information_schema.shapes import POSTGRES_COLUMNS, UNLISTED
from sql.system.information_schema.shapes import SHAPES as INFORMATION_SCHEMA
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.relations import system_relations
from sql.system.pg_catalog.shapes import SHAPES as PG_CATALOG
from sql.system.table import SystemContext
from sql.types import from_arrow


def listed_tables(context: SystemContext) -> list[Table]:
    """The tables and views of all databases with the built-in `numbers`, unless one hides it."""
    name = (NUMBERS.database, NUMBERS.name)
    hidden = any((table.database, table.name) == name for table in context.tables)
    return list(context.tables) if hidden else [*context.tables, NUMBERS]


def told_tables(context: SystemContext) -> list[Table]:
    """Those that information_schema tells of; PostgreSQL's programs know nothing of `numbers`.

    Nor does its information_schema of materialized views, which no standard knows.
    """
    if context.session.wire is Wire.POSTGRES:
        return [table for table in context.tables if not table.is_materialized]
    return listed_tables(context)


@cache
def system_tables(wire: Wire) -> tuple[Table, ...]:
    """The system tables a wire's clients can see, as views without a definition.

    pg_catalog is PostgreSQL's alone.
    """
    return tuple(
        _record(oid, name, in_catalog, wire)
        for oid, name, namespace, _, _ in system_relations()
        if not (in_catalog := namespace == oids.PG_CATALOG) or wire is Wire.POSTGRES
        if wire is Wire.POSTGRES or name not in UNLISTED
    )


def _record(oid: int, name: str, in_catalog: bool, wire: Wire) -> Table:
    schema = PG_CATALOG[name].schema if in_catalog else INFORMATION_SCHEMA[name]
    hidden = frozenset() if wire is Wire.POSTGRES else POSTGRES_COLUMNS.get(name, frozenset())
    columns = tuple(
        Column(field.name, from_arrow(field.type), field.nullable)
        for field in schema
        if field.name not in hidden
    )
    database = "pg_catalog" if in_catalog else "information_schema"
    return Table(oid, database, name, TableKind.VIEW, columns, engine="")
