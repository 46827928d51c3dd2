"""REPLACE and ON DUPLICATE KEY by any unique key; ON UPDATE CURRENT_TIMESTAMP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_keys"


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as opened:
        cursor = opened.cursor()
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        yield cursor
        cursor.execute(f"DROP DATABASE {DATABASE}")


def _rows(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql)
    return list(cursor.fetchall())


def test_replace_removes_whatever_has_one_of_the_keys(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (id INT PRIMARY KEY, u INT UNIQUE, v INT)")
    cursor.execute("INSERT INTO k VALUES (1, 10, 1), (2, 20, 2), (4, NULL, 4)")
    assert cursor.execute("REPLACE INTO k VALUES (3, 10, 3)") == 2
    assert cursor.execute("REPLACE INTO k VALUES (3, 20, 9)") == 3
    assert cursor.execute("REPLACE INTO k VALUES (5, NULL, 5)") == 1
    rows = _rows(cursor, "SELECT * FROM k ORDER BY id")
    assert rows == [(3, 20, 9), (4, None, 4), (5, None, 5)]


def test_on_duplicate_key_finds_the_row_by_any_key(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (id INT PRIMARY KEY, u INT UNIQUE, v INT)")
    cursor.execute("INSERT INTO k VALUES (1, 10, 1), (2, 20, 2)")
    cursor.execute(
        "INSERT INTO k VALUES (9, 20, 9), (7, 70, 7) ON DUPLICATE KEY UPDATE v = v + 100"
    )
    assert _rows(cursor, "SELECT * FROM k ORDER BY id") == [(1, 10, 1), (2, 20, 102), (7, 70, 7)]


def test_a_table_without_a_primary_key_goes_by_its_unique_key(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (u INT UNIQUE, v INT)")
    cursor.execute("REPLACE INTO k VALUES (1, 1), (1, 2), (2, 2)")
    cursor.execute("INSERT INTO k VALUES (2, 8) ON DUPLICATE KEY UPDATE v = v + 100")
    assert _rows(cursor, "SELECT * FROM k ORDER BY u") == [(1, 2), (2, 102)]


def test_columns_are_set_to_the_time_of_an_update(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE k (id INT PRIMARY KEY, v INT, ts TIMESTAMP DEFAULT '2020-01-01 00:00:00'"
        " ON UPDATE CURRENT_TIMESTAMP)"
    )
    cursor.execute("INSERT INTO k (id, v) VALUES (1, 1), (2, 2)")
    cursor.execute("UPDATE k SET v = 5 WHERE id = 1")
    later = "SELECT id, v, ts > '2021-01-01' FROM k ORDER BY id"
    assert _rows(cursor, later) == [(1, 5, 1), (2, 2, 0)]
    cursor.execute("UPDATE k SET ts = '2020-05-05' WHERE id = 1")
    assert _rows(cursor, later) == [(1, 5, 0), (2, 2, 0)]
    cursor.execute("INSERT INTO k (id, v) VALUES (2, 9) ON DUPLICATE KEY UPDATE v = VALUES(v)")
    assert _rows(cursor, later) == [(1, 5, 0), (2, 9, 1)]
    assert "ON UPDATE CURRENT_TIMESTAMP" in _rows(cursor, "SHOW CREATE TABLE k")[0][1]
    assert "on update CURRENT_TIMESTAMP" in _rows(cursor, "SHOW COLUMNS FROM k LIKE 'ts'")[0][5]


def test_results_show_columns_in_the_case_they_were_declared_in(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (Id INT PRIMARY KEY, DOB DATE, plain INT)")
    cursor.execute("ALTER TABLE k ADD COLUMN AddedLater INT")
    for sql in ("SELECT * FROM k", "SELECT id, dob, plain, addedlater FROM k"):
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        assert names == ["Id", "DOB", "plain", "AddedLater"], sql
    cursor.execute("SELECT dob AS x FROM k")
    assert cursor.description[0][0] == "x"


def test_small_words_of_definitions_are_known(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE k (a LONG, b LONG VARBINARY, c NATIONAL CHAR(3), d MIDDLEINT, e INT)"
    )
    cursor.execute(
        "INSERT INTO k VALUES ('text', x'00ff', 'abc', 1, 1) ON DUPLICATE KEY UPDATE e = 2"
    )
    cursor.execute("ALTER TABLE k ADD UNIQUE uq (e), ADD INDEX (d)")
    with pytest.raises(pymysql.err.IntegrityError):
        cursor.execute("INSERT INTO k VALUES ('x', x'00', 'x', 2, 1)")
    cursor.execute("ALTER TABLE k DROP INDEX uq")
    assert _rows(cursor, "SELECT a, b, c, d, e FROM k") == [("text", b"\x00\xff", "abc", 1, 1)]


def test_accounts_may_have_hosts_and_databases_all_tables(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (Id INT PRIMARY KEY, v INT)")
    cursor.execute("CREATE USER 'wire_bob'@'localhost'")
    cursor.execute(f"GRANT SELECT, INSERT ON {DATABASE}.* TO wire_bob@localhost")
    cursor.execute(f"REVOKE ALL PRIVILEGES ON {DATABASE}.* FROM 'wire_bob'@'%'")
    cursor.execute("CREATE USER wire_eve IDENTIFIED WITH caching_sha2_password BY 'x'")
    cursor.execute("DROP USER wire_eve")
    cursor.execute("DROP USER wire_bob@localhost")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("DROP USER wire_bob@localhost")
    assert caught.value.args[0] == 1396
    assert [row[0] for row in _rows(cursor, "DESC k v")] == ["v"]


def test_keys_without_a_name_have_that_of_their_first_column(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE k (a INT UNIQUE, b INT, UNIQUE (a, b), KEY a_3 (b), UNIQUE (a), KEY (b))"
    )
    cursor.execute("ALTER TABLE k ADD UNIQUE (b), ADD COLUMN c INT UNIQUE")
    ((_, text),) = _rows(cursor, "SHOW CREATE TABLE `k`")
    keys = [line.strip(" ,") for line in text.split("\n") if "KEY" in line]
    assert keys == [
        "UNIQUE KEY `a` (`a`)",
        "UNIQUE KEY `a_2` (`a`,`b`)",
        "UNIQUE KEY `a_4` (`a`)",
        "UNIQUE KEY `c` (`c`)",
        "KEY `a_3` (`b`)",
        "KEY `b` (`b`)",
        "UNIQUE KEY `b_2` (`b`)",
    ]
    assert [row[2] for row in _rows(cursor, "SHOW INDEX FROM k WHERE Column_name = 'c'")] == ["c"]
    cursor.execute("INSERT INTO k VALUES (1, 1, 1)")
    with pytest.raises(pymysql.err.IntegrityError) as caught:
        cursor.execute("INSERT INTO k VALUES (1, 2, 2)")
    assert caught.value.args == (1062, "Duplicate entry '1' for key 'k.a'")
    for name in ("a", "b_2", "c"):
        cursor.execute(f"ALTER TABLE k DROP INDEX {name}")
    cursor.execute("INSERT INTO k VALUES (2, 1, 1)")
