"""SPLIT, MERGE and PARTITION ON COLUMNS of tables that are read and written meanwhile."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fix_database import Client, Databases, client

import sql.partition.move as move
from engine.errors import DbError, ErrorKind
from sql.database import Database
from sql.session import Wire

TABLE = "CREATE TABLE m (k INT, v INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (k))"
HALVES = "ALTER TABLE m PARTITION ON COLUMNS (k) (k < 50, k >= 50)"
SPLIT = "ALTER TABLE m SPLIT PARTITION (k < 50) INTO (k < 20, k >= 20 AND k < 50)"
MERGE = "ALTER TABLE m MERGE PARTITION (k < 20, k >= 20 AND k < 50)"


@pytest.fixture
def filled(db: Client) -> Client:
    db.run(TABLE)
    db.run("INSERT INTO m SELECT i % 100, i, i FROM range(1000) t(i)")
    db.run("INSERT INTO m VALUES (NULL, -1, 1)")
    return db


def rules(db: Client) -> list[Any]:
    """Each partition's rule and number of rows."""
    db.run("ADMIN flush_table('m')")  # rows in memory are counted before they are merged
    return db.run(
        "SELECT partition_description, table_rows FROM information_schema.partitions "
        "WHERE table_name = 'm' ORDER BY partition_ordinal_position"
    )


def rows(db: Client) -> list[Any]:
    return sorted(db.run("SELECT k, v, CAST(ts AS BIGINT) FROM m"), key=repr)


def test_partitions_are_made_split_and_merged(filled: Client, database: Database) -> None:
    before = rows(filled)
    filled.run(HALVES)
    assert rules(filled) == [("k < 50", 501), ("k >= 50", 500)]
    filled.run(SPLIT)
    assert rules(filled) == [("k < 20", 201), ("k >= 20 AND k < 50", 300), ("k >= 50", 500)]
    assert rows(filled) == before
    filled.run(MERGE)
    assert rules(filled) == [("k < 50", 501), ("k >= 50", 500)]
    filled.run("ALTER TABLE m MERGE PARTITION (k >= 50, k < 50)")
    assert rules(filled) == [(None, 1001)]
    assert "PARTITION" not in filled.run("SHOW CREATE TABLE m")[0][1]
    assert rows(filled) == before
    assert len(database.regions.region_ids()) == 1


def test_a_split_may_add_a_column(filled: Client) -> None:
    filled.run(HALVES)
    filled.run(
        "ALTER TABLE m SPLIT PARTITION (k >= 50) ON COLUMNS (ts) "
        "INTO (k >= 50 AND ts < 500, k >= 50 AND ts >= 500)"
    )
    assert [count for _, count in rules(filled)] == [501, 250, 250]
    assert 'PARTITION ON COLUMNS ("k", "ts") (' in filled.run("SHOW CREATE TABLE m")[0][1]


def test_the_new_layout_is_there_after_a_restart(databases: Databases) -> None:
    db = client(databases.open())
    db.run(TABLE)
    db.run("INSERT INTO m SELECT i % 100, i, i FROM range(1000) t(i)")
    db.run(HALVES)
    before = rows(db)
    database = databases.open()
    again = client(database)
    assert rows(again) == before
    assert [count for _, count in rules(again)] == [500, 500]
    assert len(database.regions.region_ids()) == 2


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (
            "ALTER TABLE m SPLIT PARTITION (k < 9) INTO (k < 5, k >= 5 AND k < 9)",
            "INVALID_ARGUMENT",
        ),
        (
            "ALTER TABLE m SPLIT PARTITION (k < 50) INTO (k < 5, k > 5 AND k < 50)",
            "INVALID_ARGUMENT",
        ),
        ("ALTER TABLE m SPLIT PARTITION (k < 50) INTO (k < 5, k >= 5)", "INVALID_ARGUMENT"),
        ("ALTER TABLE m SPLIT PARTITION (k < 50, k >= 50) INTO (k < 5)", "SYNTAX"),
        ("ALTER TABLE m SPLIT PARTITION (v < 50) INTO (k < 5, k >= 5)", "UNDEFINED_COLUMN"),
        ("ALTER TABLE m MERGE PARTITION (k < 50)", "INVALID_ARGUMENT"),
        ("ALTER TABLE m MERGE PARTITION (k < 50, k < 60)", "INVALID_ARGUMENT"),
        (HALVES, "INVALID_ARGUMENT"),
        (f"{SPLIT} WITH (color = 'red')", "INVALID_ARGUMENT"),
        (f"{SPLIT}, ADD COLUMN x INT", "UNSUPPORTED"),
        (f"BEGIN; {SPLIT}", "ACTIVE_TRANSACTION"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    filled: Client, database: Database, sql: str, kind: str
) -> None:
    filled.run(HALVES)
    before = rows(filled), rules(filled), database.regions.region_ids()
    with pytest.raises(DbError) as caught:
        filled.run(sql)
    assert caught.value.kind is ErrorKind[kind]
    if sql.startswith("BEGIN"):
        filled.run("ROLLBACK")
    assert (rows(filled), rules(filled), database.regions.region_ids()) == before


def test_a_partition_column_must_be_in_the_identity(filled: Client) -> None:
    with pytest.raises(DbError) as caught:
        filled.run("ALTER TABLE m PARTITION ON COLUMNS (v) (v < 5, v >= 5)")
    assert caught.value.kind is ErrorKind.INVALID_TABLE_DEFINITION


def test_a_relational_table_has_no_partitions(db: Client) -> None:
    db.run("CREATE TABLE r (k INT)")
    with pytest.raises(DbError) as caught:
        db.run("ALTER TABLE r PARTITION ON COLUMNS (k) (k < 5, k >= 5)")
    assert caught.value.kind is ErrorKind.WRONG_OBJECT_TYPE


@pytest.mark.parametrize(("wait", "names"), [("false", ["procedure_id"]), ("true", None)])
def test_the_answer_is_described(filled: Client, wait: str, names: list[str] | None) -> None:
    statement = filled.session.parse(f"{HALVES} WITH (WAIT = {wait})")[0]
    columns = filled.session.describe(statement).columns
    assert (columns and [column.name for column in columns]) == names
    assert rules(filled) == [(None, 1001)]


def test_a_procedure_can_be_asked_about(filled: Client, database: Database) -> None:
    [(id_,)] = filled.run(f"{HALVES} WITH (WAIT = false, TIMEOUT = '1m')")
    database.procedures.wait(id_)
    [(state,)] = filled.run(f"ADMIN procedure_state('{id_}')")
    assert json.loads(state) == {"status": "Done"}
    query = "SELECT procedure_type, status, lock_keys FROM information_schema.procedure_info"
    assert filled.run(query) == [("Repartition", "Done", "public.m")]
    assert [count for _, count in rules(filled)] == [501, 500]
    with pytest.raises(DbError, match="does not exist"):
        filled.run("ADMIN procedure_state('nobody')")


# --- Meanwhile ------------------------------------------------------------------------------------


@contextmanager
def during(monkeypatch: pytest.MonkeyPatch, what: Callable[[int], None]) -> Iterator[None]:
    """Calls `what` with the number of the round after each copied round of changes."""
    original = move._Move._round  # type: ignore[attr-defined]
    count = 0

    def stepped(self: Any, after: Any, *, last: bool = False) -> int:
        nonlocal count
        found: int = original(self, after, last=last)
        count += 1
        if not last:
            what(count)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(move._Move, "_round", stepped)
        yield


def test_what_is_written_meanwhile_is_moved_too(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client(database)

    def write(_: int) -> None:
        other.run("INSERT INTO m VALUES (1, 7, 1), (99, 7, 99), (200, 7, 200)")
        other.run("DELETE FROM m WHERE k = 5")
        other.run("UPDATE m SET k = 60 WHERE k = 6 AND v = 6")
        other.run("UPDATE m SET v = -5 WHERE k = 7")

    with during(monkeypatch, write):
        filled.run(HALVES)
    got = rows(filled)
    assert len(got) == 1001 + 1 - 10
    assert sorted(v for k, v, _ in got if k == 7) == [-5] * 10
    assert [k for k, v, _ in got if v == 7 and k != 7] == [1, 200, 99]
    assert [count for _, count in rules(filled)] == [501 - 10 - 1, 502]


def test_an_open_transaction_keeps_its_rows(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client(database)
    other.run("BEGIN")
    other.run("INSERT INTO m VALUES (1, 1111, 1), (99, 9999, 99)")
    other.run("DELETE FROM m WHERE k = 5")
    filled.run(HALVES)
    mine = other.run("SELECT v FROM m WHERE v > 1000 ORDER BY v")
    assert mine == [(1111,), (9999,)]
    assert other.run("SELECT count(*) FROM m WHERE k = 5") == [(0,)]
    assert filled.run("SELECT count(*) FROM m WHERE k = 5") == [(10,)]
    other.run("COMMIT")
    assert filled.run("SELECT v FROM m WHERE v > 1000 ORDER BY v") == mine
    assert filled.run("SELECT count(*) FROM m") == [(991,)]
    assert [count for _, count in rules(filled)] == [491, 500]


def test_staged_rows_find_a_renamed_column(filled: Client, database: Database) -> None:
    other = client(database)
    other.run("BEGIN")
    other.run("INSERT INTO m VALUES (1, 1111, 1), (99, 9999, 99)")
    other.run("DELETE FROM m WHERE k = 5")
    filled.run(HALVES)
    filled.run("ALTER TABLE m RENAME COLUMN k TO key")
    filled.run("ALTER TABLE m SPLIT PARTITION (key < 50) INTO (key < 20, key >= 20 AND key < 50)")
    other.run("COMMIT")
    assert filled.run("SELECT key FROM m WHERE v > 1000 ORDER BY v") == [(1,), (99,)]
    assert [count for _, count in rules(filled)] == [191, 300, 500]


def test_truncate_in_a_transaction_drops_rows_staged_for_the_old_layout(
    filled: Client, database: Database
) -> None:
    other = client(database)
    other.run("BEGIN")
    other.run("INSERT INTO m VALUES (1, 1111, 1)")
    filled.run(HALVES)
    other.run("TRUNCATE m")
    other.run("INSERT INTO m VALUES (2, 2222, 2)")
    other.run("COMMIT")
    assert rows(filled) == [(2, 2222, 2)]


@pytest.mark.parametrize(
    ("meanwhile", "count"),
    [("TRUNCATE m", 0), ("ALTER TABLE m ADD COLUMN x INT", 1001)],
)
def test_a_table_that_is_changed_meanwhile_is_divided_at_the_second_try(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch, meanwhile: str, count: int
) -> None:
    other = client(database)

    def change(number: int) -> None:
        if number == 1:
            other.run(meanwhile)

    with during(monkeypatch, change):
        filled.run(HALVES)
    assert len(rules(filled)) == 2
    assert len(database.regions.region_ids()) == 2
    assert filled.run("SELECT count(*) FROM m") == [(count,)]


@pytest.mark.parametrize(
    ("meanwhile", "regions"), [("DROP TABLE m", 0), ("ALTER TABLE m RENAME TO n", 1)]
)
def test_a_table_that_is_gone_meanwhile_is_left_alone(
    filled: Client,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    regions: int,
) -> None:
    other = client(database)

    def change(number: int) -> None:
        if number == 1:
            other.run(meanwhile)

    with during(monkeypatch, change), pytest.raises(DbError) as caught:
        filled.run(HALVES)
    assert caught.value.kind is ErrorKind.UNDEFINED_TABLE
    assert len(database.regions.region_ids()) == regions
    if regions:
        assert filled.run("SELECT count(*) FROM n") == [(1001,)]


def test_two_changes_of_one_table_do_not_meet(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client(database)
    refused: list[ErrorKind] = []

    def again(_: int) -> None:
        with pytest.raises(DbError) as caught:
            other.run("ALTER TABLE m PARTITION ON COLUMNS (k) (k < 9, k >= 9)")
        refused.append(caught.value.kind)

    with during(monkeypatch, again):
        filled.run(HALVES)
    assert set(refused) == {ErrorKind.REGION_BUSY}
    assert [rule for rule, _ in rules(filled)] == ["k < 50", "k >= 50"]


def test_a_cancelled_change_leaves_nothing_behind(
    filled: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(filled)

    def write_and_cancel(_: int) -> None:
        client(database).run("INSERT INTO m SELECT i % 100, i, i FROM range(1000) t(i)")
        filled.session.cancel()

    with during(monkeypatch, write_and_cancel), pytest.raises(DbError) as caught:
        filled.run(HALVES)
    assert caught.value.kind is ErrorKind.CANCELLED
    assert rows(filled) == before
    assert len(database.regions.region_ids()) == 1


def test_a_change_that_takes_too_long_leaves_nothing_behind(
    filled: Client, database: Database
) -> None:
    with pytest.raises(DbError) as caught:
        filled.run(f"{HALVES} WITH (TIMEOUT = '1ns')")
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert len(database.regions.region_ids()) == 1


def test_reads_that_began_before_go_on(filled: Client, database: Database) -> None:
    session = filled.session
    statement = session.parse("SELECT k, v FROM m")[0]
    result = session.execute(statement, ())
    client(database).run(HALVES)
    assert sum(batch.num_rows for batch in result) == 1001


class Writer(threading.Thread):
    """Changes rows of its own keys at random and remembers what must be there."""

    def __init__(self, database: Database, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.session = client(database, Wire.HTTP)
        self.random = random.Random(number)
        self.keys = range(number, 100, 2)
        self.stop = stop
        self.model: dict[tuple[int, int], int] = {}
        self.failure: BaseException | None = None
        self.steps = 0

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.step()
                self.steps += 1
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def step(self) -> None:
        key, time = self.random.choice(self.keys), self.random.randrange(20)
        what = self.random.random()
        if what < 0.7:
            fresh = {
                (self.random.choice(self.keys), self.random.randrange(20)): self.random.randrange(
                    999
                )
                for _ in range(self.random.choice((1, 5, 50)))
            }
            values = ", ".join(f"({k}, {v}, {t})" for (k, t), v in fresh.items())
            self.session.run(f"INSERT INTO m VALUES {values}")
            self.model |= fresh
        elif what < 0.9:
            self.session.run(f"DELETE FROM m WHERE k = {key} AND v % 3 = 0")
            gone = [row for row, v in self.model.items() if row[0] == key and v % 3 == 0]
            for row in gone:
                del self.model[row]
        else:
            self.move(key, self.random.choice(self.keys), time)

    def move(self, key: int, other: int, time: int) -> None:
        statement = f"UPDATE m SET k = {other} WHERE k = {key} AND ts = {time}"
        if key != other and {(key, time), (other, time)} <= self.model.keys():
            with pytest.raises(DbError) as caught:
                self.session.run(statement)
            assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
            return
        self.session.run(statement)
        value = self.model.pop((key, time), None)
        if value is not None:
            self.model[other, time] = value


class Reader(threading.Thread):
    """Counts rows that nobody touches: always all of them, each once."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        super().__init__()
        self.session = client(database, Wire.HTTP)
        self.stop = stop
        self.failure: BaseException | None = None
        self.counts: list[Any] = []

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                query = "SELECT count(*), count(DISTINCT k) FROM m WHERE k < 0 OR k >= 1000"
                self.counts += self.session.run(query)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error


@pytest.mark.slow
def test_partitions_change_under_writers_and_a_reader(db: Client, database: Database) -> None:
    db.run(TABLE)
    db.run("INSERT INTO m SELECT -1 - i, i, 1 FROM range(500) t(i)")
    db.run("INSERT INTO m SELECT 1000 + i, i, 1 FROM range(500) t(i)")
    stop = threading.Event()
    writers = [Writer(database, number, stop) for number in (0, 1)]
    threads = [*writers, Reader(database, stop)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            for sql in (HALVES, SPLIT, MERGE, "ALTER TABLE m MERGE PARTITION (k < 50, k >= 50)"):
                db.run(sql)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [thread.failure for thread in threads] == [None] * 3
    expected = {(k, v, t) for writer in writers for (k, t), v in writer.model.items()}
    found = {row for row in rows(db) if 0 <= row[0] < 1000}
    assert found == expected
    assert db.run("SELECT count(*) FROM m") == [(len(expected) + 1000,)]
    assert set(threads[2].counts) == {(1000, 1000)}  # type: ignore[attr-defined]
    assert all(writer.steps > 20 for writer in writers)
    assert len(database.regions.region_ids()) == 1
