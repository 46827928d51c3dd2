"""InfluxDB's endpoints: what is written becomes rows, what is refused leaves nothing."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pyarrow as pa
import pytest

from server.http.influx import write

LINE = "monitor,host=a cpu=0.1,mem=4i 1667446797450"


async def test_a_measurement_becomes_a_table(agent: Any) -> None:
    await agent.wrote(LINE, precision="ms")
    described = await agent.sql("DESC TABLE monitor")
    assert [(row[0], row[1], row[-1]) for row in described] == [
        ("host", "String", "TAG"),
        ("cpu", "Float64", "FIELD"),
        ("mem", "Int64", "FIELD"),
        ("greptime_timestamp", "TimestampNanosecond", "TIMESTAMP"),
    ]
    assert "last_non_null" in (await agent.sql("SHOW CREATE TABLE monitor"))[0][1]
    await agent.wrote("monitor,host=a disk=1 1667446797450", precision="ms")
    rows = await agent.sql("SELECT host, cpu, mem, disk, greptime_timestamp FROM monitor")
    assert rows == [["a", 0.1, 4, 1.0, 1667446797450000000]]


async def test_tags_are_sorted_and_new_ones_are_added(agent: Any) -> None:
    await agent.wrote("m,b=1,a=2 f=1 1")
    await agent.wrote("m,c=3,a=2 g=t 2")
    names = [row[0] for row in await agent.sql("DESC TABLE m")]
    assert names[:2] == ["a", "b"]
    assert set(names) == {"a", "b", "c", "f", "g", "greptime_timestamp"}
    rows = await agent.sql("SELECT a, b, c, f, g FROM m ORDER BY greptime_timestamp")
    assert rows == [["2", "1", None, 1.0, None], ["2", None, "3", None, True]]


@pytest.mark.parametrize(
    ("precision", "factor"),
    [("n", 1), ("ns", 1), ("u", 10**3), ("us", 10**3), ("ms", 10**6), ("s", 10**9),
     ("m", 60 * 10**9), ("h", 3600 * 10**9), ("", 1)],
)  # fmt: skip
async def test_precisions(agent: Any, precision: str, factor: int) -> None:
    await agent.wrote("m f=1 7", precision=precision)
    assert await agent.sql("SELECT greptime_timestamp FROM m") == [[7 * factor]]


async def test_an_unknown_precision_is_refused(agent: Any) -> None:
    answer = await agent.influx("m f=1 7", precision="weeks")
    assert (answer.status_code, answer.json()["code"]) == (400, 1004)


async def test_a_line_without_a_time_gets_the_present_one(agent: Any) -> None:
    await agent.wrote("m f=1")
    rows = await agent.sql(
        "SELECT greptime_timestamp > now() - INTERVAL '1 minute',"
        " greptime_timestamp <= now() + INTERVAL '1 second' FROM m"
    )
    assert rows == [[True, True]]


async def test_compressed_bodies(agent: Any) -> None:
    text = b"m f=1 1\nm f=2 2"
    halves = gzip.compress(text[:8]) + gzip.compress(text[8:])
    await agent.wrote(gzip.compress(text), {"content-encoding": "gzip"})
    await agent.wrote(halves, {"content-encoding": "gzip"}, db="public")
    await agent.wrote(zlib.compress(text), {"content-encoding": "deflate"})
    await agent.wrote(pa.compress(text, "zstd", asbytes=True), {"content-encoding": "zstd"})
    assert await agent.sql("SELECT f FROM m ORDER BY f") == [[1.0], [2.0]]
    for body, encoding in ((text, "gzip"), (gzip.compress(text)[:-9], "gzip"), (text, "br")):
        answer = await agent.influx(body, {"content-encoding": encoding})
        assert answer.status_code == 400
    bomb = gzip.compress(bytes(600 << 20), 1)
    assert (await agent.influx(bomb, {"content-encoding": "gzip"})).status_code == 413


async def test_databases_by_parameter_bucket_and_header(agent: Any) -> None:
    for name in ("d1", "d2", "d3"):
        await agent.sql(f"CREATE DATABASE {name}")
    await agent.wrote("m f=1 1", db="d1")
    answer = await agent.post("influxdb/api/v2/write", "m f=1 1", bucket="d2", org="o")
    assert answer.status_code == 204
    answer = await agent.post("influxdb/api/v2/write", "m f=2 2", bucket="d2/autogen")
    assert answer.status_code == 204
    await agent.wrote("m f=1 1", {"x-greptime-db-name": "d3"})
    counts = [await agent.sql(f"SELECT count(*) FROM {name}.m") for name in ("d1", "d2", "d3")]
    assert counts == [[[1]], [[2]], [[1]]]
    refused = await agent.influx("m f=1 1", db="nowhere")
    assert (refused.status_code, refused.json()["code"]) == (400, 4004)


async def test_a_bad_line_refuses_the_whole_request(agent: Any) -> None:
    answer = await agent.influx("a f=1 1\nb f= 2\nc f=1 3\nd")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert "line 2: unable to parse 'b f= 2'" in error
    assert "line 4: unable to parse 'd'" in error
    assert await agent.tables() == []


@pytest.mark.parametrize(
    "line", ["m,t=x f=1i 2", 'm,t=x f="x" 2', "m,f=x g=1 2", 'm t="x" 2', "m s=1 2", "m i=1 2"]
)
async def test_a_value_of_another_type_refuses_the_whole_request(agent: Any, line: str) -> None:
    await agent.wrote('m,t=x f=1,s="x",i=1i 1')
    answer = await agent.influx(f"other f=1 1\n{line}\nm g=7 3")
    assert answer.status_code == 400, line
    assert await agent.tables() == ["m"]
    assert await agent.sql("SELECT count(*) FROM m") == [[1]]
    assert "g" not in [row[0] for row in await agent.sql("DESC TABLE m")]


async def test_tables_made_by_sql_keep_their_types_and_their_time(agent: Any) -> None:
    await agent.sql(
        "CREATE TABLE m (ts TIMESTAMP(3) TIME INDEX, host STRING, v REAL, n SMALLINT,"
        " PRIMARY KEY (host))"
    )
    await agent.wrote("m,host=a v=1.5,n=3i 1234567890")
    rows = await agent.sql("SELECT host, v, n, ts FROM m")
    assert rows == [["a", 1.5, 3, 1234]]
    for line in ("m n=40000i 1", "m ts=5i 1", "m,ts=x n=1i 1"):
        assert (await agent.influx(line)).status_code == 400
    assert await agent.sql("SELECT count(*) FROM m") == [[1]]


async def test_the_time_column_is_no_field(agent: Any) -> None:
    assert (await agent.influx("m greptime_timestamp=5i 1")).status_code == 400
    assert await agent.tables() == []


async def test_hints_say_how_tables_are_made(agent: Any) -> None:
    refused = await agent.influx("m f=1", {"x-greptime-hints": "auto_create_table=false"})
    assert (refused.status_code, refused.json()["code"]) == (400, 4001)
    await agent.wrote("m f=1 1", {"x-greptime-hints": "ttl=7d, append_mode=true,unknown=1"})
    created = (await agent.sql("SHOW CREATE TABLE m"))[0][1]
    assert "append_mode = 'true'" in created
    assert "ttl = '7d'" in created
    assert "last_non_null" not in created
    await agent.wrote("n f=1 1", {"x-greptime-hint-merge_mode": "last_row"})
    assert "last_non_null" not in (await agent.sql("SHOW CREATE TABLE n"))[0][1]
    for hints in ("ttl", "auto_create_table=perhaps", "ttl=never-ever"):
        assert (await agent.influx("o f=1", {"x-greptime-hints": hints})).status_code == 400
    assert await agent.tables() == ["m", "n"]


async def test_ping_and_health_need_no_password(guarded_agent: Any) -> None:
    for method in ("GET", "POST", "HEAD"):
        answer = await guarded_agent.client.request(method, "/v1/influxdb/ping")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["x-influxdb-version"] == "1.2.3"
    answer = await guarded_agent.client.get("/v1/influxdb/health")
    assert (answer.status_code, answer.json()) == (200, {})


async def test_every_way_to_say_who_writes(guarded_agent: Any) -> None:
    send = guarded_agent.influx
    assert (await send("m f=1 1")).status_code == 401
    assert (await send("m f=1 1", u="ann", p="wrong")).status_code == 401
    assert (await send("m f=1 1", u="rob", p="secret")).status_code == 403
    assert (await send("m f=1 1", u="ann", p="secret")).status_code == 204
    for scheme, status in (("Token", 204), ("token", 204), ("Bearer", 204), ("Splunk", 401)):
        answer = await send("m f=1 1", {"authorization": f"{scheme} ann:secret"})
        assert answer.status_code == status
    assert (await send("m f=1 1", {"authorization": "Token x"})).status_code == 401
    guarded_agent.client.auth = ("ann", "secret")
    assert (await send("m f=1 1")).status_code == 204
    guarded_agent.client.auth = ("ann", "other")
    assert (await send("m f=1 1")).status_code == 401
    assert (await send("m f=1 1", db="nowhere")).status_code == 401
    guarded_agent.client.auth = None
    assert (await send("m f=1 1")).status_code == 401


async def test_a_head_that_is_remembered_keeps_no_password(guarded_agent: Any) -> None:
    for given in ({"u": "ann", "p": "a-secret"}, {"u": "ann", "p": "a-secret", "precision": "ms"}):
        assert (await guarded_agent.influx("m f=1 1", **given)).status_code == 401
    for name in ("authorization", "x-greptime-auth"):
        headers = {name: "Basic YW5uOmEtc2VjcmV0"}
        assert (await guarded_agent.influx("m f=1 1", headers)).status_code == 401
    assert write._REMEMBERED
    kept = repr(write._REMEMBERED)
    assert "a-secret" not in kept
    assert "YW5uOmEtc2VjcmV0" not in kept


async def test_heads_that_differ_are_told_apart(agent: Any) -> None:
    await agent.wrote("t f=1 1", precision="s")
    await agent.wrote("t f=1 1", precision="ms")
    answer = await agent.influx("u f=1 1", {"x-greptime-hints": "auto_create_table=false"})
    assert answer.status_code == 400
    await agent.wrote("u f=1 1", {"x-greptime-hints": "auto_create_table=true"})
    assert (await agent.influx("t f=1 1", db="nowhere")).status_code == 400
    rows = await agent.sql("SELECT greptime_timestamp FROM t ORDER BY 1")
    assert rows == [[1_000_000], [1_000_000_000]]


async def test_version_3_keeps_the_good_lines(agent: Any) -> None:
    path = "influxdb/api/v3/write_lp"
    body = "m f=1 1700000000\nm f= 2\nm f=x"
    answer = await agent.post(path, body, db="public")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "partial write of line protocol occurred",
        "data": [
            {"original_line": "m f= 2", "line_number": 2,
             "error_message": 'missing value of field "f"'},
            {"original_line": "m f=x", "line_number": 3,
             "error_message": 'the value of "f" is neither true nor false, and no quoted text'},
        ],
    }  # fmt: skip
    rows = await agent.sql("SELECT f, greptime_timestamp FROM m")
    assert rows == [[1.0, 1700000000_000000000]]
    answer = await agent.post(path, "n f=1\nm f= 2", accept_partial="false")
    assert answer.status_code == 400
    assert await agent.tables() == ["m"]
    answer = await agent.post(path, "m f=2 5", precision="second")
    assert answer.status_code == 204


async def test_an_empty_body_is_no_error(agent: Any) -> None:
    await agent.wrote("")
    await agent.wrote("# nothing\n\n")
    assert await agent.tables() == []


async def test_requests_at_one_moment_are_taken_and_refused_one_by_one(agent: Any) -> None:
    good = [f"m,host=h{number} f={number},g={number}i {number}" for number in range(30)]
    bad = ["m,host=x f=oops 1", "m,host=x g=1 1", "m f", "m,host=x f=1 1\nm,host=y f=2i 2", "m\\"]
    bodies = [body for pair in zip(good, bad * 6, strict=True) for body in pair]
    await agent.wrote("m,host=first f=1,g=1i 1")
    answers = await asyncio.gather(*map(agent.influx, bodies))
    assert [answer.status_code for answer in answers] == [204, 400] * 30
    assert "line 1: unable to parse 'm,host=x f=oops 1'" in answers[1].text
    assert "line 2" in answers[7].text
    rows = await agent.sql("SELECT host, f, g FROM m WHERE host <> 'first' ORDER BY g")
    assert rows == [[f"h{number}", number, number] for number in range(30)]


async def test_what_unpacks_to_much_is_written_by_itself(
    agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_TOGETHER_BYTES_MAX", 100)
    bodies = [f"m,host=h{number} f={number} {number}\n" * 10 for number in range(20)]
    packed = [agent.influx(gzip.compress(b.encode()), {"content-encoding": "gzip"}) for b in bodies]
    answers = await asyncio.gather(*packed, agent.influx("m f=oops 1"))
    assert [answer.status_code for answer in answers] == [204] * 20 + [400]
    assert await agent.sql("SELECT count(*), sum(f) FROM m") == [[20, 190.0]]


async def test_a_text_that_one_request_leaves_open_is_not_closed_by_another(agent: Any) -> None:
    # One after the other they would be two good lines and a text of three.
    bodies = ['m f="a', 'm g=" 5\nu v=1 7\nm h=" 6', '",x=1 5', "é".encode()[:1], "é".encode()[1:]]
    answers = await asyncio.gather(*map(agent.influx, [*bodies[:1] * 2, *bodies]))
    good = [answer.status_code == 204 for answer in answers]
    assert good == [False, False, False, True, False, False, False]
    assert (await agent.sql("SELECT g FROM m"))[0] == [" 5\nu v=1 7\nm h="]


async def test_version_3_reports_the_lines_of_its_own_request(agent: Any) -> None:
    path = "influxdb/api/v3/write_lp"
    bodies = [f"m f={number} {number}\nm f=no{number} 1" for number in range(1, 9)]
    answers = await asyncio.gather(*(agent.post(path, body) for body in bodies))
    for number, answer in enumerate(answers, 1):
        (report,) = answer.json()["data"]
        assert (report["line_number"], report["original_line"]) == (2, f"m f=no{number} 1")
    assert await agent.sql("SELECT count(*) FROM m") == [[8]]
