"""What /metrics tells of the region engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_engine import CPU, cpu_rows
from prometheus_client import CollectorRegistry

from engine.api import Op, ScanRequest, Write
from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from engine.observe import COUNTERS
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.store.faulty import FaultyStore
from engine.store.local import LocalStore
from engine.store.store import ObjectStore
from server.engine_metrics import EngineCollector

ROW = ("a", 1, 5, 0.5, None)


class Scraped:
    """An engine with one region, and its samples by name."""

    def __init__(self, directory: Path, store: ObjectStore | None = None, **options: float) -> None:
        clock = SystemClock()
        self.regions = LocalRegions(directory, EngineOptions(**options), clock, store=store)
        self.regions.create(1, CPU, RegionOptions())
        self.registry = CollectorRegistry()
        self.registry.register(EngineCollector(self.regions))

    def __getitem__(self, name: str) -> float:
        value = self.registry.get_sample_value(f"gnomon_{name}")
        assert value is not None, name
        return value

    def write(self, *rows: tuple) -> None:
        self.regions.write([Write(1, Op.PUT, cpu_rows(list(rows)))])


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[Scraped]:
    made = Scraped(tmp_path)
    yield made
    made.regions.close()


def test_every_counter_is_there_from_the_start(scraped: Scraped) -> None:
    for name in COUNTERS:
        assert scraped[f"{name}_total"] == 0
    assert scraped["write_amplification_ratio"] == 1
    assert scraped["storage_regions"] == 1


def test_writes_and_flushes_are_counted(scraped: Scraped) -> None:
    before = scraped["wal_bytes"]
    scraped.write(ROW, ("b", 1, 5, 0.5, None))
    assert scraped["written_rows_total"] == 2
    assert scraped["wal_records_total"] == 1
    assert scraped["wal_bytes"] - before == scraped["wal_written_bytes_total"]
    assert scraped["written_memory_bytes_total"] == scraped["storage_memtable_bytes"] > 0
    scraped.regions.flush(1)
    assert scraped["flushes_total"] == scraped["flush_files_total"] == scraped["storage_files"] == 1
    assert scraped["flush_rows_total"] == scraped["storage_rows"] == 2
    assert scraped["flush_written_bytes_total"] == scraped["storage_file_bytes"] > 0
    assert scraped["flush_seconds_total"] > 0
    assert scraped["storage_memtable_bytes"] == 0


def test_failed_flushes_are_counted(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path))
    scraped = Scraped(tmp_path, store=store)
    scraped.write(ROW)
    store.fail_from(store.calls + 1)
    with pytest.raises(DbError):
        scraped.regions.flush(1)
    assert (scraped["flush_failures_total"], scraped["flushes_total"]) == (1, 0)
    assert scraped["storage_memtable_rows"] == 1
    store.fail_from(None)
    scraped.regions.flush(1)
    assert (scraped["flush_failures_total"], scraped["flushes_total"]) == (1, 1)
    scraped.regions.close()


def test_compactions_show_in_the_write_amplification(scraped: Scraped) -> None:
    for value in (1.0, 2.0):
        scraped.write(("a", 1, int(value), value, None))
        scraped.regions.flush(1)
    scraped.regions.compact(1)
    assert scraped["compactions_total"] >= 1
    written = scraped["compaction_written_bytes_total"]
    flushed = scraped["flush_written_bytes_total"]
    assert scraped["write_amplification_ratio"] == (flushed + written) / flushed > 1


def test_scans_count_files_they_read_and_leave_out(scraped: Scraped) -> None:
    scraped.write(ROW)
    scraped.regions.flush(1)
    scraped.regions.scan(1, ScanRequest(("value",))).close()
    assert (scraped["scans_total"], scraped["scan_files_total"]) == (1, 1)
    assert scraped["scan_rows_total"] == 1


def test_refused_writes_are_counted(tmp_path: Path) -> None:
    # No memory at all: one writer may pass, the next waits in vain.
    scraped = Scraped(tmp_path, memtable_total_bytes=0, stall_seconds=0.01, flush_retry_seconds=60)
    try:
        with scraped.regions._regions[1].maintenance:  # the flusher cannot help meanwhile
            scraped.write(ROW)
            with pytest.raises(DbError) as failed:
                scraped.write(ROW)
        assert failed.value.kind is ErrorKind.REGION_BUSY
        assert scraped["write_stalls_total"] == scraped["write_rejections_total"] == 1
        assert scraped["write_stall_seconds_total"] >= 0.01
    finally:
        scraped.regions.close()
