"""What MySQL drivers rely on beyond values: errors, transactions, prepared statements, KILL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_server import RunningServer
from patience import again_and_again
from pymysql.constants import CLIENT, FIELD_TYPE

DATABASE = "wire_mysql"
FOREVER = (
    "SELECT sum(a.i * b.i) FROM generate_series(1, 3000000) a(i), generate_series(1, 3000000) b(i)"
)
ERRORS = (
    ("SELEC 1", 1064, "42000"),
    ("SELECT * FROM missing", 1146, "42S02"),
    ("SELECT nothing FROM m", 1054, "42S22"),
    ("SELECT no_such_function(1)", 1305, "42000"),
    ("INSERT INTO m (host) VALUES ('a')", 1364, "HY000"),
    ("INSERT INTO r VALUES (1, 1)", 1062, "23000"),
    ("INSERT INTO r VALUES (2, 'abc')", 1366, "22007"),
    ("INSERT INTO r VALUES (2, 99999999999)", 1264, "22003"),
    ("CREATE TABLE m (a INT)", 1050, "42S01"),
    ("USE no_such_database", 1049, "42000"),
)


@pytest.fixture(scope="module")
def arguments(server: RunningServer) -> Iterator[dict[str, Any]]:
    with pymysql.connect(**server.mysql_args()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        cursor.execute("CREATE TABLE m (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)")
        cursor.execute("CREATE TABLE r (id INT PRIMARY KEY, v INT)")
        cursor.execute("INSERT INTO r VALUES (1, 1)")
        connection.commit()
    yield server.mysql_args(database=DATABASE)
    with pymysql.connect(**server.mysql_args()) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {DATABASE}")


@pytest.fixture
def connection(arguments: dict[str, Any]) -> Iterator[pymysql.Connection[Any]]:
    with pymysql.connect(**arguments, autocommit=True) as opened:
        yield opened


@pytest.fixture
def connector(arguments: dict[str, Any]) -> Iterator[Any]:
    opened = mysql.connector.connect(**arguments, autocommit=True)
    yield opened
    opened.close()


def ask(connection: pymysql.Connection[Any], sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


@pytest.mark.parametrize(("sql", "errno", "state"), ERRORS)
def test_errors_carry_their_number_and_the_session_goes_on(
    connection: pymysql.Connection[Any], connector: Any, sql: str, errno: int, state: str
) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        ask(connection, sql)
    assert caught.value.args[0] == errno
    assert ask(connection, "SELECT 1") == [(1,)]
    cursor = connector.cursor()
    with pytest.raises(mysql.connector.Error) as other:
        cursor.execute(sql)
    assert (other.value.errno, other.value.sqlstate) == (errno, state)
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]


def test_rollback_undoes_and_commit_keeps(arguments: dict[str, Any]) -> None:
    counts = "SELECT (SELECT count(*) FROM m WHERE host = 'tx'), (SELECT count(*) FROM r)"
    with (
        pymysql.connect(**arguments) as one,
        pymysql.connect(**arguments, autocommit=True) as other,
    ):
        for end, expected in ((one.rollback, (0, 1)), (one.commit, (1, 2))):
            one.begin()
            ask(one, "INSERT INTO m VALUES ('tx', 1, 1)")
            ask(one, "INSERT INTO r VALUES (100, 1)")
            assert ask(one, counts) == [(1, 2)]
            assert ask(other, counts) == [(0, 1)], "not visible before COMMIT"
            end()
            assert ask(other, counts) == [expected]
        ask(other, "DELETE FROM m WHERE host = 'tx'")
        ask(other, "DELETE FROM r WHERE id = 100")


def test_without_autocommit_definitions_commit(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments, autocommit=False) as one:
        cursor = one.cursor()
        cursor.execute("CREATE TABLE made (a INT)")
        cursor.execute("INSERT INTO made VALUES (1)")
        cursor.execute("CREATE TEMPORARY TABLE passing (a INT)")
        with pymysql.connect(**arguments, autocommit=True) as other:
            assert ask(other, "SELECT count(*) FROM made") == [(0,)]
            cursor.execute("ALTER TABLE made ADD COLUMN b INT")
            assert ask(other, "SELECT count(*) FROM made") == [(1,)]
            cursor.execute("DROP TABLE made")
            one.rollback()
            with pytest.raises(pymysql.Error):
                ask(other, "SELECT count(*) FROM made")


def test_a_silent_client_is_let_go_when_it_said_so(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments) as one:
        one.cursor().execute("SET wait_timeout = 1")
        one._sock.settimeout(60)
        assert one._sock.recv(1) == b""  # the server closes


def test_without_autocommit_rows_wait_for_commit(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments, autocommit=False) as one:
        ask(one, "INSERT INTO r VALUES (150, 1)")
        one.rollback()
        assert ask(one, "SELECT count(*) FROM r WHERE id = 150") == [(0,)]


def test_an_error_does_not_end_a_transaction(arguments: dict[str, Any]) -> None:
    with pymysql.connect(**arguments) as one:
        one.begin()
        ask(one, "INSERT INTO r VALUES (160, 1)")
        with pytest.raises(pymysql.err.IntegrityError):
            ask(one, "INSERT INTO r VALUES (1, 1)")
        assert ask(one, "SELECT count(*) FROM r WHERE id = 160") == [(1,)]
        one.rollback()
        assert ask(one, "SELECT count(*) FROM r WHERE id = 160") == [(0,)]


def test_kill_query_ends_the_statement_and_not_the_session(arguments: dict[str, Any]) -> None:
    with (
        pymysql.connect(**arguments) as victim,
        pymysql.connect(**arguments, autocommit=True) as killer,
    ):
        number = victim.thread_id()
        kill = f"KILL QUERY {number}"
        with (
            again_and_again(lambda: ask(killer, kill)),
            pytest.raises(pymysql.err.MySQLError) as caught,
        ):
            ask(victim, FOREVER)
        assert caught.value.args[0] == 1317
        assert ask(victim, "SELECT 1") == [(1,)]


def test_kill_ends_the_session(arguments: dict[str, Any]) -> None:
    victim = pymysql.connect(**arguments)
    with pymysql.connect(**arguments, autocommit=True) as killer:
        ask(killer, f"KILL {victim.thread_id()}")
    with pytest.raises(pymysql.err.MySQLError):
        ask(victim, "SELECT 1")
    victim.close()


def test_max_execution_time_ends_the_statement(connection: pymysql.Connection[Any]) -> None:
    ask(connection, "SET max_execution_time = 200")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        ask(connection, FOREVER)
    assert caught.value.args[0] in (1317, 3024)
    ask(connection, "SET max_execution_time = 0")
    assert ask(connection, "SELECT 1") == [(1,)]


def test_counts_and_column_types(connection: pymysql.Connection[Any]) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("INSERT INTO m VALUES ('n', 1, 1), ('n', 2, 2)") == 2
        assert cursor.execute("SELECT host, ts, v FROM m WHERE host = 'n'") == 2
        assert cursor.description is not None
        names = [column[0] for column in cursor.description]
        kinds = [column[1] for column in cursor.description]
        assert names == ["host", "ts", "v"]
        assert kinds[0] in (FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.BLOB)
        assert kinds[1] in (FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATETIME)
        assert kinds[2] == FIELD_TYPE.LONG
        assert cursor.execute("DELETE FROM m WHERE host = 'n'") == 2


def test_executemany_writes_every_row(connection: pymysql.Connection[Any], connector: Any) -> None:
    with connection.cursor() as cursor:
        # PyMySQL makes one statement of many rows out of this.
        assert (
            cursor.executemany("INSERT INTO r VALUES (%s, %s)", [(i, i) for i in range(1000, 2000)])
            == 1000
        )
    cursor = connector.cursor(prepared=True)
    cursor.executemany("INSERT INTO r VALUES (%s, %s)", [(i, i) for i in range(3000, 3050)])
    assert ask(connection, "SELECT count(*), sum(v) FROM r WHERE id >= 1000") == [
        (1050, sum(range(1000, 2000)) + sum(range(3000, 3050)))
    ]
    ask(connection, "DELETE FROM r WHERE id >= 1000")


def test_prepared_statements_are_reused_with_other_types(connector: Any) -> None:
    cursor = connector.cursor(prepared=True)
    for value in (1, 2**40, -3, None):
        cursor.execute("SELECT %s + 1", (value,))
        assert cursor.fetchall() == [(None if value is None else value + 1,)]
    for value in ("text", "ž" * 300, ""):
        cursor.execute("SELECT concat(%s, '!')", (value,))
        assert cursor.fetchall() == [(value + "!",)]


def test_prepare_and_execute_as_sql(connection: pymysql.Connection[Any]) -> None:
    ask(connection, "PREPARE s FROM 'SELECT v FROM r WHERE id = ?'")
    ask(connection, "SET @id = 1")
    assert ask(connection, "EXECUTE s USING @id") == [(1,)]
    ask(connection, "DEALLOCATE PREPARE s")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        ask(connection, "EXECUTE s USING @id")
    assert caught.value.args[0] == 1243


def test_several_statements_when_the_client_asks_for_it(arguments: dict[str, Any]) -> None:
    with (
        pymysql.connect(**arguments, client_flag=CLIENT.MULTI_STATEMENTS) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1; SELECT 2, 3; DELETE FROM r WHERE id = -1")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        assert results[:2] == [((1,),), ((2, 3),)]
        assert len(results) == 3
    with pymysql.connect(**arguments) as strict, pytest.raises(pymysql.err.ProgrammingError):
        ask(strict, "SELECT 1; SELECT 2")


def test_unbuffered_cursors_stream(arguments: dict[str, Any]) -> None:
    with (
        pymysql.connect(**arguments, cursorclass=pymysql.cursors.SSCursor) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT i FROM generate_series(1, 100000) AS t(i)")
        assert cursor.fetchone() == (1,)
        assert sum(row[0] for row in cursor) == 100000 * 100001 // 2 - 1


def test_big_values_span_packets(connection: pymysql.Connection[Any]) -> None:
    assert ask(connection, "SELECT repeat('x', 17000000)") == [("x" * 17_000_000,)]
    value = "příliš " * 100_000
    assert ask(connection, "SELECT %s, char_length(%s)", value, value) == [(value, len(value))]


def test_resetting_a_session_forgets_its_state(connector: Any) -> None:
    cursor = connector.cursor()
    cursor.execute("SET time_zone = '+08:00'")
    cursor.execute("SET @x = 5")
    connector.cmd_reset_connection()
    cursor.execute("SELECT @x, @@time_zone")
    value, zone = cursor.fetchall()[0]
    assert value is None
    assert zone != "+08:00"


def test_changing_the_user_keeps_the_connection(connector: Any) -> None:
    connector.cmd_change_user(username="other", password="", database=DATABASE)
    cursor = connector.cursor()
    cursor.execute("SELECT v FROM r WHERE id = 1")
    assert cursor.fetchall() == [(1,)]


def test_ping_use_and_init_db(connection: pymysql.Connection[Any]) -> None:
    connection.ping(reconnect=False)
    connection.select_db("public")
    assert ask(connection, "SELECT database()") == [("public",)]
    ask(connection, f"USE {DATABASE}")
    assert ask(connection, "SELECT database()") == [(DATABASE,)]
    assert ask(connection, "SELECT connection_id()") == [(connection.thread_id(),)]


def test_what_drivers_ask_at_login(connection: pymysql.Connection[Any]) -> None:
    ask(connection, "SET NAMES utf8mb4")
    ask(connection, "SET autocommit = 1, sql_mode = concat(@@sql_mode, ',STRICT_TRANS_TABLES')")
    row = ask(
        connection, "SELECT @@max_allowed_packet, @@system_time_zone, @@auto_increment_increment"
    )
    assert int(row[0][0]) >= 16 * 2**20
    assert ask(connection, "SELECT @@transaction_isolation")
    assert ask(connection, "SHOW VARIABLES LIKE 'lower_case_table_names'")
    assert ask(connection, "SHOW WARNINGS") == []


def test_an_unknown_database_is_refused_at_login(server: RunningServer) -> None:
    with pytest.raises(pymysql.err.MySQLError) as caught:
        pymysql.connect(**server.mysql_args(database="no_such_database"))
    assert caught.value.args[0] == 1049


def test_columns_tell_their_tables_by_alias_and_name(
    connection: pymysql.Connection[Any],
) -> None:
    cursor = connection.cursor(pymysql.cursors.DictCursor)
    for name in ("told_a", "told_b"):
        cursor.execute(f"create table {name} (id int primary key, word varchar(6))")
        cursor.execute(f"insert into {name} values (1, '{name}')")
    cursor.execute("select a.id k, b.word, b.id + 1 s from told_a a join told_b b on true")
    fields: Any = cursor._result.fields  # type: ignore[attr-defined]
    told = [(field.table_name, field.org_table, field.name, field.org_name) for field in fields]
    assert told == [("a", "told_a", "k", "id"), ("b", "told_b", "word", "word"), ("", "", "s", "")]
    cursor.execute("select *, 1 as one from told_a a cross join told_b b")
    row = {"id": 1, "word": "told_a", "b.id": 1, "b.word": "told_b", "one": 1}
    assert cursor.fetchone() == row
    with pytest.raises(pymysql.err.DataError) as refused:
        cursor.execute("insert into told_a values (2, 'a longer text')")
    assert refused.value.args[0] == 1406
