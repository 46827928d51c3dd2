"""pg_catalog's own views (pg_tables, pg_views, pg_indexes, …), dependencies and functions."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from catalog.records import TableKind
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import size_of
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.keys import foreign_keys, indexes
from sql.system.pg_catalog.oids import Slot, dependent_oid
from sql.system.pg_catalog.sequences import numbered, owned
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.table import SystemContext


def pg_tables(context: SystemContext) -> pa.Table:
    """Tables of users, then the system's."""
    users = [table for table in context.tables if not table.definition]
    system = [name for name, shape in SHAPES.items() if shape.kind == "r"]
    with_index = {index.table.id for index in indexes(users)}
    indexed = [table.id in with_index for table in users]
    return fill(
        SHAPES["pg_tables"].schema,
        len(users) + len(system),
        {
            "schemaname": [table.database for table in users] + ["pg_catalog"] * len(system),
            "tablename": [table.name for table in users] + system,
            "tableowner": [table.owner or oids.OWNER_NAME for table in users]
            + [oids.OWNER_NAME] * len(system),
            "hasindexes": indexed + [False] * len(system),
            "hasrules": False,
            "hastriggers": False,
            "rowsecurity": False,
        },
    )


def pg_views(context: SystemContext) -> pa.Table:
    """Views of users, then the system's."""
    users = [table for table in context.tables if table.kind is TableKind.VIEW]
    system = [name for name, shape in SHAPES.items() if shape.kind == "v"]
    return fill(
        SHAPES["pg_views"].schema,
        len(users) + len(system),
        {
            "schemaname": [view.database for view in users] + ["pg_catalog"] * len(system),
            "viewname": [view.name for view in users] + system,
            "viewowner": [view.owner or oids.OWNER_NAME for view in users]
            + [oids.OWNER_NAME] * len(system),
            "definition": [f" {context.view_text(view)};" for view in users] + [""] * len(system),
        },
    )


def pg_matviews(context: SystemContext) -> pa.Table:
    """Materialized views and their queries."""
    views = [table for table in context.tables if table.is_materialized]
    with_index = {index.table.id for index in indexes(views)}
    return fill(
        SHAPES["pg_matviews"].schema,
        len(views),
        {
            "schemaname": [view.database for view in views],
            "matviewname": [view.name for view in views],
            "matviewowner": [view.owner or oids.OWNER_NAME for view in views],
            "hasindexes": [view.id in with_index for view in views],
            "ispopulated": [view.is_populated for view in views],
            "definition": [f" {context.view_text(view)};" for view in views],
        },
    )


def pg_indexes(context: SystemContext) -> pa.Table:
    """Indexes with their definitions."""
    found = indexes(context.tables)
    return fill(
        SHAPES["pg_indexes"].schema,
        len(found),
        {
            "schemaname": [index.table.database for index in found],
            "tablename": [index.table.name for index in found],
            "indexname": [index.name for index in found],
            "indexdef": [index.definition for index in found],
        },
    )


def pg_rewrite(context: SystemContext) -> pa.Table:
    """The rule that makes a view a view."""
    views = [table for table in context.tables if table.definition]
    return fill(
        SHAPES["pg_rewrite"].schema,
        len(views),
        {
            "oid": [dependent_oid(view, Slot.VIEW_RULE) for view in views],
            "rulename": "_RETURN",
            "ev_class": [view.id for view in views],
            "ev_type": "1",
            "ev_enabled": "O",
            "is_instead": True,
        },
    )


def pg_depend(context: SystemContext) -> pa.Table:
    """What views read: their rule depends on the relations named in their query. Sequences depend
    on the columns they belong to, defaults on the sequences they count by, foreign keys on the
    index of what they refer to: parallel restores make that one first.
    """
    by_name = {(table.database, table.name): table.id for table in context.tables}
    present = set(by_name.values())
    found = []
    for view in (table for table in context.tables if table.definition):
        rule = dependent_oid(view, Slot.VIEW_RULE)
        found.append((rule, view.id, "i"))
        names = _named_tables(view.definition, view.dialect)
        keys = ((database or view.database, name) for database, name in names)
        read = {by_name[key] for key in keys if key in by_name} - {view.id}
        read = {number for _, _, number in view.reads if number in present} or read
        found += [(rule, oid, "n") for oid in sorted(read)]
    classes = [SHAPES["pg_rewrite"].oid] * len(found)
    places = [0] * len(found)
    for one, table, place, column in owned(context):
        found.append((one.id, table.id, "i" if column.identity else "a"))
        classes.append(SHAPES["pg_class"].oid)
        places.append(place)
    for one, table, place in numbered(context):
        found.append((oids.default_oid(table, place), one.id, "n"))
        classes.append(SHAPES["pg_attrdef"].oid)
        places.append(0)
    for key in foreign_keys(context.tables):
        if key.index:
            found.append((key.oid, key.index, "n"))
            classes.append(SHAPES["pg_constraint"].oid)
            places.append(0)
    return fill(
        SHAPES["pg_depend"].schema,
        len(found),
        {
            "classid": classes,
            "objid": [row[0] for row in found],
            "objsubid": 0,
            "refclassid": SHAPES["pg_class"].oid,
            "refobjid": [row[1] for row in found],
            "refobjsubid": places,
            "deptype": [row[2] for row in found],
        },
    )


@lru_cache(maxsize=1024)
def _named_tables(query: str, wire: str) -> frozenset[tuple[str, str]]:
    """(database or nothing, name) of the tables a view's query names."""
    dialect = "mysql" if wire == Wire.MYSQL.value else "postgres"
    try:
        tree = sqlglot.parse_one(query, read=dialect)
    except SqlglotError:  # our own clauses, which only sql/dialect reads: no dependencies known
        return frozenset()
    return frozenset((table.db, table.name) for table in tree.find_all(exp.Table))


def user_tables(name: str, context: SystemContext) -> pa.Table:
    """pg_stat_user_tables and its siblings: names and row counts, no counters."""
    tables = [table for table in context.tables if table.kind is not TableKind.VIEW]
    sizes = [size_of(context, table) for table in tables]
    schema = SHAPES[name].schema
    values: dict[str, object] = {
        column.name: 0
        for column in schema
        if column.name.endswith(("_scan", "_read", "_fetch", "_hit", "_count"))
        or "n_" in column.name
        if column.type == pa.int64() and not column.name.startswith("last_")
    }
    values |= {
        "relid": [table.id for table in tables],
        "schemaname": [table.database for table in tables],
        "relname": [table.name for table in tables],
    }
    if "n_live_tup" in schema.names:
        values["n_live_tup"] = [size.rows if size else 0 for size in sizes]
    return fill(schema, len(tables), values)


def user_indexes(name: str, context: SystemContext) -> pa.Table:
    """pg_stat_user_indexes and its siblings: names, no counters."""
    found = indexes(context.tables)
    schema = SHAPES[name].schema
    values: dict[str, object] = {
        column.name: 0 for column in schema if column.name.startswith("idx_")
    }
    values |= {
        "relid": [index.table.id for index in found],
        "indexrelid": [index.oid for index in found],
        "schemaname": [index.table.database for index in found],
        "relname": [index.table.name for index in found],
        "indexrelname": [index.name for index in found],
    }
    return fill(schema, len(found), values)
