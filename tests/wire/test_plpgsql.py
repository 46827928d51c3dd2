"""PL/pgSQL: functions and procedures whose body is run, in the places they are called from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

SCHEMA = "wire_plpgsql"


@pytest.fixture
def connection(server: RunningServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as opened:
        opened.execute(f"CREATE SCHEMA {SCHEMA}")
        opened.execute(f"SET search_path = {SCHEMA}")
        opened.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        opened.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield opened
        opened.execute("ROLLBACK")
        opened.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def rows(connection: psycopg.Connection, text: str, *values: Any) -> list[Any]:
    return connection.execute(text, values or None).fetchall()


def make(connection: psycopg.Connection, head: str, body: str) -> None:
    connection.execute(f"CREATE FUNCTION {head} LANGUAGE plpgsql AS $$ {body} $$")


def factorial(connection: psycopg.Connection) -> None:
    make(
        connection,
        "fac(n int) RETURNS bigint",
        "DECLARE r bigint := 1; BEGIN FOR i IN 1..n LOOP r := r * i; END LOOP; RETURN r; END",
    )


def test_functions_are_called_once_or_for_rows(connection: psycopg.Connection) -> None:
    factorial(connection)
    assert rows(connection, "SELECT fac(5), fac(10) AS ten") == [(120, 3628800)]
    assert rows(connection, "SELECT fac(%s)", 4) == [(24,)]
    assert rows(connection, "SELECT id, fac(id) FROM t WHERE fac(id) > 1 ORDER BY 1") == [
        (2, 2),
        (3, 6),
    ]
    assert rows(connection, "SELECT sum(fac(id)) FROM t") == [(9,)]
    connection.execute("INSERT INTO t SELECT fac(4), 'f'")
    assert rows(connection, "UPDATE t SET v = fac(id)::text WHERE id = 3 RETURNING v") == [("6",)]
    assert rows(connection, "SELECT v FROM t WHERE id = 24") == [("f",)]
    connection.execute("PREPARE p AS SELECT fac($1)")
    assert rows(connection, "EXECUTE p(3)") == [(6,)]


def test_sets_of_rows(connection: psycopg.Connection) -> None:
    make(
        connection,
        "gen(n int) RETURNS TABLE (a int, b text)",
        "BEGIN FOR i IN 1..n LOOP a := i; b := 'r' || i; RETURN NEXT; END LOOP;"
        " RETURN QUERY SELECT id, v FROM t WHERE id > 2; END",
    )
    make(
        connection,
        "marked() RETURNS SETOF t",
        "DECLARE r t%ROWTYPE; BEGIN FOR r IN SELECT * FROM t ORDER BY id LOOP"
        " CONTINUE WHEN r.id = 2; r.v := r.v || '!'; RETURN NEXT r; END LOOP; END",
    )
    make(
        connection,
        "both(x int, OUT a int, OUT b text)",
        "BEGIN a := x * 2; b := 'v' || x; END",
    )
    assert rows(connection, "SELECT * FROM gen(1)") == [(1, "r1"), (3, "c")]
    assert rows(connection, "SELECT * FROM marked()") == [(1, "a!"), (3, "c!")]
    assert rows(connection, "SELECT a, b FROM both(4)") == [(8, "v4")]


def test_branches_dynamic_text_arrays_and_cursors(connection: psycopg.Connection) -> None:
    make(
        connection,
        "sized(x int) RETURNS text",
        "BEGIN IF x > 10 THEN RETURN 'big'; ELSIF x > 5 THEN RETURN 'mid'; END IF;"
        " CASE x WHEN 1, 2 THEN RETURN 'few'; ELSE RETURN 'some'; END CASE; END",
    )
    make(
        connection,
        "counted(name text) RETURNS bigint",
        "DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM ' || quote_ident(name)"
        " || ' WHERE id > $1' INTO n USING 1; RETURN n; END",
    )
    make(
        connection,
        "total(xs int[]) RETURNS int",
        "DECLARE s int := 0; x int; BEGIN FOREACH x IN ARRAY xs LOOP s := s + x; END LOOP;"
        " RETURN s; END",
    )
    make(
        connection,
        "joined() RETURNS text",
        "DECLARE c CURSOR FOR SELECT v FROM t ORDER BY id; one text; said text := '';"
        " BEGIN OPEN c; LOOP FETCH c INTO one; EXIT WHEN NOT FOUND; said := said || one;"
        " END LOOP; CLOSE c; RETURN said; END",
    )
    assert rows(connection, "SELECT sized(11), sized(6), sized(2), sized(4)") == [
        ("big", "mid", "few", "some")
    ]
    assert rows(connection, "SELECT counted('t'), total(ARRAY[1, 2, 3]), joined()") == [
        (2, 6, "abc")
    ]


def test_errors_are_raised_told_and_handled(connection: psycopg.Connection) -> None:
    make(
        connection,
        "put(i int) RETURNS int",
        "BEGIN INSERT INTO t VALUES (i, 'n'); RETURN i; EXCEPTION WHEN unique_violation THEN"
        " RAISE NOTICE 'twice %', i; RETURN -1; END",
    )
    make(
        connection,
        "fails() RETURNS void",
        "BEGIN DELETE FROM t; RAISE EXCEPTION 'no %', 7 USING ERRCODE = 'ZZ001'; END",
    )
    notices: list[str] = []
    connection.add_notice_handler(lambda said: notices.append(said.message_primary or ""))
    assert rows(connection, "SELECT put(4), put(4)") == [(4, -1)]
    assert notices == ["twice 4"]
    with pytest.raises(psycopg.Error, match="no 7") as caught:
        connection.execute("SELECT fails()")
    assert caught.value.sqlstate == "ZZ001"
    assert rows(connection, "SELECT count(*) FROM t") == [(4,)]


def test_what_a_function_changed_goes_with_its_transaction(
    connection: psycopg.Connection,
) -> None:
    make(connection, "put(i int) RETURNS void", "BEGIN INSERT INTO t VALUES (i, 'n'); END")
    connection.execute("BEGIN")
    connection.execute("SELECT put(9)")
    assert rows(connection, "SELECT count(*) FROM t") == [(4,)]
    connection.execute("ROLLBACK")
    assert rows(connection, "SELECT count(*) FROM t") == [(3,)]


def test_procedures_give_back_their_arguments(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE PROCEDURE more(INOUT x int, y int DEFAULT 3) LANGUAGE plpgsql"
        " AS $$ BEGIN x := x + y; INSERT INTO t VALUES (x, 'p'); END $$"
    )
    assert rows(connection, "CALL more(10)") == [(13,)]
    assert rows(connection, "CALL more(%s, 5)", 10) == [(15,)]
    assert rows(connection, "SELECT id FROM t WHERE v = 'p' ORDER BY 1") == [(13,), (15,)]
    with pytest.raises(errors.UndefinedFunction):
        connection.execute("CALL less(1)")


def test_bodies_of_several_statements_and_calls_within_calls(
    connection: psycopg.Connection,
) -> None:
    connection.execute(
        "CREATE FUNCTION grown() RETURNS bigint LANGUAGE sql"
        " AS $$ INSERT INTO t VALUES (50, 'two'); SELECT count(*) FROM t $$"
    )
    make(
        connection,
        "down(n int) RETURNS int",
        "BEGIN IF n <= 0 THEN RETURN 0; END IF; RETURN n + down(n - 1); END",
    )
    make(connection, "endless() RETURNS int", "BEGIN RETURN endless(); END")
    assert rows(connection, "SELECT grown(), down(5)") == [(4, 15)]
    with pytest.raises(errors.ProgramLimitExceeded):
        connection.execute("SELECT endless()")


@pytest.mark.parametrize(
    ("head", "body", "state"),
    [
        ("f() RETURNS int", "BEGIN FOR LOOP END", "42601"),
        ("f() RETURNS int", "BEGIN COMMIT; END", "0A000"),
        ("f() RETURNS trigger", "BEGIN RETURN NEW; END", "0A000"),
    ],
)
def test_bodies_that_cannot_be_run_are_refused(
    connection: psycopg.Connection, head: str, body: str, state: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        make(connection, head, body)
    assert caught.value.sqlstate == state


def test_a_function_without_return_fails(connection: psycopg.Connection) -> None:
    make(connection, "f() RETURNS int", "BEGIN PERFORM 1; END")
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("SELECT f()")
    assert caught.value.sqlstate == "2F005"
