"""The example project under examples/dbt, run by the real dbt and its PostgreSQL adapter.

dbt lives in an environment of its own (`.ci/dbt` makes it), since it pins what others need newer.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_programs import needs, path_of
from fix_server import ServerFactory

from engine.clock import SystemClock

ROOT = Path(__file__).parent.parent.parent
PROJECT = ROOT / "examples" / "dbt"
SECONDS_MAX = 300

Dbt = Callable[..., dict[str, Any]]

DBT = path_of(str(ROOT / ".venv-dbt" / "bin" / "dbt"), "dbt")

pytestmark = [pytest.mark.slow, needs(DBT or "dbt", package="it into .venv-dbt")]


@pytest.fixture
def dbt(server_factory: ServerFactory, tmp_path: Path) -> tuple[Dbt, str]:
    """Runs a command of dbt and gives the results by node; and the server's address."""
    server = server_factory.start()
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE on_call")
        connection.execute(
            "CREATE TABLE readings (host TEXT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX,"
            " usage DOUBLE PRECISION)"
        )
        connection.execute(
            "INSERT INTO readings VALUES ('alpha', now(), 85), ('beta', now(), 20),"
            " ('gamma', now() - INTERVAL '2 days', 70)"
        )

    def run(*arguments: str) -> dict[str, Any]:
        assert DBT is not None
        target = tmp_path / "target"
        environment = os.environ | {
            "GNOMON_PORT": str(server.port("postgres")),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
            "DO_NOT_TRACK": "1",
        }
        begin = (
            (datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) - timedelta(days=3))
            .date()
            .isoformat()
        )
        done = subprocess.run(
            [DBT, *arguments, "--profiles-dir", ".", "--vars", json.dumps({"begin": begin})],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        named = "sources.json" if arguments[0] == "source" else "run_results.json"
        results = json.loads((target / named).read_text(encoding="utf-8"))["results"]
        return {result["unique_id"].split(".")[2]: result["status"] for result in results}

    return run, server.postgres_dsn()


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_the_example_project_is_built_twice(dbt: tuple[Dbt, str]) -> None:
    run, dsn = dbt
    for _ in range(2):
        statuses = run("build")
        assert set(statuses.values()) <= {"success", "pass", "no-op"}, statuses
    assert rows(dsn, "SELECT host, peak FROM fleet.hourly ORDER BY host") == [
        ("alpha", 85.0),
        ("beta", 20.0),
        ("gamma", 70.0),
    ]
    shown = rows(dsn, "SHOW CREATE TABLE fleet.hourly")[0][1]
    assert 'TIME INDEX ("ts")' in shown
    assert rows(dsn, "SELECT host FROM fleet.alerts ORDER BY 1") == [("alpha",), ("gamma",)]
    assert rows(dsn, "SELECT sum(readings) FROM fleet.per_day") == [(3,)]
    granted = (
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'on_call' AND table_schema = 'fleet' AND table_name = 'alerts'"
    )
    assert rows(dsn, granted) == [("SELECT",)]


def test_sources_are_fresh_and_documented(dbt: tuple[Dbt, str]) -> None:
    run, _ = dbt
    assert run("source", "freshness")["agents"] == "pass"
    run("build")
    assert set(run("docs", "generate").values()) == {"success"}
