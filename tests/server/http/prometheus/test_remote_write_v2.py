"""Remote write 2.0, exemplars and metadata of both versions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
import write_requests as wr

from server.config import Settings
from server.http.prometheus.write_request import tables_of
from server.http.prometheus.write_request_v2 import read_request

V2 = {"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


class Request:
    """A version 2 message in the making."""

    def __init__(self) -> None:
        self.symbols = [""]
        self.series: list[bytes] = []

    def refs(self, pairs: dict[str, str]) -> bytes:
        found = b""
        for text in (text for pair in pairs.items() for text in pair):
            if text not in self.symbols:
                self.symbols.append(text)
            found += wr.varint(self.symbols.index(text))
        return wr.piece(1, found)

    def add(self, labels: dict[str, str], *points: bytes, meta: Sequence[Any] = ()) -> None:
        body = self.refs(labels) + b"".join(points)
        if meta:
            kind, help_, unit = meta
            refs = [self.symbol(help_), self.symbol(unit)]
            body += wr.piece(5, b"\x08" + wr.varint(kind) + b"\x18" + refs[0] + b"\x20" + refs[1])
        self.series.append(wr.piece(5, body))

    def symbol(self, text: str) -> bytes:
        if text not in self.symbols:
            self.symbols.append(text)
        return wr.varint(self.symbols.index(text))

    def exemplar(self, labels: dict[str, str], value: float, time: int) -> bytes:
        figures = b"\x11" + struct.pack("<d", value) + b"\x18" + wr.varint(time)
        return wr.piece(4, self.refs(labels) + figures)

    def message(self) -> bytes:
        return b"".join(wr.piece(4, text.encode()) for text in self.symbols) + b"".join(self.series)


def sample(time: int, value: float) -> bytes:
    return wr.sample(time, value)  # the same message in both versions


async def test_version_2_writes_what_version_1_writes(prom: Any) -> None:
    request = Request()
    request.add({"__name__": "up", "job": "a"}, sample(1000, 1.0), sample(2000, 0.5))
    request.add({"__name__": "up", "job": "b", "zone": "x"}, sample(2000, 7.0))
    request.add({"__name__": "h"}, wr.piece(3, wr.histogram(1000, 4)[2:]))
    answer = await prom.post(wr.compressed(request.message()), V2)
    assert answer.status_code == 204, answer.text
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "1"
    data = await prom.data("query", query="sum by (zone) (up)", time="2")
    assert [(one["metric"], one["value"][1]) for one in data["result"]] == [
        ({}, "0.5"),
        ({"zone": "x"}, "7"),
    ]
    data = await prom.data("query", query="histogram_count(h)", time="2")
    assert data["result"][0]["value"][1] == "4"


def started(time: int, value: float, start: int) -> bytes:
    """A sample whose counter began at `start`."""
    body = b"\x09" + struct.pack("<d", value) + b"\x10" + wr.varint(time)
    return wr.piece(2, body + b"\x18" + wr.varint(start % (1 << 64)))


async def grown(prom: Any, query: str) -> dict[str, str]:
    data = await prom.data("query", query=query, time="240")
    return {one["metric"].get("job", ""): one["value"][1] for one in data["result"]}


# A counter that is made anew for each sample: without start times it does not seem to grow.
RENEWED = [(60_000 * i, 5.0, 60_000 * i - 30_000) for i in range(1, 5)]
OWN_TABLE = (
    "CREATE TABLE plain (greptime_timestamp TIMESTAMP(3) TIME INDEX, greptime_value DOUBLE,"
    " greptime_native_histogram BINARY, job STRING PRIMARY KEY)"
)


@pytest.mark.parametrize("metric", ["logical", "plain"])
async def test_start_times_tell_that_counters_began_anew(prom: Any, metric: str) -> None:
    await prom.sql(OWN_TABLE)
    request = Request()
    request.add({"__name__": metric, "job": "old"}, *(sample(t, v) for t, v, _ in RENEWED))
    request.add({"__name__": metric, "job": "new"}, *(started(*one) for one in RENEWED))
    for _ in range(2):
        answer = await prom.post(wr.compressed(request.message()), V2)
        assert answer.headers["x-prometheus-remote-write-samples-written"] == "8"
        assert answer.headers["x-prometheus-remote-write-histograms-written"] == "0"
    rows = f"SELECT job, greptime_value FROM {metric} ORDER BY job, greptime_timestamp"
    for _ in range(2):  # from memory, then from a file
        assert await grown(prom, f"resets({metric}[4m])") == {"old": "0", "new": "3"}
        assert (await grown(prom, f"round(increase({metric}[3m30s]))"))["new"] == "18"
        assert (await grown(prom, f"increase({metric}[3m30s])"))["old"] == "0"
        assert await grown(prom, f"start_timestamp({metric})") == {"old": "0", "new": "210"}
        assert await grown(prom, f"sum by (job) ({metric})") == {"old": "5", "new": "5"}
        assert await prom.sql(rows) == [["new", 5.0]] * 4 + [["old", 5.0]] * 4
        await prom.sql(f"ADMIN flush_table('{metric}')")


async def test_a_sample_without_a_start_time_replaces_one_with_it(prom: Any) -> None:
    request = Request()
    request.add({"__name__": "c"}, started(240_000, 5.0, -1_000), started(180_000, 5.0, 170_000))
    assert (await prom.post(wr.compressed(request.message()), V2)).status_code == 204
    assert await grown(prom, "start_timestamp(c)") == {"": "-1"}
    await prom.write(({"__name__": "c"}, [(240_000, 6.0)]))
    assert await grown(prom, "start_timestamp(c)") == {"": "0"}
    assert await grown(prom, "c") == {"": "6"}


async def test_native_histograms_keep_their_start_time(prom: Any) -> None:
    request = Request()
    points = [
        wr.piece(3, wr.histogram(60_000 * i, 4)[2:] + b"\x88\x01" + wr.varint(60_000 * i - 1))
        for i in range(1, 5)
    ]
    request.add({"__name__": "h"}, *points)
    answer = await prom.post(wr.compressed(request.message()), V2)
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "4"
    assert await grown(prom, "resets(h[4m])") == {"": "3"}


async def test_exemplars_of_both_versions_can_be_asked_for(prom: Any) -> None:
    request = Request()
    exemplar = request.exemplar({"trace_id": "t2"}, 0.25, 1500)
    request.add({"__name__": "lat", "job": "a"}, sample(1000, 1.0), exemplar)
    answer = await prom.post(wr.compressed(request.message()), V2)
    assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "1"
    figures = b"\x11" + struct.pack("<d", float("inf")) + b"\x18" + wr.varint(2500)
    first = wr.piece(3, wr.label("trace_id", "t1") + figures)
    body = wr.series({"__name__": "lat", "job": "a"}, wr.sample(2000, 2.0), first)
    body += wr.series({"__name__": "lat", "job": "b"}, first)
    answer = await prom.post(wr.compressed(body))
    assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "2"
    asked = {"start": "0", "end": "2.5"}
    found = await prom.data("query_exemplars", query='rate(lat{job="a"}[5m]) > 0', **asked)
    assert found == [
        {
            "seriesLabels": {"__name__": "lat", "job": "a"},
            "exemplars": [
                {"labels": {"trace_id": "t2"}, "value": "0.25", "timestamp": 1.5},
                {"labels": {"trace_id": "t1"}, "value": "+Inf", "timestamp": 2.5},
            ],
        }
    ]
    everything = await prom.data("query_exemplars", query="lat", start="2", end="9")
    assert [one["seriesLabels"]["job"] for one in everything] == ["a", "b"]
    assert await prom.data("query_exemplars", query="other", **asked) == []
    names = await prom.data("label/__name__/values")
    assert names == ["lat"], "the table of exemplars is no metric"


async def test_metadata_of_both_versions_is_kept_and_replaced(prom: Any) -> None:
    request = Request()
    request.add({"__name__": "up"}, sample(1000, 1.0), meta=(2, "Is it up?", ""))
    request.add({"__name__": "up", "job": "b"}, sample(1000, 1.0), meta=(2, "Is it up?", ""))
    assert (await prom.post(wr.compressed(request.message()), V2)).status_code == 204
    told = b"\x08\x01" + wr.piece(2, b"req_total") + wr.piece(4, b"Requests.") + wr.piece(5, b"1")
    assert (await prom.post(wr.compressed(wr.piece(3, told)))).status_code == 204
    assert (await prom.post(wr.compressed(wr.piece(3, told)))).status_code == 204
    assert await prom.data("metadata") == {
        "req_total": [{"type": "counter", "help": "Requests.", "unit": "1"}],
        "up": [{"type": "gauge", "help": "Is it up?", "unit": ""}],
    }
    assert list(await prom.data("metadata", metric="up")) == ["up"]
    assert await prom.sql("SELECT count(*) FROM prometheus_metadata") == [[2]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (wr.piece(4, b"") + wr.piece(5, wr.piece(1, b"\x05\x00")), "symbol"),
        (wr.piece(4, b"") + wr.piece(5, wr.piece(1, b"\x00")), "no value"),
        (wr.piece(4, b"\xff\xfe"), "UTF-8"),
        (b"\x2a\x09", "in the middle"),
        (wr.piece(4, b"") + wr.piece(5, b"\x10\x01"), "wrong kind"),
        (wr.piece(4, b"") + wr.piece(5, sample(1, 1.0)), "no metric name"),
        (wr.piece(5, wr.piece(4, b"\x10\x01")), "wrong kind"),
    ],
)
async def test_malformed_messages_are_refused_and_leave_nothing(
    prom: Any, body: bytes, words: str
) -> None:
    answer = await prom.post(wr.compressed(body), V2)
    assert answer.status_code == 400
    assert words in answer.text
    assert await prom.data("label/__name__/values") == []


async def test_messages_nobody_knows_are_refused_with_415(prom: Any) -> None:
    for kind in ("application/json", "application/x-protobuf;proto=io.prometheus.write.v3.Request"):
        assert (await prom.post(b"", {"content-type": kind})).status_code == 415


def test_both_readers_see_the_same_samples() -> None:
    request = Request()
    rows = [
        ({"__name__": f"m{k % 3}", "l": f"v{k % 7}", "k": str(k)}, [(k * 10, k / 3)])
        for k in range(100)
    ]
    for labels, samples in rows:
        request.add(labels, *(sample(*one) for one in samples))
    message, _ = read_request(request.message())
    from server.http.prometheus.write_request import tables_of_message

    both = tables_of(wr.message(*rows), None), tables_of_message(message, None)
    first, second = (
        [{c.name: c.values.to_pylist() for c in t.columns} | {"": t.name} for t in tables]
        for tables in both
    )
    assert first == second


async def test_known_series_of_version_2_are_told_by_their_texts(prom: Any) -> None:
    """Not by their numbers in the request, which change; other metadata are noted."""

    async def send(value: float, *before: str, unit: str = "", help_: str = "h") -> Any:
        request = Request()
        request.symbols += before
        request.add(
            {"__name__": "up", "job": "a"}, sample(int(value), value), meta=(2, help_, unit)
        )
        request.add({"__name__": "up", "job": "b"}, sample(int(value), -value))
        answer = await prom.post(wr.compressed(request.message()), V2)
        assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
        return answer

    await send(1)
    await send(2)
    await send(3, "x", "job")
    await send(4, "x", unit="seconds")
    found = await prom.sql("SELECT job, greptime_value FROM up ORDER BY greptime_timestamp, job")
    assert found == [[job, value] for n in (1.0, 2.0, 3.0, 4.0) for job, value in
                     (("a", n), ("b", -n))]  # fmt: skip
    told = await prom.data("metadata", metric="up")
    assert {one["unit"] for one in told["up"]} == {"seconds"}


async def test_known_series_of_version_2_with_others_around(prom: Any) -> None:
    def request(time: int, *jobs: str) -> Request:
        made = Request()
        for job in jobs:
            points = [sample(time, float(time))]
            if job == "x":
                points.append(made.exemplar({"trace_id": f"t{time}"}, 1.0, time))
            if job == "h":
                points = [wr.piece(3, wr.histogram(time, 4)[2:])]
            made.add({"__name__": "up", "job": job}, *points)
        return made

    await prom.post(wr.compressed(request(1, "a", "x", "h", "b").message()), V2)
    answer = await prom.post(wr.compressed(request(2, "b", "new", "h", "x", "a").message()), V2)
    written = {k: v for k, v in answer.headers.items() if k.startswith("x-prometheus-remote")}
    assert list(written.values()) == ["4", "1", "1"]
    found = await prom.sql("SELECT job, greptime_value FROM up WHERE greptime_value = 2 ORDER BY 1")
    assert found == [["a", 2.0], ["b", 2.0], ["new", 2.0], ["x", 2.0]]
    asked = await prom.data("query_exemplars", query="up", start="0", end="5")
    assert [one["labels"]["trace_id"] for one in asked[0]["exemplars"]] == ["t1", "t2"]


@pytest.mark.parametrize("mode", ["strict", "lossy", "unchecked"])
async def test_bytes_that_are_no_utf8_are_refused_or_replaced(prom_with: Any, mode: str) -> None:
    """Text that nobody could read again is never stored, whatever the mode."""
    bad = wr.piece(1, wr.piece(1, b"job") + wr.piece(2, b"a\xff\xfeb"))
    name = wr.label("__name__", "up")
    first = wr.piece(1, name + bad + sample(1, 1.0))
    again = wr.piece(1, name + bad + sample(2, 2.0))
    texts = [b"", b"__name__", b"up", b"job", b"a\xff\xfeb"]
    symbols = b"".join(wr.piece(4, text) for text in texts)
    second = symbols + wr.piece(5, wr.piece(1, bytes([1, 2, 3, 4])) + sample(3, 3.0))
    async with prom_with(Settings(prom_validation=mode)) as prom:
        answers = [await prom.post(wr.compressed(body)) for body in (first, again)]
        answers.append(await prom.post(wr.compressed(second), V2))
        codes = [answer.status_code for answer in answers]
        if mode == "strict":
            assert codes == [400] * 3
            assert await prom.data("series", **{"match[]": "up", "start": "0", "end": "9"}) == []
            return
        assert codes == [204] * 3
        found = await prom.sql("SELECT job, greptime_value FROM up ORDER BY greptime_value")
        assert found == [["a\ufffd\ufffdb", float(n)] for n in (1, 2, 3)]
