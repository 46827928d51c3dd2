"""Two transactions at the ends of one foreign key: never both, whoever comes first."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from fix_database import Client, Databases, Later, client

from engine.errors import DbError, ErrorKind
from sql.database import Database
from sql.foreign.guard import Claims, KeyGuard, Keys

LOST = ErrorKind.SERIALIZATION_FAILURE
ORPHANS = "SELECT count(*) FROM c WHERE pid NOT IN (SELECT id FROM p)"


@pytest.fixture
def database(databases: Databases) -> Database:
    made = databases.open()
    one = client(made)
    one.run("CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (pid INT REFERENCES p)")
    one.run("INSERT INTO p VALUES (1), (2), (3); CREATE TABLE other (a INT)")
    return made


def kind_of(one: Client, sql: str) -> ErrorKind | None:
    try:
        one.run(sql)
    except DbError as error:
        return error.kind
    return None


def test_a_parent_goes_while_a_child_comes(database: Database) -> None:
    one, two = client(database), client(database)
    one.run("BEGIN; INSERT INTO c VALUES (1)")
    two.run("BEGIN; INSERT INTO other VALUES (1)")  # holds changes: it may not wait
    assert kind_of(two, "DELETE FROM p WHERE id = 1") is LOST
    two.run("ROLLBACK; DELETE FROM p WHERE id = 2")  # another key is in nobody's way
    one.run("COMMIT")
    assert kind_of(two, "DELETE FROM p WHERE id = 1") is ErrorKind.STILL_REFERENCED


def test_a_child_comes_while_its_parent_goes(database: Database) -> None:
    one, two = client(database), client(database)
    one.run("BEGIN; DELETE FROM p WHERE id = 1")
    two.run("BEGIN; INSERT INTO other VALUES (1)")
    assert kind_of(two, "INSERT INTO c VALUES (1)") is LOST
    two.run("ROLLBACK; INSERT INTO c VALUES (2)")
    one.run("COMMIT")
    assert kind_of(two, "INSERT INTO c VALUES (1)") is ErrorKind.FOREIGN_KEY_VIOLATION


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("INSERT INTO c VALUES (1)", "DELETE FROM p WHERE id = 1"),
        ("DELETE FROM p WHERE id = 1", "INSERT INTO c VALUES (1)"),
        ("TRUNCATE p, c", "INSERT INTO c VALUES (1)"),
        ("UPDATE p SET id = 9 WHERE id = 1", "INSERT INTO c VALUES (1)"),
        ("ALTER TABLE other ADD FOREIGN KEY (a) REFERENCES p", "INSERT INTO other VALUES (7)"),
        ("CREATE TABLE d (a INT REFERENCES p)", "DELETE FROM p WHERE id = 1"),
    ],
)
def test_what_was_committed_after_the_snapshot_counts(
    database: Database, first: str, second: str
) -> None:
    one, two = client(database), client(database)
    two.run("BEGIN; CREATE TABLE mine (a INT)")  # its snapshot is taken here
    one.run(first)
    assert kind_of(two, second) is LOST
    two.run("ROLLBACK")
    assert one.run(ORPHANS) == [(0,)]


@pytest.mark.parametrize("wins", ["COMMIT", "ROLLBACK"])
def test_a_statement_of_its_own_waits_for_the_other(database: Database, wins: str) -> None:
    one, two = client(database), client(database)
    one.run("BEGIN; DELETE FROM p WHERE id = 1")
    waiting = Later(two, "INSERT INTO c VALUES (1)")
    assert waiting.is_waiting()
    one.run(wins)
    waiting.end()
    kind = waiting.error.kind if waiting.error else None
    assert kind is (ErrorKind.FOREIGN_KEY_VIOLATION if wins == "COMMIT" else None)
    assert one.run(ORPHANS) == [(0,)]


def test_a_key_is_made_while_rows_are_written(database: Database) -> None:
    one, two = client(database), client(database)
    one.run("BEGIN; INSERT INTO other VALUES (99)")
    two.run("BEGIN; INSERT INTO p VALUES (50)")
    assert kind_of(two, "ALTER TABLE other ADD FOREIGN KEY (a) REFERENCES p") is LOST
    two.run("ROLLBACK")
    one.run("COMMIT")
    found = kind_of(two, "ALTER TABLE other ADD FOREIGN KEY (a) REFERENCES p")
    assert found is ErrorKind.FOREIGN_KEY_VIOLATION


def test_many_at_once_leave_no_orphan(database: Database) -> None:
    client(database).run("INSERT INTO p SELECT i FROM range(100, 130) t(i)")
    start = threading.Barrier(2)

    def comes() -> None:
        one = client(database)
        start.wait()
        for number in range(100, 130):
            kind_of(one, f"INSERT INTO c VALUES ({number})")

    def goes() -> None:
        one = client(database)
        start.wait()
        for number in reversed(range(100, 130)):
            kind_of(one, f"DELETE FROM p WHERE id = {number}")

    threads = [threading.Thread(target=run) for run in (comes, goes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    one = client(database)
    assert one.run(ORPHANS) == [(0,)]
    gone = 33 - one.run("SELECT count(*) FROM p")[0][0]
    assert one.run("SELECT count(*) FROM c") == [(30 - gone,)]


def test_who_began_too_long_ago_is_told_so() -> None:
    guard, old = KeyGuard(), Claims()
    keys = Keys(("INTEGER",), None)
    guard.begin(old)
    for _ in range(5_000):
        one = Claims()
        guard.begin(one)
        guard.want(one, 1, keys, lambda mine, theirs: True)
        guard.end(one, committed=True)
    with pytest.raises(DbError) as caught:
        guard.want(old, 2, keys, lambda mine, theirs: True)
    assert caught.value.kind is LOST
    guard.end(old, committed=False)
    guard.begin(old)
    guard.want(old, 2, keys, lambda mine, theirs: True)


def test_many_statements_before_are_one_question() -> None:
    guard, writer, taker = KeyGuard(), Claims(), Claims()
    guard.begin(writer)
    guard.begin(taker)
    asked: list[Keys] = []

    def meet(mine: Keys, theirs: Keys) -> bool:
        asked.append(theirs)
        return False

    for value in range(300):
        guard.want(writer, 1, Keys(("INTEGER",), pa.table({"k0": [value]})), meet)
    assert not asked
    guard.take(taker, 1, Keys(("INTEGER",), pa.table({"k0": [1000]})), meet)
    (theirs,) = asked
    assert theirs.rows is not None
    assert sorted(theirs.rows.column("k0").to_pylist()) == list(range(300))


def test_what_was_deferred_is_checked_at_once(databases: Databases) -> None:
    one = client(databases.open())
    one.run("CREATE TABLE p (id INT PRIMARY KEY)")
    one.run("CREATE TABLE c (pid INT REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    one.run("BEGIN")
    for value in range(50):
        one.run(f"INSERT INTO c VALUES ({value})")
    one.run("INSERT INTO p SELECT i FROM range(0, 49) AS g(i)")
    assert kind_of(one, "COMMIT") is ErrorKind.FOREIGN_KEY_VIOLATION


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_rows_that_are_locked_are_waited_for_before_they_follow(
    database: Database, action: str
) -> None:
    one, two = client(database), client(database)
    one.run(f"CREATE TABLE d (pid INT REFERENCES p ON DELETE {action}, v INT)")
    one.run("INSERT INTO d VALUES (1, 1), (2, 2)")
    two.run("BEGIN; SELECT * FROM d WHERE pid = 1 FOR UPDATE")
    one.run("DELETE FROM p WHERE id = 2")
    later = Later(one, "DELETE FROM p WHERE id = 1")
    assert later.is_waiting()
    two.run("UPDATE d SET v = 9 WHERE pid = 1; COMMIT")
    later.end()
    assert later.error is None
    left = [] if action == "CASCADE" else [(None, 2), (None, 9)]
    assert two.run("SELECT * FROM d ORDER BY v") == left
