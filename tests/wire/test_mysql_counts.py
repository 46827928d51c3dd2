"""Counts and numbers MySQL's drivers tell: AUTO_INCREMENT, changed rows, ROW_COUNT, FOUND_ROWS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer
from pymysql.constants import CLIENT

DATABASE = "wire_counts"


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        opened = made.cursor()
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, s VARCHAR(9))")
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def ids(cursor: Any) -> list[int]:
    cursor.execute("SELECT id FROM t ORDER BY id")
    return [row[0] for row in cursor.fetchall()]


def value(cursor: Any, expression: str) -> Any:
    cursor.execute(f"SELECT {expression}")
    return cursor.fetchone()[0]


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO t (a) VALUES (1), (2)",
        "INSERT INTO t VALUES (NULL, 1, 'x'), (0, 2, 'y')",
        "INSERT INTO t (id, a) SELECT NULL, 1 UNION ALL SELECT 0, 2",
        "INSERT INTO t (a) SELECT 1 UNION ALL SELECT 2",
        "REPLACE INTO t (a) VALUES (1), (2)",
    ],
)
def test_the_first_number_given_is_told(cursor: Any, insert: str) -> None:
    cursor.execute("INSERT INTO t (a) VALUES (0)")
    assert cursor.execute(insert) == 2
    assert cursor.lastrowid == 2
    assert value(cursor, "last_insert_id()") == 2
    assert value(cursor, "@@identity") == 2
    assert ids(cursor) == [1, 2, 3]


def test_numbers_go_on_after_given_ones(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (id) VALUES (10), (7)")
    assert cursor.lastrowid == 7
    assert value(cursor, "last_insert_id()") == 0
    cursor.execute("INSERT INTO t (id) VALUES (NULL), (20), (NULL)")
    assert cursor.lastrowid == 21
    cursor.execute("INSERT INTO t (id) VALUES (3)")
    cursor.execute("INSERT INTO t (a) VALUES (1)")
    assert ids(cursor) == [3, 7, 10, 20, 21, 22, 23]


def test_zero_is_a_number_when_the_mode_says_so(cursor: Any) -> None:
    cursor.execute("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    cursor.execute("INSERT INTO t (id) VALUES (0)")
    assert ids(cursor) == [0]


def test_last_insert_id_stays_until_numbers_are_given_again(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (a) VALUES (1)")
    cursor.execute("UPDATE t SET a = 2")
    assert cursor.lastrowid == 0
    cursor.execute("INSERT INTO t (id) VALUES (9)")
    assert value(cursor, "last_insert_id()") == 1


def test_last_insert_id_tells_the_number_it_was_given(cursor: Any) -> None:
    for number in (42, 43, 42):
        assert value(cursor, f"last_insert_id({number})") == number
        assert value(cursor, "last_insert_id()") == number
    with pytest.raises(pymysql.err.NotSupportedError):
        cursor.execute("SELECT last_insert_id(id) FROM t")


def test_last_insert_id_tells_the_number_an_update_made(cursor: Any) -> None:
    cursor.execute("CREATE TABLE sequence (id INT NOT NULL)")
    cursor.execute("INSERT INTO sequence VALUES (5)")
    cursor.execute("UPDATE sequence SET id = LAST_INSERT_ID(id + 1)")
    assert cursor.lastrowid == 6
    assert value(cursor, "last_insert_id()") == 6
    cursor.execute("UPDATE sequence SET id = LAST_INSERT_ID(id + 1) WHERE id = 0")
    assert value(cursor, "last_insert_id()") == 6


def test_last_insert_id_tells_the_row_that_was_there_already(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE, n INT)")
    cursor.execute("INSERT INTO k (u) VALUES (10), (20), (30)")
    cursor.execute(
        "INSERT INTO k (u) VALUES (20) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), n = 1"
    )
    assert cursor.lastrowid == 2
    assert value(cursor, "last_insert_id()") == 2


UPDATES = (
    ("UPDATE t SET a = 1, s = 'x'", 1, 2),
    ("UPDATE t SET a = a", 0, 2),
    ("UPDATE t SET s = 5 WHERE id = 1", 1, 1),
    ("UPDATE t SET a = 1 ORDER BY id LIMIT 1", 0, 1),
    ("UPDATE t SET a = NULL WHERE id > 5", 0, 0),
)


@pytest.mark.parametrize(("update", "changed", "matched"), UPDATES)
def test_an_update_counts_what_it_changes(
    server: RunningServer, cursor: Any, update: str, changed: int, matched: int
) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 1, 'x'), (2, 1, NULL)")
    assert cursor.execute(update) == changed
    assert value(cursor, "row_count()") == changed
    cursor.execute("DELETE FROM t")
    cursor.execute("INSERT INTO t VALUES (1, 1, 'x'), (2, 1, NULL)")
    found = server.mysql_args(database=DATABASE) | {"client_flag": CLIENT.FOUND_ROWS}
    with pymysql.connect(**found, autocommit=True) as made:
        assert made.cursor().execute(update) == matched


def test_an_update_of_series_counts_what_it_changes(cursor: Any) -> None:
    cursor.execute("CREATE TABLE m (h STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)")
    cursor.execute("INSERT INTO m VALUES ('a', 1, 1), ('b', 1, 2)")
    assert cursor.execute("UPDATE m SET v = 2") == 1


def test_replace_takes_the_place_of_old_rows(cursor: Any) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y')")
    assert cursor.execute("REPLACE INTO t (id, a) VALUES (2, 20), (3, 30)") == 3
    assert cursor.execute("REPLACE INTO t SET id = 1, s = 'z'") == 2
    assert cursor.execute("REPLACE INTO t (id, a) SELECT id + 1, a FROM t WHERE id > 1") == 3
    cursor.execute("SELECT * FROM t ORDER BY id")
    rows = ((1, None, "z"), (2, 20, None), (3, 20, None), (4, 30, None))
    assert cursor.fetchall() == rows


def test_row_count_and_found_rows_tell_of_the_statement_before(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (a) VALUES (1), (2), (3)")
    assert value(cursor, "row_count()") == 3
    assert value(cursor, "row_count()") == -1
    cursor.execute("SELECT id FROM t LIMIT 2")
    cursor.fetchall()
    assert value(cursor, "found_rows()") == 2
    cursor.execute("CREATE TABLE other (a INT)")
    assert value(cursor, "row_count()") == 0


def test_numbers_follow_the_series_that_the_session_asks_for(cursor: Any) -> None:
    cursor.execute("SET auto_increment_increment = 10")
    cursor.execute("INSERT INTO t (a) VALUES (1), (2)")
    assert cursor.lastrowid == 1
    cursor.execute("SET auto_increment_offset = 5")
    cursor.execute("INSERT INTO t VALUES (NULL, 3, 'x'), (0, 4, 'y')")
    assert cursor.lastrowid == 25
    cursor.execute("INSERT INTO t (id, a) VALUES (100, 5)")
    cursor.execute("INSERT INTO t (a) VALUES (6)")
    cursor.execute("SET auto_increment_offset = 20")  # beyond the increment: it does not count
    cursor.execute("INSERT INTO t (a) VALUES (7)")
    assert ids(cursor) == [1, 11, 25, 35, 100, 105, 120]
    cursor.execute("SET auto_increment_increment = 0")
    assert value(cursor, "@@auto_increment_increment") == 1
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("SET auto_increment_increment = 'abc'")
    assert caught.value.args[0] == 1232
