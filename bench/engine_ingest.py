"""Durable writes per second: 1 and 2 threads, TSBS-like rows (10 tags, 10 doubles).

python bench/engine_ingest.py [--rows 1000000] [--batch 5000] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.api import Op, Write
from engine.clock import SystemClock
from engine.datatypes import FLOAT64, STRING, TIMESTAMP_MILLISECOND
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

TAGS = tuple(f"tag_{i}" for i in range(10))
FIELDS = tuple(f"field_{i}" for i in range(10))
SCHEMA = RegionSchema(
    (
        *(RegionColumn(name, STRING, Semantic.TAG) for name in TAGS),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        *(RegionColumn(name, FLOAT64, Semantic.FIELD) for name in FIELDS),
    ),
    TAGS,
)
HOSTS = 4000
STEP_MS = 10_000


def batch(start: int, rows: int) -> pa.Table:
    """Rows number `start` and on: all hosts at one time, then all at the next."""
    number = np.arange(start, start + rows)
    host = pa.array(number % HOSTS)
    columns = [
        pa.compute.binary_join_element_wise(f"{tag}_", (host.cast(pa.string())), "")
        if index == 0
        else pa.array([f"{tag}_value_{i}" for i in range(10)]).take(pa.array((number % HOSTS) % 10))
        for index, tag in enumerate(TAGS)
    ]
    columns.append(pa.array(number // HOSTS * STEP_MS, pa.timestamp("ms")))
    random = np.random.default_rng(start)
    columns += [pa.array(random.integers(0, 100, rows).astype(np.float64)) for _ in FIELDS]
    return pa.Table.from_arrays(columns, schema=SCHEMA.arrow)


def ingest(directory: Path, threads: int, batches: list[pa.Table]) -> dict[str, float]:
    """Writes all batches; each thread takes every n-th."""
    regions = LocalRegions(directory, EngineOptions(), SystemClock())
    regions.create(1, SCHEMA, RegionOptions())

    def work(mine: list[pa.Table]) -> None:
        for rows in mine:
            regions.write([Write(1, Op.PUT, rows)])

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [batches[i::threads] for i in range(threads)]))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    regions.flush(1)
    flush_seconds = time.perf_counter() - start
    statistics = regions.statistics(1)
    regions.close()
    rows = sum(b.num_rows for b in batches)
    return {
        "threads": threads,
        "batch_rows": batches[0].num_rows,
        "rows_per_second": round(rows / seconds),
        "rows_per_second_with_flush": round(rows / (seconds + flush_seconds)),
        "write_ms": round(seconds * threads / len(batches) * 1e3, 3),
        "last_flush_seconds": round(flush_seconds, 2),
        "files": statistics.files,
        "file_bytes_per_row": round(statistics.file_bytes / max(1, statistics.rows), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5000)
    parser.add_argument("--directory", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        ingest(Path(directory), 1, [batch(start, 5000) for start in range(0, 200_000, 5000)])
    for size, rows in ((arguments.batch, arguments.rows), (1000, 200_000), (1, 1000)):
        batches = [batch(start, size) for start in range(0, rows, size)]
        for threads in (1, 2):
            with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                print(json.dumps(ingest(Path(directory), threads, batches)), flush=True)


if __name__ == "__main__":
    main()
