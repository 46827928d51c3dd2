"""Columns of a collation that ignores case, as MySQL's clients declare them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def mysql(connect: Callable[..., Client]) -> Client:
    made = connect(Wire.MYSQL)
    made.run(
        "CREATE TABLE c (id INT PRIMARY KEY, s VARCHAR(20), b TEXT COLLATE utf8mb4_bin,"
        " UNIQUE KEY us (s)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
    )
    made.run("INSERT INTO c VALUES (1, 'Abc', 'x'), (2, 'Déf', 'X')")
    return made


def _refused(client: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        client.run(text)
    return caught.value.kind


def test_text_compares_without_case_and_accents(mysql: Client) -> None:
    assert mysql.run("SELECT id FROM c WHERE s = 'aBC'") == [(1,)]
    assert mysql.run("SELECT id FROM c WHERE s IN ('def', 'x')") == [(2,)]
    assert mysql.run("SELECT id FROM c WHERE s LIKE 'd%'") == [(2,)]
    assert mysql.run("SELECT id FROM c WHERE b = 'X'") == [(2,)]
    assert mysql.run("SELECT id FROM c WHERE s COLLATE utf8mb4_bin = 'abc'") == []
    assert mysql.run("SELECT a.id FROM c a JOIN (SELECT 'ABC' t) b ON a.s = b.t") == [(1,)]


def test_groups_and_order_follow_the_collation(mysql: Client) -> None:
    mysql.run("CREATE TABLE g (s TEXT COLLATE utf8mb4_unicode_ci)")
    mysql.run("INSERT INTO g VALUES ('b'), ('A'), ('B'), ('a')")
    assert mysql.run("SELECT lower(s), count(*) FROM g GROUP BY s ORDER BY s") == [
        ("a", 2),
        ("b", 2),
    ]
    assert len(mysql.run("SELECT DISTINCT s FROM g")) == 2
    assert mysql.run("SELECT s FROM g ORDER BY s COLLATE utf8mb4_bin") == [
        ("A",),
        ("B",),
        ("a",),
        ("b",),
    ]


def test_keys_are_unique_by_the_collation(mysql: Client) -> None:
    assert _refused(mysql, "INSERT INTO c VALUES (3, 'ABC', 'y')") is ErrorKind.UNIQUE_VIOLATION
    assert _refused(mysql, "UPDATE c SET s = 'DEF' WHERE id = 1") is ErrorKind.UNIQUE_VIOLATION
    mysql.run("CREATE TABLE k (k VARCHAR(5) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)")
    mysql.run("INSERT INTO k VALUES ('a', 1)")
    assert _refused(mysql, "INSERT INTO k VALUES ('A', 2)") is ErrorKind.UNIQUE_VIOLATION
    mysql.run(
        "INSERT INTO k VALUES ('A', 5), ('c', 1), ('C', 7) ON DUPLICATE KEY UPDATE v = values(v)"
    )
    assert mysql.run("SELECT k, v FROM k ORDER BY k") == [("a", 5), ("c", 7)]
    mysql.run("REPLACE INTO k VALUES ('C', 8)")
    assert mysql.run("SELECT k FROM k WHERE k = 'c'") == [("C",)]


def test_a_change_of_case_is_a_change(mysql: Client) -> None:
    assert mysql.run("UPDATE c SET s = 'ABC' WHERE id = 1") == 1
    assert mysql.run("SELECT s FROM c WHERE id = 1") == [("ABC",)]


def test_alter_keeps_and_changes_collations(mysql: Client) -> None:
    mysql.run("ALTER TABLE c ADD COLUMN t TEXT, ADD COLUMN u TEXT COLLATE utf8mb4_bin")
    shown = mysql.run("SHOW CREATE TABLE c")[0][1]
    assert "`u` text COLLATE utf8mb4_bin" in shown
    assert shown.endswith("COLLATE=utf8mb4_general_ci")
    mysql.run("ALTER TABLE c RENAME COLUMN s TO r")
    assert _refused(mysql, "INSERT INTO c (id, r) VALUES (3, 'abc')") is ErrorKind.UNIQUE_VIOLATION
    mysql.run("ALTER TABLE c CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    assert mysql.run("SELECT id FROM c WHERE r = 'abc'") == []
    mysql.run("INSERT INTO c (id, r) VALUES (3, 'abc')")
    refused = "ALTER TABLE c CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    assert _refused(mysql, refused) is ErrorKind.UNIQUE_VIOLATION


def test_catalogs_tell_collations(mysql: Client) -> None:
    asked = "SELECT column_name, collation_name FROM information_schema.columns WHERE table_name="
    assert mysql.run(asked + "'c' ORDER BY 1") == [
        ("b", "utf8_bin"),
        ("id", None),
        ("s", "utf8mb4_general_ci"),
    ]
    told = "SELECT table_collation FROM information_schema.tables WHERE table_name = 'c'"
    assert mysql.run(told) == [("utf8mb4_general_ci",)]


def test_a_database_hands_its_collation_on(mysql: Client) -> None:
    mysql.run("CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    mysql.run("CREATE TABLE d.t (a TEXT, b TEXT COLLATE utf8mb4_bin)")
    mysql.run("INSERT INTO d.t VALUES ('x', 'x')")
    assert mysql.run("SELECT a = 'X', b = 'X' FROM d.t") == [(True, False)]
    assert mysql.run("SHOW CREATE DATABASE d")[0][1].endswith("COLLATE utf8mb4_unicode_ci")


def test_an_unknown_collation_is_refused(mysql: Client) -> None:
    with pytest.raises(DbError) as caught:
        mysql.run("CREATE TABLE x (a TEXT COLLATE foo_ci)")
    assert caught.value.codes.errno == 1273
