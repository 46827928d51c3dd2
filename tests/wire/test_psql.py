"""The real psql, asyncpg and psycopg against the catalogs of a real server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest
from fix_server import RunningServer
from psycopg.types import TypeInfo

PSQL = shutil.which("psql")
SCHEMA = "psql_house"
TABLES = (
    f"CREATE SCHEMA {SCHEMA}",
    f'CREATE TABLE {SCHEMA}.cpu (host TEXT, "Rack No" TEXT, ts TIMESTAMP(3) TIME INDEX,'
    ' usage DOUBLE PRECISION DEFAULT 0.5, PRIMARY KEY (host, "Rack No"))',
    f"CREATE TABLE {SCHEMA}.rel (id INT PRIMARY KEY, price NUMERIC(10,2), labels TEXT[])",
    f"CREATE VIEW {SCHEMA}.busy AS SELECT host, usage FROM {SCHEMA}.cpu",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(server: RunningServer) -> Iterator[str]:
    """A schema of its own; the DSN of a session in it."""
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        for statement in TABLES:
            connection.execute(statement)
        yield server.postgres_dsn(database=SCHEMA)
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def psql(dsn: str, *commands: str) -> str:
    assert PSQL is not None, "psql is missing: apt-get install postgresql-client"
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        [PSQL, "-X", "-d", dsn, "-P", "pager=off", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_psql_lists_relations(house: str) -> None:
    shown = psql(house, r"\d")
    assert f" {SCHEMA} | busy | view " in shown
    assert f" {SCHEMA} | cpu  | table |" in shown


def test_psql_describes_a_table(house: str) -> None:
    shown = psql(house, r"\d+ cpu")
    assert f'Table "{SCHEMA}.cpu"' in shown
    assert " ts      | timestamp(3) without time zone |           | not null |" in shown
    assert '"cpu_pkey" PRIMARY KEY, btree (host, "Rack No", ts)' in shown
    assert '"cpu_time_index" btree (ts)' in shown
    assert "numeric(10,2)" in psql(house, r"\d rel")
    assert "View definition:" in psql(house, r"\d+ busy")


@pytest.mark.parametrize(
    "command",
    [
        *(r"\l", r"\l+", r"\dn+", r"\dt+", r"\dv+", r"\di+", r"\du+", r"\df+", r"\dT+", r"\dp"),
        *(r"\dx", r"\des", r"\dew", r"\db", r"\dC", r"\dO", r"\dd", r"\dX", r"\dconfig", r"\dRp"),
    ],
)
def test_psql_commands_give_an_answer(house: str, command: str) -> None:
    assert "row" in psql(house, command) or command.startswith(r"\du")


def test_asyncpg_introspects_types(house: str) -> None:
    where = dict(word.split("=") for word in house.split())

    async def ask() -> object:
        connection = await asyncpg.connect(
            host=where["host"],
            port=int(where["port"]),
            user=where["user"],
            database=where["dbname"],
        )
        try:
            await connection.fetch("SELECT * FROM rel")
            return await connection.fetchval(
                "SELECT relname FROM pg_class WHERE relkind = ANY($1::text[]) AND relname = $2",
                ["r", "v"],
                "cpu",
            )
        finally:
            await connection.close()

    assert asyncio.run(ask()) == "cpu"


def test_psycopg_finds_types_and_relations(house: str) -> None:
    with psycopg.connect(house) as connection:
        found = TypeInfo.fetch(connection, "int4")
        assert found is not None
        assert (found.oid, found.array_oid) == (23, 1007)
        assert TypeInfo.fetch(connection, "nope") is None
        visible = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = %s AND c.relkind = ANY(ARRAY[%s, %s])"
            " AND pg_table_is_visible(c.oid) AND n.nspname != %s",
            ("cpu", "r", "v", "pg_catalog"),
        ).fetchall()
        assert visible == [("cpu",)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 'nope'::regclass")
