"""Local copies: bounded, reused after a restart, never taken from under a reader."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fault_proxy import FaultProxy
from fix_store import cached, s3_options

from engine.errors import DbError, ErrorKind
from engine.store import reading
from engine.store.backends import make_cloud
from engine.store.cached import CachedStore
from engine.store.cloud import Cloud
from engine.store.options import StorageOptions, StorageType

SIZE = 1000


@pytest.fixture
def cloud() -> Cloud:
    return make_cloud(StorageOptions(StorageType.MEMORY))


def add(store: CachedStore, *paths: str) -> None:
    for path in paths:
        with store.create(path) as name:
            Path(name).write_bytes(path.encode().ljust(SIZE))


def copies(folder: Path) -> set[str]:
    """The objects that have a copy on the disk."""
    objects = folder / "objects"
    files = [path.relative_to(objects) for path in objects.rglob("*") if path.is_file()]
    return {str(file.with_name(file.name.split("-", 2)[2])) for file in files}


def test_the_least_recently_used_copies_go(cloud: Cloud, tmp_path: Path) -> None:
    store = cached(cloud, tmp_path, 3 * SIZE)
    add(store, "a", "b", "c")
    store.local_path("a")
    add(store, "d")
    assert copies(tmp_path) == {"a", "c", "d"}
    store.local_path("b")
    assert copies(tmp_path) == {"a", "d", "b"}
    assert store._cache.bytes == 3 * SIZE


def test_a_held_copy_stays_and_goes_when_it_is_released(cloud: Cloud, tmp_path: Path) -> None:
    store = cached(cloud, tmp_path, 2 * SIZE)
    add(store, "a", "b", "c", "d")
    store.hold(["a", "b", "c"])
    store.hold(["a"])
    store.fetch(["a", "b", "c"])
    assert copies(tmp_path) == {"a", "b", "c"}  # more than the budget, all in use
    store.release(["a", "b", "c"])
    assert copies(tmp_path) == {"a", "c"} or copies(tmp_path) == {"a", "b"}
    store.local_path("d")
    assert "a" in copies(tmp_path)
    store.release(["a"])
    add(store, "e", "f")
    assert "a" not in copies(tmp_path)


def test_a_scan_that_has_begun_finds_its_files_whatever_comes(cloud: Cloud, tmp_path: Path) -> None:
    """DuckDB opens the files of a streaming query by name, one after the other."""
    store = cached(cloud, tmp_path, 1)  # nothing stays but what is in use
    paths = [f"{number}.parquet" for number in range(4)]
    for number, path in enumerate(paths):
        with store.create(path) as name:
            pq.write_table(
                pa.table({"x": pa.array(range(number * 10**5, (number + 1) * 10**5))}), name
            )
    store.hold(paths)
    store.fetch(paths)
    names = [store.local_path(path) for path in paths]
    with duckdb.connect(config={"threads": "1"}) as connection:
        reader = connection.sql(f"SELECT x FROM read_parquet({names})").to_arrow_reader(1000)
        rows = len(reader.read_next_batch())
        for number in range(20):
            add(store, f"other/{number}")
        rows += sum(len(batch) for batch in reader)
    assert rows == 4 * 10**5
    store.release(paths)
    assert len(copies(tmp_path)) == 1


def test_reading_keeps_the_file_until_the_end_of_the_block(cloud: Cloud, tmp_path: Path) -> None:
    store = cached(cloud, tmp_path, SIZE)
    add(store, "a")
    with reading(store, "a") as name:
        add(store, "b", "c")
        assert Path(name).exists()
    assert not Path(name).exists()


def test_a_restart_reuses_whole_copies_without_asking(proxy: FaultProxy, tmp_path: Path) -> None:
    cloud = make_cloud(s3_options(proxy.url))
    store = cached(cloud, tmp_path)
    add(store, "r/a", "r/b", "r/c", "r/d")
    names = {path: Path(store.local_path(path)) for path in ("r/a", "r/b", "r/c", "r/d")}
    names["r/b"].write_bytes(b"torn")
    names["r/c"].write_bytes(b"x" * SIZE)
    (tmp_path / "staging" / "7.tmp").write_bytes(b"half")
    (tmp_path / "objects" / "r" / "what").write_bytes(b"is this")
    names["r/d"].unlink()
    proxy.clear()
    store = cached(cloud, tmp_path)
    assert store.local_path("r/a") == str(names["r/a"])
    assert proxy.requests == []
    for path in ("r/b", "r/c", "r/d"):
        assert Path(store.local_path(path)).read_bytes() == path.encode().ljust(SIZE)
    assert len(proxy.requests) == 3
    assert copies(tmp_path) == set(names)


def test_cleaning_drops_copies_of_other_objects(cloud: Cloud, tmp_path: Path) -> None:
    """Someone restored the bucket to an earlier state, say."""
    store = cached(cloud, tmp_path)
    add(store, "r/a", "r/b", "r/c", "other/d")
    elsewhere = cached(cloud, tmp_path.with_name("elsewhere"))
    elsewhere.delete("r/a")
    with elsewhere.create("r/b") as name:
        Path(name).write_bytes(b"new".ljust(SIZE))
    store = cached(cloud, tmp_path)
    store.clean("r")
    assert copies(tmp_path) == {"r/c", "other/d"}
    assert Path(store.local_path("r/b")).read_bytes() == b"new".ljust(SIZE)


def test_a_smaller_budget_holds_at_the_next_start(cloud: Cloud, tmp_path: Path) -> None:
    add(cached(cloud, tmp_path), "a", "b", "c", "d")
    store = cached(cloud, tmp_path, 2 * SIZE)
    assert len(copies(tmp_path)) == 2
    assert store._cache.bytes == 2 * SIZE


def test_a_deleted_cache_is_filled_again(cloud: Cloud, tmp_path: Path) -> None:
    store = cached(cloud, tmp_path)
    add(store, "a/b")
    Path(store.local_path("a/b")).unlink()
    assert Path(store.local_path("a/b")).read_bytes() == b"a/b".ljust(SIZE)


def test_readers_of_one_object_fetch_it_once(proxy: FaultProxy, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    cloud = make_cloud(s3_options(proxy.url))
    cloud.put("object", b"content")
    proxy.clear()
    store = cached(cloud, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(store.local_path, ["object"] * 8))
    assert len(names) == len(proxy.requests) == 1


def test_a_full_disk_makes_room_once_and_is_an_error_then(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cached(cloud, tmp_path)
    add(store, "a", "b", "c")
    store._cache.forget("a")
    write, room = os.pwrite, [0]

    def full(descriptor: int, data: Any, offset: int) -> int:
        if len(copies(tmp_path)) > room[0]:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    assert Path(store.local_path("a")).read_bytes() == b"a".ljust(SIZE)
    assert copies(tmp_path) == {"a"}
    room[0] = -1
    with pytest.raises(DbError) as caught:
        store.local_path("b")
    assert caught.value.kind is ErrorKind.DISK_FULL
