"""The contract of every object store."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.errors import DbError, ErrorKind
from engine.store import LocalStore
from engine.store.faulty import FaultyStore


def test_objects_are_put_read_listed_and_deleted(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a/b/2", b"two")
    store.put("a/1", b"one")
    store.put("a/1", b"uno")
    assert store.get("a/1") == b"uno"
    assert store.get("a/3") is None
    assert store.list("a") == ["a/1", "a/b/2"]
    assert store.list("nowhere") == []
    assert Path(store.local_path("a/b/2")).read_bytes() == b"two"
    store.delete("a/1")
    store.delete("a/1")
    assert store.list("a") == ["a/b/2"]


def test_put_if_absent_leaves_what_is_there(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.put_if_absent("x", b"first")
    assert not store.put_if_absent("x", b"second")
    assert store.get("x") == b"first"


def test_a_file_that_fails_half_way_never_becomes_an_object(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def half_way() -> None:
        with store.create("sst/file") as name:
            Path(name).write_bytes(b"half")
            assert store.list("sst") == []
            raise ValueError

    with pytest.raises(ValueError):
        half_way()
    assert list((tmp_path / "sst").iterdir()) == []


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
