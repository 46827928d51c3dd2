"""What MySQL's answers say beside rows: counts in words, warnings' numbers, insert ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_mysql import cursor_in
from fix_server import RunningServer

DATABASE = "wire_mysql_answers"


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    with cursor_in(
        server, DATABASE, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, b TEXT)"
    ) as opened:
        yield opened


def info(cursor: Any) -> str:
    return bytes(cursor.connection._result.message).decode()


def test_counts_in_words(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (n) VALUES (1), (2), (3)")
    assert info(cursor) == "Records: 3  Duplicates: 0  Warnings: 0"
    cursor.execute("UPDATE t SET n = 2 WHERE n < 3")
    assert info(cursor) == "Rows matched: 2  Changed: 1  Warnings: 0"
    cursor.execute("INSERT INTO t (n) VALUES (4)")
    assert info(cursor) == ""


def test_a_negative_number_given_is_told_unsigned(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (id, n) VALUES (-5, 1)")
    assert cursor.lastrowid == 2**64 - 5
    cursor.execute("SELECT id FROM t")
    assert cursor.fetchall() == ((-5,),)


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("DROP TABLE IF EXISTS missing", 1051),
        ("DROP DATABASE IF EXISTS missing", 1008),
        ("CREATE TABLE IF NOT EXISTS t (a INT)", 1050),
        (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", 1007),
    ],
)
def test_notes_have_numbers(cursor: Any, statement: str, number: int) -> None:
    cursor.execute(statement)
    cursor.execute("SHOW WARNINGS")
    assert cursor.fetchone()[:2] == ("Note", number)


def test_an_unknown_table_is_told_with_its_database(cursor: Any) -> None:
    cursor.execute("DROP TABLE IF EXISTS missing")
    cursor.execute("SHOW WARNINGS")
    assert cursor.fetchone()[2] == f"Unknown table '{DATABASE}.missing'"


def test_truncate_begins_numbers_again(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (n) VALUES (1), (2)")
    cursor.execute("TRUNCATE TABLE t")
    cursor.execute("INSERT INTO t (n) VALUES (1)")
    assert cursor.lastrowid == 1


def test_order_by_a_constant_does_nothing(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (n) VALUES (7), (7)")
    cursor.execute("SELECT n, count(*) FROM t GROUP BY n ORDER BY NULL")
    assert cursor.fetchall() == ((7, 2),)
    cursor.execute("SELECT id FROM t ORDER BY 'x', id DESC")
    assert cursor.fetchall() == ((2,), (1,))


def test_ungrouped_columns_of_two_tables_with_one_name(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (n, b) VALUES (1, 'x'), (2, 'y')")
    cursor.execute("SET sql_mode = ''")
    cursor.execute(
        "SELECT l.id, l.b, max(r.n) FROM t l JOIN t r ON l.id = r.id"
        " GROUP BY l.id, r.b ORDER BY l.b DESC"
    )
    assert cursor.fetchall() == ((2, "y", 2), (1, "x", 1))


def test_names_with_a_collation(cursor: Any) -> None:
    cursor.execute("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci")
    cursor.execute("SELECT @@collation_connection")
    assert cursor.fetchone() == ("utf8mb4_general_ci",)


def test_check_constraints_are_listed(cursor: Any) -> None:
    cursor.execute("CREATE TABLE c (a INT, CONSTRAINT positive CHECK (a > 0 AND a < 9))")
    cursor.execute(
        "SELECT constraint_name, check_clause FROM information_schema.check_constraints"
        " WHERE constraint_schema = DATABASE()"
    )
    assert cursor.fetchall() == (("positive", "(`a` > 0 AND `a` < 9)"),)


def test_locks_are_waited_for_as_long_as_innodb_says(cursor: Any, server: RunningServer) -> None:
    cursor.execute("INSERT INTO t (n) VALUES (1)")
    cursor.execute("BEGIN")
    cursor.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
    with (
        pymysql.connect(**server.mysql_args(database=DATABASE)) as other,
        other.cursor() as second,
    ):
        second.execute("SET innodb_lock_wait_timeout = 1")
        with pytest.raises(pymysql.err.OperationalError) as refused:
            second.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
        assert refused.value.args[0] == 1205
    cursor.execute("ROLLBACK")


def test_rows_stay_locked_without_autocommit(cursor: Any, server: RunningServer) -> None:
    cursor.execute("INSERT INTO t (n) VALUES (1), (2)")
    given = server.mysql_args(database=DATABASE)
    with (
        pymysql.connect(**given, autocommit=False) as holder,
        pymysql.connect(**given, autocommit=False) as other,
        holder.cursor() as first,
        other.cursor() as second,
    ):
        first.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
        second.execute("SET innodb_lock_wait_timeout = 1")
        second.execute("UPDATE t SET n = 9 WHERE id = 2")
        with pytest.raises(pymysql.err.OperationalError) as refused:
            second.execute("UPDATE t SET n = 9")
        assert refused.value.args[0] == 1205
        assert "Lock wait timeout exceeded" in refused.value.args[1]
        other.rollback()
        holder.commit()
        second.execute("UPDATE t SET n = 9")
        other.commit()
    cursor.execute("SELECT n FROM t")
    assert cursor.fetchall() == ((9,), (9,))


def test_an_unknown_database_is_told_in_mysqls_words(server: RunningServer) -> None:
    with pytest.raises(pymysql.err.OperationalError) as refused:
        pymysql.connect(**server.mysql_args(database="no_such_database"))
    assert refused.value.args == (1049, "Unknown database 'no_such_database'")


def test_types_are_told_as_declared(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE k (b BIT(9), s SET('x','y'), e ENUM('a','b'), f FLOAT(7,4) UNSIGNED,"
        " t TINYINT(1), l LONGTEXT, y YEAR, m MEDIUMINT, o VARBINARY(9))"
    )
    cursor.execute("INSERT INTO k (b, s, e, y) VALUES (b'100000001', 'x,y', 'a', 2020)")
    cursor.execute("INSERT INTO k (b) VALUES (NULL), (3)")
    cursor.execute("SELECT b, s, e, y, l, m FROM k ORDER BY b")
    assert [row[0] for row in cursor.fetchall()] == [None, b"\x00\x03", b"\x01\x01"]
    assert [item[1] for item in cursor.description] == [16, 254, 254, 13, 252, 9]
    cursor.execute("SHOW CREATE TABLE k")
    text = cursor.fetchone()[1]
    for shown in ("`b` bit(9)", "set('x','y')", "enum('a','b')", "`f` float", "`t` tinyint(1)"):
        assert shown in text
    cursor.execute("CREATE VIEW kv AS SELECT y, b, e FROM k")
    cursor.execute(
        "SELECT column_type FROM information_schema.columns"
        " WHERE table_name = 'kv' ORDER BY ordinal_position"
    )
    assert [row[0] for row in cursor.fetchall()] == ["year", "bit(9)", "enum('a','b')"]


def test_bits_are_taken_as_bytes(cursor: Any) -> None:
    cursor.execute("CREATE TABLE k (b BIT(9), n INT)")
    cursor.execute("INSERT INTO k VALUES ('\\0\x03', 1), ('\x01\x01', 2), (NULL, 3), ('', 4)")
    cursor.execute("INSERT INTO k VALUES (x'00ff', 5)")
    cursor.execute("INSERT INTO k VALUES (b'101', 6)")
    cursor.execute("INSERT INTO k VALUES (%s, 7)", (b"\x01\xff",))
    cursor.execute("SELECT b + 0 FROM k ORDER BY n")
    assert [row[0] for row in cursor.fetchall()] == [3, 257, None, 0, 255, 5, 511]
    for bad in ("'\x02\x00'", "x'0200'", "'too many bytes'"):
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute(f"INSERT INTO k VALUES ({bad}, 8)")


def test_bits_of_prepared_statements(cursor: Any, server: RunningServer) -> None:
    cursor.execute("CREATE TABLE k (b BIT(64))")
    given = server.mysql_args(database=DATABASE)
    with mysql.connector.connect(**given, use_pure=True) as connection:
        prepared = connection.cursor(prepared=True)
        prepared.execute("INSERT INTO k VALUES (?)", (2**64 - 1,))
        prepared.execute("SELECT b FROM k")
        assert prepared.fetchall() == [(b"\xff" * 8,)]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("b COLLATE utf8mb4_general_ci = 'ALPHA'", 2),
        ("b = 'ÁLPHA' COLLATE utf8mb4_0900_ai_ci", 2),
        ("b = 'ÁLPHA' COLLATE utf8mb4_0900_as_ci", 0),
        ("b = 'ALPHA' COLLATE utf8mb4_bin", 1),
        ("b COLLATE utf8mb4_general_ci LIKE 'AL%'", 2),
        ("b COLLATE utf8mb4_general_ci IN ('x', 'ALpha')", 2),
        ("b LIKE BINARY concat('AL', '%')", 1),
        ("b = 'ALPHA'", 1),
    ],
)
def test_collations_that_a_comparison_names(cursor: Any, condition: str, found: int) -> None:
    cursor.execute("INSERT INTO t (b) VALUES ('Alpha'), ('ALPHA'), ('beta')")
    cursor.execute(f"SELECT count(*) FROM t WHERE {condition}")
    assert cursor.fetchone() == (found,)


def test_order_by_a_collation(cursor: Any) -> None:
    cursor.execute("INSERT INTO t (b) VALUES ('b'), ('A'), ('a'), ('B')")
    cursor.execute("SELECT b FROM t ORDER BY b COLLATE utf8mb4_general_ci, id")
    assert [row[0] for row in cursor.fetchall()] == ["A", "a", "b", "B"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("* FROM information_schema.schemata", ("CATALOG_NAME", "SCHEMA_NAME")),
        ("table_name, Engine FROM information_schema.tables", ("table_name", "Engine")),
        (
            "c.COLUMN_NAME, c.ordinal_position FROM information_schema.columns c ORDER BY 2",
            ("COLUMN_NAME", "ordinal_position"),
        ),
    ],
)
def test_columns_of_the_catalog_are_in_capitals_or_as_written(
    cursor: Any, asked: str, names: tuple[str, ...]
) -> None:
    cursor.execute(f"SELECT {asked}")
    assert tuple(column[0] for column in cursor.description)[:2] == names


@pytest.mark.parametrize("text", ["--", "-- a\n", "/* a */", "# a", "-- a\n;"])
def test_a_comment_alone_is_answered(cursor: Any, text: str) -> None:
    assert cursor.execute(text) == 0
    assert cursor.description is None


@pytest.mark.parametrize("text", ["", " ", ";", "\n;\t"])
def test_nothing_at_all_is_an_error(cursor: Any, text: str) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute(text)
    assert caught.value.args[0] == 1065
