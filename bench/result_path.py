"""How fast a million rows of ten columns reach real drivers, beside PostgreSQL and MariaDB.

python -m bench result_path
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg

from bench import data, peers
from bench.clients import Raw
from bench.jdbc import Fetcher, connector_url, fetcher, pgjdbc_url
from bench.peers import MissingPeerError, Server
from bench.report import Figure, interleaved, seconds

COLUMNS = ", ".join(data.COLUMNS[:10])
Way = Callable[[Server, str], None]
MYSQL_SHARE = 5  # PyMySQL decodes in Python: it gets a fifth of the rows


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and the versions of the servers."""
    table = data.rows(rows, hosts=100)
    with (
        peers.gnomon() as ours,
        peers.postgresql() as postgres,
        peers.mariadb() as maria,
        contextlib.ExitStack() as stack,
    ):
        _load_by_copy(ours, table)
        _load_by_copy(postgres, table)
        _load_mariadb(maria, table.slice(0, rows // MYSQL_SHARE))
        pgjdbc, connector = _java_ways(stack)
        figures = [
            _postgres_figure(name, how, ours, postgres, rows, times)
            for name, how in {**POSTGRES_WAYS, **pgjdbc}.items()
        ]
        figures += [
            _mysql_figure(name, how, ours, maria, rows // MYSQL_SHARE, times)
            for name, how in {**MYSQL_WAYS, **connector}.items()
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
    name: str, how: Way, ours: Server, peer: Server, rows: int, times: int
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


def _mysql_figure(name: str, how: Way, ours: Server, peer: Server, rows: int, times: int) -> Figure:
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


def _copy_out(fmt: str) -> Way:
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


def _jdbc(
    program: Fetcher, url: Callable[[Server], str], size: int, server: Server, sql: str
) -> None:
    assert program.fetch(url(server), size, sql)


def _java_ways(stack: contextlib.ExitStack) -> tuple[dict[str, Way], dict[str, Way]]:
    """Through PostgreSQL's and MariaDB's drivers; none without Java, which is told."""
    try:
        program = stack.enter_context(fetcher())
    except MissingPeerError as missing:
        print(f"JDBC is left out: {missing}")
        return {}, {}
    pgjdbc: dict[str, Way] = {
        "pgjdbc, all rows at once": partial(_jdbc, program, pgjdbc_url, 0),
        "pgjdbc, setFetchSize(10000)": partial(_jdbc, program, pgjdbc_url, 10_000),
    }
    return pgjdbc, {"Connector/J, all rows at once": partial(_jdbc, program, connector_url, 0)}


POSTGRES_WAYS: dict[str, Way] = {
    "psycopg, text, fetchall": _psycopg_text,
    "psycopg, binary, fetchall": _psycopg_binary,
    "asyncpg, fetch": _asyncpg,
    "psycopg, COPY out, text": _copy_out("FORMAT text"),
    "psycopg, COPY out, binary": _copy_out("FORMAT binary"),
    "libpq result, nothing decoded": _libpq,
    "bare socket, text": _socket,
}
MYSQL_WAYS: dict[str, Way] = {"PyMySQL, fetchall": _pymysql}
