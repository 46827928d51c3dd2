"""The merge itself: order under every kind of key, bounded memory, origins of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Op, TimeRange, Write
from engine.clock import ManualClock
from engine.compaction.merge import merged
from engine.compaction.origins import FILE, ROW, Origins
from engine.compaction.plan import Pass
from engine.datatypes import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT64,
    STRING,
    TIMESTAMP_MILLISECOND,
    TIMESTAMP_SECOND,
)
from engine.errors import DbError, ErrorKind
from engine.memtable.order import sort_order
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

KINDS = (STRING, INT64, FLOAT64, BOOLEAN, DATE)
VALUES = {
    STRING: st.sampled_from(["", "a", "ab", "b", "\U0001f600", "\uffff", None]),
    INT64: st.sampled_from([-(2**63), -1, 0, 2**63 - 1, None]),
    FLOAT64: st.sampled_from([-math.inf, -1.0, 0.0, 1.5, math.nan, None]),
    BOOLEAN: st.sampled_from([True, False, None]),
    DATE: st.integers(-5, 5),
}


def schema_of(*kinds: object) -> RegionSchema:
    tags = tuple(RegionColumn(f"t{i}", kind, Semantic.TAG) for i, kind in enumerate(kinds))  # type: ignore[arg-type]
    ts = RegionColumn("ts", TIMESTAMP_SECOND, Semantic.TIMESTAMP, nullable=False)
    return RegionSchema((*tags, ts), tuple(tag.name for tag in tags))


def table(schema: RegionSchema, rows: list[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema.columns)
    arrays = []
    for values, field in zip(columns, schema.arrow, strict=True):
        if pa.types.is_date(field.type):
            arrays.append(pa.array(list(values), pa.int32()).cast(field.type))
        else:
            arrays.append(pa.array(list(values), field.type))
    return pa.Table.from_arrays(arrays, schema=schema.arrow)


def in_order(rows: pa.Table, schema: RegionSchema) -> pa.Table:
    return rows.take(pa.array(sort_order(rows, schema.sort_key)))


def blocks(rows: pa.Table, size: int, *, coded: bool) -> Iterator[pa.Table]:
    """The rows in tables of some size, text as dictionaries of their own if `coded`."""
    for start in range(0, rows.num_rows, size):
        part = rows.slice(start, size)
        if coded:
            for index, field in enumerate(part.schema):
                if pa.types.is_string(field.type):
                    part = part.set_column(
                        index, field.name, part.column(index).dictionary_encode()
                    )
        yield part


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_streams_are_merged_in_order(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), max_size=3))
    schema = schema_of(*kinds)
    times = st.sampled_from([-(2**62), -1, 0, 1, 2**62])
    row = st.tuples(*(VALUES[kind] for kind in kinds), times)
    streams = data.draw(st.lists(st.lists(row, max_size=12), max_size=4))
    size, coded = data.draw(st.integers(1, 5)), data.draw(st.booleans())
    inputs = [in_order(table(schema, rows), schema) for rows in streams]
    found = list(merged([blocks(rows, size, coded=coded) for rows in inputs], schema))
    whole = in_order(pa.concat_tables([schema.arrow.empty_table(), *inputs]), schema)
    got = pa.concat_tables([schema.arrow.empty_table(), *(t.cast(schema.arrow) for t in found)])
    ticks = got.set_column(len(kinds), "ts", got.column("ts").cast(pa.int64()))
    expected = whole.set_column(len(kinds), "ts", whole.column("ts").cast(pa.int64()))
    assert repr(ticks.to_pylist()) == repr(expected.to_pylist())
    assert all(t.num_rows for t in found)


def test_rows_that_are_not_in_order_are_noticed() -> None:
    schema = schema_of(STRING)
    wrong = table(schema, [("b", 1), ("a", 1), ("z", 1)])
    right = table(schema, [("a", 5), ("c", 1)])
    with pytest.raises(DbError) as raised:
        list(merged([iter([wrong]), iter([right])], schema))
    assert raised.value.kind is ErrorKind.CORRUPTED


def test_the_origins_of_rows_are_found_again() -> None:
    random = np.random.default_rng(1)
    origins, expected = Origins(), []
    counters = [0, 0, 0]
    for _ in range(5):
        files = random.integers(0, 3, 1000).astype(np.uint16)
        rows = np.empty(1000, np.uint32)
        for file in range(3):
            own = np.flatnonzero(files == file)
            steps = random.integers(1, 3, len(own))
            rows[own] = counters[file] + np.cumsum(steps)
            counters[file] = int(rows[own[-1]])
        expected += list(zip(files.tolist(), rows.tolist(), strict=True))
        origins.add(pa.table({FILE: pa.array(files), ROW: pa.array(rows)}))
    dead = {0: np.arange(0, counters[0], 7), 2: np.array([3, counters[2]]), 1: np.array([], int)}
    wanted = [i for i, (file, row) in enumerate(expected) if row in set(dead[file].tolist())]
    assert origins.positions(dead).tolist() == wanted
    assert origins.positions({}).tolist() == []


def test_lanes_share_the_memory_of_a_few_row_groups() -> None:
    def groups(lanes: int) -> int:
        numbers = np.arange(lanes)
        return Pass(TimeRange(), 10, numbers, numbers).row_group_rows(102_400)

    assert groups(1) == groups(2) == 102_400
    assert 8 * groups(8) <= 2 * 102_400
    assert groups(1000) == 8192


def wide_rows(start: int, count: int) -> pa.Table:
    numbers = np.arange(start, start + count)
    hosts = pa.array([f"host_{i:04}" for i in range(1000)]).take(pa.array(numbers % 1000))
    fields = {f"f{i}": numbers * 1.5 + i for i in range(10)}
    times = pa.array(numbers // 1000 * 1000, pa.timestamp("ms"))
    return pa.table({"host": hosts, "ts": times, **fields})


@pytest.mark.slow
def test_a_merge_holds_a_small_part_of_its_input_in_memory(tmp_path: Path) -> None:
    columns = (
        RegionColumn("host", STRING, Semantic.TAG),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        *(RegionColumn(f"f{i}", FLOAT64, Semantic.FIELD) for i in range(10)),
    )
    schema = RegionSchema(columns, ("host",))
    options = EngineOptions(row_group_rows=10_000, compaction_threads=0, sync=False)
    regions = LocalRegions(tmp_path, options, ManualClock())
    regions.create(1, schema, RegionOptions(window_ms=1 << 40))
    size = 0
    for start in range(0, 1_200_000, 300_000):
        rows = wide_rows(start, 300_000).cast(schema.arrow)
        size += rows.nbytes
        regions.write([Write(1, Op.PUT, rows)])
        regions.flush(1)
    del rows
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    _POOLS.append(pool)
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        assert regions.compact(1) == 4
    finally:
        pa.set_memory_pool(before)
    assert pool.max_memory() < size / 8
    assert [f.rows for f in regions.files(1)] == [1_200_000]
    regions.close()


_POOLS: list[pa.MemoryPool] = []  # what was allocated in one may live longer than its test
