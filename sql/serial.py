"""SERIALIZABLE: transactions that no order one after the other could explain do not all commit.

Each such transaction sees one moment, and of two that change the same row the first to commit wins
(DuckDB). What is left are reads of rows that another has changed since: `A` read what `B` wrote, so
`A` comes before `B`. In every circle of such orders there are three in a row, A before B before C,
of which C commits first of all (Fekete et al., "Making snapshot isolation serializable", 2005;
Cahill et al., 2008): whoever would complete such a pair fails. Tables are what is compared, so some
fail without need. https://www.postgresql.org/docs/15/transaction-iso.html#XACT-SERIALIZABLE

Called by sql/transaction.py; reads come from plans (sql/session_tables.py). Transactions of other
isolation levels are not looked at, as in PostgreSQL. Time-series tables are read as they are at
each statement and written without a look at others' rows: an overlap there counts as both orders.

I1. A transaction is open here before it has its snapshot; it is past before its COMMIT begins.
I2. Who has committed is remembered while one is open that began before; of too many the oldest are
    forgotten, and who would have to know them fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from engine.errors import DbError, ErrorKind

PAST_MAX = 4096  # transactions that are remembered


@dataclass(slots=True)
class Tables:
    """Tables by id; `all` of them, where it is not known which."""

    ids: set[int] = field(default_factory=set)
    all: bool = False

    def meets(self, others: Tables) -> bool:
        """True if a table is in both."""
        if self.all or others.all:
            return bool(self) and bool(others)
        return not self.ids.isdisjoint(others.ids)

    def __bool__(self) -> bool:
        return self.all or bool(self.ids)


@dataclass(eq=False, slots=True)
class Serial:
    """What one transaction has read and written. `series`: which of both are time-series tables."""

    started: int  # all that committed up to this number are in its snapshot
    reads: Tables = field(default_factory=Tables)
    writes: Tables = field(default_factory=Tables)
    series: Tables = field(default_factory=Tables)
    number: int = 0  # of its commit
    is_before: bool = False  # it comes before one that committed earlier


class Serializables:
    """Serializable transactions: those open, and those that others have to know. Any thread."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._number = 0  # of the last commit
        self._open: set[Serial] = set()
        self._committing: set[Serial] = set()  # not all can see yet what they did
        self._past: deque[Serial] = deque()  # by number
        self._forgotten = 0  # the last of those that are not remembered any more

    def begin(self) -> Serial:
        """A transaction is about to take its snapshot."""
        with self._lock:
            made = Serial(self._seen())
            self._open.add(made)
            return made

    def _seen(self) -> int:
        """All commits up to this number are in a snapshot that is taken now. Requires: _lock."""
        return min((one.number for one in self._committing), default=self._number + 1) - 1

    def commit(self, mine: Serial) -> None:
        """The transaction is about to commit. Raises: DbError SERIALIZATION_FAILURE."""
        with self._lock:
            if mine.started < self._forgotten:
                raise _failure("too much has been committed since it began")
            since = [one for one in self._past if one.number > mine.started]
            later = [one for one in since if mine.reads.meets(one.writes)]
            if any(one.is_before for one in later):
                raise _failure("it read what another has changed that itself read old rows")
            if later and self._has_earlier(mine, since):
                raise _failure(
                    "it read what another has changed, and changed what another has read"
                )
            self._number += 1
            mine.number, mine.is_before = self._number, bool(later)
            self._open.discard(mine)
            self._committing.add(mine)
            self._past.append(mine)

    def _has_earlier(self, mine: Serial, since: Iterable[Serial]) -> bool:
        """True if one that ran at the same time comes before this one."""
        if any(one.writes.meets(mine.series) for one in since):
            return True
        others = (one for group in (self._open, since) for one in group if one is not mine)
        return any(one.reads.meets(mine.writes) for one in others)

    def end(self, mine: Serial, *, committed: bool) -> None:
        """It has ended: what it committed is visible to later snapshots."""
        with self._lock:
            self._open.discard(mine)
            self._committing.discard(mine)
            if not committed and mine.number:
                self._past = deque(one for one in self._past if one is not mine)
            oldest = min((one.started for one in self._open), default=self._seen())
            while self._past and self._past[0].number <= oldest:
                self._past.popleft()
            while len(self._past) > PAST_MAX:
                self._forgotten = self._past.popleft().number


class Order:
    """One transaction's place among the others. Nothing is noted unless `is_kept`."""

    def __init__(self, serializables: Serializables) -> None:
        self.is_kept = False  # the transaction is serializable
        self._serializables = serializables
        self._serial: Serial | None = None  # once it has begun

    def begin(self) -> None:
        """Must be called before the snapshot is taken; taking it anew later changes nothing."""
        if self.is_kept and self._serial is None:
            self._serial = self._serializables.begin()

    def read(self, stored: Iterable[int], series: Iterable[int], *, more: bool = False) -> None:
        """A statement reads these tables, ordinary and others; `more`: any others, too."""
        if self._serial is not None:
            series = tuple(series)
            self._serial.reads.ids.update(stored, series)
            self._serial.series.ids.update(series)
            self._serial.reads.all |= more
            self._serial.series.all |= more

    def commit(self, stored: Iterable[int], series: Iterable[int], *, more: bool) -> None:
        """It has written these tables. Raises: DbError SERIALIZATION_FAILURE."""
        if self._serial is not None:
            series = tuple(series)
            self._serial.writes = Tables({*stored, *series}, more)
            self._serial.series.ids.update(series)
            self._serializables.commit(self._serial)

    def end(self, *, committed: bool) -> None:
        """See `Serializables.end`."""
        if self._serial is not None:
            self._serializables.end(self._serial, committed=committed)
            self._serial = None


def _failure(detail: str) -> DbError:
    return DbError(
        ErrorKind.SERIALIZATION_FAILURE,
        "could not serialize access due to read/write dependencies among transactions",
        detail=f"the transaction cannot commit: {detail}",
        hint="run the transaction again",
    )
