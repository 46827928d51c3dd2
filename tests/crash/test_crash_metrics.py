"""kill -9 while agents write metrics: what was acknowledged is there, all else whole or absent."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import httpx
import psycopg
import pytest
import write_requests as wr

from bench.launch import Gnomon

ROUNDS = 3
METRICS = ("reads", "writes", "errors")


class Agent(threading.Thread):
    """Sends numbered requests: a known and a new series of each metric, the number as value."""

    path = "prometheus/write"
    prefix = ""

    def __init__(self, server: Gnomon, name: str, first: int) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.agent = name
        self.next = first
        self.acknowledged: list[int] = []
        self.started = threading.Event()

    def run(self) -> None:
        url = f"http://127.0.0.1:{self.server.http}/v1/{self.path}"
        with httpx.Client(timeout=60) as client:
            while True:
                number, self.next = self.next, self.next + 1
                try:
                    answer = client.post(url, content=self._request(number))
                except httpx.HTTPError:
                    return
                assert answer.status_code == 204, answer.text
                self.acknowledged.append(number)
                if len(self.acknowledged) > 5:
                    self.started.set()

    def _request(self, number: int) -> bytes:
        series = []
        for metric in METRICS:
            labels = {"__name__": metric, "agent": self.agent}
            series.append((labels, [(number, float(number))]))
            series.append(({**labels, "pod": f"p{number}"}, [(number, float(number))]))
        return wr.compressed(wr.message(*series))


class LineAgent(Agent):
    """The same rows as line protocol: requests of several such agents are written together."""

    path = "influxdb/write?precision=ms"
    prefix = "line_"

    def _request(self, number: int) -> bytes:
        lines = []
        for metric in METRICS:
            head = f"{self.prefix}{metric},agent={self.agent}"
            lines.append(f"{head} greptime_value={number} {number}")
            lines.append(f"{head},pod=p{number} greptime_value={number} {number}")
        return "\n".join(lines).encode()


KINDS = {"a": Agent, "b": Agent, "c": LineAgent, "d": LineAgent, "e": LineAgent, "f": LineAgent}


def found(server: Gnomon, agent: str, prefix: str) -> dict[int, int]:
    """For each request how many of its samples are there."""
    counts: dict[int, int] = {}
    with psycopg.connect(f"host=127.0.0.1 port={server.postgres} user=me dbname=public") as db:
        for metric in METRICS:
            rows = db.execute(
                "SELECT greptime_value, count(*), count(pod),"
                " count(*) FILTER (WHERE pod <> 'p' || CAST(CAST(greptime_value AS INT) AS TEXT))"
                f" FROM {prefix}{metric} WHERE agent = '{agent}' GROUP BY greptime_value".encode()
            ).fetchall()
            for value, count, new, wrong in rows:
                assert (count, new, wrong) == (2, 1, 0), (metric, value)
                counts[int(value)] = counts.get(int(value), 0) + count
    return counts


@pytest.mark.slow
def test_acknowledged_requests_survive_and_others_are_whole(tmp_path: Path) -> None:
    server = Gnomon(tmp_path / "data", tmp_path / "log")
    chance = random.Random(3)
    acknowledged: dict[str, list[int]] = {name: [] for name in KINDS}
    firsts = dict.fromkeys(acknowledged, 1)
    try:
        for _ in range(ROUNDS):
            server.start()
            agents = [kind(server, name, firsts[name]) for name, kind in KINDS.items()]
            for agent in agents:
                agent.start()
            for agent in agents:
                assert agent.started.wait(90)
            agents[0].join(chance.random())  # some time more
            server.kill()
            server.start()
            for agent in agents:
                agent.join()
                acknowledged[agent.agent] += agent.acknowledged
                firsts[agent.agent] = agent.next
                there = found(server, agent.agent, agent.prefix)
                assert not set(acknowledged[agent.agent]) - there.keys()
                assert set(there.values()) == {2 * len(METRICS)}
            server.stop()
    finally:
        server.kill()
