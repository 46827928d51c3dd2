"""BEGIN, COMMIT and ROLLBACK on the event loop: only of transactions that have changed nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from sql.results import Affected
from sql.session import TransactionStatus, Wire

Connect = Callable[..., Client]


@pytest.fixture
def rows(db: Client) -> Client:
    db.run("CREATE TABLE acc (id INT PRIMARY KEY, v INT); INSERT INTO acc VALUES (1, 0)")
    db.run("CREATE TABLE series (ts TIMESTAMP TIME INDEX, v INT)")
    return db


def control(client: Client, text: str) -> str | None:
    done = client.session.instant.control(text)
    assert done is None or done == Affected(done.tag)
    return None if done is None else done.tag


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK;", "commit"])
def test_a_transaction_that_reads_ends_at_once(rows: Client, connect: Connect, end: str) -> None:
    assert control(rows, "BEGIN") == "BEGIN"
    assert rows.session.transaction_status is TransactionStatus.ACTIVE
    assert rows.run("SELECT v FROM acc") == [(0,)]
    connect().run("UPDATE acc SET v = 1")
    assert rows.run("SELECT v FROM acc") == [(1,)]
    assert control(rows, end) == end.rstrip(";").upper()
    assert rows.session.transaction_status is TransactionStatus.IDLE


CHANGES = [
    "UPDATE acc SET v = 5",
    "UPDATE acc SET v = 5 WHERE id = 99",
    "INSERT INTO series VALUES (now(), 1)",
    "CREATE TABLE other (a INT)",
    "CREATE TEMPORARY TABLE other (a INT) ON COMMIT DROP",
    "DECLARE c CURSOR FOR SELECT 1",
]


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_has_changed_something_does_not(rows: Client, change: str) -> None:
    assert control(rows, "BEGIN") == "BEGIN"
    rows.run(change)
    assert control(rows, "COMMIT") is None
    rows.run("COMMIT")
    assert rows.session.transaction_status is TransactionStatus.IDLE
    assert control(rows, "BEGIN") == "BEGIN"


def test_one_that_has_failed_does_not(rows: Client) -> None:
    control(rows, "BEGIN")
    with pytest.raises(Exception, match="absent"):
        rows.run("SELECT * FROM absent")
    assert control(rows, "COMMIT") is None
    assert control(rows, "BEGIN") is None
    rows.run("ROLLBACK")


def test_what_is_odd_takes_the_usual_way(rows: Client, connect: Connect) -> None:
    assert control(rows, "COMMIT") is None  # there is a warning
    assert control(rows, "BEGIN READ ONLY") is None
    assert control(connect(Wire.MYSQL), "BEGIN") is None
    control(rows, "BEGIN")
    assert control(rows, "BEGIN") is None
    rows.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert control(rows, "COMMIT") is None


def test_modes_and_settings_are_those_of_the_transaction(rows: Client) -> None:
    rows.run("SET default_transaction_read_only = on; SET work_mem = '5MB'")
    control(rows, "BEGIN")
    with pytest.raises(Exception, match="read-only"):
        rows.run("DELETE FROM acc")
    rows.run("ROLLBACK; SET default_transaction_read_only = off")
    control(rows, "BEGIN")
    rows.run("SET work_mem = '7MB'; SET LOCAL TIME ZONE 'Asia/Tokyo'")
    assert control(rows, "ROLLBACK") == "ROLLBACK"
    assert rows.run("SHOW work_mem") == [("5MB",)]
    control(rows, "BEGIN")
    rows.run("SET work_mem = '7MB'; SET LOCAL TIME ZONE 'Asia/Tokyo'")
    assert control(rows, "COMMIT") == "COMMIT"
    assert rows.run("SHOW work_mem") == [("7MB",)]
    assert rows.session.timezone == "UTC"


def test_locks_and_messages_go_with_it(rows: Client, connect: Connect) -> None:
    other = connect()
    other.run("LISTEN news")
    control(rows, "BEGIN")
    rows.run("SELECT v FROM acc FOR UPDATE; SELECT pg_advisory_xact_lock(7); NOTIFY news, 'x'")
    assert other.run("SELECT pg_try_advisory_lock(7)") == [(False,)]
    assert control(rows, "COMMIT") == "COMMIT"
    assert other.run("SELECT pg_try_advisory_lock(7)") == [(True,)]
    assert other.run("SELECT v FROM acc FOR UPDATE NOWAIT") == [(0,)]
    assert [one.payload for one in other.session.take_notifications()] == ["x"]


def test_now_is_when_it_began(rows: Client) -> None:
    control(rows, "BEGIN")
    (first,) = rows.run("SELECT now()")
    assert rows.run("SELECT now()") == [first]
    control(rows, "COMMIT")
