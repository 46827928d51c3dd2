"""A file that rots is found in the background, and refused instead of shown."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fix_engine import COLUMNS, CPU, cpu_rows, live_rows, pinned

from engine.api import Op, TimeRange, Write
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

DAY_MS = 86_400_000


def opened(directory: Path, clock: ManualClock) -> LocalRegions:
    options = EngineOptions(sync=False, scrub_bytes_per_second=1 << 40)
    return LocalRegions(directory, options, clock)


def damage(directory: Path) -> None:
    """Flips a bit in the data of the oldest file."""
    path = min(directory.glob("regions/1/sst/*.parquet"))
    values = pq.ParquetFile(path).metadata.row_group(0).column(COLUMNS.index("value"))
    data = bytearray(path.read_bytes())
    data[values.data_page_offset + values.total_compressed_size // 2] ^= 16
    path.write_bytes(data)


def test_a_damaged_file_is_refused_and_others_are_read(tmp_path: Path) -> None:
    clock = ManualClock(100 * DAY_MS)
    regions = opened(tmp_path, clock)
    regions.create(1, CPU, RegionOptions())
    for day in range(2):
        rows = [("h", i, day * DAY_MS + i, i / 7, f"note {i}") for i in range(500)]
        regions.write([Write(1, Op.PUT, cpu_rows(rows))])
        regions.flush(1)
    regions.close()
    damage(tmp_path)
    clock.advance(1)
    regions = opened(tmp_path, clock)
    regions._scrubber.scrub(regions._regions[1])
    with pytest.raises(DbError) as caught:
        live_rows(regions)
    assert caught.value.kind is ErrorKind.CORRUPTED
    assert "regions/1/sst/" in caught.value.message
    with pinned(regions, time_range=TimeRange(DAY_MS, 2 * DAY_MS)) as snapshot:
        assert sum(file.rows for file in snapshot.files) + snapshot.memory.num_rows > 0
    regions.close()


def test_whole_files_pass(tmp_path: Path) -> None:
    clock = ManualClock(100 * DAY_MS)
    regions = opened(tmp_path, clock)
    regions.create(1, CPU, RegionOptions())
    regions.write([Write(1, Op.PUT, cpu_rows([("h", 1, 1, 1.0, "x")]))])
    regions.flush(1)
    clock.advance(8 * DAY_MS)
    regions._scrubber.scrub(regions._regions[1])
    assert live_rows(regions) == [("h", 1, 1, 1.0, "x")]
    regions.close()
