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
        timeout=300,
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


@pytest.fixture(scope="module")
def linked(house: str) -> str:
    """Tables with foreign keys, a materialized view and privileges, in the same schema."""
    with psycopg.connect(house, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20))",
            "CREATE TABLE child (a INT PRIMARY KEY, parent_id INT REFERENCES parent (id))",
            "CREATE MATERIALIZED VIEW kept AS SELECT a FROM child",
            "CREATE UNIQUE INDEX kept_a ON kept (a)",
            "CREATE ROLE psql_reader",
            "GRANT SELECT, INSERT ON parent TO psql_reader",
        ):
            connection.execute(statement)
    return house


def test_psql_describes_both_ends_of_a_foreign_key(linked: str) -> None:
    shown = psql(linked, r"\d child", r"\d+ parent")
    key = 'CONSTRAINT "child_parent_id_fkey" FOREIGN KEY (parent_id) REFERENCES parent(id)'
    assert key.removeprefix("CONSTRAINT ") in shown
    assert f'TABLE "child" {key}' in shown


def test_psql_shows_materialized_views(linked: str) -> None:
    assert f" {SCHEMA} | kept | materialized view |" in psql(linked, r"\dm+")
    shown = psql(linked, r"\d+ kept")
    assert 'Materialized view "psql_house.kept"' in shown
    assert '"kept_a" UNIQUE, btree (a)' in shown


def test_psql_shows_privileges(linked: str) -> None:
    assert "psql_reader=ar/" in psql(linked, r"\dp parent")


DESCRIBING = (
    *(r"\dx+", r"\dT+ int4", r"\df+ abs", r"\di+", r"\l+", r"\du+", r"\dn+", r"\dP+", r"\ddp"),
    *(r"\da+", r"\do+ =", r"\dC+", r"\dc+", r"\dD+", r"\dO+", r"\dL+", r"\dA+", r"\dAc+"),
    *(r"\dAf+", r"\dAo+", r"\dAp+", r"\db+", r"\dconfig+", r"\dd", r"\dy+", r"\dX", r"\des+"),
    *(r"\det+", r"\deu+", r"\dew+", r"\dFd+", r"\dFt+", r"\dl+", r"\sv busy", r"\sv+ busy"),
    *(r"\dtvmis+", r"\dS+ pg_class", r"\conninfo"),
)


def test_psql_commands_are_answered(linked: str) -> None:
    shown = psql(linked, *DESCRIBING)
    for title in ("Objects in extension", "List of databases", "List of casts"):
        assert title in shown
    assert f"CREATE OR REPLACE VIEW {SCHEMA}.busy AS" in shown
