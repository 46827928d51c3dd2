"""A backup shows one moment: every transaction whole, and whatever came before it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fix_database import Client, client

from engine.backup import Capture
from engine.errors import DbError, ErrorKind
from server.backup.archive import archive
from server.backup.unpack import take, tar_members
from sql.database import Database, DatabaseOptions

TABLES = """
CREATE TABLE events (w INT, ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (w));
CREATE TABLE alone (w INT, ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (w));
CREATE TABLE plain (w INT, n INT);
"""


def kept(capture: Capture, directory: Path) -> None:
    """The capture as a data directory, by way of an archive."""
    data = b"".join(archive(capture.files, "1", 0))
    capture.close()
    take(tar_members(io.BytesIO(data)), directory)


@contextmanager
def restored(capture: Capture, directory: Path) -> Iterator[Client]:
    """A session on the database that was captured."""
    kept(capture, directory)
    database = Database.open(directory, DatabaseOptions())
    try:
        yield client(database)
    finally:
        database.close()


def numbers(db: Client, text: str) -> dict[int, list[int]]:
    """(writer, number) rows as sorted numbers by writer."""
    found: dict[int, list[int]] = {}
    for writer, number in sorted(db.run(text)):
        found.setdefault(writer, []).append(number)
    return found


def write_units(db: Client, writer: int, ends: threading.Event) -> None:
    """Numbered units: a row of its own first, then one row in each store by one transaction."""
    number = 0
    while not ends.is_set():
        number += 1
        db.run(f"INSERT INTO alone VALUES ({writer}, {number})")
        db.run("BEGIN")
        db.run(f"INSERT INTO events VALUES ({writer}, {number})")
        db.run(f"INSERT INTO plain VALUES ({writer}, {number})")
        db.run("COMMIT")
        if number % 7 == 0:
            db.run("ADMIN flush_table('events')")


@pytest.mark.slow
def test_transactions_over_both_stores_are_whole_and_in_order(
    database: Database, connect: Callable[..., Client], tmp_path: Path
) -> None:
    connect().run(TABLES)
    ends = threading.Event()
    threads = [
        threading.Thread(target=write_units, args=(connect(), writer, ends)) for writer in (1, 2, 3)
    ]
    for thread in threads:
        thread.start()
    captures = []
    for _ in range(6):
        until = len(connect().run("SELECT n FROM plain")) + 20
        while len(connect().run("SELECT n FROM plain")) < until:
            continue
        captures.append(database.backup())
    ends.set()
    for thread in threads:
        thread.join()
    before = 0
    for at, capture in enumerate(captures):
        with restored(capture, tmp_path / str(at)) as copy:
            plain = numbers(copy, "SELECT w, n FROM plain")
            events = numbers(copy, "SELECT w, CAST(ts AS BIGINT) FROM events")
            alone = numbers(copy, "SELECT w, CAST(ts AS BIGINT) FROM alone")
        assert plain == events
        for writer, found in plain.items():
            assert found == list(range(1, len(found) + 1))
            assert len(alone[writer]) in (len(found), len(found) + 1)
        assert sum(map(len, plain.values())) >= before + 20
        before = sum(map(len, plain.values()))


def test_an_open_transaction_is_not_in_it(
    database: Database, connect: Callable[..., Client], tmp_path: Path
) -> None:
    db = connect()
    db.run(TABLES)
    db.run("INSERT INTO plain VALUES (1, 1)")
    db.run("BEGIN")
    db.run("INSERT INTO plain VALUES (1, 2)")
    db.run("INSERT INTO events VALUES (1, 2)")
    db.run("CREATE TABLE later (ts TIMESTAMP TIME INDEX)")
    capture = database.backup()
    db.run("COMMIT")
    with restored(capture, tmp_path / "copy") as copy:
        assert copy.run("SELECT n FROM plain") == [(1,)]
        assert copy.run("SELECT * FROM events") == []
        with pytest.raises(DbError) as failed:
            copy.run("SELECT * FROM later")
        assert failed.value.kind is ErrorKind.UNDEFINED_TABLE
    assert db.run("SELECT count(*) FROM plain") == [(2,)]


def test_what_it_holds_stays_readable_while_it_is_replaced(
    database: Database, connect: Callable[..., Client], tmp_path: Path
) -> None:
    db = connect()
    db.run(TABLES)
    db.run("INSERT INTO events VALUES (1, 1), (2, 1)")
    db.run("ADMIN flush_table('events')")
    db.run("INSERT INTO events VALUES (3, 1)")
    capture = database.backup()
    db.run("DELETE FROM events")
    db.run("ADMIN flush_table('events')")
    db.run("DROP TABLE events")
    with restored(capture, tmp_path / "copy") as copy:
        assert copy.run("SELECT w FROM events ORDER BY w") == [(1,), (2,), (3,)]
    assert not list((tmp_path / "data" / "engine" / "regions").rglob("*.parquet"))


def test_a_second_moment_cannot_be_taken_meanwhile(database: Database) -> None:
    with database.gate.closed(1), pytest.raises(DbError) as failed:
        database.backup()
    assert failed.value.kind is ErrorKind.REGION_BUSY
    database.backup().close()


def test_commits_wait_while_the_moment_is_taken(
    database: Database, connect: Callable[..., Client]
) -> None:
    db = connect()
    db.run(TABLES)
    with database.gate.closed(1):
        thread = threading.Thread(target=lambda: db.run("INSERT INTO plain VALUES (1, 1)"))
        thread.start()
        # Rows of one store alone pass: they are one log record.
        connect().run("INSERT INTO events VALUES (1, 1)")
        assert connect().run("SELECT * FROM plain") == []
    thread.join()
    assert connect().run("SELECT n FROM plain") == [(1,)]
