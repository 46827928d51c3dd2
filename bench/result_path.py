"""How fast a million rows of ten columns reach real drivers, beside PostgreSQL and MariaDB.

python -m bench result_path
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from bench import data, peers
from bench.clients import Raw
from bench.peers import Server
from bench.report import Figure, interleaved, seconds

COLUMNS = ", ".join(data.COLUMNS[:10])
MYSQL_SHARE = 5  # PyMySQL decodes in Python: it gets a fifth of the rows


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and the versions of the servers."""
    table = data.rows(rows, hosts=100)
    with peers.gnomon() as ours, peers.postgresql() as postgres, peers.mariadb() as maria:
        _load_by_copy(ours, table)
        _load_by_copy(postgres, table)
        _load_mariadb(maria, table.slice(0, rows // MYSQL_SHARE))
        figures = [
            _postgres_figure(name, how, ours, postgres, rows, times)
            for name, how in POSTGRES_WAYS.items()
        ]
        figures += [
            _mysql_figure(name, how, ours, maria, rows // MYSQL_SHARE, times)
            for name, how in MYSQL_WAYS.items()
        ]
        versions = [f"{s.name} {s.version}" for s in (postgres, maria)]
    return figures, versions


def _load_by_copy(server: Server, table: Any) -> None:
    with server.psycopg() as connection:
        connection.execute(data.ddl(server.name, "cpu").encode())
        with connection.cursor().copy("COPY cpu FROM STDIN (FORMAT csv)") as copy:
            for chunk in data.csv_chunks(table):
                copy.write(chunk)
        if server.name == "gnomon":
            connection.execute("ADMIN flush_table('cpu')")
        else:
            connection.execute("VACUUM (ANALYZE) cpu")


def _load_mariadb(server: Server, table: Any) -> None:
    with server.pymysql() as connection, connection.cursor() as cursor:
        cursor.execute(data.ddl(server.name, "cpu"))
        for statement in data.statements(table, "cpu"):
            cursor.execute(statement.decode())


def _postgres_figure(
    name: str, how: Callable[[Server, str], None], ours: Server, peer: Server, rows: int, times: int
) -> Figure:
    sql = f"SELECT {COLUMNS} FROM cpu"
    found = interleaved(
        {
            "ours": lambda: seconds(lambda: how(ours, sql)),
            "peer": lambda: seconds(lambda: how(peer, sql)),
        },
        times,
    )
    return Figure(name, "rows/s", rows / found["ours"], rows / found["peer"], "PostgreSQL")


def _mysql_figure(
    name: str, how: Callable[[Server, str], None], ours: Server, peer: Server, rows: int, times: int
) -> Figure:
    sql = f"SELECT {COLUMNS} FROM cpu LIMIT {rows}"
    found = interleaved(
        {
            "ours": lambda: seconds(lambda: how(ours, sql)),
            "peer": lambda: seconds(lambda: how(peer, sql)),
        },
        times,
    )
    return Figure(name, "rows/s", rows / found["ours"], rows / found["peer"], "MariaDB")


def _psycopg_text(server: Server, sql: str) -> None:
    with server.psycopg() as connection:
        connection.execute(sql.encode()).fetchall()


def _psycopg_binary(server: Server, sql: str) -> None:
    with server.psycopg() as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(sql.encode()).fetchall()


def _libpq(server: Server, sql: str) -> None:
    with server.psycopg() as connection:
        assert connection.pgconn.exec_(sql.encode()).ntuples


def _copy_out(fmt: str) -> Callable[[Server, str], None]:
    def way(server: Server, sql: str) -> None:
        request = f"COPY ({sql}) TO STDOUT ({fmt})".encode()
        with server.psycopg() as connection, connection.cursor().copy(request) as copy:
            for _ in copy:
                pass

    return way


def _asyncpg(server: Server, sql: str) -> None:
    async def fetch() -> None:
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.fetch(sql)
        finally:
            await connection.close()

    asyncio.run(fetch())


def _socket(server: Server, sql: str) -> None:
    raw = Raw(server, "postgres")
    raw.drain(sql)
    raw.close()


def _pymysql(server: Server, sql: str) -> None:
    with server.pymysql() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.fetchall()


POSTGRES_WAYS: dict[str, Callable[[Server, str], None]] = {
    "psycopg, text, fetchall": _psycopg_text,
    "psycopg, binary, fetchall": _psycopg_binary,
    "asyncpg, fetch": _asyncpg,
    "psycopg, COPY out, text": _copy_out("FORMAT text"),
    "psycopg, COPY out, binary": _copy_out("FORMAT binary"),
    "libpq result, nothing decoded": _libpq,
    "bare socket, text": _socket,
}
MYSQL_WAYS: dict[str, Callable[[Server, str], None]] = {"PyMySQL, fetchall": _pymysql}
