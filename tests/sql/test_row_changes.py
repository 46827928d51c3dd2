"""Statements that write what depends on rows they read: nobody's change is lost between the two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.database import Database
from sql.session import Wire

Connect = Callable[..., Client]
COUNTER = "CREATE TABLE c (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, n INT)"
MORE = {
    "update": "UPDATE c SET n = n + 1 WHERE host = 'a'",
    "conflict": "INSERT INTO c VALUES ('a', 1, 1) ON CONFLICT (host, ts) DO UPDATE SET n = c.n + 1",
    "merge": "MERGE INTO c USING (SELECT 'a' AS h) AS s ON s.h = c.host"
    " WHEN MATCHED THEN UPDATE SET n = c.n + 1",
}


@pytest.fixture
def counter(db: Client) -> Client:
    db.run(COUNTER)
    db.run("INSERT INTO c VALUES ('a', 1, 0)")
    return db


def value(one: Client, host: str = "a") -> Any:
    return one.run(f"SELECT n FROM c WHERE host = '{host}'")


def error_of(one: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        one.run(text)
    return caught.value.kind


def together(work: list[Callable[[], None]]) -> None:
    """Runs everything at once, each in a thread of its own."""
    start, failures = threading.Barrier(len(work)), []

    def run(one: Callable[[], None]) -> None:
        start.wait()
        try:
            one()
        except DbError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.parametrize("statement", MORE.values(), ids=MORE)
def test_increments_of_several_sessions_all_count(
    counter: Client, connect: Connect, statement: str
) -> None:
    sessions = [connect() for _ in range(3)]
    together([lambda s=s: [s.run(statement) for _ in range(4)] for s in sessions])  # type: ignore[misc]
    assert value(counter) == [(12,)]


def test_ignored_rows_of_several_sessions_are_inserted_once(
    counter: Client, connect: Connect
) -> None:
    sessions = [connect(Wire.MYSQL) for _ in range(4)]
    counts: list[int] = []

    def insert(one: Client, number: int) -> None:
        values = ", ".join(f"('x', {i}, {number})" for i in range(200))
        counts.append(one.run(f"INSERT IGNORE INTO c VALUES {values}"))

    together([lambda s=s, i=i: insert(s, i) for i, s in enumerate(sessions)])  # type: ignore[misc]
    assert sum(counts) == 200
    assert counter.run("SELECT count(DISTINCT n) FROM c WHERE host = 'x'") == [(1,)]


def test_plain_inserts_go_on_beside_updates(counter: Client, connect: Connect) -> None:
    writer, changer = connect(), connect()

    def insert() -> None:
        for i in range(20):
            writer.run(f"INSERT INTO c VALUES ('w', {i}, {i})")

    def update() -> None:
        for _ in range(8):
            changer.run("UPDATE c SET n = n + 1 WHERE host = 'a'")

    together([insert, update])
    assert value(counter) == [(8,)]
    assert counter.run("SELECT count(*) FROM c WHERE host = 'w'") == [(20,)]


@pytest.mark.parametrize("statement", MORE.values(), ids=MORE)
def test_a_transaction_fails_if_its_row_was_changed(
    counter: Client, connect: Connect, statement: str
) -> None:
    counter.run(f"BEGIN; {statement}")
    connect().run("UPDATE c SET n = 100 WHERE host = 'a'")
    assert error_of(counter, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE
    assert value(counter) == [(100,)]


def test_a_transaction_fails_if_its_row_was_inserted_by_another(
    counter: Client, connect: Connect
) -> None:
    counter.run("BEGIN; INSERT INTO c VALUES ('z', 1, 1) ON CONFLICT DO NOTHING")
    connect().run("INSERT INTO c VALUES ('z', 1, 2)")
    assert error_of(counter, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE
    assert value(counter, "z") == [(2,)]


def test_rows_of_others_do_not_disturb_a_transaction(counter: Client, connect: Connect) -> None:
    counter.run("BEGIN; UPDATE c SET n = n + 1 WHERE host = 'a'")
    connect().run("INSERT INTO c VALUES ('b', 1, 5); UPDATE c SET n = 6 WHERE host = 'b'")
    counter.run("COMMIT")
    assert counter.run("SELECT host, n FROM c ORDER BY host") == [("a", 1), ("b", 6)]


def test_a_deletion_by_value_fails_if_the_value_has_changed(
    counter: Client, connect: Connect
) -> None:
    counter.run("BEGIN; DELETE FROM c WHERE n = 0")
    connect().run("UPDATE c SET n = 1")
    assert error_of(counter, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE


def test_a_deletion_by_key_commits_whatever_the_value(counter: Client, connect: Connect) -> None:
    counter.run("BEGIN; DELETE FROM c WHERE host = 'a'")
    connect().run("UPDATE c SET n = 1")
    counter.run("COMMIT")
    assert value(counter) == []


def test_statements_of_a_transaction_see_each_other(counter: Client, connect: Connect) -> None:
    other = connect()
    counter.run(
        "BEGIN; INSERT INTO c VALUES ('b', 1, 1);"
        "INSERT INTO c VALUES ('b', 1, 1) ON CONFLICT (host, ts) DO UPDATE SET n = c.n + 10;"
        "UPDATE c SET n = n + 100; DELETE FROM c WHERE n = 100;"
    )
    assert counter.run("SELECT host, n FROM c") == [("b", 111)]
    assert other.run("SELECT host, n FROM c") == [("a", 0)]
    counter.run("COMMIT")
    assert other.run("SELECT host, n FROM c") == [("b", 111)]


def test_what_a_transaction_changed_twice_is_still_checked(
    counter: Client, connect: Connect
) -> None:
    counter.run("BEGIN; UPDATE c SET n = n + 1; UPDATE c SET n = n + 1")
    connect().run("UPDATE c SET n = 7")
    assert error_of(counter, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE
    counter.run("BEGIN; UPDATE c SET n = n + 1; UPDATE c SET n = n + 1; COMMIT")
    assert value(counter) == [(9,)]


def test_what_was_rolled_back_is_not_checked(counter: Client, connect: Connect) -> None:
    counter.run("BEGIN; SAVEPOINT s; UPDATE c SET n = n + 1; ROLLBACK TO s")
    connect().run("UPDATE c SET n = 7")
    counter.run("COMMIT")
    assert value(counter) == [(7,)]


def test_what_stays_after_a_savepoint_is_checked(counter: Client, connect: Connect) -> None:
    counter.run("BEGIN; UPDATE c SET n = n + 1; SAVEPOINT s; DELETE FROM c; ROLLBACK TO s")
    connect().run("UPDATE c SET n = 7")
    assert error_of(counter, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE


def test_a_failing_returning_writes_nothing(counter: Client) -> None:
    for text in (
        "INSERT INTO c VALUES ('x', 1, 1) RETURNING nothing",
        "UPDATE c SET n = 5 RETURNING CAST(host AS INT)",
        "DELETE FROM c RETURNING CAST(host AS INT)",
    ):
        error_of(counter, text)
    assert counter.run("SELECT host, n FROM c") == [("a", 0)]


def test_tables_of_both_kinds_change_in_one_statement_or_not_at_all(
    counter: Client, connect: Connect
) -> None:
    counter.run("CREATE TABLE r (id INT PRIMARY KEY, x INT CHECK (x < 10))")
    counter.run("INSERT INTO r VALUES (1, 1)")
    mysql = connect(Wire.MYSQL)
    joined = "UPDATE c JOIN r ON r.id = 1 SET c.n = {0}, r.x = {0}"
    assert mysql.run(joined.format(5)) == 2
    assert error_of(mysql, joined.format(50)) is ErrorKind.CHECK_VIOLATION
    assert value(counter) == [(5,)]
    assert counter.run("SELECT x FROM r") == [(5,)]


def test_changes_survive_a_restart(databases: Databases) -> None:
    one = client(databases.open())
    one.run(COUNTER)
    one.run("INSERT INTO c VALUES ('a', 1, 1), ('b', 1, 1)")
    one.run(MORE["conflict"])
    one.run(MORE["merge"])
    one.run("DELETE FROM c USING (SELECT 'b' AS h) AS u WHERE u.h = c.host")
    again = client(databases.open())
    assert again.run("SELECT host, n FROM c") == [("a", 3)]


def test_changes_reach_rows_in_files(database: Database, connect: Connect) -> None:
    one = connect()
    one.run(COUNTER)
    one.run("INSERT INTO c SELECT 'h' || i % 7, i, i FROM generate_series(0, 9999) AS g(i)")
    one.run("ADMIN flush_table('c')")
    clause = "ON CONFLICT (host, ts) DO UPDATE SET n = -1"
    rows = "SELECT 'h' || i % 7, i, i FROM generate_series(9990, 10009) AS g(i)"
    assert one.run(f"INSERT INTO c {rows} {clause}") == 20
    assert one.run("SELECT count(*), count(*) FILTER (WHERE n = -1) FROM c") == [(10_010, 10)]


def test_a_bulk_of_rows_meets_stored_ones_at_once(database: Database, connect: Connect) -> None:
    one = connect(Wire.MYSQL)
    one.run(COUNTER)
    rows = (
        "SELECT concat('h', number % 50), number, 1 FROM (SELECT number FROM numbers LIMIT 50000) q"
    )
    assert one.run(f"INSERT INTO c {rows}") == 50_000
    assert one.run(f"INSERT INTO c {rows} ON DUPLICATE KEY UPDATE n = c.n + VALUES(n)") == 100_000
    assert one.run("SELECT min(n), max(n), count(*) FROM c") == [(2, 2, 50_000)]
