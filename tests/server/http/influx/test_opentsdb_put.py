"""OpenTSDB's put: points become rows of their metric's table."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

PUT = "opentsdb/api/put"
GOOD = {"metric": "sys.cpu", "timestamp": 1700000000, "value": 18, "tags": {"host": "a", "dc": "x"}}


async def test_one_point_and_many(agent: Any) -> None:
    answer = await agent.post(PUT, json.dumps(GOOD))
    assert (answer.status_code, answer.content) == (204, b"")
    more = [
        GOOD | {"timestamp": 1700000000123, "value": 0.5},
        GOOD | {"timestamp": "1700000001", "value": "2.5", "tags": {"rack": "r"}},
        {"metric": "other", "timestamp": 1, "value": 1},
    ]
    body = gzip.compress(json.dumps(more).encode())
    assert (await agent.post(PUT, body, {"content-encoding": "gzip"})).status_code == 204
    rows = await agent.sql(
        'SELECT greptime_timestamp, greptime_value, host, rack FROM "sys.cpu" ORDER BY 1'
    )
    assert rows == [
        [1700000000000, 18.0, "a", None],
        [1700000000123, 0.5, "a", None],
        [1700000001000, 2.5, None, "r"],
    ]
    described = await agent.sql('DESC TABLE "sys.cpu"')
    assert [row[:2] for row in described[:4]] == [
        ["greptime_timestamp", "TimestampMillisecond"], ["greptime_value", "Float64"],
        ["dc", "String"], ["host", "String"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        7, {}, GOOD | {"metric": ""}, GOOD | {"timestamp": -1}, GOOD | {"timestamp": 1.5},
        GOOD | {"value": None}, GOOD | {"value": "x"}, GOOD | {"value": "nan"},
        GOOD | {"value": "1_0"}, GOOD | {"value": True}, GOOD | {"tags": [1]},
        GOOD | {"tags": {"a": 1}}, GOOD | {"tags": {"": "x"}},
        GOOD | {"tags": {"greptime_value": "x"}}, GOOD | {"tags": {"a": "\0"}},
        GOOD | {"tags": {"a": "\ud800"}},
        GOOD | {"timestamp": 10**30}, GOOD | {"value": 10**400},
    ],
)  # fmt: skip
async def test_one_bad_point_refuses_all(agent: Any, bad: Any) -> None:
    answer = await agent.post(PUT, json.dumps([GOOD, bad]))
    assert answer.status_code == 400
    assert "point 2" in answer.json()["error"]
    assert await agent.tables() == []


@pytest.mark.parametrize("body", ["", "{", '{"metric": NaN}', "[" * 100_000, b"\xff"])
async def test_what_is_no_json_is_refused(agent: Any, body: Any) -> None:
    assert (await agent.post(PUT, body)).status_code == 400


async def test_summary_and_details_write_what_is_good(agent: Any) -> None:
    await agent.sql("CREATE TABLE taken (a INT)")
    points = [GOOD, {"metric": "m"}, GOOD | {"metric": "taken"}, GOOD | {"metric": "n"}]
    answer = await agent.post(PUT, json.dumps(points), summary="")
    assert (answer.status_code, answer.json()) == (200, {"success": 2, "failed": 2})
    answer = await agent.post(PUT, json.dumps(points), details="true", summary="")
    found = answer.json()
    assert (answer.status_code, found["success"], found["failed"]) == (200, 2, 2)
    assert [error["datapoint"] for error in found["errors"]] == [points[1], points[2]]
    assert "time index" in found["errors"][1]["error"]
    assert await agent.sql('SELECT count(*) FROM "sys.cpu"') == [[1]]
    assert set(await agent.tables()) == {"sys.cpu", "n", "taken"}


async def test_put_needs_a_user_who_may_write(guarded_agent: Any) -> None:
    assert (await guarded_agent.post(PUT, json.dumps(GOOD))).status_code == 401
    guarded_agent.client.auth = ("rob", "secret")
    assert (await guarded_agent.post(PUT, json.dumps(GOOD))).status_code == 403
    guarded_agent.client.auth = ("ann", "secret")
    assert (await guarded_agent.post(PUT, json.dumps(GOOD))).status_code == 204
