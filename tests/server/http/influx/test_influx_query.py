"""What agents ask before they write lines: a database of their own."""

from __future__ import annotations

from typing import Any

import pytest


async def test_telegraf_makes_its_database(agent: Any) -> None:
    for _ in range(2):
        answer = await agent.post("influxdb/query", "", q='CREATE DATABASE "my db"')
        assert (answer.status_code, answer.json()) == (200, {"results": [{"statement_id": 0}]})
    await agent.wrote("m f=1 1", db="my db")
    found = await agent.client.get("/v1/influxdb/query", params={"q": "SHOW DATABASES"})
    values = found.json()["results"][0]["series"][0]["values"]
    assert ["my db"] in values


@pytest.mark.parametrize("text", ["", "SELECT * FROM m", "CREATE DATABASE", "DROP DATABASE x"])
async def test_other_statements_are_refused(agent: Any, text: str) -> None:
    answer = await agent.post("influxdb/query", "", q=text)
    assert answer.status_code == 400
    assert "/v1/sql" in answer.text


async def test_a_reader_makes_no_database(guarded_agent: Any) -> None:
    asked = {"q": "CREATE DATABASE d", "u": "rob", "p": "secret"}
    answer = await guarded_agent.post("influxdb/query", "", **asked)
    assert answer.status_code == 403
