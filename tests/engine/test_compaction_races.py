"""What happens to a region while it is compacted; the disk that fails under a compaction.

The store calls back when a merge opens or ends an output, so that every interleaving is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows, pinned, rows_in

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.compaction.windows import HOUR_MS
from engine.datatypes import INT64
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionColumn, RegionOptions, Semantic
from engine.store.faulty import FaultyStore
from engine.store.local import LocalStore

OPTIONS = EngineOptions(
    row_group_rows=5, compaction_threads=0, manifest_checkpoint_actions=2, sync=False
)
WIDER = replace(
    CPU, columns=(*CPU.columns, RegionColumn("more", INT64, Semantic.FIELD, id=5)), version=1
)
UPSERT = RegionOptions(window_ms=HOUR_MS)
APPEND = replace(UPSERT, append_mode=True)
PARTIAL = replace(UPSERT, merge_mode=MergeMode.LAST_NON_NULL)
MOMENTS = ["open", "end"]


class CallingStore(LocalStore):
    """Calls back once, when a compaction opens or has ended an output."""

    moment = ""
    call: Callable[[], object] | None = None

    def at(self, moment: str, call: Callable[[], object]) -> None:
        self.moment, self.call = moment, call

    @contextmanager
    def create(self, path: str) -> Iterator[str]:
        if not path.endswith(".parquet"):
            with super().create(path) as temporary:
                yield temporary
            return
        self.reached("open")
        with super().create(path) as temporary:
            yield temporary
        self.reached("end")

    def reached(self, moment: str) -> None:
        if moment == self.moment and (call := self.call) is not None:
            self.call = None
            call()


class Setup:
    """An engine over a calling store, with one region of a few files."""

    def __init__(self, directory: Path, options: RegionOptions) -> None:
        self.store = CallingStore(directory, sync=False)
        self.engine = LocalRegions(directory, OPTIONS, ManualClock(), store=self.store)
        self.engine.create(1, CPU, options)
        self.folder = directory / "regions" / "1" / "sst"

    def put(self, *rows: tuple) -> None:
        self.engine.write([Write(1, Op.PUT, cpu_rows(list(rows)))])
        self.engine.flush(1)

    def delete(self, *rows: tuple) -> None:
        append = self.engine.statistics(1).options.append_mode
        keys = cpu_rows(list(rows)) if append else cpu_keys([r[:3] for r in rows])
        self.engine.write([Write(1, Op.DELETE, keys)])
        self.engine.flush(1)

    def check_folder(self) -> None:
        """Nothing lies in the folder that the region does not need."""
        needed = set()
        for file in self.engine.files(1):
            needed |= {Path(file.path).name, Path(file.vector_path or file.path).name}
        assert {path.name for path in self.folder.iterdir()} == needed


def row(host: str, ts: int, value: float | None = 0.0, note: str | None = None) -> tuple:
    return host, 1, ts, value, note


def by_key(rows: list[tuple]) -> list[tuple]:
    return sorted(rows, key=repr)


@pytest.fixture(params=[UPSERT, APPEND, PARTIAL], ids=["upsert", "append", "partial"])
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path, request.param)
    yield made
    made.engine.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_rows_deleted_during_a_compaction_are_gone(setup: Setup, moment: str) -> None:
    rows = [row(host, ts) for ts in range(8) for host in "abc"]
    setup.put(*rows[::2])
    setup.put(*rows[1::2])
    gone = [*rows[:5], rows[20]]
    setup.store.at(moment, lambda: setup.delete(*gone))
    assert setup.engine.compact(1) == 2
    left = by_key([r for r in rows if r not in gone])
    assert live_rows(setup.engine) == left
    assert [f.level for f in setup.engine.files(1)] == [1]
    setup.check_folder()
    setup.engine.compact(1)
    assert live_rows(setup.engine) == left
    assert [f.rows for f in setup.engine.files(1)] == [len(left)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_rows_replaced_during_a_compaction_are_shown_once(tmp_path: Path, moment: str) -> None:
    setup = Setup(tmp_path, UPSERT)
    rows = [row(host, ts) for ts in range(8) for host in "abc"]
    setup.put(*rows[::2])
    setup.put(*rows[1::2])
    new = [row("a", 3, 1.0), row("c", 7, 2.0), row("d", 1, 3.0)]
    setup.store.at(moment, lambda: setup.put(*new))
    setup.engine.compact(1)
    expected = by_key([*(r for r in rows if r[:3] not in {n[:3] for n in new}), *new])
    assert live_rows(setup.engine) == expected
    setup.put(row("a", 3, 9.0))
    expected[expected.index(row("a", 3, 1.0))] = row("a", 3, 9.0)
    assert live_rows(setup.engine) == by_key(expected)
    setup.engine.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_partial_rows_are_completed_across_a_compaction(tmp_path: Path, moment: str) -> None:
    setup = Setup(tmp_path, PARTIAL)
    setup.put(*(row("a", ts, float(ts)) for ts in range(4)))
    setup.put(row("b", 1, 1.0))
    setup.store.at(moment, lambda: setup.put(row("a", 2, None, "late")))
    setup.engine.compact(1)
    setup.put(row("b", 1, None, "later"))
    assert row("a", 2, 2.0, "late") in live_rows(setup.engine)
    assert row("b", 1, 1.0, "later") in live_rows(setup.engine)
    assert len(live_rows(setup.engine)) == 5
    setup.engine.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_of_equal_rows_those_before_a_deletion_die(tmp_path: Path, moment: str) -> None:
    setup = Setup(tmp_path, APPEND)
    setup.put(row("a", 1), row("a", 1), row("b", 1))
    setup.put(row("a", 1), row("c", 1))

    def overtaken() -> None:
        setup.delete(row("a", 1))
        setup.put(row("a", 1))

    setup.store.at(moment, overtaken)
    setup.engine.compact(1)
    expected = [row("a", 1), row("b", 1), row("c", 1)]
    assert live_rows(setup.engine) == expected
    setup.engine.compact(1)
    assert live_rows(setup.engine) == expected
    setup.engine.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_input_that_dies_whole_takes_its_rows_along(setup: Setup, moment: str) -> None:
    first, second = [row("a", ts) for ts in range(7)], [row("b", ts) for ts in range(7)]
    setup.put(*first)
    setup.put(*second)
    setup.store.at(moment, lambda: setup.delete(*first))
    setup.engine.compact(1)
    assert live_rows(setup.engine) == by_key(second)
    setup.check_folder()


@pytest.mark.parametrize("moment", MOMENTS)
def test_outputs_of_which_no_row_is_left_are_not_kept(setup: Setup, moment: str) -> None:
    rows = [row("a", ts) for ts in range(7)]
    setup.put(*rows[:3])
    setup.put(*rows[3:])
    setup.store.at(moment, lambda: setup.delete(*rows))
    setup.engine.compact(1)
    assert live_rows(setup.engine) == []
    assert not setup.engine.files(1)
    setup.check_folder()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_region_dropped_during_its_compaction_is_gone(setup: Setup, moment: str) -> None:
    setup.put(row("a", 1))
    setup.put(row("b", 1))
    setup.store.at(moment, lambda: setup.engine.drop(1))
    with pytest.raises(DbError) as raised:
        setup.engine.compact(1)
    assert raised.value.kind is ErrorKind.REGION_NOT_FOUND
    assert not setup.folder.parent.exists()
    setup.engine.create(1, CPU, UPSERT)
    assert live_rows(setup.engine) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_region_altered_during_its_compaction_reads_right(setup: Setup, moment: str) -> None:
    setup.put(row("a", 1))
    setup.put(row("b", 1))
    options = setup.engine.statistics(1).options
    setup.store.at(moment, lambda: setup.engine.alter(1, WIDER, options))
    assert setup.engine.compact(1) == 2
    expected = by_key([(*row("a", 1), None), (*row("b", 1), None)])
    assert rows_in(setup.engine, WIDER) == expected
    assert live_rows(setup.engine) == by_key([row("a", 1), row("b", 1)])
    rows = cpu_rows([row("c", 1)]).append_column("more", pa.nulls(1, pa.int64()))
    setup.engine.write([Write(1, Op.PUT, rows)])
    setup.engine.flush(1)
    setup.engine.compact(1)
    assert rows_in(setup.engine, WIDER) == by_key([*expected, (*row("c", 1), None)])
    setup.check_folder()


@pytest.mark.parametrize("moment", MOMENTS)
def test_append_mode_set_during_a_compaction(tmp_path: Path, moment: str) -> None:
    setup = Setup(tmp_path, UPSERT)
    setup.put(row("a", 1))
    setup.put(row("b", 1))

    def altered() -> None:
        setup.put(row("a", 1, 1.0))
        setup.engine.alter(1, CPU, APPEND)
        setup.put(row("a", 1, 1.0))
        setup.delete(row("b", 1))

    setup.store.at(moment, altered)
    setup.engine.compact(1)
    assert live_rows(setup.engine) == [row("a", 1, 1.0)] * 2
    setup.engine.close()


def test_a_region_that_is_copied_from_now_on_stays_as_it_is(setup: Setup) -> None:
    setup.put(row("a", 1))
    setup.put(row("b", 1))
    before = setup.engine.files(1)
    following: list = []
    setup.store.at("end", lambda: following.append(setup.engine.follow(1)))
    with pytest.raises(DbError) as raised:
        setup.engine.compact(1)
    assert raised.value.kind is ErrorKind.REGION_BUSY
    assert setup.engine.files(1) == before
    setup.check_folder()
    following[0].close()


def test_a_removal_waits_for_the_last_snapshot_of_a_dropped_region(setup: Setup) -> None:
    setup.put(row("a", 1))
    with pinned(setup.engine), pinned(setup.engine) as snapshot:
        setup.engine.drop(1)
        assert all(Path(file.path).exists() for file in snapshot.files)
        with pytest.raises(DbError) as raised:
            setup.engine.create(1, CPU, UPSERT)
        assert raised.value.kind is ErrorKind.REGION_BUSY
    assert not setup.folder.parent.exists()
    setup.engine.create(1, CPU, UPSERT)


def test_a_snapshot_closed_after_the_engine_removes_nothing(setup: Setup, tmp_path: Path) -> None:
    setup.put(row("a", 1))
    with pinned(setup.engine):
        setup.engine.drop(1)
        setup.engine.close()
        engine = LocalRegions(tmp_path, OPTIONS, ManualClock())
        engine.create(1, CPU, UPSERT)
        engine.write([Write(1, Op.PUT, cpu_rows([row("z", 1)]))])
        engine.flush(1)
    assert live_rows(engine) == [row("z", 1)]
    engine.close()


def test_closing_abandons_what_runs_in_the_background(tmp_path: Path) -> None:
    store = CallingStore(tmp_path, sync=False)
    options = replace(OPTIONS, compaction_threads=1)
    engine = LocalRegions(tmp_path, options, ManualClock(), store=store)
    engine.create(1, CPU, UPSERT)
    running, closing = Event(), Event()

    def wait() -> None:
        running.set()
        assert closing.wait(60)

    for ts in range(4):
        if ts == 3:
            store.at("end", lambda: store.at("open", wait))  # the last flush, then the merge
        engine.write([Write(1, Op.PUT, cpu_rows([row("a", 10 * ts + i) for i in range(7)]))])
        engine.flush(1)
    assert running.wait(60)
    thread = Thread(target=engine.close)
    thread.start()
    while not engine._compactor._closing.is_set():
        pass
    closing.set()
    thread.join(60)
    assert not thread.is_alive()
    engine = LocalRegions(tmp_path, OPTIONS, ManualClock())
    assert [f.level for f in engine.files(1)] == [0] * 4
    assert len(live_rows(engine)) == 28
    engine.close()


def crashed(engine: LocalRegions) -> None:
    """Ends the engine as a dying process would."""
    engine._compactor.close()
    engine._flusher.close()
    engine._directory_lock.release()


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_a_store_that_fails_at_any_step_of_a_compaction_loses_nothing(
    tmp_path: Path, after: bool, once: bool
) -> None:
    for step in range(1, 100):
        directory = tmp_path / str(step)
        store = FaultyStore(LocalStore(directory, sync=False), after=after, once=once)
        engine = LocalRegions(directory, OPTIONS, ManualClock(), store=store)
        engine.create(1, CPU, UPSERT)
        for start in range(3):
            rows = [row(host, ts, float(start)) for ts in range(start, start + 5) for host in "ab"]
            engine.write([Write(1, Op.PUT, cpu_rows(rows))])
            engine.flush(1)
        expected = live_rows(engine)
        store.fail_from(store.calls + step)
        with suppress(DbError):
            engine.compact(1)
        assert live_rows(engine) == expected
        crashed(engine)
        failures = store.failures
        engine = LocalRegions(directory, OPTIONS, ManualClock())
        assert live_rows(engine) == expected
        engine.compact(1)
        assert live_rows(engine) == expected
        assert len(engine.files(1)) == 1
        engine.close()
        if not failures:
            break
    else:
        pytest.fail("the steps never end")
    assert step > 5


@pytest.mark.parametrize("after", [True, False])
def test_a_store_that_recovers_leaves_no_orphan_for_ever(tmp_path: Path, after: bool) -> None:
    for step in range(1, 12):
        directory = tmp_path / str(step)
        store = FaultyStore(LocalStore(directory, sync=False), after=after, once=True)
        clock = ManualClock(1 << 50)  # files are old at once
        engine = LocalRegions(directory, OPTIONS, clock, store=store)
        engine.create(1, CPU, UPSERT)
        for ts in range(2):
            engine.write([Write(1, Op.PUT, cpu_rows([row("a", ts), row("b", ts)]))])
            engine.flush(1)
        expected = live_rows(engine)
        store.fail_from(store.calls + step)
        with suppress(DbError):
            engine.compact(1)
        engine.compact(1)
        engine.collect(1)
        assert live_rows(engine) == expected
        needed = {file.path for file in engine.files(1)}
        assert {f.path for f in engine.stored(1) if "/sst/" in f.path} == needed
        engine.close()
