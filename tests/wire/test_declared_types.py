"""What clients declare of parameters, and what PostgreSQL's clients are told of types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors


@pytest.fixture
def link(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("name", "oid", "text"),
    [
        ("json", 114, '{"a": 1}'),
        ("jsonb", 3802, '{"a": 1}'),
        ("jsonb[]", 3807, '{"{}"}'),
        ("oid", 26, "7"),
        ("xid", 28, "7"),
        ("name", 19, "x"),
        ("character", 1042, "x"),
        ('"char"', 18, "x"),
        ("smallint", 21, "7"),
        ("smallint[]", 1005, "{{1,2},{3,4}}"),
        ("numeric[]", 1231, "{1.5}"),
        ("inet", 869, "10.0.0.1"),
    ],
)
def test_an_output_has_the_type_its_parameter_was_declared_of(
    link: psycopg.Connection[Any], name: str, oid: int, text: str
) -> None:
    result = link.pgconn.exec_params(b"SELECT $1, pg_typeof($1)", [text.encode()], [oid])
    assert result.ftype(0) == oid, result.error_message
    assert result.get_value(0, 0) == text.encode()
    assert result.get_value(0, 1) == name.encode()


def test_pg_typeof_knows_types_that_only_statements_know(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE TYPE shade AS ENUM ('dark')")
    link.execute("CREATE TEMP TABLE shades (shade shade, cost DECIMAL(5, 2))")
    link.execute("INSERT INTO shades VALUES ('dark', 1)")
    query = """SELECT pg_typeof(shade), pg_typeof('dark'::shade), pg_typeof('x'), pg_typeof(cost),
        pg_typeof(ROW(1)), pg_typeof(ARRAY[1.5::float8]), pg_typeof('{}'::jsonb) FROM shades"""
    names = ("shade", "shade", "unknown", "numeric", "record", "double precision[]", "jsonb")
    assert link.execute(query).fetchone() == names
    query = """SELECT pg_typeof(1)::oid, pg_typeof(1) = 'integer'::regtype,
        pg_typeof('{}'::jsonb)::regtype = 'jsonb'::regtype"""
    assert link.execute(query).fetchone() == (23, True, True)
    link.execute("DROP TABLE shades")
    link.execute("DROP TYPE shade")


@pytest.mark.parametrize("binary", [False, True])
def test_returning_tells_the_declared_types(link: psycopg.Connection[Any], binary: bool) -> None:
    link.execute("CREATE TEMP TABLE held (id INT PRIMARY KEY, b JSONB, k JSON)")
    for change in (
        "INSERT INTO held VALUES (1, '{}', '{}')",
        "INSERT INTO held VALUES (1, '{}', '{}') ON CONFLICT (id) DO UPDATE SET k = '[]'",
        "UPDATE held SET b = '[]'",
        "DELETE FROM held",
    ):
        cursor = link.execute(f"{change} RETURNING b, k", binary=binary)
        assert [column.type_code for column in cursor.description or ()] == [3802, 114]
    link.execute("DROP TABLE held")


def test_arrays_of_arrays_are_cast_by_the_type_of_their_items(
    link: psycopg.Connection[Any],
) -> None:
    row = link.execute("SELECT ARRAY[ARRAY[1, 2], ARRAY[3, 4]]::int8[], %s::int2[]", ([[5], [6]],))
    assert row.fetchone() == ([[1, 2], [3, 4]], [[5], [6]])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("P12DT30S", "12 days 00:00:30"),
        ("1-2", "1 year 2 mons"),
        ("3 4:05:06", "3 days 04:05:06"),
        ("-1-2 +3 -4:05:06", "-1 years -2 mons +3 days -04:05:06"),
    ],
)
def test_intervals_of_the_standards_are_read(
    link: psycopg.Connection[Any], text: str, shown: str
) -> None:
    result = link.pgconn.exec_(f"SELECT '{text}'::interval".encode())
    assert result.get_value(0, 0) == shown.encode()


def test_who_only_prepares_a_statement_learns_of_its_errors(
    link: psycopg.Connection[Any],
) -> None:
    result = link.pgconn.prepare(b"broken", b"SELECT nothing FROM nowhere")
    assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"42P01"
    with pytest.raises(errors.InvalidSqlStatementName):
        link.execute("EXECUTE broken")
    assert link.execute("SELECT 1").fetchone() == (1,)
