"""The HTTP application over a real database, called directly by agents that write rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_application import ann_and_rob, application


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


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with application(tmp_path / "data") as client:
        yield Agent(client)


@pytest.fixture
async def guarded_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """With the users ann, who may do all, and rob, who may only read; password `secret`."""
    async with application(tmp_path / "data", ann_and_rob()) as client:
        yield Agent(client)
