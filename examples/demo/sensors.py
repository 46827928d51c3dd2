"""Reads this machine's own metrics and writes them as time series over both wires.

CPU and memory go through asyncpg (PostgreSQL, prepared, binary), disk and network through PyMySQL.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import psutil
import pymysql

from examples.demo.shell import DATABASE, Addresses

INTERVAL_SECONDS = 0.2

TABLES = """
CREATE TABLE cpu (
  host STRING, core STRING, ts TIMESTAMP(3), busy DOUBLE, load1 DOUBLE,
  TIME INDEX (ts), PRIMARY KEY (host, core)
);
CREATE TABLE memory (
  host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, used BIGINT, available BIGINT, percent DOUBLE
);
CREATE TABLE disk (
  host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, read_bytes BIGINT, write_bytes BIGINT
);
CREATE TABLE network (
  host STRING, nic STRING, ts TIMESTAMP(3), sent BIGINT, received BIGINT,
  TIME INDEX (ts), PRIMARY KEY (host, nic)
);
"""


@dataclass
class Samples:
    """What was read, as rows in the order of each table's columns; times are naive UTC."""

    cpu: list[tuple[Any, ...]] = field(default_factory=list)
    memory: list[tuple[Any, ...]] = field(default_factory=list)
    disk: list[tuple[Any, ...]] = field(default_factory=list)
    network: list[tuple[Any, ...]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Rows per table."""
        tables = ("cpu", "memory", "disk", "network")
        return {table: len(getattr(self, table)) for table in tables}


def sample(seconds: float) -> Samples:
    """Reads the machine's sensors every 200 ms for some seconds."""
    samples, host = Samples(), socket.gethostname()
    psutil.cpu_percent(percpu=True)  # the first reading has nothing to compare with
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(INTERVAL_SECONDS)  # sensors are read at this interval: the time passes by design
        _read(samples, host, time.time_ns() // 1_000_000)
    return samples


def _read(samples: Samples, host: str, now_ms: int) -> None:
    now = datetime.fromtimestamp(now_ms // 1000, UTC).replace(
        microsecond=now_ms % 1000 * 1000, tzinfo=None
    )
    load = psutil.getloadavg()[0]
    for core, busy in enumerate(psutil.cpu_percent(percpu=True)):
        samples.cpu.append((host, f"core{core}", now, busy, load))
    memory = psutil.virtual_memory()
    samples.memory.append((host, now, memory.used, memory.available, memory.percent))
    disk = psutil.disk_io_counters()
    if disk is not None:  # some containers show no disk
        samples.disk.append((host, now, disk.read_bytes, disk.write_bytes))
    for nic, counters in psutil.net_io_counters(pernic=True).items():
        samples.network.append((host, nic, now, counters.bytes_sent, counters.bytes_recv))


def write(samples: Samples, to: Addresses) -> None:
    """Writes everything; every row is durable when this returns."""
    asyncio.run(_write_postgres(samples, to))
    _write_mysql(samples, to)


async def _write_postgres(samples: Samples, to: Addresses) -> None:
    host, port = to.postgres
    connection = await asyncpg.connect(host=host, port=port, user="gnomon", database=DATABASE)
    try:
        await connection.executemany("INSERT INTO cpu VALUES ($1, $2, $3, $4, $5)", samples.cpu)
        await connection.executemany(
            "INSERT INTO memory VALUES ($1, $2, $3, $4, $5)", samples.memory
        )
    finally:
        await connection.close()


def _write_mysql(samples: Samples, to: Addresses) -> None:
    host, port = to.mysql
    with (
        pymysql.connect(
            host=host, port=port, user="gnomon", database=DATABASE, autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        if samples.disk:
            cursor.executemany("INSERT INTO disk VALUES (%s, %s, %s, %s)", samples.disk)
        cursor.executemany("INSERT INTO network VALUES (%s, %s, %s, %s, %s)", samples.network)
