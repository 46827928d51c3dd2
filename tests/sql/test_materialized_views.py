"""Materialized views: rows of a query, kept until they are refreshed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def view(db: Client) -> Client:
    """A view `m` over a table `b` with one row more than when it was made."""
    db.run("CREATE TABLE b (id INT PRIMARY KEY, v TEXT); INSERT INTO b VALUES (1, 'a')")
    db.run("CREATE MATERIALIZED VIEW m AS SELECT * FROM b; INSERT INTO b VALUES (2, 'b')")
    return db


def refused(db: Client, statement: str) -> DbError:
    with pytest.raises(DbError) as caught:
        db.run(statement)
    return caught.value


def test_rows_stay_until_refreshed(view: Client) -> None:
    assert view.run("SELECT * FROM m") == [(1, "a")]
    view.run("REFRESH MATERIALIZED VIEW m")
    assert view.run("SELECT * FROM m ORDER BY id") == [(1, "a"), (2, "b")]


def test_creation_tells_the_rows(db: Client) -> None:
    assert db.run("CREATE MATERIALIZED VIEW m (n) AS SELECT 1 UNION ALL SELECT 2") == 2
    assert db.run("CREATE MATERIALIZED VIEW IF NOT EXISTS m AS SELECT 1") is None
    assert db.names("SELECT * FROM m") == ["n"]
    assert refused(db, "CREATE MATERIALIZED VIEW m AS SELECT 1").kind is ErrorKind.DUPLICATE_TABLE


def test_a_view_without_data_is_not_read(view: Client) -> None:
    view.run(
        "CREATE MATERIALIZED VIEW e USING heap WITH (fillfactor = 70) AS SELECT * FROM b"
        " WITH NO DATA"
    )
    error = refused(view, "SELECT * FROM e")
    assert error.kind is ErrorKind.NOT_READY
    assert error.kind.codes.sqlstate == "55000"
    view.run("REFRESH MATERIALIZED VIEW e")
    assert view.run("SELECT count(*) FROM e") == [(2,)]
    view.run("REFRESH MATERIALIZED VIEW e WITH NO DATA")
    assert refused(view, "SELECT * FROM e").kind is ErrorKind.NOT_READY


def test_concurrently_needs_a_unique_index(view: Client) -> None:
    concurrently = "REFRESH MATERIALIZED VIEW CONCURRENTLY m"
    assert refused(view, concurrently).kind is ErrorKind.NOT_READY
    assert refused(view, concurrently + " WITH NO DATA").kind is ErrorKind.SYNTAX
    view.run("CREATE UNIQUE INDEX one ON m (id)")
    for _ in range(2):
        view.run(concurrently)
        assert view.run("SELECT count(*) FROM m") == [(2,)]


def test_a_refresh_that_breaks_a_unique_index_changes_nothing(view: Client) -> None:
    view.run(
        "CREATE MATERIALIZED VIEW names AS SELECT v FROM b; CREATE UNIQUE INDEX n ON names (v)"
    )
    view.run("INSERT INTO b VALUES (3, 'a')")
    assert refused(view, "REFRESH MATERIALIZED VIEW names").kind is ErrorKind.UNIQUE_VIOLATION
    assert view.run("SELECT * FROM names ORDER BY v") == [("a",), ("b",)]


def test_a_refresh_belongs_to_its_transaction(view: Client, connect: Callable[..., Client]) -> None:
    other = connect()
    view.run("BEGIN; REFRESH MATERIALIZED VIEW m")
    assert view.run("SELECT count(*) FROM m") == [(2,)]
    assert other.run("SELECT count(*) FROM m") == [(1,)]
    view.run("ROLLBACK")
    assert view.run("SELECT count(*) FROM m") == [(1,)]


def test_rows_are_those_of_time_series_tables_too(db: Client) -> None:
    db.run("CREATE TABLE t (host TEXT PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)")
    db.run("INSERT INTO t VALUES ('a', now(), 1), ('b', now(), 2)")
    db.run("CREATE MATERIALIZED VIEW total AS SELECT sum(v) AS v FROM t")
    db.run("INSERT INTO t VALUES ('c', now(), 4); REFRESH MATERIALIZED VIEW total")
    assert db.run("SELECT CAST(v AS INT) FROM total") == [(7,)]


@pytest.mark.parametrize(
    "statement",
    [
        *("INSERT INTO m VALUES (1, 'x')", "UPDATE m SET v = 'x'", "DELETE FROM m", "TRUNCATE m"),
        *(
            "ALTER TABLE m ADD COLUMN x INT",
            "DROP TABLE m",
            "DROP VIEW m",
            "ALTER VIEW m RENAME TO x",
        ),
        *(
            "REFRESH MATERIALIZED VIEW b",
            "DROP MATERIALIZED VIEW b",
            "ALTER MATERIALIZED VIEW b RENAME TO c",
        ),
    ],
)
def test_only_its_own_statements_change_it(view: Client, statement: str) -> None:
    assert refused(view, statement).kind is ErrorKind.WRONG_OBJECT_TYPE


def test_it_is_renamed_and_dropped(view: Client) -> None:
    view.run(
        "ALTER MATERIALIZED VIEW m RENAME TO n; ALTER MATERIALIZED VIEW n RENAME COLUMN v TO w"
    )
    view.run("REFRESH MATERIALIZED VIEW n")
    assert view.run("SELECT w FROM n ORDER BY id") == [("a",), ("b",)]
    view.run("DROP MATERIALIZED VIEW n; DROP MATERIALIZED VIEW IF EXISTS n")
    assert refused(view, "SELECT * FROM n").kind is ErrorKind.UNDEFINED_TABLE


def test_what_it_reads_is_kept(view: Client) -> None:
    view.run("CREATE VIEW over AS SELECT id FROM m")
    for statement in ("DROP TABLE b", "DROP MATERIALIZED VIEW m", "ALTER TABLE b DROP COLUMN v"):
        assert refused(view, statement).kind is ErrorKind.DEPENDENT_OBJECTS
    changed = "ALTER TABLE b ALTER COLUMN v TYPE BYTEA"
    assert refused(view, changed).kind is ErrorKind.DEPENDENT_OBJECTS
    view.run("ALTER TABLE b ADD COLUMN more INT; ALTER TABLE b RENAME TO c")
    view.run("REFRESH MATERIALIZED VIEW m")
    assert view.run("SELECT * FROM m ORDER BY id") == [(1, "a"), (2, "b")]
    view.run("DROP TABLE c CASCADE")
    assert view.run("SELECT count(*) FROM pg_matviews") == [(0,)]


def test_pg_catalog_shows_it(view: Client) -> None:
    view.run("CREATE UNIQUE INDEX one ON m (id); COMMENT ON MATERIALIZED VIEW m IS 'said'")
    shown = "SELECT matviewname, hasindexes, ispopulated, definition FROM pg_matviews"
    assert view.run(shown) == [("m", True, True, ' SELECT * FROM "public".b;')]
    kinds = "SELECT relkind, relhasrules, obj_description(oid) FROM pg_class WHERE relname = 'm'"
    assert view.run(kinds) == [("m", True, "said")]
    for listing in ("pg_tables WHERE schemaname", "information_schema.tables WHERE table_schema"):
        assert view.run(f"SELECT count(*) FROM {listing} = 'public'") == [(1,)]
    made = view.run("SHOW CREATE TABLE m")
    assert made == [("m", "CREATE MATERIALIZED VIEW m AS SELECT * FROM b")]


def test_it_is_there_after_a_restart(databases: Databases) -> None:
    db = client(databases.open())
    db.run("CREATE TABLE b (x INT); INSERT INTO b VALUES (1)")
    db.run("CREATE MATERIALIZED VIEW m AS SELECT x FROM b")
    db.run("CREATE MATERIALIZED VIEW e AS SELECT x FROM b WITH NO DATA")
    again = client(databases.open())
    again.run("INSERT INTO b VALUES (2)")
    assert again.run("SELECT * FROM m") == [(1,)]
    assert refused(again, "SELECT * FROM e").kind is ErrorKind.NOT_READY
    again.run("REFRESH MATERIALIZED VIEW m")
    assert again.run("SELECT count(*) FROM m") == [(2,)]


def test_mysql_reads_it_as_a_table(view: Client, connect: Callable[..., Client]) -> None:
    mysql = connect(Wire.MYSQL)
    assert mysql.run("SELECT v FROM m") == [("a",)]
    assert ("m", "BASE TABLE") in mysql.run("SHOW FULL TABLES")
