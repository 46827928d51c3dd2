"""A database whose time-series files are in an object store: SQL, restarts, a cache elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from fault_proxy import FaultProxy, answers
from fix_database import Client, client
from fix_store import s3_options

from engine.errors import DbError, ErrorKind
from engine.store.options import LOCAL_FILES
from sql.database import Database, DatabaseOptions

Open = Callable[[], Client]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Not in the data directory, with a name that needs quoting."""
    return tmp_path / "somewhere else" / "it's here"


@pytest.fixture
def options(proxy: FaultProxy, cache: Path) -> DatabaseOptions:
    storage = replace(s3_options(proxy.url, request=5.0, retry=0.5), cache_path=cache)
    return DatabaseOptions(storage=storage)


@pytest.fixture
def start(tmp_path: Path, options: DatabaseOptions) -> Iterator[Open]:
    """Opens the database again, as a restart would."""
    opened: list[Database] = []

    def start() -> Client:
        while opened:
            opened.pop().close()
        opened.append(Database.open(tmp_path / "data", options))
        return client(opened[0])

    yield start
    while opened:
        opened.pop().close()


def flush(db: Client, table: str) -> None:
    db.run(f"ADMIN flush_table('{table}')")


@pytest.mark.slow
def test_tables_live_on_without_the_cache(start: Open, cache: Path) -> None:
    db = start()
    db.run("CREATE TABLE cpu (host STRING, ts TIMESTAMP TIME INDEX, v DOUBLE, PRIMARY KEY (host))")
    db.run("CREATE TABLE notes (id INT PRIMARY KEY, text VARCHAR)")
    db.run("INSERT INTO cpu VALUES ('a', 1000, 1), ('a', 2000, 2), ('b', 1000, 3), ('c', 1, 5)")
    db.run("INSERT INTO notes VALUES (1, 'one')")
    flush(db, "cpu")
    db.run("DELETE FROM cpu WHERE host = 'b'")
    db.run("UPDATE cpu SET v = 9 WHERE host = 'a' AND ts = 2000")
    flush(db, "cpu")
    db.run("INSERT INTO cpu VALUES ('d', 1000, 4)")
    expected = [("a", 1.0), ("a", 9.0), ("c", 5.0), ("d", 4.0)]
    query = "SELECT host, v FROM cpu ORDER BY host, ts"
    assert db.run(query) == expected
    for is_cold in (False, True):
        if is_cold:
            shutil.rmtree(cache)
        db = start()
        assert db.run(query) == expected
        assert db.run("SELECT text FROM notes") == [("one",)]
        assert db.run("SELECT max(v) FROM cpu WHERE host = 'a'") == [(9.0,)]
    assert list(cache.rglob("*.parquet"))
    db.run("ALTER TABLE cpu ADD COLUMN w INT DEFAULT 7")
    assert db.run("SELECT w FROM cpu WHERE host = 'c'") == [(7,)]
    db.run("TRUNCATE cpu")
    assert db.run(query) == []
    db.run("DROP TABLE cpu")
    assert not list(cache.rglob("*.parquet"))
    assert start().run("SELECT text FROM notes") == [("one",)]


@pytest.mark.slow
def test_a_store_that_stays_away_is_a_retryable_error_of_the_statement(
    start: Open, proxy: FaultProxy, cache: Path
) -> None:
    db = start()
    db.run("CREATE TABLE cpu (host STRING, ts TIMESTAMP TIME INDEX, v DOUBLE, PRIMARY KEY (host))")
    db.run("INSERT INTO cpu VALUES ('a', 1000, 1)")
    flush(db, "cpu")
    db = start()
    shutil.rmtree(cache)
    db = start()
    proxy.add("parquet", answers(503), -1)
    with pytest.raises(DbError, match="S3 bucket gnomon-test does not answer") as caught:
        db.run("SELECT * FROM cpu")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert caught.value.kind.retryable
    db.run("INSERT INTO cpu VALUES ('b', 1000, 2)")  # the log is local: writes go on
    proxy.clear()
    assert db.run("SELECT host FROM cpu ORDER BY host") == [("a",), ("b",)]


def test_the_wrong_storage_does_not_open_the_database(
    start: Open, options: DatabaseOptions, tmp_path: Path
) -> None:
    start().run("CREATE TABLE cpu (ts TIMESTAMP TIME INDEX, v DOUBLE)")
    start()
    for wrong in (LOCAL_FILES, replace(options.storage, root="another")):
        with pytest.raises(DbError) as caught:
            Database.open(tmp_path / "other", DatabaseOptions(storage=options.storage))
        assert "another data directory" in caught.value.message
        copy = tmp_path / f"copy {wrong.type.value}"
        shutil.copytree(tmp_path / "data", copy, ignore=shutil.ignore_patterns("LOCK"))
        with pytest.raises(DbError) as caught:
            Database.open(copy, DatabaseOptions(storage=wrong))
        assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
        assert caught.value.hint


def test_a_full_disk_at_the_start_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(database: Database) -> None:
        raise duckdb.TransactionException(
            "TransactionContext Error: Failed to commit: No space left on device"
        )

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_recover", full)
        with pytest.raises(DbError) as caught:
            Database.open(tmp_path / "data", DatabaseOptions())
    assert caught.value.kind is ErrorKind.DISK_FULL
