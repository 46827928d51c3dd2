"""Time to live: which rows of a region have outlived it. Pure.

Used by scans (which show no expired row), flush (which stores none) and compaction (which removes
them). A region whose time to live is raised again may show rows that nobody had removed yet.
"""

from __future__ import annotations

from engine.api import TimeRange
from engine.datatypes import UNITS_PER_SECOND
from engine.schema import RegionOptions, RegionSchema

NEVER_ALIVE = (1 << 63) - 1


def oldest_alive(schema: RegionSchema, options: RegionOptions, now_ms: int) -> int | None:
    """Rows with an earlier time than this are expired; None if none ever are.

    In the unit of the time index. A time to live of 0 leaves no row alive.
    """
    if options.ttl_ms is None:
        return None
    if options.ttl_ms == 0:
        return NEVER_ALIVE
    return (now_ms - options.ttl_ms) * UNITS_PER_SECOND[schema.time_type.unit] // 1000


def clamp(wanted: TimeRange, oldest: int | None) -> TimeRange:
    """The range without what is expired."""
    if oldest is None:
        return wanted
    start = oldest if wanted.start is None else max(wanted.start, oldest)
    return TimeRange(start, wanted.end)
