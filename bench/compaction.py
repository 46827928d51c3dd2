"""Compaction: merge speed, write amplification of an ingest, queries beside a running merge.

python -m bench.compaction [--rows 1000000] [--ingest 20000000] [--directory DIR]

TSBS-like rows (10 tags, 10 doubles) as in bench/engine_ingest.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.engine_ingest import SCHEMA, STEP_MS, batch
from engine.api import Op, ScanRequest, TimeRange, Write
from engine.clock import SystemClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

BATCH = 5000
_POOLS: list[pa.MemoryPool] = []
WEEK_MS = 7 * 24 * 3_600_000


def put(regions: LocalRegions, start: int, stop: int) -> None:
    for first in range(start, stop, BATCH):
        regions.write([Write(1, Op.PUT, batch(first, BATCH))])


def measured_pool() -> pa.MemoryPool:
    """A pool for all allocations from now on. It lives for ever: objects made in it may."""
    pool = pa.proxy_memory_pool(pa.system_memory_pool())
    _POOLS.append(pool)
    pa.set_memory_pool(pool)
    return pool


def merge_speed(directory: Path, rows: int, *, interleaved: bool) -> dict[str, object]:
    """Merges two files of `rows` rows; interleaved ones share their times, others their series."""
    options = EngineOptions(compaction_threads=0, memtable_region_bytes=1 << 40)
    regions = LocalRegions(directory, replace(options, memtable_total_bytes=1 << 40), SystemClock())
    regions.create(1, SCHEMA, RegionOptions(window_ms=WEEK_MS))
    for turn in range(2):
        if interleaved:
            for first in range(turn * BATCH, 2 * rows, 2 * BATCH):
                put(regions, first, first + BATCH)
        else:
            put(regions, turn * rows, (turn + 1) * rows)
        regions.flush(1)
    size = regions.statistics(1).file_bytes
    pool = measured_pool()
    start, cpu = time.perf_counter(), time.process_time()
    regions.compact(1)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = pool.max_memory()
    found = regions.statistics(1)
    regions.close()
    return {
        "what": "merge",
        "interleaved": interleaved,
        "rows_per_second": round(2 * rows / seconds),
        "cpu_seconds": round(cpu, 2),
        "mb_per_second_read": round(size / seconds / 1e6, 1),
        "bytes_per_row": round(found.file_bytes / found.rows, 1),
        "peak_arrow_mb": round(peak / 1e6, 1),
        "input_decoded_mb": round(2 * rows * batch(0, BATCH).nbytes / BATCH / 1e6, 1),
    }


def ingest(directory: Path, rows: int, late_share: int) -> dict[str, object]:
    """Writes with compaction in the background; one batch in `late_share` is an hour late."""
    # Settled after a second: a long run in a short one.
    options = EngineOptions(compaction_settle_seconds=1.0)
    regions = LocalRegions(directory, options, SystemClock())
    regions.create(1, SCHEMA, RegionOptions())
    start = time.perf_counter()
    for number, first in enumerate(range(0, rows, BATCH)):
        table = batch(first, BATCH)
        if late_share and number % late_share == 0:
            column = pa.compute.subtract(table.column("ts").cast("int64"), 360 * STEP_MS + 5).cast(
                pa.timestamp("ms")
            )
            table = table.set_column(
                table.schema.get_field_index("ts"), SCHEMA.arrow.field("ts"), column
            )
        regions.write([Write(1, Op.PUT, table)])
    seconds = time.perf_counter() - start
    regions.flush(1)
    quiet = time.perf_counter()
    before = regions.counters.totals()
    while time.perf_counter() - quiet < 1.1 or regions.compact_due(1):
        time.sleep(0.05)  # a window is settled once its time is past: only the clock brings that
    settled = time.perf_counter() - quiet
    totals = regions.counters.totals()
    found = regions.statistics(1)
    regions.close()
    flushed = totals["flush_written_bytes"]
    return {
        "what": "ingest",
        "late_share": late_share,
        "rows_per_second": round(rows / seconds),
        "settling_seconds": round(settled, 1),
        "flushes": totals["flushes"],
        "compactions": totals["compactions"],
        "amplification_while_writing": round(
            1 + before["compaction_written_bytes"] / before["flush_written_bytes"], 2
        ),
        "write_amplification": round((flushed + totals["compaction_written_bytes"]) / flushed, 2),
        "files": found.files,
        "bytes_per_row": round(found.file_bytes / found.rows, 1),
    }


def beside(directory: Path, rows: int) -> dict[str, object]:
    """Latency of reading one column of one hour, with and without a merge beside it."""
    options = EngineOptions(compaction_threads=0)
    regions = LocalRegions(directory, options, SystemClock())
    regions.create(1, SCHEMA, RegionOptions(window_ms=WEEK_MS, trigger_files=2))
    put(regions, 0, 2 * rows)
    regions.flush(1)
    request = ScanRequest(("field_0",), TimeRange(0, 60 * STEP_MS))

    def ask() -> float:
        start = time.perf_counter()
        snapshot = regions.scan(1, request)
        for file in snapshot.files:
            pq.read_table(file.path, columns=["field_0", "ts"], use_threads=False)
        snapshot.close()
        return (time.perf_counter() - start) * 1e3

    alone = [ask() for _ in range(10)]
    regions.close()
    regions = LocalRegions(directory, replace(options, compaction_threads=1), SystemClock())
    done = threading.Event()
    busy = []
    while not done.is_set() and len(busy) < 200:
        busy.append(ask())
        if regions.counters.totals()["compactions"]:
            done.set()
    regions.close()
    return {
        "what": "queries beside a merge",
        "alone_ms": round(statistics.median(alone), 1),
        "beside_ms": round(statistics.median(busy), 1),
        "beside_worst_ms": round(max(busy), 1),
        "asked": len(busy),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ingest", type=int, default=20_000_000)
    parser.add_argument("--directory", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        root = Path(name)
        merge_speed(root / "warm", 50_000, interleaved=True)
        for interleaved in (False, True):
            found = merge_speed(
                root / f"merge{interleaved}", arguments.rows, interleaved=interleaved
            )
            print(json.dumps(found), flush=True)
        print(json.dumps(beside(root / "beside", arguments.rows)), flush=True)
        for late_share in (0, 100):
            found = ingest(root / f"ingest{late_share}", arguments.ingest, late_share)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
