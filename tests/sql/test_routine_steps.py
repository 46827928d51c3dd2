"""Statements in blocks and functions are steps of a transaction: undone together, repeated once."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind

NOTE = (
    "CREATE FUNCTION note(w text) RETURNS int LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO log VALUES (w); RETURN 1; END$$"
)
UNDONE = "SAVEPOINT s; INSERT INTO log VALUES ('x'); ROLLBACK TO s; COMMIT"


@pytest.fixture
def a(db: Client) -> Client:
    db.run("CREATE TABLE log (w text)")
    db.run("CREATE TABLE acc (id int PRIMARY KEY, v int, name text)")
    db.run("INSERT INTO acc VALUES (1, 0, 'a'), (2, 0, 'b')")
    db.run("CREATE TABLE cpu (h text, ts timestamp TIME INDEX, v double, PRIMARY KEY (h))")
    db.run(NOTE)
    return db


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DO $$BEGIN PERFORM note('a'); END$$", ["a"]),
        ("DO $$DECLARE x int; BEGIN x := note('a'); END$$", ["a"]),
        ("DO $$BEGIN INSERT INTO log SELECT name FROM acc WHERE id = note('b'); END$$", ["a", "b"]),
        ("SELECT note('a')", ["a"]),
        ("UPDATE acc SET v = v + note(name)", ["a", "b"]),
        ("SELECT * FROM acc WHERE note(name) = id", ["a", "b"]),
    ],
)
def test_what_a_function_did_is_done_once_after_going_back(
    a: Client, statement: str, expected: list[str]
) -> None:
    a.run("BEGIN")
    a.run(statement)
    a.run(UNDONE)
    assert a.run("SELECT w FROM log ORDER BY w") == [(one,) for one in expected]


def test_a_procedure_in_a_block_is_done_once_after_going_back(a: Client) -> None:
    a.run("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES ('p'); END$$")
    a.run("BEGIN; DO $$BEGIN CALL p(); END$$")
    a.run(UNDONE)
    assert a.run("SELECT w FROM log") == [("p",)]


def test_rows_changed_by_answers_of_functions_stay_after_going_back(a: Client) -> None:
    a.run("BEGIN; UPDATE acc SET v = v + note(name) + id")
    a.run(UNDONE)
    assert a.run("SELECT v FROM acc ORDER BY id") == [(2,), (3,)]


def test_numbers_drawn_in_a_block_are_never_given_again(databases: Databases) -> None:
    before = client(databases.open())
    before.run("CREATE SEQUENCE numbers; CREATE TABLE log (w text); BEGIN")
    before.run("DO $$DECLARE n bigint; BEGIN n := nextval('numbers'); END$$")
    before.run(UNDONE)
    assert client(databases.open()).run("SELECT nextval('numbers') > 1") == [(True,)]


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO cpu VALUES ('a', 1, 1); RAISE EXCEPTION 'no'",
        "INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO log VALUES ('z'); RAISE EXCEPTION 'no'",
        "INSERT INTO cpu VALUES ('a', 1, 1), ('b', 2, 2); DELETE FROM cpu WHERE h = 'old';"
        " RAISE EXCEPTION 'no'",
    ],
)
def test_a_block_that_fails_leaves_no_rows_of_either_kind(a: Client, body: str) -> None:
    a.run("INSERT INTO cpu VALUES ('old', 1, 1)")
    with pytest.raises(DbError, match="no"):
        a.run(f"DO $$BEGIN {body}; END$$")
    assert a.session.transaction is None
    assert a.run("SELECT h FROM cpu") == [("old",)]
    assert a.run("SELECT * FROM log") == []


def test_a_handler_undoes_time_series_rows_outside_of_a_transaction(a: Client) -> None:
    inner = "BEGIN INSERT INTO cpu VALUES ('a', 1, 1); RAISE EXCEPTION 'no';"
    a.run(f"DO $$BEGIN {inner} EXCEPTION WHEN OTHERS THEN NULL; END; END$$")
    assert a.run("SELECT * FROM cpu") == []


@pytest.mark.parametrize(
    "statement", ["DO $$BEGIN INSERT INTO log VALUES ('a'); END$$", "SELECT note('a')"]
)
def test_blocks_and_functions_change_nothing_where_nothing_may_change(
    a: Client, statement: str
) -> None:
    a.run("SET default_transaction_read_only = on")
    with pytest.raises(DbError) as raised:
        a.run(statement)
    assert raised.value.kind is ErrorKind.READ_ONLY
    a.run("SET default_transaction_read_only = off")
    assert a.run("SELECT * FROM log") == []


def test_what_a_block_sets_is_undone_with_it(a: Client) -> None:
    a.run("SET search_path = public; SET application_name = 'one'")
    with pytest.raises(DbError, match="no"):
        a.run("DO $$BEGIN SET application_name = 'two'; RAISE EXCEPTION 'no'; END$$")
    assert a.run("SHOW application_name") == [("one",)]
    a.run("DO $$BEGIN SET LOCAL application_name = 'three'; END$$")
    assert a.run("SHOW application_name") == [("one",)]
    a.run("DO $$BEGIN SET application_name = 'four'; END$$")
    assert a.run("SHOW application_name") == [("four",)]


def test_a_variable_may_be_called_like_a_column_that_is_inserted(a: Client) -> None:
    a.run("DO $$DECLARE w text := 'v'; BEGIN INSERT INTO log (w) VALUES (w); END$$")
    a.run("DO $$DECLARE w text := 'q'; BEGIN INSERT INTO log SELECT w; END$$")
    assert a.run("SELECT w FROM log ORDER BY w") == [("q",), ("v",)]


def test_functions_that_double_their_calls_or_arguments_end(a: Client) -> None:
    a.run("SET check_function_bodies = off")
    a.run("CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT twice(n) + twice(n)'")
    with pytest.raises(DbError, match="too deeply"):
        a.run("SELECT twice(1)")
    a.run("CREATE FUNCTION add(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT n + n'")
    nested = "add(" * 20 + "v" + ")" * 20
    assert a.run(f"SELECT {nested} FROM (VALUES (1), (2)) t(v)") == [(2**20,), (2**21,)]


def test_a_loop_with_an_empty_body_can_be_ended(a: Client) -> None:
    a.run("SET statement_timeout = 50")
    with pytest.raises(DbError) as raised:
        a.run("DO $$BEGIN FOR i IN 1..2147483647 LOOP NULL; END LOOP; END$$")
    assert raised.value.kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize(("place", "state"), [("NULL", "22004"), ("200000000", "54000")])
def test_items_of_arrays_have_places_that_can_be(a: Client, place: str, state: str) -> None:
    with pytest.raises(DbError) as raised:
        a.run(f"DO $$DECLARE x int[]; BEGIN x[{place}] := 1; END$$")
    assert raised.value.codes.sqlstate == state
