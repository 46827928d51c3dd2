"""The HTTP application over a small DuckDB-backed database, served by a real uvicorn."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest
from fake_database import FakeInstant, QuietSession

from catalog.details import Role
from engine import datatypes
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.auth.api import OpenDoor, Users
from server.config import Configuration, Settings, load
from server.http.app import create_app
from server.http.application import Application
from server.http.context import HttpContext
from server.http.listener import HttpListener
from server.metrics import Metrics
from server.observe import ObservedDatabase
from server.work import Workers
from sql.results import Affected, Description, Notice, Result, ResultColumn, Rows
from sql.session import Activity, ClientInfo, SessionApi, Statement, TransactionStatus, Wire

COUNTED = {"INSERT", "UPDATE", "DELETE"}


def data_type(arrow: pa.DataType) -> DataType:
    """Ours for an Arrow type, as far as these tests need them."""
    if pa.types.is_decimal(arrow):
        return datatypes.decimal(arrow.precision, arrow.scale)
    if pa.types.is_list(arrow):
        return datatypes.list_of(data_type(arrow.value_type))
    if pa.types.is_struct(arrow):
        return DataType(TypeId.STRUCT, arrow_nested=arrow)
    if pa.types.is_map(arrow):
        return DataType(TypeId.MAP, arrow_nested=arrow)
    known = [DataType(found) for found in TypeId if found.value[:4] not in ("List", "Deci")]
    plain = [one for one in known if one.id not in (TypeId.STRUCT, TypeId.MAP)]
    return next(one for one in plain if one.arrow == arrow)


@dataclass(frozen=True)
class FakeStatement:
    """Text and nothing more."""

    text: str
    parameter_count: int = 0

    @property
    def is_empty(self) -> bool:
        return not self.text.strip(" ;\n")


class FakeSession(QuietSession):
    """Runs DuckDB's SQL; `FAIL kind message` raises that error, `FAIL LATE` one amid its rows."""

    wire = Wire.HTTP
    transaction_status = TransactionStatus.IDLE
    autocommit = True
    activity = Activity()

    def __init__(self, database: FakeDatabase, client: ClientInfo, number: int) -> None:
        self.id = number
        self.client = client
        self.database = client.database
        self.settings = {"timezone": "UTC"}
        self.cancelled = False
        self._server = database
        self._cursor = database.connection.cursor()

    @property
    def timezone(self) -> str:
        return self.settings["timezone"]

    @property
    def instant(self) -> FakeInstant:
        return FakeInstant()

    def parse(self, text: str, parameter_types: object = ()) -> list[Statement]:
        if text.startswith("FAIL"):
            return [FakeStatement(text)]
        try:
            parsed = duckdb.extract_statements(text)
        except duckdb.ParserException as error:
            raise DbError(ErrorKind.SYNTAX, str(error).splitlines()[0], position=1) from None
        return [FakeStatement(one.query) for one in parsed] or [FakeStatement("")]

    def describe(
        self, statement: Statement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        raise AssertionError("HTTP describes nothing")

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Result:
        text = statement.text.strip()
        if text.startswith("FAIL ") and text != "FAIL LATE":
            _, kind, message = text.split(" ", 2)
            raise DbError(ErrorKind[kind], message, hint="a hint")
        if text == "FAIL LATE":
            return Rows((ResultColumn("a", datatypes.STRING),), self._fails_late())
        verb = text.split()[0].upper()
        try:
            if verb in COUNTED:
                return Affected(verb, self._cursor.execute(text).fetchall()[0][0])
            if verb == "CREATE":
                self._cursor.execute(text)
                return Affected("CREATE TABLE")
            reader = self._cursor.sql(text).to_arrow_reader(2048)
        except duckdb.Error as error:
            raise self._error(error) from None
        columns = tuple(ResultColumn(one.name, data_type(one.type)) for one in reader.schema)
        return Rows(columns, self._batches(reader), on_close=reader.close)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> DbError:
        if self.cancelled:
            return DbError(ErrorKind.CANCELLED, "cancelled")
        return DbError(ErrorKind.PLAN, str(error).splitlines()[0])

    def _fails_late(self) -> Iterator[pa.RecordBatch]:
        """Six megabytes of CSV, then an error."""
        for _ in range(100):
            yield pa.RecordBatch.from_pydict({"a": pa.array(["x" * 60] * 1000)})
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, "the disk is gone")

    def show(self, name: str) -> str:
        return self.settings[name]

    def set(self, name: str, value: str) -> None:
        self.settings[name] = value
        self._server.set_calls.append((name, value))

    def use(self, database: str) -> None:
        self.database = database

    def cancel(self) -> None:
        self.cancelled = True
        self._cursor.interrupt()

    def reset(self) -> None:
        raise AssertionError("HTTP sessions are not kept")

    def close(self) -> None:
        self._server.live.remove(self)

    def take_notices(self) -> list[Notice]:
        return []

    def take_reports(self) -> dict[str, str]:
        return {}


class FakeDatabase:
    """One DuckDB in memory."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.live: list[FakeSession] = []
        self.clients: list[ClientInfo] = []
        self.set_calls: list[tuple[str, str]] = []
        self.roles: dict[str, Role] = {}
        self._ids = itertools.count(1)

    def reserve_id(self) -> int:
        return next(self._ids)

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> SessionApi:
        if client.database == "nowhere":
            raise DbError(ErrorKind.UNDEFINED_DATABASE, 'database "nowhere" does not exist')
        session = FakeSession(self, client, session_id or self.reserve_id())
        self.live.append(session)
        self.clients.append(client)
        return session

    def login_role(self, name: str) -> Role | None:
        return self.roles.get(name)

    def sessions(self) -> list[SessionApi]:
        return list(self.live)

    def close(self) -> None:
        self.connection.close()


class HttpHouse:
    """An application with its parts and a client."""

    def __init__(self, client: httpx.AsyncClient, database: FakeDatabase, app: Application) -> None:
        self.client = client
        self.database = database
        self.app = app

    async def sql(self, sql: str, **params: object) -> httpx.Response:
        """POST /v1/sql with the parameters as a form."""
        form = {"sql": sql} | {name: str(value) for name, value in params.items()}
        return await self.client.post("/v1/sql", data=form)


@pytest.fixture
async def build() -> AsyncIterator[Callable[..., Awaitable[HttpHouse]]]:
    """Makes applications: `await build(users=…, socket=True, max_connections=…)`.

    With `socket` it is served by uvicorn: needed where connections matter, slower to close.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            users: Users | None = None, socket: bool = False, **settings: object
        ) -> HttpHouse:
            chosen = Configuration(replace(Settings(), **settings), load({}, {}).origins)
            database = FakeDatabase()
            stack.callback(database.close)
            workers = Workers(4)
            stack.callback(workers.close)
            metrics = Metrics("1.2.3")
            known = users or OpenDoor()
            observed = ObservedDatabase(
                database,
                metrics,
                known,
                connections_max=chosen.settings.max_connections,
                slow_ms=0,
            )
            app = create_app(
                HttpContext(observed, workers, known, metrics, chosen, "1.2.3", lambda: True)
            )
            if not socket:
                transport = httpx.ASGITransport(app)
                client = httpx.AsyncClient(transport=transport, base_url="http://test")
            else:
                listener = HttpListener(app)
                await listener.start("127.0.0.1", 0)
                stack.push_async_callback(listener.close)
                where = f"http://127.0.0.1:{listener.port}"
                client = httpx.AsyncClient(base_url=where, timeout=20)
            await stack.enter_async_context(client)
            return HttpHouse(client, database, app)

        yield make


@pytest.fixture
async def http(build: Any) -> AsyncIterator[HttpHouse]:
    """An application without users, called directly."""
    house = await build()
    yield house
    house.app.close()
    assert house.database.live == [], "a session was left open"


@pytest.fixture
async def served(build: Any) -> AsyncIterator[HttpHouse]:
    """An application without users behind a real socket."""
    house = await build(socket=True)
    yield house
    assert house.database.live == [], "a session was left open"
