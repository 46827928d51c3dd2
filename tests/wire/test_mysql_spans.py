"""MySQL's TIME of ordinary tables: negative and longer than a day, in text and in binary.

What is expected is what MySQL 8.4 and MariaDB 10.11 answer, but for warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import mysql.connector
import psycopg
import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_spans"
MOST = timedelta(hours=838, minutes=59, seconds=59)
NEGATIVE = -timedelta(hours=12, minutes=34, seconds=56, milliseconds=789)
LONG = timedelta(hours=26, minutes=3, seconds=4)


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        opened = made.cursor()
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute("CREATE TABLE t (id INT PRIMARY KEY, a TIME, b TIME(3))")
        opened.execute("INSERT INTO t VALUES (1, '10:11:12', '-12:34:56.789'), (2, NULL, NULL)")
        opened.execute("INSERT INTO t VALUES (3, '-838:59:59', '838:59:59'), (4, -101112, '10')")
        opened.execute("INSERT INTO t SELECT 5, '1 02:03:04', SEC_TO_TIME(5)")
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def test_what_is_stored_is_read_in_both_protocols(server: RunningServer, cursor: Any) -> None:
    expected = [
        (timedelta(hours=10, minutes=11, seconds=12), NEGATIVE),
        (None, None),
        (-MOST, MOST),
        (-timedelta(hours=10, minutes=11, seconds=12), timedelta(seconds=10)),
        (LONG, timedelta(seconds=5)),
    ]
    assert _rows(cursor, "SELECT a, b FROM t ORDER BY id") == expected
    with mysql.connector.connect(**server.mysql_args()) as connection:
        binary = connection.cursor(prepared=True)
        # Of negative times the driver changes the days' sign alone, whoever sends them.
        binary.execute(f"SELECT a, b FROM {DATABASE}.t WHERE id = ?", (5,))
        assert binary.fetchall() == expected[4:]
        binary.execute(f"SELECT id FROM {DATABASE}.t WHERE a = ? OR b < ?", (LONG, "-6:00"))
        assert sorted(binary.fetchall()) == [(1,), (5,)]
        binary.execute(f"INSERT INTO {DATABASE}.t VALUES (9, ?, ?)", ("-26:03:04", "100:00"))
        connection.commit()
    found = _rows(cursor, "SELECT CAST(a AS CHAR), b FROM t WHERE id = 9")
    assert found == [("-26:03:04", timedelta(hours=100))]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("a = '10:11:12.0'", [1]),
        ("a < '00:00:00'", [3, 4]),
        ("a > '24:00'", [5]),
        ("a BETWEEN -9000000 AND 0", [3, 4]),
        ("a IN ('10:11:12', '1 2:03:04')", [1, 5]),
        ("a = 101112", [1]),
        ("a > CAST('10:00:00' AS TIME)", [1, 5]),
        ("a > TIMEDIFF('10:00:00', '00:30:00')", [1, 5]),
        ("a LIKE '26:%'", [5]),
        ("a <> b AND b > 0", [3, 4, 5]),
    ],
)
def test_comparisons(cursor: Any, condition: str, ids: list[int]) -> None:
    assert _rows(cursor, f"SELECT id FROM t WHERE {condition} ORDER BY id") == [(i,) for i in ids]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("HOUR(a)", 26),
        ("TIME_TO_SEC(a)", 93_784),
        ("a + 0", 260_304),
        ("-a + 0", -260_304),
        ("CAST(a AS SIGNED)", 260_304),
        ("CONCAT(a, '!')", "26:03:04!"),
        ("ADDTIME(a, '1:00')", timedelta(hours=27, minutes=3, seconds=4)),
        ("SUBTIME(a, '30:00:00')", LONG - timedelta(hours=30)),
        ("TIMEDIFF(b, a)", timedelta(seconds=5) - LONG),
        ("a + INTERVAL 1 HOUR", LONG + timedelta(hours=1)),
        ("DATE_ADD(a, INTERVAL 90 MINUTE)", LONG + timedelta(minutes=90)),
        ("COALESCE(NULL, a)", LONG),
        ("IFNULL(a, '00:00:00')", LONG),
        ("TIME_FORMAT(a, '%H|%k|%i')", "26|26|03"),
        ("TIME_FORMAT(SUBTIME(a, '30:00:00'), '%H:%i:%s')", "-03:56:56"),
        ("MAX(a)", LONG),
        ("COUNT(DISTINCT a)", 1),
    ],
)
def test_functions_and_arithmetic(cursor: Any, expression: str, expected: object) -> None:
    assert _rows(cursor, f"SELECT {expression} FROM t WHERE id = 5 GROUP BY a, b") == [(expected,)]


def test_what_is_no_time_is_refused_or_adjusted(cursor: Any) -> None:
    for wrong in ("'839:00:00'", "'10:61:00'", "'abc'", "'-839:00'"):
        with pytest.raises(pymysql.err.OperationalError, match="Incorrect time value") as caught:
            cursor.execute(f"INSERT INTO t VALUES (8, {wrong}, NULL)")
        assert caught.value.args[0] == 1292
    cursor.execute("SET sql_mode = ''")
    cursor.execute("INSERT INTO t VALUES (8, '900:00:00', '-900:00:00'), (9, 'abc', NULL)")
    warnings = [row[1] for row in _rows(cursor, "SHOW WARNINGS")]
    assert warnings == [1264, 1265, 1264]
    found = _rows(cursor, "SELECT a, b FROM t WHERE id > 7 ORDER BY id")
    assert found == [(MOST, -MOST), (timedelta(0), None)]


def test_keys_of_spans(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (a TIME PRIMARY KEY, b TIME UNIQUE, v INT)")
    cursor.execute("INSERT INTO k VALUES ('25:00:00', '-1:00:00', 1)")
    for wrong in ("('25:00:00', '1:00', 2)", "('1:00', '-01:00:00', 2)"):
        with pytest.raises(pymysql.err.IntegrityError) as caught:
            cursor.execute(f"INSERT INTO k VALUES {wrong}")
        assert caught.value.args[0] == 1062
    cursor.execute("INSERT INTO k VALUES ('25:00', '2:00', 5) ON DUPLICATE KEY UPDATE v = v + 10")
    cursor.execute("INSERT IGNORE INTO k VALUES ('25:00', '3:00', 6), ('-25:00', '3:00', 6)")
    cursor.execute("ALTER TABLE k ADD COLUMN w INT DEFAULT 7")
    with pytest.raises(pymysql.err.IntegrityError):
        cursor.execute("INSERT INTO k VALUES ('25:00', '4:00', 5, 5)")
    cursor.execute("UPDATE k SET a = '26:00' WHERE a = '25:00:00'")
    found = _rows(cursor, "SELECT CAST(a AS CHAR), v, w FROM k ORDER BY a")
    assert found == [("-25:00:00", 6, 7), ("26:00:00", 11, 7)]


def test_definitions_and_other_wires(server: RunningServer, cursor: Any) -> None:
    columns = "SELECT COLUMN_TYPE, DATETIME_PRECISION FROM information_schema.COLUMNS"
    where = f"WHERE TABLE_SCHEMA = '{DATABASE}' AND TABLE_NAME = 't' AND DATA_TYPE = 'time'"
    told = _rows(cursor, f"{columns} {where} ORDER BY ORDINAL_POSITION")
    assert told == [("time", 0), ("time(3)", 3)]
    cursor.execute("CREATE TABLE copied AS SELECT a, ADDTIME(a, '1:00') AS later FROM t")
    assert _rows(cursor, "SELECT later FROM copied WHERE a > '24:00'") == [
        (LONG + timedelta(hours=1),)
    ]
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as other:
        query = f"SELECT a FROM {DATABASE}.t WHERE a > interval '1 day' OR a < '-10:12'"
        assert sorted(other.execute(query).fetchall()) == [(-MOST,), (LONG,)]
        other.execute(f"CREATE TABLE {DATABASE}.plain (t time)")  # as all were before
        other.execute(f"INSERT INTO {DATABASE}.plain VALUES ('10:11:12')")
    joined = "SELECT t.id FROM t JOIN plain ON plain.t = t.a"
    assert _rows(cursor, joined) == [(1,)]
    cursor.execute("ALTER TABLE plain MODIFY t TIME")
    cursor.execute("INSERT INTO plain VALUES ('30:00')")
    assert _rows(cursor, "SELECT MAX(t), MIN(t) FROM plain") == [
        (timedelta(hours=30), timedelta(hours=10, minutes=11, seconds=12))
    ]
