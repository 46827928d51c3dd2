"""SQL type names ↔ our types, against DuckDB itself where it has a say."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from sql import types
from sql.session import Wire

COLUMN_TYPES = [
    dt.BOOLEAN,
    dt.INT8,
    dt.INT16,
    dt.INT32,
    dt.INT64,
    dt.UINT8,
    dt.UINT16,
    dt.UINT32,
    dt.UINT64,
    dt.FLOAT32,
    dt.FLOAT64,
    dt.decimal(18, 3),
    dt.STRING,
    dt.BINARY,
    dt.JSON,
    dt.UUID,
    dt.DATE,
    dt.TIME,
    dt.TIMESTAMP_SECOND,
    dt.TIMESTAMP_MILLISECOND,
    dt.TIMESTAMP_MICROSECOND,
    dt.TIMESTAMP_NANOSECOND,
    dt.TIMESTAMP_TZ,
    dt.INTERVAL,
    dt.list_of(dt.list_of(dt.STRING)),
]


def cast_type(spelling: str) -> exp.Expr:
    cast = sqlglot.parse_one(f"SELECT CAST(x AS {spelling})", dialect="postgres").find(exp.Cast)
    assert cast is not None
    return cast.to


@pytest.mark.parametrize("data_type", COLUMN_TYPES, ids=lambda t: t.name)
def test_duckdb_answers_with_the_type_it_was_told(data_type: dt.DataType) -> None:
    relation = duckdb.sql(f"SELECT NULL::{types.duckdb_name(data_type)} AS x")
    assert types.from_duckdb(str(relation.types[0])) == data_type


@pytest.mark.parametrize("data_type", COLUMN_TYPES, ids=lambda t: t.name)
def test_arrow_types_lead_back(data_type: dt.DataType) -> None:
    back = types.from_arrow(data_type.arrow)
    assert back == (dt.STRING if data_type in (dt.JSON, dt.UUID) else data_type)


@pytest.mark.parametrize(
    "text",
    ['STRUCT(a INTEGER, "b ""c" DECIMAL(4,1)[])', "MAP(VARCHAR, STRUCT(x DOUBLE)[])"],
)
def test_nested_types_survive_a_round_trip(text: str) -> None:
    told = duckdb.sql(f"SELECT NULL::{text} AS x").types[0]
    data_type = types.from_duckdb(str(told))
    assert duckdb.sql(f"SELECT NULL::{types.duckdb_name(data_type)} AS x").types[0] == told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HUGEINT", dt.decimal(38, 0)),
        ("ENUM('a', 'b,(')", dt.STRING),
        ("BIT", dt.STRING),
        ("INTEGER[3]", dt.list_of(dt.INT32)),
        ('"NULL"', dt.NULL),
        ("TIMESTAMP WITH TIME ZONE", dt.TIMESTAMP_TZ),
    ],
)
def test_duckdb_types_without_a_twin(text: str, expected: dt.DataType) -> None:
    assert types.from_duckdb(text) == expected


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("int8", dt.INT64),  # SQL's INT8 counts bytes
        ("uint8", dt.UINT8),  # native names count bits
        ("int2", dt.INT16),
        ("bigint unsigned", dt.UINT64),
        ("real", dt.FLOAT32),
        ("double precision", dt.FLOAT64),
        ("float(53)", dt.FLOAT64),
        ("numeric", dt.decimal(38, 10)),
        ("numeric(10)", dt.decimal(10, 0)),
        ("varchar(20)", dt.STRING),
        ("mediumtext", dt.STRING),
        ("bytea", dt.BINARY),
        ("timestamp", dt.TIMESTAMP_MICROSECOND),
        ("timestamp(0)", dt.TIMESTAMP_SECOND),
        ("timestamp(3)", dt.TIMESTAMP_MILLISECOND),
        ("timestamp(4)", dt.TIMESTAMP_MICROSECOND),
        ("timestamp(9) without time zone", dt.TIMESTAMP_NANOSECOND),
        ("timestamp_s", dt.TIMESTAMP_SECOND),
        ("timestamp_us", dt.TIMESTAMP_MICROSECOND),
        ("TimestampNanosecond", dt.TIMESTAMP_NANOSECOND),
        ("datetime", dt.TIMESTAMP_MICROSECOND),
        ("timestamptz", dt.TIMESTAMP_TZ),
        ("jsonb", dt.JSON),
        ("interval day to second", dt.INTERVAL),
        ("int[]", dt.list_of(dt.INT32)),
        ("oid", dt.INT64),
    ],
)
def test_spellings(spelling: str, expected: dt.DataType) -> None:
    assert types.from_sql(cast_type(spelling)) == expected


def test_a_bare_timestamp_has_milliseconds_in_a_time_series_table() -> None:
    node = cast_type("timestamp")
    assert types.from_sql(node, time_series=True) == dt.TIMESTAMP_MILLISECOND
    precise = cast_type("timestamp(6)")
    assert types.from_sql(precise, time_series=True) == dt.TIMESTAMP_MICROSECOND


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("nosuch", ErrorKind.UNDEFINED_OBJECT),
        ("money", ErrorKind.UNSUPPORTED),
        ("decimal(50, 2)", ErrorKind.INVALID_ARGUMENT),
        ("timestamp(10)", ErrorKind.INVALID_ARGUMENT),
    ],
)
def test_refused_spellings(spelling: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        types.from_sql(cast_type(spelling))
    assert caught.value.kind is kind


@pytest.mark.parametrize("wire", list(Wire))
def test_every_type_has_a_name_on_every_wire(wire: Wire) -> None:
    nested = dt.DataType(dt.TypeId.STRUCT, arrow_nested=pa.struct([("a", pa.int32())]))
    assert all(types.sql_name(data_type, wire) for data_type in [*COLUMN_TYPES, nested])


def test_names_follow_the_wire() -> None:
    milliseconds = dt.TIMESTAMP_MILLISECOND
    assert types.sql_name(milliseconds, Wire.HTTP) == "TIMESTAMP(3)"
    assert types.sql_name(milliseconds, Wire.POSTGRES) == "timestamp(3) without time zone"
    assert types.sql_name(milliseconds, Wire.MYSQL) == "timestamp(3)"
    assert types.sql_name(dt.list_of(dt.INT32), Wire.POSTGRES) == "integer[]"
    assert types.sql_name(dt.decimal(9, 2), Wire.MYSQL) == "decimal(9,2)"
