"""How fast rows become durable: VALUES lists and COPY over two connections, beside the peers.

    python -m bench insert

Every server runs with its defaults: an acknowledged row survives a power cut.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from bench import data, peers
from bench.clients import together
from bench.peers import Server
from bench.report import Figure, interleaved

CONNECTIONS = 2
HOSTS = 100


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions. `rows` per connection by COPY, a fifth of it by VALUES."""
    with peers.gnomon() as ours, peers.postgresql() as postgres, peers.mariadb() as maria:
        few = rows // 5
        figures = [
            _figure("VALUES, 1000 rows each, psycopg", psycopg_values, ours, postgres, few, times),
            _figure("VALUES, 1000 rows each, PyMySQL", pymysql_values, ours, maria, few, times),
        ]
        for form in ("text", "csv", "binary"):
            name = f"COPY FROM STDIN, {form}"
            figures.append(_figure(name, copy_job(form), ours, postgres, rows, times))
        versions = [f"{s.name} {s.version}" for s in (postgres, maria)]
    return figures, versions


def _figure(
    name: str, job: Callable[..., Any], ours: Server, peer: Server, rows: int, times: int
) -> Figure:
    found = interleaved(
        {
            "ours": lambda: _rate(ours, job, rows),
            "peer": lambda: _rate(peer, job, rows),
        },
        times,
        warm_up=False,
    )
    label = "PostgreSQL" if peer.postgres else "MariaDB"
    return Figure(name, "rows/s", found["ours"], found["peer"], label, note="12 columns")


def _rate(server: Server, job: Callable[..., Any], rows: int) -> float:
    _execute(server, "DROP TABLE IF EXISTS cpu")
    _execute(server, data.ddl(server.name, "cpu"))
    arguments = [(server, rows, number * rows) for number in range(CONNECTIONS)]
    took, counts = together(job, arguments)
    assert sum(counts) == rows * CONNECTIONS, counts
    return sum(counts) / took


def _execute(server: Server, sql: str) -> None:
    if server.postgres:
        with server.psycopg() as connection:
            connection.execute(sql.encode())
        return
    with server.pymysql() as mysql, mysql.cursor() as cursor:
        cursor.execute(sql)


def psycopg_values(server: Server, rows: int, first: int) -> Generator[int | None, None, None]:
    """INSERT ... VALUES by psycopg, autocommit."""
    batches = list(data.statements(data.rows(rows, HOSTS, first), "cpu"))
    with server.psycopg() as connection:
        yield None
        done = 0
        for sql in batches:
            done += connection.execute(sql).rowcount
        yield done


def pymysql_values(server: Server, rows: int, first: int) -> Generator[int | None, None, None]:
    """INSERT ... VALUES by PyMySQL, autocommit."""
    batches = [sql.decode() for sql in data.statements(data.rows(rows, HOSTS, first), "cpu")]
    with server.pymysql() as connection, connection.cursor() as cursor:
        yield None
        done = 0
        for sql in batches:
            done += cursor.execute(sql)
        yield done


def copy_job(form: str) -> Callable[..., Any]:
    """COPY in one format."""
    return {"text": copy_text, "csv": copy_csv, "binary": copy_binary}[form]


def copy_text(server: Server, rows: int, first: int) -> Generator[int | None, None, None]:
    """COPY ... (FORMAT text)."""
    yield from _copy(server, "text", data.csv_chunks(data.rows(rows, HOSTS, first), "\t"))


def copy_csv(server: Server, rows: int, first: int) -> Generator[int | None, None, None]:
    """COPY ... (FORMAT csv)."""
    yield from _copy(server, "csv", data.csv_chunks(data.rows(rows, HOSTS, first)))


def copy_binary(server: Server, rows: int, first: int) -> Generator[int | None, None, None]:
    """COPY ... (FORMAT binary)."""
    yield from _copy(server, "binary", data.binary_chunks(data.rows(rows, HOSTS, first)))


def _copy(server: Server, form: str, chunks: list[bytes]) -> Generator[int | None, None, None]:
    with server.psycopg() as connection, connection.cursor() as cursor:
        yield None
        with cursor.copy(f"COPY cpu FROM STDIN (FORMAT {form})".encode()) as copy:
            for chunk in chunks:
                copy.write(chunk)
        yield cursor.rowcount
