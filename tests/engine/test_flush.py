"""Flush: what becomes of a memtable, and of the rows in older files that it replaces."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows
from patience import wait_until

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.compaction.windows import HOUR_MS
from engine.errors import DbError, ErrorKind
from engine.flush import flush_held
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.sst import lookup
from engine.sst.file import FileMeta
from engine.sst.lookup import Positions

LAST_MS = 253_402_300_799_999  # the end of the year 9999
Opener = Callable[..., LocalRegions]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    engines: list[LocalRegions] = []

    def open_(region: RegionOptions | None = None, **numbers: float) -> LocalRegions:
        options = EngineOptions(sync=False, compaction_threads=0, **numbers)  # type: ignore[arg-type]
        engine = LocalRegions(tmp_path, options, ManualClock())
        engines.append(engine)
        if 1 not in engine.region_ids():
            engine.create(1, CPU, region or RegionOptions())
        return engine

    yield open_
    for engine in engines:
        engine.close()


def put(engine: LocalRegions, rows: list[tuple]) -> None:
    engine.write([Write(1, Op.PUT, cpu_rows(rows))])


def files(engine: LocalRegions) -> tuple[FileMeta, ...]:
    return engine._regions[1].version.files


def stored(engine: LocalRegions, file: FileMeta) -> pa.Table:
    return pq.read_table(engine._store.local_path(file.path))


def wait_for_files(engine: LocalRegions, count: int) -> None:
    wait_until(lambda: len(files(engine)) >= count)


def test_a_file_stays_in_one_window(opened) -> None:
    engine = opened(RegionOptions(window_ms=HOUR_MS))
    hosts = [f"h{i:05}" for i in range(12_000)]
    rows = [
        (host, 1, hour * HOUR_MS + i, 1.0, "") for hour in (3, 1) for i, host in enumerate(hosts)
    ]
    random.Random(1).shuffle(rows)
    put(engine, rows)
    engine.flush(1)
    assert [(f.time_min // HOUR_MS, f.time_max // HOUR_MS) for f in files(engine)] == [
        (1, 1),
        (3, 3),
    ]
    for file in files(engine):
        assert stored(engine, file)["host"].to_pylist() == hosts
        assert (file.rows, file.key_min, file.key_max) == (12_000, hosts[0], hosts[-1])
    assert live_rows(engine) == sorted(rows, key=repr)


def test_the_first_flush_infers_the_window_and_stray_times_break_nothing(opened) -> None:
    engine = opened()
    rows = [("a", 1, 1000 * i, 1.0, "") for i in range(3000)]
    put(engine, [*rows, ("a", 1, LAST_MS, 2.0, ""), ("a", 1, -LAST_MS, 3.0, "")])
    engine.flush(1)
    assert engine._regions[1].version.window_ms == HOUR_MS
    assert len(files(engine)) <= 2
    engine.close()
    again = opened()
    assert len(live_rows(again)) == 3002
    put(again, [("a", 1, LAST_MS, 4.0, "")])
    again.flush(1)
    assert [r[3] for r in live_rows(again) if r[2] == LAST_MS] == [4.0]


def test_row_groups_have_the_rows_that_the_region_asks_for(opened) -> None:
    engine = opened(RegionOptions(row_group_rows=100))
    put(engine, [("a", 1, i, 1.0, "") for i in range(250)])
    engine.flush(1)
    metadata = pq.read_metadata(engine._store.local_path(files(engine)[0].path))
    assert [metadata.row_group(i).num_rows for i in range(3)] == [100, 100, 50]
    assert files(engine)[0].row_groups == 3


def test_a_full_memtable_becomes_a_file_by_itself_and_the_next_one_waits(opened) -> None:
    engine = opened(RegionOptions(write_buffer_bytes=50_000))
    for start in range(0, 2000, 100):
        put(engine, [("a", 1, start + i, 1.0, "x" * 50) for i in range(100)])
    wait_for_files(engine, 3)
    assert all(file.rows >= 300 for file in files(engine))
    assert len(live_rows(engine)) == 2000


@pytest.mark.parametrize("append_mode", [False, True])
def test_rows_are_sorted_and_of_equal_keys_the_last_written_stays(opened, append_mode) -> None:
    engine = opened(RegionOptions(append_mode=append_mode))
    rng = random.Random(7)
    hosts = ["a", "b", "", "ä", None, *(f"h{i}" for i in range(3000))]
    rows = [
        (rng.choice(hosts), rng.choice([1, 2, None]), rng.randrange(5), float(number), "")
        for number in range(6000)
    ]
    for start in range(0, len(rows), 700):
        put(engine, rows[start : start + 700])
        if rng.random() < 0.3:
            live_rows(engine)  # part of the rows are in the view already
    engine.flush(1)
    table = stored(engine, files(engine)[0])
    key = [
        ((h is None, (h or "").encode()), (c is None, c or 0), t)
        for h, c, t in zip(*(table[n].to_pylist() for n in ("host", "core", "ts")), strict=True)
    ]
    assert key == sorted(key)
    expected = rows if append_mode else list({row[:3]: row for row in rows}.values())
    assert live_rows(engine) == sorted(expected, key=repr)
    if append_mode:  # equal keys keep their order
        again = [(k, v) for k, v in zip(key, table["value"].to_pylist(), strict=True)]
        assert again == sorted(again)


def test_waiting_memtables_are_written_together_and_published_in_order(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(RegionOptions(window_ms=HOUR_MS, write_buffer_bytes=10_000))
    with monkeypatch.context() as patch:
        patch.setattr("engine.regions.choose_flush", lambda *_, **__: None)
        for value in range(4):
            put(engine, [("a", 1, i, float(value), "x" * 50) for i in range(100)])
    assert len(engine._regions[1].state().memtables) > 3
    region = engine._regions[1]
    with region.maintenance, region.still():  # as an ALTER flushes
        flush_held(region, engine._tools, engine._freed(region))
    assert [file.last_sequence for file in files(engine)] == sorted(
        file.last_sequence for file in files(engine)
    )
    assert live_rows(engine) == sorted([("a", 1, i, 3.0, "x" * 50) for i in range(100)], key=repr)
    assert sum(file.live_rows for file in files(engine)) == 100
    assert engine._budget.used == 0


def test_a_failed_flush_leaves_no_files_of_those_behind_it(
    opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(RegionOptions(window_ms=HOUR_MS, write_buffer_bytes=10_000))
    monkeypatch.setattr("engine.regions.choose_flush", lambda *_, **__: None)
    for value in range(4):
        put(engine, [("a", 1, i, float(value), "x" * 50) for i in range(100)])

    def fails(*_: object) -> None:
        raise DbError(ErrorKind.DISK_FULL, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("engine.flush.shadowed", fails)
        for _ in range(3):
            with pytest.raises(DbError, match="no space"):
                engine.flush(1)
    assert len(list(tmp_path.glob("regions/1/sst/*.parquet"))) <= 3  # of the oldest memtable
    engine.flush(1)
    assert live_rows(engine) == sorted([("a", 1, i, 3.0, "x" * 50) for i in range(100)], key=repr)


def test_flushes_over_the_same_times_replace_exactly_what_they_repeat(opened) -> None:
    engine = opened()
    rng = random.Random(3)
    model: dict[tuple, tuple] = {}
    for number in range(12):
        keys = {
            (rng.choice([f"h{rng.randrange(600)}", None]), rng.choice([1, None]), rng.randrange(2))
            for _ in range(400)
        }
        rows = [(*key, float(number), None) for key in sorted(keys, key=repr)]
        put(engine, rows)
        model.update((row[:3], row) for row in rows)
        if number % 4 == 3:
            gone = rng.sample(sorted(model, key=repr), 50)
            engine.write([Write(1, Op.DELETE, cpu_keys(gone))])
            for key in gone:
                del model[key]
        engine.flush(1)
    assert live_rows(engine) == sorted(model.values(), key=repr)
    assert sum(file.live_rows for file in files(engine)) == len(model)


def test_files_are_not_read_again_for_rows_they_do_not_have(opened, monkeypatch) -> None:
    engine = opened()
    for number in range(3):
        put(engine, [(f"h{number}-{i}", 1, 5, 1.0, "") for i in range(500)])
        engine.flush(1)
    looked_up: list[str] = []
    positions = lookup.positions

    def counted(path: str, *arguments: object) -> Positions:
        looked_up.append(path)
        return positions(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lookup, "positions", counted)
    put(engine, [(f"new{i}", 1, 5, 1.0, "") for i in range(500)])
    engine.flush(1)
    assert looked_up == []
    put(engine, [*((f"more{i}", 1, 5, 1.0, "") for i in range(500)), ("h1-7", 1, 5, 2.0, "")])
    engine.flush(1)
    assert looked_up == [engine._store.local_path(files(engine)[1].path)]
    assert [f.deletion.count if f.deletion else 0 for f in files(engine)] == [0, 1, 0, 0, 0]


def test_a_late_batch_marks_its_rows_in_every_row_group(opened) -> None:
    engine = opened(RegionOptions(row_group_rows=100))
    put(engine, [(f"h{i // 10:02}", 1, i % 10, 1.0, "") for i in range(500)])
    engine.flush(1)
    put(engine, [(f"h{i:02}", 1, 9, 2.0, "") for i in range(0, 50, 7)])
    engine.flush(1)
    vector = engine._vectors.positions(files(engine)[0])
    assert vector.tolist() == np.arange(9, 500, 70).tolist()


def test_writes_of_different_sizes_keep_their_order(opened: Opener) -> None:
    """Small writes are merged by size, so rows of a merged part are not in order of arrival."""
    engine = opened()
    for number in range(17):  # sixteen single rows become one part, which begins before the large
        others = [("b", 1, ts, float(number), None) for ts in range(59 if number == 15 else 0)]
        put(engine, [("a", 1, 0, float(number), None), *others])
    engine.flush(1)
    assert ("a", 1, 0, 16.0, None) in live_rows(engine)
