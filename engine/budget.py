"""The memory that memtables may take, all together and each region's.

Writers wait here when flushing does not keep up (back-pressure), then are told to come again.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Condition
from time import perf_counter

from engine.errors import DbError, ErrorKind
from engine.observe import EngineCounters


class MemoryBudget:
    """Counts bytes in memtables, on their way into them and of undecided transactions."""

    def __init__(
        self, stall_bytes: int, stall_seconds: float, counters: EngineCounters | None = None
    ) -> None:
        # Constant after construction.
        self._counters = counters or EngineCounters()
        self._stall_bytes = stall_bytes
        self._stall_seconds = stall_seconds
        # Guarded by _changed.
        self._changed = Condition()
        self._used = 0
        self._regions: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Bytes in use now."""
        return self._used

    def reserve(self, size: int, limits: Mapping[int, int]) -> None:
        """Waits until there is room, then counts the bytes. One writer too large for it may pass.

        `limits` names the regions that are written to, each with the bytes at which its own
        writers wait. Raises: DbError REGION_BUSY after the stall time.
        """
        with self._changed:
            full = self._full(size, limits)
            if full is not None:
                started = perf_counter()
                self._changed.wait_for(
                    lambda: self._full(size, limits) is None, self._stall_seconds
                )
                self._counters.stalled(perf_counter() - started)
                full = self._full(size, limits)
            if full is not None:
                self._counters.rejected()
                raise DbError(
                    ErrorKind.REGION_BUSY,
                    f"memory for unflushed rows is full ({full})",
                    hint="writing is faster than flushing; send it again a little later",
                )
            self._used += size

    def _full(self, size: int, limits: Mapping[int, int]) -> str | None:
        """Where there is no room, None if there is."""
        if self._used and self._used + size > self._stall_bytes:
            return f"{self._used} bytes"
        for region_id, limit in limits.items():
            if (used := self._regions.get(region_id, 0)) >= limit:
                return f"{used} bytes of region {region_id}"
        return None

    def adjust(self, difference: int, region_id: int | None = None) -> None:
        """Counts bytes that came or went without asking, in a region's memtables or elsewhere."""
        with self._changed:
            self._used += difference
            if region_id is not None:
                used = self._regions.pop(region_id, 0) + difference
                if used:
                    self._regions[region_id] = used
            self._changed.notify_all()
