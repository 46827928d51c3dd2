"""Constraints and indexes: enforced, shown in the catalogs, kept over ALTER."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind

CONSTRAINTS = (
    "SELECT conname, contype, pg_get_constraintdef(c.oid) FROM pg_constraint c"
    " JOIN pg_class t ON t.oid = c.conrelid WHERE t.relname = '{}' ORDER BY c.oid"
)
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{}' ORDER BY 1"


@pytest.fixture
def one(databases: Databases) -> Client:
    made = client(databases.open())
    made.run("CREATE TABLE o (id INT PRIMARY KEY, name TEXT UNIQUE, CHECK (id > 0))")
    made.run(
        "CREATE TABLE t (a INT CONSTRAINT small CHECK (a < 9), b INT, c INT REFERENCES o (id),"
        " CONSTRAINT key_of_t PRIMARY KEY (a), CONSTRAINT pair UNIQUE (a, b), CHECK (a < b))"
    )
    return made


def test_constraints_have_names_and_definitions(one: Client) -> None:
    assert sorted(one.run(CONSTRAINTS.format("t"))) == [
        ("key_of_t", "p", "PRIMARY KEY (a)"),
        ("pair", "u", "UNIQUE (a, b)"),
        ("small", "c", "CHECK ((a < 9))"),
        ("t_c_fkey", "f", "FOREIGN KEY (c) REFERENCES o(id)"),
        ("t_check", "c", "CHECK ((a < b))"),
    ]
    assert [row[0] for row in one.run(CONSTRAINTS.format("o"))] == [
        "o_pkey",
        "o_name_key",
        "o_id_check",
    ]


def test_a_foreign_key_points_at_columns(one: Client) -> None:
    rows = one.run(
        "SELECT conkey, confkey, confrelid = 'o'::regclass FROM pg_constraint WHERE contype = 'f'"
    )
    assert rows == [([3], [1], True)]


def test_constraints_follow_renamed_and_dropped_columns(one: Client) -> None:
    one.run("CREATE TABLE u (a INT, x INT CONSTRAINT ux UNIQUE, b INT)")
    one.run("CREATE INDEX ix ON u (a, b); ALTER TABLE u RENAME COLUMN a TO aa")
    assert one.run(INDEXES.format("u"))[0][1].endswith("(aa, b)")
    one.run("ALTER TABLE u DROP COLUMN b")
    assert [name for name, _ in one.run(INDEXES.format("u"))] == ["ux"]


def test_a_unique_index_is_enforced_and_survives(databases: Databases, one: Client) -> None:
    one.run("CREATE TABLE w (s TEXT); CREATE UNIQUE INDEX lone ON w (lower(s))")
    one.run("INSERT INTO w VALUES ('a'); ALTER TABLE w RENAME TO w2")
    again = client(databases.open())
    with pytest.raises(DbError) as caught:
        again.run("INSERT INTO w2 VALUES ('A')")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
    again.run("DROP INDEX lone; INSERT INTO w2 VALUES ('A')")
    assert again.run(INDEXES.format("w2")) == []


def test_a_unique_index_over_equal_rows_is_refused(one: Client) -> None:
    one.run("CREATE TABLE d (s INT); INSERT INTO d VALUES (1), (1)")
    with pytest.raises(DbError) as caught:
        one.run("CREATE UNIQUE INDEX ON d (s)")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
    assert one.run(INDEXES.format("d")) == []


def test_names_of_indexes_are_made_and_kept_apart(one: Client) -> None:
    one.run("CREATE TABLE n (a INT, ts TIMESTAMP TIME INDEX); CREATE INDEX ON n (a)")
    one.run("CREATE INDEX ON n (a); CREATE INDEX IF NOT EXISTS n_a_idx ON n (ts)")
    assert [name for name, _ in one.run(INDEXES.format("n"))] == [
        "n_a_idx",
        "n_a_idx1",
        "n_pkey",
        "n_time_index",
    ]
    with pytest.raises(DbError):
        one.run("CREATE INDEX n_a_idx ON n (ts)")
    with pytest.raises(DbError) as caught:
        one.run("CREATE INDEX ON n (nope)")
    assert caught.value.kind is ErrorKind.UNDEFINED_COLUMN


def test_an_access_method_that_is_not_there(one: Client) -> None:
    with pytest.raises(DbError) as caught:
        one.run("CREATE INDEX ON t USING magic (a)")
    assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT


def test_an_index_that_is_not_there(one: Client) -> None:
    with pytest.raises(DbError) as caught:
        one.run("DROP INDEX nope")
    assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT
    one.run("DROP INDEX IF EXISTS nope")


def test_information_schema_knows_them(one: Client) -> None:
    rows = one.run(
        "SELECT constraint_name, constraint_type FROM information_schema.table_constraints"
        " WHERE table_name = 't' ORDER BY 1"
    )
    assert rows == [
        ("key_of_t", "PRIMARY KEY"),
        ("pair", "UNIQUE"),
        ("small", "CHECK"),
        ("t_c_fkey", "FOREIGN KEY"),
        ("t_check", "CHECK"),
    ]


def test_constraints_have_comments(one: Client) -> None:
    one.run("COMMENT ON CONSTRAINT pair ON t IS 'both'; COMMENT ON CONSTRAINT o_pkey ON o IS 'id'")
    rows = one.run(
        "SELECT c.conname, obj_description(c.oid, 'pg_constraint'), d.description"
        " FROM pg_constraint c JOIN pg_description d ON d.objoid = c.oid"
        " AND d.classoid = 'pg_constraint'::regclass ORDER BY 1"
    )
    assert rows == [("o_pkey", "id", "id"), ("pair", "both", "both")]
    with pytest.raises(DbError) as caught:
        one.run("COMMENT ON CONSTRAINT nope ON t IS 'x'")
    assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT


def test_an_index_tells_what_it_includes(one: Client) -> None:
    one.run("CREATE INDEX cover ON t (a) INCLUDE (c); ALTER TABLE t RENAME COLUMN c TO cc")
    assert one.run(INDEXES.format("t"))[0] == (
        "cover",
        "CREATE INDEX cover ON public.t USING btree (a) INCLUDE (cc)",
    )
    asked = "SELECT indkey::text, indnatts, indnkeyatts FROM pg_index WHERE indexrelid = {}"
    assert one.run(asked.format("'cover'::regclass")) == [("1 3", 2, 1)]
    with pytest.raises(DbError) as caught:
        one.run("CREATE INDEX ON t (a) INCLUDE (nope)")
    assert caught.value.kind is ErrorKind.UNDEFINED_COLUMN


def test_a_sequence_tells_its_cache(one: Client) -> None:
    one.run("CREATE SEQUENCE counted CACHE 4")
    asked = "SELECT seqcache FROM pg_sequence WHERE seqrelid = 'counted'::regclass"
    assert one.run(asked) == [(4,)]
    one.run("ALTER SEQUENCE counted CACHE 7")
    assert one.run(asked) == [(7,)]
