"""mariadb-dump, the program: what it writes of a database can be loaded into another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pymysql
import pytest
from fix_server import RunningServer

DUMP = shutil.which("mariadb-dump") or shutil.which("mysqldump")
CLIENT = shutil.which("mariadb") or shutil.which("mysql")
SOURCE, TARGET = "dump_source", "dump_target"
TABLES = (
    "CREATE TABLE rel (id INT AUTO_INCREMENT PRIMARY KEY,"
    " `odd name` VARCHAR(20) NOT NULL DEFAULT 'x', at DATETIME, price DECIMAL(10,2))",
    r"INSERT INTO rel VALUES (1, 'a''b\\c', '2024-01-01 00:00:00', 1.5), (2, 'ü', NULL, NULL)",
    "CREATE TABLE series (host STRING, ts TIMESTAMP TIME INDEX, v DOUBLE DEFAULT 1.5"
    " COMMENT 'it''s', PRIMARY KEY (host)) PARTITION ON COLUMNS (host)"
    " (host < 'm', host >= 'm') WITH (append_mode = 'true')",
    "INSERT INTO series VALUES ('a', 1000, 1), ('z', 2000, NULL)",
    "CREATE VIEW busy (machine, load1) AS SELECT host, v FROM series WHERE v > 0",
)
QUERIES = (
    "SELECT * FROM rel ORDER BY id",
    "SELECT * FROM series ORDER BY host",
    "SELECT * FROM busy",
    "SHOW CREATE TABLE rel",
    "SHOW CREATE TABLE series",
    "SHOW CREATE VIEW busy",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def connection(server: RunningServer) -> Iterator[pymysql.Connection]:
    with pymysql.connect(
        host="127.0.0.1", port=server.port("mysql"), user="root", autocommit=True
    ) as made:
        cursor = made.cursor()
        for database in (SOURCE, TARGET):
            cursor.execute(f"CREATE DATABASE {database}")
        yield made
        for database in (SOURCE, TARGET):
            cursor.execute(f"DROP DATABASE {database}")


def answers(connection: pymysql.Connection, database: str) -> list[object]:
    cursor = connection.cursor()
    cursor.execute(f"USE {database}")
    found: list[object] = []
    for query in QUERIES:
        cursor.execute(query)
        found.append(cursor.fetchall())
    return found


def test_a_dump_is_loaded_again(server: RunningServer, connection: pymysql.Connection) -> None:
    assert DUMP is not None, "mariadb-dump is missing: apt-get install mariadb-client"
    assert CLIENT is not None
    cursor = connection.cursor()
    cursor.execute(f"USE {SOURCE}")
    for statement in TABLES:
        cursor.execute(statement)
    where = ["-h127.0.0.1", f"-P{server.port('mysql')}", "-uroot", "--skip-ssl"]
    dumped = subprocess.run(
        [DUMP, *where, SOURCE],
        capture_output=True,
        timeout=300,
        check=True,
    )
    assert dumped.stderr == b""
    subprocess.run([CLIENT, *where, TARGET], input=dumped.stdout, timeout=300, check=True)
    assert answers(connection, TARGET) == answers(connection, SOURCE)
