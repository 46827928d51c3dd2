"""A result of ten million rows must not show in the server's memory.

python -m bench memory
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psutil

from bench import data, peers
from bench.clients import Raw
from bench.peers import Server
from bench.report import Figure, seconds

MIB = 2**20
STREAMED = 10_000_000
STORED_COPIES = 10


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures. `rows` are stored and read ten times over in one result."""
    with peers.gnomon() as server:
        _load(server, rows)
        small = "SELECT * FROM cpu LIMIT 100000"
        generated = (
            f"SELECT i, i * 2 AS twice, 'text' AS s FROM generate_series(1, {STREAMED}) t(i)"
        )
        stored = f"SELECT c.* FROM cpu c CROSS JOIN generate_series(1, {STORED_COPIES}) AS n(i)"
        raw = Raw(server, "postgres")
        raw.drain(small)  # caches and pools take their share before we look
        figures = []
        for name, sql, count in (
            ("generated rows of 3 columns", generated, STREAMED),
            ("stored rows of 12 columns", stored, rows * STORED_COPIES),
        ):
            grown, took = growth(server, lambda sql=sql: raw.drain(sql))
            label = f"{count / 1e6:.0f} M {name}"
            figures.append(Figure(f"{label}: growth of resident memory", "MiB", grown / MIB))
            figures.append(Figure(f"{label}: speed, bare socket, text", "rows/s", count / took))
        raw.close()
    return figures, []


def _load(server: Server, rows: int) -> None:
    with server.psycopg() as connection:
        connection.execute(data.ddl("gnomon", "cpu").encode())
        with connection.cursor().copy("COPY cpu FROM STDIN (FORMAT binary)") as copy:
            for chunk in data.binary_chunks(data.rows(rows, 100)):
                copy.write(chunk)
        connection.execute("ADMIN flush_table('cpu')")


def growth(server: Server, work: Callable[[], object]) -> tuple[int, float]:
    """Runs `work`; gives the growth of the server's resident memory in bytes, and the seconds."""
    process, done = psutil.Process(server.pid), threading.Event()
    before = process.memory_info().rss
    highest = [before]

    def watch() -> None:
        while not done.wait(0.05):
            highest[0] = max(highest[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        took = seconds(work)
    finally:
        done.set()
        watcher.join()
    return highest[0] - before, took
