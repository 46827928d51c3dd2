"""Our own metrics, in Prometheus' text form at `/metrics`.

`observe.py` reports connections and statements, the HTTP middleware requests, engine_metrics.py
what the region engine counts, read when somebody asks. One `Metrics` belongs to one server: nothing
here is global.
"""

from __future__ import annotations

import platform
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

OK = "ok"  # the outcome of a statement that did not fail
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a cached point query (0.2 ms) to a report over everything (a minute), 1-2.5-5 steps.
SECONDS_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class StatementCounts(Collector):
    """Statements, how long they took and their rows, by wire. Any thread.

    The library's own counters take a lock each, and its histogram looks at every bucket: together
    as long as a small statement.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._wires: dict[str, _OfWire] = {}
        self._outcomes: dict[tuple[str, str], int] = {}

    def add_wire(self, wire: str) -> None:
        """From here on the wire is told of, though nothing may have been asked on it."""
        with self._lock:
            self._wires.setdefault(wire, _OfWire())
            self._outcomes.setdefault((wire, OK), 0)

    def ended(self, wire: str, outcome: str, seconds: float, rows: int) -> None:
        """Counts a statement. Requires: `add_wire` knows the wire."""
        bucket = bisect_left(SECONDS_BUCKETS, seconds)
        with self._lock:
            counts = self._wires[wire]
            counts.buckets[bucket] += 1
            counts.seconds += seconds
            counts.rows += rows
            self._outcomes[wire, outcome] = self._outcomes.get((wire, outcome), 0) + 1

    def collect(self) -> Iterator[Metric]:
        """What the exposition shows."""
        ended = CounterMetricFamily(
            "gnomon_statements",
            "Statements by how they ended: ok, or the kind of error.",
            labels=["wire", "outcome"],
        )
        took = HistogramMetricFamily(
            "gnomon_statement_seconds",
            "Time from a statement's start to its last row.",
            labels=["wire"],
        )
        sent = CounterMetricFamily(
            "gnomon_rows_sent", "Result rows handed to clients.", labels=["wire"]
        )
        names = [*map(str, SECONDS_BUCKETS), "+Inf"]
        with self._lock:
            for labels, count in self._outcomes.items():
                ended.add_metric(labels, count)
            for wire, counts in self._wires.items():
                sums = list(zip(names, accumulate(counts.buckets), strict=True))
                took.add_metric([wire], sums, counts.seconds)
                sent.add_metric([wire], counts.rows)
        yield from (ended, took, sent)


@dataclass(slots=True)
class _OfWire:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(SECONDS_BUCKETS) + 1))
    seconds: float = 0.0
    rows: int = 0


class Metrics:
    """Everything one server counts."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge(
            "gnomon_connections", "Open sessions.", ["wire"], registry=self.registry
        )
        self.connections_opened = Counter(
            "gnomon_connections_opened", "Sessions ever opened.", ["wire"], registry=self.registry
        )
        self.connections_refused = Counter(
            "gnomon_connections_refused",
            "Sessions refused because of the limit on connections.",
            ["wire"],
            registry=self.registry,
        )
        self.statements = StatementCounts()
        self.registry.register(self.statements)
        self.http_requests = Counter(
            "gnomon_http_requests",
            "HTTP requests by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.http_bytes = Counter(
            "gnomon_http_bytes", "Body bytes by direction.", ["direction"], registry=self.registry
        )
        info = Gauge(
            "gnomon_info", "What runs here.", ["version", "python"], registry=self.registry
        )
        info.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def text(self) -> bytes:
        """The exposition. Blocks while gauges are read: call it from a worker."""
        return generate_latest(self.registry)
