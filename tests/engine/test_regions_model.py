"""Random writes, deletes, flushes, restarts and transactions against a plain dictionary."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionOptions

# A quick disk-less mode is not needed to find logic errors; small limits make files and segments.
OPTIONS = EngineOptions(
    wal_segment_bytes=4000, row_group_rows=7, manifest_checkpoint_actions=3, sync=False
)
HOSTS = st.sampled_from(["a", "b", None])
KEYS = st.tuples(HOSTS, st.sampled_from([1, None]), st.integers(0, 5))
VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, None])
ROWS = st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ROWS),
        st.tuples(st.just("delete"), ROWS),
        st.tuples(st.just("update"), ROWS),
        st.tuples(st.just("prepare"), ROWS),
        st.tuples(st.sampled_from(["commit", "abort", "flush", "reopen", "scan"]), st.none()),
    ),
    max_size=14,
)


def row_of(key: tuple, value: float | None) -> tuple:
    return (*key, value, None)


def same(value: float | None) -> Any:
    """A value's spelling for comparison: NaN equals NaN and 0.0 equals -0.0."""
    if value is None:
        return None
    return "NaN" if math.isnan(value) else value + 0.0


class Upsert:
    """The model of an upsert region: identity -> value."""

    options = RegionOptions()

    def __init__(self) -> None:
        self.rows: dict[tuple, float | None] = {}

    def put(self, rows: list[tuple]) -> None:
        self.rows.update(rows)

    def delete(self, rows: list[tuple]) -> None:
        for key, _ in rows:
            self.rows.pop(key, None)

    def delete_write(self, rows: list[tuple]) -> Write:
        return Write(1, Op.DELETE, cpu_keys([key for key, _ in rows]))

    def all(self) -> list[tuple]:
        return [row_of(key, same(value)) for key, value in self.rows.items()]


class Partial(Upsert):
    """The model of an upsert region whose NULLs leave the older value."""

    options = RegionOptions(merge_mode=MergeMode.LAST_NON_NULL)

    def put(self, rows: list[tuple]) -> None:
        for key, value in rows:
            self.rows[key] = self.rows.get(key) if value is None else value


class Append:
    """The model of an append-only region: a list of rows."""

    options = RegionOptions(append_mode=True)

    def __init__(self) -> None:
        self.rows: list[tuple] = []

    def put(self, rows: list[tuple]) -> None:
        self.rows += [row_of(key, same(value)) for key, value in rows]

    def delete(self, rows: list[tuple]) -> None:
        gone = {row_of(key, same(value)) for key, value in rows}
        self.rows = [row for row in self.rows if row not in gone]

    def delete_write(self, rows: list[tuple]) -> Write:
        return Write(1, Op.DELETE, cpu_rows([row_of(*row) for row in rows]))

    def all(self) -> list[tuple]:
        return self.rows


class Machine:
    """Does each step to the engine and to the model."""

    def __init__(self, directory: Path, model: Upsert | Append) -> None:
        self.directory = directory
        self.model = model
        self.engine = self.open()
        self.engine.create(1, CPU, model.options)
        self.prepared: list[tuple[str, list[tuple]]] = []
        self.transactions = 0

    def open(self) -> LocalRegions:
        return LocalRegions(self.directory, OPTIONS, ManualClock())

    def run(self, step: str, rows: list[tuple] | None) -> None:
        getattr(self, step)(*([rows] if rows is not None else []))

    def put_write(self, rows: list[tuple]) -> Write:
        return Write(1, Op.PUT, cpu_rows([row_of(*row) for row in rows]))

    def put(self, rows: list[tuple]) -> None:
        self.engine.write([self.put_write(rows)])
        self.model.put(rows)

    def delete(self, rows: list[tuple]) -> None:
        self.engine.write([self.model.delete_write(rows)])
        self.model.delete(rows)

    def update(self, rows: list[tuple]) -> None:
        writes = (self.model.delete_write(rows), self.put_write(rows))
        expected = self.model.__class__()
        expected.rows = self.model.rows.copy()
        expected.delete(rows)
        expected.put(rows)
        assert self.live(staged=writes) == sorted(expected.all(), key=repr)
        self.engine.write(writes)
        self.model = expected

    def prepare(self, rows: list[tuple]) -> None:
        self.transactions += 1
        name = f"t{self.transactions}"
        self.engine.prepare(name, [self.put_write(rows)])
        self.prepared.append((name, rows))

    def commit(self) -> None:
        if self.prepared:
            name, rows = self.prepared.pop()
            self.engine.commit_prepared(name)
            self.model.put(rows)

    def abort(self) -> None:
        if self.prepared:
            self.engine.abort_prepared(self.prepared.pop(0)[0])

    def flush(self) -> None:
        self.engine.flush(1)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self.open()
        assert self.engine.prepared() == {name for name, _ in self.prepared}

    def scan(self) -> None:
        assert self.live() == sorted(self.model.all(), key=repr)

    def live(self, staged: tuple[Write, ...] = ()) -> list[tuple]:
        rows = live_rows(self.engine, staged=staged)
        return sorted(((*r[:3], same(r[3]), r[4]) for r in rows), key=repr)


def run_steps(directory: Path, model: Upsert | Append, steps: list[tuple]) -> None:
    machine = Machine(directory, model)
    for step, rows in [*steps, ("scan", None), ("flush", None), ("reopen", None), ("scan", None)]:
        machine.run(step, rows)
    machine.engine.close()


@pytest.mark.parametrize("model", [Upsert, Partial, Append])
@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_any_history_reads_like_the_model(
    tmp_path_factory: pytest.TempPathFactory, model: type, steps: list[tuple]
) -> None:
    run_steps(tmp_path_factory.mktemp("model"), model(), steps)


@pytest.mark.slow
@pytest.mark.parametrize("model", [Upsert, Partial, Append])
@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_many_histories_read_like_the_model(
    tmp_path_factory: pytest.TempPathFactory, model: type, steps: list[tuple]
) -> None:
    run_steps(tmp_path_factory.mktemp("model"), model(), steps)
