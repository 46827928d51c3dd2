"""Memory for unflushed rows: what is counted, who waits, who is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from fix_engine import CPU, cpu_rows, live_rows

from engine.api import Op, Write
from engine.budget import MemoryBudget
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

Opener = Callable[..., LocalRegions]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    engines: list[LocalRegions] = []

    def open_(**numbers: float) -> LocalRegions:
        options = EngineOptions(sync=False, compaction_threads=0, **numbers)  # type: ignore[arg-type]
        engines.append(LocalRegions(tmp_path, options, ManualClock()))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.close()


def rows(count: int, start: int = 0, region: int = 1) -> Write:
    table = cpu_rows([("a", 1, start + i, 1.0, "x" * 100) for i in range(count)])
    return Write(region, Op.PUT, table)


def fill(engine: LocalRegions) -> None:
    for number in range(100):
        engine.write([rows(100, 100 * number)])


def used(engine: LocalRegions) -> int:
    return engine._budget.used


def test_memory_is_given_back_by_flush_drop_and_decisions(opened: Opener) -> None:
    engine = opened()
    for region in (1, 2):
        engine.create(region, CPU, RegionOptions())
    engine.write([rows(100), rows(50, region=2)])
    assert used(engine) == sum(engine.statistics(i).memtable_bytes for i in (1, 2)) > 15_000
    engine.prepare("t", [rows(100, 1000)])
    engine.prepare("u", [rows(100, 2000)])
    memtables = sum(engine.statistics(i).memtable_bytes for i in (1, 2))
    assert used(engine) > memtables + 20_000
    engine.abort_prepared("u")
    engine.commit_prepared("t")
    assert used(engine) == sum(engine.statistics(i).memtable_bytes for i in (1, 2))
    engine.flush(1)
    assert used(engine) == engine.statistics(2).memtable_bytes
    engine.drop(2)
    assert used(engine) == 0


def test_undecided_transactions_count_after_a_restart(opened: Opener) -> None:
    engine = opened()
    engine.create(1, CPU, RegionOptions())
    engine.prepare("t", [rows(100)])
    engine.close()
    again = opened()
    assert used(again) > 10_000
    again.abort_prepared("t")
    assert used(again) == 0


def test_many_small_writes_take_about_the_memory_of_one(opened: Opener) -> None:
    engine = opened()
    for region in (1, 2):
        engine.create(region, CPU, RegionOptions())
    for number in range(2000):
        engine.write([rows(1, number)])
    assert len(live_rows(engine)) == 2000
    engine.write([rows(1, 2000)])  # what a view has merged is noticed by the next write
    engine.write([rows(2001, region=2)])
    small, large = (engine.statistics(i).memtable_bytes for i in (1, 2))
    assert large < small < 1.2 * large
    assert used(engine) == small + large


def test_a_full_region_refuses_writers_and_spares_the_others(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(stall_seconds=0.05, flush_retry_seconds=0.0)
    engine.create(1, CPU, RegionOptions(write_buffer_bytes=20_000))
    engine.create(2, CPU, RegionOptions())

    def fails(*_: object) -> None:
        raise DbError(ErrorKind.DISK_FULL, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("engine.regions.flush", fails)
        with pytest.raises(DbError, match="of region 1") as caught:
            fill(engine)
        assert caught.value.kind is ErrorKind.REGION_BUSY
        assert caught.value.kind.retryable
        assert 80_000 <= engine.statistics(1).memtable_bytes < 120_000
        written = len(live_rows(engine))
        engine.write([rows(1000, region=2)])
    engine.flush(1)
    engine.write([rows(100, written)])
    assert len(live_rows(engine)) == written + 100


def test_a_writer_that_waits_goes_on_when_there_is_room() -> None:
    budget = MemoryBudget(stall_bytes=1000, stall_seconds=20.0)
    budget.adjust(900, region_id=1)
    done = Event()

    def write() -> None:
        budget.reserve(50, {1: 500})
        done.set()

    thread = Thread(target=write)
    thread.start()
    assert not done.wait(0.05)
    budget.adjust(-700, region_id=1)
    assert done.wait(60)
    thread.join()
    assert budget.used == 250


def test_one_write_larger_than_all_memory_passes_when_nothing_else_is_there() -> None:
    budget = MemoryBudget(stall_bytes=100, stall_seconds=0.0)
    budget.reserve(5000, {1: 100})
    with pytest.raises(DbError) as caught:
        budget.reserve(1, {1: 100})
    assert caught.value.kind is ErrorKind.REGION_BUSY
