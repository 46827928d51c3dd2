"""Java programs through pgjdbc and MariaDB Connector/J; the programs are in java/.

Each prints "ok NAME" or "FAIL NAME: where: why" for every check. The drivers are Debian's packages.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fix_programs import needs
from fix_server import ServerFactory

SOURCES = Path(__file__).parent / "java"
PGJDBC = Path("/usr/share/java/postgresql.jar")
MARIADB = Path("/usr/share/java/mariadb-java-client.jar")
SECONDS_MAX = 120

pytestmark = [pytest.mark.slow, needs("javac", "java", package="default-jdk-headless")]


def run(tmp_path: Path, driver: Path, main: str, others: list[str], url: str) -> list[str]:
    """Compiles and runs a program; the lines it printed."""
    files = [str(SOURCES / f"{name}.java") for name in (main, "Checks", *others)]
    steps = (
        ["javac", "-cp", str(driver), "-d", str(tmp_path), *files],
        ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{driver}:{tmp_path}", main, url],
    )
    for step in steps:
        done = subprocess.run(
            step, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def check(lines: list[str], count: int) -> None:
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) == count


@needs(PGJDBC, package="libpostgresql-jdbc-java")
def test_pgjdbc(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory.start()
    url = f"jdbc:postgresql://127.0.0.1:{server.port('postgres')}/public?user=root"
    check(run(tmp_path, PGJDBC, "PgJdbc", ["PgMetadata"], url), 21)


@needs(MARIADB, package="libmariadb-java")
def test_mariadb_connector_j(server_factory: ServerFactory, tmp_path: Path) -> None:
    server = server_factory.start()
    url = f"jdbc:mariadb://127.0.0.1:{server.port('mysql')}/public?user=root"
    check(run(tmp_path, MARIADB, "MariaJdbc", [], url), 19)
