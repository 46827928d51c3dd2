"""The memory limit of single statements: one thread looks while a limited statement runs.

DuckDB bounds what sorts and hash tables hold (they spill beyond), but not what aggregates such as
string_agg gather, and knows the whole process alone. So the growth since a statement began is its
own if it runs alone, and is shared evenly among those that run together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from engine.errors import DbError, ErrorKind

INTERVAL_SECONDS = 0.02
OPERATOR_SHARE = 0.6  # of the limit, where sorts and hash tables begin to spill
# What statements hold; caches of files and tables are everybody's.
_USED = """
    SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory() WHERE tag NOT IN
    ('BASE_TABLE', 'METADATA', 'IN_MEMORY_TABLE', 'EXTERNAL_FILE_CACHE', 'OBJECT_CACHE')
"""


def over_limit(limit: int) -> DbError:
    """The error of a statement that needs more than `limit` bytes."""
    return DbError(
        ErrorKind.OUT_OF_MEMORY,
        f"the statement needs more memory than its limit of {limit / 2**20:g} MiB",
        hint="read less at once, or raise statement_memory_limit",
    )


@dataclass(eq=False)
class Watched:
    """A statement that is looked after."""

    limit: int  # bytes
    before: int  # what was in use when it began
    interrupt: Callable[[DbError], None]


class MemoryWatch:
    """Interrupts statements that grow over their limits. Any thread."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, running: Callable[[], int]) -> None:
        # Constant after construction. Only the thread uses the cursor, or who holds _asking.
        self._cursor = cursor
        self._running = running
        self._asking = threading.Lock()
        # Guarded by _wake.
        self._wake = threading.Condition()
        self._watched: set[Watched] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, limit: int, interrupt: Callable[[DbError], None]) -> Watched:
        """Looks after a statement that begins now, until `disarm`."""
        watched = Watched(limit, self._used(), interrupt)
        with self._wake:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
                self._thread.start()
            self._wake.notify()
        return watched

    def disarm(self, watched: Watched) -> None:
        """The statement has ended."""
        with self._wake:
            self._watched.discard(watched)

    def close(self) -> None:
        """Ends the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._asking:
            self._cursor.close()

    def _used(self) -> int:
        with self._asking:
            found = self._cursor.execute(_USED).fetchone()
        return int(found[0]) if found is not None else 0

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._watched and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                self._wake.wait(INTERVAL_SECONDS)
                watched = list(self._watched)
            try:
                self._look(watched)
            except duckdb.Error:
                continue  # the store is closing, or has no memory to answer: asked again

    def _look(self, watched: list[Watched]) -> None:
        used, sharing = self._used(), max(1, self._running())
        for one in watched:
            if (used - one.before) / sharing > one.limit:
                one.interrupt(over_limit(one.limit))
