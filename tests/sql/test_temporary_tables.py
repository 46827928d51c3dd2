"""Temporary tables between sessions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

Connect = Callable[..., Client]


def error_of(one: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        one.run(text)
    return caught.value.kind


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL])
def test_two_sessions_have_tables_of_one_name(connect: Connect, wire: Wire) -> None:
    first, second = connect(wire), connect(wire)
    first.run("CREATE TEMPORARY TABLE t (a INT); INSERT INTO t VALUES (1)")
    assert error_of(second, "SELECT * FROM t") is ErrorKind.UNDEFINED_TABLE
    second.run("CREATE TEMPORARY TABLE t (b TEXT); INSERT INTO t VALUES ('x')")
    assert first.run("SELECT * FROM t") == [(1,)]
    assert second.run("SELECT * FROM t") == [("x",)]


def test_plans_of_others_are_not_used(connect: Connect) -> None:
    first, second = connect(), connect()
    first.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    assert second.run("SELECT * FROM t") == [(1,)]
    second.run("CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (2)")
    assert second.run("SELECT * FROM t") == [(2,)]
    assert first.run("SELECT * FROM t") == [(1,)]
    second.run("DROP TABLE t")
    assert second.run("SELECT * FROM t") == [(1,)]


def test_reset_and_restart_leave_none(databases: Databases) -> None:
    one = client(databases.open())
    one.run("CREATE TEMP TABLE t (a INT)")
    one.session.reset()
    assert error_of(one, "SELECT * FROM t") is ErrorKind.UNDEFINED_TABLE
    one.run("CREATE TEMP TABLE t (a INT)")
    assert error_of(client(databases.open()), "SELECT * FROM t") is ErrorKind.UNDEFINED_TABLE


def test_rollback_to_a_savepoint_keeps_what_was_before(connect: Connect) -> None:
    one = connect()
    one.run("BEGIN; CREATE TEMP TABLE a (x INT); INSERT INTO a VALUES (1)")
    one.run("SAVEPOINT s; CREATE TEMP TABLE b (x INT); DROP TABLE a; ROLLBACK TO s")
    assert one.run("SELECT * FROM a") == [(1,)]
    assert error_of(one, "SELECT * FROM b") is ErrorKind.UNDEFINED_TABLE
    one.run("ROLLBACK")
    assert error_of(one, "SELECT * FROM a") is ErrorKind.UNDEFINED_TABLE


def test_one_transaction_writes_temporary_lasting_and_series_rows(connect: Connect) -> None:
    one, other = connect(), connect()
    one.run("CREATE TABLE r (a INT); CREATE TABLE s (ts TIMESTAMP TIME INDEX, v INT)")
    one.run(
        "BEGIN; CREATE TEMP TABLE t AS SELECT 1 AS a; INSERT INTO r SELECT a FROM t;"
        "INSERT INTO s SELECT 5, a FROM t; COMMIT"
    )
    assert other.run("SELECT (SELECT count(*) FROM r), (SELECT count(*) FROM s)") == [(1, 1)]
    assert one.run("SELECT * FROM t") == [(1,)]


def test_tables_of_a_name_change_by_merge_and_conflict(connect: Connect) -> None:
    one = connect()
    one.run("CREATE TEMP TABLE t (a INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1)")
    one.run("INSERT INTO t VALUES (1, 5) ON CONFLICT (a) DO UPDATE SET n = t.n + excluded.n")
    one.run("MERGE INTO t USING (SELECT 1 AS a) s ON s.a = t.a WHEN MATCHED THEN UPDATE SET n = -n")
    assert one.run("SELECT n FROM t") == [(-6,)]


def test_temporary_views_are_the_sessions_own(connect: Connect) -> None:
    one, other = connect(), connect()
    one.run("CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1)")
    one.run("CREATE TEMP VIEW v AS SELECT a + 1 AS b FROM t")
    assert one.run("SELECT * FROM v") == [(2,)]
    assert error_of(other, "SELECT * FROM v") is ErrorKind.UNDEFINED_TABLE
    assert error_of(one, "CREATE VIEW w AS SELECT * FROM t") is ErrorKind.UNSUPPORTED
    one.run("DROP VIEW v")
    assert error_of(one, "SELECT * FROM v") is ErrorKind.UNDEFINED_TABLE
    one.run("CREATE TEMP VIEW v AS SELECT 5 AS c")
    one.session.reset()
    assert error_of(one, "SELECT * FROM v") is ErrorKind.UNDEFINED_TABLE


def test_plans_know_which_temporary_tables_there_are(databases: Databases) -> None:
    one, two = client(databases.open()), None
    one.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    assert one.run("SELECT a FROM t") == [(1,)]
    one.run("CREATE TEMP TABLE t (a TEXT); INSERT INTO t VALUES ('x')")
    assert one.run("SELECT a FROM t") == [("x",)]
    two = client(databases.database)  # type: ignore[arg-type]
    two.run("CREATE TEMP TABLE t (b INT, a INT); INSERT INTO t VALUES (2, 3)")
    assert two.run("SELECT a FROM t") == [(3,)]
    assert one.run("SELECT a FROM t") == [("x",)]
    one.run("BEGIN; DROP TABLE t")
    assert one.run("SELECT a FROM t") == [(1,)]
    one.run("ROLLBACK")
    assert one.run("SELECT a FROM t") == [("x",)]
    one.run("BEGIN; ALTER TABLE public.t ADD COLUMN b INT DEFAULT 5")
    assert one.run("SELECT * FROM public.t") == [(1, 5)]
    assert two.run("SELECT * FROM public.t") == [(1,)]
    one.run("ALTER TABLE public.t RENAME COLUMN b TO c; SAVEPOINT s; DROP TABLE t")
    assert one.run("SELECT c FROM t") == [(5,)]
    one.run("ROLLBACK TO s")
    assert one.run("SELECT a FROM t") == [("x",)]
    one.run("COMMIT")
    assert two.run("SELECT c FROM public.t") == [(5,)]


def test_unique_indexes_of_temporary_tables_come_and_go(db: Client) -> None:
    db.run("CREATE TEMP TABLE x (a INT); CREATE UNIQUE INDEX i ON x (a); INSERT INTO x VALUES (1)")
    db.run("ALTER TABLE x ADD COLUMN b INT")
    with pytest.raises(DbError):
        db.run("INSERT INTO x VALUES (1)")
    db.run("BEGIN; UPDATE x SET b = 1; ALTER TABLE x ALTER b SET NOT NULL; COMMIT")
    with pytest.raises(DbError):
        db.run("INSERT INTO x VALUES (1, 1)")
    db.run("DROP INDEX i; INSERT INTO x VALUES (1, 1)")
    assert db.run("SELECT * FROM x") == [(1, 1), (1, 1)]


def test_returning_names_the_table_as_the_statement_does(connect: Connect) -> None:
    one = connect()
    one.run("CREATE TEMP TABLE t (a INT PRIMARY KEY, n INT)")
    assert one.run("INSERT INTO t VALUES (1, 2) RETURNING t.a, t.*") == [(1, 1, 2)]
    assert one.run("INSERT INTO pg_temp.t AS q VALUES (2, 3) RETURNING q.n, q.*") == [(3, 2, 3)]
    conflict = "INSERT INTO t VALUES (1, 7) ON CONFLICT (a) DO UPDATE SET n = excluded.n"
    assert one.run(f"{conflict} RETURNING t.n + 1") == [(8,)]
    one.run("CREATE TABLE kept (a INT)")
    assert one.run("INSERT INTO kept AS q VALUES (5) RETURNING q.a") == [(5,)]
