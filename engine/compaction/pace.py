"""How fast background work may go: it gives way to those who write and query.

Called between two steps of a merge. Python's lock, the disk and the caches are shared, so a low
priority alone does not keep compaction out of the way.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from time import perf_counter

from engine.compaction.run import Abandoned
from engine.observe import EngineCounters

# Their growth since the last step says that someone else is at work.
_SIGNS = ("wal_records", "scans")
# A pause is never longer, however long the step took.
_PAUSE_SECONDS_MAX = 1.0


class Unhurried:
    """Ends when it is told to, and rests between steps while others work."""

    def __init__(self, closing: Event, counters: EngineCounters, busy_share: float) -> None:
        self._closing = closing
        self._counters = counters
        self._rest = (1 - busy_share) / busy_share  # for each second of work
        self._seen = self._signs()
        self._resumed = perf_counter()

    def step(self) -> None:
        """Raises: Abandoned."""
        worked = perf_counter() - self._resumed
        signs = self._signs()
        if signs != self._seen:
            self._seen = signs
            self._closing.wait(min(worked * self._rest, _PAUSE_SECONDS_MAX))
        if self._closing.is_set():
            raise Abandoned
        self._resumed = perf_counter()

    def _signs(self) -> tuple[float, ...]:
        totals = self._counters.totals()
        return tuple(totals[name] for name in _SIGNS)


class Prompt:
    """For work that someone waits for: it only ends when it is told to."""

    def __init__(self, is_closing: Callable[[], bool]) -> None:
        self._is_closing = is_closing

    def step(self) -> None:
        """Raises: Abandoned."""
        if self._is_closing():
            raise Abandoned


def lower_priority(amount: int) -> None:
    """Makes the calling thread nicer, where threads have a nice value of their own (Linux)."""
    if sys.platform == "linux" and amount:
        thread = threading.get_native_id()
        with suppress(OSError):  # it works without
            os.setpriority(
                os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + amount
            )
