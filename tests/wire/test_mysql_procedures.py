"""Stored procedures over MySQL's wire: arguments, results, variables, branches, loops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_server import RunningServer
from pymysql.constants import CLIENT

DATABASE = "wire_mysql_procedures"


@pytest.fixture
def cursor(server: RunningServer) -> Iterator[Any]:
    arguments = server.mysql_args()
    flag = CLIENT.MULTI_STATEMENTS
    with (
        pymysql.connect(**arguments, autocommit=True, client_flag=flag) as connection,
        connection.cursor() as opened,
    ):
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(9), n INT)")
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def results(cursor: Any, text: str, *arguments: Any) -> list[Any]:
    """The rows of every result; a last OK has none."""
    cursor.execute(text, *arguments)
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    return found


def test_several_results_and_their_end(cursor: Any) -> None:
    cursor.execute("CREATE PROCEDURE two() BEGIN SELECT 1 AS one; SELECT 'x;y', 2; END;")
    assert results(cursor, "CALL two()") == [((1,),), (("x;y", 2),), []]
    cursor.execute("CALL two")
    assert cursor.description[0][0] == "one"
    cursor.nextset()
    cursor.nextset()
    assert results(cursor, "CALL two(); SELECT 3")[-1] == ((3,),)


def test_names_of_columns_are_not_variables(cursor: Any) -> None:
    cursor.execute(
        "CREATE PROCEDURE put(a VARCHAR(9), n INT) BEGIN"
        " INSERT INTO t (a, n) VALUES (a, n + 1); UPDATE t SET n = n + 1 WHERE t.a = a;"
        " SELECT a, t.n, n AS given FROM t; END"
    )
    assert results(cursor, "CALL put('x', 5)")[0] == (("x", 6, 5),)
    cursor.execute("SELECT n FROM t")
    assert cursor.fetchall() == ((6,),)  # 5 + 1: n in the UPDATE's value is the argument


def test_arguments_come_back(cursor: Any) -> None:
    cursor.execute(
        "CREATE PROCEDURE work(IN a INT, INOUT s VARCHAR(20), OUT c INT)"
        " BEGIN SET c := a * 2; SELECT reverse(s) INTO s; END"
    )
    assert results(cursor, "SET @s = 'abc'; CALL work(21, @s, @c); SELECT @s, @c")[-1] == (
        ("cba", 42),
    )
    for call, number in (("work(1)", 1318), ("work(1, 2, 3)", 1414), ("nothing()", 1305)):
        with pytest.raises(pymysql.err.MySQLError) as refused:
            cursor.execute(f"CALL {call}")
        assert refused.value.args[0] == number


def test_arguments_have_their_types(cursor: Any) -> None:
    cursor.execute("CREATE PROCEDURE typed(x DECIMAL(10, 2), d DATE) SELECT x, d + INTERVAL 1 DAY")
    found = results(cursor, "CALL typed(%s, %s)", ("1.239", "2020-01-01"))
    assert found[0] == ((Decimal("1.24"), date(2020, 1, 2)),)


def test_branches_and_loops(cursor: Any) -> None:
    cursor.execute(
        """CREATE PROCEDURE loops(IN n INT) BEGIN
        DECLARE i, sum INT DEFAULT 0;
        again: WHILE i < n DO
          SET i = i + 1;
          IF i = 2 THEN ITERATE again; ELSEIF i > 4 THEN LEAVE again; END IF;
          INSERT INTO t (a, n) VALUES (concat('r', i), i);
        END WHILE;
        CASE i WHEN 5 THEN SELECT 'five'; ELSE SELECT 'other'; END CASE;
        REPEAT SET sum = sum + i; SET i = i - 1; UNTIL i <= 0 END REPEAT;
        outer_: LOOP
          LOOP inner_: BEGIN LEAVE inner_; SELECT 'never'; END; LEAVE outer_; END LOOP;
        END LOOP;
        SELECT sum, count(*), CASE WHEN i = 0 THEN 'zero' END FROM t;
        END"""
    )
    assert results(cursor, "CALL loops(10)") == [(("five",),), ((15, 3, "zero"),), []]


def test_each_statement_is_its_own_transaction(cursor: Any) -> None:
    cursor.execute(
        "CREATE PROCEDURE half() BEGIN INSERT INTO t (n) VALUES (1); START TRANSACTION;"
        " INSERT INTO t (n) VALUES (2); ROLLBACK;"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'enough'; END"
    )
    with pytest.raises(pymysql.err.MySQLError) as refused:
        cursor.execute("CALL half()")
    assert refused.value.args == (1644, "enough")
    assert results(cursor, "SELECT n FROM t") == [((1,),)]


def test_procedures_call_procedures(cursor: Any) -> None:
    cursor.execute(
        "CREATE PROCEDURE down(IN n INT, INOUT path TEXT) BEGIN SET path = concat(path, n);"
        " IF n > 0 THEN CALL down(n - 1, path); END IF; END"
    )
    assert results(cursor, "SET @p = ''; CALL down(3, @p); SELECT @p")[-1] == (("3210",),)
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute("CALL down(100, @p)")


def test_definitions_are_listed_replaced_and_dropped(cursor: Any) -> None:
    cursor.execute("CREATE DEFINER = `root`@`%` PROCEDURE p(IN a INT) COMMENT 'it''s' SELECT a")
    assert results(cursor, "SHOW CREATE PROCEDURE p")[0][0][2] == (
        "CREATE PROCEDURE `p`(IN `a` INT)\n    COMMENT 'it''s'\nSELECT a"
    )
    cursor.execute("CREATE OR REPLACE PROCEDURE P() SELECT 2")
    assert results(cursor, "CALL p()")[0] == ((2,),)
    with pytest.raises(pymysql.err.MySQLError) as refused:
        cursor.execute("CREATE PROCEDURE p() SELECT 3")
    assert refused.value.args[0] == 1304
    listed = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = %s"
    assert results(cursor, listed, (DATABASE,)) == [(("P",),)]
    assert results(cursor, f"SHOW PROCEDURE STATUS WHERE Db = '{DATABASE}'")[0][0][1] == "P"
    cursor.execute("DROP PROCEDURE p")
    with pytest.raises(pymysql.err.MySQLError) as refused:
        cursor.execute("DROP PROCEDURE p")
    assert refused.value.args[0] == 1305


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN SELECT 1;",
        "BEGIN IF 1 THEN SELECT 1; END; END",
        "BEGIN DECLARE c CURSOR; END",
        "BEGIN DECLARE UNDO HANDLER FOR SQLEXCEPTION SELECT 1; END",
        "BEGIN RETURN 1; END",
        "BEGIN END END",
        "",
    ],
)
def test_bodies_that_cannot_be_run_are_refused(cursor: Any, body: str) -> None:
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute(f"CREATE PROCEDURE bad() {body}")
    assert results(cursor, f"SHOW PROCEDURE STATUS WHERE Db = '{DATABASE}'") == [()]


def test_a_loop_without_statements_can_be_ended(cursor: Any) -> None:
    cursor.execute("CREATE PROCEDURE forever() BEGIN LOOP END LOOP; END")
    cursor.execute("SET max_execution_time = 200")
    with pytest.raises(pymysql.err.MySQLError) as ended:
        cursor.execute("CALL forever()")
    assert ended.value.args[0] in (1317, 3024)
    assert results(cursor, "SELECT 1") == [((1,),)]


def test_definitions_commit_without_autocommit(cursor: Any, server: RunningServer) -> None:
    given = server.mysql_args(database=DATABASE)
    with pymysql.connect(**given, autocommit=False) as other, other.cursor() as second:
        second.execute("CREATE PROCEDURE p() SELECT 'ham'")
        other.rollback()
        second.execute("CALL p()")
        assert second.description[0][0] == "ham"


def test_connector_python_calls(cursor: Any, server: RunningServer) -> None:
    cursor.execute("CREATE PROCEDURE p(IN a INT, OUT b INT) BEGIN SELECT a; SET b = a + 1; END")
    given = server.mysql_args(database=DATABASE)
    connection = mysql.connector.connect(**given, use_pure=True)
    with connection, connection.cursor() as other:
        assert other.callproc("p", (1, 0)) == (1, 2)


def test_handlers_take_errors(cursor: Any) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 'x', 1)")
    cursor.execute(
        "CREATE PROCEDURE goes_on() BEGIN DECLARE x INT DEFAULT 0;"
        " DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET x = x + 1;"
        " INSERT INTO t VALUES (1, 'y', 1); INSERT INTO t VALUES (1, 'y', 1); SELECT x; END"
    )
    assert results(cursor, "CALL goes_on()")[0] == ((2,),)
    cursor.execute(
        "CREATE PROCEDURE leaves() BEGIN DECLARE EXIT HANDLER FOR 1062 BEGIN"
        " GET DIAGNOSTICS CONDITION 1 @s = RETURNED_SQLSTATE, @e = MYSQL_ERRNO; SELECT @s, @e; END;"
        " INSERT INTO t VALUES (1, 'y', 1); SELECT 'never'; END"
    )
    assert results(cursor, "CALL leaves()") == [(("23000", 1062),), []]


def test_conditions_are_signalled_again(cursor: Any) -> None:
    cursor.execute(
        "CREATE PROCEDURE again() BEGIN DECLARE e CONDITION FOR SQLSTATE '45001';"
        " DECLARE EXIT HANDLER FOR e RESIGNAL SET MESSAGE_TEXT = 'again';"
        " SIGNAL e SET MESSAGE_TEXT = 'first', MYSQL_ERRNO = 9999; END"
    )
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("CALL again()")
    assert caught.value.args == (9999, "again")


def test_cursors_are_read_to_their_end(cursor: Any) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    cursor.execute(
        "CREATE PROCEDURE joined() BEGIN DECLARE done INT DEFAULT FALSE; DECLARE i INT;"
        " DECLARE w VARCHAR(9); DECLARE s VARCHAR(99) DEFAULT '';"
        " DECLARE c CURSOR FOR SELECT id, a FROM t ORDER BY id;"
        " DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE; OPEN c;"
        " l: LOOP FETCH c INTO i, w; IF done THEN LEAVE l; END IF; SET s = CONCAT(s, i, w);"
        " END LOOP; CLOSE c; SELECT s; END"
    )
    assert results(cursor, "CALL joined()")[0] == (("1a2b",),)
    cursor.execute(
        "CREATE PROCEDURE beyond() BEGIN DECLARE i INT; DECLARE c CURSOR FOR SELECT 1;"
        " OPEN c; FETCH c INTO i; FETCH c INTO i; END"
    )
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("CALL beyond()")
    assert caught.value.args[0] == 1329


def test_functions_of_one_expression(cursor: Any) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    cursor.execute(
        "CREATE FUNCTION hello(s CHAR(20)) RETURNS CHAR(50) DETERMINISTIC"
        " RETURN CONCAT('Hello, ', s, '!')"
    )
    cursor.execute(
        "CREATE FUNCTION since(n INT) RETURNS INT READS SQL DATA"
        " RETURN (SELECT COUNT(*) FROM t WHERE id >= n)"
    )
    assert results(cursor, "SELECT hello(a), since(id) FROM t WHERE hello(a) > 'Hello, a!'") == [
        (("Hello, b!", 1),)
    ]
    cursor.execute("SHOW CREATE FUNCTION hello")
    assert cursor.fetchone()[2].startswith("CREATE FUNCTION `hello`(`s` CHAR(20)) RETURNS CHAR(50)")
    cursor.execute("SHOW FUNCTION STATUS LIKE 'hel%'")
    assert cursor.fetchone()[:3] == (DATABASE, "hello", "FUNCTION")
    cursor.execute("DROP FUNCTION hello")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("SELECT hello('x')")
    assert caught.value.args[0] == 1305


def test_functions_whose_body_is_run(cursor: Any) -> None:
    cursor.execute("INSERT INTO t VALUES (1, 'a', 3), (2, 'b', 4)")
    cursor.execute(
        "CREATE FUNCTION fac(n INT) RETURNS BIGINT DETERMINISTIC BEGIN"
        " DECLARE r BIGINT DEFAULT 1; WHILE n > 1 DO SET r = r * n; SET n = n - 1; END WHILE;"
        " RETURN r; END"
    )
    assert results(cursor, "SELECT fac(5), fac(%s)", (4,)) == [((120, 24),)]
    assert results(cursor, "SELECT id, fac(n) FROM t WHERE fac(n) > 6") == [((2, 24),)]
    cursor.execute("UPDATE t SET n = fac(n) WHERE id = 1")
    assert results(cursor, "SELECT n FROM t WHERE id = 1") == [((6,),)]
    cursor.execute("CREATE PROCEDURE p() BEGIN DECLARE x BIGINT; SET x = fac(4); SELECT x; END")
    assert results(cursor, "CALL p()")[0] == ((24,),)
    cursor.execute("CREATE FUNCTION rows_() RETURNS INT BEGIN SELECT 1; RETURN 1; END")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute("SELECT rows_()")
    assert caught.value.args[0] == 1415
