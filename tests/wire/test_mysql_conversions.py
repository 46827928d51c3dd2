"""MySQL's conversions: text and times as numbers, what is no time, times of more than a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_conversions"
VALUES: tuple[tuple[str, Any], ...] = (
    ("'3 apples' + 2", 5.0),
    ("'a' + 1", 1.0),
    ("1 + '1e2'", 101.0),
    ("'-3.7abc' * 1", -3.7),
    ("TRUE + 1", 2),
    ("1 = '1a'", 1),
    ("'' = 0", 1),
    ("7 DIV 0", None),
    ("7 MOD 0", None),
    ("7.5 DIV 2", 3),
    ("ABS('-3.5')", 3.5),
    ("CAST('12abc' AS SIGNED)", 12),
    ("CAST('abcdef' AS CHAR(3))", "abc"),
    ("CAST(20200102 AS DATE)", date.fromisoformat("2020-01-02")),
    ("CONVERT('abc' USING utf8mb4)", "abc"),
    ("HEX(CAST('é' AS BINARY))", "C3A9"),
    ("HEX(b'1010')", "A"),
    ("HEX(AES_ENCRYPT('text', 'password'))", "F6BD0FA8DCB7F8CD4A2FAABC54668044"),
    ("AES_DECRYPT(UNHEX('F6BD0FA8DCB7F8CD4A2FAABC54668044'), 'password')", b"text"),
    ("AES_DECRYPT(UNHEX('F6BD0FA8DCB7F8CD4A2FAABC54668044'), 'other')", None),
    ("AES_DECRYPT(AES_ENCRYPT('', REPEAT('key', 20)), REPEAT('key', 20))", b""),
    ("AES_ENCRYPT('text', NULL)", None),
    ("'2020-01-01' + INTERVAL 1 DAY", date.fromisoformat("2020-01-02")),
    ("INTERVAL 1 DAY + '2020-01-01'", date.fromisoformat("2020-01-02")),
    ("'2020-01-01' - INTERVAL 1 SECOND", datetime.fromisoformat("2019-12-31 23:59:59")),
    ("DATE_ADD('2020-01-31', INTERVAL 1 MONTH)", date.fromisoformat("2020-02-29")),
    ("DATE_ADD('bad', INTERVAL 1 DAY)", None),
    (
        "DATE_ADD('2020-01-01', INTERVAL '1:30' HOUR_MINUTE)",
        datetime.fromisoformat("2020-01-01 01:30:00"),
    ),
    ("DATE_ADD('2020-01-01', INTERVAL '1-2' YEAR_MONTH)", date.fromisoformat("2021-03-01")),
    (
        "DATE_SUB('2020-01-01', INTERVAL '-1 10' DAY_HOUR)",
        datetime.fromisoformat("2020-01-02 10:00:00"),
    ),
    (
        "DATE_ADD('2020-01-01', INTERVAL '1.5' SECOND_MICROSECOND)",
        datetime.fromisoformat("2020-01-01 00:00:01.500000"),
    ),
    ("EXTRACT(DAY_HOUR FROM '2020-05-06 07:08:09')", 607),
    ("EXTRACT(QUARTER FROM '2020-05-06')", 2),
    ("MONTH('2020-13-01')", None),
    ("YEAR(20200105)", 2020),
    ("HOUR('100:20:30')", 100),
    ("WEEK('2020-12-31', 6)", 53),
    ("YEARWEEK('2020-01-01', 1)", 202001),
    ("DATE_FORMAT('2021-01-01', '%U %u %V %v %X %x')", "00 00 52 53 2020 2020"),
    ("STR_TO_DATE('May 1, 2013', '%M %d,%Y')", date.fromisoformat("2013-05-01")),
    ("TIME('12:30')", timedelta(hours=12, minutes=30)),
    ("TIME('-1 12:30')", -timedelta(days=1, hours=12, minutes=30)),
    ("TIME('bad')", None),
    ("TIME '25:00:00'", timedelta(hours=25)),
    ("CAST('-838:59:59' AS TIME)", -timedelta(hours=838, minutes=59, seconds=59)),
    ("CAST('1 02:03:04.5' AS TIME)", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ("CAST('900:00:00' AS TIME)", timedelta(hours=838, minutes=59, seconds=59)),
    ("CAST('12:34:56' AS TIME)", timedelta(hours=12, minutes=34, seconds=56)),
    ("SEC_TO_TIME(100000)", timedelta(seconds=100_000)),
    ("MAKETIME(100, 15, 30)", timedelta(hours=100, minutes=15, seconds=30)),
    ("TIMEDIFF('10:00:00', '12:00:00')", -timedelta(hours=2)),
    ("TIMEDIFF('2020-01-12', '2020-01-01 10:00:00')", timedelta(days=10, hours=14)),
    ("ADDTIME('10:00:00', '1 01:02:03')", timedelta(days=1, hours=11, minutes=2, seconds=3)),
    ("ADDTIME('2020-01-01 10:00:00', '01:02:03')", datetime.fromisoformat("2020-01-01 11:02:03")),
    ("TIME_TO_SEC('-100:00:01')", -360_001),
    ("INTERVAL(23, 1, 15, 17, 30)", 3),
    ("CHAR(65 USING utf8mb4)", "A"),
    ("'hello' SOUNDS LIKE 'hallo'", 1),
    ("JSON_EXTRACT('{\"a\": 5}', '$.a') + 1", 6.0),
    ("JSON_EXTRACT('{\"a\": \"x\"}', '$.a') = 'x'", 1),
)
OF_COLUMNS = (
    ("SELECT id FROM c WHERE id = '2abc'", [(2,)]),
    ("SELECT id FROM c WHERE s = 7 ORDER BY id", [(1,)]),
    ("SELECT sum(s) FROM c", [(10.0,)]),
    ("SELECT id FROM c WHERE d = 20200101", [(1,)]),
    ("SELECT ts + 0 FROM c WHERE id = 1", [(20200101100000.0,)]),
    ("SELECT id FROM c HAVING id > 1", [(2,)]),
    ("SELECT id * 2 AS twice FROM c HAVING twice > 2", [(4,)]),
    ("SELECT id, FROM c WHERE id = 1", [(1,)]),
    ("SELECT hex(u), oct(u), length(bin(u)) FROM c WHERE id = 2", [("F" * 16, "1" + "7" * 21, 64)]),
    ("SELECT hex(id), bin(id), hex(s) FROM c WHERE id = 2", [("2", "10", "33")]),
    ("SELECT id / 0, id % 0 FROM c WHERE id = 1", [(None, None)]),
)


@pytest.fixture(scope="module")
def arguments(server: RunningServer) -> Iterator[dict[str, Any]]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as opened:
        cursor = opened.cursor()
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        cursor.execute(
            "CREATE TABLE c (id INT PRIMARY KEY, s VARCHAR(9), d DATE, ts DATETIME,"
            " u BIGINT UNSIGNED)"
        )
        cursor.execute("INSERT INTO c VALUES (1, '7 up', '2020-01-01', '2020-01-01 10:00:00', 0)")
        cursor.execute("INSERT INTO c VALUES (2, '3', NULL, NULL, 18446744073709551615)")
        yield server.mysql_args(database=DATABASE)
        cursor.execute(f"DROP DATABASE {DATABASE}")


def test_expressions_have_the_values_that_mysql_gives_them(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments) as connection:
        cursor = connection.cursor()
        found = []
        for expression, _ in VALUES:
            cursor.execute(f"SELECT {expression}")
            found.append((expression, cursor.fetchall()[0][0]))
    assert found == list(VALUES)


def test_columns_are_converted_as_mysql_does(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments) as connection:
        cursor = connection.cursor()
        for sql, expected in OF_COLUMNS:
            cursor.execute(sql)
            assert list(cursor.fetchall()) == expected, sql


def test_prepared_statements_give_times_of_more_than_a_day(arguments: dict[str, Any]) -> None:
    connection = mysql.connector.connect(**arguments)
    cursor = connection.cursor(prepared=True)
    cursor.execute("SELECT SEC_TO_TIME(100000.5), SEC_TO_TIME(5) WHERE 1 = ?", (1,))
    assert cursor.fetchall() == [(timedelta(seconds=100_000.5), timedelta(seconds=5))]
    connection.close()


def test_time_columns_take_days_and_times(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE times (id INT PRIMARY KEY, t TIME(6))")
        cursor.execute("INSERT INTO times VALUES (1, '0 0:0:0'), (2, '0 12:34:56.5'), (3, '1:2')")
        cursor.execute("INSERT INTO times SELECT 4, '0 23:59'")
        cursor.execute("SELECT t FROM times ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == [
            timedelta(0),
            timedelta(hours=12, minutes=34, seconds=56.5),
            timedelta(hours=1, minutes=2),
            timedelta(hours=23, minutes=59),
        ]
        cursor.execute("DROP TABLE times")


def test_values_of_several_rows_are_converted_cell_by_cell(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE cells (id int, s varchar(20), b varbinary(20))")
        cursor.execute(
            "INSERT INTO cells VALUES (1, 'a', 'x'), (1 + 1, 5, 6), (3, concat('a', 1), x'41ff'),"
            " (4, 1.50, _binary'z'), (5, DATE '2024-01-02', concat('y', 1)), (6, NULL, NULL),"
            " (7, 1 + 1, unhex('00'))"
        )
        cursor.execute("SELECT s, b FROM cells ORDER BY id")
        assert cursor.fetchall() == (
            ("a", b"x"),
            ("5", b"6"),
            ("a1", b"A\xff"),
            ("1.50", b"z"),
            ("2024-01-02", b"y1"),
            (None, None),
            ("2", b"\0"),
        )
        with pytest.raises(pymysql.err.DataError, match="too long"):
            cursor.execute("INSERT INTO cells (s) VALUES (1), (repeat('a', 21))")
        cursor.execute("DROP TABLE cells")
