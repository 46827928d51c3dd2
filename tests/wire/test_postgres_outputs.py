"""Outputs that only PostgreSQL has: rows of tables, no columns at all, functions as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer


@pytest.fixture
def link(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE pairs (id INT, label TEXT)")
        connection.execute("INSERT INTO pairs VALUES (1, 'x'), (2, NULL)")
        yield connection


def test_the_name_of_a_table_is_its_row(link: psycopg.Connection[Any]) -> None:
    cursor = link.execute("SELECT p, p AS again FROM pairs p ORDER BY id")
    assert cursor.description is not None
    assert [(c.name, c.type_code) for c in cursor.description] == [("p", 2249), ("again", 2249)]
    assert [bytes(cursor.pgresult.get_value(n, 0) or b"") for n in (0, 1)] == [b"(1,x)", b"(2,)"]
    row = link.execute("SELECT row_to_json(p)::text, count(p) OVER () FROM pairs p WHERE id = 1")
    assert row.fetchone() == ('{"id":1,"label":"x"}', 1)


def test_a_select_without_a_list_gives_rows_without_columns(link: psycopg.Connection[Any]) -> None:
    cursor = link.execute("SELECT FROM pairs")
    assert (cursor.fetchall(), cursor.description) == ([(), ()], [])
    row = link.execute("SELECT EXISTS (SELECT FROM pairs WHERE id > 5), EXISTS (SELECT FROM pairs)")
    assert row.fetchone() == (False, True)
    assert link.execute("SELECT count(*) FROM (SELECT FROM pairs) q").fetchone() == (2,)


def test_a_scalar_function_is_a_table_of_one_row(link: psycopg.Connection[Any]) -> None:
    assert link.execute("SELECT * FROM lower('FOO')").fetchall() == [("foo",)]
    row = link.execute("SELECT x, l FROM left('abc', 2) AS x, upper(%s) AS l", ("m",))
    assert row.fetchall() == [("ab", "M")]


def test_infinite_dates_and_moments_go_in_and_out(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE TEMP TABLE ends (d DATE, t TIMESTAMP(6), z TIMESTAMPTZ)")
    link.execute("INSERT INTO ends VALUES ('infinity', '-infinity', 'Infinity')")
    with link.cursor().copy("COPY ends FROM STDIN") as copy:
        copy.write("-infinity\tinfinity\t-infinity\n")
    query = "SELECT d::text, t::text, z::text, isfinite(d) FROM ends ORDER BY d DESC"
    assert link.execute(query).fetchall() == [
        ("infinity", "-infinity", "infinity", False),
        ("-infinity", "infinity", "-infinity", False),
    ]
    assert link.execute("SELECT count(*) FROM ends WHERE d > now()").fetchone() == (1,)


def test_the_session_goes_on_as_another_role_and_back(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE ROLE understudy")
    link.execute("SET SESSION AUTHORIZATION 'understudy'")
    assert link.execute("SELECT current_user").fetchone() == ("understudy",)
    assert link.info.parameter_status("session_authorization") == "understudy"
    link.execute("DISCARD ALL")
    assert link.info.parameter_status("session_authorization") == link.info.user
    link.execute("SET SESSION AUTHORIZATION 'understudy'")
    link.execute("SET SESSION AUTHORIZATION DEFAULT")
    assert link.info.parameter_status("session_authorization") == link.info.user
    assert link.execute("SELECT current_user").fetchone() != ("understudy",)
    link.execute("DROP ROLE understudy")


def test_range_is_a_list_and_a_table(link: psycopg.Connection[Any]) -> None:
    assert link.execute("SELECT sum(r) FROM range(5) x(r)").fetchone() == (10,)
    assert link.execute("SELECT range(3)").fetchone() == ([0, 1, 2],)


@pytest.mark.parametrize("binary", [False, True])
def test_char_is_padded_wherever_it_comes_out(
    link: psycopg.Connection[Any], *, binary: bool
) -> None:
    link.execute("DROP TABLE IF EXISTS coded")
    link.execute("CREATE TABLE coded (code char(4) PRIMARY KEY, flag char)")
    with link.cursor().copy("COPY coded FROM STDIN") as copy:
        copy.write_row(("ä ", None))
    cursor = link.cursor(binary=binary)
    found = cursor.execute("SELECT code, max(code), flag, 'x'::char(3) FROM coded GROUP BY code, 3")
    assert found.fetchall() == [("ä   ", "ä   ", None, "x  ")]
    assert cursor.description is not None
    described = [one.type_code for one in cursor.description]
    assert described == [1042, 1042, 1042, 1042]  # bpchar
    for code in ("ä", "ä   "):  # as it was read
        cursor.execute("SELECT code FROM coded WHERE code = %s", (code,), prepare=True)
        assert cursor.fetchone() == ("ä   ",)
    cursor.execute("UPDATE coded SET flag = %s WHERE code = %s RETURNING flag", ("y ", "ä "))
    assert cursor.fetchone() == ("y",)
    format_ = "BINARY" if binary else "TEXT"
    with link.cursor().copy(f"COPY coded TO STDOUT (FORMAT {format_})".encode()) as out:
        assert b"\xc3\xa4   " in b"".join(out)
    link.execute("DROP TABLE coded")
