"""SERIALIZABLE: what no order of the transactions explains does not commit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql import serial
from sql.serial import Serializables, Tables
from sql.session import Wire

Connect = Callable[..., Client]
BEGIN = "BEGIN ISOLATION LEVEL SERIALIZABLE"


@pytest.fixture
def tables(db: Client) -> Client:
    db.run("CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT)")
    db.run("INSERT INTO a VALUES (1, 0), (2, 0); INSERT INTO b VALUES (1, 0), (2, 0)")
    db.run("CREATE TABLE m (k INT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v INT)")
    return db


def fails(one: Client, text: str = "COMMIT") -> None:
    with pytest.raises(DbError) as caught:
        one.run(text)
    assert caught.value.kind is ErrorKind.SERIALIZATION_FAILURE


def begun(connect: Connect, *reads: str, wire: Wire = Wire.POSTGRES) -> Client:
    made = connect(wire)
    if wire is Wire.MYSQL:
        made.run("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN")
    else:
        made.run(BEGIN)
    for table in reads or ("a",):
        made.run(f"SELECT count(*) FROM {table}")
    return made


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL])
def test_two_that_read_what_the_other_writes_do_not_both_commit(
    tables: Client, connect: Connect, wire: Wire
) -> None:
    one, two = (begun(connect, "a", "b", wire=wire) for _ in range(2))
    one.run("UPDATE a SET v = (SELECT sum(v) + 1 FROM b); COMMIT")
    two.run("UPDATE b SET v = (SELECT sum(v) + 1 FROM a)")
    fails(two)
    assert tables.run("SELECT DISTINCT a.v, b.v FROM a, b") == [(1, 0)]
    two.run("BEGIN; UPDATE b SET v = (SELECT sum(v) + 1 FROM a); COMMIT")
    assert tables.run("SELECT DISTINCT v FROM b") == [(3,)]


def test_the_one_that_may_not_commit_is_whoever_comes_second(
    tables: Client, connect: Connect
) -> None:
    one, two = begun(connect), begun(connect)
    one.run("DELETE FROM a WHERE id = 1")
    two.run("UPDATE a SET v = 5 WHERE id = 2; COMMIT")
    fails(one)
    assert tables.run("SELECT * FROM a ORDER BY id") == [(1, 0), (2, 5)]


def test_rows_that_come_count_too(tables: Client, connect: Connect) -> None:
    one, two = begun(connect, "a", "b"), begun(connect, "a", "b")
    one.run("INSERT INTO a SELECT 3, count(*) FROM b; COMMIT")
    two.run("INSERT INTO b SELECT 3, count(*) FROM a")
    fails(two)


def test_one_order_is_no_reason_to_fail(tables: Client, connect: Connect) -> None:
    one, two = begun(connect, "a"), begun(connect, "b")
    two.run("INSERT INTO a VALUES (3, 1); COMMIT")  # as if it came after `one`
    one.run("UPDATE a SET v = 1 WHERE id = 1; COMMIT")
    one, two = begun(connect, "b"), begun(connect, "b")
    one.run("INSERT INTO a VALUES (4, 1); COMMIT")
    two.run("INSERT INTO a VALUES (5, 1); COMMIT")  # nobody has looked at `a`
    assert tables.run("SELECT count(*) FROM a") == [(5,)]


def test_a_reader_must_not_see_a_state_that_never_was(tables: Client, connect: Connect) -> None:
    """The batch of receipts: the report shows none of a closed batch, then one comes into it."""
    receipt = begun(connect, "b")
    receipt.run("INSERT INTO a SELECT 3, v FROM b WHERE id = 1")
    tables.run(f"{BEGIN}; UPDATE b SET v = 1 WHERE id = 1; COMMIT")
    report = begun(connect, "a", "b")
    report.run("COMMIT")
    fails(receipt)


def test_a_reader_fails_if_the_pair_has_committed_already(tables: Client, connect: Connect) -> None:
    receipt, report = begun(connect, "b"), connect()
    tables.run(f"{BEGIN}; UPDATE b SET v = 1 WHERE id = 1; COMMIT")
    report.run(f"{BEGIN}; SELECT 1 FROM b LIMIT 1")
    receipt.run("INSERT INTO a VALUES (3, 0); COMMIT")
    report.run("SELECT count(*) FROM a")
    fails(report)


def test_other_levels_are_not_looked_at(tables: Client, connect: Connect) -> None:
    one, two = begun(connect, "a", "b"), connect()
    two.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM a")
    one.run("UPDATE a SET v = 1")
    two.run("UPDATE b SET v = 1; COMMIT")
    tables.run("INSERT INTO b VALUES (7, 7)")
    one.run("COMMIT")


def test_time_series_tables_count(tables: Client, connect: Connect) -> None:
    one, two = begun(connect, "a"), begun(connect, "m")
    one.run("INSERT INTO m SELECT 1, '2024-01-01', count(*) FROM a; COMMIT")
    two.run("INSERT INTO a SELECT 9, count(*) FROM m")
    fails(two)
    one, two = begun(connect, "a"), begun(connect, "m", "b")
    one.run("INSERT INTO m SELECT 2, '2024-01-01', count(*) FROM a; COMMIT")
    two.run("SELECT count(*) FROM m")  # which shows the row, unlike its first look
    fails(two)


def test_definitions_count_for_every_table(tables: Client, connect: Connect) -> None:
    one, two = begun(connect, "a"), begun(connect, "b")
    one.run("INSERT INTO b VALUES (3, 3)")
    two.run("ALTER TABLE a ADD COLUMN w INT; COMMIT")
    fails(one)


def test_what_is_rolled_back_is_in_nobodys_way(tables: Client, connect: Connect) -> None:
    one, two = begun(connect), begun(connect)
    one.run("UPDATE a SET v = 1 WHERE id = 1; ROLLBACK")
    two.run("UPDATE a SET v = 1 WHERE id = 2; COMMIT")
    assert tables.session.server.gate.serial.begin().started == 1


def test_many_at_once_keep_a_rule_over_rows(tables: Client, connect: Connect) -> None:
    """On call: somebody always is, though each looks and leaves for himself."""
    for _ in range(5):
        tables.run("UPDATE a SET v = 1")
        ones = [begun(connect) for _ in range(2)]
        refused: list[ErrorKind] = []
        for number, one in enumerate(ones, 1):
            if one.run("SELECT sum(v) FROM a")[0][0] > 1:
                one.run(f"UPDATE a SET v = 0 WHERE id = {number}")
            try:
                one.run("COMMIT")
            except DbError as error:
                refused.append(error.kind)
        assert refused == [ErrorKind.SERIALIZATION_FAILURE]
        assert tables.run("SELECT sum(v) FROM a") == [(1,)]


def test_who_is_committing_is_known_to_those_that_begin() -> None:
    """Its rows of a time series are not to be seen yet, those of an ordinary table may be."""
    every = Serializables()
    first, other = every.begin(), every.begin()
    first.writes = Tables({1, 2})
    every.commit(first)
    every.end(other, committed=False)  # nobody is open now
    late = every.begin()
    late.reads, late.series = Tables({2}), Tables({2})
    every.end(first, committed=True)
    with pytest.raises(DbError):
        every.commit(late)


def test_the_past_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "PAST_MAX", 3)
    every = Serializables()
    old = every.begin()
    for _ in range(5):
        one = every.begin()
        one.writes = Tables({1})
        every.commit(one)
        every.end(one, committed=True)
    with pytest.raises(DbError) as caught:
        every.commit(old)
    assert "too much" in str(caught.value.detail)
    every.end(old, committed=False)
    late = every.begin()
    every.commit(late)
    every.end(late, committed=True)
    assert late.number == 6
