"""UNIQUE … DEFERRABLE: when it is looked at, and by whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, Later, client

from engine.errors import DbError, ErrorKind

TAKEN = ErrorKind.UNIQUE_VIOLATION
Connect = Callable[..., Client]


@pytest.fixture
def one(db: Client) -> Client:
    db.run("CREATE TABLE t (id INT PRIMARY KEY, n INT UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    db.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL), (4, NULL)")
    return db


def refused(one: Client, sql: str, kind: ErrorKind = TAKEN) -> DbError:
    with pytest.raises(DbError) as caught:
        one.run(sql)
    assert caught.value.kind is kind, caught.value
    return caught.value


def numbers(one: Client) -> list[int | None]:
    return [n for (n,) in one.run("SELECT n FROM t ORDER BY id")]


def test_a_deferred_key_may_be_there_twice_until_commit(one: Client) -> None:
    one.run("BEGIN; INSERT INTO t VALUES (5, 1); UPDATE t SET n = 9 WHERE id = 1; COMMIT")
    assert numbers(one) == [9, 2, None, None, 1]
    one.run("BEGIN; UPDATE t SET n = 2 WHERE id = 1")
    error = refused(one, "COMMIT")
    assert error.detail == "Key (n)=(2) already exists."
    assert error.about == {"schema": "public", "table": "t", "constraint": "t_n_key"}
    assert numbers(one) == [9, 2, None, None, 1]
    error = refused(one, "INSERT INTO t VALUES (6, 2)")  # the statement's end is its COMMIT
    assert error.message == 'duplicate key value violates unique constraint "t_n_key"'


def test_an_immediate_one_is_looked_at_when_the_statement_ends(one: Client) -> None:
    one.run("CREATE TABLE u (id INT UNIQUE DEFERRABLE); INSERT INTO u VALUES (1), (2), (3)")
    one.run("BEGIN; UPDATE u SET id = id + 1; UPDATE u SET id = 6 - id")
    assert one.run("SELECT id FROM u ORDER BY id") == [(2,), (3,), (4,)]
    refused(one, "UPDATE u SET id = 2 WHERE id = 3")
    one.run("ROLLBACK; BEGIN; SET CONSTRAINTS u_id_key DEFERRED; UPDATE u SET id = 2 WHERE id = 3")
    refused(one, "SET CONSTRAINTS ALL IMMEDIATE")
    one.run("ROLLBACK; BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO u VALUES (1)")
    one.run("DELETE FROM u WHERE id = 1; SET CONSTRAINTS ALL IMMEDIATE; COMMIT")
    assert one.run("SELECT id FROM u ORDER BY id") == [(2,), (3,)]


@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
def test_other_keys_may_swap_within_a_statement(one: Client, key: str) -> None:
    one.run(f"CREATE TABLE k (id INT {key}); INSERT INTO k VALUES (1), (2), (3)")
    one.run("UPDATE k SET id = id + 1; UPDATE k SET id = 6 - id")
    refused(one, "UPDATE k SET id = 2 WHERE id = 3")
    assert one.run("SELECT id FROM k ORDER BY id") == [(2,), (3,), (4,)]


def test_every_writer_is_looked_at(one: Client) -> None:
    refused(one, "INSERT INTO t SELECT 7, 1")
    refused(one, "INSERT INTO t VALUES (7, 1) RETURNING n")
    refused(one, "UPDATE t SET n = 2 WHERE id = 1")
    refused(one, "UPDATE t SET n = s.n FROM (SELECT 2 AS n) AS s WHERE id = 1")
    refused(
        one,
        "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 2",
    )
    refused(one, "INSERT INTO t VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = 2")
    refused(one, "INSERT INTO t VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = excluded.n")
    one.run("CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (1), (2)")
    one.run("CREATE TABLE c (p INT UNIQUE DEFERRABLE REFERENCES p ON UPDATE SET DEFAULT)")
    one.run("ALTER TABLE c ALTER p SET DEFAULT 2; INSERT INTO c VALUES (1), (2)")
    refused(one, "UPDATE p SET id = 7 WHERE id = 1")
    assert numbers(one) == [1, 2, None, None]


def test_who_brings_the_same_key_waits(one: Client, connect: Connect) -> None:
    other = connect()
    for end, error in (("ROLLBACK", None), ("COMMIT", TAKEN)):
        one.run("BEGIN; INSERT INTO t VALUES (5, 5)")
        later = Later(other, "INSERT INTO t VALUES (6, 5)")
        assert later.is_waiting()
        one.run(end)
        later.end()
        assert (later.error.kind if later.error else None) is error
        one.run("DELETE FROM t WHERE n = 5")
    one.run("BEGIN; INSERT INTO t VALUES (7, 7)")
    other.run("BEGIN; INSERT INTO t VALUES (8, 8)")
    refused(other, "INSERT INTO t VALUES (9, 7)", ErrorKind.SERIALIZATION_FAILURE)
    other.run("ROLLBACK")
    one.run("COMMIT")


def test_a_constraint_is_added_over_unique_rows_only(one: Client, connect: Connect) -> None:
    one.run("CREATE TABLE u (a INT, b TEXT); INSERT INTO u VALUES (1, 'x'), (1, 'y')")
    refused(one, "ALTER TABLE u ADD CONSTRAINT two UNIQUE (a) DEFERRABLE")
    other = connect()
    other.run("BEGIN; INSERT INTO u VALUES (1, 'y')")
    later = Later(one, "ALTER TABLE u ADD CONSTRAINT two UNIQUE (a, b) DEFERRABLE")
    assert later.is_waiting()
    other.run("COMMIT")
    later.end()
    assert later.error is not None
    assert later.error.kind is TAKEN
    one.run(
        "DELETE FROM u WHERE b = 'y'; ALTER TABLE u ADD CONSTRAINT two UNIQUE (a, b) DEFERRABLE"
    )
    refused(one, "INSERT INTO u VALUES (1, 'x')")
    one.run("ALTER TABLE u DROP CONSTRAINT two; INSERT INTO u VALUES (1, 'x')")


def test_it_stays_through_a_restart_and_alterations(databases: Databases) -> None:
    made = client(databases.open())
    made.run("CREATE TABLE t (id INT, n INT, CONSTRAINT late UNIQUE (n) DEFERRABLE)")
    made.run("INSERT INTO t VALUES (1, 1); ALTER TABLE t ADD PRIMARY KEY (id)")
    made.run("ALTER TABLE t RENAME COLUMN n TO m; ALTER TABLE t ALTER m TYPE BIGINT")
    made = client(databases.open())
    error = refused(made, "INSERT INTO t VALUES (2, 1)")
    assert error.detail == "Key (m)=(1) already exists."
    made.run("BEGIN; SET CONSTRAINTS late DEFERRED; INSERT INTO t VALUES (2, 1)")
    made.run("UPDATE t SET m = 3 WHERE id = 1; COMMIT")


def test_what_it_cannot_serve(one: Client) -> None:
    constraint = "INSERT INTO t VALUES (7, 1) ON CONFLICT ON CONSTRAINT t_n_key DO NOTHING"
    refused(one, constraint, ErrorKind.NOT_READY)
    with pytest.raises(DbError):
        one.run("INSERT INTO t VALUES (7, 1) ON CONFLICT (n) DO NOTHING")
    with pytest.raises(DbError):
        one.run("CREATE TABLE c (n INT REFERENCES t (n))")
    with pytest.raises(DbError):
        one.run("BEGIN; SET CONSTRAINTS t_pkey DEFERRED")


def test_a_rollback_to_a_savepoint_forgets_nothing_that_matters(one: Client) -> None:
    one.run("BEGIN; INSERT INTO t VALUES (5, 1); SAVEPOINT s; DELETE FROM t WHERE id = 1")
    one.run("ROLLBACK TO s")
    refused(one, "COMMIT")
    one.run("BEGIN; SAVEPOINT s; INSERT INTO t VALUES (5, 1); ROLLBACK TO s; COMMIT")
    assert numbers(one) == [1, 2, None, None]
