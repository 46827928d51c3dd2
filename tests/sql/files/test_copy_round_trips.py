"""What COPY writes, COPY reads back: every type, format and compression, values nobody chose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.records import Column, Table, TableKind
from engine import datatypes as dt
from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from sql.files.options import Compression, FileFormat, FileOptions, Header
from sql.files.places import LocalFiles
from sql.files.readers import read_rows
from sql.files.target import Target
from sql.files.writers import open_writer, write_all
from sql.results import CopyFormat, CopyOptions, ResultColumn

# Any text but NUL and half surrogates, rich in what formats care about.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("\"'\\,;\t\n\r\x0b\x0c\x08{}[]:N. aé€😀\x01\x7f\ufeff"),
        st.characters(exclude_characters="\0", exclude_categories=("Cs",)),
    ),
    max_size=12,
)
JSONS = st.sampled_from(
    ['{"a": [1, 2.50, true], "b": "x,\\"y"}', "[]", '"text"', "1.10", "true", '{"é":"\\n"}']
)


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    if signed:
        return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return st.integers(0, (1 << bits) - 1)


def moments(unit: str) -> st.SearchStrategy[int]:
    """Within the years that text can tell, and what fits 64 bits."""
    factor = UNITS_PER_SECOND[unit]
    low, high = -62_135_596_800 * factor, 253_402_300_799 * factor
    most = (1 << 63) - 2 * factor  # text with an offset is read up to the last second but one
    return st.integers(max(low, -most), min(high, most))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    top = 10**precision - 1
    return st.integers(-top, top).map(lambda n: Decimal(n).scaleb(-scale))


VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    dt.BOOLEAN: st.booleans(),
    **{
        DataType(TypeId(f"{'Int' if signed else 'UInt'}{bits}")): integers(bits, signed=signed)
        for bits in (8, 16, 32, 64)
        for signed in (True, False)
    },
    dt.FLOAT32: st.floats(width=32),
    dt.FLOAT64: st.floats(),
    dt.decimal(38, 10): decimals(28, 10),
    dt.decimal(18, 18): decimals(18, 18),
    dt.STRING: TEXTS,
    dt.BINARY: st.binary(max_size=9),
    dt.JSON: JSONS,
    dt.UUID: st.uuids().map(str),
    dt.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    dt.TIME: st.times(time(0, 0), time(23, 59, 59, 999_999)),
    dt.TIMESTAMP_SECOND: moments("s"),
    dt.TIMESTAMP_MILLISECOND: moments("ms"),
    dt.TIMESTAMP_MICROSECOND: moments("us"),
    dt.TIMESTAMP_NANOSECOND: moments("ns"),
    dt.TIMESTAMP_TZ: moments("us"),
    dt.INTERVAL: st.tuples(
        st.integers(-2_000_000, 2_000_000),
        st.integers(-2_000_000, 2_000_000),
        st.integers(-(10**15), 10**15),
    ).map(pa.MonthDayNano),
    dt.list_of(dt.STRING): st.lists(st.one_of(st.none(), TEXTS), max_size=3),
    dt.list_of(dt.FLOAT64): st.lists(st.one_of(st.none(), st.floats()), max_size=3),
    dt.list_of(dt.list_of(dt.INT32)): st.lists(
        st.lists(st.integers(-9, 9), min_size=1, max_size=2), max_size=2
    ),
}
COLUMNS = tuple(Column(f"c{i}, é", type_) for i, type_ in enumerate(VALUES))
TABLE = Table(1, "public", "t", TableKind.RELATIONAL, COLUMNS)
ROWS = st.lists(
    st.tuples(*(st.one_of(st.none(), values) for values in VALUES.values())), max_size=4
)


def table_of(rows: list[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> Any:
    arrays = []
    for index, column in enumerate(columns):
        values = [row[index] for row in rows]
        arrow = column.type.arrow
        if pa.types.is_timestamp(arrow):
            arrays.append(pa.array(values, pa.int64()).cast(arrow))
        else:
            arrays.append(pa.array(values, arrow))
    return pa.table(arrays, pa.schema([(c.name, c.type.arrow) for c in columns]))


def written(files: LocalFiles, data: Any, table: Table, options: FileOptions, zone: str) -> None:
    columns = [ResultColumn(c.name, c.type) for c in table.columns]
    with files.writing("file") as file:
        writer = open_writer(file, "file", columns, options, zone)
        assert write_all(writer, iter(data.to_batches(max_chunksize=4))) == data.num_rows


def read_back(files: LocalFiles, table: Table, options: FileOptions, zone: str) -> Any:
    def no_defaults(column: Column, rows: int) -> Any:
        raise AssertionError(column)

    target = Target(table, table.columns, zone, no_defaults)
    [source] = files.sources("file", None)
    schema = pa.schema([(c.name, c.type.arrow) for c in table.columns])
    pieces = list(read_rows(source, target, options))
    for piece in pieces:
        piece.validate(full=True)
    return pa.concat_tables([schema.empty_table(), *pieces])


def same(found: Any, expected: Any) -> None:
    """Equal values; NaN equals NaN, and -0.0 is not 0.0."""
    assert found.num_rows == expected.num_rows
    for name in expected.column_names:
        shown = [repr(value) for value in found.column(name).to_pylist()]
        assert shown == [repr(value) for value in expected.column(name).to_pylist()], name


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "copy", tmp_path / "spill")


CSV = CopyOptions(CopyFormat.CSV, ",", "")
STRANGE = CopyOptions(CopyFormat.CSV, ";", "a", quote="'", escape="\\")
OPTIONS = {
    "parquet": FileOptions(FileFormat.PARQUET),
    "text": FileOptions(FileFormat.TEXT, header=Header.NONE, delimited=CopyOptions()),
    "strange csv": FileOptions(FileFormat.CSV, delimited=STRANGE),
    "csv without names": FileOptions(FileFormat.CSV, header=Header.NONE),
    **{
        f"{format_.value} {compression.name.lower()}": FileOptions(format_, compression)
        for format_ in (FileFormat.CSV, FileFormat.JSON)
        for compression in Compression
    },
}


QUICK = ("parquet", "csv zstd", "json gzip")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, options in OPTIONS.items()
    ],
)
def test_every_type_comes_back(tmp_path_factory: Any, options: FileOptions) -> None:
    where = tmp_path_factory.mktemp("files")
    files = LocalFiles(where / "copy", where / "spill")

    @settings(max_examples=60, deadline=None)
    @given(ROWS, st.sampled_from(["UTC", "Europe/Berlin", "+05:30"]))
    def check(rows: list[tuple[Any, ...]], zone: str) -> None:
        data = table_of(rows)
        written(files, data, TABLE, options, zone)
        same(read_back(files, TABLE, options, zone), data)

    check()


@pytest.mark.parametrize("format_", [FileFormat.CSV, FileFormat.TEXT], ids=lambda f: f.value)
def test_a_single_column_of_texts_comes_back(tmp_path_factory: Any, format_: FileFormat) -> None:
    """An empty line is NULL, and `\\.` is a text like any other."""
    where = tmp_path_factory.mktemp("files")
    files = LocalFiles(where / "copy", where / "spill")
    delimited = CSV if format_ is FileFormat.CSV else CopyOptions()
    options = FileOptions(format_, header=Header.NONE, delimited=delimited)
    table = Table(1, "public", "t", TableKind.RELATIONAL, (Column("a", dt.STRING),))
    values = st.one_of(st.none(), TEXTS, st.sampled_from(["", "\\.", "\\N", "NULL", " "]))

    @settings(max_examples=50, deadline=None)
    @given(st.lists(values, max_size=6))
    def check(texts: list[str | None]) -> None:
        data = table_of([(text,) for text in texts], table.columns)
        written(files, data, table, options, "UTC")
        same(read_back(files, table, options, "UTC"), data)

    check()


def test_sliced_arrays_are_written_as_they_look(files: LocalFiles) -> None:
    """Arrow hides an offset in every slice; a writer that forgot it would write other rows."""
    rows = [tuple(_example(column.type, n) for column in COLUMNS) for n in range(9)]
    data = table_of(rows)
    for options in (OPTIONS["csv none"], OPTIONS["json none"], OPTIONS["parquet"]):
        written(files, data.slice(2, 5), TABLE, options, "UTC")
        same(read_back(files, TABLE, options, "UTC"), data.slice(2, 5))


def _example(type_: DataType, n: int) -> Any:
    if n % 4 == 3:
        return None
    makers: dict[TypeId, Callable[[int], Any]] = {
        TypeId.BOOLEAN: lambda n: n % 2 == 0,
        TypeId.STRING: lambda n: "x" * n,
        TypeId.BINARY: lambda n: b"\xff" * n,
        TypeId.JSON: lambda n: f'{{"n": {n}}}',
        TypeId.UUID: lambda n: f"00000000-0000-0000-0000-00000000000{n}",
        TypeId.DATE: lambda n: date(2024, 1, n + 1),
        TypeId.TIME: lambda n: time(n, 0),
        TypeId.INTERVAL: lambda n: pa.MonthDayNano((n, -n, n * 1_000)),
        TypeId.DECIMAL: lambda n: Decimal(n).scaleb(-type_.scale),
    }
    if type_.element is not None:
        return [_example(type_.element, i) for i in range(1, n % 3 + 1)]
    return makers.get(type_.id, lambda n: n)(n)


def test_parquet_is_what_other_readers_expect(files: LocalFiles) -> None:
    rows = [tuple(_example(column.type, n) for column in COLUMNS) for n in range(9)]
    data = table_of(rows)
    written(files, data, TABLE, FileOptions(FileFormat.PARQUET), "UTC")
    path = str(files.root / "file")
    found = pq.read_table(path)
    for column in COLUMNS:
        if column.type.id is TypeId.TIMESTAMP_SECOND:  # the coarsest unit of Parquet
            assert found.schema.field(column.name).type == pa.timestamp("ms")
        elif column.type.id is not TypeId.INTERVAL:
            assert found.schema.field(column.name).type == column.type.arrow
            assert found.column(column.name).equals(data.column(column.name))
    seen = duckdb.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()
    renamed = (TypeId.INTERVAL, TypeId.TIMESTAMP_TZ)  # DuckDB's own name for UTC
    for column in COLUMNS:
        if not column.type.is_timestamp and column.type.id not in renamed:
            same(seen.select([column.name]), data.select([column.name]))


def test_structs_and_maps_go_through_parquet(files: LocalFiles) -> None:
    struct = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
    map_ = pa.map_(pa.string(), pa.int64())
    columns = (
        Column("s", DataType(TypeId.STRUCT, arrow_nested=struct)),
        Column("m", DataType(TypeId.MAP, arrow_nested=map_)),
    )
    table = Table(1, "public", "t", TableKind.RELATIONAL, columns)
    rows: list[tuple[Any, ...]] = [({"a": 1, "b": ["x", None]}, [("k", 1)]), (None, None)]
    data = table_of([*rows, ({"a": None, "b": None}, [])], columns)
    options = FileOptions(FileFormat.PARQUET)
    written(files, data, table, options, "UTC")
    same(read_back(files, table, options, "UTC"), data)
    written(files, data, table, FileOptions(FileFormat.JSON), "UTC")
    assert (files.root / "file").read_text().splitlines() == [
        '{"s":{"a":1,"b":["x",null]},"m":{"k":1}}',
        '{"s":null,"m":null}',
        '{"s":{"a":null,"b":null},"m":{}}',
    ]
