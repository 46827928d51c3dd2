"""Two hundred idle connections beside thirty-two busy ones.

python -m bench connections
"""

from __future__ import annotations

import asyncio
import statistics
import time

import asyncpg
import psutil

from bench import peers
from bench.peers import Server
from bench.report import Figure

IDLE = 200
ACTIVE = 32
SECONDS = 5.0


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions. `rows` says nothing here."""
    # PostgreSQL's default of 100 connections could not take part.
    with peers.gnomon() as ours, peers.postgresql(("-c", "max_connections=300")) as postgres:
        mine, theirs = [], []
        for _ in range(times):
            mine.append(asyncio.run(measure(ours)))
            theirs.append(asyncio.run(measure(postgres)))
        version = f"{postgres.name} {postgres.version}"
    names = (
        ("statements of the busy ones", "statements/s", False),
        ("latency, p50", "ms", True),
        ("latency, p99", "ms", True),
        ("memory per idle connection", "KiB", True),
    )
    return [
        Figure(
            f"{IDLE} idle + {ACTIVE} busy: {name}",
            unit,
            statistics.median(one[at] for one in mine),
            statistics.median(one[at] for one in theirs),
            "PostgreSQL",
            lower,
        )
        for at, (name, unit, lower) in enumerate(names)
    ], [version]


async def measure(server: Server) -> tuple[float, float, float, float]:
    """Returns: statements/s, p50 ms, p99 ms, KiB per idle connection."""
    before = memory(server)
    idle = [await asyncpg.connect(server.dsn) for _ in range(IDLE)]
    grown = memory(server) - before
    active = [await asyncpg.connect(server.dsn) for _ in range(ACTIVE)]
    try:
        latencies: list[float] = []
        end = time.monotonic() + SECONDS
        await asyncio.gather(*(_ask(one, end, latencies) for one in active))
        for one in idle:  # none of them was forgotten
            assert await one.fetchval("SELECT 1") == 1
    finally:
        for one in (*idle, *active):
            await one.close()
    cuts = statistics.quantiles(latencies, n=100)
    return len(latencies) / SECONDS, cuts[49], cuts[98], grown / IDLE / 1024


async def _ask(connection: asyncpg.Connection, end: float, latencies: list[float]) -> None:
    number = 0
    while time.monotonic() < end:
        number += 1
        began = time.perf_counter()
        assert await connection.fetchval("SELECT $1::bigint + 1", number) == number + 1
        latencies.append((time.perf_counter() - began) * 1000)


def memory(server: Server) -> int:
    """Bytes that only this server's processes hold."""
    parent = psutil.Process(server.pid)
    processes = [parent, *parent.children(recursive=True)]
    return sum(int(process.memory_full_info().uss) for process in processes)
