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


@pytest.mark.parametrize("words", ["ALTER SEQUENCE t_id_seq", "ALTER TABLE t_id_seq"])
def test_a_renamed_sequence_goes_on_counting_for_its_column(db: Client, words: str) -> None:
    db.run("CREATE TABLE t (id SERIAL PRIMARY KEY, a INT); INSERT INTO t (a) VALUES (1)")
    db.run(f"{words} RENAME TO other")
    assert db.run("INSERT INTO t (a) VALUES (2), (3) RETURNING id") == [(2,), (3,)]
    assert db.run("INSERT INTO t VALUES (DEFAULT, 4) RETURNING id") == [(4,)]
    assert db.run("SELECT nextval('other'), lastval()") == [(5, 5)]
    assert db.run("SELECT nextval('other') FROM t WHERE a < 3") == [(6,), (7,)]
    assert db.run("SELECT currval('other')") == [(7,)]
    assert db.run("SELECT setval('other', 10)") == [(10,)]
    assert db.run("SELECT pg_get_serial_sequence('t', 'id')") == [("public.other",)]
    shown = "SELECT column_default FROM information_schema.columns WHERE column_name = 'id'"
    assert db.run(f"{shown} AND table_name = 't'") == [("nextval('other'::regclass)",)]
    assert db.run("SELECT last_value FROM other") == [(10,)]
    with pytest.raises(DbError) as caught:
        db.run("SELECT nextval('t_id_seq')")
    assert caught.value.kind is ErrorKind.UNDEFINED_TABLE
    db.run("DROP TABLE t")
    assert db.run("SELECT sequencename FROM pg_sequences") == []


def test_a_name_that_a_sequence_had_is_free(databases: Databases) -> None:
    db = client(databases.open())
    db.run("CREATE SEQUENCE s; CREATE TABLE t (id INT DEFAULT nextval('s'), a INT)")
    db.run("INSERT INTO t (a) VALUES (1); ALTER SEQUENCE s RENAME TO was_s")
    db.run("CREATE SEQUENCE s START 100; CREATE TABLE u (id INT DEFAULT nextval('s'), a INT)")
    db = client(databases.open())
    assert db.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(2,)]
    assert db.run("INSERT INTO u (a) VALUES (1) RETURNING id") == [(100,)]
    assert db.run("INSERT INTO t SELECT nextval('s'), a FROM u RETURNING id") == [(101,)]
    assert db.run("SELECT nextval('was_s'), nextval('s')") == [(3, 102)]
    with pytest.raises(DbError) as caught:
        db.run("ALTER SEQUENCE was_s RENAME TO s")
    assert caught.value.kind is ErrorKind.DUPLICATE_TABLE
    db.run("DROP SEQUENCE s CASCADE; ALTER SEQUENCE was_s RENAME TO s")
    assert db.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(4,)]


def test_a_renaming_is_rolled_back_and_numbers_taken_meanwhile_are_not_given_twice(
    database: Database,
) -> None:
    one, two = client(database), client(database)
    one.run("CREATE TABLE t (id SERIAL, a INT); INSERT INTO t (a) VALUES (1)")
    one.run("BEGIN; ALTER SEQUENCE t_id_seq RENAME TO s")
    assert two.run("SELECT nextval('t_id_seq')") == [(2,)]
    assert one.run("SELECT nextval('s')") == [(3,)]
    one.run("ROLLBACK")
    assert two.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(4,)]
    one.run("ALTER TABLE t_id_seq RENAME TO s")
    assert two.run("INSERT INTO t (a) VALUES (1) RETURNING id") == [(5,)]


def test_a_sequence_is_given_another_type_other_bounds_and_steps(databases: Databases) -> None:
    db = client(databases.open())
    db.run("CREATE TABLE t (id SERIAL, a INT); INSERT INTO t (a) VALUES (1), (2)")
    db.run("ALTER SEQUENCE t_id_seq AS smallint INCREMENT BY 10")
    assert db.run("SELECT currval('t_id_seq')") == [(2,)]
    assert db.run("INSERT INTO t (a) VALUES (3) RETURNING id") == [(12,)]
    shown = "SELECT data_type, max_value, last_value FROM pg_sequences"
    assert db.run(shown) == [("smallint", 32767, 12)]
    db.run("ALTER SEQUENCE t_id_seq MAXVALUE 22 CYCLE")
    db = client(databases.open())
    assert db.run("INSERT INTO t (a) VALUES (4), (5) RETURNING id") == [(22,), (1,)]
    db.run("ALTER SEQUENCE t_id_seq AS bigint NO MAXVALUE NO CYCLE")
    assert db.run(shown) == [("bigint", 2**63 - 1, 1)]
    with pytest.raises(DbError) as caught:
        db.run("SELECT setval('t_id_seq', 100); ALTER SEQUENCE t_id_seq MAXVALUE 99")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_a_sequence_moves_into_another_schema(db: Client) -> None:
    db.run("CREATE SEQUENCE s; CREATE TABLE t (id INT DEFAULT nextval('s'), a INT)")
    db.run("INSERT INTO t (a) VALUES (1); CREATE SCHEMA other")
    db.run("ALTER SEQUENCE s SET SCHEMA other")
    assert db.run("INSERT INTO t (a) VALUES (2) RETURNING id") == [(2,)]
    assert db.run("SELECT nextval('other.s')") == [(3,)]
    db.run("CREATE SEQUENCE s")
    with pytest.raises(DbError) as caught:
        db.run("ALTER SEQUENCE s SET SCHEMA other")
    assert caught.value.kind is ErrorKind.DUPLICATE_TABLE
    db.run("DROP SEQUENCE s; DROP SEQUENCE IF EXISTS other.s, missing CASCADE")
    assert db.run("SELECT count(*) FROM pg_sequences") == [(0,)]


def test_defaults_take_numbers_of_sequences_one_may_use(databases: Databases) -> None:
    boss = client(databases.open())
    boss.run("CREATE ROLE plain; CREATE TABLE s (id SERIAL, a INT)")
    boss.run("CREATE TABLE i (id INT GENERATED BY DEFAULT AS IDENTITY, a INT)")
    boss.run("GRANT SELECT, INSERT ON s, i TO plain")
    assert databases.database is not None
    plain = client(databases.database, user="plain")
    for values in ("(a) VALUES (1)", "VALUES (DEFAULT, 1)"):
        with pytest.raises(DbError) as caught:
            plain.run(f"INSERT INTO s {values}")
        assert caught.value.kind is ErrorKind.ACCESS_DENIED
        plain.run(f"INSERT INTO i {values}")
    plain.run("INSERT INTO s VALUES (7, 1)")
    assert plain.run("SELECT id FROM s") == [(7,)]
    boss.run("GRANT USAGE ON SEQUENCE s_id_seq TO plain")
    plain.run("INSERT INTO s (a) VALUES (1); INSERT INTO s VALUES (DEFAULT, 1)")
    assert plain.run("SELECT count(*) FROM s") == [(3,)]
    assert plain.run("SELECT count(*) FROM i") == [(2,)]
