"""What is repeated when a transaction goes back: the same ids, rows and times, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

SERIES = "(host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)"
Connect = Callable[..., Client]


def error_of(one: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        one.run(text)
    return caught.value.kind


def test_rows_of_a_table_made_in_the_transaction_survive_a_rollback_to(db: Client) -> None:
    db.run(f"CREATE TABLE plain (id INT PRIMARY KEY); BEGIN; CREATE TABLE cpu {SERIES}")
    db.run("INSERT INTO cpu VALUES ('a', 1, 1); SAVEPOINT s; INSERT INTO plain VALUES (1)")
    db.run("ROLLBACK TO s; COMMIT")
    assert db.run("SELECT host FROM cpu") == [("a",)]
    assert db.run("SELECT * FROM plain") == []


def test_ids_given_before_a_rollback_to_are_not_given_again_after_a_crash(
    databases: Databases,
) -> None:
    one = client(databases.open())
    one.run("CREATE TABLE plain (id INT)")
    one.run("BEGIN; CREATE TABLE first (a INT); SAVEPOINT s; INSERT INTO plain VALUES (1)")
    one.run("ROLLBACK TO s; COMMIT")
    one = client(databases.open())
    one.run("CREATE TABLE second (a INT)")
    ids = [
        row[0] for row in one.run("SELECT oid FROM pg_class WHERE relname IN ('first', 'second')")
    ]
    assert len(set(ids)) == 2


def test_the_first_statement_without_autocommit_survives_a_failed_second(
    db: Client, connect: Connect
) -> None:
    db.run("CREATE TABLE dim (id INT PRIMARY KEY)")
    mysql = connect(Wire.MYSQL)
    mysql.run("SET autocommit = 0; INSERT INTO dim VALUES (1)")
    assert error_of(mysql, "INSERT INTO dim VALUES (1)") is ErrorKind.UNIQUE_VIOLATION
    mysql.run("INSERT INTO dim VALUES (2); COMMIT")
    assert db.run("SELECT id FROM dim ORDER BY id") == [(1,), (2,)]


def test_what_came_before_begin_in_one_request_survives_a_rollback_to(db: Client) -> None:
    db.run("CREATE TABLE dim (id INT PRIMARY KEY)")
    db.session.open_block()
    db.run("INSERT INTO dim VALUES (1); BEGIN; SAVEPOINT s; INSERT INTO dim VALUES (2)")
    db.run("ROLLBACK TO s; COMMIT")
    db.session.close_block(commit=True)
    assert db.run("SELECT id FROM dim") == [(1,)]


def test_now_is_when_the_transaction_began_also_when_repeated(db: Client) -> None:
    db.run("CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP(3)); BEGIN")
    (began,) = db.run("SELECT now()")[0]
    db.run("INSERT INTO t VALUES (1, now()); UPDATE t SET at = now()")
    db.run("SAVEPOINT s; INSERT INTO t VALUES (2, now()); ROLLBACK TO s")
    assert db.run("SELECT at = now() FROM t") == [(True,)]
    assert db.run("SELECT now()") == [(began,)]


def test_computed_values_are_the_same_when_repeated(db: Client) -> None:
    db.run("CREATE TABLE t (id INT, v DOUBLE); BEGIN; INSERT INTO t VALUES (1, random())")
    before = db.run("SELECT v FROM t")
    db.run("SAVEPOINT s; DELETE FROM t; ROLLBACK TO s")
    assert db.run("SELECT v FROM t") == before
    db.run("COMMIT")
    assert db.run("SELECT v FROM t") == before


def test_nested_savepoints_go_back_to_each(db: Client) -> None:
    db.run(f"CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE cpu {SERIES}; BEGIN")
    for number in range(1, 5):
        db.run(f"INSERT INTO t VALUES ({number}); INSERT INTO cpu VALUES ('h', {number}, 1)")
        db.run(f"SAVEPOINT s{number}")
    for number in (3, 1):
        db.run(f"ROLLBACK TO s{number}")
        assert db.run("SELECT max(id) FROM t") == [(number,)]
        assert db.run("SELECT count(*) FROM cpu") == [(number,)]
    assert error_of(db, "ROLLBACK TO s3") is ErrorKind.UNDEFINED_SAVEPOINT
    db.run("ROLLBACK TO s1; RELEASE s1; COMMIT")
    assert db.run("SELECT * FROM t") == [(1,)]


def test_a_savepoint_of_the_same_name_hides_the_earlier(db: Client) -> None:
    db.run("CREATE TABLE t (id INT PRIMARY KEY); BEGIN; SAVEPOINT s; INSERT INTO t VALUES (1)")
    db.run("SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s")
    assert db.run("SELECT * FROM t") == [(1,)]
    db.run("RELEASE s; ROLLBACK TO s")
    assert db.run("SELECT * FROM t") == []


def test_truncate_forgets_what_the_transaction_had_read(db: Client) -> None:
    db.run(f"CREATE TABLE cpu {SERIES}; INSERT INTO cpu VALUES ('a', 1, 1)")
    db.run("BEGIN; UPDATE cpu SET v = 2; TRUNCATE cpu; INSERT INTO cpu VALUES ('b', 1, 1); COMMIT")
    assert db.run("SELECT host FROM cpu") == [("b",)]


def test_thousands_of_statements_with_savepoints_do_not_slow_each_other(db: Client) -> None:
    """As ODBC and SQLAlchemy make them: every step costs the same, whatever came before."""
    db.run(f"CREATE TABLE cpu {SERIES}; BEGIN")
    steps = db.session.transaction
    assert steps is not None
    for number in range(2000):
        db.run(f"SAVEPOINT s; INSERT INTO cpu VALUES ('h', {number}, 1)")
        db.run("ROLLBACK TO s" if number % 2 else "RELEASE s")
    db.run("COMMIT")
    assert db.run("SELECT count(*) FROM cpu") == [(1000,)]


def test_rows_stay_in_tables_that_are_temporary_new_or_renamed(db: Client) -> None:
    db.run("BEGIN; CREATE TEMP TABLE t (id INT); INSERT INTO t VALUES (1)")
    db.run("CREATE TABLE u (id INT); INSERT INTO u VALUES (1)")
    db.run("SAVEPOINT s; INSERT INTO t VALUES (2); INSERT INTO u VALUES (2); ROLLBACK TO s; COMMIT")
    assert (db.run("SELECT * FROM t"), db.run("SELECT * FROM u")) == ([(1,)], [(1,)])
    db.run("BEGIN; INSERT INTO t VALUES (5); ALTER TABLE u RENAME TO w; INSERT INTO w VALUES (7)")
    db.run("SAVEPOINT s; INSERT INTO w VALUES (8); ROLLBACK TO s; COMMIT")
    assert (db.run("SELECT * FROM t"), db.run("SELECT * FROM w")) == ([(1,), (5,)], [(1,), (7,)])
