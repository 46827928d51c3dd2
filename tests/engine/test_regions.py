"""The engine through its door: what is written is read, across flushes and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pyarrow as pa
import pytest
from fix_engine import COLUMNS, CPU, cpu_keys, cpu_rows, live_rows, pinned

from engine.api import Op, TimeRange, Write
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

APPEND = RegionOptions(append_mode=True)
Row = tuple[str | None, int | None, int, float | None, str | None]


def put(*rows: Row, region: int = 1) -> Write:
    return Write(region, Op.PUT, cpu_rows(list(rows)))


def delete(*keys: tuple, region: int = 1) -> Write:
    return Write(region, Op.DELETE, cpu_keys(list(keys)))


def row(host: str | None, ts: int, value: float | None, core: int | None = 1) -> Row:
    return (host, core, ts, value, None)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., LocalRegions]]:
    """Opens (or reopens) the engine in the test's directory."""
    live: list[LocalRegions] = []

    def opener(**options: int | float) -> LocalRegions:
        if live:
            live.pop().close()
        live.append(LocalRegions(tmp_path, EngineOptions(**options), ManualClock(1000)))  # type: ignore[arg-type]
        return live[0]

    yield opener
    live[0].close()


@pytest.fixture
def regions(opened: Callable[..., LocalRegions]) -> LocalRegions:
    engine = opened()
    engine.create(1, CPU, RegionOptions())
    return engine


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("reopened", [False, True])
def test_rows_are_read_back(opened, flushed: bool, reopened: bool) -> None:
    engine = opened()
    engine.create(1, CPU, RegionOptions())
    rows = [("a", 1, 10, 1.5, "x"), (None, None, -10, None, None)]
    engine.write([put(*rows)])
    if flushed:
        engine.flush(1)
    if reopened:
        engine = opened()
    assert live_rows(engine) == sorted(rows, key=repr)
    assert engine.statistics(1).rows == (2 if flushed else 0)
    assert engine.statistics(1).memtable_rows == (0 if flushed else 2)


def test_a_later_row_replaces_the_one_in_a_file_before_and_after_flush(opened) -> None:
    regions = opened(series_cache_bytes=0)  # files are read by whoever scans
    regions.create(1, CPU, RegionOptions())
    regions.write([put(row("a", 1, 1.0), row("b", 1, 2.0), row(None, 1, 3.0))])
    regions.flush(1)
    regions.write([put(row("a", 1, 9.0), row(None, 1, 8.0))])
    expected = sorted([row("a", 1, 9.0), row("b", 1, 2.0), row(None, 1, 8.0)], key=repr)
    assert live_rows(regions) == expected
    regions.flush(1)
    assert live_rows(regions) == expected
    with pinned(regions) as snapshot:
        assert [f.deleted.to_pylist() if f.deleted else None for f in snapshot.files] == [
            [0, 2],
            None,
        ]
        assert snapshot.shadow is None


def test_a_delete_removes_rows_of_files_and_of_memory(regions) -> None:
    regions.write([put(row("a", 1, 1.0), row("b", 1, 2.0))])
    regions.flush(1)
    regions.write([put(row("c", 1, 3.0)), delete(("a", 1, 1), ("c", 1, 1), ("z", 1, 1))])
    assert live_rows(regions) == [row("b", 1, 2.0)]
    regions.flush(1)
    assert live_rows(regions) == [row("b", 1, 2.0)]
    assert regions.statistics(1).rows == 1


def test_a_file_without_live_rows_disappears(regions, tmp_path: Path) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.flush(1)
    regions.write([delete(("a", 1, 1))])
    regions.flush(1)
    assert regions.statistics(1).files == 0
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_deletion_vector_grows_with_each_flush(regions, tmp_path: Path) -> None:
    regions.write([put(*(row("a", i, 1.0) for i in range(6)))])
    regions.flush(1)
    for i in (4, 0, 2):
        regions.write([delete(("a", 1, i))])
        regions.flush(1)
    with pinned(regions) as snapshot:
        assert snapshot.files[0].deleted.to_pylist() == [0, 2, 4]
    assert [r[2] for r in live_rows(regions)] == [1, 3, 5]
    assert len(list(tmp_path.rglob("*.dv"))) == 1


def test_files_that_no_manifest_names_are_removed_at_the_start(
    regions, opened, tmp_path: Path
) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.flush(1)
    folder = tmp_path / "regions/1/sst"
    kept = {p.name for p in folder.iterdir()}
    for name in ("0000000009.parquet", "0000000001.0000000009.dv", "0000000008.parquet.3.tmp"):
        (folder / name).write_bytes(b"left over")
    assert len(live_rows(opened())) == 1
    assert {p.name for p in folder.iterdir()} == kept


def test_restarts_leave_no_empty_log_segments(opened, tmp_path: Path) -> None:
    for number in range(4):
        opened().create(number, CPU, RegionOptions())
    assert len(list((tmp_path / "wal").iterdir())) <= 2


def test_append_mode_keeps_duplicates_and_deletes_whole_rows(opened) -> None:
    engine = opened(series_cache_bytes=0)
    engine.create(1, CPU, APPEND)
    twice, nan = row("a", 1, 1.0), ("a", 1, 1, float("nan"), None)
    engine.write([put(twice, twice, nan)])
    engine.flush(1)
    engine.write([put(twice)])
    assert len(live_rows(engine)) == 4
    with pinned(engine) as snapshot:
        assert snapshot.identity == COLUMNS
        assert not snapshot.files[0].shadowed
    engine.write([Write(1, Op.DELETE, cpu_rows([twice]))])
    engine.write([put(twice)])
    assert len(live_rows(engine)) == 2
    engine.write([Write(1, Op.DELETE, cpu_rows([nan]))])
    assert live_rows(engine) == [twice]
    engine.flush(1)
    assert live_rows(engine) == [twice]


def test_staged_rows_shadow_stored_ones_for_their_reader_only(regions) -> None:
    regions.write([put(row("a", 1, 1.0), row("b", 1, 2.0))])
    regions.flush(1)
    regions.write([put(row("c", 1, 3.0), row("d", 1, 4.0))])
    staged = (put(row("a", 1, 9.0), row("c", 1, 8.0)), delete(("b", 1, 1), ("d", 1, 1)))
    mine = live_rows(regions, staged=(*staged, put(row("d", 1, 7.0))))
    assert mine == [row("a", 1, 9.0), row("c", 1, 8.0), row("d", 1, 7.0)]
    assert [r[3] for r in live_rows(regions)] == [1.0, 2.0, 3.0, 4.0]


def test_files_and_memory_outside_the_time_range_are_left_out(regions) -> None:
    for start in (0, 100, 200):
        regions.write([put(row("a", start, 1.0), row("a", start + 50, 2.0))])
        if start < 200:
            regions.flush(1)
    with pinned(regions, time_range=TimeRange(100, 151)) as snapshot:
        assert (len(snapshot.files), snapshot.memory.num_rows) == (1, 0)
    with pinned(regions, time_range=TimeRange(None, 0)) as snapshot:
        assert (len(snapshot.files), snapshot.memory.num_rows) == (0, 0)
    with pinned(regions, time_range=TimeRange(151)) as snapshot:
        assert (len(snapshot.files), snapshot.memory.num_rows) == (0, 2)


def test_only_files_that_memory_overlaps_are_shadowed(regions) -> None:
    regions.write([put(row("a", 0, 1.0), row("b", 10, 1.0))])
    regions.flush(1)
    regions.write([put(row("a", 20, 1.0), row("b", 30, 1.0))])
    regions.flush(1)
    regions.write([put(row("a", 30, 2.0), row("a", 40, 2.0), row("a", 50, 2.0))])
    with pinned(regions, columns=("value",)) as snapshot:
        assert [f.shadowed for f in snapshot.files] == [False, True]
        assert snapshot.shadow.to_pydict()["host"] == ["a"]
        assert snapshot.memory.column_names == ["value"]


def test_a_snapshot_keeps_its_files_and_rows(regions, tmp_path: Path) -> None:
    regions.write([put(row("a", 1, 1.0), row("b", 1, 1.0))])
    regions.flush(1)
    regions.write([put(row("b", 1, 5.0))])
    regions.flush(1)
    snapshots = [pinned(regions), pinned(regions)]
    first, second = (s.__enter__() for s in snapshots)
    regions.write([delete(("a", 1, 1), ("b", 1, 1))])
    regions.flush(1)
    assert regions.statistics(1).files == 0
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    first.close()
    first.close()
    assert all(Path(file.path).exists() for file in second.files)
    second.close()
    assert [p.name for p in tmp_path.rglob("*") if p.suffix in (".parquet", ".dv")] == []


def test_one_write_over_several_regions_is_one_record(regions, opened) -> None:
    regions.create(2, CPU, APPEND)
    regions.write([put(row("a", 1, 1.0)), put(row("b", 1, 2.0), region=2)])
    regions.flush(1)
    reopened = opened()
    assert live_rows(reopened, 1) == [row("a", 1, 1.0)]
    assert live_rows(reopened, 2) == [row("b", 1, 2.0)]
    with pytest.raises(DbError) as caught:
        reopened.write([put(row("c", 1, 1.0)), put(row("c", 1, 1.0), region=3)])
    assert caught.value.kind is ErrorKind.REGION_NOT_FOUND
    assert len(live_rows(reopened, 1)) == 1


def test_a_dropped_region_is_gone_for_good(regions, opened, tmp_path: Path) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.flush(1)
    regions.write([put(row("b", 1, 1.0))])
    regions.drop(1)
    regions.drop(1)
    assert regions.region_ids() == frozenset()
    assert not (tmp_path / "regions/1").exists()
    for call in (regions.flush, regions.statistics, lambda i: live_rows(regions, i)):
        with pytest.raises(DbError) as caught:
            call(1)
        assert caught.value.kind is ErrorKind.REGION_NOT_FOUND
    regions.create(1, CPU, RegionOptions())
    regions.write([put(row("c", 1, 1.0))])
    assert live_rows(opened()) == [row("c", 1, 1.0)]


def test_a_drop_waits_with_the_files_for_open_snapshots(regions, opened, tmp_path: Path) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.flush(1)
    with pinned(regions) as snapshot:
        regions.drop(1)
        assert Path(snapshot.files[0].path).exists()
        with pytest.raises(DbError) as caught:
            regions.create(1, CPU, RegionOptions())
        assert caught.value.kind is ErrorKind.REGION_BUSY
    assert opened().region_ids() == frozenset()
    assert not (tmp_path / "regions/1").exists()


def test_a_drop_waits_for_snapshots_of_older_files_too(regions) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.flush(1)
    with pinned(regions) as snapshot:
        regions.write([put(row("a", 1, 2.0))])
        regions.flush(1)  # the snapshot's file leaves the version
        regions.drop(1)
        assert Path(snapshot.files[0].path).exists()


def test_a_region_is_created_once(regions) -> None:
    with pytest.raises(DbError, match="exists already"):
        regions.create(1, CPU, RegionOptions())
    assert regions.region_ids() == {1}


def test_prepared_rows_are_seen_after_commit_only(regions, opened) -> None:
    regions.prepare("t1", [put(row("a", 1, 1.0))])
    regions.prepare("t2", [put(row("b", 1, 1.0))])
    regions.prepare("t3", [put(row("c", 1, 1.0))])
    assert live_rows(regions) == []
    assert regions.prepared() == {"t1", "t2", "t3"}
    with pytest.raises(DbError, match="prepared already"):
        regions.prepare("t1", [])
    regions.commit_prepared("t1")
    regions.abort_prepared("t2")
    for _ in range(2):
        regions.flush(1)  # must keep the segment that t3 needs
        regions = opened()
        assert regions.prepared() == {"t3"}
        assert live_rows(regions) == [row("a", 1, 1.0)]
    regions.write([put(row("c", 1, 0.5), row("d", 1, 1.0))])
    regions.commit_prepared("t3")
    regions = opened()
    assert regions.prepared() == frozenset()
    assert [r[3] for r in live_rows(regions)] == [1.0, 1.0, 1.0]  # c is as of its commit
    for decide in (regions.commit_prepared, regions.abort_prepared):
        with pytest.raises(DbError) as caught:
            decide("t3")
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_a_commit_outlives_the_segment_of_its_prepare(regions, opened) -> None:
    regions.prepare("t", [put(row("a", 1, 1.0))])
    regions = opened()  # the COMMIT goes to another segment than the PREPARE
    regions.commit_prepared("t")
    regions.flush(1)  # frees the first segment, not the one in use
    assert live_rows(opened()) == [row("a", 1, 1.0)]


def test_wrong_rows_are_refused_before_anything_is_logged(regions, opened) -> None:
    no_time = cpu_rows([row("a", 1, 1.0)]).set_column(2, "ts", pa.array([None], pa.timestamp("ms")))
    text = cpu_rows([row("a", 1, 1.0)]).set_column(3, "value", pa.array(["many"]))
    for rows, kind in (
        (no_time, ErrorKind.NOT_NULL_VIOLATION),
        (text, ErrorKind.DATATYPE_MISMATCH),
        (no_time.drop_columns(["host"]), ErrorKind.INVALID_ARGUMENT),
    ):
        with pytest.raises(DbError) as caught:
            regions.write([put(row("x", 1, 1.0)), Write(1, Op.PUT, rows)])
        assert caught.value.kind is kind
    with pytest.raises(DbError) as caught:
        regions.write([Write(1, Op.DELETE, cpu_rows([row("a", 1, 1.0)]))])
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    regions.write([put()])
    assert live_rows(opened()) == []


def test_columns_in_another_order_or_of_a_wider_type_are_fitted(regions) -> None:
    rows = cpu_rows([row("a", 1, 1.0)]).select(list(reversed(COLUMNS)))
    wide = rows.set_column(4, "host", rows["host"].cast(pa.large_string()))
    regions.write([Write(1, Op.PUT, wide)])
    assert live_rows(regions) == [row("a", 1, 1.0)]


def test_memory_over_its_budget_is_flushed_in_the_background(opened) -> None:
    engine = opened(memtable_region_bytes=10_000, stall_seconds=20.0)
    engine.create(1, CPU, RegionOptions())
    for start in range(0, 4000, 100):
        engine.write([put(*(row("a", start + i, 1.0) for i in range(100)))])
    engine.close()
    engine = opened()
    assert engine.statistics(1).files > 0
    assert len(live_rows(engine)) == 4000


def test_a_log_over_its_budget_flushes_whoever_holds_it(opened, tmp_path: Path) -> None:
    engine = opened(wal_segment_bytes=2000, wal_bytes_max=10_000)
    for region in (1, 2):
        engine.create(region, CPU, RegionOptions())
    engine.write([put(row("idle", 1, 1.0), region=2)])
    for i in range(100):
        engine.write([put(row("a", i, 1.0))])
    engine.close()
    engine = opened()
    assert sum(p.stat().st_size for p in (tmp_path / "wal").iterdir()) < 20_000
    assert engine.statistics(2).files == 1
    assert (len(live_rows(engine, 1)), len(live_rows(engine, 2))) == (100, 1)


def test_writers_are_told_to_wait_when_memory_is_full(opened, monkeypatch) -> None:
    engine = opened(memtable_total_bytes=50_000, stall_seconds=0.01)
    engine.create(1, CPU, RegionOptions())

    def never(*_: object) -> int:
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, "no disk")

    monkeypatch.setattr("engine.regions.flush", never)
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            engine.write([put(*(row("a", written + i, 1.0) for i in range(100)))])
            written += 100

    with pytest.raises(DbError) as caught:
        fill()
    assert caught.value.kind is ErrorKind.REGION_BUSY
    assert caught.value.kind.retryable
    assert len(live_rows(engine)) == written > 0
    monkeypatch.undo()
    engine.flush(1)
    engine.write([put(row("b", 1, 1.0))])
    assert len(live_rows(engine)) == written + 1


def test_the_flusher_outlives_failures_of_any_kind(opened, monkeypatch) -> None:
    engine = opened(memtable_region_bytes=10_000, flush_retry_seconds=0.0)
    engine.create(1, CPU, RegionOptions())
    tried = Event()

    def fails(*_: object) -> int:
        tried.set()
        raise ValueError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("engine.regions.flush", fails)
        engine.write([put(*(row("a", i, 1.0) for i in range(300)))])
        assert tried.wait(60)
        while engine._regions[1].health is None:
            tried.wait(0.01)
    while engine.statistics(1).files == 0:
        tried.clear()
        tried.wait(0.01)
    assert len(live_rows(engine)) == 300


def test_a_write_above_the_limit_is_refused(opened) -> None:
    engine = opened(write_bytes_max=100)
    engine.create(1, CPU, RegionOptions())
    with pytest.raises(DbError) as caught:
        engine.write([put(*(row("a", i, 1.0) for i in range(100)))])
    assert caught.value.kind is ErrorKind.LIMIT_EXCEEDED


def test_after_close_every_call_says_so(regions) -> None:
    regions.close()
    for call in (
        lambda: regions.write([put(row("a", 1, 1.0))]),
        lambda: regions.flush(1),
        lambda: regions.create(2, CPU, RegionOptions()),
        lambda: regions.drop(1),
        lambda: live_rows(regions),
    ):
        with pytest.raises(DbError) as caught:
            call()
        assert caught.value.kind is ErrorKind.SHUTTING_DOWN


def test_one_owner_per_directory(regions, tmp_path: Path) -> None:
    with pytest.raises(DbError, match="in use by the process with pid"):
        LocalRegions(tmp_path, EngineOptions(), ManualClock())
    assert live_rows(regions) == []


def test_a_flipped_bit_in_the_log_stops_the_start(regions, opened, tmp_path: Path) -> None:
    regions.write([put(row("a", 1, 1.0))])
    regions.close()
    file = sorted((tmp_path / "wal").iterdir())[0]
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(DbError) as caught:
        LocalRegions(tmp_path, EngineOptions(), ManualClock())
    assert caught.value.kind is ErrorKind.CORRUPTED
    assert file.name in caught.value.message


def test_concurrent_writers_readers_and_flushes_agree(regions) -> None:
    failures: list[BaseException] = []

    def write(host: str) -> None:
        try:
            for i in range(40):
                regions.write([put(row(host, i, float(i)), row(host, i, 0.5))])
        except BaseException as error:
            failures.append(error)
            raise

    threads = [Thread(target=write, args=(f"h{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        rows = live_rows(regions)
        assert len({r[:3] for r in rows}) == len(rows) >= seen
        assert {r[3] for r in rows} <= {0.5}
        seen = len(rows)
        regions.flush(1)
    assert not failures
    assert len(live_rows(regions)) == 160


def test_what_was_discarded_does_not_come_back(opened) -> None:
    engine = opened()
    engine.create(1, CPU, RegionOptions())
    engine.write([put(row("a", 1, 1.0), row("b", 1, 1.0))])
    engine.flush(1)
    engine.write([put(row("a", 1, 2.0), row("c", 1, 1.0)), delete(("b", 1, 1))])
    engine.discard_unflushed(1)
    engine.write([put(row("d", 1, 4.0))])
    expected = [row("a", 1, 1.0), row("b", 1, 1.0), row("d", 1, 4.0)]
    assert live_rows(engine) == expected
    assert live_rows(opened()) == expected


def test_nothing_to_discard_changes_nothing(regions: LocalRegions) -> None:
    regions.discard_unflushed(1)
    regions.write([put(row("a", 1, 1.0))])
    assert live_rows(regions) == [row("a", 1, 1.0)]
    with pytest.raises(DbError) as caught:
        regions.discard_unflushed(7)
    assert caught.value.kind is ErrorKind.REGION_NOT_FOUND
