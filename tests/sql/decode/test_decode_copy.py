"""COPY FROM STDIN in its three formats, fed in pieces of any size."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.records import Column
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode import copy as copy_module
from sql.decode.copy import CopyReader
from sql.results import CopyFormat, CopyOptions

TEXT = CopyOptions()
CSV = CopyOptions(CopyFormat.CSV, ",", "")
BINARY = CopyOptions(CopyFormat.BINARY)
INT_TEXT = (Column("a", dt.INT32), Column("b", dt.STRING))


def read(
    data: bytes,
    options: CopyOptions = TEXT,
    columns: tuple[Column, ...] = INT_TEXT,
    chunk: int = 0,
    timezone: str = "UTC",
) -> list[tuple[object, ...]]:
    """All rows of some COPY data, fed in pieces."""
    reader = CopyReader(columns, options, timezone, table="t")
    size = chunk or len(data) or 1
    tables = [t for at in range(0, len(data), size) for t in reader.feed(data[at : at + size])]
    tables += reader.finish()
    for table in tables:
        table.validate(full=True)
        assert table.schema == pa.schema([(c.name, c.type.arrow) for c in columns])
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def refused(
    data: bytes,
    options: CopyOptions = TEXT,
    columns: tuple[Column, ...] = INT_TEXT,
    chunk: int = 0,
) -> DbError:
    with pytest.raises(DbError) as caught:
        read(data, options, columns, chunk)
    return caught.value


# --- text


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("chunk", [0, 1, 2, 3])
def test_lines_may_end_in_three_ways(end: bytes, chunk: int) -> None:
    lines = [b"1\tx", b"\\N\t\\N", b"3\t"]
    expected = [(1, "x"), (None, None), (3, "")]
    assert read(end.join(lines) + end, chunk=chunk) == expected
    assert read(end.join(lines), chunk=chunk) == expected


def test_escapes_of_the_text_format() -> None:
    data = rb"1" + b"\t" + rb"\b\f\n\r\t\v\\\a\x41\x4g\101\7\N" + b"\\\n\\\t.\n"
    assert read(data) == [(1, "\b\f\n\r\t\v\\aA\x04gA\x07N\n\t.")]


def test_text_has_its_own_delimiter_and_null() -> None:
    options = CopyOptions(delimiter="|", null="nil")
    assert read(b"1|a\\|b\nnil|nil\n3|\\nil\n", options) == [(1, "a|b"), (None, None), (3, "\nil")]


def test_the_end_marker_ends_the_data() -> None:
    for chunk in (0, 1):
        assert read(b"1\tx\n\\.\nrubbish", chunk=chunk) == [(1, "x")]
        assert read(b"1\tx\n\\.", chunk=chunk) == [(1, "x")]
        assert read(b"\\.\r\n", chunk=chunk) == []
    for data in (b"1\tx\n\\.x\n", b"1\tx\\.\n", b"1\t\\.\n"):
        for chunk in (0, 1):
            error = refused(data, chunk=chunk)
            assert error.kind is ErrorKind.BAD_COPY_DATA
            assert "end-of-copy marker" in error.message


def test_no_data_is_no_rows() -> None:
    assert read(b"") == []
    assert read(b"", CSV) == []
    assert read(b"a,b\n", CopyOptions(CopyFormat.CSV, ",", "", header=True)) == []


def test_a_column_alone_may_be_empty() -> None:
    assert read(b"\n\nx\n", columns=(Column("b", dt.STRING),)) == [("",), ("",), ("x",)]


# --- CSV


@pytest.mark.parametrize("chunk", [0, 1, 5])
def test_csv_quotes(chunk: int) -> None:
    data = (
        b'1,"x ""y"" z"\n2,\n3,""\n4,"line 1\nline 2\r\n"\n5,a"b,c"d\n6,"a,b"\n7,""""\n'
        b'8,"\\."\n9,\\N'
    )
    assert read(data, CSV, chunk=chunk) == [
        (1, 'x "y" z'), (2, None), (3, ""), (4, "line 1\nline 2\r\n"), (5, "ab,cd"), (6, "a,b"),
        (7, '"'), (8, "\\."), (9, "\\N"),
    ]  # fmt: skip


def test_csv_ends_at_the_marker() -> None:
    assert read(b"1,x\n\\.\n2,y\n", CSV) == [(1, "x")]


def test_csv_marks_may_be_others() -> None:
    options = CopyOptions(CopyFormat.CSV, ";", "NUL", quote="'", escape="\\")
    data = b"1;'x\\'y\\\\z\\w'\n2;NUL\n3;'NUL'\n4;\n"
    assert read(data, options) == [(1, "x'y\\z\\w"), (2, None), (3, "NUL"), (4, "")]


def test_csv_force_options() -> None:
    data = b'1,\n2,""\n'
    assert read(data, CSV) == [(1, None), (2, "")]
    for names in (frozenset({"b"}), frozenset({"*"})):
        not_null = CopyOptions(CopyFormat.CSV, ",", "", force_not_null=names)
        null = CopyOptions(CopyFormat.CSV, ",", "", force_null=names)
        assert read(data, not_null) == [(1, ""), (2, "")]
        assert read(data, null) == [(1, None), (2, None)]
    with pytest.raises(DbError) as caught:
        CopyReader(INT_TEXT, CopyOptions(force_null=frozenset({"z"})), "UTC")
    assert caught.value.kind is ErrorKind.UNDEFINED_COLUMN


@pytest.mark.parametrize("chunk", [0, 1])
def test_a_header_is_skipped_or_matched(chunk: int) -> None:
    skip = CopyOptions(CopyFormat.CSV, ",", "", header=True)
    match = CopyOptions(CopyFormat.CSV, ",", "", header=True, match_header=True)
    assert read(b'x,"y\nz",w\n1,x\n', skip, chunk=chunk) == [(1, "x")]
    assert read(b'a,"b"\n1,x\n', match, chunk=chunk) == [(1, "x")]
    assert read(b"a\tb\n1\tx\n", CopyOptions(header=True, match_header=True)) == [(1, "x")]
    error = refused(b"a,c\n1,x\n", match, chunk=chunk)
    assert error.kind is ErrorKind.BAD_COPY_DATA
    assert 'field 2: got "c", expected "b"' in error.message
    error = refused(b"a\n1,x\n", match, chunk=chunk)
    assert "got 1, expected 2" in error.message
    error = refused(b'"x\ny",b\nq,x\n', skip, chunk=chunk)
    assert error.detail == 'COPY t, line 3, column a: "q"'


# --- what is wrong with the data


@pytest.mark.parametrize(
    ("data", "options", "message", "line"),
    [
        (b"1\tx\n2\n", TEXT, 'missing data for column "b"', 2),
        (b"1\tx\n\n", TEXT, 'missing data for column "b"', 2),
        (b"1\tx\n2\ty\tz\n", TEXT, "extra data after last expected column", 2),
        (b"1\tx\n2\ty\r\n", TEXT, "carriage return found in data", 2),
        (b"1\tx\r\n2\ty\n", TEXT, "newline found in data", 2),
        (b"1,x\n2\n", CSV, 'missing data for column "b"', 2),
        (b"1,x,y\n", CSV, "extra data after last expected column", 1),
        (b'1,"a\nb"\n2,"x\n', CSV, "unterminated CSV quoted field", 3),
    ],
)
@pytest.mark.parametrize("chunk", [0, 1])
def test_malformed_rows(
    data: bytes, options: CopyOptions, message: str, line: int, chunk: int
) -> None:
    error = refused(data, options, chunk=chunk)
    assert error.kind is ErrorKind.BAD_COPY_DATA
    assert message in error.message
    assert error.detail == f"COPY t, line {line}"


def test_a_bad_value_names_line_column_and_value() -> None:
    error = refused(b'1,"a\nb"\nabc,y\n', CSV)
    assert error.kind is ErrorKind.INVALID_TEXT
    assert error.message == 'invalid input syntax for type integer: "abc"'
    assert error.detail == 'COPY t, line 3, column a: "abc"'


def test_an_earlier_bad_value_goes_before_a_later_malformed_row() -> None:
    assert refused(b"x\ty\n2\n").kind is ErrorKind.INVALID_TEXT


@pytest.mark.parametrize(
    "row", [b"2\t\xff\n", b"2\ta\0b\n", b"2\t\\xff\n", b"2\t\\377\n", b"2\t\\0\n", b"2\t\xc3"]
)
def test_what_is_no_utf8_names_its_line(row: bytes) -> None:
    error = refused(b"1\t\xc3\xa9\n" + row)
    assert error.kind is ErrorKind.INVALID_ENCODING
    assert error.detail is not None
    assert error.detail.startswith("COPY t, line 2")


def test_a_character_may_be_spelled_by_its_bytes() -> None:
    assert read(b"1\t\\xc3\\xa9\n") == [(1, "é")]


# --- binary

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = b"\xff\xff"


def numeric(value: Decimal) -> bytes:
    """PostgreSQL's numeric: groups of four digits around the point."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    whole = "".join(map(str, digits))
    after = max(-exponent, 0)
    whole = (whole + "0" * max(exponent, 0)).rjust(after + 1, "0")
    left, right = whole[: len(whole) - after], whole[len(whole) - after :]
    left = left.rjust(-(-len(left) // 4) * 4, "0")
    right = right.ljust(-(-len(right) // 4) * 4, "0")
    groups = [int((left + right)[i : i + 4]) for i in range(0, len(left + right), 4)]
    weight = len(left) // 4 - 1
    header = struct.pack(">hhHh", len(groups), weight, 0x4000 if sign else 0, after)
    return header + struct.pack(f">{len(groups)}h", *groups)


def micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def binary(value: object, type_: DataType) -> bytes:
    """A value as PostgreSQL sends it."""
    formats = {dt.INT8: ">h", dt.INT16: ">h", dt.INT32: ">i", dt.INT64: ">q", dt.UINT8: ">h",
               dt.UINT16: ">i", dt.UINT32: ">q", dt.FLOAT32: ">f", dt.FLOAT64: ">d",
               dt.BOOLEAN: ">?"}  # fmt: skip
    if type_ in formats:
        return struct.pack(formats[type_], value)
    if isinstance(value, datetime):
        return struct.pack(">q", micros(value))
    if isinstance(value, date):
        return struct.pack(">i", (value - date(2000, 1, 1)).days)
    if isinstance(value, time):
        whole = (value.hour * 60 + value.minute) * 60 + value.second
        return struct.pack(">q", whole * 1_000_000 + value.microsecond)
    if type_ is dt.UUID:
        return uuid.UUID(str(value)).bytes
    if isinstance(value, (int, Decimal)):
        return numeric(Decimal(value))
    return value if isinstance(value, bytes) else str(value).encode()


def binary_row(row: tuple[object, ...], types: list[DataType]) -> bytes:
    parts = [struct.pack(">h", len(row))]
    for value, type_ in zip(row, types, strict=True):
        content = b"" if value is None else binary(value, type_)
        parts.append(struct.pack(">i", -1 if value is None else len(content)) + content)
    return b"".join(parts)


def one(content: bytes, type_: DataType, timezone: str = "UTC") -> object:
    """One binary value by itself."""
    data = HEADER + struct.pack(">hi", 1, len(content)) + content + TRAILER
    return read(data, BINARY, (Column("c", type_),), timezone=timezone)[0][0]


def bad(content: bytes, type_: DataType) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        one(content, type_)
    assert caught.value.detail == "COPY t, line 1, column c"
    return caught.value.kind


def test_binary_integers_are_as_wide_as_the_wire_says() -> None:
    assert one(struct.pack(">h", -128), dt.INT8) == -128
    assert one(struct.pack(">q", 2**32 - 1), dt.UINT32) == 2**32 - 1
    assert one(numeric(Decimal(2**64 - 1)), dt.UINT64) == 2**64 - 1
    assert bad(struct.pack(">h", 128), dt.INT8) is ErrorKind.OUT_OF_RANGE
    assert bad(struct.pack(">h", -1), dt.UINT8) is ErrorKind.OUT_OF_RANGE
    assert bad(numeric(Decimal(2**64)), dt.UINT64) is ErrorKind.OUT_OF_RANGE
    assert bad(struct.pack(">h", 1), dt.INT32) is ErrorKind.INVALID_BINARY
    assert bad(b"", dt.INT32) is ErrorKind.INVALID_BINARY


def test_binary_numerics() -> None:
    type_ = dt.decimal(10, 2)
    assert one(numeric(Decimal("1.005")), type_) == Decimal("1.01")
    assert one(numeric(Decimal("-1.005")), type_) == Decimal("-1.01")
    assert one(numeric(Decimal("1e-9")), type_) == 0
    assert one(struct.pack(">hhHh", 0, 0, 0, 0), type_) == 0
    assert one(struct.pack(">hhHhh", 1, 1, 0, 0, 12), type_) == 120_000
    assert bad(numeric(Decimal("99999999.995")), type_) is ErrorKind.OUT_OF_RANGE
    assert bad(struct.pack(">hhHhh", 1, 9999, 0, 0, 1), type_) is ErrorKind.OUT_OF_RANGE
    for sign in (0xC000, 0xD000, 0xF000):
        assert bad(struct.pack(">hhHh", 0, 0, sign, 0), type_) is ErrorKind.OUT_OF_RANGE
    for content in (
        b"",
        struct.pack(">hhHh", 1, 0, 0, 0),
        struct.pack(">hhHh", -1, 0, 0, 0),
        struct.pack(">hhHh", 0, 0, 7, 0),
        struct.pack(">hhHhh", 1, 0, 0, 0, 10_000),
    ):
        assert bad(content, type_) is ErrorKind.INVALID_BINARY


def test_binary_timestamps_are_in_the_session_zone_unless_they_have_one() -> None:
    noon = struct.pack(">q", micros(datetime(2024, 7, 1, 12, tzinfo=UTC)))
    local, instant = datetime(2024, 7, 1, 10), datetime(2024, 7, 1, 12, tzinfo=UTC)  # noqa: DTZ001
    assert one(noon, dt.TIMESTAMP_MILLISECOND, "Europe/Berlin") == local
    assert one(noon, dt.TIMESTAMP_TZ, "Europe/Berlin") == instant
    half = struct.pack(">q", 500_000)
    assert one(half, dt.TIMESTAMP_SECOND) == datetime(2000, 1, 1, 0, 0, 1)  # noqa: DTZ001
    for value in (2**63 - 1, -(2**63)):  # PostgreSQL's infinities
        content = struct.pack(">q", value)
        assert bad(content, dt.TIMESTAMP_SECOND) is ErrorKind.DATETIME_OVERFLOW
    content = struct.pack(">q", micros(datetime(2300, 1, 1, tzinfo=UTC)))
    assert bad(content, dt.TIMESTAMP_NANOSECOND) is ErrorKind.DATETIME_OVERFLOW


def test_binary_intervals_json_and_bad_text() -> None:
    assert one(struct.pack(">qii", -5, 2, -3), dt.INTERVAL) == (-3, 2, -5000)
    assert bad(struct.pack(">qii", 2**62, 0, 0), dt.INTERVAL) is ErrorKind.DATETIME_OVERFLOW
    assert one(b'{"a":1}', dt.JSON) == '{"a":1}'
    assert one(b'\x01{"a":1}', dt.JSON) == '{"a":1}'
    assert bad(b"{", dt.JSON) is ErrorKind.INVALID_TEXT
    assert bad(b"\xff", dt.STRING) is ErrorKind.INVALID_ENCODING
    assert bad(b"a\0", dt.STRING) is ErrorKind.INVALID_ENCODING
    assert one(b"a\0\xff", dt.BINARY) == b"a\0\xff"
    assert bad(struct.pack(">q", 86_400_000_000), dt.TIME) is ErrorKind.DATETIME_OVERFLOW
    assert bad(struct.pack(">i", 2**31 - 1), dt.DATE) is ErrorKind.DATETIME_OVERFLOW
    assert bad(b"x" * 15, dt.UUID) is ErrorKind.INVALID_BINARY


def array(shape: tuple[int, ...], items: list[bytes | None]) -> bytes:
    header = struct.pack(">iii", len(shape), 1, 23)
    header += b"".join(struct.pack(">ii", size, 1) for size in shape)
    for item in items:
        header += struct.pack(">i", -1 if item is None else len(item)) + (item or b"")
    return header


def test_binary_arrays() -> None:
    seven, eight = struct.pack(">i", 7), struct.pack(">i", 8)
    flat, nested = dt.list_of(dt.INT32), dt.list_of(dt.list_of(dt.INT32))
    assert one(array((3,), [seven, None, eight]), flat) == [7, None, 8]
    assert one(array((), []), flat) == []
    assert one(array((0,), []), flat) == []
    assert one(array((2**31 - 1, 0), []), nested) == []
    assert one(array((2, 2), [seven, eight, None, seven]), nested) == [[7, 8], [None, 7]]
    for content in (
        array((2,), [seven]),
        array((1,), [seven, eight]),
        array((1, 1), [seven]),
        array((0,), [seven]),
        array((-1,), []),
        array((2**31 - 1,), []),
        b"",
        array((1,), [seven])[:-1],
    ):
        assert bad(content, flat) is ErrorKind.INVALID_BINARY
    assert bad(array((1,), [b"x"]), flat) is ErrorKind.INVALID_BINARY


@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_the_frame_of_binary_data(chunk: int) -> None:
    types = [dt.INT32, dt.STRING]
    rows = binary_row((1, "x"), types) + binary_row((None, None), types)
    extended = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 1, 3) + b"abc"
    expected = [(1, "x"), (None, None)]
    assert read(HEADER + rows + TRAILER, BINARY, chunk=chunk) == expected
    assert read(extended + rows + TRAILER, BINARY, chunk=chunk) == expected
    assert read(HEADER + rows, BINARY, chunk=chunk) == expected
    for data, message in [
        (b"PGCOPX", "signature"),
        (b"", "unexpected EOF"),
        (HEADER[:-1], "unexpected EOF"),
        (b"PGCOPY\n\xff\r\n\0" + struct.pack(">Ii", 1 << 16, 0), "critical flags"),
        (b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, -1), "invalid COPY file header"),
        (HEADER + rows[:-1], "unexpected EOF"),
        (HEADER + rows + TRAILER + b"x", "after EOF marker"),
        (HEADER + rows + struct.pack(">h", 3), "row field count is 3, expected 2"),
        (HEADER + rows + struct.pack(">hi", 2, -2), "invalid field size"),
    ]:
        error = refused(data, BINARY, chunk=chunk)
        assert error.kind is ErrorKind.BAD_COPY_DATA
        assert message in error.message


# --- random tables


def escaped(value: str | None) -> str:
    if value is None:
        return "\\N"
    for char, name in [("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")]:
        value = value.replace(char, name)
    return value


def csv_quoted(value: str | None) -> str:
    if value is None:
        return ""
    plain = value and not any(mark in value for mark in ',"\n\r\\')
    return value if plain else '"' + value.replace('"', '""') + '"'


STRINGS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ROWS = st.lists(st.tuples(st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | STRINGS))


@given(ROWS, st.integers(1, 50), st.integers(1, 60), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=100, deadline=None)
def test_random_text_and_csv_come_back(
    rows: list[tuple[int | None, str | None]], chunk: int, piece: int, end: str
) -> None:
    texts = [(None if a is None else str(a), b) for a, b in rows]
    text = "".join(f"{escaped(a)}\t{escaped(b)}{end}" for a, b in texts).encode()
    csv = "".join(f"{csv_quoted(a)},{csv_quoted(b)}{end}" for a, b in texts).encode()
    usual = copy_module.PIECE
    copy_module.PIECE = piece  # so that rows also straddle the pieces of a small input
    try:
        assert read(text, chunk=chunk) == rows
        assert read(csv, CSV, chunk=chunk) == rows
    finally:
        copy_module.PIECE = usual


CELLS: dict[DataType, st.SearchStrategy[object]] = {
    dt.INT8: st.integers(-128, 127),
    dt.INT64: st.integers(-(2**63), 2**63 - 1),
    dt.UINT16: st.integers(0, 65535),
    dt.UINT64: st.integers(0, 2**64 - 1),
    dt.FLOAT32: st.floats(width=32, allow_nan=False),
    dt.FLOAT64: st.floats(allow_nan=False),
    dt.decimal(38, 10): st.decimals(-(10**27), 10**27, places=10),
    dt.BOOLEAN: st.booleans(),
    dt.STRING: STRINGS,
    dt.BINARY: st.binary(),
    dt.UUID: st.uuids().map(str),
    dt.DATE: st.dates(),
    dt.TIME: st.times(),
    dt.TIMESTAMP_MICROSECOND: st.datetimes(),
}


@given(st.data(), st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_random_binary_comes_back(data: st.DataObject, types: list[DataType]) -> None:
    row = st.tuples(*(st.none() | CELLS[type_] for type_ in types))
    rows = data.draw(st.lists(row, max_size=8))
    content = HEADER + b"".join(binary_row(row, types) for row in rows) + TRAILER
    columns = tuple(Column(f"c{i}", type_) for i, type_ in enumerate(types))
    assert read(content, BINARY, columns, chunk=data.draw(st.integers(1, 100))) == rows


@pytest.mark.slow
def test_rows_longer_than_a_piece_and_feeds_longer_than_many() -> None:
    long = "x" * 5_000_000
    data = f"1\t{long}\n2\ty\n".encode()
    assert read(data, chunk=1_000_000) == [(1, long), (2, "y")]
    many = b"7\tabcdefgh\n" * 7_000_000
    reader = CopyReader(INT_TEXT, TEXT, "UTC")
    tables = [*reader.feed(many), *reader.finish()]
    assert sum(table.num_rows for table in tables) == 7_000_000
    assert len(tables) > 10
