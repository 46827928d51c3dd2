"""Calls a function when a statement's time is over: one thread for all sessions."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_WAIT_SECONDS_MAX = 3600.0
_TIDY_MIN = 1024  # deadlines


@dataclass(order=True)
class Deadline:
    """One armed deadline; `cancel` disarms it."""

    at: float
    call: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Makes sure the call is not made any more (unless it is being made right now)."""
        self.cancelled = True


class Deadlines:
    """A timer thread, started when first needed."""

    def __init__(self) -> None:
        # Guarded by _wake.
        self._wake = threading.Condition()
        self._heap: list[Deadline] = []
        self._tidy_at = _TIDY_MIN  # so many deadlines, after which those cancelled are dropped
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, seconds: float, call: Callable[[], None]) -> Deadline:
        """Calls `call` on the timer thread after `seconds`; it must be quick and never raise."""
        deadline = Deadline(time.monotonic() + seconds, call)
        with self._wake:
            heapq.heappush(self._heap, deadline)
            if len(self._heap) >= self._tidy_at:
                self._tidy()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._wake.notify()
        return deadline

    @property
    def armed(self) -> int:
        """How many are kept, some of those cancelled among them."""
        return len(self._heap)

    def _tidy(self) -> None:
        """Statements end long before their deadlines do: without this they would pile up."""
        self._heap = [one for one in self._heap if not one.cancelled]
        heapq.heapify(self._heap)
        self._tidy_at = max(_TIDY_MIN, 2 * len(self._heap))

    def close(self) -> None:
        """Ends the thread; armed deadlines are forgotten."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._closed:
                    return
                wait = self._heap[0].at - time.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    # A setting may name more seconds than the system can count.
                    self._wake.wait(None if wait is None else min(wait, _WAIT_SECONDS_MAX))
                    continue
                deadline = heapq.heappop(self._heap)
            if not deadline.cancelled:
                deadline.call()
