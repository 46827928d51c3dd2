"""Transactions that meet newer rows by their keys: they wait, begin anew and keep what they did."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fix_database import Client, Later

from engine.errors import DbError, ErrorKind
from sql.session import Wire

Connect = Callable[..., Client]
TABLE = "CREATE TABLE acc (id INT PRIMARY KEY, v INT, name TEXT)"
ROWS = "INSERT INTO acc VALUES (1, 0, 'a'), (2, 0, 'b'), (3, 0, 'c')"
SHOW = "SELECT v FROM acc ORDER BY id"


@pytest.fixture
def a(db: Client) -> Client:
    db.run(f"{TABLE}; {ROWS}; CREATE TABLE log (n BIGSERIAL, what TEXT)")
    return db


@pytest.fixture
def b(a: Client, connect: Connect) -> Client:
    return connect()


def test_a_transaction_with_changes_waits_for_a_row_and_goes_on(a: Client, b: Client) -> None:
    a.run("BEGIN; UPDATE acc SET v = v + 1 WHERE id = 1")
    b.run("BEGIN; UPDATE acc SET v = v + 5 WHERE id = 2; INSERT INTO log (what) VALUES ('b')")
    later = Later(b, "UPDATE acc SET v = v + 10 WHERE id = 1 RETURNING v")
    assert later.is_waiting()
    a.run("UPDATE acc SET v = v + 1 WHERE id = 1; COMMIT")
    later.end()
    assert (later.error, later.answer) == (None, [(12,)])
    assert b.run(SHOW) == [(12,), (5,), (0,)]
    b.run("COMMIT")
    assert a.run(SHOW) == [(12,), (5,), (0,)]
    assert a.run("SELECT what FROM log") == [("b",)]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_row_that_was_changed_before_is_seen_as_it_is_now(a: Client, b: Client, end: str) -> None:
    b.run("BEGIN; UPDATE acc SET v = v + 5 WHERE id = 2")
    a.run(f"BEGIN; UPDATE acc SET v = v + 1 WHERE id = 1; {end}")
    assert b.run("UPDATE acc SET v = v + 10 WHERE id = 1") == 1
    b.run("COMMIT")
    assert a.run(SHOW) == [(11 if end == "COMMIT" else 10,), (5,), (0,)]


def test_savepoints_are_where_they_were(a: Client, b: Client) -> None:
    b.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 2; SAVEPOINT s; DELETE FROM acc WHERE id = 3")
    a.run("UPDATE acc SET v = 1 WHERE id = 1")
    b.run("UPDATE acc SET v = v + 10 WHERE id = 1")
    assert b.run(SHOW) == [(11,), (5,)]
    b.run("ROLLBACK TO s")
    assert b.run(SHOW) == [(1,), (5,), (0,)]
    b.run("COMMIT")
    assert a.run(SHOW) == [(1,), (5,), (0,)]


def test_numbers_and_clocks_stay_what_they_were(a: Client, b: Client) -> None:
    b.run("BEGIN")
    drawn = b.run("INSERT INTO log (what) VALUES (now()::text) RETURNING n, what")
    b.run(
        "ROLLBACK; CREATE TABLE at (id INT PRIMARY KEY, t TIMESTAMPTZ); INSERT INTO at VALUES (1)"
    )
    b.run("BEGIN; INSERT INTO log (what) VALUES ('x'); UPDATE at SET t = now() WHERE id = 1")
    before = b.run("SELECT n FROM log"), b.run("SELECT t FROM at")
    a.run("UPDATE acc SET v = 1 WHERE id = 1")
    b.run("UPDATE acc SET v = 2 WHERE id = 1")
    assert (b.run("SELECT n FROM log"), b.run("SELECT t FROM at")) == before
    b.run("COMMIT; INSERT INTO log (what) VALUES ('y')")
    assert len({n for (n,) in a.run("SELECT n FROM log")}) == 2
    assert drawn


# What somebody else does, after which rows that a transaction has changed may be others.
LOOSE = [
    "UPDATE acc SET v = v + 1 WHERE v >= 0 AND id < 2",
    "INSERT INTO acc VALUES (1, 7, 'a') ON CONFLICT (id) DO UPDATE SET v = 7",
]


@pytest.mark.parametrize("change", LOOSE)
def test_changes_by_other_conditions_fail_the_transaction(
    a: Client, b: Client, change: str
) -> None:
    b.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 2")
    a.run(change)
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE


# What a transaction has done that looks at other rows.
READING = [
    "UPDATE acc SET v = (SELECT max(v) FROM acc) + 1 WHERE id = 2",
    "UPDATE acc SET v = 5 WHERE id > 2",
    "INSERT INTO acc SELECT 4, count(*), 'd' FROM acc; UPDATE acc SET v = 1 WHERE name = 'b'",
    "UPDATE acc SET v = random() * 100 WHERE id = 2",
    "UPDATE acc SET id = 9 WHERE id = 2",
]


@pytest.mark.parametrize("done", READING)
def test_a_transaction_that_looked_at_other_rows_is_not_repeated(
    a: Client, b: Client, done: str
) -> None:
    b.run(f"BEGIN; {done}")
    a.run("UPDATE acc SET v = 1 WHERE id = 1")
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    b.run("ROLLBACK")
    assert a.run(SHOW) == [(1,), (0,), (0,)]


def test_a_row_that_was_not_there_fails_it_when_it_has_come(a: Client, b: Client) -> None:
    b.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 7")
    a.run("INSERT INTO acc VALUES (7, 0, 'g'); UPDATE acc SET v = 1 WHERE id = 1")
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE


def test_a_key_that_was_taken_meanwhile_fails_it(a: Client, b: Client) -> None:
    b.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 2")
    a.run("UPDATE acc SET v = 1 WHERE id = 1; INSERT INTO acc VALUES (7, 0, 'g')")
    with pytest.raises(DbError):
        b.run("INSERT INTO acc VALUES (7, 1, 'h')")
    b.run("ROLLBACK")
    assert a.run(SHOW) == [(1,), (0,), (0,), (0,)]


def test_repeatable_read_is_not_repeated(a: Client, b: Client) -> None:
    b.run("BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE acc SET v = 5 WHERE id = 2")
    a.run("UPDATE acc SET v = 1 WHERE id = 1")
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE


def test_a_waiting_statement_ends_by_its_lock_timeout(a: Client, b: Client) -> None:
    a.run("BEGIN; UPDATE acc SET v = 1 WHERE id = 1")
    b.run("SET lock_timeout = '60ms'; BEGIN; UPDATE acc SET v = 5 WHERE id = 2")
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.LOCK_TIMEOUT
    b.run("ROLLBACK")
    a.run("COMMIT")
    assert a.run(SHOW) == [(1,), (0,), (0,)]


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL])
def test_transfers_of_many_sessions_keep_the_sum(a: Client, connect: Connect, wire: Wire) -> None:
    clients = [connect(wire) for _ in range(3)]
    errors: list[DbError] = []

    def transfer(client: Client, own: int) -> None:
        try:
            for number in range(12):
                client.run("BEGIN")
                client.run(f"UPDATE acc SET v = v - {number} WHERE id = {own}")
                client.run(f"INSERT INTO log (what) VALUES ('{number}')")
                client.run(f"UPDATE acc SET v = v + {number} WHERE id = 3")
                client.run("COMMIT")
        except DbError as error:
            errors.append(error)

    threads = [
        threading.Thread(target=transfer, args=(client, 1 + place % 2))
        for place, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert a.run(SHOW) == [(-132,), (-66,), (198,)]
    assert a.run("SELECT count(*), count(DISTINCT n) FROM log") == [(36, 36)]


@pytest.mark.parametrize(
    "moved",
    ["UPDATE acc SET id = 9 WHERE id = 1", "UPDATE acc SET id = 9, v = 7 WHERE id = 1 AND v = 0"],
)
def test_who_changes_a_row_waits_for_who_gives_it_another_key(
    a: Client, b: Client, moved: str
) -> None:
    a.run(f"BEGIN; {moved}")
    later = Later(b, "UPDATE acc SET v = v + 1 WHERE id = 1")
    assert later.is_waiting()
    a.run("COMMIT")
    later.end()
    assert (later.error, later.answer) == (None, 0)
    a.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 2")
    later = Later(b, "UPDATE acc SET id = 8 WHERE id = 2")
    assert later.is_waiting()
    a.run("COMMIT")
    later.end()
    assert (later.error, later.answer) == (None, 1)
    assert b.run("SELECT id, v FROM acc WHERE id = 8") == [(8, 5)]


@pytest.mark.parametrize("again", ["ROLLBACK TO s", "SELECT 1"])
def test_what_could_not_be_repeated_is_only_rolled_back_whole(
    a: Client, b: Client, again: str
) -> None:
    """Its client was told of changes that do not hold: no savepoint of it can be gone back to."""
    b.run("BEGIN; UPDATE acc SET v = 5 WHERE id = 2; SAVEPOINT s")
    a.run(LOOSE[0])
    for statement in ("UPDATE acc SET v = 6 WHERE id = 1", again, again):
        with pytest.raises(DbError) as caught:
            b.run(statement)
    is_kept = again == "ROLLBACK TO s"
    kind = ErrorKind.SERIALIZATION_FAILURE if is_kept else ErrorKind.FAILED_TRANSACTION
    assert caught.value.kind is kind
    b.run("COMMIT")  # it answers as ROLLBACK does
    assert a.run(SHOW) == [(1,), (0,), (0,)]


def test_mysql_rolls_a_transaction_back_that_could_not_be_repeated(
    a: Client, connect: Connect
) -> None:
    b = connect(Wire.MYSQL)
    b.run("START TRANSACTION; UPDATE acc SET v = 5 WHERE id = 2; SAVEPOINT s")
    a.run(LOOSE[0])
    with pytest.raises(DbError) as caught:
        b.run("UPDATE acc SET v = 6 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    assert b.run("SELECT count(*) FROM acc") == [(3,)]
    assert b.session.transaction is None
    assert a.run(SHOW) == [(1,), (0,), (0,)]


@pytest.mark.parametrize(
    "kept", ["UPDATE acc SET v = 5 WHERE v = 0", "DELETE FROM acc WHERE v = 0 RETURNING id"]
)
def test_going_back_keeps_no_statement_that_would_now_meet_other_rows(
    a: Client, b: Client, kept: str
) -> None:
    b.run(f"BEGIN; {kept}; SAVEPOINT s; INSERT INTO log (what) VALUES ('x')")
    a.run("INSERT INTO acc VALUES (9, 0, 'z')")
    with pytest.raises(DbError) as caught:
        b.run("ROLLBACK TO s")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    b.run("ROLLBACK")
    assert a.run(SHOW) == [(0,), (0,), (0,), (0,)]


def test_a_table_of_the_same_name_is_not_the_one_that_rows_went_into(a: Client, b: Client) -> None:
    a.run("CREATE TABLE other (id INT)")
    b.run("BEGIN; INSERT INTO other VALUES (1); SAVEPOINT s; INSERT INTO log (what) VALUES ('x')")
    a.run("DROP TABLE other; CREATE TABLE other (id INT)")
    with pytest.raises(DbError) as caught:
        b.run("ROLLBACK TO s; COMMIT")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    b.run("ROLLBACK")
    assert a.run("SELECT * FROM other") == []
