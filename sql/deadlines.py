"""Calls a function when a statement's time is over: one thread for all sessions."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


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
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, seconds: float, call: Callable[[], None]) -> Deadline:
        """Calls `call` on the timer thread after `seconds`; it must be quick and never raise."""
        deadline = Deadline(time.monotonic() + seconds, call)
        with self._wake:
            heapq.heappush(self._heap, deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._wake.notify()
        return deadline

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
                    self._wake.wait(wait)
                    continue
                deadline = heapq.heappop(self._heap)
            if not deadline.cancelled:
                deadline.call()
