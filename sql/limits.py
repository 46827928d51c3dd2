"""What a running statement may use: its time and its memory.

`begin` and `end` are called by the session around each statement; the two watching threads belong
to the database.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.errors import DbError, ErrorKind
from sql.deadlines import Deadline, Deadlines
from sql.memory import MemoryWatch, Watched
from sql.session import Wire
from sql.settings import Settings


def timeout_ms(settings: Settings, wire: Wire) -> int:
    """A statement's time limit in milliseconds, 0 for none."""
    limit = int(settings.get("statement_timeout"))
    if wire is Wire.MYSQL:
        limit = int(settings.get("max_execution_time")) or limit
    return limit


class StatementClock:
    """The clock a statement's queries read: it stands still while the statement runs."""

    def __init__(self, moment_ms: Callable[[], int]) -> None:
        self._moment_ms = moment_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._moment_ms()


class Limits:
    """The limits of one session's running statement."""

    def __init__(
        self, deadlines: Deadlines, memory: MemoryWatch, interrupt: Callable[[DbError], None]
    ) -> None:
        # Constant after construction.
        self._deadlines = deadlines
        self._memory = memory
        self._interrupt = interrupt
        # Changed by the session's own calls only.
        self._deadline: Deadline | None = None
        self._watched: Watched | None = None

    def begin(self, milliseconds: int, memory_bytes: int) -> None:
        """From here on the statement ends when its time is over or it needs more (0: no limit)."""
        if milliseconds:
            reason = DbError(ErrorKind.TIMEOUT, "canceling statement due to statement timeout")
            ending = partial(self._interrupt, reason)
            self._deadline = self._deadlines.arm(milliseconds / 1000, ending)
        if memory_bytes:
            self._watched = self._memory.arm(memory_bytes, self._interrupt)

    def end(self) -> None:
        """The statement has ended."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._watched is not None:
            self._memory.disarm(self._watched)
            self._watched = None
