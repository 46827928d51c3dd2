"""Time as an argument: the engine never asks the operating system for it directly.

`SystemClock` is used by the server, `ManualClock` by tests.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets the time from. Any thread may call it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start_ms: int = 0) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._now_ms = start_ms

    def now_ms(self) -> int:
        """The time it was last set to."""
        with self._lock:
            return self._now_ms

    def advance(self, milliseconds: int) -> None:
        """Moves forward. Requires: milliseconds >= 0."""
        assert milliseconds >= 0
        with self._lock:
            self._now_ms += milliseconds


def wall_us() -> int:
    """Microseconds since 1970-01-01 UTC, for what shows the time rather than decides by it."""
    return time.time_ns() // 1000


STARTED_MS = SystemClock().now_ms()  # of this process: when it first imported the engine
