"""Rows by key, as pgbench asks for them, and a hundred rows of one series: one client and four.

python -m bench lookups
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

import asyncpg

from bench import data, peers
from bench.clients import together
from bench.peers import Server
from bench.point import HOSTS, load
from bench.report import Figure, interleaved

ACCOUNTS = 100_000
ROWS = 100
SECONDS = 2.0
_ACCOUNT = "SELECT balance FROM accounts WHERE id = {}"
_SAMPLE = "SELECT usage_0 FROM cpu WHERE host = {} AND ts = {}"
_RANGE = "SELECT ts, usage_0, usage_1 FROM cpu WHERE host = {} AND ts >= {} AND ts < {} ORDER BY ts"
# Name: the query, and the arguments of one question about that many rows.
Question = tuple[str, Callable[[random.Random, int], tuple[object, ...]]]


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions. `rows` is the size of the table of series."""
    with peers.gnomon() as ours, peers.postgresql() as postgres:
        for server in (ours, postgres):
            load(server, rows)
            _load_accounts(server)
        peers.until_warm(ours)
        figures = [
            _rate(f"{what}, {way}, {clients}", (way, what, rows), clients, ours, postgres, times)
            for what in QUESTIONS
            for way in ("psycopg", "asyncpg")
            for clients in (1, 4)
        ]
        return figures, [f"{postgres.name} {postgres.version}"]


def _load_accounts(server: Server) -> None:
    with server.psycopg() as connection:
        connection.execute("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT, filler TEXT)")
        connection.execute(
            "INSERT INTO accounts SELECT i, i * 7 % 1000, repeat('x', 84) "
            f"FROM generate_series(0, {ACCOUNTS - 1}) AS g(i)".encode()
        )


def _rate(
    name: str,
    way: tuple[str, str, int],
    clients: int,
    ours: Server,
    peer: Server,
    times: int,
) -> Figure:
    def once(server: Server) -> float:
        took, counts = together(job, [(server, *way, number) for number in range(clients)])
        return float(sum(counts)) / took

    runs = {"ours": lambda: once(ours), "peer": lambda: once(peer)}
    found = interleaved(runs, times, warm_up=False)
    label = f"{name} client{'s' if clients > 1 else ''}"
    return Figure(label, "statements/s", found["ours"], found["peer"], "PostgreSQL")


def job(
    server: Server, way: str, what: str, rows: int, seed: int
) -> Generator[int | None, None, None]:
    """One client that asks one kind of question for some seconds."""
    text, arguments = QUESTIONS[what]
    chance = random.Random(seed)
    made = [arguments(chance, rows) for _ in range(500)]
    if way == "psycopg":
        sql = text.format(*["%s"] * text.count("{}")).encode()
        with server.psycopg() as connection:
            connection.execute(sql, made[0]).fetchall()
            yield None
            count, end = 0, time.monotonic() + SECONDS
            while time.monotonic() < end:
                assert connection.execute(sql, made[count % len(made)]).fetchall()
                count += 1
            yield count
        return
    sql_text = text.format(*[f"${n}" for n in range(1, text.count("{}") + 1)])
    with asyncio.Runner() as runner:
        connected = runner.run(asyncpg.connect(server.dsn))
        runner.run(connected.fetch(sql_text, *made[0]))
        yield None
        yield runner.run(_ask(connected, sql_text, made))
        runner.run(connected.close())


async def _ask(
    connection: asyncpg.Connection, sql: str, arguments: list[tuple[object, ...]]
) -> int:
    count, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert await connection.fetch(sql, *arguments[count % len(arguments)])
        count += 1
    return count


def _account(chance: random.Random, _rows: int) -> tuple[object, ...]:
    return (chance.randrange(ACCOUNTS),)


def _sample(chance: random.Random, rows: int) -> tuple[object, ...]:
    return _host(chance), _moment(chance.randrange(rows // HOSTS))


def _range(chance: random.Random, rows: int) -> tuple[object, ...]:
    first = chance.randrange(rows // HOSTS - ROWS)
    return _host(chance), _moment(first), _moment(first + ROWS)


def _host(chance: random.Random) -> str:
    return f"host_{chance.randrange(HOSTS):04}"


def _moment(step: int) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=data.START_US)
    return (epoch + timedelta(microseconds=step * data.STEP_US)).replace(tzinfo=None)


QUESTIONS: dict[str, Question] = {
    "one account by its primary key": (_ACCOUNT, _account),
    "one sample by host and time": (_SAMPLE, _sample),
    f"{ROWS} samples of one host": (_RANGE, _range),
}
