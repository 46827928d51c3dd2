"""INSERT IGNORE and sessions without strict mode: values made to fit, with warnings."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_adjusting"
LEAST, MOST = -(2**31), 2**31 - 1


@pytest.fixture(scope="module")
def database(server: RunningServer) -> Iterator[dict[str, Any]]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        made.cursor().execute(f"CREATE DATABASE {DATABASE}")
        yield server.mysql_args(database=DATABASE)
        made.cursor().execute(f"DROP DATABASE {DATABASE}")


@pytest.fixture
def cursor(database: dict[str, Any]) -> Iterator[Any]:
    with pymysql.connect(**database, autocommit=True) as made:
        opened = made.cursor()
        opened.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(3), n INT, y TINYINT UNSIGNED,"
            " d DECIMAL(5, 2), day DATE)"
        )
        yield opened
        opened.execute("DROP TABLE t")


def rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def warnings(cursor: Any) -> list[tuple[int, str]]:
    return [(number, text) for _, number, text in rows(cursor, "SHOW WARNINGS")]


def test_ignore_cuts_long_texts(cursor: Any) -> None:
    given = "(1, 'abcdef'), (2, 'äöü  '), (3, 'ab')"
    assert cursor.execute(f"INSERT IGNORE INTO t (id, s) VALUES {given}") == 3
    assert warnings(cursor) == [(1265, "Data truncated for column 's' at row 1")]
    assert rows(cursor, "SELECT s FROM t ORDER BY id") == [("abc",), ("äöü",), ("ab",)]


def test_ignore_takes_the_number_a_text_begins_with(cursor: Any) -> None:
    given = "(1, 'xyz'), (2, '12abc'), (3, 5), (4, '3.7'), (5, NULL)"
    assert cursor.execute(f"INSERT IGNORE INTO t (id, n) VALUES {given}") == 5
    assert warnings(cursor) == [
        (1366, "Incorrect integer value: 'xyz' for column 'n' at row 1"),
        (1265, "Data truncated for column 'n' at row 2"),
    ]
    found = rows(cursor, "SELECT n FROM t ORDER BY id")
    assert found == [(0,), (12,), (5,), (4,), (None,)]


@pytest.mark.parametrize(
    ("column", "given", "stored"),
    [
        ("n", "99999999999", MOST),
        ("n", "-99999999999", LEAST),
        ("n", "'99999999999999999999'", MOST),
        ("y", "-1", 0),
        ("y", "1000 * 1000", 255),
        ("d", "12345.678", Decimal("999.99")),
        ("d", "'-1e9'", Decimal("-999.99")),
    ],
)
def test_ignore_takes_the_nearest_number_of_the_type(
    cursor: Any, column: str, given: str, stored: Any
) -> None:
    assert cursor.execute(f"INSERT IGNORE INTO t (id, {column}) VALUES (1, {given})") == 1
    assert warnings(cursor) == [(1264, f"Out of range value for column '{column}' at row 1")]
    assert rows(cursor, f"SELECT {column} FROM t") == [(stored,)]


def test_without_strict_mode_plain_inserts_adjust_as_well(cursor: Any) -> None:
    bad = "INSERT INTO t (id, s, n) VALUES (1, 'abcdef', 5), (2, 'ab', 99999999999)"
    with pytest.raises(pymysql.err.DataError):
        cursor.execute(bad)
    cursor.execute("SET sql_mode = ''")
    assert cursor.execute(bad) == 2
    assert [number for number, _ in warnings(cursor)] == [1265, 1264]
    assert cursor.execute("INSERT INTO t (id, n) VALUES (3, 7)") == 1
    assert warnings(cursor) == []
    cursor.execute("INSERT INTO t (id, n) VALUES (3, '8x') ON DUPLICATE KEY UPDATE n = VALUES(n)")
    assert rows(cursor, "SELECT n FROM t ORDER BY id") == [(5,), (MOST,), (8,)]


def test_a_row_of_many_is_told_by_its_number(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (id, n) SELECT i, i FROM generate_series(1, 1000) g(i)")
    cursor.execute(
        "INSERT IGNORE INTO t (id, n)"
        " SELECT id + 1000, CAST(n AS SIGNED) * 2200000 FROM t ORDER BY id"
    )
    told = warnings(cursor)
    assert told[0] == (1264, "Out of range value for column 'n' at row 977")
    assert len(told) == 24
    assert rows(cursor, f"SELECT count(*) FROM t WHERE n = {MOST}") == [(24,)]


@pytest.mark.parametrize("word", ["INSERT IGNORE", "INSERT"])
def test_days_that_are_none_stay_errors(cursor: Any, word: str) -> None:
    cursor.execute("SET sql_mode = ''")
    for day in ("0000-00-00", "2020-02-30"):
        with pytest.raises(pymysql.err.Error, match=day):
            cursor.execute(f"{word} INTO t (id, day) VALUES (1, '{day}')")
    assert rows(cursor, "SELECT count(*) FROM t") == [(0,)]


def test_ignore_leaves_out_rows_without_a_parent(cursor: Any) -> None:
    cursor.execute("CREATE TABLE p (a INT, b VARCHAR(5), PRIMARY KEY (a, b))")
    cursor.execute(
        "CREATE TABLE c (id INT PRIMARY KEY, a INT, b VARCHAR(5),"
        " FOREIGN KEY (a, b) REFERENCES p (a, b))"
    )
    cursor.execute("INSERT INTO p VALUES (1, 'x'), (2, 'y')")
    given = "(1, 1, 'x'), (2, 1, 'y'), (3, 2, 'y'), (4, NULL, 'x'), (5, 3, 'z'), (1, 2, 'y')"
    assert cursor.execute(f"INSERT IGNORE INTO c VALUES {given}") == 3
    told = warnings(cursor)
    assert [number for number, _ in told if number == 1452] == [1452, 1452]
    assert "foreign key constraint fails" in told[0][1]
    assert rows(cursor, "SELECT id FROM c ORDER BY id") == [(1,), (3,), (4,)]
    assert cursor.execute("INSERT IGNORE INTO c VALUES (6, 7, 'q')") == 0
    with pytest.raises(pymysql.err.IntegrityError):
        cursor.execute("INSERT INTO c VALUES (6, 7, 'q')")
    cursor.execute("DROP TABLE c, p")


def test_words_of_no_enum_or_set(cursor: Any) -> None:
    cursor.execute("CREATE TEMPORARY TABLE w (e ENUM('a', 'b'), s SET('x', 'y'))")
    cursor.execute("INSERT IGNORE INTO w VALUES ('B', 'y'), ('c', 'q,x')")
    told = "Data truncated for column '{}' at row 2"
    assert warnings(cursor) == [(1265, told.format("e")), (1265, told.format("s"))]
    assert rows(cursor, "SELECT * FROM w ORDER BY s DESC") == [("b", "y"), ("", "x")]
