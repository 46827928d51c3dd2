"""pyodbc through psqlODBC and MariaDB Connector/ODBC, both Debian's packages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fix_server import ServerFactory

pyodbc = pytest.importorskip("pyodbc", reason="pyodbc needs unixodbc: make test installs it")

POSTGRES, MARIADB = "PostgreSQL Unicode", "MariaDB Unicode"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {POSTGRES, MARIADB} <= set(pyodbc.drivers()),
        reason="the ODBC drivers are not installed: make test does it",
    ),
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Connection strings of one server, by driver; the tables that the tests read are there."""
    factory = ServerFactory(tmp_path_factory.mktemp("odbc"))
    server = factory.start()
    found = {
        driver: f"DRIVER={{{driver}}};SERVER=127.0.0.1;PORT={server.port(wire)};UID=root;PWD=;"
        "DATABASE=public"
        for driver, wire in ((POSTGRES, "postgres"), (MARIADB, "mysql"))
    }
    with pyodbc.connect(found[POSTGRES], autocommit=True) as connection:
        for statement in (
            "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)",
            "CREATE TABLE child (a INT, b VARCHAR(10), parent_id INT REFERENCES parent (id),"
            " amount NUMERIC(10,2), PRIMARY KEY (a, b))",
            "CREATE INDEX child_amount ON child (amount)",
            "CREATE VIEW children AS SELECT a, b FROM child",
            "INSERT INTO parent VALUES (1, 'one'), (2, 'two')",
        ):
            connection.execute(statement)
    yield found
    factory.close()


@pytest.fixture(params=[POSTGRES, MARIADB])
def connection(addresses: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Any]:
    opened = pyodbc.connect(addresses[request.param], timeout=60)
    opened.driver_name = request.param if False else None
    yield opened
    opened.close()
