"""Seeded histories against the model, and by name what such histories have found."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest
from fix_engine import CPU, cpu_rows, live_rows

sys.path.insert(0, str(Path(__file__).parent))

from simulated_disk import SimulatedDisk
from simulated_run import run_seed

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions


@pytest.mark.parametrize("seed", range(8))
def test_a_history_reads_like_the_model(tmp_path: Path, seed: int) -> None:
    run_seed(seed, tmp_path / "data")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 200, 20))
def test_more_histories_read_like_the_model(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 20):
        run_seed(seed, tmp_path / f"data{seed}")


def test_what_recovery_counts_is_on_the_disk(tmp_path: Path) -> None:
    """Seed 7923: a process dies before its sync, the next one starts, then the power goes."""
    disk = SimulatedDisk(tmp_path, Random(1))

    def opened() -> LocalRegions:
        options = EngineOptions(compaction_threads=0)
        return LocalRegions(tmp_path, options, ManualClock(), store=disk.store, log_folder=disk.log)

    def dies(engine: LocalRegions) -> None:
        engine._compactor.close()
        engine._flusher.close()
        engine._scrubber.close()
        engine._directory_lock.release()

    engine = opened()
    engine.create(1, CPU, RegionOptions())
    before = dict(disk.synced)
    engine.write([Write(1, Op.PUT, cpu_rows([("a", 1, 1, 1.0, "x")]))])
    dies(engine)
    disk.revive()  # the operating system has the record, the disk may not
    disk.synced.update(before)
    engine = opened()
    rows = live_rows(engine)
    dies(engine)
    disk.lose_power()
    engine = opened()
    assert live_rows(engine) == rows
    engine.close()
