"""The Prometheus API: queries, series, labels and their errors, in Prometheus' own shapes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from server.http.prometheus import status

API = "/v1/prometheus/api/v1/"
SERIES = (
    ({"__name__": "up", "job": "a", "zone": "x"}, [(0, 1.0), (10_000, 2.0), (20_000, 4.0)]),
    ({"__name__": "up", "job": "b"}, [(0, 10.0), (10_000, float("nan")), (20_000, float("inf"))]),
    ({"__name__": "low", "job": "a"}, [(20_000, 1e-7)]),
)


@pytest.fixture
async def loaded(prom: Any) -> Any:
    assert (await prom.write(*SERIES)).status_code == 204
    return prom


async def test_an_instant_vector(loaded: Any) -> None:
    data = await loaded.data("query", query="up", time="20")
    assert data["resultType"] == "vector"
    found = sorted(data["result"], key=lambda one: one["metric"]["job"])
    assert found == [
        {"metric": {"__name__": "up", "job": "a", "zone": "x"}, "value": [20, "4"]},
        {"metric": {"__name__": "up", "job": "b"}, "value": [20, "+Inf"]},
    ]


@pytest.mark.parametrize(
    ("query", "kind", "result"),
    [
        ("1.5", "scalar", [20.5, "1.5"]),
        ('"text"', "string", [20.5, "text"]),
        ("-1/0", "scalar", [20.5, "-Inf"]),
        ("1e30", "scalar", [20.5, "1e+30"]),
        ("nothing", "vector", []),
        ("low", "vector", [{"metric": {"__name__": "low", "job": "a"}, "value": [20.5, "1e-07"]}]),
        (
            'up{zone="x"}[15s]',
            "matrix",
            [
                {
                    "metric": {"__name__": "up", "job": "a", "zone": "x"},
                    "values": [[10, "2"], [20, "4"]],
                }
            ],
        ),
    ],
)
async def test_kinds_of_results(loaded: Any, query: str, kind: str, result: Any) -> None:
    data = await loaded.data("query", query=query, time="20.500")
    assert data == {"resultType": kind, "result": result}


async def test_a_range_query(loaded: Any) -> None:
    data = await loaded.data("query_range", query="up", start="0", end="20", step="10s")
    assert data["resultType"] == "matrix"
    assert data["result"] == [
        {
            "metric": {"__name__": "up", "job": "a", "zone": "x"},
            "values": [[0, "1"], [10, "2"], [20, "4"]],
        },
        {
            "metric": {"__name__": "up", "job": "b"},
            "values": [[0, "10"], [10, "NaN"], [20, "+Inf"]],
        },
    ]


async def test_a_range_of_a_scalar(loaded: Any) -> None:
    data = await loaded.data("query_range", query="1 + 1", start="0", end="1", step="0.5")
    values = [[0, "2"], [0.5, "2"], [1, "2"]]
    assert data == {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}


async def test_times_as_text_and_lookback(loaded: Any) -> None:
    at = "1970-01-01T00:00:25Z"
    assert len((await loaded.data("query", query="up", time=at))["result"]) == 2
    near = await loaded.data("query", query="up", time=at, lookback_delta="4s")
    assert near["result"] == []


async def test_post_of_a_form_and_gzip(loaded: Any) -> None:
    form = {"query": "up", "start": "0", "end": "20", "step": "0.01"}
    url = API + "query_range"
    plain = await loaded.client.post(url, data=form, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with loaded.client.stream("POST", url, data=form) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw)) == plain.json()
    assert len(plain.json()["data"]["result"][0]["values"]) == 2001


async def test_the_database_by_parameter_and_header(loaded: Any) -> None:
    await loaded.sql("CREATE DATABASE d")
    assert (await loaded.data("query", query="up", time="20", db="d"))["result"] == []
    header = {"x-greptime-db-name": "greptime-public"}
    answer = await loaded.client.get(
        API + "query", params={"query": "count(up)", "time": "20"}, headers=header
    )
    assert answer.json()["data"]["result"][0]["value"] == [20, "2"]
    assert (await loaded.get("query", query="up", db="nowhere")).status_code == 400


async def test_statistics_limits_and_warnings(loaded: Any) -> None:
    answer = (await loaded.get("query", query="up", time="20", limit="1", stats="all")).json()
    assert len(answer["data"]["result"]) == 1
    assert answer["warnings"] == ["results truncated due to limit"]
    assert answer["data"]["stats"]["samples"]["totalQueryableSamples"] > 0
    noted = (await loaded.get("query", query="quantile(2, up)", time="20")).json()
    assert any("quantile" in warning for warning in noted["warnings"])


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "words"),
    [
        ("query", {}, 400, "bad_data", "query"),
        ("query", {"query": "sum(("}, 400, "bad_data", "1:6: parse error"),
        ("query", {"query": "a +\n+ * b"}, 400, "bad_data", "2:3: parse error"),
        ("query", {"query": "up", "time": "soon"}, 400, "bad_data", '"time"'),
        ("query", {"query": "up", "timeout": "x"}, 400, "bad_data", '"timeout"'),
        ("query", {"query": "up", "limit": "-1"}, 400, "bad_data", '"limit"'),
        ("query", {"query": "up + on (job) group_left up"}, 200, "", ""),
        ("query", {"query": "up * on () up", "time": "20"}, 422, "execution", "match"),
        ("query_range", {"query": "up"}, 400, "bad_data", '"start"'),
        (
            "query_range",
            {"query": "up", "start": "0", "end": "1", "step": "0"},
            400,
            "bad_data",
            "step",
        ),
        (
            "query_range",
            {"query": "up", "start": "9", "end": "1", "step": "1"},
            400,
            "bad_data",
            '"end"',
        ),
        (
            "query_range",
            {"query": "up", "start": "0", "end": "11001", "step": "1"},
            400,
            "bad_data",
            "11,000 points",
        ),
        (
            "query_range",
            {"query": "up[1m]", "start": "0", "end": "1", "step": "1"},
            400,
            "bad_data",
            "range vector",
        ),
        ("series", {}, 400, "bad_data", "match[]"),
        ("series", {"match[]": "1 + 1"}, 400, "bad_data", "selector"),
        ("parse_query", {"query": "("}, 400, "bad_data", ""),
        ("nothing", {}, 404, "", ""),
    ],
)
async def test_errors(
    loaded: Any, path: str, params: dict[str, str], status: int, kind: str, words: str
) -> None:
    answer = await loaded.get(path, **params)
    assert answer.status_code == status, answer.text
    if kind:
        body = answer.json()
        assert (body["status"], body["errorType"]) == ("error", kind)
        assert words in body["error"]


async def test_a_query_that_takes_too_long_is_ended(loaded: Any) -> None:
    slow = "count_over_time(up[20s:1ms])" + " + count_over_time(up[20s:1ms])" * 150
    answer = await loaded.get(
        "query_range", query=slow, start="0", end="10000", step="1", timeout="0.05"
    )
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")


async def test_series(loaded: Any) -> None:
    found = await loaded.data("series", **{"match[]": ["up", '{job="a"}']})
    assert found == [
        {"__name__": "low", "job": "a"},
        {"__name__": "up", "job": "a", "zone": "x"},
        {"__name__": "up", "job": "b"},
    ]
    early = await loaded.data("series", **{"match[]": '{job="a"}', "start": "0", "end": "1"})
    assert [one["__name__"] for one in early] == ["up"]
    answer = (await loaded.get("series", **{"match[]": "up", "limit": "1"})).json()
    assert (len(answer["data"]), len(answer["warnings"])) == (1, 1)


async def test_labels(loaded: Any) -> None:
    assert await loaded.data("labels") == ["__name__", "job", "zone"]
    assert await loaded.data("labels", **{"match[]": "low"}) == ["__name__", "job"]
    assert await loaded.data("labels", **{"match[]": 'up{job="b"}'}) == ["__name__", "job"]
    every = await loaded.data("labels", **{"match[]": ["low", "up"]})
    assert every == ["__name__", "job", "zone"]
    assert await loaded.data("labels", **{"match[]": "up", "end": "-1"}) == []


async def test_labels_that_few_series_have(prom: Any) -> None:
    many = [({"__name__": "m", "i": f"{i:03}"}, [(0, 1.0)]) for i in range(100)]
    await prom.write(*many, ({"__name__": "m", "i": "100", "rare": "r"}, [(0, 1.0)]))
    assert await prom.data("labels", **{"match[]": "m"}) == ["__name__", "i", "rare"]
    assert await prom.data("labels", **{"match[]": 'm{i!="100"}'}) == ["__name__", "i"]


async def test_limits_cut_and_say_so(prom: Any) -> None:
    many = [({"__name__": "m", "i": f"{i:03}"}, [(0, 1.0)]) for i in range(60)]
    await prom.write(*many, *[({**labels, "__name__": "n"}, rows) for labels, rows in many])
    cut = ["results truncated due to limit"]
    for path, matches, limit, first in (
        ("label/i/values", ["m"], 5, [f"{i:03}" for i in range(5)]),
        ("series", ["m", "m", "n"], 70, None),
        ("series", ["m"], 5, None),
    ):
        answer = await prom.get(path, **{"match[]": matches, "limit": limit})
        found = answer.json()
        assert len(found["data"]) == limit, path
        assert len({str(one) for one in found["data"]}) == limit, "none twice"
        assert found["warnings"] == cut
        assert first is None or found["data"] == first
    for path, matches, count in (("label/i/values", "m", 60), ("series", "m", 60)):
        answer = await prom.get(path, **{"match[]": matches, "limit": count})
        assert len(answer.json()["data"]) == count
        assert "warnings" not in answer.json()


@pytest.mark.parametrize(
    ("name", "params", "values"),
    [
        ("__name__", {}, ["low", "up"]),
        ("__name__", {"match[]": '{zone="x"}'}, ["up"]),
        ("job", {}, ["a", "b"]),
        ("job", {"match[]": "low"}, ["a"]),
        ("job", {"match[]": 'up{zone!="x"}'}, ["b"]),
        ("U__job", {}, ["a", "b"]),
        ("zone", {}, ["x"]),
        ("nothing", {}, []),
        ("__schema__", {}, ["public"]),
        ("__field__", {}, ["greptime_value"]),
    ],
)
async def test_label_values(
    loaded: Any, name: str, params: dict[str, str], values: list[str]
) -> None:
    assert await loaded.data(f"label/{name}/values", **params) == values


async def test_any_table_with_numbers_is_a_metric(prom: Any) -> None:
    await prom.sql(
        "CREATE TABLE w (h STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, a INT, b DOUBLE)"
    )
    await prom.sql("INSERT INTO w VALUES ('x', 1000, 1, 2)")
    data = await prom.data("query", query="w", time="1")
    assert [(one["metric"]["__field__"], one["value"][1]) for one in data["result"]] == [
        ("a", "1"),
        ("b", "2"),
    ]
    one = await prom.data("query", query='w{__field__="b"}', time="1")
    assert one["result"] == [{"metric": {"__name__": "w", "h": "x"}, "value": [1, "2"]}]


async def test_a_server_has_started_once(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await loaded.data("status/runtimeinfo")
    monkeypatch.setattr(status, "now_ms", lambda: 4_102_444_800_000)
    second = await loaded.data("status/runtimeinfo")
    assert second["serverTime"] == "2100-01-01T00:00:00+00:00"
    assert first["startTime"] == second["startTime"] <= first["serverTime"]


async def test_what_dashboards_ask_first(loaded: Any) -> None:
    assert (await loaded.data("status/buildinfo"))["application"] == "Gnomon"
    assert (await loaded.data("metadata"))["up"] == [{"type": "unknown", "help": "", "unit": ""}]
    assert await loaded.data("metadata", metric="up", limit="1")
    assert await loaded.data("query_exemplars", query="up") == []
    assert await loaded.data("rules") == {"groups": []}
    assert await loaded.data("alerts") == {"alerts": []}
    assert (await loaded.data("targets"))["activeTargets"] == []
    assert (await loaded.data("status/tsdb"))["headStats"]["numSeries"] == 2
    assert (await loaded.data("status/runtimeinfo"))["reloadConfigSuccess"] is True
    assert (await loaded.data("status/config"))["yaml"]
    assert await loaded.data("status/flags") == {}
    assert await loaded.data("targets/metadata") == []
    assert (await loaded.data("alertmanagers"))["activeAlertmanagers"] == []


async def test_queries_are_laid_out_and_taken_apart(loaded: Any) -> None:
    assert await loaded.data("format_query", query="sum(up)by(job)") == "sum by (job) (up)"
    tree = await loaded.data("parse_query", query="rate(up[5m])")
    assert tree["func"]["name"] == "rate"
    assert tree["args"][0]["range"] == 300_000


async def test_promql_in_the_formats_of_sql(loaded: Any) -> None:
    params = {"query": "sum by (job) (up)", "start": "0", "end": "10", "step": "10s"}
    answer = await loaded.client.get("/v1/promql", params=params)
    records = answer.json()["output"][0]["records"]
    names = [column["name"] for column in records["schema"]["column_schemas"]]
    assert names == ["job", "greptime_timestamp", "sum(up.greptime_value)"]
    assert records["rows"][0] == ["a", 0, 1.0]
    csv = await loaded.client.post("/v1/promql", data=params | {"format": "csv", "lookback": "5s"})
    assert csv.text.splitlines()[0].startswith('"a",0,')


@pytest.mark.parametrize(
    "changed", [{"query": ""}, {"step": ""}, {"query": "up; DROP TABLE up"}, {"start": "0')"}]
)
async def test_promql_refuses_what_it_cannot_read(loaded: Any, changed: dict[str, str]) -> None:
    params = {"query": "up", "start": "0", "end": "10", "step": "10s"} | changed
    answer = await loaded.client.get("/v1/promql", params=params)
    assert answer.status_code == 400, answer.text
    assert await loaded.sql("SELECT count(*) FROM up") == [[6]]


async def test_what_is_asked_again_is_answered_anew(loaded: Any) -> None:
    """Small evaluations are made from memory the second time: what was written since is in them."""
    for value in (5.0, 6.0, 7.0):
        for _ in range(3):
            await loaded.data("query", query='up{job="a"}', time="20")
        series = {"__name__": "up", "job": "a", "zone": "x"}
        assert (await loaded.write((series, [(20_000, value)]))).status_code == 204
        for _ in range(2):
            data = await loaded.data("query", query='up{job="a"}', time="20")
            assert data["result"][0]["value"] == [20, f"{value:.0f}"]
    await loaded.sql("DROP TABLE up")
    assert (await loaded.data("query", query='up{job="a"}', time="20"))["result"] == []
    await loaded.sql(
        "CREATE TABLE up (job STRING, at TIMESTAMP TIME INDEX, v INT, PRIMARY KEY (job))"
    )
    await loaded.sql("INSERT INTO up VALUES ('a', 19000, 3)")
    for _ in range(3):
        data = await loaded.data("query", query='up{job="a"}', time="20")
        assert data["result"][0]["value"] == [20, "3"]


async def test_errors_stay_errors_when_asked_again(loaded: Any) -> None:
    for _ in range(3):
        answer = await loaded.get("query", query="up + on (zone) up", time="20")
        assert answer.status_code == 200
        answer = await loaded.get("query", query="up + on (none) up", time="20")
        assert answer.status_code == 422


@pytest.mark.parametrize("path", ["series", "labels", "label/job/values"])
async def test_selectors_that_mean_all_or_nothing_at_all_are_refused(
    loaded: Any, path: str
) -> None:
    for matcher, why in (
        ("{}", "match[] must contain at least one non-empty matcher"),
        ('{job=~".*",zone!="y"}', "match[] must contain at least one non-empty matcher"),
        ("up{", "1:4: parse error: "),
        ("up offset 5m", "a series selector has no modifiers"),
        ("up @ 5", "a series selector has no modifiers"),
        ("up[5m]", "a series selector is needed"),
    ):
        answer = await loaded.get(path, **{"match[]": ["up", matcher]})
        assert answer.status_code == 400
        assert answer.json()["errorType"] == "bad_data"
        assert why in answer.json()["error"], matcher
    assert await loaded.data(path, **{"match[]": "up", "start": "9", "end": "8"}) == []


async def test_a_time_limit_is_read_although_it_is_not_needed(loaded: Any) -> None:
    for _ in range(3):
        assert (await loaded.get("query", query="up", time="20")).status_code == 200
    answer = await loaded.get("query", query="up", time="20", timeout="soon")
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        'invalid parameter "timeout": cannot parse "soon" to a valid duration'
    )
