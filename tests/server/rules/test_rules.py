"""Rules over a real database: what is recorded, how alerts live, whom they are told."""

from __future__ import annotations

import http.server
import json
import math
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import write_requests as wr
from http_application import application

from engine.clock import ManualClock
from server.rules.group import Outside
from server.rules.rules import Rules, RuleSettings
from sql.database import Database
from sql.session import ClientInfo, Wire

API = "/v1/prometheus/api/v1/"
MINUTE = 60_000
FILE = """
groups:
- name: g
  interval: 1m
  rules:
  - record: job:load:sum
    expr: sum by (job) (load)
    labels: {kind: total}
  - alert: High
    expr: load > 5
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.host }} has {{ $value }} of {{ $externalLabels.site }}"}
"""


class Alertmanager:
    """Takes alerts as one would."""

    def __init__(self) -> None:
        self.bodies: queue.Queue[list[dict[str, Any]]] = queue.Queue()
        taken = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                assert self.path == "/api/v2/alerts"
                taken.put(json.loads(self.rfile.read(size)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    found = Alertmanager()
    yield found
    found.close()


class Ruled:
    """An application with rules that are evaluated when a test says so."""

    def __init__(self, client: Any, rules: Rules) -> None:
        self.client = client
        self.rules = rules

    async def write(self, *found: wr.Series) -> None:
        body = wr.compressed(wr.message(*found))
        headers = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
        answer = await self.client.post("/v1/prometheus/write", content=body, headers=headers)
        assert answer.status_code == 204

    async def load(self, minute: int, **hosts: float) -> None:
        await self.write(
            *(
                ({"__name__": "load", "host": host, "job": "j"}, [(minute * MINUTE, value)])
                for host, value in hosts.items()
            )
        )

    def evaluate(self, minute: int) -> None:
        for group in self.rules.groups():
            self.rules.evaluate(group, minute * MINUTE)

    async def data(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(API + path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def query(self, text: str, minute: int) -> dict[str, float]:
        found = (await self.data("query", query=text, time=minute * 60))["result"]
        return {
            ",".join(f"{k}={v}" for k, v in sorted(one["metric"].items())): float(one["value"][1])
            for one in found
        }


Make = Callable[..., Any]


@pytest.fixture
async def ruled(tmp_path: Path, alertmanager: Alertmanager) -> AsyncIterator[Ruled]:
    (tmp_path / "rules.yml").write_text(FILE)
    settings = RuleSettings(
        (str(tmp_path / "rules.yml"),),
        1000,
        (alertmanager.url,),
        Outside({"site": "eu"}, "http://us"),
    )
    made = []

    def rules(database: Database) -> Rules:
        client = ClientInfo("", "public", "rules")
        made.append(Rules(settings, lambda: database.connect(Wire.HTTP, client), ManualClock()))
        return made[0]

    async with application(tmp_path / "data", rules=rules) as client:
        yield Ruled(client, made[0])
        made[0].close()


async def test_recorded_series_can_be_asked_for_and_end_when_their_source_does(
    ruled: Ruled,
) -> None:
    await ruled.load(1, a=1.0, b=2.0)
    ruled.evaluate(1)
    assert await ruled.query("job:load:sum", 1) == {"__name__=job:load:sum,job=j,kind=total": 3.0}
    ruled.evaluate(9)  # the samples are too old by now
    assert await ruled.query("job:load:sum", 9) == {}
    sql = await ruled.client.post(
        "/v1/sql", data={"sql": 'SELECT job, kind, greptime_value FROM "job:load:sum" ORDER BY 3'}
    )
    rows = sql.json()["output"][0]["records"]["rows"]
    assert rows[0] == ["j", "total", 3.0]
    assert len(rows) == 2
    assert rows[1][2] is None or math.isnan(rows[1][2])  # the staleness marker


async def test_an_alert_is_pending_then_firing_then_resolved(
    ruled: Ruled, alertmanager: Alertmanager
) -> None:
    await ruled.load(1, a=9.0, b=2.0)
    ruled.evaluate(1)
    shown = (await ruled.data("alerts"))["alerts"]
    assert [(one["state"], one["value"], one["activeAt"]) for one in shown] == [
        ("pending", "9e+00", "1970-01-01T00:01:00.000Z")
    ]
    assert shown[0]["labels"] == {
        "alertname": "High", "host": "a", "job": "j", "severity": "page"
    }  # fmt: skip
    assert shown[0]["annotations"] == {"summary": "a has 9 of eu"}
    assert list((await ruled.query("ALERTS", 1)).values()) == [1.0]
    await ruled.load(3, a=7.0)
    ruled.evaluate(3)
    (sent,) = alertmanager.bodies.get(timeout=60)
    assert sent["labels"]["site"] == "eu"
    assert sent["startsAt"] == "1970-01-01T00:03:00.000Z"
    assert sent["endsAt"] == "1970-01-01T00:07:00.000Z"
    assert sent["generatorURL"].startswith("http://us/graph?g0.expr=load+%3E+5")
    assert sent["annotations"]["summary"] == "a has 7 of eu"
    (key,) = await ruled.query("ALERTS", 3)
    assert "alertstate=firing" in key
    assert list((await ruled.query("ALERTS_FOR_STATE", 3)).values()) == [60.0]
    await ruled.load(4, a=1.0)
    ruled.evaluate(4)
    (sent,) = alertmanager.bodies.get(timeout=60)
    assert sent["endsAt"] == "1970-01-01T00:04:00.000Z"
    assert (await ruled.data("alerts"))["alerts"] == []
    assert await ruled.query("ALERTS", 4) == {}


async def test_rules_are_listed_with_what_became_of_them(ruled: Ruled) -> None:
    await ruled.load(1, a=9.0)
    ruled.evaluate(1)
    (group,) = (await ruled.data("rules"))["groups"]
    assert (group["name"], group["interval"]) == ("g", 60)
    record, alert = group["rules"]
    assert (record["type"], record["health"], record["name"]) == ("recording", "ok", "job:load:sum")
    assert (alert["type"], alert["state"], alert["duration"]) == ("alerting", "pending", 120)
    assert len(alert["alerts"]) == 1
    only = (await ruled.data("rules", type="record"))["groups"][0]["rules"]
    assert [one["name"] for one in only] == ["job:load:sum"]
    narrowed = {"rule_name[]": "High", "exclude_alerts": "true", "match[]": '{severity="page"}'}
    (one,) = (await ruled.data("rules", **narrowed))["groups"][0]["rules"]
    assert (one["name"], one["alerts"]) == ("High", [])
    assert (await ruled.data("rules", **{"rule_group[]": "other"}))["groups"] == []
    refused = await ruled.client.get(API + "rules", params={"type": "both"})
    assert refused.status_code == 400
    urls = (await ruled.data("alertmanagers"))["activeAlertmanagers"]
    assert [one["url"].endswith("/api/v2/alerts") for one in urls] == [True]


async def test_a_pending_alert_goes_on_after_a_restart(ruled: Ruled) -> None:
    path = Path(ruled.rules.groups()[0].group.file)
    path.write_text(FILE.replace("for: 2m", "for: 20m"))
    ruled.rules.reload()
    for minute in (1, 11):
        await ruled.load(minute, a=9.0)
        ruled.evaluate(minute)
    ruled.rules.reload()  # the same rules: alerts stay
    assert len((await ruled.data("alerts"))["alerts"]) == 1
    # Another rule of the same name has no alerts, as after a restart: it reads what was stored.
    path.write_text(FILE.replace("for: 2m", "for: 20m").replace("page", "page, new: ''"))
    ruled.rules.reload()
    assert (await ruled.data("alerts"))["alerts"] == []
    await ruled.load(12, a=9.0)
    ruled.evaluate(12)
    (alert,) = (await ruled.data("alerts"))["alerts"]
    # Ten minutes were spent before the last state, one in which nobody looked does not count.
    assert (alert["state"], alert["activeAt"]) == ("pending", "1970-01-01T00:02:00.000Z")
    await ruled.load(22, a=9.0)
    ruled.evaluate(22)
    assert [one["state"] for one in (await ruled.data("alerts"))["alerts"]] == ["firing"]


async def test_a_rule_that_fails_says_why_and_the_others_go_on(ruled: Ruled) -> None:
    path = Path(ruled.rules.groups()[0].group.file)
    bad = "  - record: bad\n    expr: load + on (job) group_left () load\n"
    path.write_text(FILE.replace("  - alert", bad + "  - alert"))
    ruled.rules.reload()
    await ruled.load(1, a=9.0, b=1.0)
    ruled.evaluate(1)
    states = (await ruled.data("rules"))["groups"][0]["rules"]
    assert [one["health"] for one in states] == ["ok", "err", "ok"]
    assert "many" in states[1]["lastError"]
