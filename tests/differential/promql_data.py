"""Random series for comparing PromQL with Prometheus: gauges, counters, classic histograms.

Written to both servers by remote write. Counters are so large that extrapolation never meets zero,
where Prometheus 3 has another rule than 2. No sample lies on a whole second and all times of
queries do, so that it does not matter whether windows hold their left end (2 and 3 differ there).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from http.client import HTTPConnection

from tests.write_requests import Samples, compressed, message

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
LENGTH_MS = 3_600_000
METRICS = ("temperature", "load", "requests_total", "errors_total", "limit")
BUCKETS = ("0.1", "0.5", "1", "2.5", "10", "+Inf")
LABELS = {"host": ("a", "b", "c", "d"), "job": ("api", "db"), "mode": ("user", "system", "idle")}

Series = tuple[dict[str, str], Samples]


def series(seed: int, start_ms: int) -> Iterator[Series]:
    """All series over an hour."""
    source = random.Random(seed)
    for metric in METRICS:
        for host in LABELS["host"]:
            for job in LABELS["job"]:
                if source.random() < 0.15:
                    continue
                labels = {"__name__": metric, "host": host, "job": job}
                modes = LABELS["mode"] if metric in ("load", "requests_total") else ("",)
                for mode in modes:
                    own = labels | {"mode": mode} if mode else labels
                    points = _points(source, start_ms, counter=metric.endswith("_total"))
                    if metric == "limit":
                        points = points[:: max(1, len(points) // 7)]
                    yield own, points
    yield from _histograms(source, start_ms)


def _moments(source: random.Random, start_ms: int) -> list[int]:
    """Every 15 seconds or so, with gaps."""
    step = source.choice((5_000, 15_000, 30_000))
    shift = source.randrange(1, 999)
    found = []
    gap_until = 0
    for at in range(start_ms, start_ms + LENGTH_MS, step):
        if source.random() < 0.01:
            gap_until = at + source.choice((60_000, 600_000))
        if at >= gap_until:
            found.append(at + shift)
    return found


def _points(source: random.Random, start_ms: int, *, counter: bool) -> list[tuple[int, float]]:
    points = []
    level = source.uniform(0, 100) + (1e6 if counter else 0)
    for at in _moments(source, start_ms):
        chance = source.random()
        if chance < 0.01:
            points.append((at, STALE))
            continue
        if counter:
            level = level - 1e5 if chance < 0.03 else level + source.choice((0, 1, 1, 2, 5, 0.5))
        else:
            level += source.gauss(0, 3)
        points.append((at, level if counter else round(level, 3)))
    return points


def _histograms(source: random.Random, start_ms: int) -> Iterator[Series]:
    for host in LABELS["host"][:3]:
        moments = _moments(source, start_ms)
        counts = [1e6 * (bucket + 1) for bucket in range(len(BUCKETS))]
        rows: list[list[tuple[int, float]]] = [[] for _ in BUCKETS]
        for at in moments:
            for bucket in range(source.randrange(len(BUCKETS)), len(BUCKETS)):
                counts[bucket] += 1
            for row, count in zip(rows, counts, strict=True):
                row.append((at, count))
        for bound, row in zip(BUCKETS, rows, strict=True):
            yield {"__name__": "latency_bucket", "host": host, "le": bound}, row


def write(port: int, path: str, found: list[Series]) -> None:
    """Sends all series to a server. Raises: AssertionError if it refuses."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    for first in range(0, len(found), 20):
        connection.request("POST", path, compressed(message(*found[first : first + 20])), headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 204), content
    connection.close()
