"""The memory that all memtables together may take.

Writers wait here when flushing does not keep up (back-pressure), then are told to come again.
"""

from __future__ import annotations

from threading import Condition
from time import perf_counter

from engine.errors import DbError, ErrorKind
from engine.observe import EngineCounters


class MemoryBudget:
    """Counts bytes in memtables and on their way into them."""

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

    @property
    def used(self) -> int:
        """Bytes in use now."""
        return self._used

    def reserve(self, size: int) -> None:
        """Waits until there is room, then counts the bytes. One writer too large for it may pass.

        Raises: DbError REGION_BUSY after the stall time.
        """
        with self._changed:
            has_room = self._has_room(size)
            if not has_room:
                started = perf_counter()
                has_room = self._changed.wait_for(lambda: self._has_room(size), self._stall_seconds)
                self._counters.stalled(perf_counter() - started)
            if not has_room:
                self._counters.rejected()
                raise DbError(
                    ErrorKind.REGION_BUSY,
                    f"memory for unflushed rows is full ({self._used} bytes)",
                    hint="writing is faster than flushing; send it again a little later",
                )
            self._used += size

    def _has_room(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._stall_bytes

    def adjust(self, difference: int) -> None:
        """Counts bytes that came or went without asking."""
        with self._changed:
            self._used += difference
            self._changed.notify_all()
