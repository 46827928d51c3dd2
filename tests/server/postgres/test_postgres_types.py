"""Every type through real drivers, text and binary, and the codecs' corners by hand."""

from __future__ import annotations

import asyncio
import math
import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.encode.style import TextStyle
from server.postgres.types import oids
from server.postgres.types.parameters import decode_parameters, from_binary, from_text
from server.postgres.types.results import binary_cells

A_UUID = UUID("12345678-9abc-def0-1234-56789abcdef0")

# SQL for DuckDB, and the value every driver must give back.
RESULTS: list[tuple[str, object]] = [
    ("TRUE", True),
    ("(-7)::TINYINT", -7),
    ("(-7)::SMALLINT", -7),
    ("(-7)::INTEGER", -7),
    ("(-9223372036854775807)::BIGINT", -(2**63) + 1),
    ("200::UTINYINT", 200),
    ("60000::USMALLINT", 60000),
    ("4000000000::UINTEGER", 4_000_000_000),
    ("18446744073709551615::UBIGINT", Decimal(2**64 - 1)),
    ("1.5::FLOAT", 1.5),
    ("1e300::DOUBLE", 1e300),
    ("'-inf'::DOUBLE", -math.inf),
    ("(-12.345)::DECIMAL(10,3)", Decimal("-12.345")),
    ("0::DECIMAL(10,4)", Decimal("0.0000")),
    ("10000::DECIMAL(38,10)", Decimal("10000.0000000000")),
    ("0.0001::DECIMAL(38,10)", Decimal("0.0001000000")),
    ("99999999999999999999999999999999999999::DECIMAL(38,0)", Decimal(10**38 - 1)),
    ("'grüß dich'", "grüß dich"),
    ("''", ""),
    ("'\\x00\\xFFa'::BLOB", b"\x00\xffa"),
    ("'12345678-9abc-def0-1234-56789abcdef0'::UUID", A_UUID),
    ("DATE '2024-02-29'", date(2024, 2, 29)),
    ("DATE '0001-01-01'", date(1, 1, 1)),
    ("TIME '23:59:59.123456'", time(23, 59, 59, 123456)),
    ("TIMESTAMP_S '2024-02-29 12:30:00'", datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001
    ("TIMESTAMP_MS '1969-12-31 23:59:59.999'", datetime(1969, 12, 31, 23, 59, 59, 999000)),  # noqa: DTZ001
    ("TIMESTAMP '2024-02-29 12:30:00.123456'", datetime(2024, 2, 29, 12, 30, 0, 123456)),  # noqa: DTZ001
    ("TIMESTAMP_NS '2024-02-29 12:30:00.123456789'", datetime(2024, 2, 29, 12, 30, 0, 123456)),  # noqa: DTZ001
    ("TIMESTAMPTZ '2024-02-29 12:30:00+02'", datetime(2024, 2, 29, 10, 30, tzinfo=UTC)),
    ("INTERVAL '3 days 04:05:06.5'", timedelta(days=3, hours=4, minutes=5, seconds=6.5)),
    ("INTERVAL '-1 day'", timedelta(days=-1)),
    ("[1, NULL, 3]", [1, None, 3]),
    ("[]::INTEGER[]", []),
    ("['a', 'b c', NULL, '\"', '']", ["a", "b c", None, '"', ""]),
    ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ("[1.5, 2.5]::DECIMAL(4,1)[]", [Decimal("1.5"), Decimal("2.5")]),
    ("[TIMESTAMP '2024-01-01 00:00:00']", [datetime(2024, 1, 1)]),  # noqa: DTZ001
    ("[TRUE, FALSE]", [True, False]),
    ("NULL", None),
    ("NULL::TIMESTAMP", None),
    ("NULL::INTEGER[]", None),
]


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_every_type(postgres, binary) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        cursor = connection.cursor(binary=binary)
        for sql, expected in RESULTS:
            got = cursor.execute(f"SELECT {sql} AS x").fetchone()
            assert got == (expected,), sql


def test_asyncpg_reads_every_type(postgres) -> None:
    async def read() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=postgres.port, user="tester", database="public"
        )
        try:
            for sql, expected in RESULTS:
                if isinstance(expected, list) or "[]" in sql:
                    continue  # asyncpg would ask the system catalog about arrays
                assert await connection.fetchval(f"SELECT {sql} AS x") == expected, sql
        finally:
            await connection.close()

    asyncio.run(read())


def test_json_structs_and_maps_arrive_as_json(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            sql = "SELECT '{\"a\": 1}'::JSON, {'a': 1, 'b': [TRUE]}, MAP {'k': 1.5}"
            assert cursor.execute(sql).fetchone() == ({"a": 1}, {"a": 1, "b": [True]}, {"k": 1.5})
            assert cursor.description is not None
            assert [column.type_code for column in cursor.description] == [oids.JSON] * 3


def test_many_rows_of_every_width_arrive_intact(postgres) -> None:
    sql = (
        "SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE repeat('x', (i % 40)::INT) END AS s,"
        " i / 7.0 AS d FROM range(300000) t(i)"
    )
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        for binary in (False, True):
            rows = connection.cursor(binary=binary).execute(sql).fetchall()
            assert len(rows) == 300_000
            assert {row[0] for row in rows} == set(range(300_000))
            for number, text, quotient in rows[::1009]:
                assert text == (None if number % 3 == 0 else "x" * (number % 40))
                assert quotient == number / 7.0


def test_a_row_of_many_megabytes(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        (text,) = connection.execute("SELECT repeat('ab', 20000000)").fetchone()
    assert len(text) == 40_000_000
    assert text[-2:] == "ab"


PARAMETERS: list[tuple[str, object]] = [
    ("BOOLEAN", True),
    ("SMALLINT", -7),
    ("INTEGER", 2**31 - 1),
    ("BIGINT", -(2**63)),
    ("DOUBLE", 0.1),
    ("DECIMAL(20,5)", Decimal("-123.45000")),
    ("VARCHAR", "O'Brien ü \\ \n"),
    ("BLOB", b"\x00\xff\\"),
    ("UUID", A_UUID),
    ("DATE", date(2024, 2, 29)),
    ("TIME", time(1, 2, 3, 4)),
    ("TIMESTAMP", datetime(2024, 2, 29, 1, 2, 3, 4)),  # noqa: DTZ001
    ("TIMESTAMPTZ", datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)),
    ("INTERVAL", timedelta(days=2, seconds=5, microseconds=7)),
    ("INTEGER[]", [1, None, 3]),
    ("VARCHAR[]", ["a", None, 'say "hi", {ok}', ""]),
    ("INTEGER", None),
]


@pytest.mark.parametrize("code", ["%s", "%t", "%b"])
@pytest.mark.parametrize(("sql_type", "value"), PARAMETERS)
def test_psycopg_parameters_come_back_as_they_were(postgres, code, sql_type, value) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        got = connection.execute(f"SELECT {code}::{sql_type} AS x", (value,)).fetchone()
    assert got == (value,)


@pytest.mark.parametrize(
    ("sql_type", "value"), [pair for pair in PARAMETERS if not isinstance(pair[1], list)]
)
def test_asyncpg_parameters_come_back_as_they_were(postgres, sql_type, value) -> None:
    async def read() -> object:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=postgres.port, user="tester", database="public"
        )
        try:
            return await connection.fetchval(f"SELECT $1::{sql_type.split('(')[0]} AS x", value)
        finally:
            await connection.close()

    assert asyncio.run(read()) == value


# The codecs by hand.


def one(array: pa.Array, data_type: DataType, zone: str = "UTC") -> bytes | None:
    return binary_cells(array, data_type, TextStyle(timezone=zone)).cell(0)


def test_timestamps_count_from_2000_in_the_session_zone() -> None:
    array = pa.array([datetime(2000, 1, 1)], pa.timestamp("ms"))  # noqa: DTZ001
    assert one(array, dt.TIMESTAMP_MILLISECOND) == bytes(8)
    nine_hours = struct.pack("!q", 9 * 3600 * 1_000_000)
    assert one(array, dt.TIMESTAMP_MILLISECOND, "Asia/Tokyo") == nine_hours
    zoned = pa.array([datetime(2000, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    assert one(zoned, dt.TIMESTAMP_TZ, "Asia/Tokyo") == bytes(8)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_infinite_timestamps_and_dates(unit) -> None:
    data_type = {
        "s": dt.TIMESTAMP_SECOND,
        "us": dt.TIMESTAMP_MICROSECOND,
        "ns": dt.TIMESTAMP_NANOSECOND,
    }[unit]
    plus = pa.array([2**63 - 1], pa.int64()).view(pa.timestamp(unit))
    minus = pa.array([-(2**63) + 1], pa.int64()).view(pa.timestamp(unit))
    assert one(plus, data_type, "Asia/Tokyo") == struct.pack("!q", 2**63 - 1)
    assert one(minus, data_type) == struct.pack("!q", -(2**63))
    days = pa.array([2**31 - 1], pa.int32()).view(pa.date32())
    assert one(days, dt.DATE) == struct.pack("!i", 2**31 - 1)
    days = pa.array([-(2**31) + 1], pa.int32()).view(pa.date32())
    assert one(days, dt.DATE) == struct.pack("!i", -(2**31))


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 38))
@settings(deadline=None)
def test_numeric_binary_reads_back_the_same(number, scale) -> None:
    sign, digits = (1, -number) if number < 0 else (0, number)
    value = Decimal((sign, tuple(map(int, str(digits))), -scale))
    data_type = dt.decimal(38, scale)
    data = one(pa.array([value], data_type.arrow), data_type)
    assert data is not None
    back = from_binary(data, oids.NUMERIC)
    assert isinstance(back, Decimal)
    assert back.as_tuple()[2] == -scale
    assert back == value


@given(st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_unsigned_64_bit_integers_are_numeric(number) -> None:
    data = one(pa.array([number], pa.uint64()), dt.UINT64)
    assert data is not None
    assert from_binary(data, oids.NUMERIC) == number


def test_a_broken_uuid_is_an_error() -> None:
    for text in ("nonsense", "1234", "g" * 32, "0" * 33):
        with pytest.raises(DbError):
            one(pa.array([text]), dt.UUID)


def test_ragged_lists_have_no_binary_array() -> None:
    data_type = dt.list_of(dt.list_of(dt.INT32))
    with pytest.raises(DbError) as caught:
        one(pa.array([[[1], [2, 3]]], data_type.arrow), data_type)
    assert caught.value.kind is ErrorKind.INVALID_BINARY


def test_sliced_columns_are_encoded_from_their_own_rows() -> None:
    samples: list[tuple[DataType, list[Any]]] = [
        (dt.INT32, [1, 2, None]),
        (dt.BOOLEAN, [True, False, None]),
        (dt.UINT64, [1, 2, None]),
        (dt.decimal(10, 2), [Decimal("1.00"), Decimal("2.50"), None]),
        (dt.UUID, [str(A_UUID), str(A_UUID).replace("1", "2"), None]),
        (dt.INTERVAL, [pa.MonthDayNano([1, 2, 3000]), pa.MonthDayNano([4, 5, 6000]), None]),
        (dt.list_of(dt.INT16), [[1], [2, None], None]),
        (dt.BINARY, [b"a", b"b", None]),
        (dt.TIMESTAMP_SECOND, [datetime(2024, 1, 1), datetime(2024, 1, 2), None]),  # noqa: DTZ001
    ]
    for data_type, values in samples:
        array = pa.array(values, data_type.arrow)
        whole = binary_cells(array, data_type, TextStyle()).to_list()
        part = binary_cells(array.slice(1), data_type, TextStyle()).to_list()
        assert part == whole[1:], data_type
        assert whole[2] is None


def test_every_type_has_an_oid_and_lists_of_it_too() -> None:
    for type_id in TypeId:
        if type_id in (TypeId.LIST, TypeId.DECIMAL):
            continue
        data_type = DataType(type_id)
        assert oids.describe(data_type).oid > 0
        assert oids.describe(dt.list_of(data_type)).oid in oids.ELEMENTS
    assert oids.describe(dt.decimal(10, 2)).modifier == ((10 << 16) | 2) + 4


@pytest.mark.parametrize(
    ("text", "oid", "expected"),
    [
        ("t", oids.BOOL, True),
        (" OFF ", oids.BOOL, False),
        ("  42 ", oids.INT4, 42),
        ("NaN", oids.FLOAT8, None),
        ("Infinity", oids.FLOAT8, math.inf),
        ("\\xDEADbeef", oids.BYTEA, b"\xde\xad\xbe\xef"),
        ("a\\\\b\\000", oids.BYTEA, b"a\\b\0"),
        ("infinity", oids.TIMESTAMP, "infinity"),
        ("0044-03-15 BC", oids.DATE, "0044-03-15 BC"),
        (
            "2024-01-01 00:00:00+02:00",
            oids.TIMESTAMPTZ,
            datetime.fromisoformat("2024-01-01 00:00:00+02:00"),
        ),
        ("{}", oids.ARRAYS[oids.INT4], []),
        ("{1,NULL,3}", oids.ARRAYS[oids.INT4], [1, None, 3]),
        ("{{1,2},{3,4}}", oids.ARRAYS[oids.INT4], [[1, 2], [3, 4]]),
        ("[0:1]={5,6}", oids.ARRAYS[oids.INT4], [5, 6]),
        (
            '{ a b , "NULL" , null, "q\\"\\\\" }',
            oids.ARRAYS[oids.TEXT],
            ["a b", "NULL", None, 'q"\\'],
        ),
        ("1 day 02:00:00", oids.INTERVAL, timedelta(days=1, hours=2)),
        ("-00:00:01.5", oids.INTERVAL, timedelta(seconds=-1.5)),
        ("1 year", oids.INTERVAL, "1 year"),
        ("anything", 869, "anything"),
    ],
)
def test_text_parameters(text, oid, expected) -> None:
    got = from_text(text, oid)
    assert got == expected or (expected is None and isinstance(got, float) and math.isnan(got))


@pytest.mark.parametrize(
    ("text", "oid", "kind"),
    [
        ("maybe", oids.BOOL, ErrorKind.INVALID_TEXT),
        ("1_000", oids.INT4, ErrorKind.INVALID_TEXT),
        ("", oids.INT8, ErrorKind.INVALID_TEXT),
        ("32768", oids.INT2, ErrorKind.OUT_OF_RANGE),
        ("x", oids.FLOAT8, ErrorKind.INVALID_TEXT),
        ("x", oids.NUMERIC, ErrorKind.INVALID_TEXT),
        ("\\xZZ", oids.BYTEA, ErrorKind.INVALID_TEXT),
        ("\\9", oids.BYTEA, ErrorKind.INVALID_TEXT),
        ("x", oids.UUID, ErrorKind.INVALID_TEXT),
        ("1,2", oids.ARRAYS[oids.INT4], ErrorKind.INVALID_TEXT),
        ("{1,2", oids.ARRAYS[oids.INT4], ErrorKind.INVALID_TEXT),
        ("{1,,2}", oids.ARRAYS[oids.INT4], ErrorKind.INVALID_TEXT),
        ('{"a}', oids.ARRAYS[oids.TEXT], ErrorKind.INVALID_TEXT),
        ("{1}x", oids.ARRAYS[oids.INT4], ErrorKind.INVALID_TEXT),
        ("{" * 20, oids.ARRAYS[oids.INT4], ErrorKind.INVALID_TEXT),
    ],
)
def test_text_parameters_that_do_not_fit(text, oid, kind) -> None:
    with pytest.raises(DbError) as caught:
        from_text(text, oid)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("data", "oid", "expected"),
    [
        (b"\1", oids.BOOL, True),
        (struct.pack("!q", 2**63 - 1), oids.TIMESTAMP, "infinity"),
        (struct.pack("!i", -(2**31)), oids.DATE, "-infinity"),
        (b"\1{}", oids.JSONB, "{}"),
        (struct.pack("!qii", 5, 6, 7), oids.INTERVAL, "7 months 6 days 5 microseconds"),
        (struct.pack("!hhHH", 0, 0, 0, 3), oids.NUMERIC, Decimal("0.000")),
        (struct.pack("!hhHHh", 1, 1, 0, 0, 1), oids.NUMERIC, Decimal(10000)),
        (struct.pack("!iiI", 0, 0, oids.INT4), oids.ARRAYS[oids.INT4], []),
    ],
)
def test_binary_parameters(data, oid, expected) -> None:
    assert from_binary(data, oid) == expected


@pytest.mark.parametrize("oid", [*oids._TYPES, *oids.ELEMENTS, 999_999])
@given(data=st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_binary_parameter_is_a_value_or_a_db_error(oid, data) -> None:
    try:
        (value,) = decode_parameters([data], [1], [oid])
    except DbError:
        return
    assert value is not None


@pytest.mark.parametrize("oid", [*oids._TYPES, *oids.ELEMENTS])
@given(text=st.text(max_size=30))
@settings(max_examples=40, deadline=None)
def test_any_text_parameter_is_a_value_or_a_db_error(oid, text) -> None:
    try:
        (value,) = decode_parameters([text.encode("utf-8", "surrogatepass")], [0], [oid])
    except DbError:
        return
    assert value is not None
