"""Locks on rows: what SELECT … FOR UPDATE and FOR SHARE promise.

One table for the server, called by sql/statements/row_locking.py. A row is a 64-bit number: the
row number of a relational table, a hash of a time-series row's identity (two rows of one hash are
locked together). Keys (sql/statements/key_locks.py) are rows of the table's number below zero.
A statement's rows are one sorted array, so that many rows cost little. Who would wait in a circle
is told so at once.
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS

I1. Tables that nobody has ever locked rows of cost nothing: their changes are not noted here.
I2. A session's locks of a table lie in few arrays, however many statements took them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import numpy.typing as npt

from engine.errors import DbError, ErrorKind

_LOOK_SECONDS = 0.05  # between looks whether a waiting statement was cancelled

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of one table that a statement wants to lock; `whole`: all there are and will be."""

    table_id: int
    rows: Rows  # sorted, each once
    shared: bool = False
    whole: bool = False


class RowLocks:
    """Who has locked which rows, until the transaction ends. Any thread."""

    def __init__(self) -> None:
        # Guarded by _changed; reading whether a table is in `_held` needs no lock.
        self._changed = threading.Condition()
        # table → session, whether shared → rows
        self._held: dict[int, dict[tuple[int, bool], list[Wanted]]] = {}
        self._before: dict[int, set[int]] = {}  # table → sessions that had changed rows unnoted
        self._waiting: dict[int, frozenset[int]] = {}  # session → those it waits for

    def begin(self, table_id: int, changing: Callable[[], Collection[int]]) -> None:
        """From now on changes of the table's rows are noted.

        `changing` gives the sessions whose open transactions have changed rows of it already.
        """
        if table_id in self._held:
            return
        with self._changed:
            if table_id not in self._held:
                self._held[table_id] = {}
                self._before[table_id] = set(changing())

    def concerns(self, session: int, table_id: int, *, lasting: bool) -> bool:
        """True if a statement that changes rows of the table has to lock them first.

        `lasting`: its transaction goes on after it, so that others may meet its changes.
        """
        held = self._held.get(table_id)
        if held is None:
            return False
        return lasting or any(other != session for other, _ in list(held))

    def lock(
        self,
        session: int,
        wanted: Sequence[Wanted],
        check: Callable[[], None],
        seconds: float | None = None,
        changing: Callable[[], Collection[int]] = tuple,
        *,
        keep: bool = True,
    ) -> bool:
        """Locks all the rows, or waits until those in the way are free: False then, look again.

        `seconds` 0 never waits, None waits for ever; `check` raises when the statement was
        cancelled; `changing` are further sessions that are in the way; without `keep` nothing is
        locked after all.
        Raises: DbError LOCK_TIMEOUT, DEADLOCK, and those of `check`.
        """
        until = None if seconds is None else monotonic() + seconds
        with self._changed:
            others = self._in_the_way(session, wanted, changing())
            if not others:
                if keep:
                    self._take(session, wanted)
                return True
            try:
                while others:
                    check()
                    if until is not None and monotonic() >= until:
                        raise _not_got(seconds)
                    self._waiting[session] = others
                    if self._is_circle(session):
                        raise DbError(
                            ErrorKind.DEADLOCK,
                            "deadlock detected",
                            detail="the session that has locked a row waits for one of this one",
                            hint="run the transaction again",
                        )
                    self._changed.wait(_LOOK_SECONDS)
                    others = self._in_the_way(session, wanted, changing())
            finally:
                self._waiting.pop(session, None)
        return False

    def lock_free(self, session: int, wanted: Sequence[Wanted]) -> list[npt.NDArray[np.bool_]]:
        """Locks the rows that nobody is in the way of; which of each `wanted` are so."""
        with self._changed:
            masks = [self._free(session, one) for one in wanted]
            free = [
                Wanted(one.table_id, one.rows[mask], one.shared)
                for one, mask in zip(wanted, masks, strict=True)
            ]
            self._take(session, free)
            return masks

    def count_of_others(self, session: int, table_id: int) -> int:
        """How many rows of the table others have locked, at most."""
        with self._changed:
            held = self._held.get(table_id, {})
            others = (locks for (other, _), locks in held.items() if other != session)
            return sum(len(one.rows) for locks in others for one in locks)

    def is_locked(self, session: int, table_id: int) -> bool:
        """True if another session has locked the whole table."""
        if not self._held.get(table_id):
            return False
        with self._changed:
            held = self._held[table_id].items()
            others = (locks for (other, _), locks in held if other != session)
            return any(one.whole for locks in others for one in locks)

    def holds(self, session: int) -> bool:
        """True if the session has locked rows, not just keys."""
        mine = (session, True), (session, False)
        held = [locks for table_id, locks in list(self._held.items()) if table_id >= 0]
        return any(one in locks for locks in held for one in mine)

    def is_waiting(self, session: int) -> bool:
        """True while a statement of the session waits for rows."""
        return session in self._waiting

    def release_keys(self, session: int) -> None:
        """Gives back the keys that the session has locked, not the rows."""
        with self._changed:
            for table_id, held in self._held.items():
                if table_id < 0:
                    held.pop((session, False), None)
            self._changed.notify_all()

    def end_transaction(self, session: int) -> None:
        """Gives back what the session has locked."""
        if not self._held:
            return
        with self._changed:
            for table_id, held in self._held.items():
                held.pop((session, True), None)
                held.pop((session, False), None)
                self._before.get(table_id, set()).discard(session)
            self._changed.notify_all()

    # Requires: _changed is held.

    def _take(self, session: int, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            if len(one.rows) or one.whole:
                held = self._held.setdefault(one.table_id, {})
                locks = held.setdefault((session, one.shared), [])
                locks.append(one)
                _merge_last(locks)

    def _in_the_way(
        self, session: int, wanted: Sequence[Wanted], changing: Collection[int]
    ) -> frozenset[int]:
        found = set(changing)
        for one in wanted:
            found |= self._before.get(one.table_id, set())
            found |= {
                other
                for (other, _), locks in self._held.get(one.table_id, {}).items()
                if other != session and any(_clash(one, held) for held in locks)
            }
        return frozenset(found - {session})

    def _free(self, session: int, wanted: Wanted) -> npt.NDArray[np.bool_]:
        free = np.ones(len(wanted.rows), np.bool_)
        if self._before.get(wanted.table_id, set()) - {session}:
            free[:] = False
        for (other, shared), locks in self._held.get(wanted.table_id, {}).items():
            if other == session or (wanted.shared and shared):
                continue
            for held in locks:
                if held.whole:
                    free[:] = False
                else:
                    free &= ~_common(wanted.rows, held.rows)
        return free

    def _is_circle(self, session: int) -> bool:
        """True if somebody `session` waits for waits, over whomever, for `session`."""
        seen: set[int] = set()
        todo = [session]
        while todo:
            for other in self._waiting.get(todo.pop(), frozenset()):
                if other == session:
                    return True
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return False


def _merge_last(locks: list[Wanted]) -> None:
    """Joins arrays of like size, as a merge sort does: there are about log₂ of the rows."""
    while len(locks) > 1:
        before, last = locks[-2:]
        if last.whole != before.whole or len(before.rows) > 2 * len(last.rows):
            return
        rows = np.union1d(before.rows, last.rows)
        locks[-2:] = [Wanted(last.table_id, rows, last.shared, last.whole)]


def _clash(one: Wanted, other: Wanted) -> bool:
    if one.shared and other.shared:
        return False
    return one.whole or other.whole or bool(_common(one.rows, other.rows).any())


def _common(rows: Rows, held: Rows) -> npt.NDArray[np.bool_]:
    """Which of some sorted rows are among others."""
    if not len(held):
        return np.zeros(len(rows), np.bool_)
    places = np.minimum(np.searchsorted(held, rows), len(held) - 1)
    found: npt.NDArray[np.bool_] = held[places] == rows
    return found


def _not_got(seconds: float | None) -> DbError:
    if seconds == 0:
        return DbError(ErrorKind.LOCK_TIMEOUT, "could not obtain lock on row")
    return DbError(ErrorKind.LOCK_TIMEOUT, "canceling statement due to lock timeout")
