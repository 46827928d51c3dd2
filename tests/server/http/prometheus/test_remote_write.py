"""Remote write: what is written can be asked for, what is refused leaves nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest
import write_requests as wr

UP = ({"__name__": "up", "job": "a"}, [(1000, 1.0), (2000, 0.5)])


async def test_what_is_written_is_a_table_and_a_metric(prom: Any) -> None:
    answer = await prom.write(UP, ({"__name__": "up", "job": "b", "zone": "x"}, [(2000, 7.0)]))
    assert answer.status_code == 204
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    rows = await prom.sql("SELECT job, zone, greptime_timestamp, greptime_value FROM up ORDER BY 4")
    assert rows == [["a", None, 2000, 0.5], ["a", None, 1000, 1.0], ["b", "x", 2000, 7.0]]
    data = await prom.data("query", query="sum(up)", time="2")
    assert data["result"] == [{"metric": {}, "value": [2, "7.5"]}]


async def test_new_labels_widen_the_table(prom: Any) -> None:
    await prom.write(UP)
    await prom.write(({"__name__": "up", "job": "a", "pod": "p"}, [(1000, 2.0)]))
    rows = await prom.sql("SELECT job, pod, greptime_value FROM up ORDER BY greptime_value")
    assert rows == [["a", None, 0.5], ["a", None, 1.0], ["a", "p", 2.0]]


async def test_a_later_value_of_one_time_replaces_the_earlier(prom: Any) -> None:
    await prom.write(UP)
    await prom.write(({"__name__": "up", "job": "a"}, [(1000, 9.0)]))
    assert await prom.sql("SELECT greptime_value FROM up ORDER BY 1") == [[0.5], [9.0]]


async def test_databases_by_parameter_and_by_label(prom: Any) -> None:
    await prom.sql("CREATE DATABASE d")
    assert (await prom.write(UP, db="d")).status_code == 204
    routed = ({"__name__": "down", "x_greptime_database": "d"}, [(1, 1.0)])
    assert (await prom.write(routed)).status_code == 204
    assert await prom.sql("SELECT count(*) FROM d.up") == [[2]]
    assert await prom.sql("SELECT count(*) FROM d.down") == [[1]]
    refused = await prom.write(UP, db="nowhere")
    assert (refused.status_code, refused.json()["code"]) == (400, 4004)


async def test_tables_are_logical_ones_of_a_physical_table(prom: Any) -> None:
    await prom.write(UP, physical_table="phy")
    await prom.write(({"__name__": "other"}, [(1, 1.0)]))
    created = await prom.sql("SHOW CREATE TABLE up")
    assert "on_physical_table" in created[0][1]
    names = [row[0] for row in await prom.sql("SHOW TABLES")]
    assert {"phy", "greptime_physical_table", "up", "other"} <= set(names)


async def test_native_histograms_come_back(prom: Any) -> None:
    body = wr.series({"__name__": "h"}, wr.histogram(1000, 4), wr.histogram(61_000, 10))
    answer = await prom.post(wr.compressed(body))
    assert answer.status_code == 204
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "2"
    data = await prom.data("query", query="h", time="61")
    found = data["result"][0]["histogram"]
    assert found[0] == 61
    assert found[1]["count"] == "10"
    assert found[1]["sum"] == "5.5"
    assert [bucket[3] for bucket in found[1]["buckets"]] == ["1", "1"]
    ranged = await prom.data("query_range", query="h", start="0", end="61", step="60")
    assert [point[1]["count"] for point in ranged["result"][0]["histograms"]] == ["4"]
    counted = await prom.data("query", query="histogram_count(h)", time="61")
    assert counted["result"][0]["value"] == [61, "10"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"not snappy", {}, 400),
        (wr.compressed(b"\x0b"), {}, 400),
        (wr.compressed(wr.message(({"job": "x"}, [(1, 1.0)]))), {}, 400),
        (wr.compressed(wr.message(UP)), {"content-encoding": "lzma"}, 400),
        (wr.compressed(wr.message(UP)), {"content-type": "text/plain"}, 415),
        (
            wr.compressed(wr.message(UP)),
            {"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
            400,
        ),
    ],
)
async def test_what_cannot_be_read_is_refused_and_nothing_written(
    prom: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await prom.post(body, headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert "up" not in [row[0] for row in await prom.sql("SHOW TABLES")]


async def test_a_body_that_lies_about_its_size_harms_no_other(prom: Any) -> None:
    lie = b"\x80\x80\x80\xf0\x01" + b"\x00x"  # 480 MiB, it says: more than there is, of some
    good = [wr.compressed(wr.message(({"__name__": "up"}, [(t, 1.0)]))) for t in range(3)]
    assert (await prom.post(good[0], {})).status_code == 204  # the next are of known series
    answers = await asyncio.gather(*(prom.post(body, {}) for body in [*good, *[lie] * 100, *good]))
    assert [answer.status_code for answer in answers] == [204] * 3 + [400] * 100 + [204] * 3


async def test_one_bad_series_refuses_the_whole_request(prom: Any) -> None:
    await prom.sql("CREATE TABLE down (job INT)")
    answer = await prom.write(UP, ({"__name__": "down"}, [(1, 1.0)]))
    assert answer.status_code == 400
    assert "up" not in [row[0] for row in await prom.sql("SHOW TABLES")]


async def test_zstd_and_the_question_of_vmagent(prom: Any) -> None:
    asked = await prom.post(b"", get_vm_proto_version="1")
    assert (asked.status_code, asked.text) == (200, "1")
    content = pa.compress(wr.message(UP), "zstd", asbytes=True)
    answer = await prom.post(content, {"content-encoding": "zstd"})
    assert answer.status_code == 204
    assert await prom.sql("SELECT count(*) FROM up") == [[2]]


async def test_a_body_that_grows_beyond_all_limits_is_refused(prom: Any) -> None:
    length = wr.varint(2**31)
    answer = await prom.post(length + b"\x00")
    assert answer.status_code == 413


async def test_users_write_and_ask_what_they_may(guarded: Any) -> None:
    assert (await guarded.write(UP)).status_code == 401
    refused = await guarded.get("query", query="up")
    assert (refused.status_code, refused.json()["errorType"]) == (401, "unauthorized")
    guarded.client.auth = ("rob", "secret")
    assert (await guarded.write(UP)).status_code == 403
    guarded.client.auth = ("ann", "secret")
    assert (await guarded.write(UP)).status_code == 204
    guarded.client.auth = ("rob", "secret")
    data = await guarded.data("query", query="count(up)", time="2")
    assert data["result"][0]["value"] == [2, "1"]
    guarded.client.auth = ("ann", "wrong")
    assert (await guarded.get("status/runtimeinfo")).status_code == 401
