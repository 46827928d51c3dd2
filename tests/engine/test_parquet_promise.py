"""SSTs are plain Parquet: other programs read the same rows from them as we do."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import datatypes
from engine.api import Op, Write
from engine.clock import ManualClock
from engine.datatypes import DataType, TypeId, decimal, list_of
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

ROWS = 9_000
HOUR = 3_600
EPOCH = 1_700_000_000
DAY = datetime.date(2024, 2, 29)


def nulls(values: list[Any]) -> list[Any]:
    """Every seventh value is NULL."""
    return [None if at % 7 == 3 else value for at, value in enumerate(values)]


def fields() -> dict[DataType, list[Any]]:
    """A column of every type that a table can have and Parquet knows."""
    random = np.random.default_rng(1)
    reals = random.normal(50, 10, ROWS)
    numbers = range(ROWS)
    return {
        datatypes.BOOLEAN: [n % 3 == 0 for n in numbers],
        datatypes.INT8: [n % 256 - 128 for n in numbers],
        datatypes.INT32: [n * 1000 for n in numbers],
        datatypes.INT64: [(-1) ** n * 2**62 // (n + 1) for n in numbers],
        datatypes.UINT16: [n % 65536 for n in numbers],
        datatypes.UINT64: [2**64 - 1 - n for n in numbers],
        datatypes.FLOAT32: [float(np.float32(value)) for value in reals],
        datatypes.FLOAT64: [float(value) for value in np.round(reals, 1)],
        decimal(20, 3): [Decimal(n).scaleb(-3) for n in numbers],
        decimal(38, 10): [Decimal(n) * 10**20 for n in numbers],
        datatypes.STRING: [f"wörd {n % 900}" for n in numbers],
        datatypes.BINARY: [bytes([n % 256, 0, 255]) for n in numbers],
        datatypes.JSON: [f'{{"n":{n}}}' for n in numbers],
        datatypes.DATE: [DAY + datetime.timedelta(n) for n in numbers],
        datatypes.TIMESTAMP_SECOND: [EPOCH + n for n in numbers],
        datatypes.TIMESTAMP_MICROSECOND: [EPOCH * 10**6 + n for n in numbers],
        datatypes.TIMESTAMP_NANOSECOND: [EPOCH * 10**9 + n for n in numbers],
        datatypes.TIMESTAMP_TZ: [EPOCH * 10**6 - n for n in numbers],
        list_of(datatypes.INT64): [[n, None, -n] for n in numbers],
        DataType(TypeId.STRUCT, arrow_nested=pa.struct([("a", pa.int64())])): [
            {"a": n} for n in numbers
        ],
    }


def rows_of(schema: RegionSchema, columns: dict[DataType, list[Any]]) -> pa.Table:
    arrays = [
        pa.array([f"host_{n % 40:03}" for n in range(ROWS)]),
        pa.array(nulls([f"rack_{n % 40 % 7}" for n in range(ROWS)])),
        pa.array([(EPOCH + n * HOUR // 60) * 1000 for n in range(ROWS)], pa.timestamp("ms")),
        *(pa.array(nulls(values), type_.arrow) for type_, values in columns.items()),
    ]
    return pa.Table.from_arrays(arrays, schema=schema.arrow)


@pytest.fixture(scope="module", params=["flushed", "compacted"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[str], pa.Table]]:
    """Files of a region with several row groups, and the rows that were written, in their order."""
    columns = fields()
    schema = RegionSchema(
        (
            RegionColumn("host", datatypes.STRING, Semantic.TAG),
            RegionColumn("räck no", datatypes.STRING, Semantic.TAG),
            RegionColumn("ts", datatypes.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, False),
            *(RegionColumn(f"c{at}", type_, Semantic.FIELD) for at, type_ in enumerate(columns)),
        ),
        ("host", "räck no"),
    )
    directory = tmp_path_factory.mktemp("promise")
    options = EngineOptions(row_group_rows=3_000)
    engine = LocalRegions(directory, options, ManualClock(EPOCH * 1000))
    engine.create(1, schema, RegionOptions())
    rows = rows_of(schema, columns)
    half = ROWS // 2
    for part in (rows.slice(0, half), rows.slice(half)):
        engine.write([Write(1, Op.PUT, part)])
        engine.flush(1)
    if request.param == "compacted":
        engine.compact(1)
    paths = [str(directory / file.path) for file in engine.files(1)]
    yield paths, rows
    engine.close()


def by_duckdb(path: str) -> pa.Table:
    with duckdb.connect() as connection:
        return connection.sql(f"FROM read_parquet('{path}')").to_arrow_table()


def by_polars(path: str) -> pa.Table:
    return polars.read_parquet(path).to_arrow()


def by_clickhouse(path: str) -> pa.Table:
    chdb = import_module("chdb")
    found = chdb.query(f"SELECT * FROM file('{path}', Parquet)", "Arrow")
    rows = pa.ipc.open_file(pa.py_buffer(found.bytes())).read_all()
    # It has one type for text and bytes, and says "text" of both.
    texts = [pa.field(f.name, pa.binary()) if f.type == pa.string() else f for f in rows.schema]
    return rows.cast(pa.schema(texts))


READERS: list[Callable[[str], pa.Table]] = [pq.read_table, by_duckdb, by_polars]
if find_spec("chdb") is not None:  # half a gigabyte: installed by hand, if at all
    READERS.append(by_clickhouse)


def plain(column: pa.ChunkedArray) -> list[Any]:
    """Values that compare equal whatever Arrow type a reader chose for them."""
    if pa.types.is_timestamp(column.type):
        return list(_nanoseconds(column))
    return [_value(value) for value in column.to_pylist()]


def _nanoseconds(column: pa.ChunkedArray) -> list[int | None]:
    unit = column.type.unit
    factor = 10**9 // datatypes.UNITS_PER_SECOND[unit]
    numbers = column.cast(pa.int64()).to_pylist()
    return [None if number is None else number * factor for number in numbers]


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [_value(inner) for inner in value]
    return value


def _never_null(values: list[Any]) -> list[Any]:
    """As ClickHouse shows lists and structs, which are never NULL there."""
    kind = next(type(value) for value in values if value is not None)
    instead = {list: [], dict: {"a": None}}.get(kind)
    return [instead if value is None else value for value in values]


def sorted_columns(tables: list[pa.Table]) -> dict[str, list[Any]]:
    """All values by column, the rows in order of their times (which are unique)."""
    columns = {
        name: [value for table in tables for value in plain(table.column(name))]
        for name in tables[0].column_names
    }
    order = sorted(range(len(columns["ts"])), key=columns["ts"].__getitem__)
    return {name: [values[at] for at in order] for name, values in columns.items()}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_other_programs_read_what_was_written(
    stored: tuple[list[str], pa.Table], read: Callable[[str], pa.Table]
) -> None:
    paths, written = stored
    found = sorted_columns([read(path) for path in paths])
    expected = sorted_columns([written])
    if read is by_clickhouse:
        expected = {name: _never_null(values) for name, values in expected.items()}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == values, name


def test_rows_of_a_file_are_in_order_of_key_and_time(stored: tuple[list[str], pa.Table]) -> None:
    for path in stored[0]:
        rows = by_duckdb(path).select(["host", "räck no", "ts"]).to_pylist()
        keys = [(r["host"], r["räck no"] is None, r["räck no"] or "", r["ts"]) for r in rows]
        assert keys == sorted(keys)
        assert pq.read_metadata(path).num_row_groups >= 2
