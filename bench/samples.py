"""Samples out of the engine as arrays, what PromQL reads: no server, no SQL.

The data are readings of 1000 hosts every ten seconds, and a million series of three samples each;
each is read out of memory, and out of files before and after they were decoded.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.report import Figure
from engine.api import Op, SampleRequest, TimeRange, Write
from engine.clock import SystemClock
from engine.datatypes import BINARY, FLOAT64, INT64, TIMESTAMP_MILLISECOND
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

SCHEMA = RegionSchema(
    (
        RegionColumn("series", INT64, Semantic.TAG, nullable=False),
        RegionColumn("greptime_timestamp", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, False),
        RegionColumn("greptime_value", FLOAT64, Semantic.FIELD),
        RegionColumn("greptime_native_histogram", BINARY, Semantic.FIELD),
    ),
    ("series",),
)
HOSTS = 1000
STEP_MS = 10_000
HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000
POINTS = 3  # of each of the many series
_BATCH_SERIES = 10_000


def _rows(series: np.ndarray, times: np.ndarray, values: np.ndarray) -> Write:
    arrays = [
        pa.array(series),
        pa.array(times).cast(pa.timestamp("ms")),
        pa.array(values),
        pa.nulls(len(series), pa.binary()),
    ]
    return Write(1, Op.PUT, pa.Table.from_arrays(arrays, schema=SCHEMA.arrow))


def _readings(count: int) -> Iterator[Write]:
    """All hosts, instant by instant, ten instants in each write."""
    random = np.random.default_rng(1)
    level = random.uniform(0, 100, HOSTS)
    instants = count // HOSTS
    for first in range(0, instants, 10):
        steps = np.arange(first, min(first + 10, instants))
        values = []
        for _ in steps:
            level = np.clip(level + random.normal(0, 1, HOSTS), 0, 100)
            values.append(np.floor(level))
        series = np.tile(np.arange(HOSTS) + (1 << 32), len(steps))
        times = np.repeat(START_MS + steps * STEP_MS, HOSTS)
        yield _rows(series, times, np.concatenate(values))


def _many(count: int) -> Iterator[Write]:
    """`count` series, each with some samples."""
    random = np.random.default_rng(2)
    for point in range(POINTS):
        for first in range(0, count, _BATCH_SERIES):
            series = np.arange(first, min(first + _BATCH_SERIES, count)) + (1 << 32)
            times = np.full(len(series), START_MS + point * STEP_MS)
            yield _rows(series, times, random.integers(0, 100, len(series)).astype(float))


@contextmanager
def _engine(writes: Iterator[Write]) -> Iterator[LocalRegions]:
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder:
        options = EngineOptions(sync=False, memtable_region_bytes=1 << 30, compaction_threads=0)
        engine = LocalRegions(Path(folder), options, SystemClock())
        engine.create(1, SCHEMA, RegionOptions())
        for write in writes:
            engine.write([write])
        yield engine
        engine.close()


def _timed(engine: LocalRegions, series: np.ndarray, wanted: TimeRange, times: int) -> list[float]:
    """Seconds of each read."""
    request = SampleRequest(series, wanted)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        rows = engine.samples(1, request)
        taken.append(time.perf_counter() - began)
        assert len(rows.times)
    return taken


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Reads `rows` readings and about a quarter as many series."""
    figures: list[Figure] = []
    one = np.array([(1 << 32) + HOSTS // 2], np.int64)
    every = np.arange(HOSTS, dtype=np.int64) + (1 << 32)
    last = START_MS + rows // HOSTS * STEP_MS
    hour = TimeRange(last - 2 * HOUR_MS, last - HOUR_MS)

    def measured(what: str, where: str, taken: list[float]) -> None:
        figures.append(Figure(f"{what}, {where}, first", "ms", 1000 * taken[0]))
        figures.append(Figure(f"{what}, {where}", "ms", 1000 * statistics.median(taken[1:])))

    with _engine(_readings(rows)) as engine:
        for where in ("memory", "file"):
            if where == "file":
                engine.flush(1)
            repeats = 10 * times + 1
            measured("one series' hour", where, _timed(engine, one, hour, repeats))
            measured("1000 series, all times", where, _timed(engine, every, TimeRange(), repeats))
            tail = TimeRange(START_MS + (last - START_MS) // 2, None)
            measured("1000 series, half of it", where, _timed(engine, every, tail, repeats))
    many = rows // 4
    ids = np.arange(many, dtype=np.int64) + (1 << 32)
    with _engine(_many(many)) as engine:
        for where in ("memory", "file"):
            if where == "file":
                engine.flush(1)
            name = f"{many} series of {POINTS} samples"
            measured(name, where, _timed(engine, ids, TimeRange(), 3 * times + 1))
    return figures, []
