"""A parameter may stand where a catalog function needs no argument: it is taken and not missed."""

from __future__ import annotations

import psycopg
import pytest
from fix_server import RunningServer

pytestmark = pytest.mark.slow


def test_arguments_that_are_not_looked_at(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(pg_get_constraintdef(c.oid, %s)), %s::int FROM pg_constraint c"
            " WHERE c.conname = %s",
            (True, 7, "no such constraint"),
        ).fetchone()
    assert row == (0, 7)
