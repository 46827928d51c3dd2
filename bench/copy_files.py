"""COPY of a table to files and back: speed and the server's memory.

python -m bench copy
"""

from __future__ import annotations

import psutil

from bench import data, peers
from bench.memory import MIB, growth
from bench.report import Figure

OPTIONS = {
    "parquet": "FORMAT = 'parquet'",
    "csv": "FORMAT = 'csv'",
    "csv gzip": "FORMAT = 'csv', COMPRESSION_TYPE = 'gzip'",
    "csv zstd": "FORMAT = 'csv', COMPRESSION_TYPE = 'zstd'",
    "json": "FORMAT = 'json'",
}
HOSTS = 1_000


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures of one run each; `times` matters not, a copy takes long enough."""
    figures = []
    with peers.gnomon() as server, server.psycopg() as connection:
        for name in ("cpu", "target"):
            connection.execute(data.ddl("gnomon", name).encode())
        with connection.cursor().copy("COPY cpu FROM STDIN (FORMAT binary)") as copy:
            for chunk in data.binary_chunks(data.rows(rows, HOSTS)):
                copy.write(chunk)
        connection.execute("ADMIN flush_table('cpu')")
        for name, options in OPTIONS.items():
            file = name.replace(" ", ".")
            for direction, sql in (
                ("TO", f"COPY cpu TO '{file}' WITH ({options})"),
                ("FROM", f"COPY target FROM '{file}' WITH ({options})"),
            ):
                grown, took = growth(server, lambda sql=sql: connection.execute(sql.encode()))
                label = f"COPY {direction} {name}"
                figures.append(Figure(f"{label}: speed", "rows/s", rows / took))
                figures.append(Figure(f"{label}: growth of resident memory", "MiB", grown / MIB))
            connection.execute("TRUNCATE target")
        resident = psutil.Process(server.pid).memory_info().rss
        figures.append(Figure("resident memory at the end", "MiB", resident / MIB))
    return figures, []
