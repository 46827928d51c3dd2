"""Clients that write numbered units until the server dies, and remember what it promised.

Called by harness.py. A unit is one statement (or transaction) of `size` rows; its rows carry its
number, so that what is left of it can be counted later.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pymysql

from bench.launch import Gnomon

SERIES_TABLES = {
    "events": "",
    "log": "WITH (append_mode = 'true')",
    "parts": "PARTITION ON COLUMNS (writer) (writer < 'n', writer >= 'n')",
}
PLAIN_TABLE = "plain"
COLUMNS = "(writer, ts, unit, part, size)"  # named, because a table may have more for a while
TABLES = (*SERIES_TABLES, PLAIN_TABLE)
DRIVER_ERRORS = (psycopg.Error, pymysql.err.MySQLError, OSError)


@dataclass
class Ledger:
    """What one writer knows of its units, each with its number of rows.

    I1. A unit is in `unsure` from before it is sent until its outcome is known.
    """

    tables: tuple[str, ...]
    present: dict[int, int] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    unsure: dict[int, int] = field(default_factory=dict)
    next_unit: int = 1
    acknowledged: int = 0

    def begin(self, size: int) -> int:
        """A new unit of some size."""
        unit = self.next_unit
        self.next_unit += 1
        self.unsure[unit] = size
        return unit

    def written(self, unit: int) -> None:
        """The server has acknowledged it."""
        self.present[unit] = self.unsure.pop(unit)
        self.acknowledged += 1

    def begin_delete(self) -> int:
        """The oldest unit that is there; from now on it may or may not be."""
        unit = next(iter(self.present))
        self.unsure[unit] = self.present.pop(unit)
        return unit

    def deleted(self, unit: int) -> None:
        """The server has acknowledged that it is gone."""
        self.absent.add(unit)
        del self.unsure[unit]


class Writer(threading.Thread):
    """One connection in one thread; `errors` holds refusals that no kill explains."""

    name = "writer"
    tables: tuple[str, ...] = ("events",)
    deletes = False

    def __init__(self, server: Gnomon, ledger: Ledger, killed: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.ledger = ledger
        self.killed = killed
        self.errors: list[str] = []
        self.random = random.Random(seed)

    def run(self) -> None:
        """Writes until the connection breaks."""
        try:
            self.connect()
            while not self.killed.is_set():
                self.step()
        except DRIVER_ERRORS as error:
            if not self.killed.is_set():
                self.errors.append(f"{type(self).name}: {error!r}")
        finally:
            opened = getattr(self, "connection", None)
            if opened is not None:
                with contextlib.suppress(*DRIVER_ERRORS):  # the server may be dead already
                    opened.close()

    def step(self) -> None:
        """One unit, or sometimes the deletion of an old one."""
        if self.deletes and len(self.ledger.present) > 5 and self.random.random() < 0.2:
            unit = self.ledger.begin_delete()
            self.delete(unit)
            self.ledger.deleted(unit)
            return
        size = self.random.choice((1, 3, 50, 400))
        unit = self.ledger.begin(size)
        self.write(unit, size)
        self.ledger.written(unit)

    def rows(self, unit: int, size: int) -> Iterator[tuple[str, int, int, int, int]]:
        """The rows of a unit: writer, time in ms, unit, part, size."""
        return ((type(self).name, unit * 1000 + part, unit, part, size) for part in range(size))

    def values(self, unit: int, size: int) -> str:
        """The rows as a VALUES list."""
        return ", ".join(f"('{w}', {t}, {u}, {p}, {s})" for w, t, u, p, s in self.rows(unit, size))

    def connect(self) -> None:
        """Opens the connection."""
        raise AssertionError("every writer has its own way in")

    def write(self, unit: int, size: int) -> None:
        """Sends a unit and waits for the answer."""
        raise AssertionError("every writer has its own way in")

    def delete(self, unit: int) -> None:
        """Deletes a unit and waits for the answer."""
        raise AssertionError("only writers with `deletes` are asked")


class PostgresWriter(Writer):
    """INSERT ... VALUES over PostgreSQL wire into a table with upserts; deletes too."""

    name = "postgres"
    deletes = True

    def connect(self) -> None:
        self.connection: psycopg.Connection[Any] = psycopg.connect(
            host="127.0.0.1",
            port=self.server.postgres,
            user="gnomon",
            dbname="public",
            autocommit=True,
        )

    def write(self, unit: int, size: int) -> None:
        self.connection.execute(self.insert(self.tables[0], unit, size))

    def insert(self, table: str, unit: int, size: int) -> bytes:
        return f"INSERT INTO {table} {COLUMNS} VALUES {self.values(unit, size)}".encode()

    def delete(self, unit: int) -> None:
        sql = f"DELETE FROM {self.tables[0]} WHERE writer = '{self.name}' AND unit = {unit}"
        self.connection.execute(sql.encode())


class PlainWriter(PostgresWriter):
    """The same into a relational table."""

    name = "plain"
    tables = (PLAIN_TABLE,)


class CopyWriter(PostgresWriter):
    """COPY ... FROM STDIN into an append-mode table, where a row replayed twice shows."""

    name = "copy"
    tables = ("log",)
    deletes = False

    def write(self, unit: int, size: int) -> None:
        with self.connection.cursor().copy(f"COPY log {COLUMNS} FROM STDIN (FORMAT csv)") as copy:
            for w, t, u, p, s in self.rows(unit, size):
                seconds, fraction = divmod(t, 1000)
                moment = f"1970-01-{1 + seconds // 86400:02} {seconds % 86400 // 3600:02}"
                moment += f":{seconds % 3600 // 60:02}:{seconds % 60:02}.{fraction:03}"
                copy.write(f"{w},{moment},{u},{p},{s}\n")


class TransactionWriter(PostgresWriter):
    """BEGIN, rows into a time-series and a relational table, COMMIT: one unit."""

    name = "transaction"
    tables = ("events", "parts", PLAIN_TABLE)
    deletes = False

    def write(self, unit: int, size: int) -> None:
        with self.connection.transaction():
            for table in self.tables:
                self.connection.execute(self.insert(table, unit, size))


class MysqlWriter(Writer):
    """INSERT ... VALUES over MySQL wire into an append-mode table."""

    name = "mysql"
    tables = ("log",)

    def connect(self) -> None:
        self.connection = pymysql.connect(
            host="127.0.0.1",
            port=self.server.mysql,
            user="gnomon",
            database="public",
            autocommit=True,
        )

    def write(self, unit: int, size: int) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO log {COLUMNS} VALUES {self.values(unit, size)}")


class Maintainer(MysqlWriter):
    """Writes nothing: flushes, compacts, alters, repartitions, creates and drops all the time."""

    name = "maintainer"
    tables = ()

    def step(self) -> None:
        self.killed.wait(self.random.random() * 0.1)
        table = self.random.choice(list(SERIES_TABLES))
        work = [
            *(self.flush, self.flush, self.compact, self.compact),
            *(self.alter, self.create_and_drop, self.repartition),
        ]
        self.random.choice(work)(table)

    def flush(self, table: str) -> None:
        self.query(f"ADMIN flush_table('{table}')")

    def compact(self, table: str) -> None:
        kind = self.random.choice(["", ", 'strict_window', '3600'"])
        self.query(f"ADMIN compact_table('{table}'{kind})")

    def alter(self, table: str) -> None:
        number = self.random.randrange(3)
        if self.random.random() < 0.5:
            self.query(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS c{number} BIGINT DEFAULT 7")
        else:
            self.query(f"ALTER TABLE {table} DROP COLUMN IF EXISTS c{number}")

    def create_and_drop(self, table: str) -> None:
        self.query("CREATE TABLE IF NOT EXISTS scratch (ts TIMESTAMP(3) TIME INDEX, v BIGINT)")
        self.query("INSERT INTO scratch VALUES (1, 1), (2, 2)")
        if self.random.random() < 0.5:
            self.query("ADMIN flush_table('scratch')")
        self.query("DROP TABLE scratch")

    def repartition(self, table: str) -> None:
        """Splits the first of two parts, or merges what was split."""
        parts = self.query(
            "SELECT partition_name FROM information_schema.partitions WHERE table_name = 'parts'"
        )
        low, high = "writer < 'd'", "writer >= 'd' AND writer < 'n'"
        if len(parts) == 2:
            self.query(f"ALTER TABLE parts SPLIT PARTITION (writer < 'n') INTO ({low}, {high})")
        else:
            self.query(f"ALTER TABLE parts MERGE PARTITION ({low}, {high})")

    def query(self, sql: str) -> tuple[Any, ...]:
        """Runs one statement; gives its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() or ()


WRITERS: tuple[type[Writer], ...] = (
    PostgresWriter,
    PlainWriter,
    CopyWriter,
    TransactionWriter,
    MysqlWriter,
)
