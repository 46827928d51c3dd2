"""What sessions see of each other, and what happens when they want the same rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client, Later
from patience import PATIENCE_SECONDS, wait_until

from engine.errors import DbError, ErrorKind
from sql.alterations import Alterations
from sql.gate import CommitGate
from sql.run import waiting
from sql.session import Wire

Connect = Callable[..., Client]


@pytest.fixture
def tables(db: Client) -> Client:
    db.run("CREATE TABLE acc (id INT PRIMARY KEY, v INT); INSERT INTO acc VALUES (1, 0), (2, 0)")
    return db


def test_a_transaction_sees_what_others_commit_meanwhile(tables: Client, connect: Connect) -> None:
    other = connect()
    other.run("BEGIN")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    tables.run("UPDATE acc SET v = 5 WHERE id = 1; CREATE TABLE late (a INT)")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(5,)]
    assert other.run("SELECT * FROM late") == []


def test_repeatable_read_does_not(tables: Client, connect: Connect) -> None:
    other = connect()
    other.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    tables.run("UPDATE acc SET v = 5 WHERE id = 1")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    with pytest.raises(DbError) as caught:
        other.run("UPDATE acc SET v = v + 1 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE


def test_an_update_waits_for_the_row_and_sees_what_was_committed(
    tables: Client, connect: Connect
) -> None:
    other = connect()
    tables.run("BEGIN; UPDATE acc SET v = v + 1 WHERE id = 1")
    later = Later(other, "UPDATE acc SET v = v + 10 WHERE id = 1")
    assert later.is_waiting()
    tables.run("COMMIT")
    later.end()
    assert later.error is None
    assert tables.run("SELECT v FROM acc WHERE id = 1") == [(11,)]


def test_who_waits_sleeps_until_the_other_ends(
    tables: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own attempts, which fail, wake nobody: neither itself nor others that wait."""
    looks: list[int] = []
    wait_for_end = CommitGate.wait_for_end

    def counted(gate: CommitGate, session: int, seen: int, seconds: float) -> None:
        looks.append(session)
        wait_for_end(gate, session, seen, seconds)

    monkeypatch.setattr(waiting, "_LOOK_SECONDS", (PATIENCE_SECONDS / 2,))
    monkeypatch.setattr(CommitGate, "wait_for_end", counted)
    tables.run("BEGIN; UPDATE acc SET v = v + 1")
    laters = [Later(connect(), "UPDATE acc SET v = v + 10") for _ in range(2)]
    wait_until(lambda: len(set(looks)) == 2)
    for number in range(20):
        tables.run(f"SELECT v + {number} FROM acc")
    tables.run("COMMIT")
    for later in laters:
        later.end()
    assert [later.error for later in laters] == [None, None]
    assert tables.run("SELECT DISTINCT v FROM acc") == [(21,)]
    assert len(looks) < 12


def test_a_rollback_lets_the_waiting_one_through(tables: Client, connect: Connect) -> None:
    other = connect()
    other.run("BEGIN")
    tables.run("BEGIN; UPDATE acc SET v = 3")
    later = Later(other, "UPDATE acc SET v = 7 WHERE id = 2")
    assert later.is_waiting()
    tables.run("ROLLBACK")
    later.end()
    other.run("COMMIT")
    assert tables.run("SELECT v FROM acc ORDER BY id") == [(0,), (7,)]


def test_waiting_in_a_circle_ends_with_an_error(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; UPDATE acc SET v = 1 WHERE id = 1")
    other.run("BEGIN; UPDATE acc SET v = 2 WHERE id = 2")
    later = Later(other, "UPDATE acc SET v = 2 WHERE id = 1")
    assert later.is_waiting()
    with pytest.raises(DbError) as caught:
        tables.run("UPDATE acc SET v = 1 WHERE id = 2")
    assert caught.value.kind is ErrorKind.DEADLOCK
    tables.run("ROLLBACK")
    later.end()
    assert later.error is None
    other.run("ROLLBACK; UPDATE acc SET v = 1")
    assert tables.run("SELECT v FROM acc ORDER BY id") == [(1,), (1,)]


def test_many_increments_lose_none(tables: Client, connect: Connect) -> None:
    def work(one: Client) -> None:
        for _ in range(15):
            one.run("UPDATE acc SET v = v + 1 WHERE id = 1")

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tables.run("SELECT v FROM acc WHERE id = 1") == [(45,)]


def test_waiting_ends_with_lock_timeout(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; UPDATE acc SET v = 1 WHERE id = 1")
    with pytest.raises(DbError) as caught:
        other.run("SET lock_timeout = '50ms'; UPDATE acc SET v = 2 WHERE id = 1")
    assert caught.value.kind is ErrorKind.LOCK_TIMEOUT


def test_waiting_ends_when_it_is_cancelled(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; UPDATE acc SET v = 1 WHERE id = 1")
    later = Later(other, "UPDATE acc SET v = 2 WHERE id = 1")
    assert later.is_waiting()
    other.session.cancel()
    later.end()
    assert later.error is not None
    assert later.error.kind is ErrorKind.CANCELLED


def test_both_insert_the_same_key(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; INSERT INTO acc VALUES (9, 1)")
    other.run("BEGIN; INSERT INTO acc VALUES (9, 2)")
    tables.run("COMMIT")
    with pytest.raises(DbError) as caught:
        other.run("COMMIT")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
    assert tables.run("SELECT v FROM acc WHERE id = 9") == [(1,)]


def test_inserts_go_on_while_a_table_is_altered(tables: Client, connect: Connect) -> None:
    """A clash of DuckDB's catalog is no error of the client's: the statement runs again."""
    errors: list[DbError] = []

    def insert(one: Client, first: int) -> None:
        for number in range(first, first + 15):
            try:
                one.run(f"INSERT INTO acc (id, v) VALUES ({number}, 0)")
            except DbError as error:
                errors.append(error)

    threads = [threading.Thread(target=insert, args=(connect(), n)) for n in (100, 200)]
    for thread in threads:
        thread.start()
    for number in range(4):
        tables.run(f"ALTER TABLE acc ADD COLUMN c{number} INT")
    for thread in threads:
        thread.join()
    assert not errors
    assert tables.run("SELECT count(*) FROM acc") == [(32,)]


def test_an_insert_waits_until_an_altered_table_is_known(
    tables: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB has the column some time before the catalog, while the disk is slow."""
    reached, go_on = threading.Event(), threading.Event()
    publish = Alterations.publish

    def slowly(self: Alterations, *args: Any) -> None:
        reached.set()
        assert go_on.wait(PATIENCE_SECONDS)
        publish(self, *args)

    monkeypatch.setattr(Alterations, "publish", slowly)
    altered = Later(connect(), "ALTER TABLE acc ADD COLUMN more INT")
    assert reached.wait(PATIENCE_SECONDS)
    inserted = Later(tables, "INSERT INTO acc (id, v) VALUES (5, 0)")
    assert inserted.is_waiting()
    go_on.set()
    altered.end()
    inserted.end()
    assert (altered.error, inserted.error) == (None, None)
    assert tables.run("SELECT more FROM acc WHERE id = 5") == [(None,)]


def test_modes_are_those_of_begin_and_end_with_the_transaction(tables: Client) -> None:
    tables.run("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
    assert tables.run("SHOW transaction_isolation") == [("serializable",)]
    assert tables.run("SHOW transaction_read_only") == [("on",)]
    tables.run("COMMIT")
    assert tables.run("SHOW transaction_isolation") == [("read committed",)]
    tables.run("BEGIN; SELECT v FROM acc")
    with pytest.raises(DbError) as caught:
        tables.run("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    assert caught.value.kind is ErrorKind.ACTIVE_TRANSACTION


def test_a_session_that_only_reads_refuses_every_write(tables: Client) -> None:
    tables.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    for text in ("INSERT INTO acc VALUES (3, 3)", "CREATE TABLE t (a INT)", "TRUNCATE acc"):
        with pytest.raises(DbError) as caught:
            tables.run(text)
        assert caught.value.kind is ErrorKind.READ_ONLY
    tables.run("BEGIN READ WRITE; INSERT INTO acc VALUES (3, 3); COMMIT")
    assert tables.run("SELECT count(*) FROM acc") == [(3,)]


def test_set_is_undone_by_rollback_and_set_local_by_commit_too(tables: Client) -> None:
    tables.run("BEGIN; SET lock_timeout = '5s'; ROLLBACK")
    before = tables.run("SHOW lock_timeout")
    tables.run("BEGIN; SET LOCAL lock_timeout = '7s'")
    assert tables.run("SHOW lock_timeout") != before
    tables.run("COMMIT")
    assert tables.run("SHOW lock_timeout") == before
    tables.run("BEGIN; SET lock_timeout = '5s'; COMMIT")
    assert tables.run("SHOW lock_timeout") != before


ASKED = [
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN",
    "SET transaction_isolation = 'REPEATABLE-READ'; SET autocommit = 0",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
]


@pytest.mark.parametrize("asked", ASKED)
def test_who_asks_for_one_moment_on_mysqls_wire_gets_it(
    tables: Client, connect: Connect, asked: str
) -> None:
    other = connect(Wire.MYSQL)
    other.run(asked)
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    tables.run("UPDATE acc SET v = 5")
    assert other.run("SELECT v FROM acc WHERE id = 2") == [(0,)]
    with pytest.raises(DbError) as caught:
        other.run("UPDATE acc SET v = 1 WHERE id = 1")
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    other.run("COMMIT")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(5,)]


def test_mysqls_set_transaction_is_of_the_next_one_alone(tables: Client, connect: Connect) -> None:
    other = connect(Wire.MYSQL)
    other.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    assert other.run("SELECT @@transaction_isolation") == [("READ-COMMITTED",)]
    other.run("BEGIN")
    with pytest.raises(DbError) as caught:
        other.run("UPDATE acc SET v = 1")
    assert caught.value.kind is ErrorKind.READ_ONLY
    other.run("COMMIT; BEGIN")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    tables.run("UPDATE acc SET v = 5")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(5,)]
    assert other.run("UPDATE acc SET v = 6") == 2


def test_mysqls_sessions_that_only_read_do_so_in_transactions(connect: Connect) -> None:
    other = connect(Wire.MYSQL)
    other.run("CREATE TABLE t (a INT); SET SESSION TRANSACTION READ ONLY; START TRANSACTION")
    with pytest.raises(DbError) as caught:
        other.run("INSERT INTO t VALUES (1)")
    assert caught.value.kind is ErrorKind.READ_ONLY
    other.run("COMMIT; START TRANSACTION READ WRITE; INSERT INTO t VALUES (1); COMMIT")
    assert other.run("SELECT * FROM t") == [(1,)]


@pytest.mark.parametrize("meanwhile", [True, False])
def test_going_back_does_not_move_the_one_moment(
    tables: Client, connect: Connect, *, meanwhile: bool
) -> None:
    other = connect()
    other.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert other.run("SELECT v FROM acc WHERE id = 1") == [(0,)]
    other.run("SAVEPOINT s; UPDATE acc SET v = 8 WHERE id = 2")
    if meanwhile:
        tables.run("UPDATE acc SET v = 5 WHERE id = 1")
        with pytest.raises(DbError) as caught:
            other.run("ROLLBACK TO s")
        assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE
    else:
        other.run("ROLLBACK TO s; UPDATE acc SET v = 1 WHERE id = 1; COMMIT")
        assert other.run("SELECT id, v FROM acc ORDER BY id") == [(1, 1), (2, 0)]
