"""Every type, as text and in binary: what is encoded must be read back as the same value."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.datatypes import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    INTERVAL,
    JSON,
    NULL,
    STRING,
    TIME,
    TIMESTAMP_MICROSECOND,
    TIMESTAMP_MILLISECOND,
    TIMESTAMP_NANOSECOND,
    TIMESTAMP_SECOND,
    TIMESTAMP_TZ,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    UUID,
    DataType,
    decimal,
    list_of,
)
from engine.errors import DbError, ErrorKind
from server.mysql.columns import definition, wire_type
from server.mysql.constants import ColumnFlag, ColumnType
from server.mysql.packets import PacketReader
from server.mysql.results import ResultStream
from server.mysql.rows import binary_cells, text_cells
from sql.charsets import charset_numbered
from sql.results import ResultColumn, Rows


def one(data_type: DataType, values: list[Any]) -> pa.Array:
    return pa.array(values, data_type.arrow)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def as_text(data_type: DataType, values: list[Any], zone: str = "UTC") -> list[bytes | None]:
    return text_cells(one(data_type, values), data_type, zone).to_list()


def as_binary(data_type: DataType, values: list[Any], zone: str = "UTC") -> list[bytes | None]:
    return binary_cells(one(data_type, values), data_type, zone).to_list()


TEXTS: list[tuple[DataType, Any, bytes]] = [
    (BOOLEAN, True, b"1"),
    (BOOLEAN, False, b"0"),
    (INT8, -128, b"-128"),
    (INT64, -(1 << 63), b"-9223372036854775808"),
    (UINT64, (1 << 64) - 1, b"18446744073709551615"),
    (FLOAT64, 1.5, b"1.5"),
    (FLOAT64, 0.1, b"0.1"),
    (FLOAT32, 0.1, b"0.1"),
    (FLOAT64, 1e300, b"1e300"),
    (FLOAT64, -2.0, b"-2"),
    (decimal(10, 2), Decimal("-0.05"), b"-0.05"),
    (decimal(38, 0), Decimal(10**37), b"1" + b"0" * 37),
    (STRING, "zażółć 🌍", "zażółć 🌍".encode()),
    (STRING, "", b""),
    (BINARY, b"\x00\xff", b"\x00\xff"),
    (JSON, '{"a":1}', b'{"a":1}'),
    (UUID, "7c1a6d5e-8a9f-4f1c-9f0e-3d2c1b0a9f8e", b"7c1a6d5e-8a9f-4f1c-9f0e-3d2c1b0a9f8e"),
    (DATE, dt.date(2024, 2, 29), b"2024-02-29"),
    (DATE, dt.date(1, 1, 1), b"0001-01-01"),
    (TIME, dt.time(1, 2, 3, 4), b"01:02:03.000004"),
    (TIMESTAMP_SECOND, at("1969-12-31T23:59:59"), b"1969-12-31 23:59:59"),
    (TIMESTAMP_MILLISECOND, at("2024-01-01T00:00:00.120"), b"2024-01-01 00:00:00.120"),
    (TIMESTAMP_MICROSECOND, at("2024-01-01T00:00:00.000001"), b"2024-01-01 00:00:00.000001"),
    (TIMESTAMP_NANOSECOND, 1_700_000_000_123_456_789, b"2023-11-14 22:13:20.123456"),
    (TIMESTAMP_TZ, at("2024-01-01T02:00:00+02:00"), b"2024-01-01 00:00:00.000000"),
    (INTERVAL, pa.MonthDayNano([14, 3, 1_500_000_000]), b"P1Y2M3DT1.5S"),
    (list_of(INT32), [1, None, 3], b"[1,null,3]"),
]


@pytest.mark.parametrize(("data_type", "value", "text"), TEXTS, ids=str)
def test_text_of_every_type(data_type: DataType, value: Any, text: bytes) -> None:
    assert as_text(data_type, [None, value, None]) == [None, text, None]


def test_null_columns_are_null_in_both_protocols() -> None:
    assert as_text(NULL, [None, None]) == [None, None]
    assert as_binary(NULL, [None, None]) == [None, None]


STRUCTS = {
    INT8: "<b",
    INT16: "<h",
    INT32: "<i",
    INT64: "<q",
    UINT8: "<B",
    UINT16: "<H",
    UINT32: "<I",
    UINT64: "<Q",
    FLOAT32: "<f",
    FLOAT64: "<d",
}


@pytest.mark.parametrize("data_type", STRUCTS, ids=lambda data_type: data_type.name)
def test_binary_numbers(data_type: DataType) -> None:
    signed = data_type.name.startswith(("Int", "Float"))
    values = [None, 0, 1, 127, -1 if signed else 255]
    expected = [None, *(struct.pack(STRUCTS[data_type], value) for value in values[1:])]
    assert as_binary(data_type, values) == expected


def test_binary_booleans_and_texts() -> None:
    assert as_binary(BOOLEAN, [True, None, False]) == [b"\x01", None, b"\x00"]
    assert as_binary(decimal(6, 3), [Decimal("1.250")]) == [b"1.250"]
    assert as_binary(STRING, ["x" * 300]) == [b"x" * 300]


def read_calendar(cell: bytes | None) -> dt.datetime | dt.date | None:
    if cell is None:
        return None
    reader = PacketReader(cell)
    assert reader.integer(1) == reader.remaining
    day = dt.date(reader.integer(2), reader.integer(1), reader.integer(1))
    if not reader.remaining:
        return day
    clock = dt.time(reader.integer(1), reader.integer(1), reader.integer(1))
    micro = reader.integer(4) if reader.remaining else 0
    return dt.datetime.combine(day, clock.replace(microsecond=micro))


MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))  # noqa: DTZ001


@given(st.lists(st.none() | MOMENTS, max_size=20))
def test_timestamps_round_trip_in_both_protocols(values: list[dt.datetime | None]) -> None:
    assert [read_calendar(cell) for cell in as_binary(TIMESTAMP_MICROSECOND, values)] == values
    texts = as_text(TIMESTAMP_MICROSECOND, values)
    assert [at(text.decode()) if text else None for text in texts] == values


@given(st.lists(st.none() | st.dates(), max_size=20))
def test_dates_round_trip_in_both_protocols(values: list[dt.date | None]) -> None:
    assert [read_calendar(cell) for cell in as_binary(DATE, values)] == values
    texts = as_text(DATE, values)
    assert [dt.date.fromisoformat(text.decode()) if text else None for text in texts] == values


@given(st.lists(st.none() | st.times(), max_size=20))
def test_times_round_trip_in_both_protocols(values: list[dt.time | None]) -> None:
    def read(cell: bytes | None) -> dt.time | None:
        if cell is None:
            return None
        length, sign, days, hour, minute, second, micro = struct.unpack("<BBIBBBI", cell)
        assert (length, sign, days) == (12, 0, 0)
        return dt.time(hour, minute, second, micro)

    assert [read(cell) for cell in as_binary(TIME, values)] == values
    texts = as_text(TIME, values)
    assert [dt.time.fromisoformat(text.decode()) if text else None for text in texts] == values


@pytest.mark.parametrize(
    ("data_type", "length"),
    [(TIMESTAMP_SECOND, 7), (TIMESTAMP_MILLISECOND, 11), (TIMESTAMP_NANOSECOND, 11)],
)
def test_binary_timestamps_carry_a_fraction_only_if_the_type_has_one(
    data_type: DataType, length: int
) -> None:
    (cell,) = as_binary(data_type, [at("2024-05-06T07:08:09")])
    assert cell is not None
    assert cell[0] == length
    assert read_calendar(cell) == at("2024-05-06T07:08:09")


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("+08:00", "2024-07-01 08:00:00"),
        ("Europe/Berlin", "2024-07-01 02:00:00"),
        ("-03:30", "2024-06-30 20:30:00"),
    ],
)
def test_timestamps_are_shown_in_the_session_time_zone(zone: str, text: str) -> None:
    moment = at("2024-07-01T00:00:00")
    assert as_text(TIMESTAMP_SECOND, [moment], zone) == [text.encode()]
    (cell,) = as_binary(TIMESTAMP_SECOND, [moment], zone)
    assert read_calendar(cell) == at(text)


@pytest.mark.parametrize(
    ("data_type", "raw"),
    [
        (TIMESTAMP_SECOND, 253_402_300_800),
        (TIMESTAMP_SECOND, -62_167_219_201),
        (TIMESTAMP_MICROSECOND, (1 << 63) - 1),
        (TIMESTAMP_TZ, -(1 << 62)),
        (DATE, 2_932_897),
        (DATE, -719_529),
    ],
)
def test_years_that_have_no_binary_form_are_an_error(data_type: DataType, raw: int) -> None:
    width = pa.int32() if data_type is DATE else pa.int64()
    edge = pa.array([0, raw], width).view(data_type.arrow)
    with pytest.raises(DbError) as caught:
        binary_cells(edge, data_type, "UTC")
    assert caught.value.kind is ErrorKind.DATETIME_OVERFLOW
    inside = pa.array([0, raw + (-1 if raw > 0 else 1)], width).view(data_type.arrow)
    if abs(raw) < 1 << 61:
        assert len(binary_cells(inside, data_type, "UTC")) == 2


def test_years_of_more_than_four_digits_have_a_sign_in_text() -> None:
    assert as_text(TIMESTAMP_SECOND, [253_402_300_800, -62_167_219_201], "UTC") == [
        b"+10000-01-01 00:00:00",
        b"-0001-12-31 23:59:59",
    ]


def test_null_slots_may_hold_anything() -> None:
    raw = pa.array([(1 << 63) - 1, 0], pa.int64())
    mask = pa.array([False, True]).buffers()[1]
    array = pa.Array.from_buffers(TIMESTAMP_MICROSECOND.arrow, 2, [mask, raw.buffers()[1]])
    for encode in (text_cells, binary_cells):
        cells = encode(array, TIMESTAMP_MICROSECOND, "UTC")
        assert cells.to_list()[0] is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("start", [0, 1, 3])
def test_slices_of_arrays_are_respected(start: int) -> None:
    values = [dt.date(2020, 1, day) for day in range(1, 6)]
    array = one(DATE, values)[start:]
    cells = binary_cells(array, DATE, "UTC").to_list()
    assert [read_calendar(cell) for cell in cells] == values[start:]
    flags = one(BOOLEAN, [True, False, None, True, True])
    assert binary_cells(flags[start:], BOOLEAN, "UTC").to_list() == [
        None if value is None else bytes((value,)) for value in flags.to_pylist()[start:]
    ]


def read_definition(payload: bytes) -> dict[str, Any]:
    reader = PacketReader(payload)
    names = ("catalog", "database", "table", "org_table", "name", "org_name")
    found: dict[str, Any] = {name: reader.lenenc_bytes().decode() for name in names}
    assert reader.lenenc() == 12
    for name, size in (("charset", 2), ("length", 4), ("type", 1), ("flags", 2), ("decimals", 1)):
        found[name] = reader.integer(size)
    assert reader.fixed(2) == b"\0\0"
    assert reader.remaining == 0
    return found


def test_definitions_name_the_column_and_its_table() -> None:
    column = ResultColumn(
        "host", STRING, nullable=False, table="cpu", database="public", primary_key=True
    )
    found = read_definition(definition(column, charset_numbered(45)))
    flags = ColumnFlag.NOT_NULL | ColumnFlag.PRI_KEY | ColumnFlag.PART_KEY
    assert found == {
        "catalog": "def",
        "database": "public",
        "table": "cpu",
        "org_table": "cpu",
        "name": "host",
        "org_name": "host",
        "charset": 45,
        "length": 65532,
        "type": ColumnType.VAR_STRING,
        "flags": flags,
        "decimals": 0,
    }
    computed = read_definition(definition(ResultColumn("n", INT64), charset_numbered(45)))
    assert (computed["table"], computed["org_name"], computed["charset"]) == ("", "", 63)


@pytest.mark.parametrize(
    ("data_type", "code", "length", "decimals", "unsigned"),
    [
        (BOOLEAN, ColumnType.TINY, 1, 0, False),
        (INT64, ColumnType.LONGLONG, 20, 0, False),
        (UINT32, ColumnType.LONG, 10, 0, True),
        (FLOAT64, ColumnType.DOUBLE, 22, 31, False),
        (decimal(10, 2), ColumnType.NEWDECIMAL, 12, 2, False),
        (decimal(10, 0), ColumnType.NEWDECIMAL, 11, 0, False),
        (TIMESTAMP_SECOND, ColumnType.TIMESTAMP, 19, 0, False),
        (TIMESTAMP_MILLISECOND, ColumnType.TIMESTAMP, 23, 3, False),
        (TIMESTAMP_NANOSECOND, ColumnType.TIMESTAMP, 26, 6, False),
        (TIMESTAMP_TZ, ColumnType.TIMESTAMP, 26, 6, False),
        (BINARY, ColumnType.BLOB, 0xFFFFFFFF, 0, False),
        (JSON, ColumnType.JSON, 0xFFFFFFFF, 0, False),
        (INTERVAL, ColumnType.VAR_STRING, 65532, 0, False),
        (list_of(INT8), ColumnType.VAR_STRING, 65532, 0, False),
    ],
    ids=str,
)
def test_types_are_announced(
    data_type: DataType, code: ColumnType, length: int, decimals: int, unsigned: bool
) -> None:
    wire = wire_type(data_type)
    assert (wire.type, wire.length, wire.decimals) == (code, length, decimals)
    assert (ColumnFlag.UNSIGNED in wire.flags) is unsigned


def stream(sizes: list[int], *, binary: bool = False) -> ResultStream:
    numbers = iter(range(10**9))
    batches = [
        pa.record_batch({"a": pa.array([next(numbers) for _ in range(size)], pa.int64())})
        for size in sizes
    ]
    return ResultStream(Rows((ResultColumn("a", INT64),), iter(batches)), "UTC", binary=binary)


@given(
    st.lists(st.integers(0, 30), max_size=8),
    st.lists(st.integers(0, 40), max_size=12),
    st.booleans(),
)
def test_portions_of_a_stream_join_to_the_whole(
    sizes: list[int], portions: list[int], binary: bool
) -> None:
    whole = stream(sizes, binary=binary)
    count = 0
    for portion in portions:
        expected = min(portion, sum(sizes) - count)
        sequence = 0
        taken = 0
        for packets in whole.packets(0, portion):
            taken += packets.rows
            data = bytes(packets.data)
            while data:
                length = int.from_bytes(data[:3], "little")
                assert data[3] == sequence & 0xFF
                payload = data[4 : 4 + length]
                if binary:
                    assert int.from_bytes(payload[2:], "little") == count
                else:
                    assert payload[1:] == str(count).encode()
                data = data[4 + length :]
                sequence += 1
                count += 1
            assert packets.sequence == sequence & 0xFF
        assert taken == expected
    assert whole.has_more() is (count < sum(sizes))
