"""A parameter that is an output by itself comes back as it was sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from decimal import Decimal

import asyncpg
import psycopg
import pytest
from fix_server import RunningServer

pytestmark = pytest.mark.slow


async def _asyncpg(server: RunningServer) -> asyncpg.Connection:
    port = server.port("postgres")
    return await asyncpg.connect(host="127.0.0.1", port=port, user="gnomon", database="public")


VALUES = [1, 2**40, "a", 1.5, Decimal("1.5"), True, None, b"x", dt.date(2024, 1, 1)]
VALUES += [dt.datetime(2024, 1, 1, 1), dt.timedelta(days=1), uuid.UUID(int=1), dt.time(1, 2)]  # noqa: DTZ001


@pytest.mark.parametrize("binary", [False, True])
def test_bare_parameters(server: RunningServer, binary: bool) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        for value in VALUES:
            row = connection.execute("SELECT %s, 1", (value,), binary=binary).fetchone()
            assert row == (value, 1)
        rows = connection.execute("VALUES (%s, %s)", (7, "x"), binary=binary).fetchall()
    assert rows == [(7, "x")]


MOMENT = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("value", [[1, 2], MOMENT, "a", 3])
def test_a_prepared_parameter_keeps_the_type_it_was_described_with(
    server: RunningServer, value: object
) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        for _ in range(3):  # from the second time on by what the server told of it
            row = connection.execute("SELECT %s", (value,), prepare=True).fetchone()
            assert row == (value,)


def test_functions_tell_the_types_of_their_arguments(server: RunningServer) -> None:
    async def ask() -> list[object]:
        connection = await _asyncpg(server)
        try:
            series = "SELECT i FROM generate_series(1, $1) AS g(i) WHERE i > $2"
            return [
                await connection.fetchval("SELECT pg_cancel_backend($1)", 2**31 - 1),
                await connection.fetch(series, 3, 1),
            ]
        finally:
            await connection.close()

    assert asyncio.run(ask()) == [False, [(2,), (3,)]]


def test_text_is_told_as_its_column_was_declared(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS spelled (a text, b varchar(10), c char(3))")
        cursor = connection.execute("SELECT a, b, c, lower(b) FROM spelled")
        described = [(c.type_code, c.display_size) for c in cursor.description or ()]
    assert described == [(25, None), (1043, 10), (1042, 3), (25, None)]


def test_a_changed_table_is_told_so_that_drivers_prepare_again(server: RunningServer) -> None:
    """asyncpg knows it by the error's routine."""

    async def ask() -> object:
        connection = await _asyncpg(server)
        try:
            await connection.execute("DROP TABLE IF EXISTS reshaped; CREATE TABLE reshaped (a int)")
            await connection.execute("INSERT INTO reshaped VALUES (1)")
            assert await connection.fetchval("SELECT a FROM reshaped") == 1
            await connection.execute("ALTER TABLE reshaped ALTER COLUMN a TYPE text")
            return await connection.fetchval("SELECT a FROM reshaped")
        finally:
            await connection.close()

    assert asyncio.run(ask()) == "1"


def test_what_is_computed_with_a_parameter_is_described_as_it_comes(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE computed (x NUMERIC(12, 10), v VARCHAR(9), c CHAR(2))")
        insert = "INSERT INTO computed VALUES (%s, %s, %s) RETURNING v, c"
        row = connection.execute(insert, (Decimal("1.5"), "a", "bc"), prepare=True).fetchone()
        assert row == ("a", "bc")
        for value in (1.25, 2, Decimal("0.5")):
            asked = connection.execute("SELECT x + %s FROM computed", (value,), prepare=True)
            assert asked.fetchone() == (Decimal("1.5") + Decimal(value),)
        asked = connection.execute(
            "DELETE FROM computed WHERE v = %s RETURNING *", ("a",), prepare=True
        )
        assert asked.fetchone() == (Decimal("1.5"), "a", "bc")
        connection.execute("DROP TABLE computed")


def test_an_array_cast_to_text_is_spelled_as_postgresql_does(server: RunningServer) -> None:
    async def ask() -> None:
        link = await _asyncpg(server)
        for cast in ("int[]", '"pg_catalog"."_int4"'):
            query = f"SELECT quote_literal($1::{cast}::text)"
            assert await link.fetchval(query, [[1, 2], [3, None]]) == "'{{1,2},{3,NULL}}'"
        with pytest.raises(asyncpg.UnsupportedClientFeatureError, match="anonymous composite"):
            await link.fetchval("SELECT (1, 'foo') = $1", (1, "foo"))
        await link.close()

    asyncio.run(ask())
    with (
        psycopg.connect(server.postgres_dsn()) as connection,
        pytest.raises(psycopg.errors.FeatureNotSupported, match="anonymous composite"),
    ):
        connection.execute("SELECT (1, 'foo') = %s", ("(1,foo)",))


def test_a_parameter_is_told_to_be_of_its_domain(server: RunningServer) -> None:
    async def ask() -> None:
        link = await _asyncpg(server)
        await link.execute("CREATE DOMAIN hundredth AS int CHECK (VALUE <= 100)")
        try:
            oid = await link.fetchval("SELECT 'hundredth'::regtype::oid::int8")
            statement = await link.prepare("SELECT $1::hundredth + $2::int")
            assert [one.oid for one in statement.get_parameters()] == [oid, 23]
            assert await statement.fetchval(40, 2) == 42
            with pytest.raises(asyncpg.CheckViolationError):
                await statement.fetchval(101, 0)
        finally:
            await link.execute("DROP DOMAIN hundredth")
            await link.close()

    asyncio.run(ask())


def test_rows_paths_and_casts_tell_what_a_parameter_is(server: RunningServer) -> None:
    async def ask() -> list[object]:
        connection = await _asyncpg(server)
        try:
            pairs = "SELECT i FROM (VALUES (1, 'a'), (2, 'b')) v(i, t) WHERE (i, t) IN (($1, $2))"
            path = 'SELECT j #>> $1 FROM (SELECT \'{"a": [5, {"b": 7}]}\'::json AS j) AS t'
            column = "SELECT a FROM told WHERE (a, b) IN (($1, $2), ($3, $4)) ORDER BY 1"
            await connection.execute("CREATE TABLE told (a INT, b TEXT)")
            await connection.execute("INSERT INTO told VALUES (1, 'x'), (2, 'y')")
            constraint = "SELECT pg_get_constraintdef(1::oid, $1::BOOLEAN)"
            found = [
                await connection.fetchval(path, ["a", "1", "b"]),
                [row[0] for row in await connection.fetch(column, 1, "x", 2, "z")],
                await connection.fetchval(constraint, True),
                len(await connection.fetch(pairs.replace("$1", "$1::int"), 2, "b")),
            ]
            await connection.execute("DROP TABLE told")
            return found
        finally:
            await connection.close()

    assert asyncio.run(ask()) == ["7", [1], None, 1]


def test_numeric_without_a_precision_keeps_the_digits_there_are(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        for given in ("1234.00088883231", "0.0000000000001", "5", "1.50"):
            row = connection.execute("SELECT %s::numeric", (Decimal(given),)).fetchone()
            literal = connection.execute(f"SELECT '{given}'::numeric::text").fetchone()
            assert (row, literal) == ((Decimal(given),), (given,))


def test_an_empty_char_is_a_byte_of_zero(server: RunningServer) -> None:
    async def ask() -> object:
        connection = await _asyncpg(server)
        try:
            await connection.execute("CREATE TEMP TABLE plain (a INT)")
            asked = "SELECT attgenerated FROM pg_attribute WHERE attrelid = 'plain'::regclass"
            return await connection.fetchval(asked)
        finally:
            await connection.close()

    assert asyncio.run(ask()) == b"\0"
