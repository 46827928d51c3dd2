"""pyodbc through psqlODBC and MariaDB Connector/ODBC, both Debian's packages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fix_programs import lacking
from fix_server import RunningServer

pyodbc = pytest.importorskip(
    "pyodbc", reason="not installed: unixODBC; `make test` installs odbc-postgresql"
)

POSTGRES, MARIADB = "PostgreSQL Unicode", "MariaDB Unicode"
TABLES = """
    CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL);
    CREATE TABLE child (a INT, b VARCHAR(10), parent_id INT, amount NUMERIC(10,2),
        PRIMARY KEY (a, b), CONSTRAINT of_parent FOREIGN KEY (parent_id) REFERENCES parent (id));
    CREATE INDEX child_amount ON child (amount);
    CREATE VIEW children AS SELECT a, b FROM child;
    CREATE TABLE many (i INT, b BIGINT, f DOUBLE PRECISION, n NUMERIC(20,5), t TEXT, y BYTEA,
        d DATE, s TIMESTAMP, m TIME)
"""
ROW = (
    *(1, -(2**63), 1e-300, Decimal("123456789012345.67891"), "h\u00e9 \U0001f600 '\\"),
    *(b"\0\1\xff", dt.date(1969, 12, 31), dt.datetime.fromisoformat("2024-02-29 12:34:56")),
    dt.time(1, 2, 3),
)
MARKS = ", ".join("?" * len(ROW))

_ABSENT = sorted({POSTGRES, MARIADB} - set(pyodbc.drivers()))

pytestmark = [
    pytest.mark.slow,
    lacking(", ".join(_ABSENT), package="odbc-postgresql and odbc-mariadb"),
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Connection strings of one server, by driver; the tables are there."""
    server = RunningServer(tmp_path_factory.mktemp("odbc"))
    found = {
        driver: f"DRIVER={{{driver}}};SERVER=127.0.0.1;PORT={server.port(wire)};UID=root;PWD=;"
        "DATABASE=public"
        for driver, wire in ((POSTGRES, "postgres"), (MARIADB, "mysql"))
    }
    connection = pyodbc.connect(found[POSTGRES], autocommit=True)
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.close()
    yield found
    server.stop()


@pytest.fixture(params=[POSTGRES, MARIADB])
def cursor(addresses: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Any]:
    connection = pyodbc.connect(addresses[request.param], timeout=300)
    yield connection.cursor()
    connection.close()


def test_tables_and_columns(cursor: Any) -> None:
    found = [(row.table_name, row.table_type) for row in cursor.tables(table="child%")]
    assert found == [("child", "TABLE"), ("children", "VIEW")]
    columns = [
        (c.column_name, c.column_size, c.decimal_digits or 0, c.nullable, c.ordinal_position)
        for c in cursor.columns("child")
    ]
    assert columns == [
        ("a", 10, 0, 0, 1),
        ("b", 10, 0, 0, 2),
        ("parent_id", 10, 0, 1, 3),
        ("amount", 10, 2, 1, 4),
    ]
    assert len(cursor.getTypeInfo().fetchall()) > 10
    cursor.procedures().fetchall()
    assert cursor.procedureColumns("nope").fetchall() == []


def test_keys_and_indexes(cursor: Any) -> None:
    key = [(row.column_name, row.key_seq) for row in cursor.primaryKeys("child")]
    assert key == [("a", 1), ("b", 2)]
    found = [
        (row.column_name, row.ordinal_position, row.non_unique)
        for row in cursor.statistics("child")
        if row.index_name
    ]
    assert found == [("a", 1, 0), ("b", 2, 0), ("amount", 1, 1)]
    cursor.rowIdColumns("parent").fetchall()


def test_foreign_keys_through_psqlodbc(addresses: dict[str, str]) -> None:
    connection = pyodbc.connect(addresses[POSTGRES])
    found = [
        (row.pktable_name, row.pkcolumn_name, row.fkcolumn_name, row.fk_name)
        for row in connection.cursor().foreignKeys(foreignTable="child")
    ]
    connection.close()
    assert found == [("parent", "id", "parent_id", "of_parent")]


def test_values_go_there_and_back(cursor: Any) -> None:
    assert cursor.execute(f"INSERT INTO many VALUES ({MARKS})", ROW).rowcount == 1
    cursor.execute(f"INSERT INTO many VALUES ({MARKS})", [2] + [None] * (len(ROW) - 1))
    assert tuple(cursor.execute("SELECT * FROM many WHERE i = ?", 1).fetchone()) == ROW
    assert set(cursor.execute("SELECT * FROM many WHERE i = 2").fetchone()[1:]) == {None}
    asked = "SELECT i FROM many WHERE s = ? AND d = ? AND n = ?"
    assert cursor.execute(asked, ROW[7], ROW[6], ROW[3]).fetchval() == 1
    assert cursor.execute("SELECT i, n FROM many").description[1][1] is Decimal


@pytest.mark.parametrize("fast", [False, True])
def test_batches_and_transactions(cursor: Any, fast: bool) -> None:
    cursor.fast_executemany = fast
    cursor.executemany("INSERT INTO many (i, t) VALUES (?, ?)", [(n, f"r{n}") for n in range(90)])
    assert cursor.execute("SELECT count(*) FROM many").fetchval() == 90
    assert cursor.execute("UPDATE many SET t = ? WHERE i < ?", "u", 7).rowcount == 7
    cursor.connection.rollback()
    assert cursor.execute("SELECT count(*) FROM many").fetchval() == 0


def test_errors_have_their_class(cursor: Any) -> None:
    with pytest.raises(pyodbc.ProgrammingError):
        cursor.execute("SELECT * FROM nowhere")
    cursor.connection.rollback()
    with pytest.raises(pyodbc.IntegrityError):
        cursor.execute("INSERT INTO parent VALUES (1, 'a'), (1, 'b')")
    cursor.connection.rollback()
    assert cursor.execute("SELECT 1").fetchval() == 1
