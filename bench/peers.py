"""Starts the servers that the measurements compare: ours, PostgreSQL 15 and MariaDB.

Called by the other modules of bench/ and by hand-run checks. Each server lives in a scratch
directory with its default configuration (fsync on) and is stopped, by its own process id, when its
`with` block ends.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pymysql

from bench.launch import Gnomon, free_port

START_SECONDS = 60
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
MARIADB_SERVER = Path("/usr/sbin/mariadbd")
VERSION = "working tree"


class MissingPeerError(Exception):
    """A package that a measurement needs is not installed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ports it does not have are 0."""

    name: str
    version: str
    pid: int
    postgres: int = 0
    mysql: int = 0
    http: int = 0
    user: str = "gnomon"
    database: str = "public"

    def psycopg(self, **options: object) -> psycopg.Connection:
        """An autocommit PostgreSQL connection."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.postgres,
            user=self.user,
            dbname=self.database,
            autocommit=True,
            **options,  # type: ignore[arg-type]
        )

    def pymysql(self, **options: object) -> pymysql.Connection:
        """An autocommit MySQL connection."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.mysql,
            user=self.user,
            database=self.database,
            autocommit=True,
            **options,  # type: ignore[arg-type]
        )

    @property
    def dsn(self) -> str:
        """For asyncpg and psql."""
        return f"postgresql://{self.user}@127.0.0.1:{self.postgres}/{self.database}"


@contextlib.contextmanager
def gnomon(directory: Path | None = None, extra: tuple[str, ...] = ()) -> Iterator[Server]:
    """Our server on a scratch directory (or a given one, which stays)."""
    with _directory(directory, None) as home:
        process = Gnomon(home / "data", home / "log", extra)
        process.start()
        try:
            yield Server(
                "gnomon", VERSION, process.pid, process.postgres, process.mysql, process.http
            )
        finally:
            process.stop()


@contextlib.contextmanager
def postgresql(extra: tuple[str, ...] = ()) -> Iterator[Server]:
    """PostgreSQL 15 as Debian ships it, with `extra` arguments. Raises: MissingPeerError."""
    if not (POSTGRES_BIN / "initdb").exists():
        raise MissingPeerError("PostgreSQL 15 is not here: apt-get install postgresql")
    owner = "postgres" if os.getuid() == 0 else None
    port = free_port()
    with _directory(None, owner) as home:
        initdb = [str(POSTGRES_BIN / "initdb"), "-D", str(home / "data"), "-U", "gnomon"]
        _run([*initdb, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"], owner)
        command = [str(POSTGRES_BIN / "postgres"), "-D", str(home / "data"), "-p", str(port)]
        command += ["-k", str(home), "-h", "127.0.0.1", *extra]
        process = _launch(command, home / "log", Path("/"), owner)
        server = Server("postgresql", "", process.pid, port, database="postgres")
        with _running(process, lambda: _postgres_version(server), home / "log", signal.SIGINT):
            version = _postgres_version(server)
            yield Server("postgresql", version, process.pid, port, database="postgres")


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """MariaDB 10.11 as Debian ships it. Raises: MissingPeerError."""
    if not MARIADB_SERVER.exists():
        raise MissingPeerError("MariaDB is not here: apt-get install mariadb-server")
    owner = "mysql" if os.getuid() == 0 else None
    port = free_port()
    with _directory(None, owner) as home:
        data, sock = home / "data", home / "socket"
        install = ["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={data}"]
        _run([*install, "--auth-root-authentication-method=normal", "--skip-test-db"], owner)
        command = [str(MARIADB_SERVER), "--no-defaults", f"--datadir={data}", f"--port={port}"]
        command += [f"--socket={sock}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        command += [f"--pid-file={home / 'pid'}", "--character-set-server=utf8mb4"]
        process = _launch(command, home / "log", Path("/"), owner)
        server = Server("mariadb", "", process.pid, 0, port, user="root", database="")
        with _running(process, lambda: _mysql_version(server), home / "log"):
            version = _mysql_version(server)
            with server.pymysql() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE bench")
            yield Server("mariadb", version, process.pid, 0, port, user="root", database="bench")


@contextlib.contextmanager
def _directory(given: Path | None, owner: str | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    path = Path(tempfile.mkdtemp(prefix="gnomon-bench-"))
    home = path / "home"
    home.mkdir()
    try:
        if owner is not None:
            entry = pwd.getpwnam(owner)
            path.chmod(0o755)
            os.chown(home, entry.pw_uid, entry.pw_gid)
        yield home
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _run(command: list[str], owner: str | None) -> None:
    done = subprocess.run(command, user=owner, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPeerError(f"{command[0]} failed: {done.stderr[-500:]}")


def _launch(
    command: list[str], log: Path, where: Path, owner: str | None = None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=output, cwd=where, user=owner, start_new_session=True
        )


@contextlib.contextmanager
def _running(
    process: subprocess.Popen[bytes],
    ready: Callable[[], object],
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    try:
        _wait_ready(process, ready, log)
        yield
    finally:
        if process.poll() is None:
            process.send_signal(stop)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(process: subprocess.Popen[bytes], ready: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except (psycopg.Error, pymysql.err.MySQLError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
                raise MissingPeerError(f"server did not start: {error}\n{tail}") from error
            time.sleep(0.05)  # a peer tells nobody when it is ready: it is asked again
        else:
            return


def _postgres_version(server: Server) -> str:
    with server.psycopg() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0])


def _mysql_version(server: Server) -> str:
    with server.pymysql() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])
