"""Our own metrics, in Prometheus' text form at `/metrics`.

`observe.py` reports connections and statements, the HTTP middleware requests, engine_metrics.py
what the region engine counts, read when somebody asks. One `Metrics` belongs to one server: nothing
here is global.
"""

from __future__ import annotations

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a cached point query (0.2 ms) to a report over everything (a minute), 1-2.5-5 steps.
SECONDS_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


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
        self.statements = Counter(
            "gnomon_statements",
            "Statements by how they ended: ok, or the kind of error.",
            ["wire", "outcome"],
            registry=self.registry,
        )
        self.statement_seconds = Histogram(
            "gnomon_statement_seconds",
            "Time from a statement's start to its last row.",
            ["wire"],
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.rows = Counter(
            "gnomon_rows_sent", "Result rows handed to clients.", ["wire"], registry=self.registry
        )
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
