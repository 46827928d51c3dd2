"""The HTTP application over a real database, called directly by agents that write rows."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_users import Named

from server.auth.api import AccessMode, OpenDoor, UserRecord, Users
from server.config import Configuration, Settings, load
from server.http.app import create_app
from server.http.context import HttpContext
from server.metrics import Metrics
from server.observe import ObservedDatabase
from server.work import Workers
from sql.database import Database, DatabaseOptions


class Agent:
    """What writes rows and looks at them."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(
        self, path: str, body: bytes | str, headers: Any = None, **params: str
    ) -> httpx.Response:
        """A body to an endpoint below /v1."""
        return await self.client.post(f"/v1/{path}", content=body, headers=headers, params=params)

    async def influx(self, body: bytes | str, headers: Any = None, **params: str) -> httpx.Response:
        """Line protocol to version 1's endpoint."""
        return await self.post("influxdb/write", body, headers, **params)

    async def wrote(self, body: bytes | str, headers: Any = None, **params: str) -> None:
        """Line protocol that is taken."""
        answer = await self.influx(body, headers, **params)
        assert (answer.status_code, answer.text) == (204, "")

    async def sql(self, text: str) -> Any:
        """The rows of a statement, None for one without."""
        answer = await self.client.post("/v1/sql", data={"sql": text})
        assert answer.status_code == 200, answer.text
        output = answer.json()["output"][0]
        return output["records"]["rows"] if "records" in output else None

    async def tables(self) -> list[str]:
        """The names of all tables that rows have made."""
        found = [row[0] for row in await self.sql("SHOW TABLES")]
        return [name for name in found if name != "numbers"]


@contextlib.asynccontextmanager
async def opened(directory: Path, users: Users) -> AsyncIterator[Agent]:
    """An application over a database of its own."""
    async with contextlib.AsyncExitStack() as stack:
        database = Database.open(directory, DatabaseOptions())
        stack.callback(database.close)
        workers = Workers(2)
        stack.callback(workers.close)
        metrics = Metrics("1.2.3")
        configuration = Configuration(Settings(), load({}, {}).origins)
        observed = ObservedDatabase(database, metrics, users, connections_max=50, slow_ms=0)
        app = create_app(
            HttpContext(observed, workers, users, metrics, configuration, "1.2.3", lambda: True)
        )
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        await stack.enter_async_context(client)
        yield Agent(client)
        assert observed.sessions() == [], "a session was left open"


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with opened(tmp_path / "data", OpenDoor()) as found:
        yield found


@pytest.fixture
async def guarded_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """With a user who may do all, `ann`, and one who may only read, `rob`; password `secret`."""
    native = hashlib.sha1(hashlib.sha1(b"secret").digest()).digest()
    ann = UserRecord("ann", mysql_native=native)
    rob = UserRecord("rob", mysql_native=native, mode=AccessMode.READ_ONLY)
    async with opened(tmp_path / "data", Named(ann, rob)) as found:
        yield found
