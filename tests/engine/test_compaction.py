"""Compaction through the engine's door: what is merged, when, and what stays visible."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows, pinned

from engine.api import Op, TimeRange, Write
from engine.clock import ManualClock
from engine.compaction.windows import HOUR_MS
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionOptions

OPTIONS = EngineOptions(row_group_rows=7, compaction_threads=0, sync=False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000 * HOUR_MS)


@pytest.fixture
def regions(tmp_path: Path, clock: ManualClock) -> Iterator[LocalRegions]:
    engine = LocalRegions(tmp_path, OPTIONS, clock)
    engine.create(1, CPU, RegionOptions(window_ms=HOUR_MS))
    yield engine
    engine.close()


def row(host: str | None, ts: int, value: float = 0.0) -> tuple:
    return host, 1, ts, value, None


def put(regions: LocalRegions, *rows: tuple, flush: bool = True) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows(list(rows)))])
    if flush:
        regions.flush(1)


def delete(regions: LocalRegions, *rows: tuple, flush: bool = True) -> None:
    regions.write([Write(1, Op.DELETE, cpu_keys([r[:3] for r in rows]))])
    if flush:
        regions.flush(1)


def until_idle(regions: LocalRegions) -> None:
    while regions.compact_due(1):
        pass


def by_key(rows: list[tuple]) -> list[tuple]:
    return sorted(rows, key=repr)


def test_files_become_one_sorted_file_with_all_rows(regions: LocalRegions) -> None:
    rows = [row(host, ts, ts) for ts in range(20) for host in ("b", None, "a")]
    for start in range(0, 60, 9):
        put(regions, *rows[start : start + 9])
    assert len(regions.files(1)) == 7
    assert regions.compact(1) == 7
    (file,) = regions.files(1)
    assert (file.rows, file.level, file.time_min, file.time_max) == (60, 1, 0, 19)
    assert live_rows(regions) == by_key(rows)


def test_dead_rows_go_and_the_vector_with_them(regions: LocalRegions) -> None:
    put(regions, row("a", 1), row("b", 1), row("c", 1))
    put(regions, row("a", 1, 9.0), row("d", 1))
    delete(regions, row("b", 1))
    regions.compact(1)
    (file,) = regions.files(1)
    assert (file.rows, file.vector_path) == (3, None)
    assert live_rows(regions) == by_key([row("a", 1, 9.0), row("c", 1), row("d", 1)])
    assert {f.path for f in regions.stored(1) if "/sst/" in f.path} == {file.path}


def test_a_region_without_live_rows_has_no_file_left(regions: LocalRegions) -> None:
    put(regions, row("a", 1), row("b", 1))
    put(regions, row("c", 1))
    delete(regions, row("a", 1), row("b", 1))
    delete(regions, row("c", 1))
    regions.compact(1)
    assert not regions.files(1)
    assert live_rows(regions) == []


def test_compacting_again_does_nothing(regions: LocalRegions) -> None:
    put(regions, row("a", 1))
    put(regions, row("b", 1))
    assert regions.compact(1) == 2
    before = regions.files(1)
    assert regions.compact(1) == 0
    assert regions.files(1) == before


def test_rows_in_memory_are_not_touched(regions: LocalRegions) -> None:
    put(regions, row("a", 1))
    put(regions, row("b", 1))
    put(regions, row("a", 1, 5.0), row("c", 1), flush=False)
    regions.compact(1)
    assert live_rows(regions) == by_key([row("a", 1, 5.0), row("b", 1), row("c", 1)])
    regions.flush(1)
    assert live_rows(regions) == by_key([row("a", 1, 5.0), row("b", 1), row("c", 1)])


def test_every_window_has_its_own_file(regions: LocalRegions) -> None:
    rows = [row("a", hour * HOUR_MS + minute) for hour in (-1, 0, 2) for minute in range(4)]
    for some in rows:
        put(regions, some)
    regions.compact(1)
    assert [f.rows for f in regions.files(1)] == [4, 4, 4]
    assert live_rows(regions) == by_key(rows)


def test_the_background_waits_for_enough_files_of_one_size(regions: LocalRegions) -> None:
    for ts in range(3):
        put(regions, row("a", ts))
        until_idle(regions)
    assert len(regions.files(1)) == 3
    put(regions, row("a", 3))
    until_idle(regions)
    assert len(regions.files(1)) == 1


def test_a_window_left_alone_becomes_one_file(regions: LocalRegions, clock: ManualClock) -> None:
    put(regions, row("a", 1))
    put(regions, row("a", 2))
    until_idle(regions)
    assert len(regions.files(1)) == 2
    clock.advance(int(OPTIONS.compaction_settle_seconds * 1000) + 1)
    until_idle(regions)
    assert len(regions.files(1)) == 1


def test_output_is_split_at_the_largest_size_and_stays_one_run(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    regions.create(1, CPU, RegionOptions(window_ms=HOUR_MS, max_output_bytes=1))
    rows = [row(f"h{number}", ts) for number in range(5) for ts in range(10)]
    for start in range(0, 50, 10):
        put(regions, *rows[start : start + 10])
    regions.compact(1)
    files = regions.files(1)
    assert [f.rows for f in files] == [7] * 7 + [1]
    assert all(a.key_max <= b.key_min for a, b in pairwise(files))
    assert live_rows(regions) == by_key(rows)
    assert regions.compact(1) == 0
    put(regions, row("h2", 3, 1.0), row("z", 1))
    regions.compact(1)
    assert sum(f.rows for f in regions.files(1)) == 51
    rows[rows.index(row("h2", 3))] = row("h2", 3, 1.0)
    assert live_rows(regions) == by_key([*rows, row("z", 1)])
    regions.close()


def test_strict_windows_hold_rows_of_one_window_each(regions: LocalRegions) -> None:
    rows = [row(host, ts * HOUR_MS // 4) for host in "ab" for ts in range(100)]
    put(regions, *rows)
    put(regions, row("a", 5 * HOUR_MS, 1.0), row("c", 90 * HOUR_MS))
    rows[rows.index(row("a", 5 * HOUR_MS))] = row("a", 5 * HOUR_MS, 1.0)
    rows.append(row("c", 90 * HOUR_MS))
    regions.compact(1, window_ms=2 * HOUR_MS, strict=True)
    window = 2 * HOUR_MS
    spans = [(f.time_min // window, f.time_max // window) for f in regions.files(1)]
    assert sorted(spans) == [*((n, n) for n in range(13)), (45, 45)]
    assert live_rows(regions) == by_key(rows)


def test_a_time_range_leaves_other_files_alone(regions: LocalRegions) -> None:
    for ts in (1, 2, HOUR_MS, HOUR_MS + 1):
        put(regions, row("a", ts))
    assert regions.compact(1, time_range=TimeRange(HOUR_MS, None)) == 2
    assert [f.level for f in regions.files(1)] == [0, 0, 1]


def test_append_mode_keeps_equal_rows(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    regions.create(1, CPU, RegionOptions(append_mode=True, window_ms=HOUR_MS))
    put(regions, row("a", 1), row("a", 1), row("b", 1))
    put(regions, row("a", 1))
    regions.compact(1)
    assert live_rows(regions) == [row("a", 1)] * 3 + [row("b", 1)]
    regions.write([Write(1, Op.DELETE, cpu_rows([row("a", 1)]))])
    put(regions, row("a", 1))
    regions.compact(1)
    assert live_rows(regions) == [row("a", 1), row("b", 1)]
    regions.close()


def test_partial_rows_stay_complete(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    options = RegionOptions(merge_mode=MergeMode.LAST_NON_NULL, window_ms=HOUR_MS)
    regions.create(1, CPU, options)
    put(regions, ("a", 1, 1, 1.5, None))
    put(regions, ("a", 1, 1, None, "note"))
    regions.compact(1)
    put(regions, ("a", 1, 1, 2.5, None), flush=False)
    assert live_rows(regions) == [("a", 1, 1, 2.5, "note")]
    regions.close()


def test_a_snapshot_reads_on_while_its_files_are_merged(regions: LocalRegions) -> None:
    put(regions, row("a", 1))
    put(regions, row("b", 1))
    with pinned(regions) as snapshot:
        regions.compact(1)
        assert all(Path(file.path).exists() for file in snapshot.files)
    assert len([f for f in regions.stored(1) if f.path.endswith(".parquet")]) == 1


def test_a_region_that_is_copied_is_not_compacted(regions: LocalRegions) -> None:
    put(regions, row("a", 1))
    put(regions, row("b", 1))
    changes = regions.follow(1)
    with pytest.raises(DbError) as raised:
        regions.compact(1)
    assert raised.value.kind is ErrorKind.REGION_BUSY
    changes.close()
    assert regions.compact(1) == 2


def test_what_was_compacted_is_there_after_reopening(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    regions.create(1, CPU, RegionOptions(window_ms=HOUR_MS))
    put(regions, row("a", 1))
    put(regions, row("b", 1))
    regions.compact(1)
    put(regions, row("a", 1, 7.0))
    regions.close()
    regions = LocalRegions(tmp_path, OPTIONS, ManualClock())
    assert live_rows(regions) == [row("a", 1, 7.0), row("b", 1)]
    regions.compact(1)
    assert live_rows(regions) == [row("a", 1, 7.0), row("b", 1)]
    regions.close()
