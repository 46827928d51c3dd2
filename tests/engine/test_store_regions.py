"""The whole engine over an object store: restarts, lost caches, late writes, two owners."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from fault_proxy import FaultProxy, answers, lands_late, loses_answer
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows, pinned
from fix_store import s3_options

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.errors import DbError
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.store.backends import make_cloud
from engine.store.cloud import Cloud
from engine.store.options import StorageOptions

OPTIONS = EngineOptions(manifest_checkpoint_actions=3, sync=False)
MANY_FILES = RegionOptions(trigger_files=1000)  # compaction would take requests of its own


class Node:
    """One data directory whose regions live in a root of a bucket."""

    def __init__(self, directory: Path, storage: StorageOptions) -> None:
        self.directory = directory
        self.storage = storage
        self.options = OPTIONS
        self.clock = ManualClock()
        self.open_ones: list[LocalRegions] = []

    def start(self) -> LocalRegions:
        regions = LocalRegions(self.directory, self.options, self.clock, storage=self.storage)
        self.open_ones.append(regions)
        return regions

    def crash(self, regions: LocalRegions) -> None:
        """Ends the engine as a dying process would: nothing is written any more."""
        regions._flusher.close()
        regions._directory_lock.release()
        self.open_ones.remove(regions)

    def stop(self) -> None:
        while self.open_ones:
            self.open_ones.pop().close()

    def lose_cache(self) -> None:
        shutil.rmtree(self.directory / "cache")

    @property
    def cloud(self) -> Cloud:
        return make_cloud(self.storage)

    def files(self, suffix: str = ".parquet") -> set[str]:
        return {path for path in self.cloud.list("regions") if path.endswith(suffix)}


@pytest.fixture
def node(proxy: FaultProxy, tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path, s3_options(proxy.url, request=5.0, retry=0.5))
    yield made
    proxy.clear()
    made.stop()


def put(*rows: tuple, region: int = 1) -> Write:
    return Write(region, Op.PUT, cpu_rows([(*row, None) for row in rows]))


def full(*rows: tuple) -> list[tuple]:
    return sorted(((*row, None) for row in rows), key=repr)


@pytest.mark.slow
def test_a_region_lives_in_the_bucket_alone(node: Node) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.create(2, CPU, MANY_FILES)
    regions.write([put(("a", 1, 1, 1.0), ("a", 1, 2, 2.0), ("b", 1, 1, 3.0))])
    regions.flush(1)
    regions.write([put(("a", 1, 2, 9.0)), Write(1, Op.DELETE, cpu_keys([("b", 1, 1)]))])
    regions.write([put(("c", 1, 1, 1.0), region=2)])
    regions.flush(1)
    regions.write([put(("d", 1, 1, 4.0))])
    expected = full(("a", 1, 1, 1.0), ("a", 1, 2, 9.0), ("d", 1, 1, 4.0))
    assert live_rows(regions) == expected
    assert len(node.files()) == 2
    assert len(node.files(".dv")) == 1
    assert not (node.directory / "regions").exists()
    for is_cold in (False, True):
        node.stop()
        if is_cold:
            node.lose_cache()
        regions = node.start()
        assert live_rows(regions) == expected
        assert live_rows(regions, 2) == full(("c", 1, 1, 1.0))
    regions.flush(2)
    regions.drop(1)
    assert {path.split("/")[1] for path in node.cloud.list("regions")} == {"2"}
    assert not list((node.directory / "cache").rglob("regions/1/**/*.parquet"))
    node.stop()
    regions = node.start()
    assert regions.region_ids() == {2}


@pytest.mark.slow
def test_a_warm_scan_asks_the_store_for_nothing(node: Node, proxy: FaultProxy) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    for time in range(5):
        regions.write([put(("a", 1, time, 1.0), ("a", 1, 0, float(time)))])
        regions.flush(1)
    node.stop()
    regions = node.start()
    live_rows(regions)
    proxy.requests.clear()
    assert len(live_rows(regions)) == 5
    assert proxy.requests == []


def test_a_cold_scan_fetches_what_it_needs_once(node: Node, proxy: FaultProxy) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    for time in range(5):
        regions.write([put(("a", 1, time, 1.0), ("a", 1, 0, float(time)))])
        regions.flush(1)
    node.stop()
    node.lose_cache()
    regions = node.start()
    proxy.requests.clear()
    assert len(live_rows(regions)) == 5
    needed = regions._regions[1].version.paths()
    assert len(proxy.requests) == len(set(proxy.requests)) == len(needed)


def test_an_open_snapshot_keeps_its_files_in_a_tiny_cache(node: Node) -> None:
    node.storage = replace(node.storage, cache_bytes=1)
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    for time in range(4):
        regions.write([put(("a", 1, time, 1.0))])
        regions.flush(1)
    with pinned(regions) as snapshot, duckdb.connect() as connection:
        for time in range(4, 8):  # as many other files as there are
            regions.write([put(("a", 1, time, 1.0))])
            regions.flush(1)
        assert len(live_rows(regions)) == 8
        names = [file.path for file in snapshot.files]
        assert len(connection.sql(f"FROM read_parquet({names})").fetchall()) == 4
    assert len(list((node.directory / "cache").rglob("*.parquet"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("act", [answers(503), loses_answer], ids=["refused", "answer lost"])
@pytest.mark.parametrize("step", ["PUT .*parquet", "PUT .*dv", "PUT .*/manifest/"])
def test_a_flush_that_fails_is_made_good_later(
    node: Node, proxy: FaultProxy, step: str, act: Callable[..., None]
) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.write([put(("a", 1, 1, 1.0), ("a", 1, 2, 1.0))])
    regions.flush(1)
    proxy.add(step, act, -1)
    regions.write([put(("a", 1, 1, 2.0), ("b", 1, 1, 2.0))])
    with pytest.raises(DbError) as caught:
        regions.flush(1)
    assert caught.value.kind.retryable
    expected = full(("a", 1, 1, 2.0), ("a", 1, 2, 1.0), ("b", 1, 1, 2.0))
    assert live_rows(regions) == expected
    proxy.clear()
    regions.flush(1)
    assert live_rows(regions) == expected
    node.crash(regions)
    regions = node.start()
    assert live_rows(regions) == expected
    assert node.files() == {file.path for file in regions._regions[1].version.files}


def test_an_action_that_lands_while_the_region_goes_on_never_counts(
    node: Node, proxy: FaultProxy
) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    late = proxy.add("PUT .*/manifest/", lands_late)
    proxy.add("PUT .*/manifest/", answers(503), -1)
    regions.write([put(("a", 1, 1, 1.0))])
    with pytest.raises(DbError):
        regions.flush(1)
    proxy._faults.pop()
    late.go.set()
    assert late.done.wait(60)
    regions.write([put(("b", 1, 1, 1.0))])
    regions.flush(1)
    expected = full(("a", 1, 1, 1.0), ("b", 1, 1, 1.0))
    assert live_rows(regions) == expected
    node.crash(regions)
    assert live_rows(node.start()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("is_before_the_start", [True, False])
def test_an_action_of_a_dead_process_that_lands_late_loses_nothing(
    node: Node, proxy: FaultProxy, is_before_the_start: bool
) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.write([put(("a", 1, 1, 1.0))])
    late = proxy.add("PUT .*/manifest/", lands_late)
    proxy.add("PUT .*/manifest/", answers(503), -1)
    with pytest.raises(DbError):
        regions.flush(1)
    proxy._faults.pop()
    node.crash(regions)
    expected = full(("a", 1, 1, 1.0))
    if is_before_the_start:
        late.go.set()
        assert late.done.wait(60)
    regions = node.start()  # and its file, if it is an orphan, goes
    late.go.set()
    assert late.done.wait(60)
    for turn in range(3):
        assert live_rows(regions) == expected
        node.crash(regions)
        regions = node.start()
        assert live_rows(regions) == expected
        regions.write([put((f"turn {turn}", 1, 1, 1.0))])
        expected = sorted([*expected, (f"turn {turn}", 1, 1, 1.0, None)], key=repr)
        regions.flush(1)


@pytest.mark.slow
def test_a_file_of_a_dead_process_that_lands_late_replaces_no_other(
    node: Node, proxy: FaultProxy
) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.write([put(("a", 1, 1, 1.0))])
    late = proxy.add("PUT .*parquet", lands_late)
    proxy.add("PUT .*parquet", answers(503), -1)
    with pytest.raises(DbError):
        regions.flush(1)
    proxy._faults.pop()
    node.crash(regions)
    regions = node.start()
    regions.write([put(("b", 1, 1, 1.0))])
    regions.flush(1)
    late.go.set()
    assert late.done.wait(60)
    node.crash(regions)
    node.lose_cache()
    assert live_rows(node.start()) == full(("a", 1, 1, 1.0), ("b", 1, 1, 1.0))
    assert len(node.files()) == 1


def test_of_two_owners_the_first_is_fenced_out(node: Node, tmp_path: Path) -> None:
    """As when a machine that was given up still lives: its directory was copied."""
    first = node.start()
    first.create(1, CPU, MANY_FILES)
    first.write([put(("a", 1, 1, 1.0))])
    first.flush(1)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(node.directory / "STORE", copy)
    second = Node(copy, node.storage)
    regions = second.start()
    first.write([put(("lost", 1, 1, 1.0))])
    for _ in range(2):
        with pytest.raises(DbError, match="written by someone else"):
            first.flush(1)
    regions.write([put(("b", 1, 1, 1.0))])
    regions.flush(1)
    expected = full(("a", 1, 1, 1.0), ("b", 1, 1, 1.0))
    assert live_rows(regions) == expected
    second.stop()
    assert live_rows(second.start()) == expected
    second.stop()


def test_an_owner_that_was_fenced_out_collects_no_orphans(node: Node, tmp_path: Path) -> None:
    """The files of the one that came after it look like orphans to it."""
    node.options = replace(OPTIONS, orphan_grace_seconds=0.0)
    first = node.start()
    first.create(1, CPU, MANY_FILES)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(node.directory / "STORE", copy)
    second = Node(copy, node.storage)
    regions = second.start()
    regions.write([put(("b", 1, 1, 1.0))])
    regions.flush(1)
    node.clock.advance(1 << 42)
    with pytest.raises(DbError, match="written by someone else"):
        first.collect(1)
    second.stop()
    second.lose_cache()
    assert live_rows(second.start()) == full(("b", 1, 1, 1.0))
    second.stop()


def test_orphans_are_collected_from_the_bucket(node: Node) -> None:
    node.options = replace(OPTIONS, orphan_grace_seconds=0.0)
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.write([put(("b", 1, 1, 1.0))])
    regions.flush(1)
    node.cloud.put("regions/1/sst/0000000077-0a0b0c0d.parquet", b"")
    node.clock.advance(1 << 42)
    assert regions.collect(1) == 1
    assert live_rows(regions) == full(("b", 1, 1, 1.0))
    assert len(node.files()) == 1


def test_a_late_action_of_a_dropped_region_stops_no_start(node: Node) -> None:
    regions = node.start()
    regions.create(1, CPU, MANY_FILES)
    regions.create(2, CPU, MANY_FILES)
    regions.drop(1)
    node.cloud.put("regions/1/manifest/00000000000000000007.json", b"late")
    node.stop()
    assert node.start().region_ids() == {2}
