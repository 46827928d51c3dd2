"""A MySQL listener in this process, over a small stand-in for sql/ that DuckDB answers.

`mysql_door` starts listeners for the tests of server/mysql; they need no data directory and no
process of their own. `FakeDatabase` knows just enough SQL for real drivers to log in and work.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pymysql
import pytest
import uvloop
from fake_database import FakeInstant, QuietSession
from fix_server import RunningServer

from catalog.details import Role
from engine.datatypes import STRING, DataType
from engine.errors import DbError, ErrorKind
from server.auth.api import OpenDoor, Users
from server.mysql.connection import MysqlListener, MysqlOptions
from server.work import Workers
from sql.results import Affected, Description, Notice, Result, ResultColumn, Rows, Severity
from sql.session import Activity, ClientInfo, TransactionStatus, Wire
from sql.types import from_arrow

T = TypeVar("T")
BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class FakeStatement:
    text: str
    parameter_count: int = 0
    is_empty: bool = False


class FakeSession(QuietSession):
    """A session on one DuckDB cursor."""

    def __init__(self, database: FakeDatabase, wire: Wire, client: ClientInfo, number: int) -> None:
        self.id = number
        self.wire = wire
        self.client = client
        self.database = client.database
        self.timezone = "UTC"
        self.autocommit = True
        self.literal_backslashes = False
        self.activity = Activity()
        self.transaction_status = TransactionStatus.IDLE
        self.is_closed = False
        self.resets = 0
        self._database = database
        self._cursor = database.connection.cursor()  # of the last statement
        self._notices: list[Notice] = []

    @property
    def instant(self) -> FakeInstant:
        return FakeInstant()

    def parse(self, text: str, parameter_types: object = ()) -> list[FakeStatement]:
        pieces = [piece.strip() for piece in re.split(r";(?=(?:[^']*'[^']*')*[^']*$)", text)]
        found = [FakeStatement(piece, _placeholders(piece)) for piece in pieces if piece]
        return found or [FakeStatement("", is_empty=True)]

    def describe(
        self, statement: FakeStatement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        del parameter_types
        parameters = (STRING,) * statement.parameter_count
        if not re.match(r"(?i)\s*(select|show|with|values|from)\b", statement.text):
            return Description(parameters, None)
        rows = self.execute(statement, [None] * statement.parameter_count)
        assert isinstance(rows, Rows)
        rows.close()
        return Description(parameters, rows.columns)

    def execute(self, statement: FakeStatement, parameters: Sequence[object] = ()) -> Result:
        self._database.parameters = list(parameters)
        special = self._special(statement.text)
        if special is not None:
            return special
        text = statement.text.replace("`", '"')
        if text in self._database.tables:
            return _rows_of(self._database.tables[text])
        # DuckDB gives a cursor one open result, and MySQL cursors stay open beside other work.
        self._cursor = self._database.connection.cursor()
        try:
            return self._run(text, parameters)
        except duckdb.InterruptException:
            raise DbError(ErrorKind.CANCELLED, "the statement was cancelled") from None
        except duckdb.CatalogException as error:
            raise DbError(ErrorKind.UNDEFINED_TABLE, str(error)) from None
        except duckdb.Error as error:
            raise DbError(ErrorKind.SYNTAX, str(error)) from None

    def _run(self, text: str, parameters: Sequence[object]) -> Result:
        if re.match(r"(?i)\s*(select|with|values|from)\b", text):
            relation = self._cursor.sql(text, params=list(parameters) if parameters else None)
            reader = relation.to_arrow_reader(BATCH_ROWS)
            columns = tuple(
                ResultColumn(field.name, from_arrow(field.type)) for field in reader.schema
            )
            target = pa.schema([(column.name, column.type.arrow) for column in columns])
            return Rows(columns, _cast(reader, target, self._database), on_close=reader.close)
        done = self._cursor.execute(text, list(parameters))
        row = done.fetchone()
        word = text.split()[0].upper()
        return Affected(word, row[0] if row and word in ("INSERT", "UPDATE", "DELETE") else None)

    def _special(self, text: str) -> Result | None:
        lowered = text.lower()
        if lowered == "begin" or lowered.startswith("start transaction"):
            self.transaction_status = TransactionStatus.ACTIVE
            return Affected("BEGIN")
        if lowered in ("commit", "rollback"):
            self.transaction_status = TransactionStatus.IDLE
            return Affected(lowered.upper())
        if lowered.startswith("set time_zone"):
            self.timezone = text.split("'")[1]
        if lowered.startswith("set autocommit"):
            self.autocommit = lowered.rstrip().endswith(("1", "on"))
        if lowered.startswith("set "):
            return Affected("SET")
        if lowered.startswith("use "):
            self.use(text.split()[1].strip("`"))
            return Affected("USE")
        if lowered == "warn":
            self._notices = [Notice("careful", Severity.WARNING)] * 2
            return Affected("WARN")
        if lowered.startswith("load data local"):
            raise DbError(ErrorKind.LOCAL_INFILE_REFUSED, "LOAD DATA LOCAL is refused")
        if lowered.startswith("show processlist"):
            ids = [session.id for session in self._database.sessions()]
            return _rows_of(pa.table({"Id": pa.array(ids, pa.int64())}))
        if "@@" in lowered:
            return _rows_of(pa.table({text.split(None, 1)[1][:60]: pa.array(["fake"])}))
        return None

    def show(self, name: str) -> str:
        return {"timezone": self.timezone, "wait_timeout": ""}[name]

    def set(self, name: str, value: str) -> None:
        del name, value

    def use(self, database: str) -> None:
        if database not in self._database.names:
            raise DbError(ErrorKind.UNDEFINED_DATABASE, f"unknown database '{database}'")
        self.database = database

    def cancel(self) -> None:
        self._database.cancelled.append(self.id)
        self._cursor.interrupt()

    def reset(self) -> None:
        self.resets += 1
        self.transaction_status = TransactionStatus.IDLE

    def close(self) -> None:
        self.is_closed = True
        self._database.live.pop(self.id, None)
        self._cursor.close()

    def take_notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def take_reports(self) -> dict[str, str]:
        return {}


class FakeDatabase:
    """What the listener talks to. `tables` maps a statement's exact text to its answer."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.names = {"public", "other"}
        self.tables: dict[str, pa.Table | Rows] = {}
        self.parameters: list[object] = []  # of the last execution
        self.live: dict[int, FakeSession] = {}
        self.cancelled: list[int] = []
        self.roles: dict[str, Role] = {}
        self._ids = itertools.count(1000)

    def reserve_id(self) -> int:
        return next(self._ids)

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> FakeSession:
        if client.database not in self.names:
            raise DbError(ErrorKind.UNDEFINED_DATABASE, f"unknown database '{client.database}'")
        number = self.reserve_id() if session_id is None else session_id
        assert number not in self.live
        self.live[number] = FakeSession(self, wire, client, number)
        return self.live[number]

    def login_role(self, name: str) -> Role | None:
        return self.roles.get(name)

    def sessions(self) -> list[Any]:
        return list(self.live.values())

    def close(self) -> None:
        self.connection.close()


def _placeholders(text: str) -> int:
    return re.sub(r"'[^']*'", "", text).count("?")


def _rows_of(table: pa.Table | Rows) -> Rows:
    if isinstance(table, Rows):
        return table
    columns = tuple(ResultColumn(field.name, from_arrow(field.type)) for field in table.schema)
    return Rows(columns, iter(table.to_batches()))


def _cast(
    reader: pa.RecordBatchReader, target: pa.Schema, database: FakeDatabase
) -> Iterator[pa.RecordBatch]:
    del database
    try:
        for batch in reader:
            yield batch.cast(target)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        kind = ErrorKind.CANCELLED if "nterrupt" in str(error) else ErrorKind.INVALID_TEXT
        raise DbError(kind, str(error).splitlines()[0]) from None


class MysqlDoor:
    """A running listener. Its event loop has a thread, so blocking drivers can be used."""

    def __init__(self, users: Users | None = None, options: MysqlOptions | None = None) -> None:
        self.database = FakeDatabase()
        self._workers = Workers(4)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.listener = MysqlListener(
            self.database,
            self._workers,
            users or OpenDoor(),
            options,  # type: ignore[arg-type]
        )
        self.run(self.listener.start("127.0.0.1", 0))
        self.port = self.listener.port

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.run(self.listener.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._workers.close()
        self.database.close()


class MysqlDoors:
    """Opens listeners for one test and closes them after it."""

    def __init__(self) -> None:
        self._doors: list[MysqlDoor] = []

    def open(self, users: Users | None = None, options: MysqlOptions | None = None) -> MysqlDoor:
        self._doors.append(MysqlDoor(users, options))
        return self._doors[-1]

    def close(self) -> None:
        for door in self._doors:
            door.close()


@pytest.fixture
def mysql_doors() -> Iterator[MysqlDoors]:
    """For tests that need users or options of their own."""
    doors = MysqlDoors()
    yield doors
    doors.close()


@pytest.fixture(scope="module")
def mysql_door() -> Iterator[MysqlDoor]:
    """One listener without users, shared by a module."""
    door = MysqlDoor()
    yield door
    door.close()


@contextlib.contextmanager
def cursor_in(server: RunningServer, database: str, *statements: str) -> Iterator[Any]:
    """PyMySQL's cursor in a database of its own, which is gone afterwards; it runs `statements`."""
    with (
        pymysql.connect(**server.mysql_args(), autocommit=True) as connection,
        connection.cursor() as opened,
    ):
        opened.execute(f"CREATE DATABASE {database}")
        opened.execute(f"USE {database}")
        for statement in statements:
            opened.execute(statement)
        yield opened
        opened.execute(f"DROP DATABASE {database}")
