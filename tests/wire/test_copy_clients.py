"""COPY of files by the real psql, mariadb and HTTP clients, beside psql's own \\copy."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from fix_server import RunningServer, ServerFactory

DATABASE = "copy_clients"
CREATE = "CREATE TABLE cpu (host VARCHAR(20) PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, n INT)"
INSERT = "INSERT INTO cpu VALUES ('a', 0, 1), ('b', 1000, NULL), ('č', 2000, 3)"

pytestmark = pytest.mark.slow


@pytest.fixture
def house(server: RunningServer) -> Iterator[RunningServer]:
    """The shared server with a database of its own that holds one table."""
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {DATABASE}")
        connection.execute(f"SET search_path = {DATABASE}")
        connection.execute(CREATE)
        connection.execute(INSERT)
        yield server
        connection.execute(f"DROP SCHEMA {DATABASE} CASCADE")


def client(*command: str) -> tuple[str, str]:
    """Standard output and error of a client's program."""
    program = shutil.which(command[0])
    assert program is not None, f"{command[0]} is missing"
    done = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, timeout=300, check=False
    )
    return done.stdout, done.stderr


def psql(server: RunningServer, sql: str) -> tuple[str, str]:
    dsn = server.postgres_dsn(database=DATABASE)
    return client("psql", "-X", "-d", dsn, "-c", sql)


def mariadb(server: RunningServer, sql: str) -> tuple[str, str]:
    port = str(server.port("mysql"))
    where = ["-h", "127.0.0.1", "-P", port, "-u", "gnomon", "--skip-ssl", "-vvv", DATABASE]
    return client("mariadb", *where, "-e", sql)


def http(server: RunningServer, sql: str) -> tuple[str, str]:
    body = urllib.parse.urlencode({"sql": sql, "db": DATABASE}).encode()
    request = urllib.request.Request(f"{server.http_url}/v1/sql", body)
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode(), ""


ASK: dict[str, tuple[Callable[[RunningServer, str], tuple[str, str]], str]] = {
    "psql": (psql, "COPY 3"),
    "mariadb": (mariadb, "Query OK, 3 rows affected"),
    "http": (http, '"affectedrows":3'),
}


@pytest.mark.parametrize("name", ASK)
def test_clients_are_told_the_number_of_rows(house: RunningServer, name: str) -> None:
    ask, expected = ASK[name]
    path = f"{DATABASE}/{name}.csv"
    shown, problem = ask(house, f"COPY cpu TO '{path}' WITH (FORMAT = 'csv', HEADERS = 'true')")
    assert (expected in shown, problem) == (True, "")
    text = (house.data / "copy" / path).read_text(encoding="utf-8")
    assert text.splitlines()[0] == "host,ts,n"
    shown, problem = ask(house, f"COPY cpu FROM '{path}' WITH (FORMAT = 'csv')")
    assert (expected in shown, problem) == (True, "")


def test_clients_are_told_what_went_wrong(house: RunningServer) -> None:
    _, problem = psql(house, "COPY cpu FROM 'nowhere.csv'")
    assert problem == 'ERROR:  could not read "nowhere.csv": no such file or directory\n'
    _, problem = mariadb(house, "COPY cpu FROM 'nowhere.csv'")
    assert "ERROR 29 (HY000)" in problem
    assert 'could not read "nowhere.csv"' in problem


def test_files_of_the_server_and_of_the_client_are_alike(
    house: RunningServer, tmp_path: Path
) -> None:
    """What psql's \\copy writes, the server reads, and the other way round."""
    mine = tmp_path / "mine.csv"
    shown, _ = psql(house, f"\\copy cpu TO '{mine}' (FORMAT csv, HEADER)")
    assert shown == "COPY 3\n"
    theirs = house.data / "copy" / DATABASE / "theirs.csv"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(mine.read_bytes())
    read = f"COPY cpu FROM '{DATABASE}/theirs.csv' (FORMAT csv, HEADER)"
    assert psql(house, read) == ("COPY 3\n", "")
    assert psql(house, f"COPY cpu TO '{theirs}' (FORMAT csv, HEADER)") == ("COPY 3\n", "")
    assert psql(house, f"\\copy cpu FROM '{theirs}' (FORMAT csv, HEADER)") == ("COPY 3\n", "")
    shown, _ = psql(house, "SELECT count(*) FROM cpu")
    assert "3" in shown.splitlines()[2]


def test_a_user_who_may_only_read_writes_no_file(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text("reader:ro=secret\nwriter:rw=secret\n")
    server = server_factory.start("--users", str(users))
    dsn = server.postgres_dsn(user="reader") + " password=secret"
    with psycopg.connect(dsn, autocommit=True) as connection:
        for sql in ("COPY (SELECT 1) TO 'x.csv'", "COPY DATABASE public TO 'x/'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert not (server.data / "copy").exists()


def test_the_directory_for_copy_is_the_operator_s_choice(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    server = server_factory.start("--copy-root", str(elsewhere))
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("COPY (SELECT 1 AS a) TO 'x.json'")
    assert json.loads((elsewhere / "x.json").read_text()) == {"a": 1}
