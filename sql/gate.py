"""The gate that commits of the embedded store pass, so that a backup can hold them for a moment.

Passed by sql/transaction.py, closed by sql/backup.py. What a commit changes is told here, too, for
whoever keeps rows of ordinary tables in memory (sql/run/keyed.py). Writes that touch regions alone
do not pass here: one log record each, they are whole or absent at any moment. Statements that met
another transaction's rows wait here for one to end (sql/execute.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

from engine.errors import DbError, ErrorKind
from sql.serial import Serializables

Version = tuple[int, int]


class Changes:
    """Tells whether commits have begun to change a table: before anybody can see what they did.

    I1. A version that is still the same was the table's all the while.
    I2. So it is with loose versions, for changes other than by locked keys (sql/repeats.py).
    """

    def __init__(self) -> None:
        # Guarded by _lock; reading one number needs no lock, as they only grow.
        self._lock = Lock()
        self._all = 0
        self._tables: dict[int, int] = {}
        self._loose_all = 0
        self._loose: dict[int, int] = {}
        self._begun = 0
        self._inside = 0

    def version(self, table_id: int) -> Version:
        """What the next commit that changes the table changes."""
        return self._all, self._tables.get(table_id, 0)

    def loose(self, table_id: int) -> Version:
        """As `version`, of changes that keep to no key."""
        return self._loose_all, self._loose.get(table_id, 0)

    @property
    def is_settled(self) -> bool:
        """True if no commit is on its way: what has begun can be seen by new transactions."""
        return not self._inside

    def moment(self) -> int | None:
        """What was committed so far, as a number; None if a commit is on its way."""
        with self._lock:
            return None if self._inside else self._begun

    @contextmanager
    def changing(self, table_ids: frozenset[int] | None, *, loose: bool = True) -> Iterator[None]:
        """Around a commit of rows of these tables, or of anything (None).

        `loose` unless all rows were inserted, or found by keys that are locked.
        """
        with self._lock:
            self._inside += 1
            self._begun += 1
            if table_ids is None:
                self._all += 1
                self._loose_all += loose
            else:
                for table_id in table_ids:
                    self._tables[table_id] = self._tables.get(table_id, 0) + 1
                    if loose:
                        self._loose[table_id] = self._loose.get(table_id, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1


class CommitGate:
    """Lets many commits through at a time, or none.

    I1. While somebody holds it closed, nobody is inside.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self.serial = Serializables()
        # Guarded by _changed.
        self._changed = Condition()
        self._inside: set[int] = set()  # a number each, in the order they came
        self._came = 0
        self._closed = False
        # Guarded by _left.
        self._left = Condition()
        self._ends = 0
        self._waiting: set[int] = set()  # sessions; each adds and removes itself alone

    def left(self) -> None:
        """A transaction that had changed the embedded store has ended."""
        with self._left:
            self._ends += 1
            self._left.notify_all()

    @property
    def ends(self) -> int:
        """How many such transactions have ended."""
        return self._ends

    def is_waiting(self, session: int) -> bool:
        """True while the session waits for others' transactions to end. Any thread."""
        return session in self._waiting

    def wait_for_end(self, session: int, seen: int, seconds: float) -> None:
        """Returns when more than `seen` have ended, or the time is over."""
        with self._waits(session), self._left:
            self._left.wait_for(lambda: self._ends > seen, seconds)

    def wait_for_commits(self, session: int, seconds: float) -> None:
        """Returns when those that are inside now have left, or the time is over."""
        with self._waits(session), self._changed:
            came = self._came
            self._changed.wait_for(lambda: min(self._inside, default=came + 1) > came, seconds)

    @contextmanager
    def _waits(self, session: int) -> Iterator[None]:
        self._waiting.add(session)
        try:
            yield
        finally:
            self._waiting.discard(session)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around a commit; waits while the gate is closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._came += 1
            number = self._came
            self._inside.add(number)
        try:
            yield
        finally:
            with self._changed:
                self._inside.remove(number)
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
            empty = self._changed.wait_for(lambda: not self._inside, seconds_max)
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
