"""OpenTSDB's put: points become rows of their metric's table."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from server.http.opentsdb import given_points, read_points, tables_of
from server.http.opentsdb_points import usual_tables

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


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD),
        json.dumps([GOOD, GOOD | {"metric": "b", "value": -1.5e-7, "tags": {}}], indent=2),
        json.dumps([GOOD | {"value": 0.1234567890123456789, "timestamp": 1700000000123}] * 2),
        '{"value":1,"tags":{"h":"é"},"metric":"ü","timestamp":0}',
    ],
)
def test_usual_points_are_read_at_once_and_as_json_reads_them(body: str) -> None:
    found = usual_tables(body.encode(), {"ttl": "7d"})
    assert found is not None
    points, failures = read_points(given_points(body.encode()))
    assert not failures
    for one, other in zip(found, tables_of(points, {"ttl": "7d"}), strict=True):
        assert (one.name, one.options, one.exact) == (other.name, other.options, other.exact)
        assert one.columns == other.columns


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "[", "{", "{}", "7", json.dumps(GOOD) + "x", json.dumps([GOOD])[:-1],
        json.dumps(GOOD | {"value": "1"}), json.dumps(GOOD | {"timestamp": "1"}),
        json.dumps(GOOD | {"more": 1}), json.dumps(GOOD | {"metric": "a\\b"}),
        json.dumps(GOOD | {"tags": {"a": ""}}),
        json.dumps(GOOD | {"tags": {"greptime_value": "x"}}),
        json.dumps(GOOD | {"tags": {"x_greptime_database": "x"}}), '{"metric":"a","timestamp":01}',
        '{"metric":"m","timestamp":1,"value":1e400}', '{"metric":"m","timestamp":1,"value":01}',
        '{"metric":"m","timestamp":1,"value":1,"value":2}',
        '{"metric":"m","timestamp":1,"value":1,"tags":{"a":"1","a":"2"}}',
        '{"metric":"m","timestamp":1,"value":1.}', '{"metric":"m","timestamp":1,"value":+1}',
    ],
)  # fmt: skip
def test_unusual_points_are_left_to_json(body: str) -> None:
    assert usual_tables(body.encode(), {}) is None


async def test_summary_of_points_that_are_all_good(agent: Any) -> None:
    more = [GOOD | {"timestamp": 1700000000 + n} for n in range(5)]
    answer = await agent.post(PUT, json.dumps(more), details="")
    assert answer.json() == {"success": 5, "failed": 0, "errors": []}
    clash = [GOOD | {"metric": "sys.cpu", "tags": {"greptime_timestamp2": "x"}}, *more]
    answer = await agent.post(PUT, json.dumps(clash), summary="")
    assert answer.json() == {"success": 6, "failed": 0}
