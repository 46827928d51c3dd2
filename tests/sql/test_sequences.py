"""Sequences beyond one statement: currval() is the session's, a restart forgets nothing."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.database import Database


def test_currval_is_the_sessions_own(database: Database) -> None:
    one, two = client(database), client(database)
    one.run("CREATE SEQUENCE s")
    assert one.run("SELECT nextval('s')") == [(1,)]
    with pytest.raises(DbError) as caught:
        two.run("SELECT currval('s')")
    assert caught.value.kind is ErrorKind.NOT_READY
    assert two.run("SELECT nextval('s')") == [(2,)]
    assert one.run("SELECT currval('s'), lastval()") == [(1, 1)]
    one.run("DISCARD SEQUENCES")
    with pytest.raises(DbError):
        one.run("SELECT lastval()")


def test_numbers_are_not_given_twice_after_a_rollback(db: Client) -> None:
    db.run("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT)")
    db.run("BEGIN")
    assert db.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(1,)]
    db.run("ROLLBACK")
    assert db.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(2,)]
    assert db.run("SELECT currval('t_id_seq')") == [(2,)]


def test_a_sequence_outlives_a_restart(databases: Databases) -> None:
    db = client(databases.open())
    db.run("CREATE SEQUENCE s INCREMENT BY -2 MAXVALUE 7")
    assert db.run("SELECT nextval('s')") == [(7,)]
    db.run("CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY, a INT)")
    db.run("INSERT INTO t (a) VALUES (1)")
    db = client(databases.open())
    assert db.run("SELECT nextval('s')") == [(5,)]
    assert db.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(2,)]
    shown = "SELECT increment_by, last_value FROM pg_sequences WHERE sequencename = 's'"
    assert db.run(shown) == [(-2, 5)]
    db.run("DROP TABLE t")
    assert db.run("SELECT sequencename FROM pg_sequences") == [("s",)]


def test_nothing_is_counted_to_describe_a_statement(db: Client) -> None:
    db.run("CREATE SEQUENCE s")
    for text in ("SELECT nextval('s')", "SELECT nextval($1)"):
        statement = db.session.parse(text)[0]
        described = db.session.describe(statement)
        assert described.columns is not None
        assert [column.type.name for column in described.columns] == ["Int64"]
    assert db.run("SELECT nextval('s')") == [(1,)]
    assert db.run("SELECT setval('s', (SELECT 10 + 10))") == [(20,)]
    assert db.run("SELECT setval('s', max(a)) FROM (VALUES (4), (9)) AS v (a)") == [(9,)]
    assert db.run("SELECT nextval('s')") == [(10,)]
