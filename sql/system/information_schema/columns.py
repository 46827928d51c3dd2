"""information_schema.columns: every column, its type told in the words of the asking wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from catalog.details import ConstraintKind
from catalog.records import Column, Table, TableKind
from engine.datatypes import DataType, TypeId
from engine.schema import Semantic
from sql.decode.clock import digits_declared
from sql.dialect.json2 import native_name
from sql.dialect.show_create_mysql import clock_of, is_clock
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.records import system_tables, told_tables
from sql.system.information_schema.shapes import SHAPES
from sql.system.memo import Blocks
from sql.system.pg_catalog.oids import nullable
from sql.system.pg_catalog.sequences import shown_default
from sql.system.pg_catalog.types import BPCHAR, VARCHAR, Typed, format_type, typed_column
from sql.system.table import SystemContext
from sql.types import sql_name
from sql.user_types import FIRST_OID

_STRING_MAX = 2_147_483_647
# Decimal digits that a value can have, as MySQL counts them.
_DIGITS = {
    TypeId.BOOLEAN: 3,
    TypeId.INT8: 3,
    TypeId.UINT8: 3,
    TypeId.INT16: 5,
    TypeId.UINT16: 5,
    TypeId.INT32: 10,
    TypeId.UINT32: 10,
    TypeId.INT64: 19,
    TypeId.UINT64: 20,
    TypeId.FLOAT32: 12,
    TypeId.FLOAT64: 22,
}
# Binary digits, as PostgreSQL counts them.
_NUMBERS = "nextval("  # how the default of an AUTO_INCREMENT column begins
_BITS = {"int2": 16, "int4": 32, "int8": 64, "float4": 24, "float8": 53}
_SECOND_DIGITS = {
    TypeId.TIMESTAMP_SECOND: 0,
    TypeId.TIMESTAMP_MILLISECOND: 3,
    TypeId.TIMESTAMP_MICROSECOND: 6,
    TypeId.TIMESTAMP_NANOSECOND: 9,
    TypeId.TIMESTAMP_TZ: 6,
    TypeId.TIME: 6,
}
_TRUTH = {"TRUE": "1", "FALSE": "0"}
_TEXTS = frozenset({TypeId.STRING, TypeId.JSON, TypeId.UUID})

_WRITTEN = (TableKind.TIME_SERIES, TableKind.RELATIONAL)

Located = tuple[Table, int, Column]  # the column and its 1-based position in the table


def columns(context: SystemContext) -> pa.Table:
    """The columns of all tables, views and system tables."""
    wire, catalog = context.session.wire, catalog_name(context.session)
    users = _blocks(told_tables(context), wire, catalog)
    return pa.concat_tables([_system(wire, catalog), *users])


@lru_cache(maxsize=32)
def _system(wire: Wire, catalog: str) -> pa.Table:
    return _rows(system_tables(wire), wire, catalog)


def _rows(tables: Sequence[Table], wire: Wire, catalog: str) -> pa.Table:
    found = [(t, at, column) for t in tables for at, column in enumerate(t.columns, 1)]
    values = _common(found, wire, catalog) | _NAMED_TYPES[wire](found)
    return fill(SHAPES["columns"], len(found), values)


_blocks = Blocks(_rows)


def _common(found: Sequence[Located], wire: Wire, catalog: str) -> dict[str, Any]:
    collations = [(c.collation or "utf8_bin") if c.type.id in _TEXTS else None for _, _, c in found]
    return {
        "table_catalog": catalog,
        "table_schema": [table.database for table, _, _ in found],
        "table_name": [table.name for table, _, _ in found],
        "column_name": [column.name for _, _, column in found],
        "ordinal_position": [ordinal for _, ordinal, _ in found],
        "character_set_name": [name and name.partition("_")[0] for name in collations],
        "collation_name": collations,
        "column_key": [column_key(table, column) for table, _, column in found],
        "extra": [extra(column) for _, _, column in found],
        "privileges": "select,insert",
        "generation_expression": [column.generated for _, _, column in found],
        "greptime_data_type": [native_name(column) for _, _, column in found],
        "semantic_type": [semantic_type(column) for _, _, column in found],
        "column_default": [default_text(column, wire) for _, _, column in found],
        "is_nullable": ["YES" if nullable(column, t) else "NO" for t, _, column in found],
        "column_comment": [column.comment for _, _, column in found],
    }


def column_key(table: Table, column: Column) -> str:
    """`PRI`, `TIME INDEX`, `UNI`, `MUL` (first of an index) or nothing."""
    if column.name in table.primary_key:
        return "PRI"
    if column.semantic is Semantic.TIMESTAMP:
        return "TIME INDEX"
    unique = [c.columns for c in table.constraints if c.kind is ConstraintKind.UNIQUE]
    if (column.name,) in unique:
        return "UNI"
    first = {columns[:1] for columns in (*unique, *(index.columns for index in table.indexes))}
    return "MUL" if not table.is_time_series and (column.name,) in first else ""


def extra(column: Column) -> str:
    """What else MySQL tells of a column."""
    if column.generated:
        return f"{'VIRTUAL' if column.virtual else 'STORED'} GENERATED"
    if column.touched:
        return f"DEFAULT_GENERATED on update {clock_of(column)}"
    return "auto_increment" if (column.default or "").startswith(_NUMBERS) else ""


def semantic_type(column: Column) -> str:
    """TAG, FIELD or TIMESTAMP; relational columns are fields."""
    return (column.semantic or Semantic.FIELD).value


def default_text(column: Column, wire: Wire) -> str | None:
    """The column's default: SQL text, on MySQL values without quotes."""
    default = shown_default(column, wire)
    if wire is not Wire.MYSQL or default is None:
        return default
    if default[:1] == "'" == default[-1:]:
        return default[1:-1].replace("''", "'")
    if column.semantic is None and column.type.is_timestamp and is_clock(default):
        return clock_of(column)
    return _TRUTH.get(default.upper(), default)


# --- HTTP and MySQL -------------------------------------------------------------------------------


def _native(found: Sequence[Located]) -> dict[str, Any]:
    names = [sql_name(column.type, Wire.HTTP).lower() for _, _, column in found]
    return _sizes(found) | {"data_type": names, "column_type": names}


def _mysql(found: Sequence[Located]) -> dict[str, Any]:
    names = [mysql_type(column) for _, _, column in found]
    bare = [re.split(r"[( ]", name, maxsplit=1)[0] for name in names]
    lengths = [_declared_length(name) for name in names]
    sizes = _sizes(found)
    for key, width in (("character_maximum_length", 1), ("character_octet_length", 4)):
        pairs = zip(lengths, sizes[key], strict=True)
        sizes[key] = [size if length is None else length * width for length, size in pairs]
    return sizes | {"data_type": bare, "column_type": names}


def _declared_length(name: str) -> int | None:
    found = re.fullmatch(r"(?:var)?char\((\d+)\)", name)
    return int(found[1]) if found else None


_SHOWN_AS_DECLARED = re.compile(
    r"(enum|set|year|time|bit|tinyint|mediumint|((var)?binary)|(tiny|medium|long)(text|blob))\b"
)


def mysql_type(column: Column) -> str:
    """The type as MySQL's SHOW COLUMNS spells it, with the length it was declared with."""
    declared = column.declared.strip().lower()
    if column.type.id is TypeId.STRING and re.fullmatch(r"(var)?char\(\d+\)", declared):
        return declared
    if _SHOWN_AS_DECLARED.match(declared):
        kind, mark, rest = column.declared.strip().partition("(")
        return kind.lower() + mark + rest
    return sql_name(column.type, Wire.MYSQL)


def _sizes(found: Sequence[Located]) -> dict[str, Any]:
    types = [column.type for _, _, column in found]
    lengths = [_STRING_MAX if t.id in (*_TEXTS, TypeId.BINARY) else None for t in types]
    decimals = [t if t.id is TypeId.DECIMAL else None for t in types]
    scales = [0 if t.is_integer else None for t in types]
    return {
        "character_maximum_length": lengths,
        "character_octet_length": lengths,
        "numeric_precision": [
            decimal.precision if decimal else _DIGITS.get(t.id)
            for t, decimal in zip(types, decimals, strict=True)
        ],
        "numeric_scale": [
            decimal.scale if decimal else scale
            for scale, decimal in zip(scales, decimals, strict=True)
        ],
        "datetime_precision": [_second_digits(column) for _, _, column in found],
    }


def _second_digits(column: Column) -> int | None:
    digits = digits_declared(column)
    return _SECOND_DIGITS.get(column.type.id) if digits is None else digits


# --- PostgreSQL -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _typed(type_: DataType, declared: str) -> Typed:
    return typed_column(Column("", type_, declared=declared))


def _postgres(found: Sequence[Located]) -> dict[str, Any]:
    typed = [_typed(column.type, column.declared) for _, _, column in found]
    names = [t.type.name for t in typed]
    lengths = [
        t.modifier - 4 if t.type.oid in (VARCHAR, BPCHAR) and t.modifier > 0 else None
        for t in typed
    ]
    catalogs = [column.type for _, _, column in found]
    return {
        "data_type": [_word(t) for t in typed],
        "column_type": [format_type(one) for one in typed],
        "character_set_name": None,
        "collation_name": None,
        "character_maximum_length": lengths,
        "character_octet_length": [
            1_073_741_824 if length is None and t.type.category == "S" else length and 4 * length
            for length, t in zip(lengths, typed, strict=True)
        ],
        "numeric_precision": [
            t.precision or _BITS.get(name) for t, name in zip(catalogs, names, strict=True)
        ],
        "numeric_precision_radix": [
            2 if name in _BITS else 10 if name == "numeric" else None for name in names
        ],
        "numeric_scale": [
            t.scale if t.precision else 0 if name in ("int2", "int4", "int8") else None
            for t, name in zip(catalogs, names, strict=True)
        ],
        "datetime_precision": [
            0 if name == "date" else _SECOND_DIGITS.get(t.id)
            for t, name in zip(catalogs, names, strict=True)
        ],
        "udt_schema": [_home(t, table) for t, (table, _, _) in zip(typed, found, strict=True)],
        "udt_name": names,
        "dtd_identifier": [str(ordinal) for _, ordinal, _ in found],
        "is_self_referencing": "NO",
        "is_identity": ["YES" if column.identity else "NO" for _, _, column in found],
        "identity_generation": [column.identity.upper() or None for _, _, column in found],
        "identity_cycle": "NO",
        "is_generated": ["ALWAYS" if c.generated else "NEVER" for _, _, c in found],
        "is_updatable": ["YES" if t.kind in _WRITTEN else "NO" for t, _, _ in found],
    }


def _word(typed: Typed) -> str:
    """What data_type says: types of users have other words."""
    if typed.type.category == "A":
        return "ARRAY"
    return "USER-DEFINED" if typed.type.oid >= FIRST_OID else typed.type.spelled


def _home(typed: Typed, table: Table) -> str:
    """The schema of a type: users' mostly are beside the table."""
    return table.database if typed.type.oid >= FIRST_OID else "pg_catalog"


_NAMED_TYPES: dict[Wire, Callable[[Sequence[Located]], dict[str, Any]]] = {
    Wire.HTTP: _native,
    Wire.MYSQL: _mysql,
    Wire.POSTGRES: _postgres,
}
