"""MySQL's numbers for common mistakes, and what a mistake among several statements does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer
from pymysql.constants import CLIENT, SERVER_STATUS

DATABASE = "wire_mistakes"
MISTAKES = (
    ("DROP TABLE nope", 1051),
    ("DROP VIEW nope", 1051),
    ("DROP DATABASE nope", 1008),
    ("DROP INDEX nope ON r", 1091),
    ("ALTER TABLE r DROP COLUMN nope", 1091),
    ("ALTER TABLE r DROP INDEX nope", 1091),
    ("ALTER TABLE r ADD COLUMN id INT", 1060),
    ("ALTER TABLE r ADD PRIMARY KEY (v)", 1068),
    ("CREATE TABLE e (a INT PRIMARY KEY, b INT PRIMARY KEY)", 1068),
    ("CREATE TABLE e (a INT, KEY k (nope))", 1072),
    ("CREATE INDEX i ON r (nope)", 1072),
    ("CREATE TABLE e (a NOTYPE)", 1064),
    ("INSERT INTO r (id, id) VALUES (1, 1)", 1110),
    ("INSERT INTO r (v) VALUES (1)", 1364),
    ("INSERT INTO r VALUES (1)", 1136),
    ("SELECT id FROM r ORDER BY 9", 1054),
    ("SELECT id FROM r WHERE count(*) > 1", 1111),
    ("SELECT (SELECT id, v FROM r LIMIT 1)", 1241),
    ("SELECT id FROM r UNION SELECT id, v FROM r", 1222),
    ("SELECT id FROM r x, r x", 1066),
    ("SELECT 9223372036854775807 + 1", 1690),
    ("SET autocommit = 'bad'", 1231),
    ("SET NAMES nocharset", 1115),
    ("SET version = 'x'", 1238),
)


@pytest.fixture(scope="module")
def connection(server: RunningServer) -> Iterator[pymysql.Connection[Any]]:
    flags = CLIENT.MULTI_STATEMENTS
    with pymysql.connect(**server.mysql_args(), autocommit=True, client_flag=flags) as opened:
        cursor = opened.cursor()
        for statement in (f"CREATE DATABASE {DATABASE}", f"USE {DATABASE}"):
            cursor.execute(statement)
        cursor.execute("CREATE TABLE r (id INT PRIMARY KEY, v INT)")
        cursor.execute("INSERT INTO r VALUES (1, 1)")
        yield opened
        cursor.execute(f"DROP DATABASE {DATABASE}")


@pytest.mark.parametrize(("sql", "errno"), MISTAKES)
def test_a_mistake_has_the_number_that_mysql_gives_it(
    connection: pymysql.Connection[Any], sql: str, errno: int
) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        connection.cursor().execute(sql)
    assert caught.value.args[0] == errno


def test_statements_before_one_that_is_no_sql_are_run(
    connection: pymysql.Connection[Any],
) -> None:
    cursor = connection.cursor()
    for _ in range(2):
        cursor.execute("SELECT 1; xyzzy")
        assert cursor.fetchall() == ((1,),)
        with pytest.raises(pymysql.err.ProgrammingError):
            cursor.nextset()


def test_backslashes_mean_nothing_where_the_session_says_so(
    connection: pymysql.Connection[Any],
) -> None:
    cursor = connection.cursor()
    cursor.execute(r"SELECT 'a\\b'")
    assert cursor.fetchone() == ("a\\b",)
    cursor.execute("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'")
    try:
        assert connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
        cursor.execute(r"SELECT 'a\\b', 'c\'")
        assert cursor.fetchone() == (r"a\\b", "c\\")
        cursor.execute("SELECT %s", ("it's\\",))
        assert cursor.fetchone() == ("it's\\",)
    finally:
        cursor.execute("SET SESSION sql_mode = DEFAULT")


def test_what_a_statement_had_to_say_can_be_asked_for(connection: pymysql.Connection[Any]) -> None:
    cursor = connection.cursor()

    def rows(sql: str) -> list[Any]:
        cursor.execute(sql)
        return list(cursor.fetchall())

    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("SELECT nothing FROM r")
    (error,) = rows("SHOW WARNINGS")
    assert error[:2] == ("Error", 1054)
    assert rows("SHOW ERRORS") == [error]
    assert rows("SHOW COUNT(*) ERRORS") == [(1,)]
    assert rows("SELECT @@error_count, @@warning_count") == [(1, 1)]
    cursor.execute("DROP PROCEDURE IF EXISTS p")
    assert rows("SHOW WARNINGS")[0][:2] == ("Note", 1305)
    assert rows("SHOW ERRORS") == []
    assert rows("SELECT 1") == [(1,)]
    assert rows("SHOW WARNINGS") == [], "a statement without warnings clears those before"


@pytest.mark.parametrize(
    ("sql", "errno"),
    [
        ("DROP PROCEDURE p", 1305),
        ("CALL p()", 1305),
        ("SHOW CREATE FUNCTION f", 1305),
        ("DROP TRIGGER t", 1360),
        ("DROP EVENT e", 1539),
        ("XA START 'x'", 1235),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 1235),
        ("SELECT 1 FROM r INTO DUMPFILE '/tmp/x'", 1235),
    ],
)
def test_what_does_not_exist_here_is_refused_precisely(
    connection: pymysql.Connection[Any], sql: str, errno: int
) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        connection.cursor().execute(sql)
    assert caught.value.args[0] == errno


def test_mysqls_own_databases_can_be_read(connection: pymysql.Connection[Any]) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT user, plugin FROM mysql.user WHERE concat(user, '@', host) = current_user()"
    )
    assert len(cursor.fetchall()) == 1
    cursor.execute("SELECT count(*) > 100 FROM mysql.time_zone_name WHERE name LIKE '%%/%%'")
    assert cursor.fetchall() == ((1,),)
    cursor.execute(
        "SELECT variable_value FROM performance_schema.session_variables"
        " WHERE variable_name = 'autocommit'"
    )
    assert len(cursor.fetchall()) == 1
    cursor.execute("USE mysql")
    cursor.execute("SELECT count(*) FROM db")
    assert cursor.fetchall() == ((0,),)
    cursor.execute(f"USE {DATABASE}")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "INSERT INTO keyed VALUES (1, 1, 'x', 1)",
            "Duplicate entry '1-1' for key 'keyed.PRIMARY'",
        ),
        ("INSERT INTO keyed VALUES (1, 2, 'A', 1)", "Duplicate entry 'a' for key 'keyed.by_name'"),
        (
            "INSERT INTO keyed VALUES (3, 3, 'c', 1), (3, 3, 'd', 1)",
            "Duplicate entry '3-3' for key 'keyed.PRIMARY'",
        ),
        ("INSERT INTO keyed VALUES (1, 2, 'b', NULL)", "Column 'n' cannot be null"),
        (
            "INSERT INTO keyed (a, b, name) VALUES (1, 2, 'b')",
            "Field 'n' doesn't have a default value",
        ),
        ("UPDATE keyed SET n = NULL", "Column 'n' cannot be null"),
        ("INSERT INTO keyed VALUES (1, 2, 'b', 0)", "Check constraint 'positive' is violated."),
    ],
)
def test_violated_constraints_are_told_in_mysqls_words(
    connection: pymysql.Connection[Any], statement: str, words: str
) -> None:
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS keyed (a INT, b INT,"
        " name VARCHAR(9) COLLATE utf8mb4_general_ci, n INT NOT NULL,"
        " PRIMARY KEY (a, b), UNIQUE KEY by_name (name),"
        " CONSTRAINT positive CHECK (n > 0))"
    )
    cursor.execute("INSERT IGNORE INTO keyed VALUES (1, 1, 'a', 1)")
    with pytest.raises(pymysql.MySQLError) as caught:
        cursor.execute(statement)
    assert caught.value.args[1] == words
