"""A parameter that is an output by itself comes back as it was sent."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import psycopg
import pytest
from fix_server import RunningServer

pytestmark = pytest.mark.slow

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
