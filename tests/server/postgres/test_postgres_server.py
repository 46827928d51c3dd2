"""The wire with the real database behind it: what the fake one cannot show."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import psycopg
import pytest
from fix_server import RunningServer

pytestmark = pytest.mark.slow

NOON = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - timestamps are naive on this wire


def by_asyncpg(server: RunningServer, work: Any) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=server.port("postgres"), user="tester", database="public"
        )
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_asyncpg_learns_about_arrays_from_the_catalog(server) -> None:
    async def work(connection: asyncpg.Connection) -> None:
        assert await connection.fetchval("SELECT ARRAY[1, 2, NULL]") == [1, 2, None]
        assert await connection.fetchval("SELECT ARRAY['a', 'b']") == ["a", "b"]
        assert await connection.fetchval("SELECT $1::int[]", [1, None]) == [1, None]
        assert await connection.fetchval("SELECT $1::numeric[]", [Decimal(5)]) == [Decimal(5)]

    by_asyncpg(server, work)


def test_rows_written_by_every_way_are_read_by_every_way(server) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE ways (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)"
        )
        connection.execute("INSERT INTO ways VALUES (%s, %s, %s)", ("text", NOON, 1.5))
        connection.execute("INSERT INTO ways VALUES (%b, %b, %b)", ("binary", NOON, 2.5))
        with connection.cursor() as cursor:
            with cursor.copy("COPY ways FROM STDIN") as copy:
                copy.write_row(("copy", NOON, 3.5))
            assert cursor.rowcount == 1

    async def work(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
        await connection.execute("INSERT INTO ways VALUES ($1, $2, $3)", "asyncpg", NOON, 4.5)
        await connection.copy_records_to_table("ways", records=[("records", NOON, 5.5)])
        async with connection.transaction():
            query = "SELECT * FROM ways ORDER BY v"
            return [tuple(row) async for row in connection.cursor(query, prefetch=2)]

    expected = [
        (name, NOON, number + 1.5)
        for number, name in enumerate(("text", "binary", "copy", "asyncpg", "records"))
    ]
    assert by_asyncpg(server, work) == expected
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            assert cursor.execute("SELECT * FROM ways ORDER BY v").fetchall() == expected


def test_a_multi_million_cell_result_arrives_whole(server) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute("SELECT i, i * 2, 'n' || i FROM generate_series(1, 400000) AS t(i)")
        total = 0
        for first, second, name in cursor:
            assert second == first * 2
            assert name == f"n{first}"
            total += first
    assert total == 400_000 * 400_001 // 2
