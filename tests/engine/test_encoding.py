"""Encodings of a file's columns: the smallest that is read quickly, chosen from the rows."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.datatypes import FLOAT64, INT32, INT64, STRING, TIMESTAMP_SECOND
from engine.schema import RegionColumn, RegionSchema, Semantic
from engine.sst.encoding import sample_positions
from engine.sst.writer import write

ROWS = 60_000
SERIES = 100
SCHEMA = RegionSchema(
    (
        RegionColumn("series", STRING, Semantic.TAG),
        RegionColumn("trace", STRING, Semantic.TAG),
        RegionColumn("zone", STRING, Semantic.TAG),
        RegionColumn("ts", TIMESTAMP_SECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn("counter", INT64, Semantic.FIELD),
        RegionColumn("code", INT32, Semantic.FIELD),
        RegionColumn("gauge", FLOAT64, Semantic.FIELD),
        RegionColumn("single", FLOAT64, Semantic.FIELD),
        RegionColumn("noise", FLOAT64, Semantic.FIELD),
        RegionColumn("empty", FLOAT64, Semantic.FIELD),
        RegionColumn("note", STRING, Semantic.FIELD),
    ),
    ("series", "trace", "zone"),
)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    random = np.random.default_rng(5)
    number = np.arange(ROWS)
    columns = {
        "series": [f"s{i * SERIES // ROWS:03}" for i in number],
        "trace": [f"t{i // 20:06}" for i in number],
        "zone": [f"z{i % 5}" for i in number],
        "ts": pa.array(1_700_000_000 + number % (ROWS // SERIES) * 10, pa.timestamp("s")),
        "counter": 10**12 + np.cumsum(random.integers(0, 200, ROWS)),
        "code": random.choice([200, 404, 500], ROWS),
        "gauge": np.round(np.abs(np.cumsum(random.normal(0, 1, ROWS)) % 200 - 100)),
        "single": np.float32(random.normal(20, 1, ROWS)).astype(np.float64),
        "noise": random.random(ROWS) * 10.0 ** random.integers(-200, 200, ROWS),
        "empty": pa.nulls(ROWS, pa.float64()),
        "note": [str(UUID(bytes=random.bytes(16))) for _ in number],
    }
    return pa.table(columns).cast(SCHEMA.arrow)


def encodings(path: str) -> dict[str, set[str]]:
    group = pq.read_metadata(path).row_group(0)
    columns = (group.column(i) for i in range(group.num_columns))
    return {column.path_in_schema: set(column.encodings) for column in columns}


def test_each_column_gets_what_suits_its_values(rows: pa.Table, tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    write(rows, SCHEMA, path, row_group_rows=30_000)
    found = encodings(path)
    for name in ("series", "trace", "zone", "code", "gauge", "empty"):
        assert "RLE_DICTIONARY" in found[name], name
    for name in ("ts", "counter"):
        assert "DELTA_BINARY_PACKED" in found[name], name
    assert "BYTE_STREAM_SPLIT" in found["single"]
    for name in ("noise", "note"):
        assert found[name] == {"PLAIN", "RLE"}, name
    filters = duckdb.sql(
        f"SELECT DISTINCT path_in_schema FROM parquet_metadata('{path}') "
        "WHERE bloom_filter_offset > 0"
    )
    assert filters.fetchall() == [("trace",)]  # in few row groups each, and not what sorts them
    assert pq.read_table(path).cast(SCHEMA.arrow).equals(rows)
    assert duckdb.sql(
        f"SELECT sum(counter), max(ts)::VARCHAR, count(DISTINCT note) FROM '{path}'"
    ).fetchall() == [
        (int(np.sum(rows["counter"].to_numpy())), "2023-11-14 23:53:10", ROWS),
    ]


def test_a_file_that_stays_is_smaller_and_holds_the_same(rows: pa.Table, tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("quick.parquet", "settled.parquet")]
    quick, settled = (
        write(rows, SCHEMA, path, row_group_rows=30_000, settled=name)
        for path, name in zip(paths, (False, True), strict=True)
    )
    assert settled.bytes < quick.bytes
    assert pq.read_table(paths[0]).equals(pq.read_table(paths[1]))


@pytest.mark.parametrize("count", [0, 1, 100, 8192, 8193, 1_000_000])
def test_a_sample_is_spread_over_the_rows(count: int) -> None:
    positions = sample_positions(count)
    assert len(positions) == min(count, 8192)
    assert len(np.unique(positions)) == len(positions)
    if count:
        assert (positions[0], positions[-1]) == (0, count - 1)


def test_an_empty_file_can_be_written(tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    written = write(SCHEMA.arrow.empty_table(), SCHEMA, path, row_group_rows=10)
    assert (written.rows, written.row_groups, written.key_min) == (0, 0, None)
    assert pq.read_table(path).num_rows == 0
