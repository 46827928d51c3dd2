"""The real pg_dump writes what the real psql reads back into us."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from fix_server import RunningServer

PG_DUMP, PSQL = shutil.which("pg_dump"), shutil.which("psql")
SCHEMA = "dumped"
TABLES = (
    f"CREATE SCHEMA {SCHEMA}",
    f"CREATE TABLE {SCHEMA}.kind (id INT PRIMARY KEY, name TEXT NOT NULL)",
    f"CREATE TABLE {SCHEMA}.item (id SERIAL PRIMARY KEY, kind INT REFERENCES {SCHEMA}.kind(id)"
    " ON DELETE CASCADE, price NUMERIC(10, 2) CHECK (price >= 0) DEFAULT 1.5, tags TEXT[],"
    " at TIMESTAMPTZ DEFAULT now(), data BYTEA, doc JSON, day DATE, short VARCHAR(20))",
    f"CREATE INDEX item_kind ON {SCHEMA}.item (kind)",
    f"CREATE VIEW {SCHEMA}.cheap AS SELECT id, price FROM {SCHEMA}.item WHERE price < 10",
    f"COMMENT ON COLUMN {SCHEMA}.item.kind IS 'it''s'",
    f"COMMENT ON SCHEMA {SCHEMA} IS 'goods'",
    f"GRANT SELECT ON {SCHEMA}.kind TO PUBLIC",
    f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO PUBLIC",
    f"CREATE DOMAIN {SCHEMA}.positive AS INT CHECK (VALUE > 0)",
    f"CREATE TABLE {SCHEMA}.coded (code CHAR(5), only INT UNIQUE NULLS NOT DISTINCT, born DATE)",
    f"INSERT INTO {SCHEMA}.coded VALUES ('ab', NULL, '0044-03-15 BC')",
    f"CREATE UNLOGGED TABLE {SCHEMA}.passing (a INT)",
    f"INSERT INTO {SCHEMA}.kind VALUES (1, 'a'), (2, E'b\\t\\\\c')",
    f"INSERT INTO {SCHEMA}.item (kind, tags, data, doc, day) VALUES"
    " (1, '{x,\"y,z\"}', '\\x00ff', '{\"a\": 1}', '2024-01-02'), (2, NULL, NULL, NULL, NULL)",
)
QUESTIONS = (
    "SELECT * FROM kind ORDER BY id",
    "SELECT * FROM item ORDER BY id",
    "SELECT * FROM cheap ORDER BY id",
    "SELECT code, born::text FROM coded",
    "SELECT relname, relkind::text, relpersistence::text FROM pg_class"
    " WHERE relnamespace = 'dumped'::regnamespace ORDER BY 1",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'dumped'::regnamespace ORDER BY 1",
)

pytestmark = pytest.mark.slow


def state(connection: psycopg.Connection[object]) -> list[object]:
    connection.execute(f"SET search_path TO {SCHEMA}")
    found = [connection.execute(question.encode()).fetchall() for question in QUESTIONS]
    connection.execute("SET search_path TO public")
    return found


@pytest.mark.parametrize("options", [(), ("--inserts", "--column-inserts")])
def test_a_dump_is_loaded_again(
    server: RunningServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert PG_DUMP is not None, "pg_dump is missing: apt-get install postgresql-client"
    assert PSQL is not None
    dump, dsn = tmp_path / "dump.sql", server.postgres_dsn()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in TABLES:
            connection.execute(statement)
        before = state(connection)
        subprocess.run(
            [PG_DUMP, "-d", dsn, "-n", SCHEMA, "-f", str(dump), *options], check=True, timeout=300
        )
        # A server with another search path must understand it.
        assert f"REFERENCES {SCHEMA}.kind(id) ON DELETE CASCADE" in dump.read_text(encoding="utf-8")
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
        loaded = [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", str(dump)]
        subprocess.run(loaded, check=True, timeout=300, stdout=subprocess.DEVNULL)
        assert state(connection) == before
        added = connection.execute(f"INSERT INTO {SCHEMA}.item (kind) VALUES (1) RETURNING id")
        assert added.fetchone() == (3,)
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def test_a_sequence_is_read_as_a_table(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE ticket START 5")
        asked = "SELECT last_value, log_cnt, is_called FROM public.ticket"
        assert connection.execute(asked).fetchone() == (5, 0, False)
        connection.execute("SELECT nextval('ticket'), nextval('ticket')")
        assert connection.execute(asked).fetchone() == (6, 0, True)
        connection.execute("DROP SEQUENCE ticket")


def test_who_made_something_and_left_is_a_role(server: RunningServer) -> None:
    """pg_dump stops at an owner that it does not find."""
    made = "CREATE SEQUENCE left_behind; CREATE TYPE left_mood AS ENUM ('so', 'so-so')"
    with psycopg.connect(server.postgres_dsn(), user="someone_else", autocommit=True) as other:
        other.execute(made)
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        lost = """SELECT relname FROM pg_class WHERE relowner NOT IN (SELECT oid FROM pg_roles)
            UNION ALL
            SELECT typname FROM pg_type WHERE typowner NOT IN (SELECT oid FROM pg_roles)"""
        assert connection.execute(lost).fetchall() == []
        connection.execute("DROP SEQUENCE left_behind; DROP TYPE left_mood")
