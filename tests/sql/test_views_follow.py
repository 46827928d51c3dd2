"""Views made by PostgreSQL's sessions hold on to their tables; DROP … CASCADE takes them along."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def postgres(databases: Databases) -> Client:
    made = client(databases.open())
    made.run("CREATE TABLE a (x INT); INSERT INTO a VALUES (1); CREATE VIEW v AS SELECT a.x FROM a")
    return made


def test_a_view_follows_its_table(postgres: Client) -> None:
    postgres.run("ALTER TABLE a RENAME TO b; CREATE TABLE a (x INT)")
    assert postgres.run("SELECT * FROM v") == [(1,)]
    shown = postgres.run("SELECT definition FROM pg_views WHERE viewname = 'v'")[0][0]
    assert '"b" AS "a"' in shown


def test_a_swap_leaves_the_view_on_the_old_table(postgres: Client) -> None:
    postgres.run("BEGIN; CREATE TABLE a_new AS SELECT 2 AS x; ALTER TABLE a RENAME TO a_old")
    postgres.run("ALTER TABLE a_new RENAME TO a; COMMIT; DROP TABLE a_old CASCADE")
    with pytest.raises(DbError) as caught:
        postgres.run("SELECT * FROM v")
    assert caught.value.kind is ErrorKind.UNDEFINED_TABLE


def test_cascade_reaches_views_over_views(postgres: Client) -> None:
    postgres.run("CREATE VIEW w AS SELECT x FROM v; CREATE VIEW other AS SELECT 1")
    postgres.run("DROP TABLE a CASCADE")
    assert postgres.run("SELECT viewname FROM pg_views WHERE schemaname = 'public'") == [("other",)]


def test_a_table_dropped_elsewhere_and_made_again_serves_the_view_again(
    postgres: Client, databases: Databases
) -> None:
    assert databases.database is not None
    client(databases.database, Wire.MYSQL).run("DROP TABLE a; CREATE TABLE a (x INT)")
    assert postgres.run("SELECT * FROM v") == []


def test_what_a_view_reads_is_dropped_with_cascade_only(postgres: Client) -> None:
    postgres.run("CREATE VIEW w AS SELECT x FROM v; CREATE SCHEMA s; CREATE VIEW s.a AS SELECT 1")
    postgres.run("CREATE VIEW of_s AS SELECT * FROM s.a")
    with pytest.raises(DbError) as caught:
        postgres.run("DROP TABLE a")
    assert caught.value.kind is ErrorKind.DEPENDENT_OBJECTS
    postgres.run("DROP VIEW v, w; DROP TABLE a; DROP SCHEMA s CASCADE")
    assert postgres.run("SELECT viewname FROM pg_views WHERE schemaname = 'public'") == []


def test_the_direct_dependent_is_told(postgres: Client) -> None:
    postgres.run("CREATE VIEW w AS SELECT x FROM v")
    with pytest.raises(DbError) as caught:
        postgres.run("DROP TABLE a")
    assert caught.value.detail == "view v depends on table a"


def test_dependencies_are_told_by_id(postgres: Client) -> None:
    postgres.run("ALTER TABLE a RENAME TO b")
    rows = postgres.run(
        "SELECT DISTINCT c.relname FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid"
        " JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class = 'v'::regclass AND d.deptype = 'n'"
    )
    assert rows == [("b",)]


def test_views_of_mysql_find_tables_by_name(databases: Databases) -> None:
    mysql = client(databases.open(), Wire.MYSQL)
    mysql.run("CREATE TABLE a (x INT); CREATE VIEW v AS SELECT x FROM a; RENAME TABLE a TO b")
    mysql.run("CREATE TABLE a (x INT); INSERT INTO a VALUES (7)")
    assert mysql.run("SELECT * FROM v") == [(7,)]


def test_views_call_our_own_functions(postgres: Client) -> None:
    postgres.run(
        "CREATE VIEW f AS SELECT to_date('05 Dec 2000', 'DD Mon YYYY') AS d, "
        "pg_get_userbyid(10) AS u, split_part(a.x::text || ',b', ',', 2) AS s FROM a"
    )
    assert postgres.run("SELECT CAST(d AS TEXT), u, s FROM f") == [("2000-12-05", "postgres", "b")]


def test_a_view_means_what_it_meant_to_its_wire(databases: Databases) -> None:
    database = databases.open()
    mysql = client(database, Wire.MYSQL)
    mysql.run("CREATE VIEW w AS SELECT date_format('2024-05-06', '%Y/%m') AS d")
    for wire in Wire:
        assert client(database, wire).run("SELECT d FROM w") == [("2024/05",)]
