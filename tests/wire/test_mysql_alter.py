"""ALTER TABLE of ordinary tables in MySQL's words: keys, places and definitions change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_mysql import cursor_in
from fix_server import RunningServer

DATABASE = "wire_mysql_alter"


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    with cursor_in(
        server,
        DATABASE,
        "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " a VARCHAR(10) NOT NULL DEFAULT 'q' COMMENT 'c', b INT UNIQUE, c INT NOT NULL)",
        "INSERT INTO t (a, b, c) VALUES ('1', 1, 1), ('2', 2, 2)",
    ) as opened:
        yield opened


def rows(cursor: Any, query: str = "SELECT * FROM t") -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def shown(cursor: Any) -> str:
    return str(rows(cursor, "SHOW CREATE TABLE t")[0][1])


def test_a_key_column_becomes_wider_and_goes_on_counting(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t MODIFY id BIGINT AUTO_INCREMENT NOT NULL")
    assert "`id` bigint NOT NULL AUTO_INCREMENT" in shown(cursor)
    cursor.execute("INSERT INTO t (c) VALUES (3)")
    assert rows(cursor, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def test_auto_increment_comes_and_goes(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t MODIFY id INT NOT NULL")
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("INSERT INTO t (c) VALUES (3)")
    cursor.execute("ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT")
    cursor.execute("INSERT INTO t (c) VALUES (3)")
    assert cursor.lastrowid == 3


def test_modify_leaves_nothing_of_the_old_definition(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t MODIFY a INT")
    assert "`a` int DEFAULT NULL," in shown(cursor)
    assert rows(cursor, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    cursor.execute("ALTER TABLE t MODIFY a INT NOT NULL DEFAULT 7 COMMENT 'new'")
    assert "`a` int NOT NULL DEFAULT 7 COMMENT 'new'" in shown(cursor)


def test_first_and_after(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t ADD f INT FIRST, ADD g INT AFTER a, MODIFY c INT AFTER f")
    assert rows(cursor, "SELECT * FROM t ORDER BY id")[0] == (None, 1, 1, "1", None, 1)
    cursor.execute("ALTER TABLE t CHANGE b bb BIGINT FIRST")
    assert rows(cursor, "SELECT * FROM t ORDER BY id")[1] == (2, None, 2, 2, "2", None)


def test_a_unique_column_is_added_and_dropped(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t ADD u INT UNIQUE, ADD v INT CHECK (v > 0)")
    cursor.execute("INSERT INTO t (c, u, v) VALUES (3, 1, 1)")
    for values in ("(4, 1, 1)", "(4, 2, 0)"):
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute(f"INSERT INTO t (c, u, v) VALUES {values}")
    cursor.execute("ALTER TABLE t DROP b, DROP u, DROP v")
    assert rows(cursor, "SELECT * FROM t WHERE c = 3") == [(3, "q", 3)]
    with pytest.raises(pymysql.err.IntegrityError):
        cursor.execute("INSERT INTO t (id, c) VALUES (3, 4)")


def test_a_checked_column_becomes_wider(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t ADD CHECK (c > 0)")
    cursor.execute("ALTER TABLE t MODIFY c BIGINT NOT NULL")
    cursor.execute(f"INSERT INTO t (c) VALUES ({2**40})")
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("INSERT INTO t (c) VALUES (0)")


def test_a_key_column_is_replaced_by_another(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t DROP id")
    cursor.execute("ALTER TABLE t ADD n INT AUTO_INCREMENT PRIMARY KEY FIRST")
    assert rows(cursor, "SELECT n, c FROM t ORDER BY n") == [(1, 1), (2, 2)]
    cursor.execute("INSERT INTO t (c) VALUES (3)")
    assert cursor.lastrowid == 3


def test_rows_get_a_zero_for_a_column_without_default(cursor: Any) -> None:
    cursor.execute("ALTER TABLE t ADD n INT NOT NULL, ADD s VARCHAR(3) NOT NULL")
    assert rows(cursor, "SELECT DISTINCT n, s FROM t") == [(0, "")]
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("INSERT INTO t (c) VALUES (3)")


def test_values_that_do_not_fit_stop_the_change(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (a, c) VALUES ('x', 3)")
    before = shown(cursor)
    for action in ("MODIFY a INT", "MODIFY b INT NOT NULL", "ADD PRIMARY KEY (c)"):
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute(f"ALTER TABLE t {action}")
    assert shown(cursor) == before
    assert len(rows(cursor)) == 3
