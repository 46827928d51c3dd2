"""Compaction that nobody asks for: when it runs, how it fails, what it leaves of unneeded files."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from fix_engine import CPU, cpu_rows, live_rows, pinned
from patience import wait_until

from engine.api import Op, Write
from engine.clock import ManualClock, SystemClock
from engine.compaction.pace import Prompt, Unhurried, lower_priority
from engine.compaction.run import Abandoned
from engine.compaction.windows import HOUR_MS
from engine.errors import ErrorKind
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.store.faulty import FaultyStore
from engine.store.local import LocalStore

OPTIONS = EngineOptions(row_group_rows=5, sync=False)
IDLE = replace(OPTIONS, compaction_threads=0)
WINDOW = RegionOptions(window_ms=HOUR_MS)


def put(regions: LocalRegions, *times: int, region_id: int = 1) -> None:
    rows = [("a", 1, ts, 0.0, None) for ts in times]
    regions.write([Write(region_id, Op.PUT, cpu_rows(rows))])
    regions.flush(region_id)


def test_it_runs_after_a_flush(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    regions.create(1, CPU, WINDOW)
    for ts in range(4):
        put(regions, ts)
    wait_until(lambda: [f.level for f in regions.files(1)] == [1])
    assert len(live_rows(regions)) == 4
    wait_until(lambda: regions.counters.totals()["compactions"] == 1)  # counted after it is shown
    regions.close()


def test_it_looks_at_every_region_at_a_start(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, IDLE, ManualClock())
    regions.create(1, CPU, WINDOW)
    for ts in range(4):
        put(regions, ts)
    regions.close()
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    wait_until(lambda: len(regions.files(1)) == 1)
    regions.close()


def test_time_alone_makes_it_run(tmp_path: Path) -> None:
    clock = ManualClock(10 * HOUR_MS)
    options = replace(OPTIONS, compaction_interval_seconds=0.01)
    regions = LocalRegions(tmp_path, options, clock)
    regions.create(1, CPU, replace(WINDOW, ttl_ms=20 * HOUR_MS))
    put(regions, 1)
    put(regions, 2)
    clock.advance(HOUR_MS)
    wait_until(lambda: [f.level for f in regions.files(1)] == [1])
    clock.advance(10 * HOUR_MS)
    wait_until(lambda: not regions.files(1))
    wait_until(lambda: regions.counters.totals()["expired_files"] == 1)
    regions.close()


def test_a_failure_is_told_and_tried_again(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, IDLE, ManualClock())
    regions.create(1, CPU, WINDOW)
    regions.create(2, CPU, WINDOW)
    for region_id in (1, 2):
        for ts in range(4):
            put(regions, ts, region_id=region_id)
    regions.close()
    store = FaultyStore(LocalStore(tmp_path, sync=False), fail_at=1)
    options = replace(OPTIONS, compaction_retry_seconds=0.01, compaction_retry_seconds_max=0.02)
    regions = LocalRegions(tmp_path, options, ManualClock(), store=store)
    wait_until(lambda: regions.counters.totals()["compaction_failures"] >= 3)
    error = regions._region(1).health
    assert error is not None
    assert error.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert len(live_rows(regions)) == 4
    store.fail_from(None)
    wait_until(lambda: len(regions.files(1)) == len(regions.files(2)) == 1)
    wait_until(lambda: regions._region(1).health is None)
    regions.close()


def test_a_damaged_file_stops_only_its_own_region(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, IDLE, ManualClock())
    for region_id in (1, 2):
        regions.create(region_id, CPU, WINDOW)
        for ts in range(4):
            put(regions, ts, region_id=region_id)
    path = tmp_path / regions.files(1)[2].path
    path.write_bytes(b"PAR1" + bytes(100))
    regions.close()
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    wait_until(lambda: len(regions.files(2)) == 1)
    wait_until(lambda: regions._region(1).health is not None)
    error = regions._region(1).health
    assert error is not None
    assert error.kind is ErrorKind.CORRUPTED
    assert len(regions.files(1)) == 4
    regions.close()


def test_a_dropped_region_is_not_tried_again(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, IDLE, ManualClock())
    regions.create(1, CPU, WINDOW)
    for ts in range(4):
        put(regions, ts)
    (tmp_path / regions.files(1)[2].path).write_bytes(b"")
    regions.close()
    options = replace(OPTIONS, compaction_retry_seconds=0.01, compaction_interval_seconds=0.01)
    regions = LocalRegions(tmp_path, options, ManualClock())
    wait_until(lambda: regions.counters.totals()["compaction_failures"] >= 1)
    regions.drop(1)
    regions.create(1, CPU, WINDOW)
    for ts in range(4):
        put(regions, ts)
    wait_until(lambda: len(regions.files(1)) == 1)
    regions.close()


def test_it_rests_only_while_others_work_and_ends_when_told() -> None:
    class Closing(Event):
        waited = 0.0

        def wait(self, timeout: float | None = None) -> bool:
            self.waited += timeout or 0.0
            return False

    closing, counters = Closing(), EngineCounters()
    pace = Unhurried(closing, counters, 0.5)
    pace.step()
    assert closing.waited == 0.0
    counters.logged(10)
    pace.step()
    assert closing.waited > 0.0
    waited = closing.waited
    pace.step()
    assert closing.waited == waited
    counters.scanned(files=1, pruned=0, rows=1)
    pace.step()
    assert closing.waited > waited
    closing.set()
    with pytest.raises(Abandoned):
        pace.step()
    with pytest.raises(Abandoned):
        Prompt(closing.is_set).step()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread a priority")
def test_only_its_own_thread_gets_a_lower_priority() -> None:
    found: list[int] = []

    def work() -> None:
        lower_priority(3)
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [min(19, before + 3)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def orphan(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "regions" / "1" / "sst" / name
    path.write_bytes(b"left behind")
    return path


def test_files_that_nothing_needs_go_after_the_grace_period(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now_ms())
    regions = LocalRegions(tmp_path, IDLE, clock)
    regions.create(1, CPU, WINDOW)
    put(regions, 1)
    path = orphan(tmp_path, "0000000099-0badf00d.parquet")
    assert regions.collect(1) == 0
    assert path.exists()
    clock.advance(int(IDLE.orphan_grace_seconds * 1000) + 60_000)
    assert regions.collect(1) == 1
    assert not path.exists()
    assert len(live_rows(regions)) == 1
    assert regions.counters.totals()["orphan_files_removed"] == 1
    regions.close()


def test_files_of_an_open_snapshot_are_no_orphans(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, IDLE, ManualClock(1 << 50))
    regions.create(1, CPU, WINDOW)
    put(regions, 1)
    put(regions, 2)
    with pinned(regions) as snapshot:
        regions.compact(1)
        assert regions.collect(1) == 0
        assert all(Path(file.path).exists() for file in snapshot.files)
    assert len([f for f in regions.stored(1) if "/sst/" in f.path]) == 1
    regions.close()


def test_orphans_are_looked_for_in_the_background(tmp_path: Path) -> None:
    options = replace(OPTIONS, compaction_interval_seconds=0.01, orphan_interval_seconds=0.01)
    regions = LocalRegions(tmp_path, options, ManualClock(1 << 50))
    regions.create(1, CPU, WINDOW)
    put(regions, 1)
    path = orphan(tmp_path, "0000000099-0badf00d.parquet")
    wait_until(lambda: not path.exists())
    assert len(live_rows(regions)) == 1
    regions.close()
