"""The HTTP application over a real database, called directly."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import write_requests as wr
from server_users import Named

from server.auth.api import AccessMode, OpenDoor, UserRecord, Users
from server.config import Configuration, Settings, load
from server.http.app import create_app
from server.http.context import HttpContext
from server.metrics import Metrics
from server.observe import ObservedDatabase
from server.work import Workers
from sql.database import Database, DatabaseOptions

API = "/v1/prometheus/api/v1/"


class Prometheus:
    """What an agent and a dashboard do."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def write(self, *found: wr.Series, **params: str) -> httpx.Response:
        """Remote write of some series."""
        return await self.post(wr.compressed(wr.message(*found)), **params)

    async def post(self, body: bytes, headers: Any = None, **params: str) -> httpx.Response:
        """Any body to remote write."""
        given = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
        url = "/v1/prometheus/write"
        headers = given | (headers or {})
        return await self.client.post(url, content=body, headers=headers, params=params)

    async def get(self, path: str, /, **params: Any) -> httpx.Response:
        """An endpoint of the API."""
        return await self.client.get(API + path, params=params)

    async def data(self, path: str, /, **params: Any) -> Any:
        """The data of a successful answer."""
        answer = await self.get(path, **params)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "success"
        return answer.json()["data"]

    async def sql(self, text: str) -> Any:
        """The rows of a statement, None for one without."""
        answer = await self.client.post("/v1/sql", data={"sql": text})
        assert answer.status_code == 200, answer.text
        output = answer.json()["output"][0]
        return output["records"]["rows"] if "records" in output else None


def series(name: str, labels: Mapping[str, str], *samples: tuple[int, float]) -> wr.Series:
    """A series of a metric."""
    return {"__name__": name, **labels}, samples


@contextlib.asynccontextmanager
async def opened(directory: Path, users: Users) -> AsyncIterator[Prometheus]:
    """An application over a database of its own."""
    async with contextlib.AsyncExitStack() as stack:
        database = Database.open(directory, DatabaseOptions())
        stack.callback(database.close)
        workers = Workers(4)
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
        yield Prometheus(client)
        assert observed.sessions() == [], "a session was left open"


@pytest.fixture
async def prom(tmp_path: Path) -> AsyncIterator[Prometheus]:
    async with opened(tmp_path / "data", OpenDoor()) as found:
        yield found


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """With a user who may do all, `ann`, and one who may only read, `rob`; password `secret`."""
    native = hashlib.sha1(hashlib.sha1(b"secret").digest()).digest()
    ann = UserRecord("ann", mysql_native=native)
    rob = UserRecord("rob", mysql_native=native, mode=AccessMode.READ_ONLY)
    async with opened(tmp_path / "data", Named(ann, rob)) as found:
        yield found
