"""The gate that commits of the embedded store pass, so that a backup can hold them for a moment.

Passed by sql/transaction.py, closed by sql/backup.py. Writes that touch regions alone do not pass
here: one log record each, they are whole or absent at any moment. Statements that met another
transaction's rows wait here for one to end (sql/execute.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from engine.errors import DbError, ErrorKind


class CommitGate:
    """Lets many commits through at a time, or none.

    I1. While somebody holds it closed, nobody is inside.
    """

    def __init__(self) -> None:
        # Guarded by _changed.
        self._changed = Condition()
        self._inside = 0
        self._closed = False
        # Guarded by _left.
        self._left = Condition()
        self._ends = 0

    def left(self) -> None:
        """A transaction that had changed the embedded store has ended."""
        with self._left:
            self._ends += 1
            self._left.notify_all()

    @property
    def ends(self) -> int:
        """How many such transactions have ended."""
        return self._ends

    def wait_for_end(self, seen: int, seconds: float) -> None:
        """Returns when more than `seen` have ended, or the time is over."""
        with self._left:
            self._left.wait_for(lambda: self._ends > seen, seconds)

    def wait_for_commits(self, seconds: float) -> None:
        """Returns when nobody is inside, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._inside, seconds)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around a commit; waits while the gate is closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self, seconds_max: float) -> Iterator[None]:
        """Holds the gate closed, once the commits that are inside have left it.

        Raises: DbError REGION_BUSY if somebody else holds it, or if a commit stays inside too long;
        the gate is open then.
        """
        with self._changed:
            if self._closed:
                raise DbError(
                    ErrorKind.REGION_BUSY, "another backup is just starting", hint="try again"
                )
            self._closed = True
            empty = self._changed.wait_for(lambda: self._inside == 0, seconds_max)
            if not empty:
                self._open()
                raise DbError(
                    ErrorKind.REGION_BUSY,
                    f"a commit has been running for more than {seconds_max:g} s",
                    hint="try again when it has ended",
                )
        try:
            yield
        finally:
            with self._changed:
                self._open()

    def _open(self) -> None:
        self._closed = False
        self._changed.notify_all()
