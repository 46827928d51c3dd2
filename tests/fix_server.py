"""A real server as a fixture: `gnomon serve` in a process of its own, on free ports.

`server` is shared by a whole run; `server_factory` starts servers that a test stops, kills and
starts again on the same directory. A failed test's report shows the end of its servers' logs.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
READY_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 120.0
LOG_LINES_SHOWN = 60


class RunningServer:
    """A server process from its ready line on."""

    def __init__(self, data: Path, *flags: str, environment: dict[str, str] | None = None) -> None:
        """Raises: ServerError when it exits or says nothing in time."""
        self.data = data
        self.log_path = data.with_name(data.name + ".log")
        self._log = self.log_path.open("ab")
        listen = ["--http", "127.0.0.1:0", "--mysql", "127.0.0.1:0", "--postgres", "127.0.0.1:0"]
        clean = {name: value for name, value in os.environ.items() if "GNOMON_" not in name}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.main", "serve", "--data", str(data), *listen, *flags],
            cwd=ROOT,
            env=clean | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            self.ready_line = self._first_line()
        except BaseException:
            self.kill()
            raise
        self.addresses = dict(re.findall(r"(http|mysql|postgres)=(\S+)", self.ready_line))

    def _first_line(self) -> str:
        """The ready line. A thread reads, because a pipe's readline has no time limit."""
        lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        reader = threading.Thread(target=lambda: lines.put(self.process.stdout.readline()))
        reader.start()
        try:
            line = lines.get(timeout=READY_SECONDS_MAX)
        except queue.Empty:
            self.process.kill()
            line = ""
        reader.join()
        if not line.startswith("gnomon ready "):
            code = self.process.wait()
            raise ServerError(f"no ready line but {line!r}, exit code {code}\n{self.log()}", code)
        return line

    def port(self, wire: str) -> int:
        """The port of `http`, `mysql` or `postgres`."""
        return int(self.addresses[wire].rpartition(":")[2])

    @property
    def http_url(self) -> str:
        """The root of the HTTP interface, without a slash at the end."""
        return f"http://127.0.0.1:{self.port('http')}"

    def postgres_dsn(self, user: str = "gnomon", database: str = "public") -> str:
        """For psycopg and psycopg2."""
        return f"host=127.0.0.1 port={self.port('postgres')} user={user} dbname={database}"

    def mysql_args(self, user: str = "gnomon", database: str | None = "public") -> dict[str, Any]:
        """For pymysql and mysql.connector."""
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self.port("mysql"), "user": user}
        return where | ({"database": database} if database else {})

    def log(self) -> str:
        """The end of what it has logged."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to stop, waits; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"it did not stop\n{self.log()}", None) from None
        self._close()
        return code

    def kill(self) -> None:
        """kill -9: nothing is flushed."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()


class ServerError(AssertionError):
    """The server did not do what every test relies on."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class ServerFactory:
    """Starts servers; whatever still runs at the end of the test is stopped."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.started: list[RunningServer] = []

    def start(
        self,
        *flags: str,
        data: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> RunningServer:
        """A server on `data`, by default the test's own directory (the same at every call)."""
        where = data or self._directory / "data"
        server = RunningServer(where, *flags, environment=environment)
        self.started.append(server)
        return server

    def close(self) -> None:
        for server in self.started:
            if server.process.poll() is None:
                server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The server that most tests share; each test uses tables or databases of its own."""
    running = RunningServer(tmp_path_factory.mktemp("server") / "data")
    yield running
    running.stop()


@pytest.fixture
def server_factory(tmp_path: Path) -> Iterator[ServerFactory]:
    """For tests that start, stop, kill and restart servers themselves."""
    factory = ServerFactory(tmp_path)
    yield factory
    factory.close()


@pytest.fixture
def postgres_dsn(server: RunningServer) -> str:
    """The shared server's PostgreSQL address."""
    return server.postgres_dsn()


@pytest.fixture
def mysql_args(server: RunningServer) -> dict[str, Any]:
    """The shared server's MySQL address."""
    return server.mysql_args()


@pytest.fixture
def http_url(server: RunningServer) -> str:
    """The shared server's HTTP address."""
    return server.http_url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Adds the logs of the servers a failed test used."""
    report: pytest.TestReport = yield
    if report.failed:
        arguments: dict[str, Any] = getattr(item, "funcargs", {})
        used = [arguments["server"]] if "server" in arguments else []
        factory = arguments.get("server_factory")
        used += factory.started if isinstance(factory, ServerFactory) else []
        for running in used:
            report.sections.append((f"log of server {running.process.pid}", running.log()))
    return report
