"""The contract of every object store."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import DbError, ErrorKind
from engine.store import LocalStore, ObjectStore
from engine.store.cloud import CHUNK_BYTES
from engine.store.faulty import FaultyStore

Open = Callable[[], ObjectStore]


class TestEveryStore:
    """What the engine relies on, whatever keeps the objects."""

    def test_objects_are_put_read_listed_and_deleted(self, new_store: Open) -> None:
        store = new_store()
        store.put("a/b/2", b"two")
        store.put("a/1", b"one")
        store.put("a/1", b"uno")
        store.put("ab/3", b"not below a")
        assert store.get("a/1") == b"uno"
        assert store.get("a/3") is None
        assert store.list("a") == ["a/1", "a/b/2"]
        assert store.list("nowhere") == []
        assert [(file.path, file.bytes) for file in store.details("a")] == [
            ("a/1", 3),
            ("a/b/2", 3),
        ]
        assert Path(store.local_path("a/b/2")).read_bytes() == b"two"
        store.delete("a/1")
        store.delete("a/1")
        assert store.list("a") == ["a/b/2"]
        assert new_store().get("a/b/2") == b"two"

    def test_put_if_absent_leaves_what_is_there(self, new_store: Open) -> None:
        store = new_store()
        assert store.put_if_absent("x", b"first")
        assert not store.put_if_absent("x", b"second")
        assert not store.put_if_absent("x", b"first")
        assert new_store().get("x") == b"first"
        store.delete("x")
        assert store.put_if_absent("x", b"third")

    def test_of_many_writers_one_makes_the_object(self, new_store: Open) -> None:
        store = new_store()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda i: store.put_if_absent("x", b"%d" % i), range(8)))
        assert sum(made) == 1
        assert store.get("x") == b"%d" % made.index(True)

    @pytest.mark.parametrize("size", [0, 1, 100_000, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
    def test_files_of_any_size_come_back(self, new_store: Open, size: int) -> None:
        content = random.Random(size).randbytes(size)
        with new_store().create("sst/file") as name:
            assert new_store().list("sst") == []
            Path(name).write_bytes(content)
        store = new_store()
        assert store.details("sst")[0].bytes == size
        store.hold(["sst/file"])
        path = store.local_path("sst/file")
        assert Path(path).read_bytes() == content
        assert store.local_path("sst/file") == path
        store.release(["sst/file"])
        assert store.get("sst/file") == content

    def test_a_file_that_fails_half_way_never_becomes_an_object(
        self, new_store: Open, tmp_path: Path
    ) -> None:
        store = new_store()

        def half_way() -> None:
            with store.create("sst/file") as name:
                Path(name).write_bytes(b"half")
                assert store.list("sst") == []
                raise ValueError

        with pytest.raises(ValueError):
            half_way()
        assert store.list("") == []
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_a_replaced_object_is_read_anew(self, new_store: Open) -> None:
        store = new_store()
        for content in (b"first", b"second"):
            with store.create("x") as name:
                Path(name).write_bytes(content)
            assert Path(store.local_path("x")).read_bytes() == content
        store.put("x", b"third")
        assert store.get("x") == Path(store.local_path("x")).read_bytes() == b"third"
        store.delete("x")
        assert store.get("x") is None

    def test_many_objects_are_fetched_at_once(self, new_store: Open) -> None:
        store = new_store()
        paths = [f"many/{number}" for number in range(20)]
        for path in paths:
            store.put(path, path.encode())
        store.fetch(paths)
        assert [store.get(path) for path in paths] == [path.encode() for path in paths]
        assert [Path(store.local_path(path)).read_bytes() for path in paths] == [
            path.encode() for path in paths
        ]

    def test_cleaning_leaves_objects_alone(self, new_store: Open) -> None:
        store = new_store()
        store.put("regions/1/keep", b"kept")
        with store.create("regions/2/sst/gone") as name:
            Path(name).write_bytes(b"gone")
        store.delete("regions/2/sst/gone")
        new_store().clean("regions")
        assert store.list("regions") == ["regions/1/keep"]
        assert store.get("regions/1/keep") == b"kept"


def test_cleaning_removes_leftovers_and_empty_folders(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("regions/1/keep", b"")
    store.put("regions/2/sst/gone", b"")
    store.delete("regions/2/sst/gone")
    (tmp_path / "regions/1/x.parquet.0.tmp").write_bytes(b"half")
    store.clean("regions")
    assert [p.name for p in tmp_path.rglob("*")] == ["regions", "1", "keep"]


def test_errors_of_the_disk_become_ours(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file where a folder is needed")
    with pytest.raises(DbError) as caught:
        LocalStore(tmp_path).put("a/b", b"")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.put("a/b", b"")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "refused")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DbError) as caught:
        store.list("a")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE


@pytest.mark.parametrize("after", [False, True])
def test_the_faulty_twin_fails_before_or_after_the_effect(tmp_path: Path, after: bool) -> None:
    store = FaultyStore(LocalStore(tmp_path), fail_at=2, after=after)
    store.put("1", b"")
    with pytest.raises(DbError):
        store.put("2", b"")
    with pytest.raises(DbError), store.create("3") as name:
        Path(name).write_bytes(b"")
    assert store.list("") == (["1", "2", "3"] if after else ["1"])
    store.fail_from(None)
    store.put("4", b"")
    assert store.failures == 2
