"""Time to live: what is shown, what is stored, what background work removes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, rows_in

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.compaction.windows import HOUR_MS
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

OPTIONS = EngineOptions(row_group_rows=7, compaction_threads=0, sync=False)
TTL = RegionOptions(ttl_ms=10 * HOUR_MS, window_ms=HOUR_MS)
NOW = 1000 * HOUR_MS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def regions(tmp_path: Path, clock: ManualClock) -> Iterator[LocalRegions]:
    engine = LocalRegions(tmp_path, OPTIONS, clock)
    engine.create(1, CPU, TTL)
    yield engine
    engine.close()


def row(host: str, hours_ago: float, value: float = 0.0) -> tuple:
    return host, 1, NOW - int(hours_ago * HOUR_MS), value, None


def put(regions: LocalRegions, *rows: tuple, flush: bool = True) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows(list(rows)))])
    if flush:
        regions.flush(1)


def until_idle(regions: LocalRegions) -> None:
    while regions.compact_due(1):
        pass


def stored(regions: LocalRegions) -> int:
    return sum(file.rows for file in regions.files(1))


def test_expired_rows_are_invisible_at_once(regions: LocalRegions, clock: ManualClock) -> None:
    put(regions, row("a", 9), row("a", 1))
    put(regions, row("b", 9), row("b", 1), flush=False)
    assert len(rows_in(regions, CPU)) == 4
    clock.advance(HOUR_MS)
    assert len(rows_in(regions, CPU)) == 4  # as old as allowed
    clock.advance(1)
    assert rows_in(regions, CPU) == [row("a", 1), row("b", 1)]


def test_files_of_expired_rows_are_dropped_whole(regions: LocalRegions, clock: ManualClock) -> None:
    put(regions, row("a", 9), row("a", 5), row("a", 1))
    put(regions, *(row("b", 9 - i / 100_000) for i in range(20_000)))
    put(regions, *(row("b", 1 - i / 100_000) for i in range(20_000)))
    until_idle(regions)
    clock.advance(2 * HOUR_MS)
    until_idle(regions)
    assert all(file.time_max >= NOW - 8 * HOUR_MS for file in regions.files(1))
    totals = regions.counters.totals()
    assert totals["expired_files"] >= 1
    assert len(rows_in(regions, CPU)) == 20_002


def test_a_flush_stores_no_expired_row(regions: LocalRegions, clock: ManualClock) -> None:
    put(regions, row("a", 1))
    put(regions, row("a", 50), row("b", 20), row("b", 2), flush=False)
    assert rows_in(regions, CPU) == [row("a", 1), row("b", 2)]
    regions.flush(1)
    assert stored(regions) == 2
    put(regions, row("c", 11))
    assert stored(regions) == 2
    assert rows_in(regions, CPU) == [row("a", 1), row("b", 2)]


def test_a_late_overwrite_of_an_expired_row_hides_it_for_ever(
    regions: LocalRegions, clock: ManualClock
) -> None:
    put(regions, row("a", 9, 1.0), row("b", 9, 1.0), row("c", 1))
    clock.advance(2 * HOUR_MS)
    put(regions, row("a", 9, 2.0))
    regions.write([Write(1, Op.DELETE, cpu_keys([row("b", 9)[:3]]))])
    regions.flush(1)
    regions.alter(1, CPU, replace(TTL, ttl_ms=None))
    assert rows_in(regions, CPU) == [row("c", 1)]


def test_a_longer_time_to_live_shows_what_nobody_removed(
    regions: LocalRegions, clock: ManualClock
) -> None:
    put(regions, row("a", 9))
    clock.advance(2 * HOUR_MS)
    assert rows_in(regions, CPU) == []
    regions.alter(1, CPU, replace(TTL, ttl_ms=20 * HOUR_MS))
    assert rows_in(regions, CPU) == [row("a", 9)]


def test_a_shorter_time_to_live_counts_at_once(regions: LocalRegions) -> None:
    put(regions, row("a", 9), row("a", 1))
    regions.alter(1, CPU, replace(TTL, ttl_ms=2 * HOUR_MS))
    assert rows_in(regions, CPU) == [row("a", 1)]
    regions.compact(1)
    assert stored(regions) == 1


def test_partly_expired_files_are_folded_when_the_rest_stays_long(
    tmp_path: Path, clock: ManualClock
) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, clock)
    regions.create(1, CPU, replace(TTL, window_ms=10_000 * HOUR_MS))
    rows = [row("a", 10 - i / 100) for i in range(1000)]
    put(regions, *rows)
    clock.advance(4 * HOUR_MS)
    until_idle(regions)
    assert stored(regions) == 1000  # less than half is expired
    clock.advance(2 * HOUR_MS)
    until_idle(regions)
    assert stored(regions) == len(rows_in(regions, CPU)) == 400
    clock.advance(3 * HOUR_MS)
    until_idle(regions)
    assert stored(regions) == 400  # the whole file goes soon
    clock.advance(2 * HOUR_MS)
    until_idle(regions)
    assert not regions.files(1)
    regions.close()


def test_an_instant_time_to_live_keeps_nothing(tmp_path: Path, clock: ManualClock) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, clock)
    regions.create(1, CPU, RegionOptions(ttl_ms=0))
    put(regions, row("a", 1), row("b", -1000), flush=False)
    assert rows_in(regions, CPU) == []
    assert regions.statistics(1).memtable_rows == 0
    regions.prepare("t", [Write(1, Op.PUT, cpu_rows([row("a", 1)]))])
    regions.commit_prepared("t")
    regions.flush(1)
    assert not regions.files(1)
    regions.close()


def test_rows_of_a_region_that_becomes_instant_go(regions: LocalRegions) -> None:
    put(regions, row("a", 1), row("b", -1000))
    put(regions, row("c", -1), flush=False)
    regions.alter(1, CPU, replace(TTL, ttl_ms=0))
    assert rows_in(regions, CPU) == []
    regions.flush(1)
    until_idle(regions)
    assert not regions.files(1)
