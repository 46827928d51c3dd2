"""Real drivers behind one small door: `run(sql, parameters) -> rows of Python values`."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import mysql.connector
import psycopg
import psycopg2
import pymysql
from fix_server import RunningServer

Rows = list[tuple[Any, ...]]
SEPARATOR = "\x1f"


def spelled(sql: str, placeholder: Callable[[int], str]) -> str:
    """The SQL with each `{}` as the driver writes its parameters."""
    numbers = itertools.count(1)
    return re.sub(r"\{\}", lambda _: placeholder(next(numbers)), sql)


def plain(value: Any) -> Any:
    """The value without a driver's own wrapping."""
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


class Driver:
    """One driver and one way of using it."""

    def __init__(self, server: RunningServer, database: str) -> None:
        self.server = server
        self.database = database

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        """The rows. `expected` tells clients that print text which types to read."""
        raise AssertionError("each driver has its own")


class PsycopgText(Driver):
    """psycopg 3, results as text."""

    binary = False

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        dsn = self.server.postgres_dsn(database=self.database)
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.cursor(binary=self.binary)
            text = spelled(sql, lambda _: "%b" if self.binary else "%s").encode()
            cursor.execute(text, tuple(parameters) or None)
            return cursor.fetchall() if cursor.description else []


class PsycopgBinary(PsycopgText):
    """psycopg 3, parameters and results in binary."""

    binary = True


class Psycopg2(Driver):
    """psycopg2: parameters as literals, simple queries."""

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        connection = psycopg2.connect(self.server.postgres_dsn(database=self.database))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(spelled(sql, lambda _: "%s"), tuple(parameters) or None)
                rows = cursor.fetchall() if cursor.description else []
                return [tuple(map(plain, row)) for row in rows]
        finally:
            connection.close()


class Asyncpg(Driver):
    """asyncpg: prepared statements, binary throughout."""

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        async def ask() -> Rows:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=self.server.port("postgres"),
                user="gnomon",
                database=self.database,
            )
            try:
                rows = await connection.fetch(spelled(sql, lambda n: f"${n}"), *parameters)
                return [tuple(row) for row in rows]
            finally:
                await connection.close()

        return asyncio.run(ask())


class PyMySQL(Driver):
    """PyMySQL: parameters as literals, text protocol."""

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        arguments = self.server.mysql_args(database=self.database)
        with (
            pymysql.connect(**arguments, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(spelled(sql, lambda _: "%s"), tuple(parameters) or None)
            return list(cursor.fetchall())


class Connector(Driver):
    """mysql-connector-python, text protocol."""

    prepared = False

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        connection = mysql.connector.connect(
            **self.server.mysql_args(database=self.database), autocommit=True
        )
        try:
            cursor = connection.cursor(prepared=self.prepared)
            cursor.execute(spelled(sql, lambda _: "%s"), tuple(parameters))
            rows = cursor.fetchall() if cursor.description else []
            return [tuple(map(plain, row)) for row in rows]
        finally:
            connection.close()


class ConnectorPrepared(Connector):
    """mysql-connector-python, prepared statements, binary protocol."""

    prepared = True


class CommandLine(Driver):
    """A client program: parameters as literals, rows as text."""

    def run(self, sql: str, parameters: Sequence[Any], expected: Rows) -> Rows:
        values = iter(parameters)
        text = spelled(sql, lambda _: self.literal(next(values)))
        done = subprocess.run(
            self.command(text),
            env={**os.environ, "LC_ALL": "C.UTF-8", "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return [
            tuple(self.value(cell, kind) for cell, kind in zip(row, types, strict=True))
            for row, types in zip(self.split(done.stdout.decode()), expected, strict=True)
        ]

    def command(self, sql: str) -> list[str]:
        raise AssertionError("each client has its own")

    def split(self, output: str) -> list[list[str]]:
        raise AssertionError("each client has its own")

    def literal(self, value: Any) -> str:
        if value is None or isinstance(value, bool | int | float | Decimal):
            return "NULL" if value is None else str(value)
        if isinstance(value, bytes):
            return f"X'{value.hex()}'"
        return "'" + str(value).replace("'", "''") + "'"

    def value(self, cell: str, like: Any) -> Any:
        """The cell as a value of the type of `like`."""
        if like is None or cell == "NULL":
            assert cell == "NULL", f"expected NULL, got {cell!r}"
            return None
        readers: dict[type, Callable[[str], Any]] = {
            bool: lambda text: {"t": True, "1": True, "f": False, "0": False}[text],
            int: int,
            float: float,
            Decimal: Decimal,
            datetime: datetime.fromisoformat,
            date: date.fromisoformat,
            bytes: lambda text: bytes.fromhex(text[2:]),
            str: str,
        }
        return readers[type(like)](cell)


class Psql(CommandLine):
    """psql."""

    def literal(self, value: Any) -> str:
        return f"'\\x{value.hex()}'" if isinstance(value, bytes) else super().literal(value)

    def command(self, sql: str) -> list[str]:
        line = ["psql", "-X", "-q", "-A", "-t", "-F", SEPARATOR, "-P", "null=NULL", "-v"]
        line += ["ON_ERROR_STOP=1", "-R", "\x1e", "-c", sql]
        return [*line, self.server.postgres_dsn(database=self.database)]

    def split(self, output: str) -> list[list[str]]:
        text = output.removesuffix("\n")
        return [row.split(SEPARATOR) for row in text.split("\x1e")] if text else []


class Mariadb(CommandLine):
    """The mariadb (mysql) client."""

    ESCAPES = {"\\t": "\t", "\\n": "\n", "\\\\": "\\", "\\0": "\0"}

    def command(self, sql: str) -> list[str]:
        program = shutil.which("mariadb") or shutil.which("mysql") or "mariadb"
        line = [program, "--no-defaults", "--protocol=tcp", "-h127.0.0.1", "--binary-as-hex"]
        line += ["-P", str(self.server.port("mysql")), "-u", "gnomon", "-D", self.database]
        return [
            *line,
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "-e",
            sql,
        ]

    def literal(self, value: Any) -> str:
        return super().literal(value).replace("\\", "\\\\")

    def value(self, cell: str, like: Any) -> Any:
        # With --binary-as-hex this client prints a NULL of bytes as it prints no bytes.
        return None if like is None and cell == "0x" else super().value(cell, like)

    def split(self, output: str) -> list[list[str]]:
        return (
            [
                [
                    re.sub(r"\\[tn\\0]", lambda m: self.ESCAPES[m[0]], cell)
                    for cell in row.split("\t")
                ]
                for row in output.removesuffix("\n").split("\n")
            ]
            if output
            else []
        )


DRIVERS: dict[str, type[Driver]] = {
    "psycopg-text": PsycopgText,
    "psycopg-binary": PsycopgBinary,
    "psycopg2": Psycopg2,
    "asyncpg": Asyncpg,
    "pymysql": PyMySQL,
    "connector": Connector,
    "connector-prepared": ConnectorPrepared,
    "psql": Psql,
    "mariadb": Mariadb,
}
