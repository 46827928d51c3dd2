"""Functions of PostgreSQL in SQL: made, called in every place of a statement, told, dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

SCHEMA = "wire_functions"


@pytest.fixture
def connection(server: RunningServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as opened:
        opened.execute(f"CREATE SCHEMA {SCHEMA}")
        opened.execute(f"SET search_path = {SCHEMA}")
        opened.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        opened.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield opened
        opened.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def rows(connection: psycopg.Connection, text: str, *values: Any) -> list[Any]:
    return connection.execute(text, values or None).fetchall()


def test_defaults_names_and_types_of_arguments(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION add(a int, b int DEFAULT 10) RETURNS int LANGUAGE sql IMMUTABLE"
        " AS $$ SELECT a + b $$"
    )
    connection.execute(
        "CREATE FUNCTION add(a text, b text) RETURNS text LANGUAGE sql RETURN a || '-' || $2"
    )
    assert rows(connection, "SELECT add(1, 2), add(5), add(b => 1, a => 2), add('x', 'y')") == [
        (3, 15, 3, "x-y")
    ]
    assert rows(connection, "SELECT add(%s::int, %s)", 4, 5) == [(9,)]
    with pytest.raises(errors.UndefinedFunction):
        connection.execute("SELECT add(1, 2, 3)")
    connection.execute("DROP FUNCTION add(int, int)")
    assert rows(connection, "SELECT add('x', 'y')") == [("x-y",)]


def test_bodies_that_read_tables(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION v_of(i int) RETURNS text STABLE LANGUAGE sql"
        " AS 'SELECT v FROM t WHERE id = i'"
    )
    connection.execute(
        "CREATE FUNCTION since(i int) RETURNS TABLE (k int, w text) LANGUAGE sql"
        " AS $$ SELECT id, v FROM t WHERE id >= i ORDER BY id $$"
    )
    assert rows(connection, "SELECT v_of(2), v_of(9)") == [("b", None)]
    assert rows(connection, "SELECT id, v_of(id + 1) FROM t ORDER BY id") == [
        (1, "b"),
        (2, "c"),
        (3, None),
    ]
    assert rows(connection, "SELECT * FROM since(2)") == [(2, "b"), (3, "c")]
    assert rows(connection, "SELECT t.id, r.w FROM t, since(t.id) r WHERE r.k = 3") == [
        (1, "c"),
        (2, "c"),
        (3, "c"),
    ]


def test_sets_rows_and_any_type(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION evens(n int) RETURNS SETOF int LANGUAGE sql"
        " AS 'SELECT g * 2 FROM generate_series(1, n) g'"
    )
    connection.execute(
        "CREATE FUNCTION beside(x int, OUT lo int, OUT hi int) LANGUAGE sql"
        " AS 'SELECT x - 1, x + 1'"
    )
    connection.execute("CREATE FUNCTION all_t() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'")
    connection.execute(
        "CREATE FUNCTION total(VARIADIC xs int[]) RETURNS bigint LANGUAGE sql"
        " AS 'SELECT sum(x) FROM unnest(xs) u(x)'"
    )
    connection.execute(
        "CREATE FUNCTION same(a anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT a'"
    )
    assert rows(connection, "SELECT evens(2)") == [(2,), (4,)]
    assert rows(connection, "SELECT sum(x) FROM evens(3) AS x") == [(12,)]
    assert rows(connection, "SELECT * FROM beside(5)") == [(4, 6)]
    assert rows(connection, "SELECT v FROM all_t() WHERE id > 1") == [("b",), ("c",)]
    assert rows(connection, "SELECT total(1, 2, 3), total(VARIADIC ARRAY[4, 5])") == [(6, 9)]
    assert rows(connection, "SELECT same(3), same('x'::text)") == [(3, "x")]


def test_functions_in_views_defaults_conditions_and_changes(
    connection: psycopg.Connection,
) -> None:
    connection.execute("CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql RETURN a * 2")
    connection.execute("CREATE VIEW w AS SELECT id, twice(id) AS d FROM t")
    connection.execute("CREATE TABLE d (a int, b int DEFAULT twice(21))")
    connection.execute("INSERT INTO d (a) VALUES (twice(4))")
    connection.execute("UPDATE t SET v = twice(id)::text WHERE twice(id) = 4")
    assert rows(connection, "SELECT d FROM w WHERE id = 3") == [(6,)]
    assert rows(connection, "SELECT * FROM d") == [(8, 42)]
    assert rows(connection, "SELECT v FROM t WHERE id = 2") == [("4",)]
    assert rows(connection, "SELECT twice(id), count(*) FROM t GROUP BY twice(id) ORDER BY 1") == [
        (2, 1),
        (4, 1),
        (6, 1),
    ]


def test_arguments_are_evaluated_once(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION zero(a double precision) RETURNS double precision LANGUAGE sql"
        " AS 'SELECT a - a'"
    )
    assert rows(connection, "SELECT max(abs(zero(random()))) FROM generate_series(1, 50)") == [
        (0.0,)
    ]


def test_strict_functions_give_null(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION plus(a int, b int) RETURNS int STRICT LANGUAGE sql"
        " AS 'SELECT coalesce(a, 0) + coalesce(b, 0)'"
    )
    assert rows(connection, "SELECT plus(1, NULL), plus(1, 2)") == [(None, 3)]


def test_definitions_are_of_their_transaction(connection: psycopg.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert rows(connection, "SELECT one()") == [(1,)]
    connection.execute("ROLLBACK")
    with pytest.raises(errors.UndefinedFunction):
        connection.execute("SELECT one()")


def test_catalogs_tell_of_functions(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE FUNCTION told(a int, b text DEFAULT 'x') RETURNS text IMMUTABLE STRICT"
        " LANGUAGE sql AS $$SELECT b || a$$"
    )
    connection.execute("COMMENT ON FUNCTION told(int, text) IS 'said'")
    found = rows(
        connection,
        "SELECT prosrc, provolatile, proisstrict, pronargdefaults, prorettype::regtype::text,"
        " proargnames, l.lanname, pg_get_function_arguments(p.oid), obj_description(p.oid)"
        " FROM pg_proc p JOIN pg_language l ON l.oid = prolang"
        f" WHERE proname = 'told' AND pronamespace = '{SCHEMA}'::regnamespace",
    )
    arguments = "a integer, b text DEFAULT 'x'"
    names = ["a", "b"]
    assert found == [("SELECT b || a", "i", True, 1, "text", names, "sql", arguments, "said")]
    [(definition,)] = rows(connection, "SELECT pg_get_functiondef('told(int, text)'::regprocedure)")
    connection.execute("DROP FUNCTION told(int, text)")
    connection.execute(definition)
    assert rows(connection, "SELECT told(1)") == [("x1",)]
    assert rows(
        connection,
        "SELECT parameter_name, data_type FROM information_schema.parameters"
        f" WHERE specific_schema = '{SCHEMA}' ORDER BY ordinal_position",
    ) == [("a", "integer"), ("b", "text")]


def test_functions_are_renamed_replaced_and_dropped(connection: psycopg.Connection) -> None:
    connection.execute("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a'")
    with pytest.raises(errors.DuplicateFunction):
        connection.execute("CREATE FUNCTION f(b int) RETURNS int LANGUAGE sql AS 'SELECT b'")
    with pytest.raises(errors.InvalidFunctionDefinition):
        connection.execute("CREATE OR REPLACE FUNCTION f(a int) RETURNS text RETURN 'x'")
    connection.execute("CREATE OR REPLACE FUNCTION f(a int) RETURNS int RETURN a + 1")
    connection.execute("ALTER FUNCTION f(int) RENAME TO g")
    assert rows(connection, "SELECT g(1)") == [(2,)]
    connection.execute("DROP FUNCTION IF EXISTS f(int)")
    connection.execute("DROP FUNCTION g")
    with pytest.raises(errors.UndefinedFunction):
        connection.execute("SELECT g(1)")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT nothing FROM t'", "42703"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT'' 1'", "42601"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'f'", "0A000"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE nope AS 'f'", "42704"),
        ("CREATE FUNCTION f(a nope) RETURNS int LANGUAGE sql AS 'SELECT 1'", "42704"),
        ("CREATE FUNCTION f(a int DEFAULT 1, b int) RETURNS int RETURN 1", "42P13"),
        ("DROP FUNCTION nope(int)", "42883"),
    ],
)
def test_definitions_that_cannot_be(
    connection: psycopg.Connection, statement: str, kind: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    assert caught.value.sqlstate == kind


def test_who_may_execute(connection: psycopg.Connection) -> None:
    connection.execute("CREATE FUNCTION shut() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    connection.execute("CREATE FUNCTION reads() RETURNS bigint RETURN (SELECT count(*) FROM t)")
    connection.execute(
        "CREATE FUNCTION lent() RETURNS bigint SECURITY DEFINER LANGUAGE sql"
        " AS 'SELECT count(*) FROM t'"
    )
    connection.execute("CREATE ROLE wire_functions_role")
    try:
        connection.execute("REVOKE EXECUTE ON FUNCTION shut() FROM PUBLIC")
        connection.execute("SET ROLE wire_functions_role")
        for text in ("SELECT shut()", "SELECT reads()"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(text)
        assert rows(connection, "SELECT lent()") == [(3,)]
        connection.execute("RESET ROLE")
        connection.execute("GRANT EXECUTE ON FUNCTION shut() TO wire_functions_role")
        connection.execute("SET ROLE wire_functions_role")
        assert rows(connection, "SELECT shut()") == [(1,)]
    finally:
        connection.execute("RESET ROLE")
        every = f"ALL FUNCTIONS IN SCHEMA {SCHEMA}"
        connection.execute(f"REVOKE ALL ON {every} FROM wire_functions_role")
        connection.execute("DROP ROLE wire_functions_role")
