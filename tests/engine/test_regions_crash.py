"""Crashes and failing disks: what was acknowledged is there afterwards, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fix_engine import CPU, FaultyLogFolder, cpu_keys, cpu_rows, live_rows

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.errors import DbError
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.store import LocalStore
from engine.store.faulty import FaultyStore
from engine.wal.segments import LocalLogFolder

OPTIONS = EngineOptions(wal_segment_bytes=3000, manifest_checkpoint_actions=2)
QUICK = replace(OPTIONS, sync=False)  # where only the process dies


def put(*rows: tuple) -> Write:
    return Write(1, Op.PUT, cpu_rows([(*row, None) for row in rows]))


def crash(engine: LocalRegions) -> None:
    """Ends the engine as a dying process would: nothing is written any more."""
    engine._compactor.close()
    engine._flusher.close()
    engine._directory_lock.release()


def test_a_log_larger_than_memory_is_flushed_while_it_is_read_back(tmp_path: Path) -> None:
    engine = LocalRegions(tmp_path, QUICK, ManualClock())
    engine.create(1, CPU, RegionOptions())
    rows = [("h", i, 10 * i, float(i)) for i in range(200)]
    for start in range(0, 200, 20):
        engine.write([put(*rows[start : start + 20])])
    crash(engine)
    small = replace(QUICK, memtable_total_bytes=2000)
    engine = LocalRegions(tmp_path, small, ManualClock())
    assert engine.statistics(1).files > 1
    assert live_rows(engine) == sorted(((*row, None) for row in rows), key=repr)
    engine.close()


def history(engine: LocalRegions) -> list[tuple]:
    """Puts, overwrites and deletes with flushes between; failures of flush change no answer."""
    model: dict[tuple, float] = {}
    for generation in range(4):
        rows = {("h", i, 10 * generation + i): float(i) for i in range(5)}
        rows |= {("h", 0, 0): 100.0 + generation}
        engine.write([put(*((*key, value) for key, value in rows.items()))])
        model |= rows
        gone = ("h", 4, 10 * generation + 4)
        engine.write([Write(1, Op.DELETE, cpu_keys([gone, ("h", 1, 1)]))])
        model.pop(gone)
        model.pop(("h", 1, 1), None)
        with suppress(DbError):
            engine.flush(1)
        expected = sorted(((*key, value, None) for key, value in model.items()), key=repr)
        assert live_rows(engine) == expected
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_a_store_that_fails_at_any_step_of_a_flush_loses_nothing(
    tmp_path: Path, after: bool, once: bool
) -> None:
    """Walks the failing step through the whole history until no step fails."""
    fail_at = 2  # the first change is the creation of the region
    while True:
        directory = tmp_path / str(fail_at)
        store = FaultyStore(
            LocalStore(directory, sync=False), fail_at=fail_at, after=after, once=once
        )
        engine = LocalRegions(directory, QUICK, ManualClock(), store=store)
        engine.create(1, CPU, RegionOptions())
        expected = history(engine)
        crash(engine)
        for _ in range(2):
            engine = LocalRegions(directory, QUICK, ManualClock())
            assert live_rows(engine) == expected
            engine.flush(1)
            assert live_rows(engine) == expected
            crash(engine)
        kept = {p.name for p in (directory / "regions/1/sst").iterdir()}
        engine = LocalRegions(directory, OPTIONS, ManualClock())
        assert kept == {Path(p).name for p in engine._regions[1].version.paths()}
        engine.close()
        if store.failures == 0:
            return
        shutil.rmtree(directory)
        fail_at += 1


@pytest.mark.slow
@pytest.mark.parametrize("fail_count", [1, 2])
def test_a_log_disk_that_fails_at_any_step_loses_no_acknowledged_row(
    tmp_path: Path, fail_count: int
) -> None:
    fail_at = 2
    while True:
        directory = tmp_path / str(fail_at)
        folder = FaultyLogFolder(
            LocalLogFolder(directory / "wal"), fail_at=fail_at, fail_count=fail_count, torn=True
        )
        engine = LocalRegions(directory, OPTIONS, ManualClock(), log_folder=folder)
        engine.create(1, CPU, RegionOptions())
        acknowledged = []
        for i in range(12):
            try:
                engine.write([put(("h", 1, i, float(i)))])
            except DbError:
                continue
            acknowledged.append(("h", 1, i, float(i), None))
        assert live_rows(engine) == sorted(acknowledged, key=repr)
        crash(engine)
        engine = LocalRegions(directory, OPTIONS, ManualClock())
        assert live_rows(engine) == sorted(acknowledged, key=repr)
        engine.close()
        if len(folder.calls) < fail_at:
            assert len(acknowledged) == 12
            return
        fail_at += 1


def test_a_drop_that_fails_half_way_is_finished_at_the_next_start(tmp_path: Path) -> None:
    fail_at = 1
    while True:
        directory = tmp_path / str(fail_at)
        engine = LocalRegions(directory, OPTIONS, ManualClock())
        engine.create(1, CPU, RegionOptions())
        engine.write([put(("h", 1, 1, 1.0))])
        engine.flush(1)
        engine.write([put(("h", 1, 2, 1.0))])
        engine.close()
        store = FaultyStore(LocalStore(directory), fail_at=fail_at)
        engine = LocalRegions(directory, OPTIONS, ManualClock(), store=store)
        dropped = True
        try:
            engine.drop(1)
        except DbError:
            dropped = fail_at > 1  # the first step is the marker that decides
        crash(engine)
        engine = LocalRegions(directory, OPTIONS, ManualClock())
        assert engine.region_ids() == (frozenset() if dropped else {1})
        assert dropped or len(live_rows(engine)) == 2
        assert dropped != (directory / "regions/1").exists()
        engine.close()
        if store.failures == 0:
            return
        fail_at += 1


CHILD = """
import json, sys
from pathlib import Path
from threading import Thread
import pyarrow as pa
from engine.api import Op, Write
from engine.clock import SystemClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from fix_engine import cpu_rows

options = EngineOptions(memtable_region_bytes=40_000, wal_segment_bytes=20_000)
engine = LocalRegions(Path(sys.argv[1]), options, SystemClock())

def write(host):
    start = int(sys.argv[2])
    for i in range(start, start + 100_000):
        rows = [(host, region, i, float(i), None) for region in range(5)]
        engine.write([Write(1, Op.PUT, cpu_rows(rows)), Write(2, Op.PUT, cpu_rows(rows))])
        sys.stdout.write(json.dumps([host, i]) + "\\n")
        sys.stdout.flush()

for host in ("x", "y"):
    Thread(target=write, args=(host,), daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.slow
def test_kill_9_of_a_writer_keeps_every_acknowledged_write_whole(tmp_path: Path) -> None:
    engine = LocalRegions(tmp_path, OPTIONS, ManualClock())
    engine.create(1, CPU, RegionOptions())
    engine.create(2, CPU, RegionOptions())
    engine.close()
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "tests")])
    acknowledged: set[tuple[str, int]] = set()
    for round_ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(round_ * 1_000_000)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(50 + 150 * round_)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.communicate()
        whole = [line for line in lines if line.endswith(b"\n")]
        acknowledged |= {(host, i) for host, i in map(json.loads, whole)}
        engine = LocalRegions(tmp_path, OPTIONS, ManualClock())
        first, second = live_rows(engine, 1), live_rows(engine, 2)
        engine.close()
        assert first == second, "a write over two regions came back in part"
        writes = {(r[0], r[2]) for r in first}
        assert len(first) == 5 * len(writes)
        assert acknowledged <= writes
        # Each thread may have had one write under way that nobody heard of.
        assert len(writes - acknowledged) <= 2 * (round_ + 1)
