"""SQL type names ↔ `engine.datatypes.DataType`.

Four vocabularies meet here: what a statement says (a sqlglot type node), what DuckDB is told and
answers (`duckdb_name`, `from_duckdb`), and what a client is shown (`sql_name`). Wire type codes
live with each wire. Nothing here looks at values.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.object_nodes import NamedType
from sql.named.duckdb import named_from, named_text
from sql.session import Wire

_D = exp.DType
_ANY_STRING = frozenset(
    {
        *exp.DataType.TEXT_TYPES,
        *(_D.TINYTEXT, _D.MEDIUMTEXT, _D.LONGTEXT, _D.BPCHAR, _D.ENUM, _D.SET),
        *(_D.XML, _D.INET, _D.BIT, _D.TIMETZ),
    }
)
_SIMPLE = {
    _D.NULL: dt.NULL,
    _D.BOOLEAN: dt.BOOLEAN,
    _D.TINYINT: dt.INT8,
    _D.SMALLINT: dt.INT16,
    _D.YEAR: dt.INT16,
    _D.MEDIUMINT: dt.INT32,
    _D.INT: dt.INT32,
    _D.BIGINT: dt.INT64,
    _D.SMALLSERIAL: dt.INT16,
    _D.SERIAL: dt.INT32,
    _D.BIGSERIAL: dt.INT64,
    _D.UTINYINT: dt.UINT8,
    _D.USMALLINT: dt.UINT16,
    _D.UMEDIUMINT: dt.UINT32,
    _D.UINT: dt.UINT32,
    _D.UBIGINT: dt.UINT64,
    _D.INT128: DataType(TypeId.DECIMAL, 38, 0),
    _D.UINT128: DataType(TypeId.DECIMAL, 38, 0),
    _D.DOUBLE: dt.FLOAT64,
    _D.UDOUBLE: dt.FLOAT64,
    _D.BINARY: dt.BINARY,
    _D.VARBINARY: dt.BINARY,
    _D.BLOB: dt.BINARY,
    _D.TINYBLOB: dt.BINARY,
    _D.MEDIUMBLOB: dt.BINARY,
    _D.LONGBLOB: dt.BINARY,
    _D.DATE: dt.DATE,
    _D.TIME: dt.TIME,
    _D.JSON: dt.JSON,
    _D.JSONB: dt.JSON,
    _D.UUID: dt.UUID,
    _D.INTERVAL: dt.INTERVAL,
    _D.TIMESTAMP_S: dt.TIMESTAMP_SECOND,
    _D.TIMESTAMP_MS: dt.TIMESTAMP_MILLISECOND,
    _D.TIMESTAMP_NS: dt.TIMESTAMP_NANOSECOND,
    _D.TIMESTAMPTZ: dt.TIMESTAMP_TZ,
    _D.TIMESTAMPLTZ: dt.TIMESTAMP_TZ,
}
# Names no dialect of sqlglot knows as a type; native names count bits (UINT8 has 8 of them) while
# SQL's own aliases count bytes (INT8 is BIGINT), which is why INT8 is not here.
_NAMED = {
    "uint8": dt.UINT8,
    "uint16": dt.UINT16,
    "uint32": dt.UINT32,
    "uint64": dt.UINT64,
    "float32": dt.FLOAT32,
    "float64": dt.FLOAT64,
    "signed": dt.INT64,
    "unsigned": dt.UINT64,
    "char": dt.STRING,  # PostgreSQL's one-byte "char"
    "record": dt.STRING,
    "json2": dt.JSON,
    "year": dt.INT16,
}
_NAMED |= {
    spelling: kind
    for kind, suffixes in (
        (dt.TIMESTAMP_SECOND, ("_s", "_sec", "second")),
        (dt.TIMESTAMP_MILLISECOND, ("_ms", "_millis", "millisecond")),
        (dt.TIMESTAMP_MICROSECOND, ("_us", "_micros", "microsecond")),
        (dt.TIMESTAMP_NANOSECOND, ("_ns", "_nanos", "nanosecond")),
    )
    for spelling in (f"timestamp{suffix}" for suffix in suffixes)
}
_PLAIN_TIMESTAMPS = frozenset({_D.TIMESTAMP, _D.TIMESTAMPNTZ})
_DECIMALS = frozenset({_D.DECIMAL, _D.UDECIMAL, _D.BIGDECIMAL})


def from_sql(node: exp.Expr, *, time_series: bool = False) -> DataType:
    """The type a statement's type node means.

    `time_series` is set for columns of tables with a time index, where a bare TIMESTAMP has
    milliseconds; anywhere else it has microseconds, as in PostgreSQL. Lengths of strings and
    display widths of integers are ignored.

    Raises: DbError UNDEFINED_OBJECT for an unknown name, UNSUPPORTED for a known type that has no
    counterpart here, INVALID_ARGUMENT for bad parameters.
    """
    if isinstance(node, exp.ObjectIdentifier):  # oid and the reg* family: see pg_catalog
        return dt.INT64 if node.name.upper() == "OID" else dt.STRING
    if not isinstance(node, exp.DataType):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'type "{node.sql()}" does not exist')
    if isinstance(node, NamedType):
        found: DataType = node.args["type"]
        return found
    if isinstance(node.this, exp.Interval):  # INTERVAL DAY TO SECOND and its kin
        return dt.INTERVAL
    kind = node.this
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind in _ANY_STRING:
        return dt.STRING
    if kind in _PLAIN_TIMESTAMPS:
        default = dt.TIMESTAMP_MILLISECOND if time_series else dt.TIMESTAMP_MICROSECOND
        return _timestamp(node, default)
    if kind is _D.DATETIME:
        return _timestamp(node, dt.TIMESTAMP_MICROSECOND)
    return _parametrised(node, time_series)


def _parametrised(node: exp.DataType, time_series: bool) -> DataType:
    kind = node.this
    if kind in _DECIMALS:
        return _decimal(node)
    if kind is _D.FLOAT:  # FLOAT(p): from 25 bits on it is a double
        return dt.FLOAT64 if _parameter(node, 0, 24) > 24 else dt.FLOAT32
    if kind in (_D.ARRAY, _D.LIST) and node.expressions:
        return dt.list_of(from_sql(node.expressions[0], time_series=time_series))
    if kind in (_D.STRUCT, _D.MAP):
        return from_duckdb(node.sql(dialect="duckdb"))
    if kind is _D.VECTOR:
        return dt.vector(_parameter(node, 0, 0))
    if kind is _D.USERDEFINED:
        return _named(node)
    raise DbError(ErrorKind.UNSUPPORTED, f"type {node.sql().lower()} is not supported")


def _named(node: exp.DataType) -> DataType:
    kind = node.args.get("kind")
    name = kind.name if isinstance(kind, exp.Expr) else str(kind)
    schema, _, name = name.rpartition(".")
    name = name.strip('"')
    found = _NAMED.get(name.lower())
    if found is None and schema.strip('"') == "pg_catalog":
        plain = exp.DataType.build(name, dialect="postgres", udt=True)
        if not plain.is_type(exp.DType.USERDEFINED):
            return from_sql(plain)
    if found is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'type "{name}" does not exist')
    return found


def _parameter(node: exp.DataType, index: int, default: int) -> int:
    """The type's index-th number in parentheses."""
    if index >= len(node.expressions):
        return default
    text = node.expressions[index].name
    if not text.isdigit():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"invalid type parameter in {node.sql()}")
    return int(text)


def _timestamp(node: exp.DataType, default: DataType) -> DataType:
    """TIMESTAMP(p): the coarsest of our units that keeps p decimal digits of a second."""
    if not node.expressions:
        return default
    digits = _parameter(node, 0, 3)
    if digits > 9:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"timestamp precision {digits} is out of range",
            hint="0 (seconds), 3 (milliseconds), 6 (microseconds) or 9 (nanoseconds)",
        )
    return _TIMESTAMPS[-(-digits // 3)]


_TIMESTAMPS = (
    dt.TIMESTAMP_SECOND,
    dt.TIMESTAMP_MILLISECOND,
    dt.TIMESTAMP_MICROSECOND,
    dt.TIMESTAMP_NANOSECOND,
)


def _decimal(node: exp.DataType) -> DataType:
    if not node.expressions:
        return dt.decimal(38, 10)
    return dt.decimal(_parameter(node, 0, 38), _parameter(node, 1, 0))


# --- DuckDB ---------------------------------------------------------------------------------------

_DUCKDB = {
    TypeId.NULL: '"NULL"',
    TypeId.BOOLEAN: "BOOLEAN",
    TypeId.INT8: "TINYINT",
    TypeId.INT16: "SMALLINT",
    TypeId.INT32: "INTEGER",
    TypeId.INT64: "BIGINT",
    TypeId.UINT8: "UTINYINT",
    TypeId.UINT16: "USMALLINT",
    TypeId.UINT32: "UINTEGER",
    TypeId.UINT64: "UBIGINT",
    TypeId.FLOAT32: "FLOAT",
    TypeId.FLOAT64: "DOUBLE",
    TypeId.STRING: "VARCHAR",
    TypeId.BINARY: "BLOB",
    TypeId.JSON: "JSON",
    TypeId.UUID: "UUID",
    TypeId.DATE: "DATE",
    TypeId.TIME: "TIME",
    TypeId.TIMESTAMP_SECOND: "TIMESTAMP_S",
    TypeId.TIMESTAMP_MILLISECOND: "TIMESTAMP_MS",
    TypeId.TIMESTAMP_MICROSECOND: "TIMESTAMP",
    TypeId.TIMESTAMP_NANOSECOND: "TIMESTAMP_NS",
    TypeId.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE",
    TypeId.INTERVAL: "INTERVAL",
}
_FROM_DUCKDB = {name: DataType(type_id) for type_id, name in _DUCKDB.items()} | {
    "NULL": dt.NULL,
    "HUGEINT": DataType(TypeId.DECIMAL, 38, 0),
    "UHUGEINT": DataType(TypeId.DECIMAL, 38, 0),
    "TIMESTAMPTZ": dt.TIMESTAMP_TZ,
    "TIMESTAMP_US": dt.TIMESTAMP_MICROSECOND,
    "TIMESTAMPTZ_NS": dt.TIMESTAMP_TZ,
    "TIME_NS": dt.TIME,
    "REAL": dt.FLOAT32,
    "TEXT": dt.STRING,
    "INT": dt.INT32,
    "TIME WITH TIME ZONE": dt.STRING,
    "BIT": dt.STRING,
    "BIGNUM": dt.STRING,
    "VARINT": dt.STRING,
    "VARIANT": dt.STRING,
    "GEOMETRY": dt.BINARY,
}


def duckdb_name(data_type: DataType) -> str:
    """The type as DuckDB's DDL and casts spell it."""
    if data_type.named is not None:
        return named_text(data_type.named)
    if data_type.id is TypeId.DECIMAL:
        return f"DECIMAL({data_type.precision},{data_type.scale})"
    if data_type.id is TypeId.LIST:
        assert data_type.element is not None
        return f"{duckdb_name(data_type.element)}[]"
    if data_type.arrow_nested is not None:
        return _duckdb_nested(data_type.arrow_nested)
    return _DUCKDB[data_type.id]


def _duckdb_nested(arrow: pa.DataType) -> str:
    if pa.types.is_struct(arrow):
        fields = (f"{quote(f.name)} {_duckdb_nested(f.type)}" for f in arrow)
        return f"STRUCT({', '.join(fields)})"
    if pa.types.is_map(arrow):
        return f"MAP({_duckdb_nested(arrow.key_type)}, {_duckdb_nested(arrow.item_type)})"
    if pa.types.is_list(arrow):
        return f"{_duckdb_nested(arrow.value_type)}[]"
    return duckdb_name(from_arrow(arrow))


def quote(name: str) -> str:
    """A double-quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def from_arrow(arrow: pa.DataType) -> DataType:
    """The type that an Arrow type carries; the inverse of `DataType.arrow` up to JSON and UUID.

    Raises: DbError UNSUPPORTED.
    """
    if pa.types.is_decimal(arrow):
        return dt.decimal(min(arrow.precision, 38), arrow.scale)
    if (
        pa.types.is_list(arrow)
        or pa.types.is_large_list(arrow)
        or pa.types.is_fixed_size_list(arrow)
    ):
        return dt.list_of(from_arrow(arrow.value_type))
    if pa.types.is_struct(arrow):
        return DataType(TypeId.STRUCT, arrow_nested=arrow)
    if pa.types.is_map(arrow):
        return DataType(TypeId.MAP, arrow_nested=arrow)
    if pa.types.is_dictionary(arrow):
        return from_arrow(arrow.value_type)
    found = _FROM_ARROW.get(arrow) or _from_arrow_family(arrow)
    if found is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"Arrow type {arrow} is not supported")
    return found


def _from_arrow_family(arrow: pa.DataType) -> DataType | None:
    """Arrow types that differ from ours only in layout (large, view) or in time unit."""
    families: tuple[tuple[Callable[[pa.DataType], bool], DataType], ...] = (
        (pa.types.is_timestamp, dt.TIMESTAMP_TZ),  # the naive ones are in the table
        (pa.types.is_time, dt.TIME),
        (pa.types.is_duration, dt.INTERVAL),
        (pa.types.is_large_string, dt.STRING),
        (pa.types.is_string_view, dt.STRING),
        (pa.types.is_large_binary, dt.BINARY),
        (pa.types.is_binary_view, dt.BINARY),
        (pa.types.is_fixed_size_binary, dt.BINARY),
        (pa.types.is_date64, dt.DATE),
        (pa.types.is_float16, dt.FLOAT32),
    )
    return next((data_type for matches, data_type in families if matches(arrow)), None)


_FROM_ARROW = {
    DataType(type_id).arrow: DataType(type_id)
    for type_id in _DUCKDB
    if type_id not in (TypeId.JSON, TypeId.UUID)
}


def from_duckdb(text: str) -> DataType:
    """Reads a type as DuckDB prints it, e.g. in `DESCRIBE` or `relation.types`.

    Types without a counterpart (ENUM, UNION, BIT, …) read as String: that is how they are shown.

    >>> from_duckdb('STRUCT(a INTEGER, "b c" DECIMAL(4,1)[])').arrow
    StructType(struct<a: int32, b c: list<item: decimal128(4, 1)>>)
    """
    text = text.strip()
    simple = _FROM_DUCKDB.get(text.upper())
    if simple is not None:
        return simple
    if text.endswith("]"):
        return dt.list_of(from_duckdb(text[: text.rindex("[")]))
    if text.startswith("ENUM("):
        return named_from(text) or dt.STRING
    head, _, body = text.partition("(")
    head, parts = head.strip().upper(), _split(body[: body.rfind(")")])
    if head in ("DECIMAL", "NUMERIC"):
        return dt.decimal(int(parts[0]), int(parts[1]) if len(parts) > 1 else 0)
    if head == "STRUCT":
        return DataType(TypeId.STRUCT, arrow_nested=pa.struct([_field(part) for part in parts]))
    if head == "TUPLE":
        fields = [pa.field(f"f{n}", from_duckdb(p).arrow) for n, p in enumerate(parts, 1)]
        return DataType(TypeId.STRUCT, arrow_nested=pa.struct(fields))
    if head == "MAP" and len(parts) == 2:
        key, value = (from_duckdb(part).arrow for part in parts)
        return DataType(TypeId.MAP, arrow_nested=pa.map_(key, value))
    return dt.STRING


def _split(text: str) -> list[str]:
    """Splits at the commas outside parentheses and quotes."""
    parts, depth, quoted, start = [], 0, "", 0
    for at, char in enumerate(text):
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "\"'":
            quoted = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^\s"]+))\s+(.*)', re.DOTALL)


def _field(text: str) -> pa.Field:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise DbError(ErrorKind.INTERNAL, f"unreadable struct field: {text}")
    name = match[2] if match[1] is None else match[1].replace('""', '"')
    return pa.field(name, from_duckdb(match[3]).arrow)


# --- What clients are shown -----------------------------------------------------------------------

_NATIVE = {
    TypeId.NULL: "NULL",
    TypeId.BOOLEAN: "BOOLEAN",
    TypeId.INT8: "TINYINT",
    TypeId.INT16: "SMALLINT",
    TypeId.INT32: "INT",
    TypeId.INT64: "BIGINT",
    TypeId.UINT8: "TINYINT UNSIGNED",
    TypeId.UINT16: "SMALLINT UNSIGNED",
    TypeId.UINT32: "INT UNSIGNED",
    TypeId.UINT64: "BIGINT UNSIGNED",
    TypeId.FLOAT32: "FLOAT",
    TypeId.FLOAT64: "DOUBLE",
    TypeId.STRING: "STRING",
    TypeId.BINARY: "VARBINARY",
    TypeId.JSON: "JSON",
    TypeId.UUID: "UUID",
    TypeId.DATE: "DATE",
    TypeId.TIME: "TIME",
    TypeId.TIMESTAMP_SECOND: "TIMESTAMP(0)",
    TypeId.TIMESTAMP_MILLISECOND: "TIMESTAMP(3)",
    TypeId.TIMESTAMP_MICROSECOND: "TIMESTAMP(6)",
    TypeId.TIMESTAMP_NANOSECOND: "TIMESTAMP(9)",
    TypeId.TIMESTAMP_TZ: "TIMESTAMPTZ",
    TypeId.INTERVAL: "INTERVAL",
    TypeId.STRUCT: "STRUCT",
    TypeId.MAP: "MAP",
}
# https://www.postgresql.org/docs/15/datatype.html; unsigned integers are widened as on the wire.
_POSTGRES = {
    TypeId.NULL: "text",
    TypeId.BOOLEAN: "boolean",
    TypeId.INT8: "smallint",
    TypeId.INT16: "smallint",
    TypeId.INT32: "integer",
    TypeId.INT64: "bigint",
    TypeId.UINT8: "smallint",
    TypeId.UINT16: "integer",
    TypeId.UINT32: "bigint",
    TypeId.UINT64: "numeric(20,0)",
    TypeId.FLOAT32: "real",
    TypeId.FLOAT64: "double precision",
    TypeId.STRING: "character varying",
    TypeId.BINARY: "bytea",
    TypeId.JSON: "json",
    TypeId.UUID: "uuid",
    TypeId.DATE: "date",
    TypeId.TIME: "time without time zone",
    TypeId.TIMESTAMP_SECOND: "timestamp(0) without time zone",
    TypeId.TIMESTAMP_MILLISECOND: "timestamp(3) without time zone",
    TypeId.TIMESTAMP_MICROSECOND: "timestamp without time zone",
    TypeId.TIMESTAMP_NANOSECOND: "timestamp(9) without time zone",
    TypeId.TIMESTAMP_TZ: "timestamp with time zone",
    TypeId.INTERVAL: "interval",
    TypeId.STRUCT: "json",
    TypeId.MAP: "json",
}
# https://dev.mysql.com/doc/refman/8.4/en/data-types.html
_MYSQL = {
    TypeId.NULL: "binary(0)",
    TypeId.BOOLEAN: "tinyint(1)",
    TypeId.INT8: "tinyint",
    TypeId.INT16: "smallint",
    TypeId.INT32: "int",
    TypeId.INT64: "bigint",
    TypeId.UINT8: "tinyint unsigned",
    TypeId.UINT16: "smallint unsigned",
    TypeId.UINT32: "int unsigned",
    TypeId.UINT64: "bigint unsigned",
    TypeId.FLOAT32: "float",
    TypeId.FLOAT64: "double",
    TypeId.STRING: "text",
    TypeId.BINARY: "blob",
    TypeId.JSON: "json",
    TypeId.UUID: "char(36)",
    TypeId.DATE: "date",
    TypeId.TIME: "time(6)",
    TypeId.TIMESTAMP_SECOND: "timestamp",
    TypeId.TIMESTAMP_MILLISECOND: "timestamp(3)",
    TypeId.TIMESTAMP_MICROSECOND: "timestamp(6)",
    TypeId.TIMESTAMP_NANOSECOND: "timestamp(9)",
    TypeId.TIMESTAMP_TZ: "timestamp(6)",
    TypeId.INTERVAL: "varchar(64)",
    TypeId.LIST: "json",
    TypeId.STRUCT: "json",
    TypeId.MAP: "json",
}
_SHOWN = {Wire.HTTP: _NATIVE, Wire.POSTGRES: _POSTGRES, Wire.MYSQL: _MYSQL}
_DECIMAL_SHOWN = {Wire.HTTP: "DECIMAL({}, {})", Wire.POSTGRES: "numeric({},{})"}


def sql_name(data_type: DataType, wire: Wire) -> str:
    """The type as clients of a wire know it.

    HTTP shows our own names (`BIGINT`, `TIMESTAMP(3)`, `STRING`), which SHOW CREATE TABLE uses on
    every wire; PostgreSQL shows what `format_type` would; MySQL what SHOW COLUMNS would.
    """
    if data_type.id is TypeId.DECIMAL:
        shape = _DECIMAL_SHOWN.get(wire, "decimal({},{})")
        return shape.format(data_type.precision, data_type.scale)
    if data_type.dimensions and wire is not Wire.POSTGRES:  # it has bytea on the wire
        return f"{'VECTOR' if wire is Wire.HTTP else 'vector'}({data_type.dimensions})"
    if data_type.id is TypeId.LIST and wire is not Wire.MYSQL:
        assert data_type.element is not None
        return f"{sql_name(data_type.element, wire)}[]"
    is_wall = data_type.wall and wire is not Wire.POSTGRES
    if not is_wall or data_type.is_span:
        return _SHOWN[wire][TypeId.TIME if is_wall else data_type.id]
    return ("datetime" if wire is Wire.MYSQL else "DATETIME") + _SHOWN[wire][data_type.id][9:]
