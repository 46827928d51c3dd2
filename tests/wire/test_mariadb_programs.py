"""MariaDB's command-line programs at their defaults: admin, show, check, slap, the client."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pymysql
import pytest
from fix_programs import needs
from fix_server import RunningServer

DATABASE = "wire_programs"
PROGRAMS = ("mariadb-admin", "mariadb-show", "mariadb-check", "mariadb-slap", "mariadb")

pytestmark = [pytest.mark.slow, needs(*PROGRAMS, package="mariadb-client")]


@pytest.fixture(scope="module")
def where(server: RunningServer) -> Iterator[list[str]]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        cursor = made.cursor()
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        cursor.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(9))")
        cursor.execute("INSERT INTO t (a) VALUES ('x'), (NULL)")
        yield ["-h127.0.0.1", f"-P{server.port('mysql')}", "-ugnomon", "--skip-ssl"]
        cursor.execute(f"DROP DATABASE {DATABASE}")


def run(where: list[str], line: str, text: str | None = None) -> str:
    program, *arguments = line.split()
    done = subprocess.run(
        [program, "--no-defaults", *where, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_admin(where: list[str]) -> None:
    assert "mysqld is alive" in run(where, "mariadb-admin ping")
    assert "Threads: " in run(where, "mariadb-admin status")
    assert "Server version" in run(where, "mariadb-admin version")
    assert "SHOW FULL PROCESSLIST" in run(where, "mariadb-admin -v processlist").upper()
    assert "max_allowed_packet" in run(where, "mariadb-admin variables")
    run(where, "mariadb-admin refresh")


def test_show(where: list[str]) -> None:
    assert DATABASE in run(where, "mariadb-show")
    assert "| t " in run(where, f"mariadb-show --count {DATABASE}")
    assert "PRIMARY" in run(where, f"mariadb-show -k {DATABASE} t")


def test_check(where: list[str]) -> None:
    for flag in ("--check", "--analyze", "--optimize", "--repair"):
        assert f"{DATABASE}.t" in run(where, f"mariadb-check {flag} {DATABASE}")


def test_slap(where: list[str]) -> None:
    load = "--auto-generate-sql --auto-generate-sql-load-type=mixed --number-of-queries=20"
    assert "queries per client: 10" in run(where, f"mariadb-slap {load} --concurrency=2")


def test_client(where: list[str]) -> None:
    query = "select * from t order by id"
    assert run(where, f"mariadb --batch {DATABASE}", query) == "id\ta\n1\tx\n2\tNULL\n"
    assert '<field name="a">x</field>' in run(where, f"mariadb --xml {DATABASE}", query)
    assert "<TH>id</TH>" in run(where, f"mariadb --html {DATABASE}", query)
    commands = "delimiter //\nselect 1 as one//\ndelimiter ;\nstatus;\nselect 2 as two\\G\n"
    told = run(where, f"mariadb {DATABASE}", commands)
    assert "one\n1\n" in told
    assert "Server version" in told
    assert "two: 2" in told
