"""Sequences as relations: their rows of pg_class, pg_sequence, pg_depend and their views."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from catalog.objects import Sequence
from catalog.records import Column, Table
from engine.datatypes import TypeId
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.shapes import SHAPES as INFORMATION_SCHEMA
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.access_lists import ON_SEQUENCE, access_list
from sql.system.pg_catalog.keys import quote
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import BY_NAME, typed_column
from sql.system.table import SystemContext

_TYPES = {"smallint": "int2", "integer": "int4", "bigint": "int8"}
_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_PART = r'"((?:[^"]|"")*)"'
_NEXT = re.compile(rf"nextval\('(?:{_PART}\.)?{_PART}'\)")


def sequences(context: SystemContext) -> list[Sequence]:
    """All that the session sees."""
    return [one for one in context.objects if isinstance(one, Sequence)]


def class_rows(context: SystemContext, namespaces: dict[str, int]) -> dict[str, object]:
    """What pg_class says of them, by column."""
    found = sequences(context)
    return {
        "oid": [one.id for one in found],
        "relname": [one.name for one in found],
        "relnamespace": [namespaces.get(one.database, 0) for one in found],
        "relowner": [oids.role_oid(one.role or oids.OWNER_NAME) for one in found],
        "relam": 0,
        "relfilenode": [one.id for one in found],
        "relhasindex": False,
        "relpersistence": "p",
        "relkind": "S",
        "relnatts": 3,
        "relhasrules": False,
        "relreplident": "n",
        "relacl": [access_list(one.role, one.grants, ON_SEQUENCE) for one in found],
    }


def pg_sequence(context: SystemContext) -> pa.Table:
    """Their options."""
    found = sequences(context)
    return fill(
        SHAPES["pg_sequence"].schema,
        len(found),
        {
            "seqrelid": [one.id for one in found],
            "seqtypid": [BY_NAME[_TYPES[one.type]].oid for one in found],
            "seqstart": [one.start for one in found],
            "seqincrement": [one.increment for one in found],
            "seqmax": [one.maximum for one in found],
            "seqmin": [one.minimum for one in found],
            "seqcache": [one.cache for one in found],
            "seqcycle": [one.cycle for one in found],
        },
    )


def pg_sequences(context: SystemContext) -> pa.Table:
    """Their options and where they stand."""
    found = sequences(context)
    return fill(
        SHAPES["pg_sequences"].schema,
        len(found),
        {
            "schemaname": [one.database for one in found],
            "sequencename": [one.name for one in found],
            "sequenceowner": [one.role or oids.OWNER_NAME for one in found],
            "data_type": [one.type for one in found],
            "start_value": [one.start for one in found],
            "min_value": [one.minimum for one in found],
            "max_value": [one.maximum for one in found],
            "increment_by": [one.increment for one in found],
            "cycle": [one.cycle for one in found],
            "cache_size": [one.cache for one in found],
            "last_value": [context.last_number(one) for one in found],
        },
    )


def information_schema_sequences(context: SystemContext) -> pa.Table:
    """information_schema.sequences: numbers as text, by the standard. Those of identity columns
    are left out, as in PostgreSQL.
    """
    identities = {(t.id, c.id) for t in context.tables for c in t.columns if c.identity}
    found = [one for one in sequences(context) if one.owner not in identities]
    return fill(
        INFORMATION_SCHEMA["sequences"],
        len(found),
        {
            "sequence_catalog": catalog_name(context.session),
            "sequence_schema": [one.database for one in found],
            "sequence_name": [one.name for one in found],
            "data_type": [one.type for one in found],
            "numeric_precision": [_BITS[one.type] for one in found],
            "numeric_precision_radix": 2,
            "numeric_scale": 0,
            "start_value": [str(one.start) for one in found],
            "minimum_value": [str(one.minimum) for one in found],
            "maximum_value": [str(one.maximum) for one in found],
            "increment": [str(one.increment) for one in found],
            "cycle_option": ["YES" if one.cycle else "NO" for one in found],
        },
    )


def owned(context: SystemContext) -> Iterator[tuple[Sequence, Table, int, Column]]:
    """Sequences that belong to a column: its table and 1-based place."""
    tables = {table.id: table for table in context.tables}
    for one in sequences(context):
        table = tables.get(one.owner[0]) if one.owner is not None else None
        for place, column in enumerate(table.columns if table is not None else (), 1):
            if table is not None and one.owner == (table.id, column.id):
                yield one, table, place, column


def numbered(context: SystemContext) -> Iterator[tuple[Sequence, Table, int]]:
    """Columns whose default counts: the sequence, the table, the column's 1-based place."""
    by_name = {(one.database, one.name): one for one in sequences(context)}
    for table in context.tables:
        for place, column in enumerate(table.columns, 1):
            found = _NEXT.search(column.default or "") if not column.identity else None
            if found is None:
                continue
            database, name = (part.replace('""', '"') if part else "" for part in found.groups())
            one = by_name.get((database or table.database, name))
            if one is not None:
                yield one, table, place


def qualified(one: Sequence) -> str:
    """schema.name, quoted if need be."""
    return f"{quote(one.database)}.{quote(one.name)}"


_TEXT = re.compile(r"'(?:[^']|'')*'")
_NUMBER_TYPES = frozenset({TypeId.DECIMAL, TypeId.FLOAT32, TypeId.FLOAT64, TypeId.BOOLEAN})


def _typed(default: str, column: Column) -> str:
    """A literal as PostgreSQL writes constants: with the name of its type, if it is a text."""
    if default in ("TRUE", "FALSE"):
        return default.lower()
    is_number = column.type.is_integer or column.type.id in _NUMBER_TYPES
    if is_number or _TEXT.fullmatch(default) is None or column.type.element is not None:
        return default
    return f"{default}::{typed_column(column).type.spelled}"


def shown_default(column: Column, wire: Wire) -> str | None:
    """A default as the wire's clients know it: numbered columns of MySQL have none."""
    default = column.default
    if default is None or "nextval(" not in default:
        return _typed(default, column) if default and wire is Wire.POSTGRES else default
    if wire is Wire.MYSQL or column.identity:
        return None

    def regclass(found: re.Match[str]) -> str:
        names = [quote(part.replace('""', '"')) for part in found.groups() if part]
        if names[0] == "public":
            del names[0]
        name = ".".join(names).replace("'", "''")
        return f"nextval('{name}'::regclass)"

    return _NEXT.sub(regclass, default)
