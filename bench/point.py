"""Small questions: SELECT 1 from four clients, and one series' hour out of four million rows.

python -m bench point
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

from bench import data, peers
from bench.clients import Raw, together
from bench.peers import Server
from bench.report import Figure, interleaved

CLIENTS = 4
SECONDS = 3.0
HOSTS = 400
LOAD_ROWS = 400_000
HOUR_US = 3_600_000_000


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions. `rows` is the size of the table of the second question."""
    with peers.gnomon() as ours, peers.postgresql() as postgres, peers.mariadb() as maria:
        figures = [
            _rate("SELECT 1, four bare sockets, PostgreSQL wire", raw_job, ours, postgres, times),
            _rate("SELECT 1, four psycopg, PostgreSQL wire", psycopg_job, ours, postgres, times),
            _rate("SELECT 1, four bare sockets, MySQL wire", raw_mysql_job, ours, maria, times),
            _rate("SELECT 1, four PyMySQL, MySQL wire", pymysql_job, ours, maria, times),
        ]
        for server in (ours, postgres):
            load(server, rows)
        figures += _aggregate(ours, postgres, rows, times)
        versions = [f"{s.name} {s.version}" for s in (postgres, maria)]
    return figures, versions


def _rate(name: str, job: Callable[..., Any], ours: Server, peer: Server, times: int) -> Figure:
    def once(server: Server) -> float:
        took, counts = together(job, [(server,)] * CLIENTS)
        return float(sum(counts)) / took

    runs = {"ours": lambda: once(ours), "peer": lambda: once(peer)}
    found = interleaved(runs, times, warm_up=False)
    label = "PostgreSQL" if peer.postgres else "MariaDB"
    return Figure(name, "statements/s", found["ours"], found["peer"], label)


def raw_job(server: Server, wire: str = "postgres") -> Generator[int | None, None, None]:
    """SELECT 1 with hardly any client."""
    raw = Raw(server, wire)
    request = raw.request("SELECT 1")
    length = raw.measure_answer(request)
    yield None
    yield raw.repeat(request, length, SECONDS)
    raw.close()


def raw_mysql_job(server: Server) -> Generator[int | None, None, None]:
    """The same on MySQL wire."""
    yield from raw_job(server, "mysql")


def psycopg_job(server: Server) -> Generator[int | None, None, None]:
    """SELECT 1 as an application sends it."""
    with server.psycopg() as connection:
        yield None
        yield _repeat(lambda: connection.execute(b"SELECT 1").fetchone())


def pymysql_job(server: Server) -> Generator[int | None, None, None]:
    """SELECT 1 as an application sends it."""
    with server.pymysql() as connection, connection.cursor() as cursor:
        yield None
        yield _repeat(lambda: (cursor.execute("SELECT 1"), cursor.fetchone()))


def _repeat(call: Callable[[], object]) -> int:
    count, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        call()
        count += 1
    return count


def load(server: Server, rows: int) -> None:
    """Fills the table `cpu`; the peer gets an index on (host, ts)."""
    with server.psycopg() as connection:
        connection.execute(data.ddl(server.name, "cpu").encode())
        for first in range(0, rows, LOAD_ROWS):
            table = data.rows(min(LOAD_ROWS, rows - first), HOSTS, first)
            with connection.cursor().copy("COPY cpu FROM STDIN (FORMAT binary)") as copy:
                for chunk in data.binary_chunks(table):
                    copy.write(chunk)
        if server.name == "gnomon":
            connection.execute("ADMIN flush_table('cpu')")
        else:
            connection.execute("CREATE INDEX ON cpu (host, ts)")
            connection.execute("VACUUM (ANALYZE) cpu")


def _aggregate(ours: Server, peer: Server, rows: int, times: int) -> list[Figure]:
    latencies: dict[str, list[float]] = {"ours": [], "peer": []}
    questions = _questions(rows, 100 * times)
    with ours.psycopg() as first, peer.psycopg() as second:
        for sql in questions:
            answers = []
            for name, connection in (("ours", first), ("peer", second)):
                began = time.perf_counter()
                answers.append(connection.execute(sql).fetchall())
                latencies[name].append((time.perf_counter() - began) * 1000)
            assert answers[0] == answers[1], sql
            assert answers[0], "the question found nothing"
    name = f"max per minute, one of {HOSTS} series, one hour of {rows / 1e6:g} M rows"
    figures = []
    for label, at in (("p50", 49), ("p95", 94)):
        mine, theirs = (
            statistics.quantiles(latencies[who][10:], n=100)[at] for who in ("ours", "peer")
        )
        note = "PostgreSQL with an index on (host, ts)"
        figures.append(Figure(f"{name}, {label}", "ms", mine, theirs, "PostgreSQL", True, note))
    return figures


def _questions(rows: int, count: int) -> list[bytes]:
    chance = random.Random(1)
    span = rows // HOSTS * data.STEP_US
    questions = []
    for _ in range(count):
        start = data.START_US + chance.randrange(max(1, span - HOUR_US))
        low, high = (_moment(at) for at in (start, start + HOUR_US))
        questions.append(
            "SELECT date_trunc('minute', ts) AS minute, max(usage_0) FROM cpu "
            f"WHERE host = 'host_{chance.randrange(HOSTS):04}' AND ts >= '{low}' AND ts < '{high}' "
            "GROUP BY date_trunc('minute', ts) ORDER BY minute".encode()
        )
    return questions


def _moment(at_us: int) -> str:
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at_us // 1_000_000))
    return f"{text}.{at_us % 1_000_000:06}"
