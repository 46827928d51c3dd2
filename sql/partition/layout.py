"""Where the rows of a table are to be written now, while repartitioning may move them.

Statements route rows when they run, but rows may be staged until COMMIT. So whoever writes comes in
through `Layouts.writing`: it holds the table's gate, which repartitioning closes for its last step,
and sends rows that were routed for regions of yesterday to those of today.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import duckdb

from catalog.api import Catalog
from catalog.records import REGION_BITS, Table
from engine.api import Op, Write
from engine.errors import DbError, ErrorKind
from engine.evolve import conform
from sql.partition.route import writes_of

WAIT_SECONDS = 30.0  # of writers; the step they wait for takes milliseconds


class Gates:
    """For each table: many writers at a time, or one alone.

    A writer is alone to change where rows live (repartitioning), or to write what depends on rows
    it has read (ON CONFLICT, UPDATE, MERGE). All gates a writer needs are passed at once, so no two
    writers wait for each other.
    """

    def __init__(self) -> None:
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()  # writers by table
        self._closed: set[int] = set()  # for new writers
        self._alone: set[int] = set()  # writers who let no other in, or wait to be alone
        self._moving: set[int] = set()

    @contextmanager
    def writing(self, tables: Iterable[int], alone: Iterable[int] = ()) -> Iterator[None]:
        """Around writing to tables, to those of `alone` with no other writer beside.

        Raises: DbError REGION_BUSY when a gate stays closed.
        """
        single = frozenset(alone)
        wanted = frozenset(tables) - single
        self._enter(wanted, single)
        try:
            yield
        finally:
            with self._changed:
                self._alone -= single
                self._inside.subtract(wanted)
                for table in wanted:
                    if not self._inside[table]:
                        del self._inside[table]
                self._changed.notify_all()

    def _enter(self, wanted: frozenset[int], single: frozenset[int]) -> None:
        every = wanted | single
        with self._changed:
            free = self._changed.wait_for(
                lambda: not (every & self._closed or every & self._alone), WAIT_SECONDS
            )
            if not free:
                raise _busy()
            self._inside.update(wanted)
            self._alone |= single
            # Those inside have passed all of their gates, so they leave without waiting for us.
            if not self._changed.wait_for(
                lambda: not any(self._inside[table] for table in single), WAIT_SECONDS
            ):
                self._alone -= single
                self._inside.subtract(wanted)
                self._changed.notify_all()
                raise _busy()

    @contextmanager
    def alone(self, table: int, seconds: float) -> Iterator[bool]:
        """Keeps writers of a table out; gives False if those inside did not leave in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            assert table in self._moving
            self._closed.add(table)
            free = self._changed.wait_for(
                lambda: not self._inside[table] and table not in self._alone,
                max(deadline - time.monotonic(), 0),
            )
        try:
            yield free
        finally:
            with self._changed:
                self._closed.discard(table)
                self._changed.notify_all()

    @contextmanager
    def moving(self, table: int) -> Iterator[None]:
        """Around repartitioning a table. Raises: DbError REGION_BUSY if someone else does it."""
        with self._changed:
            if table in self._moving:
                raise DbError(
                    ErrorKind.REGION_BUSY,
                    "the table is being repartitioned by another statement",
                    hint="wait for its end, then try again",
                )
            self._moving.add(table)
        try:
            yield
        finally:
            with self._changed:
                self._moving.discard(table)


class Layouts:
    """The way to every table's regions; one for all sessions."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.gates = Gates()

    @contextmanager
    def writing(
        self,
        cursor: duckdb.DuckDBPyConnection,
        writes: Sequence[Write],
        alone: Iterable[int] = (),
    ) -> Iterator[list[Write]]:
        """Around `Regions.write` or a commit: the writes as they must be made now.

        Nobody else writes to the tables of `alone` meanwhile.
        """
        with self.gates.writing({write.region_id >> REGION_BITS for write in writes}, alone):
            yield self.settled(cursor, writes)

    def settled(self, cursor: duckdb.DuckDBPyConnection, writes: Sequence[Write]) -> list[Write]:
        """The writes with those rerouted whose region is no longer one of its table."""
        found: list[Write] = []
        for write in writes:
            table = self.catalog.table_of(cursor, write.region_id >> REGION_BITS)
            if table is None or write.region_id in table.region_ids:
                found.append(write)
            else:
                found += _rerouted(table, write)
        return found


def _busy() -> DbError:
    return DbError(
        ErrorKind.REGION_BUSY,
        "another statement is changing the table and lets no writer in",
        hint="try again",
    )


def _rerouted(table: Table, write: Write) -> list[Write]:
    """The write for the table's regions of now; its columns may have had other names."""
    schema = table.region_schema()
    if write.schema is None or write.schema.version == schema.version:
        return writes_of(table, write.op, write.rows)
    keys = write.op is Op.DELETE and not table.append_mode
    names = schema.sort_key if keys else schema.arrow.names
    return writes_of(table, write.op, conform(write.rows, write.schema, schema, names))


def new_region_ids(table: Table, count: int, existing: Iterable[int]) -> tuple[int, ...]:
    """Region ids that the table never used: numbers only grow. `existing`: all regions there are.

    A failed statement may use a number again, whose region is gone then.
    """
    mine = [r for r in (*existing, *table.region_ids) if r >> REGION_BITS == table.id]
    highest = max((r & ((1 << REGION_BITS) - 1) for r in mine), default=-1)
    return tuple(table.id << REGION_BITS | (highest + 1 + index) for index in range(count))
