"""Random writes, compactions of every kind, restarts and a moving clock against a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, rows_in
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Op, TimeRange, Write
from engine.clock import ManualClock
from engine.compaction import plan
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionOptions

# Two rows of a group, two lanes of a pass and two inputs of a merge make many of each.
OPTIONS = EngineOptions(
    row_group_rows=3,
    manifest_checkpoint_actions=3,
    compaction_threads=0,
    compaction_memory_bytes=1,
    compaction_settle_seconds=0.002,
    sync=False,
)
START = 1000  # ms
KEYS = st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, None]), st.integers(0, 11))
ROWS = st.lists(
    st.tuples(KEYS, st.sampled_from([1.0, 2.0, None]), st.sampled_from(["x", None])),
    min_size=1,
    max_size=10,
)
WINDOWS = st.sampled_from([1, 2, 3, 5])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put", "delete", "update"]), ROWS),
        st.tuples(st.just("flush"), st.none()),
        st.tuples(st.just("due"), st.integers(1, 9)),
        st.tuples(st.sampled_from(["strict", "within"]), WINDOWS),
        st.tuples(st.sampled_from(["compact", "flush", "reopen", "scan", "stop_flush"]), st.none()),
        st.tuples(st.just("advance"), st.integers(1, 4)),
    ),
    max_size=18,
)
Row = tuple[str | None, int | None, int, float | None, str | None]


class Model:
    """What a region should show: rows in order of arrival, or by identity."""

    def __init__(self, options: RegionOptions) -> None:
        self.options = options
        self.rows: list[Row] = []

    def put(self, rows: list[Row]) -> None:
        for new in rows:
            merged = new
            if not self.options.append_mode:
                old = next((r for r in self.rows if r[:3] == new[:3]), None)
                if old is not None:
                    self.rows.remove(old)
                    if self.options.merge_mode is MergeMode.LAST_NON_NULL:
                        fields = zip(new[3:], old[3:], strict=True)
                        merged = (*new[:3], *(n if n is not None else o for n, o in fields))
            self.rows.append(merged)

    def delete(self, rows: list[Row]) -> None:
        width = 5 if self.options.append_mode else 3
        gone = {row[:width] for row in rows}
        self.rows = [row for row in self.rows if row[:width] not in gone]

    def expire(self, now_ms: int) -> None:
        ttl = self.options.ttl_ms
        if ttl is not None:
            self.rows = [row for row in self.rows if row[2] >= now_ms - ttl]


class Machine:
    """Does each step to the engine and to the model."""

    def __init__(self, directory: Path, options: RegionOptions) -> None:
        self.directory = directory
        self.clock = ManualClock(START)
        self.model = Model(options)
        self.engine = self.open()
        self.engine.create(1, CPU, options)

    def open(self) -> LocalRegions:
        return LocalRegions(self.directory, OPTIONS, self.clock)

    def run(self, step: str, argument: object) -> None:
        call: Callable[..., None] = getattr(self, step)
        call(*([argument] if argument is not None else []))
        self.model.expire(self.clock.now_ms())

    def rows(self, rows: list[tuple]) -> list[Row]:
        """Times are near the present, so that some of them expire."""
        return [(*key[:2], START - 6 + key[2], value, note) for key, value, note in rows]

    def put(self, rows: list[tuple]) -> None:
        self.engine.write([self.put_write(self.rows(rows))])
        self.model.put(self.rows(rows))

    def delete(self, rows: list[tuple]) -> None:
        self.engine.write([self.delete_write(self.rows(rows))])
        self.model.delete(self.rows(rows))

    def update(self, rows: list[tuple]) -> None:
        own = self.rows(rows)
        self.engine.write([self.delete_write(own), self.put_write(own)])
        self.model.delete(own)
        self.model.put(own)

    def put_write(self, rows: list[Row]) -> Write:
        return Write(1, Op.PUT, cpu_rows(list(rows)))

    def delete_write(self, rows: list[Row]) -> Write:
        append = self.model.options.append_mode
        return Write(
            1, Op.DELETE, cpu_rows(list(rows)) if append else cpu_keys([r[:3] for r in rows])
        )

    def flush(self) -> None:
        self.engine.flush(1)

    def compact(self) -> None:
        self.engine.compact(1)
        self.check_folder()

    def strict(self, window: int) -> None:
        self.engine.compact(1, window, strict=True)
        files = self.engine.files(1)
        assert all(f.time_min // window == f.time_max // window for f in files)
        self.check_folder()

    def within(self, window: int) -> None:
        self.engine.compact(1, window, time_range=TimeRange(START - 3, START + 3))

    def due(self, count: int) -> None:
        for _ in range(count):
            if not self.engine.compact_due(1):
                break
        self.check_folder()

    def stop_flush(self) -> None:
        """The memtable stays over a restart: the log has it."""
        self.engine.close()
        self.engine = self.open()
        self.engine.flush(1)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self.open()

    def advance(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    def scan(self) -> None:
        self.model.expire(self.clock.now_ms())
        assert rows_in(self.engine, CPU) == sorted(self.model.rows, key=repr)

    def check_folder(self) -> None:
        """Files and vectors of the region are exactly what is stored of it."""
        files = self.engine.files(1)
        needed = {f.path for f in files} | {f.vector_path for f in files if f.vector_path}
        assert {f.path for f in self.engine.stored(1) if "/sst/" in f.path} == needed


MODES = {
    "upsert": RegionOptions(window_ms=3),
    "upsert-ttl": RegionOptions(window_ms=2, ttl_ms=6, trigger_files=2),
    "append": RegionOptions(append_mode=True, window_ms=4, max_output_bytes=1),
    "append-ttl": RegionOptions(append_mode=True, window_ms=3, ttl_ms=5, trigger_files=2),
    "partial": RegionOptions(merge_mode=MergeMode.LAST_NON_NULL, window_ms=3, trigger_files=3),
    "partial-ttl": RegionOptions(merge_mode=MergeMode.LAST_NON_NULL, ttl_ms=6),
}


def run_steps(directory: Path, options: RegionOptions, steps: list[tuple]) -> None:
    machine = Machine(directory, options)
    last = [("scan", None), ("flush", None), ("compact", None), ("scan", None)]
    for step, argument in [*steps, *last, ("reopen", None), ("scan", None)]:
        machine.run(step, argument)
    machine.engine.close()


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=8, deadline=None)
@given(steps=STEPS)
def test_any_history_with_compactions_reads_like_the_model(
    tmp_path_factory: pytest.TempPathFactory, mode: str, steps: list[tuple]
) -> None:
    run_steps(tmp_path_factory.mktemp("model"), MODES[mode], steps)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_many_histories_with_compactions_read_like_the_model(
    tmp_path_factory: pytest.TempPathFactory, mode: str, steps: list[tuple]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "LANES_MAX", 2)
        run_steps(tmp_path_factory.mktemp("model"), MODES[mode], steps)
