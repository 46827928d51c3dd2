"""ALTER TABLE … ADD and DROP CONSTRAINT on tables with rows, enforced from then on."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def one(databases: Databases) -> Client:
    opened = client(databases.open(), wire=Wire.POSTGRES)
    opened.run("CREATE TABLE r (a INT, b TEXT, c INT CHECK (c < 1000))")
    opened.run("INSERT INTO r VALUES (1, 'x', 10), (2, 'y', 20), (3, NULL, 30)")
    return opened


def refusal(one: Client, sql: str) -> DbError:
    with pytest.raises(DbError) as caught:
        one.run(sql)
    return caught.value


def kind(one: Client, sql: str) -> ErrorKind:
    return refusal(one, sql).kind


def names(one: Client) -> list[str]:
    sql = "SELECT conname FROM pg_constraint WHERE conrelid = 'r'::regclass ORDER BY 1"
    return [row[0] for row in one.run(sql)]


def test_added_keys_are_kept_by_every_writer_and_a_restart(
    databases: Databases, one: Client
) -> None:
    one.run(
        "ALTER TABLE r ADD CONSTRAINT k UNIQUE (b, c), ADD UNIQUE (c), ADD CHECK (a > 0),"
        " ADD CONSTRAINT main PRIMARY KEY (a)"
    )
    assert names(one) == ["k", "main", "r_a_check", "r_c_check", "r_c_key"]
    again = client(databases.open(), wire=Wire.POSTGRES)
    assert names(again) == ["k", "main", "r_a_check", "r_c_check", "r_c_key"]
    assert kind(again, "INSERT INTO r VALUES (4, 'x', 10)") is ErrorKind.UNIQUE_VIOLATION
    assert kind(again, "UPDATE r SET c = 20 WHERE a = 1") is ErrorKind.UNIQUE_VIOLATION
    assert kind(again, "INSERT INTO r VALUES (1, 'z', 11)") is ErrorKind.UNIQUE_VIOLATION
    assert kind(again, "INSERT INTO r VALUES (NULL, 'z', 11)") is ErrorKind.NOT_NULL_VIOLATION
    error = refusal(again, "INSERT INTO r VALUES (-1, 'z', 11)")
    assert (error.kind, error.about["constraint"]) == (ErrorKind.CHECK_VIOLATION, "r_a_check")
    assert kind(again, "INSERT INTO r VALUES (4, 'z', 1000)") is ErrorKind.CHECK_VIOLATION
    again.run("INSERT INTO r VALUES (9, 'w', 20) ON CONFLICT (c) DO UPDATE SET b = excluded.b")
    merge = "MERGE INTO r USING (SELECT 8 AS a, 10 AS c) s ON r.a = s.a"
    merge += " WHEN NOT MATCHED THEN INSERT (a, c) VALUES (s.a, s.c)"
    assert kind(again, merge) is ErrorKind.UNIQUE_VIOLATION
    assert again.run("SELECT * FROM r ORDER BY a") == [(1, "x", 10), (2, "w", 20), (3, None, 30)]


def test_rows_that_are_there_have_to_keep_to_it(one: Client) -> None:
    one.run("INSERT INTO r VALUES (1, 'x', 40)")
    error = refusal(one, "ALTER TABLE r ADD CONSTRAINT k UNIQUE (a)")
    assert (error.kind, error.about["constraint"]) == (ErrorKind.UNIQUE_VIOLATION, "k")
    assert kind(one, "ALTER TABLE r ADD PRIMARY KEY (a)") is ErrorKind.UNIQUE_VIOLATION
    assert kind(one, "ALTER TABLE r ADD PRIMARY KEY (b)") is ErrorKind.NOT_NULL_VIOLATION
    assert kind(one, "ALTER TABLE r ADD CHECK (c < 40)") is ErrorKind.CHECK_VIOLATION
    assert kind(one, "ALTER TABLE r ADD CHECK (d < 40)") is ErrorKind.UNDEFINED_COLUMN
    assert kind(one, "ALTER TABLE r ADD UNIQUE (d)") is ErrorKind.UNDEFINED_COLUMN
    taken = "ALTER TABLE r ADD CONSTRAINT r_c_check UNIQUE (c)"
    assert kind(one, taken) is ErrorKind.DUPLICATE_OBJECT
    assert names(one) == ["r_c_check"]
    assert one.run("SELECT count(*), sum(a) FROM r") == [(4, 7)]


def test_dropped_constraints_no_longer_hold(databases: Databases, one: Client) -> None:
    one.run("ALTER TABLE r ADD PRIMARY KEY (a), ADD CONSTRAINT k UNIQUE (b)")
    one.run("CREATE UNIQUE INDEX i ON r (c)")
    one.run("ALTER TABLE r DROP CONSTRAINT r_pkey, DROP CONSTRAINT k, DROP CONSTRAINT r_c_check")
    one.run("ALTER TABLE r DROP CONSTRAINT IF EXISTS k")
    assert kind(one, "ALTER TABLE r DROP CONSTRAINT k") is ErrorKind.UNDEFINED_OBJECT
    again = client(databases.open(), wire=Wire.POSTGRES)
    again.run("INSERT INTO r VALUES (1, 'x', 5000)")
    assert names(again) == []
    assert kind(again, "INSERT INTO r VALUES (1, 'x', 5000)") is ErrorKind.UNIQUE_VIOLATION
    assert kind(again, "INSERT INTO r VALUES (NULL, 'x', 1)") is ErrorKind.NOT_NULL_VIOLATION


def test_a_transaction_undoes_them_and_sees_its_own_rows(one: Client) -> None:
    one.run("BEGIN")
    one.run("INSERT INTO r VALUES (4, 'z', 40)")
    one.run("UPDATE r SET a = 7 WHERE a = 1")
    one.run("ALTER TABLE r ADD CONSTRAINT k UNIQUE (a)")
    one.run("UPDATE r SET b = 'last' WHERE a = 4")
    assert one.run("SELECT a, b FROM r ORDER BY a") == [
        (2, "y"),
        (3, None),
        (4, "last"),
        (7, "x"),
    ]
    one.run("ROLLBACK")
    assert names(one) == ["r_c_check"]
    one.run("INSERT INTO r VALUES (1, 'again', 50)")
    assert one.run("SELECT a FROM r ORDER BY a") == [(1,), (1,), (2,), (3,)]


def test_foreign_keys_may_point_at_an_added_key_and_hold_it(one: Client) -> None:
    one.run("ALTER TABLE r ADD CONSTRAINT k UNIQUE (a)")
    one.run("CREATE TABLE child (a INT CONSTRAINT up REFERENCES r (a))")
    one.run("INSERT INTO child VALUES (1)")
    drop = "ALTER TABLE r DROP CONSTRAINT k"
    assert kind(one, drop) is ErrorKind.DEPENDENT_OBJECTS
    assert kind(one, "DELETE FROM r WHERE a = 1") is ErrorKind.STILL_REFERENCED
    one.run(f"{drop} CASCADE")
    one.run("INSERT INTO child VALUES (77)")
    one.run("ALTER TABLE r ADD CONSTRAINT k UNIQUE (a), ADD COLUMN up INT REFERENCES r (a)")
    assert kind(one, drop) is ErrorKind.DEPENDENT_OBJECTS
    one.run(f"{drop} CASCADE")
    assert names(one) == ["r_c_check"]


def test_names_of_columns_are_kept_as_they_are_written(databases: Databases) -> None:
    one = client(databases.open(), wire=Wire.POSTGRES)
    one.run('CREATE TABLE "R r" ("A b" INT, "c""d" TEXT CHECK (length("c""d") < 3))')
    one.run("""INSERT INTO "R r" VALUES (1, 'x')""")
    one.run('ALTER TABLE "R r" ADD UNIQUE ("A b", "c""d"), ADD CHECK ("A b" > 0)')
    one.run('ALTER TABLE "R r" RENAME COLUMN "A b" TO e')
    one.run('ALTER TABLE "R r" ADD PRIMARY KEY (e)')
    assert kind(one, """INSERT INTO "R r" VALUES (0, 'x')""") is ErrorKind.CHECK_VIOLATION
    assert kind(one, """INSERT INTO "R r" VALUES (2, 'xyz')""") is ErrorKind.CHECK_VIOLATION


def test_temporary_tables_have_them_too(one: Client) -> None:
    one.run("CREATE TEMP TABLE t (a INT)")
    one.run("INSERT INTO t VALUES (1)")
    one.run("ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)")
    assert kind(one, "INSERT INTO t VALUES (1)") is ErrorKind.UNIQUE_VIOLATION
    one.run("ALTER TABLE t DROP CONSTRAINT k")
    one.run("INSERT INTO t VALUES (1)")
    assert one.run("SELECT count(*) FROM t") == [(2,)]


def test_mysql_drops_keys_in_its_own_words(databases: Databases) -> None:
    one = client(databases.open(), wire=Wire.MYSQL)
    one.run("CREATE TABLE r (a INT PRIMARY KEY, b INT, c INT, UNIQUE KEY u (b))")
    one.run("INSERT INTO r VALUES (1, 1, 1)")
    one.run("ALTER TABLE r ADD CONSTRAINT k UNIQUE (c), ADD CONSTRAINT positive CHECK (c > 0)")
    assert kind(one, "INSERT INTO r VALUES (2, 2, 1)") is ErrorKind.UNIQUE_VIOLATION
    assert kind(one, "ALTER TABLE r DROP CHECK k") is ErrorKind.UNDEFINED_OBJECT
    one.run("ALTER TABLE r DROP PRIMARY KEY, DROP INDEX k, DROP INDEX u, DROP CHECK positive")
    one.run("INSERT INTO r VALUES (1, 1, 0)")
    shown = one.run("SHOW CREATE TABLE r")[0][1]
    assert "KEY" not in shown
    assert "CHECK" not in shown
    assert kind(one, "ALTER TABLE r DROP PRIMARY KEY") is ErrorKind.UNDEFINED_OBJECT


def test_a_writer_of_the_old_table_is_refused(databases: Databases) -> None:
    database = databases.open()
    one, other = (client(database, wire=Wire.POSTGRES) for _ in range(2))
    one.run("CREATE TABLE r (a INT)")
    one.run("INSERT INTO r VALUES (1)")
    other.run("BEGIN")
    other.run("INSERT INTO r VALUES (1)")
    one.run("ALTER TABLE r ADD UNIQUE (a)")
    assert kind(other, "COMMIT") is ErrorKind.SERIALIZATION_FAILURE
    assert kind(one, "INSERT INTO r VALUES (1)") is ErrorKind.UNIQUE_VIOLATION


def test_checks_of_mysql_go_on_meaning_what_they_did(databases: Databases) -> None:
    one = client(databases.open(), wire=Wire.MYSQL)
    one.run("CREATE TABLE r (a INT, b INT, CHECK (a DIV 2 < 10), CHECK (b + a <=> a + b))")
    one.run("INSERT INTO r VALUES (1, 1)")
    one.run("ALTER TABLE r ADD CONSTRAINT k CHECK (b DIV 2 < 5), ADD PRIMARY KEY (a)")
    one.run("ALTER TABLE r DROP PRIMARY KEY, RENAME COLUMN b TO c")
    one.run("ALTER TABLE r ADD UNIQUE INDEX u (c), ADD CONSTRAINT v UNIQUE (a, c)")
    one.run("INSERT INTO r VALUES (19, 9)")
    assert kind(one, "INSERT INTO r VALUES (20, 2)") is ErrorKind.CHECK_VIOLATION
    assert kind(one, "INSERT INTO r VALUES (2, 10)") is ErrorKind.CHECK_VIOLATION


def test_an_index_that_a_foreign_key_needs_stays(one: Client) -> None:
    one.run("CREATE UNIQUE INDEX i ON r (a)")
    one.run("CREATE TABLE child (a INT CONSTRAINT up REFERENCES r (a))")
    assert kind(one, "DROP INDEX i") is ErrorKind.DEPENDENT_OBJECTS
    one.run("ALTER TABLE r ADD CONSTRAINT k UNIQUE (a)")
    one.run("DROP INDEX i")
    assert kind(one, "ALTER TABLE r DROP CONSTRAINT k") is ErrorKind.DEPENDENT_OBJECTS
    one.run("ALTER TABLE child DROP CONSTRAINT up")
    one.run("ALTER TABLE r DROP CONSTRAINT k")
