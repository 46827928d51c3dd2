"""MySQL's times: digits of a second that are shown and kept, numbers as TIME; BINARY(n)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_times"
_TEXTS = {pymysql.FIELD_TYPE.TIME: str, pymysql.FIELD_TYPE.DATETIME: str}


@pytest.fixture(scope="module")
def cursor(server: RunningServer) -> Iterator[Any]:
    arguments = server.mysql_args() | {"conv": _TEXTS | {pymysql.FIELD_TYPE.TIMESTAMP: str}}
    with pymysql.connect(**arguments, autocommit=True) as made:
        opened = made.cursor()
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute("CREATE TABLE t (id INT PRIMARY KEY, a TIME, b TIME(2), c TIME(6))")
        opened.execute("CREATE TABLE bytes (id INT PRIMARY KEY, b BINARY(4), one BINARY)")
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


@pytest.mark.parametrize(
    ("expression", "length"),
    [
        ("now()", 19),
        ("CURRENT_TIMESTAMP", 19),
        ("sysdate()", 19),
        ("utc_timestamp()", 19),
        ("now() + INTERVAL 1 DAY", 19),
        ("coalesce(now(), NULL)", 19),
        ("max(now())", 19),
        ("CAST('2020-01-01 10:00:00.5' AS DATETIME)", 19),
        ("date_add('2020-01-01 10:00:00', INTERVAL 1 SECOND)", 19),
        ("from_unixtime(7)", 19),
        ("now(3)", 23),
        ("now(6)", 26),
        ("CAST('2020-01-01 10:00:00.5' AS DATETIME(3))", 23),
        ("curtime()", 8),
        ("curtime(2)", 11),
        ("CAST('10:00:00.7' AS TIME)", 8),
    ],
)
def test_digits_of_a_second_are_shown_where_asked_for(
    cursor: Any, expression: str, length: int
) -> None:
    ((found,),) = _rows(cursor, f"SELECT {expression}")
    assert len(found) == length, found


def test_the_clock_keeps_its_digits_where_it_is_stored(cursor: Any) -> None:
    cursor.execute("CREATE TABLE series (at TIMESTAMP(6) TIME INDEX, v INT)")
    cursor.execute("INSERT INTO series SELECT CAST('2020-01-01 10:00:00.5' AS DATETIME), 1")
    assert _rows(cursor, "SELECT at FROM series") == [("2020-01-01 10:00:00.500000",)]


def test_times_have_the_digits_they_were_declared_with(cursor: Any) -> None:
    cursor.execute("DELETE FROM t")
    cursor.execute("INSERT INTO t VALUES (1, '10:00:00.5', '10:00:00.126', '10:00:00.126')")
    assert _rows(cursor, "SELECT a, b, c FROM t") == [
        ("10:00:01", "10:00:00.13", "10:00:00.126000")
    ]
    cursor.execute("UPDATE t SET a = '11:00:00.4', b = '11:00:00.004'")
    assert _rows(cursor, "SELECT a, b FROM t") == [("11:00:00", "11:00:00.00")]
    assert [row[1] for row in _rows(cursor, "SHOW COLUMNS FROM t")[1:]] == [
        "time",
        "time(2)",
        "time(6)",
    ]
    with pytest.raises(pymysql.Error) as caught:
        cursor.execute("CREATE TABLE much (a TIME(7))")
    assert caught.value.args[0] == 1426


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0", "00:00:00"),
        ("101112", "10:11:12"),
        ("101112 + 1", "10:11:13"),
        ("130.0", "00:01:30"),
        ("time('10:00:00')", "10:00:00"),
        ("CAST('2020-01-01 10:11:12' AS DATETIME)", "10:11:12"),
        ("-1", "-00:00:01"),
        ("995900", "99:59:00"),
        ("'-01:00:00'", "-01:00:00"),
        ("time('25:00:00')", "25:00:00"),
    ],
)
def test_numbers_and_spans_become_times(cursor: Any, value: str, shown: str) -> None:
    cursor.execute("DELETE FROM t")
    cursor.execute(f"INSERT INTO t (id, a) VALUES (1, {value})")
    assert _rows(cursor, "SELECT a FROM t") == [(shown,)]


@pytest.mark.parametrize("value", ["66", "-6100", "'839:00:00'", "'-01:60:00'", "9000000"])
def test_what_is_no_time_is_refused(cursor: Any, value: str) -> None:
    cursor.execute("DELETE FROM t")
    with pytest.raises(pymysql.Error):
        cursor.execute(f"INSERT INTO t (id, a) VALUES (1, {value})")
    assert _rows(cursor, "SELECT a FROM t") == []


def test_times_in_binary_have_the_same_digits(server: RunningServer, cursor: Any) -> None:
    cursor.execute("DELETE FROM t")
    cursor.execute("INSERT INTO t VALUES (1, '10:00:00.4', '10:00:00.126', '10:00:00.126')")
    arguments = server.mysql_args() | {"database": DATABASE}
    with mysql.connector.connect(**arguments, use_pure=True) as connection:
        prepared = connection.cursor(prepared=True)
        prepared.execute("SELECT a, b, c FROM t WHERE id = ?", (1,))
        whole = timedelta(hours=10)
        assert prepared.fetchall() == [
            (whole, whole + timedelta(milliseconds=130), whole + timedelta(milliseconds=126))
        ]


def test_binary_is_filled_with_zeros(cursor: Any) -> None:
    cursor.execute("INSERT INTO bytes VALUES (1, 'ab', 'x'), (2, NULL, NULL), (3, 'abcd', 'y')")
    cursor.execute("INSERT INTO bytes SELECT 4, 'a', 'z'")
    cursor.execute("UPDATE bytes SET b = 'q' WHERE id = 3")
    assert _rows(cursor, "SELECT hex(b), hex(one) FROM bytes ORDER BY id") == [
        ("61620000", "78"),
        (None, None),
        ("71000000", "79"),
        ("61000000", "7A"),
    ]
    assert _rows(cursor, r"SELECT id FROM bytes WHERE b = 'ab\0\0'") == [("1",)]
    for statement in ("INSERT INTO bytes VALUES (5, 'abcde', '')", "UPDATE bytes SET one = 'ab'"):
        with pytest.raises(pymysql.Error) as caught:
            cursor.execute(statement)
        assert caught.value.args[0] == 1406
