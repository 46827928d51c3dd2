"""Durable ingest through the engine's door: TSBS's CPU readings (10 tags, 10 doubles).

python -m bench.engine_ingest [--rows N] [--small-writes N] [--directory DIR] [NAME ...]

Names: `few` (4000 hosts), `many` (2 M hosts), `small` (one-row writes), `settled` (1000 hosts for
12 hours: bytes on disk). Each runs in a process of its own, reads its batches from a file that was
written before the clock runs, and prints one line of JSON. Memory is anonymous memory beyond what
the process had before the first write.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine import jit
from engine.api import Op, ScanRequest, Write
from engine.clock import SystemClock
from engine.datatypes import FLOAT64, STRING, TIMESTAMP_MILLISECOND
from engine.memtable import kernels
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

KINDS = {
    "hostname": 0,  # one for each host
    "region": 9,
    "datacenter": 25,
    "rack": 100,
    "os": 3,
    "arch": 2,
    "team": 4,
    "service": 20,
    "service_version": 2,
    "service_environment": 3,
}
TAGS = tuple(KINDS)
FIELDS = tuple(f"usage_{i}" for i in range(10))
SCHEMA = RegionSchema(
    (
        *(RegionColumn(name, STRING, Semantic.TAG) for name in TAGS),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        *(RegionColumn(name, FLOAT64, Semantic.FIELD) for name in FIELDS),
    ),
    TAGS,
)
HOSTS = {"few": 4000, "many": 2_000_000, "small": 4000, "settled": 1000}
START_MS = 1_704_067_200_000
STEP_MS = 10_000
BATCH_ROWS = 5000
THREADS = 2
MIB = 1 << 20


class Readings:
    """TSBS's use case cpu-only: each field of each host walks by N(0, 1) within 0 to 100."""

    def __init__(self, hosts: int) -> None:
        self._hosts = hosts
        self._random = np.random.default_rng(1)
        self._level = self._random.uniform(0, 100, (len(FIELDS), hosts))
        number = np.arange(hosts)
        self._tags = [
            pa.array([f"host_{i}" for i in number])
            if tag == "hostname"
            else pa.array([f"{tag}-{i}" for i in range(kinds)]).take(
                pa.array(self._random.integers(0, kinds, hosts))
            )
            for tag, kinds in KINDS.items()
        ]

    def step(self, number: int) -> pa.Table:
        """All hosts at one instant."""
        self._level += self._random.normal(0, 1, self._level.shape)
        np.clip(self._level, 0, 100, out=self._level)
        times = np.full(self._hosts, START_MS + number * STEP_MS)
        columns = [*self._tags, pa.array(times, pa.timestamp("ms"))]
        columns += [pa.array(np.floor(level)) for level in self._level]
        return pa.Table.from_arrays(columns, schema=SCHEMA.arrow)

    def batches(self, rows: int, size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """So many rows in order of time, in batches of one size."""
        waiting: list[pa.Table] = []
        number = 0
        while rows > 0:
            while sum(table.num_rows for table in waiting) < size:
                waiting.append(self.step(number))
                number += 1
            table = pa.concat_tables(waiting)
            yield table.slice(0, size).combine_chunks().to_batches()[0]
            waiting = [table.slice(size)]
            rows -= size


def batch(start: int, rows: int) -> pa.Table:
    """Rows number `start` and on of a small, quickly made data set (bench.recovery)."""
    number = np.arange(start, start + rows)
    host = number % HOSTS["few"]
    columns = [
        pa.array([f"{tag}-{i}" for i in range(kinds or HOSTS["few"])]).take(
            pa.array(host % (kinds or HOSTS["few"]))
        )
        for tag, kinds in KINDS.items()
    ]
    columns.append(pa.array(number // HOSTS["few"] * STEP_MS, pa.timestamp("ms")))
    random = np.random.default_rng(start)
    columns += [pa.array(random.integers(0, 100, rows).astype(np.float64)) for _ in FIELDS]
    return pa.Table.from_arrays(columns, schema=SCHEMA.arrow)


class Source:
    """Batches of a file, read by several threads; each takes the next one."""

    def __init__(self, path: Path) -> None:
        self.directory = path.parent
        self._file = pa.OSFile(str(path))
        self._reader = pa.ipc.open_file(self._file)
        self._lock = Lock()
        self._next = 0

    def take(self) -> pa.Table | None:
        """The next batch, None at the end."""
        with self._lock:
            if self._next == self._reader.num_record_batches:
                return None
            self._next += 1
            return pa.table(self._reader.get_batch(self._next - 1))


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Measures the greatest anonymous memory of the process, in bytes beyond that at the start."""
    base, ended, peak = _anonymous(), Event(), [0]

    def watch() -> None:
        while not ended.wait(0.01):
            peak[0] = max(peak[0], _anonymous() - base)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    return 0


def ingest(regions: LocalRegions, source: Source) -> dict[str, Any]:
    """Writes all batches with two threads; the clock runs until everything is in files."""

    def work(_: int) -> int:
        rows = 0
        while (table := source.take()) is not None:
            regions.write([Write(1, Op.PUT, table)])
            rows += table.num_rows
        return rows

    started, cpu = time.perf_counter(), time.process_time()
    with peak_memory() as peak, ThreadPoolExecutor(THREADS) as pool:
        rows = sum(pool.map(work, range(THREADS)))
        written = time.perf_counter() - started
        regions.flush(1)
        seconds = time.perf_counter() - started
    statistics = regions.statistics(1)
    return {
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "rows_per_second_acknowledged": round(rows / written),
        "cpu_ns_per_row": round((time.process_time() - cpu) / rows * 1e9),
        "peak_mib": peak[0] // MIB,
        "peak_mib_beyond_buffer": max(0, peak[0] - EngineOptions().memtable_total_bytes) // MIB,
        "files": statistics.files,
        "bytes_per_row": round(statistics.file_bytes / statistics.rows, 2),
    }


def settled(regions: LocalRegions, source: Source) -> dict[str, Any]:
    """Bytes on disk after compaction, by column, and the time DuckDB takes to add all fields up."""
    found = ingest(regions, source)
    regions.compact(1)
    sizes: Counter[str] = Counter()
    encodings: dict[str, str] = {}
    with closing(regions.scan(1, ScanRequest(("ts",)))) as snapshot:
        paths = [file.path for file in snapshot.files]
        for path in paths:
            metadata = pq.read_metadata(path)
            for number in range(metadata.num_row_groups):
                for index in range(metadata.num_columns):
                    column = metadata.row_group(number).column(index)
                    sizes[column.path_in_schema] += column.total_compressed_size
                    encodings[column.path_in_schema] = "+".join(sorted(column.encodings))
        total = sum(os.path.getsize(path) for path in paths)
        query_ms = {"ours": _sums_ms(paths), "duckdb_copy": _copied_ms(paths, source.directory)}
    values = found["rows"] * len(FIELDS)
    return {
        **found,
        "settled_files": len(paths),
        "settled_mb": round(total / 1e6, 2),
        "bytes_per_value": round(total / values, 3),
        "sum_of_all_fields_cpu_ms": query_ms,
        "mb_by_column": {name: round(size / 1e6, 3) for name, size in sizes.items()},
        "encodings": encodings,
    }


def _sums_ms(paths: list[str]) -> float:
    """The least CPU time of adding up every field, on one thread."""
    sums = ", ".join(f"sum({field})" for field in FIELDS)
    times = []
    with duckdb.connect(config={"threads": 1}) as connection:
        for _ in range(3):
            started = time.process_time()
            connection.execute(f"SELECT {sums} FROM read_parquet(?)", [paths]).fetchall()
            times.append(time.process_time() - started)
    return round(min(times) * 1e3)


def _copied_ms(paths: list[str], directory: Path) -> float:
    """The same on one file with the same rows as DuckDB itself writes them, in order."""
    copy = str(directory / "copy.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (FROM read_parquet(?) ORDER BY ALL) TO '{copy}' (COMPRESSION zstd)", [paths]
        )
    return _sums_ms([copy])


def small(regions: LocalRegions, source: Source) -> dict[str, Any]:
    """One-row writes, and how long the rows take to read, beside the same rows in one write."""
    regions.create(2, SCHEMA, RegionOptions())
    rows = 0
    started = time.perf_counter()
    tables = []
    while (table := source.take()) is not None:
        tables.append(table)
        for number in range(table.num_rows):
            regions.write([Write(1, Op.PUT, table.slice(number, 1))])
            rows += 1
    seconds = time.perf_counter() - started
    first, second = _read(regions, 1), _read(regions, 1)
    regions.write([Write(2, Op.PUT, pa.concat_tables(tables))])
    return {
        "writes": rows,
        "writes_per_second": round(rows / seconds),
        "first_read_ms": first,
        "second_read_ms": second,
        "one_batch_first_read_ms": _read(regions, 2),
        "one_batch_second_read_ms": _read(regions, 2),
        "files": regions.statistics(1).files,
    }


def _read(regions: LocalRegions, region_id: int) -> float:
    started = time.perf_counter()
    snapshot = regions.scan(region_id, ScanRequest(("hostname", "ts", *FIELDS)))
    sum(pq.read_table(file.path).num_rows for file in snapshot.files)
    snapshot.close()
    return round((time.perf_counter() - started) * 1e3, 1)


def run(name: str, data: Path, directory: Path) -> dict[str, Any]:
    """One scenario in this process."""
    assert kernels
    jit.warm()
    # Only the batched writes are to be durable one by one; a million syncs measure the disk.
    options = EngineOptions(sync=name != "small")
    regions = LocalRegions(directory, options, SystemClock())
    regions.create(1, SCHEMA, RegionOptions())
    scenario = {"small": small, "settled": settled}.get(name, ingest)
    try:
        return {"name": name, **scenario(regions, Source(data))}
    finally:
        regions.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_320_000)
    parser.add_argument("--small-writes", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--data", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", default=list(HOSTS))
    arguments = parser.parse_args()
    if arguments.data is not None:
        print(json.dumps(run(arguments.names[0], arguments.data, arguments.directory)), flush=True)
        return
    for name in arguments.names:
        rows = arguments.small_writes if name == "small" else arguments.rows
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            data = Path(directory) / "data.arrow"
            with pa.ipc.new_file(str(data), SCHEMA.arrow) as writer:
                for part in Readings(HOSTS[name]).batches(rows):
                    writer.write_batch(part)
            own = ["--data", str(data), "--directory", f"{directory}/regions", name]
            subprocess.run([sys.executable, "-m", "bench.engine_ingest", *own], check=True)


if __name__ == "__main__":
    main()
