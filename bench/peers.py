"""Starts the servers that the measurements compare: ours, PostgreSQL 15, MariaDB, and databases
of metrics (VictoriaMetrics, Prometheus, InfluxDB).

Called by the other modules of bench/ and by hand-run checks. Each server lives in a scratch
directory with its default configuration (fsync on) and is stopped, by its own process id, when its
`with` block ends.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pymysql

from bench.launch import Gnomon, free_port

START_SECONDS = 180
WARM_SECONDS = 600
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
MARIADB_SERVER = Path("/usr/sbin/mariadbd")
VICTORIA_METRICS = Path("/usr/bin/victoria-metrics")
PROMETHEUS = Path("/usr/bin/prometheus")
INFLUXD = Path("/usr/bin/influxd")
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
    directory: Path | None = None  # where its files are, if that matters

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
            ports = (process.postgres, process.mysql, process.http)
            yield Server("gnomon", VERSION, process.pid, *ports, directory=home)
        finally:
            process.stop()


def until_warm(ours: Server) -> None:
    """Waits until our server has its kernels: before that, it answers nothing at once."""
    deadline = time.monotonic() + WARM_SECONDS
    while not _status(ours.http)["kernels_ready"]:
        assert time.monotonic() < deadline, "the kernels are not ready"
        time.sleep(0.1)  # asked over HTTP as a load balancer would: there is no answer to wait for


def _status(port: int) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status") as answer:
        found: dict[str, object] = json.load(answer)
    return found


@contextlib.contextmanager
def postgresql(extra: tuple[str, ...] = ()) -> Iterator[Server]:
    """PostgreSQL 15 as Debian ships it, with `extra` arguments. Raises: MissingPeerError."""
    if not (POSTGRES_BIN / "initdb").exists():
        raise MissingPeerError("PostgreSQL 15 is not here: apt-get install postgresql")
    owner = "postgres" if os.getuid() == 0 else None
    with _directory(None, owner) as home:
        initdb = [str(POSTGRES_BIN / "initdb"), "-D", str(home / "data"), "-U", "gnomon"]
        _run([*initdb, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"], owner)
        port = free_port()  # just before it is taken
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
    with _directory(None, owner) as home:
        data, sock = home / "data", home / "socket"
        install = ["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={data}"]
        _run([*install, "--auth-root-authentication-method=normal", "--skip-test-db"], owner)
        port = free_port()
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
def victoria_metrics() -> Iterator[Server]:
    """VictoriaMetrics as Debian ships it. Raises: MissingPeerError."""
    port = free_port()
    with _directory(None, None) as home:
        options = [f"-storageDataPath={home / 'data'}", f"-httpListenAddr=127.0.0.1:{port}"]
        options += ["-retentionPeriod=100y", "-search.latencyOffset=0"]
        options += ["-search.maxUniqueTimeseries=10000000", "-search.maxSeries=10000000"]
        with _of_metrics("victoria-metrics", VICTORIA_METRICS, options, home, port) as server:
            yield server


@contextlib.contextmanager
def prometheus() -> Iterator[Server]:
    """Prometheus as Debian ships it, taking remote writes. Raises: MissingPeerError."""
    port = free_port()
    with _directory(None, None) as home:
        # Several senders are not always equally quick.
        tsdb = "storage: {tsdb: {out_of_order_time_window: 12h}}\n"
        (home / "prometheus.yml").write_text(tsdb)
        options = [f"--config.file={home / 'prometheus.yml'}", "--web.enable-remote-write-receiver"]
        options += [f"--storage.tsdb.path={home / 'data'}", "--query.max-samples=1000000000"]
        options += [f"--web.listen-address=127.0.0.1:{port}"]
        with _of_metrics("prometheus", PROMETHEUS, options, home, port) as server:
            yield server


@contextlib.contextmanager
def influxdb() -> Iterator[Server]:
    """InfluxDB 1 as Debian ships it, without its limit of series. Raises: MissingPeerError."""
    port = free_port()
    with _directory(None, None) as home:
        config = f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{free_port()}"
            [meta]
              dir = "{home / "meta"}"
            [data]
              dir = "{home / "data"}"
              wal-dir = "{home / "wal"}"
              max-series-per-database = 0
              max-values-per-tag = 0
              index-version = "tsi1"
            [http]
              bind-address = "127.0.0.1:{port}"
              log-enabled = false
              max-body-size = 0
            """
        (home / "influx.conf").write_text(config)
        options = ["-config", str(home / "influx.conf")]
        with _of_metrics("influxdb", INFLUXD, options, home, port) as server:
            yield server


@contextlib.contextmanager
def _of_metrics(
    name: str, program: Path, options: list[str], home: Path, port: int
) -> Iterator[Server]:
    if not program.exists():
        raise MissingPeerError(f"{name} is not here: apt-get install {name}")
    process = _launch([str(program), *options], home / "log", home)
    with _running(process, lambda: _answers(port), home / "log"):
        yield Server(name, _version(program), process.pid, http=port, directory=home)


def _answers(port: int) -> None:
    """Raises: OSError if the server does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/-/ready")
        if connection.getresponse().status >= 500:
            raise ConnectionError("not ready")


def _version(program: Path) -> str:
    """What the package manager says."""
    command = ["dpkg-query", "-W", "-f", "${Version}", program.name.replace("influxd", "influxdb")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


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
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-500:]}")


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
        except (psycopg.Error, pymysql.err.MySQLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
                raise RuntimeError(f"server did not start: {error}\n{tail}") from error
            time.sleep(0.05)  # other makers' servers have no common way to say they are ready
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
