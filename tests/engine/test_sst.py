"""Files: any Parquet reader opens them; dead rows are found exactly."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fix_engine import CPU, cpu_rows
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from engine.memtable.keys import KeySet
from engine.schema import RegionSchema
from engine.sst import deletion, lookup
from engine.sst.writer import SstWriter, write

ROWS = cpu_rows([(f"h{i // 50:03}", i % 50, i, float(i), "n") for i in range(1000)])


@pytest.fixture
def sst(tmp_path: Path) -> str:
    path = str(tmp_path / "x.parquet")
    write(ROWS, CPU, path, row_group_rows=100)
    return path


def test_a_file_is_plain_sorted_parquet_with_statistics_and_bloom_filters(sst: str) -> None:
    assert duckdb.sql(f"SELECT count(*), sum(value) FROM '{sst}'").fetchall() == [(1000, 499500.0)]
    metadata = pq.read_metadata(sst)
    assert metadata.metadata[b"gnomon.format"] == b"1"
    assert metadata.metadata[b"gnomon.primary_key"] == b"host\ncore"
    group = metadata.row_group(3)
    assert group.num_rows == 100
    assert [c.column_index for c in group.sorting_columns] == [0, 1, 2]
    assert group.column(0).compression == "ZSTD"
    assert (group.column(0).statistics.min, group.column(0).statistics.max) == ("h006", "h007")
    assert pq.read_schema(sst).equals(CPU.arrow)  # the declared types, not those of the encoding


def test_text_dictionaries_are_written_as_text(tmp_path: Path) -> None:
    path = str(tmp_path / "d.parquet")
    encoded = ROWS.set_column(0, "host", ROWS["host"].combine_chunks().dictionary_encode())
    with SstWriter(path, CPU, row_group_rows=300) as writer:
        writer.add(encoded.slice(0, 100))
        writer.add(ROWS.slice(100, 50))
        writer.add(encoded.slice(150))
    assert pq.read_table(path).equals(ROWS.cast(CPU.arrow))
    groups = pq.read_metadata(path)
    assert [groups.row_group(i).num_rows for i in range(4)] == [300, 300, 300, 100]
    assert groups.row_group(0).column(0).statistics.max == "h005"
    assert (writer.written().key_min, writer.written().key_max) == ("h000", "h019")


def test_lookup_finds_exactly_the_rows_with_the_keys(sst: str) -> None:
    keys = ROWS.select(CPU.sort_key).take(pa.array([0, 99, 100, 555, 999]))
    missing = cpu_rows([("h000", 0, 77, None, None), (None, 0, 0, None, None)])
    keys = pa.concat_tables([keys, missing.select(CPU.sort_key)])
    found = lookup.positions(sst, KeySet(keys, CPU.sort_key), CPU.sort_key, CPU, CPU)
    assert found.tolist() == [0, 99, 100, 555, 999]


def test_lookup_skips_row_groups_whose_statistics_exclude_the_keys(
    sst: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, **kwargs: reads.extend(groups) or read(self, groups, **kwargs),
    )
    keys = ROWS.select(CPU.sort_key).take(pa.array([150, 420]))
    assert lookup.positions(sst, KeySet(keys, CPU.sort_key), CPU.sort_key, CPU, CPU).tolist() == [
        150,
        420,
    ]
    assert set(reads) == {1, 4}


def test_a_damaged_or_missing_file_is_told_apart(sst: str) -> None:
    keys = KeySet(ROWS.select(CPU.sort_key), CPU.sort_key)
    data = bytearray(Path(sst).read_bytes())
    data[50] ^= 0xFF  # inside a page: its checksum tells
    Path(sst).write_bytes(data)
    with pytest.raises(DbError) as caught:
        lookup.positions(sst, keys, CPU.sort_key, CPU, CPU)
    assert caught.value.kind is ErrorKind.CORRUPTED
    Path(sst).unlink()
    with pytest.raises(DbError) as caught:
        lookup.positions(sst, keys, CPU.sort_key, CPU, CPU)
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE


def test_key_bounds_ignore_null_and_are_left_out_when_long(tmp_path: Path) -> None:
    def bounds(rows: pa.Table, schema: RegionSchema = CPU) -> tuple:
        written = write(rows, schema, str(tmp_path / "b.parquet"), row_group_rows=10)
        return written.key_min, written.key_max

    assert bounds(cpu_rows([("b", 1, 1, 1.0, ""), (None, 2, 1, 1.0, "")])) == ("b", "b")
    assert bounds(cpu_rows([("b" * 999, 1, 1, 1.0, "")])) == (None, None)
    assert bounds(ROWS) == ("h000", "h019")
    by_core = RegionSchema(CPU.columns, ("core", "host"))
    assert bounds(ROWS.sort_by("core"), by_core) == (0, 49)


@given(st.sets(st.integers(0, 10_000)))
def test_deletion_vectors_come_back(positions: set[int]) -> None:
    vector = np.array(sorted(positions), np.int64)
    assert deletion.decode(deletion.encode(vector), "x", 10_001).tolist() == vector.tolist()


def test_every_flipped_bit_and_every_cut_of_a_deletion_vector_is_found() -> None:
    good = deletion.encode(np.array([1, 5, 900], np.int64))
    damaged = [good[:n] for n in range(len(good))]
    for position in range(len(good)):
        data = bytearray(good)
        data[position] ^= 4
        damaged.append(bytes(data))
    for data in [*damaged, good + b"x"]:
        with pytest.raises(DbError) as caught:
            deletion.decode(data, "x", 1000)
        assert caught.value.kind is ErrorKind.CORRUPTED
    with pytest.raises(DbError, match="rows outside"):
        deletion.decode(good, "x", 900)
