"""The HTTP application over a real database, called directly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import write_requests as wr
from http_application import ann_and_rob, application

from server.config import Settings

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


@pytest.fixture
async def prom(tmp_path: Path) -> AsyncIterator[Prometheus]:
    async with application(tmp_path / "data") as client:
        yield Prometheus(client)


@pytest.fixture
def prom_with(tmp_path: Path) -> Callable[[Settings], AbstractAsyncContextManager[Prometheus]]:
    """One with settings of its own."""

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Prometheus]:
        async with application(tmp_path / "data", settings=settings) as client:
            yield Prometheus(client)

    return opened


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """With the users ann, who may do all, and rob, who may only read; password `secret`."""
    async with application(tmp_path / "data", ann_and_rob()) as client:
        yield Prometheus(client)
