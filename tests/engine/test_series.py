"""Selective scans: one series out of files, by its place in their sort order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from fix_engine import ALWAYS, COLUMNS, CPU, cpu_keys, cpu_rows, materialise

from engine.api import KeyFilter, Op, ScanRequest, TimeRange, Write
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

HOSTS = ["a", "b", "c", None]


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[LocalRegions]:
    # Merging in the background would put a file there that was never asked for.
    options = EngineOptions(row_group_rows=7, compaction_bytes_max=0)
    opened = LocalRegions(tmp_path, options, ManualClock(1000))
    opened.create(1, CPU, RegionOptions())
    yield opened
    opened.close()


def some_rows(source: random.Random, count: int) -> list[tuple]:
    return [
        (source.choice(HOSTS), source.randrange(3), source.randrange(60), float(i), f"n{i}")
        for i in range(count)
    ]


def found(
    regions: LocalRegions, host: str, wanted: TimeRange = ALWAYS, *, select: bool = True
) -> tuple[list[tuple], bool]:
    """The rows of a host within a range, and whether files were left to be read whole."""
    request = ScanRequest(COLUMNS, wanted, keys=(KeyFilter("host", (host,)),) if select else ())
    snapshot = regions.scan(1, request)
    try:
        table = materialise(snapshot, COLUMNS)
        was_whole = bool(snapshot.files)
    finally:
        snapshot.close()
    times = table.column("ts").cast(pa.int64())
    table = table.set_column(2, "ts", times)
    rows = [tuple(row[name] for name in COLUMNS) for row in table.to_pylist()]
    return sorted((row for row in rows if is_wanted(row, host, wanted)), key=str), was_whole


def is_wanted(row: tuple, host: str, wanted: TimeRange) -> bool:
    after = wanted.start is None or row[2] >= wanted.start
    before = wanted.end is None or row[2] < wanted.end
    return row[0] == host and after and before


@pytest.mark.parametrize("seed", range(6))
def test_a_series_is_the_same_read_whole_and_selected(regions: LocalRegions, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(4):
        regions.write([Write(1, Op.PUT, cpu_rows(some_rows(source, 60)))])
        doomed = [(row[0], row[1], row[2]) for row in some_rows(source, 5)]
        regions.write([Write(1, Op.DELETE, cpu_keys(doomed))])
        regions.flush(1)
    for wanted in (TimeRange(), TimeRange(10, 30), TimeRange(None, 5), TimeRange(59, None)):
        for host in ("a", "b", "c", "nobody"):
            expected, _ = found(regions, host, wanted, select=False)
            found(regions, host)  # the first question of a file reads it whole
            rows, was_whole = found(regions, host, wanted)
            assert rows == expected
            assert not was_whole


def test_rows_in_memory_come_as_well_and_hide_stored_ones(regions: LocalRegions) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows([("a", 1, 5, 1.0, "x"), ("b", 1, 5, 2.0, "y")]))])
    regions.flush(1)
    for _ in range(2):
        assert [row[3] for row in found(regions, "a")[0]] == [1.0]
    regions.write([Write(1, Op.PUT, cpu_rows([("a", 1, 5, 9.0, "new"), ("a", 1, 6, 3.0, "z")]))])
    assert sorted(row[3] for row in found(regions, "a")[0]) == [3.0, 9.0]


def test_a_missing_file_is_told(regions: LocalRegions, tmp_path: Path) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows([("a", 1, 5, 1.0, "x")]))])
    regions.flush(1)
    found(regions, "a")
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(DbError) as caught:
        regions.scan(1, ScanRequest(COLUMNS, keys=(KeyFilter("host", ("a",)),)))
    assert caught.value.kind is ErrorKind.CORRUPTED
