"""Every driver gives the same Python values for the same questions."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from fix_server import RunningServer

from tests.wire.cases import CASES, ROUND_TRIPS, SETUP, Case, at
from tests.wire.drivers import DRIVERS

DATABASE = "wire_values"


@pytest.fixture(scope="module")
def database(server: RunningServer) -> Iterator[str]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    with psycopg.connect(server.postgres_dsn(database=DATABASE), autocommit=True) as connection:
        for sql in SETUP:
            connection.execute(sql.encode())
    yield DATABASE
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE}".encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
@pytest.mark.parametrize("driver", DRIVERS)
def test_case(server: RunningServer, database: str, driver: str, case: Case) -> None:
    got = DRIVERS[driver](server, database).run(case.sql, case.parameters, case.expected)
    assert got == case.expected
    if not driver.startswith(("pymysql", "connector", "mariadb")):
        # MySQL has no booleans of its own; elsewhere True is not 1.
        assert [[isinstance(value, bool) for value in row] for row in got] == [
            [isinstance(value, bool) for value in row] for row in case.expected
        ]


@pytest.mark.parametrize("number", range(len(ROUND_TRIPS)))
@pytest.mark.parametrize("driver", DRIVERS)
def test_round_trip(server: RunningServer, database: str, driver: str, number: int) -> None:
    """A value written as a parameter reads back as it was."""
    name, value = ROUND_TRIPS[number]
    row = 1000 * (1 + list(DRIVERS).index(driver)) + number
    client = DRIVERS[driver](server, database)
    client.run(
        f"INSERT INTO typed (id, ts, {name}) VALUES ({{}}, {{}}, {{}})", (row, at(9), value), []
    )
    got = client.run(f"SELECT {name} FROM typed WHERE id = {{}}", (row,), [(value,)])
    client.run("DELETE FROM typed WHERE id = {}", (row,), [])
    assert got == [(value,)]
