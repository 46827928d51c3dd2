"""Starts a Java program that fetches results through JDBC drivers (java/Fetch.java).

Called by result_path.py. The program stays the same process for all fetches: its first ones warm
the virtual machine. The drivers are Debian's packages.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.peers import MissingPeerError, Server

SOURCE = Path(__file__).parent / "java" / "Fetch.java"
PGJDBC = Path("/usr/share/java/postgresql.jar")
MARIADB = Path("/usr/share/java/mariadb-java-client.jar")


class Fetcher:
    """A running program. Requires: one fetch at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def fetch(self, url: str, size: int, sql: str) -> int:
        """Reads a result, `size` rows at a time (0: at once). Returns: the number of rows."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(f"{url}\t{size}\t{sql}\n")
        requests.flush()
        answer = answers.readline().strip()
        assert answer.isdigit(), "the Java program failed: its message is above"
        return int(answer)


def pgjdbc_url(server: Server) -> str:
    """What pgjdbc connects to."""
    return f"jdbc:postgresql://127.0.0.1:{server.postgres}/{server.database}?user={server.user}"


def connector_url(server: Server) -> str:
    """What MariaDB's Connector/J connects to."""
    return f"jdbc:mariadb://127.0.0.1:{server.mysql}/{server.database}?user={server.user}"


@contextlib.contextmanager
def fetcher() -> Iterator[Fetcher]:
    """The program, compiled now. Raises: MissingPeerError."""
    for driver in (PGJDBC, MARIADB):
        if not driver.exists() or shutil.which("javac") is None:
            raise MissingPeerError(f"{driver.name} and a JDK are needed: see tests/clients")
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as home:
        subprocess.run(["javac", "-d", home, str(SOURCE)], check=True)
        path = f"{home}:{PGJDBC}:{MARIADB}"
        command = ["java", "-Xmx4g", "-XX:+UseSerialGC", "-cp", path, "Fetch"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Fetcher(process)
        finally:
            process.kill()
            process.wait()
