"""Advisory locks: names that sessions hold, exclusively or shared, as PostgreSQL and MySQL have.

One table for the server, called by functions.py. Who would wait in a circle is told so at once.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic

from engine.errors import DbError, ErrorKind

_LOOK_SECONDS = 0.05  # between looks whether a waiting statement was cancelled

Key = Hashable


@dataclass(frozen=True, slots=True)
class Hold:
    """In which way a session holds a name."""

    shared: bool = False
    until_commit: bool = False  # else until it is given back, or the session ends


@dataclass
class _Lock:
    holders: dict[int, Counter[Hold]] = field(default_factory=lambda: defaultdict(Counter))


class AdvisoryLocks:
    """Who holds what. Any thread."""

    def __init__(self) -> None:
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._locks: dict[Key, _Lock] = {}
        self._waiting: dict[int, tuple[Key, bool]] = {}
        self._transactions: set[int] = set()  # sessions with locks until commit

    def try_lock(self, session: int, key: Key, hold: Hold) -> bool:
        """Takes the lock if nobody is in the way."""
        with self._changed:
            return self._take(session, key, hold)

    def lock(
        self, session: int, key: Key, hold: Hold, check: Callable[[], None], seconds: float | None
    ) -> bool:
        """Waits for the lock; False if it took longer than `seconds`.

        `check` raises when the statement was cancelled. Raises: DbError DEADLOCK, and its errors.
        """
        until = None if seconds is None else monotonic() + seconds
        with self._changed:
            try:
                while not self._take(session, key, hold):
                    check()
                    if until is not None and monotonic() >= until:
                        return False
                    self._waiting[session] = key, hold.shared
                    if self._is_circle(session):
                        raise DbError(
                            ErrorKind.DEADLOCK,
                            "deadlock detected",
                            detail="the session that holds the lock waits for one of this session",
                        )
                    self._changed.wait(_LOOK_SECONDS)
                return True
            finally:
                self._waiting.pop(session, None)

    def unlock(self, session: int, key: Key, *, shared: bool) -> bool:
        """Gives back one hold until the session's end; False if there is none."""
        with self._changed:
            lock, hold = self._locks.get(key), Hold(shared)
            if lock is None or session not in lock.holders or not lock.holders[session][hold]:
                return False
            lock.holders[session][hold] -= 1
            self._tidy(key, session)
            return True

    def end_transaction(self, session: int) -> None:
        """Gives back what was held until commit."""
        if session in self._transactions:
            self._drop(session, lambda hold: hold.until_commit)
            self._transactions.discard(session)

    def unlock_all(self, session: int) -> int:
        """Gives back what is held until the session's end; how many holds that were."""
        return self._drop(session, lambda hold: not hold.until_commit)

    def is_waiting(self, session: int) -> bool:
        """True while the session waits for a lock."""
        return session in self._waiting

    def holder(self, key: Key) -> int | None:
        """A session that holds it."""
        with self._changed:
            lock = self._locks.get(key)
            return next(iter(lock.holders), None) if lock is not None else None

    def all(self) -> list[tuple[int, Key, bool, bool]]:
        """(session, name, shared, granted) of every hold and everyone who waits."""
        with self._changed:
            held = [
                (session, key, hold.shared, True)
                for key, lock in self._locks.items()
                for session, holds in lock.holders.items()
                for hold in holds
            ]
            return held + [
                (who, key, shared, False) for who, (key, shared) in self._waiting.items()
            ]

    # Requires: _changed is held.

    def _take(self, session: int, key: Key, hold: Hold) -> bool:
        if self._in_the_way(session, key, hold.shared):
            return False
        self._locks.setdefault(key, _Lock()).holders[session][hold] += 1
        if hold.until_commit:
            self._transactions.add(session)
        return True

    def _in_the_way(self, session: int, key: Key, shared: bool) -> list[int]:
        lock = self._locks.get(key)
        if lock is None:
            return []
        return [
            other
            for other, holds in lock.holders.items()
            if other != session and not (shared and all(hold.shared for hold in holds))
        ]

    def _is_circle(self, session: int) -> bool:
        """True if somebody `session` waits for waits, over whomever, for `session`."""
        seen: set[int] = set()
        todo = [session]
        while todo:
            key, shared = self._waiting.get(todo[-1], (None, False))
            for other in self._in_the_way(todo.pop(), key, shared):
                if other == session:
                    return True
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return False

    def _drop(self, session: int, wanted: Callable[[Hold], bool]) -> int:
        with self._changed:
            dropped = 0
            for key in [k for k, lock in self._locks.items() if session in lock.holders]:
                holds = self._locks[key].holders[session]
                for hold in [hold for hold in holds if wanted(hold)]:
                    dropped += holds.pop(hold)
                self._tidy(key, session)
            return dropped

    def _tidy(self, key: Key, session: int) -> None:
        lock = self._locks[key]
        lock.holders[session] = +lock.holders[session]
        if not lock.holders[session]:
            del lock.holders[session]
        if not lock.holders:
            del self._locks[key]
        self._changed.notify_all()
