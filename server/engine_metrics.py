"""The region engine's numbers for /metrics: sizes now, and what it has done since it was opened.

Registered by app.py in the server's `Metrics`; everything is read when somebody scrapes. Names
follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): base units, `_total`
for what only grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.api import RegionStatistics
from engine.errors import DbError
from engine.observe import COUNTERS, EngineCounters

_SIZES = {
    "files": "Sorted files (SSTs) of all regions.",
    "file_bytes": "Bytes of those files.",
    "vector_bytes": "Bytes of deletion vectors.",
    "manifest_bytes": "Bytes of manifests.",
    "rows": "Live rows in files; rows that only memory has replaced are among them.",
    "memtable_rows": "Rows and deletions in memory, as they arrived.",
    "memtable_bytes": "Memory of memtables.",
}


class Engine(Protocol):
    """What is asked here of `engine.regions.LocalRegions`."""

    @property
    def counters(self) -> EngineCounters:
        """What the engine counts."""

    def region_ids(self) -> frozenset[int]:
        """Every region."""

    def statistics(self, region_id: int) -> RegionStatistics:
        """Sizes of one. Raises: DbError if it has been dropped since."""

    def log_bytes(self) -> int:
        """Size of the log."""


class EngineCollector(Collector):
    """Asks the engine when scraped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Gauges of sizes, then counters."""
        regions = list(_statistics(self._engine))
        yield GaugeMetricFamily("gnomon_storage_regions", "Regions.", value=len(regions))
        for name, text in _SIZES.items():
            total = sum(getattr(region, name) for region in regions)
            yield GaugeMetricFamily(f"gnomon_storage_{name}", text, value=total)
        yield GaugeMetricFamily(
            "gnomon_wal_bytes", "Bytes of the log.", value=self._engine.log_bytes()
        )
        totals = self._engine.counters.totals()
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"gnomon_{name}", text, value=totals[name])
        yield GaugeMetricFamily(
            "gnomon_write_amplification_ratio",
            "Bytes of files written by flushes and compactions, by bytes that flushes wrote.",
            value=write_amplification(totals),
        )


def write_amplification(totals: Mapping[str, float]) -> float:
    """How often a byte of a file was written; 1 when nothing was compacted.

    >>> write_amplification({"flush_written_bytes": 10.0, "compaction_written_bytes": 25.0})
    3.5
    """
    flushed = totals["flush_written_bytes"]
    return (flushed + totals["compaction_written_bytes"]) / flushed if flushed else 1.0


def _statistics(engine: Engine) -> Iterator[RegionStatistics]:
    for region_id in engine.region_ids():
        try:
            yield engine.statistics(region_id)
        except DbError:
            continue  # dropped since the ids were listed
