"""Statements and words that only MySQL has: DO, INTO @x, CHECK TABLE, WITH ROLLUP, priorities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_words"


@pytest.fixture(scope="module")
def cursor(server: RunningServer) -> Iterator[Any]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        opened = made.cursor()
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(5), v INT)")
        opened.execute("INSERT INTO t (a, v) VALUES ('x', 1), ('x', 2), ('y', 3)")
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def test_do_evaluates_and_tells_nothing(cursor: Any) -> None:
    assert cursor.execute("DO 1 + 1, sleep(0)") == 0
    with pytest.raises(pymysql.Error):
        cursor.execute("DO no_such_function(1)")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, a INTO @i, @a FROM t WHERE id = 2",
        "SELECT id, a FROM t WHERE id = 2 LIMIT 1 INTO @i, @a",
    ],
)
def test_a_query_into_variables(cursor: Any, query: str) -> None:
    cursor.execute("SET @i = NULL, @a = NULL")
    assert cursor.execute(query) == 1
    assert rows(cursor, "SELECT @i, @a") == [(2, "x")]


def test_a_query_into_variables_has_one_row(cursor: Any) -> None:
    cursor.execute("SET @n = 7")
    assert cursor.execute("SELECT id INTO @n FROM t WHERE id = 99") == 0
    assert rows(cursor, "SELECT @n") == [(7,)]
    with pytest.raises(pymysql.Error, match="more than one row"):
        cursor.execute("SELECT id INTO @n FROM t")
    with pytest.raises(pymysql.Error, match="2 columns"):
        cursor.execute("SELECT id, a INTO @n FROM t LIMIT 1")


def test_maintenance_answers_for_each_table(cursor: Any) -> None:
    cursor.execute("CREATE TABLE m (h STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX)")
    assert rows(cursor, "CHECK TABLE t, m EXTENDED") == [
        (f"{DATABASE}.t", "check", "status", "OK"),
        (f"{DATABASE}.m", "check", "status", "OK"),
    ]
    for verb in ("ANALYZE", "OPTIMIZE LOCAL", "REPAIR"):
        name = verb.split()[0].lower()
        assert rows(cursor, f"{verb} TABLE t") == [(f"{DATABASE}.t", name, "status", "OK")]
    ((_, _, kind, text),) = rows(cursor, "CHECK TABLE missing")
    assert kind == "Error"
    assert "missing" in text


def test_rollup_and_straight_join(cursor: Any) -> None:
    query = "SELECT a, sum(v) FROM t GROUP BY a WITH ROLLUP"
    assert sorted(rows(cursor, query), key=str) == [("x", 3), ("y", 3), (None, 6)]
    query = "SELECT STRAIGHT_JOIN s.id FROM t STRAIGHT_JOIN t s ON t.id = s.id WHERE t.v = 3"
    assert rows(cursor, query) == [(3,)]


def test_priorities_and_rows_of_defaults(cursor: Any) -> None:
    cursor.execute("CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(5) DEFAULT 'q')")
    for insert in (
        "INSERT INTO d () VALUES ()",
        "INSERT LOW_PRIORITY INTO d (a) VALUES ('l')",
        "INSERT HIGH_PRIORITY IGNORE INTO d (id) VALUES (1)",
        "REPLACE LOW_PRIORITY INTO d (id, a) VALUES (2, 'r')",
    ):
        cursor.execute(insert)
    assert rows(cursor, "SELECT * FROM d ORDER BY id") == [(1, "q"), (2, "r")]


def test_views_with_the_words_of_dumps(cursor: Any) -> None:
    cursor.execute(
        "CREATE OR REPLACE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY INVOKER"
        " VIEW w (n) AS SELECT count(*) FROM t"
    )
    assert rows(cursor, "SELECT n FROM w") == [(3,)]


def test_variables_that_tools_read_when_they_connect(cursor: Any) -> None:
    cursor.execute("SELECT @@basedir, @@secure_file_priv, @@big_tables, @@pseudo_thread_id")
    assert cursor.fetchone() == ("", None, 0, cursor.connection.thread_id())
    cursor.execute("SET SESSION long_query_time = 3")
    cursor.execute(
        "SELECT s.variable_value, g.variable_value FROM information_schema.session_variables s"
        " JOIN information_schema.global_variables g USING (variable_name)"
        " WHERE variable_name = 'long_query_time'"
    )
    assert cursor.fetchone() == ("3", "10.000000")
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("SET SESSION max_connections = 3")
    cursor.execute("SHOW PLUGINS")
    assert ("caching_sha2_password", "ACTIVE", "AUTHENTICATION") in {
        row[:3] for row in cursor.fetchall()
    }


@pytest.mark.parametrize(
    ("call", "joined"),
    [
        ("group_concat(DISTINCT a ORDER BY v DESC)", "y,x"),
        ("group_concat(DISTINCT a ORDER BY a DESC SEPARATOR ';')", "y;x"),
        ("group_concat(DISTINCT a, v ORDER BY length(a), v DESC)", "y3,x2,x1"),
    ],
)
def test_distinct_values_are_joined_in_the_order_asked_for(
    cursor: Any, call: str, joined: str
) -> None:
    assert rows(cursor, f"SELECT {call} FROM t") == [(joined,)]
    assert rows(cursor, f"SELECT {call} FROM t WHERE id > 100") == [(None,)]
