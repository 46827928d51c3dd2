"""The background thread that flushes regions when memory or the log grows.

`LocalRegions` wakes it; it calls back for the work. Its failures are kept in the region's health
and tried again after a pause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from engine.errors import DbError, ErrorKind
from engine.region import Buffered, Region

_LOG = logging.getLogger(__name__)


class Flusher:
    """Runs `flush` on whatever `choose` names, until that is nothing."""

    def __init__(
        self,
        choose: Callable[[], Region | None],
        flush: Callable[[Region], None],
        retry_seconds: float,
    ) -> None:
        # Constant after construction.
        self._choose = choose
        self._flush = flush
        self._retry_seconds = retry_seconds
        self._thread = Thread(target=self._run, name="flusher", daemon=True)
        # Guarded by _changed.
        self._changed = Condition()
        self._awake = False
        self._closed = False
        self._thread.start()

    def wake(self) -> None:
        """Tells it that there may be work."""
        with self._changed:
            self._awake = True
            self._changed.notify()

    def close(self) -> None:
        """Waits for a running flush to end, then ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_work():
            while not self._closed and (region := self._choose()) is not None:
                if not self._attempt(region):
                    self._pause()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._awake or self._closed)
            self._awake = False
            return not self._closed

    def _attempt(self, region: Region) -> bool:
        try:
            self._flush(region)
        except DbError as error:
            region.health = error
            _LOG.warning("region %d cannot be flushed: %s", region.id, error.message)
            return False
        except Exception as error:  # noqa: BLE001 - a bug or want of memory must not end the thread
            # The rows are safe in the log.
            region.health = DbError(ErrorKind.INTERNAL, f"flush failed: {error!r}")
            _LOG.exception("region %d cannot be flushed", region.id)
            return False
        return True

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, self._retry_seconds)


def choose_flush(regions: Sequence[Buffered], *, total_bytes: int, log_needs: int) -> Region | None:
    """The region to flush next, None if all is well. Pure.

    `log_needs` is the sequence up to which the log wants to be freed, 0 if it is small enough.
    """
    used = [entry for entry in regions if entry.log_sequence > 0]
    if not used:
        return None
    fullest = max(used, key=lambda entry: entry.bytes / entry.limit)
    if fullest.is_full:
        return fullest.region
    if sum(entry.bytes for entry in used) > total_bytes:
        return max(used, key=lambda entry: entry.bytes).region
    oldest = min(used, key=lambda entry: entry.log_sequence)
    return oldest.region if oldest.log_sequence < log_needs else None
