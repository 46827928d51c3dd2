"""/v1/sql: parameters, results, errors, limits, cancellation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

LONG = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE (a.range * b.range) % 7 = 3"


async def wait_until(condition: Any) -> None:
    """Until it holds; a minute is more than the slowest machine needs."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_select_answers_in_greptimedb_v1(http: Any) -> None:
    answer = await http.sql("SELECT 1::BIGINT AS x")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-greptime-format"] == "greptimedb_v1"
    assert int(answer.headers["x-greptime-execution-time"]) >= 0
    body = answer.json()
    assert body.pop("execution_time_ms") >= 0
    assert body == {
        "output": [
            {
                "records": {
                    "schema": {"column_schemas": [{"name": "x", "data_type": "Int64"}]},
                    "rows": [[1]],
                    "total_rows": 1,
                }
            }
        ]
    }


async def test_get_and_query_parameters_work_too(http: Any) -> None:
    answer = await http.client.get("/v1/sql", params={"sql": "SELECT 'é' AS x", "format": "csv"})
    assert answer.text == '"é"\n'


async def test_query_parameters_come_before_form_fields(http: Any) -> None:
    answer = await http.client.post(
        "/v1/sql", params={"format": "csv"}, data={"sql": "SELECT 7 AS x", "format": "json"}
    )
    assert answer.text == "7\n"


async def test_a_body_may_be_bare_sql(http: Any) -> None:
    answer = await http.client.post(
        "/v1/sql?format=csv",
        content=b"SELECT '100%+1'",
        headers={"content-type": "application/sql"},
    )
    assert answer.text == '"100%+1"\n'


async def test_statements_that_change_rows_count_them(http: Any) -> None:
    await http.sql("CREATE TABLE t (a INTEGER)")
    answer = await http.sql("INSERT INTO t VALUES (1), (2); SELECT a FROM t ORDER BY a; ;")
    outputs = answer.json()["output"]
    assert outputs[0] == {"affectedrows": 2}
    assert outputs[1]["records"]["rows"] == [[1], [2]]
    assert len(outputs) == 2


async def test_a_result_without_rows_keeps_its_columns(http: Any) -> None:
    records = (await http.sql("SELECT 1 AS a WHERE false")).json()["output"][0]["records"]
    assert records["rows"] == []
    assert records["total_rows"] == 0
    assert records["schema"]["column_schemas"] == [{"name": "a", "data_type": "Int32"}]


async def test_nothing_to_run_gives_no_output(http: Any) -> None:
    assert (await http.sql("-- only a comment")).json()["output"] == []


async def test_limit_cuts_each_result(http: Any) -> None:
    body = (await http.sql("SELECT range FROM range(10000)", limit=3)).json()
    assert body["output"][0]["records"]["rows"] == [[0], [1], [2]]
    assert body["output"][0]["records"]["total_rows"] == 3


async def test_an_error_carries_code_status_and_headers(http: Any) -> None:
    answer = await http.sql("FAIL UNDEFINED_TABLE table “x” does\nnot exist")
    assert answer.status_code == 400
    assert answer.headers["x-greptime-err-code"] == "4001"
    assert answer.headers["x-greptime-err-msg"] == "table ?x? does not exist"
    body = answer.json()
    assert body.pop("execution_time_ms") >= 0
    assert body == {"code": 4001, "error": "table “x” does\nnot exist; hint: a hint"}


@pytest.mark.parametrize("control", ["\x00", "\x05", "\x1b", "\x7f", "\x85", "\r\nx: y"])
async def test_control_characters_of_an_error_are_in_no_header(http: Any, control: str) -> None:
    answer = await http.sql(f"FAIL UNDEFINED_TABLE table a{control}b does not exist")
    assert answer.status_code == 400
    assert "x" not in answer.headers
    assert answer.headers["x-greptime-err-msg"] in (
        "table a?b does not exist",
        "table a b does not exist",  # it is a space
        "table a x: yb does not exist",
    )
    assert answer.json()["error"].startswith(f"table a{control}b")


async def test_each_kind_of_error_has_its_status(http: Any) -> None:
    for kind, status in [("SYNTAX", 400), ("OUT_OF_MEMORY", 503), ("CORRUPTED", 500)]:
        assert (await http.sql(f"FAIL {kind} words")).status_code == status
    assert "retry-after" in (await http.sql("FAIL REGION_BUSY words")).headers


async def test_a_failed_statement_fails_the_request(http: Any) -> None:
    answer = await http.sql("SELECT 1; SELECT * FROM missing")
    assert answer.status_code == 400
    assert "output" not in answer.json()


async def test_a_bug_shows_no_traceback(http: Any) -> None:
    http.database.connect = _raise_key_error
    answer = await http.sql("SELECT 1")
    assert answer.status_code == 500
    assert answer.json()["code"] == 1003
    assert "Traceback" not in answer.text


def _raise_key_error(*_: object) -> None:
    raise KeyError("a bug of ours")


async def test_missing_and_wrong_parameters_are_named(http: Any) -> None:
    missing = await http.client.post("/v1/sql", data={"db": "public"})
    assert (missing.status_code, missing.json()["code"]) == (400, 1004)
    assert "sql" in missing.json()["error"]
    for wrong in ({"format": "xml"}, {"limit": "-1"}, {"format": "influxdb_v1", "epoch": "y"}):
        answer = await http.sql("SELECT 1", **wrong)
        assert answer.status_code == 400
        assert list(wrong.values())[-1] in answer.json()["error"]


async def test_the_database_comes_from_db_or_header(http: Any) -> None:
    await http.sql("SELECT 1")
    await http.sql("SELECT 1", db="greptime-metrics")
    header = {"x-greptime-db-name": "logs"}
    await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=header)
    await http.client.post("/v1/sql", data={"sql": "SELECT 1", "db": "both"}, headers=header)
    found = [client.database for client in http.database.clients]
    assert found == ["public", "metrics", "logs", "both"]
    assert (await http.sql("SELECT 1", db="nowhere")).json()["code"] == 4004


async def test_the_time_zone_header_sets_the_session(http: Any) -> None:
    header = {"x-greptime-timezone": "+08:00"}
    await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=header)
    assert http.database.set_calls == [("timezone", "+08:00")]


async def test_a_body_beyond_the_limit_is_refused(build: Any) -> None:
    http = await build(http_body_bytes_max=1000)
    assert (await http.sql("SELECT 1 -- " + "x" * 900)).status_code == 200
    announced = await http.sql("SELECT 1 -- " + "x" * 1000)
    assert (announced.status_code, announced.json()["code"]) == (413, 1004)

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100

    assert (await http.client.post("/v1/sql", content=pieces())).status_code == 413


async def test_a_timeout_ends_the_statement(http: Any) -> None:
    header = {"x-greptime-timeout": "100ms"}
    answer = await http.client.post("/v1/sql", data={"sql": LONG}, headers=header)
    assert (answer.status_code, answer.json()["code"]) == (504, 1008)
    assert (await http.sql("SELECT 1")).status_code == 200
    wrong = await http.client.post(
        "/v1/sql", data={"sql": LONG}, headers={**header, "x-greptime-timeout": "soon"}
    )
    assert wrong.status_code == 400


async def test_a_client_that_leaves_cancels_its_statement(served: Any) -> None:
    asking = asyncio.create_task(served.sql(LONG))
    await wait_until(lambda: served.database.live)
    running = served.database.live[0]
    asking.cancel()
    await wait_until(lambda: not served.database.live)
    assert running.cancelled


async def test_a_large_result_streams_and_is_whole(served: Any) -> None:
    rows = 400_000
    answer = await served.sql(f"SELECT range AS a, 'text' AS b FROM range({rows})")
    assert answer.headers["transfer-encoding"] == "chunked"
    records = answer.json()["output"][0]["records"]
    assert records["total_rows"] == rows
    assert [row[0] for row in records["rows"]] == list(range(rows))


async def test_a_client_that_leaves_a_stream_frees_the_statement(served: Any) -> None:
    sql = "SELECT range AS a, 'text' AS b FROM range(1000000000)"
    async with served.client.stream(
        "POST", "/v1/sql", data={"sql": sql, "format": "csv"}
    ) as answer:
        async for _ in answer.aiter_raw():
            break
    await wait_until(lambda: not served.database.live)


async def test_a_stream_that_fails_is_cut_off_not_ended(served: Any) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await served.sql("FAIL LATE", format="csv")
    await wait_until(lambda: not served.database.live)


async def test_connections_are_limited(build: Any) -> None:
    http = await build(socket=True, max_connections=1)
    asking = asyncio.create_task(http.sql(LONG))
    await wait_until(lambda: http.database.live)
    refused = await http.sql("SELECT 1")
    assert (refused.status_code, refused.json()["code"]) == (503, 6000)
    asking.cancel()
    await wait_until(lambda: not http.database.live)
    assert (await http.sql("SELECT 1")).status_code == 200


async def test_several_statements_need_a_format_that_holds_them(http: Any) -> None:
    for name in ("csv", "csvWithNames", "arrow", "table", "json"):
        answer = await http.sql("SELECT 1; SELECT 2", format=name)
        assert answer.status_code == 400, name
        assert name in answer.json()["error"]
    answer = await http.sql("SELECT 1 AS a; SELECT 2 AS b", format="influxdb_v1")
    assert [one["statement_id"] for one in json.loads(answer.text)["results"]] == [0, 1]
