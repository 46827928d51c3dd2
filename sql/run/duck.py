"""One session's DuckDB connection: transactions, streaming results, interruption.

DuckDB refuses new work on a connection whose last result is unfinished. A session may still have an
open portal or cursor then, so the open result is first read to its end and kept in memory (a
PostgreSQL server would do the same into a tuplestore).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

# What `cursor.sql(…).to_arrow_reader()` ends in. On its way that binds twice and parses thrice,
# a third of a small query's time. tests/sql/test_duck.py would tell if the door moved.
from duckdb._seam import submit

from engine.errors import DbError, ErrorKind
from sql.deadlines import Deadlines
from sql.memory import OPERATOR_SHARE, over_limit
from sql.run.errors import translate

ARROW_PREFIX = "__arrow_"

BATCH_ROWS = 16_384  # result rows per batch: eight DuckDB vectors, a few MB at most


_SLOTS_MAX = 64  # registered names a connection keeps
_PARSED_MAX = 128  # texts whose syntax a connection keeps
_PARSED_LENGTH_MAX = 4096  # of one
# Between two interrupts of one statement: the first pause, doubled each time up to the other.
_INSIST_SECONDS, _INSIST_SECONDS_MAX = 0.05, 1.0


class _Slot:
    """What DuckDB reads under a registered name: it asks for the rows anew in each statement.

    A name costs 0.5 ms to make and to drop, so names are kept and only their rows change.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_schema__(self) -> object:
        return self.rows.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


class OpenResult:
    """A running statement's rows, pulled batch by batch.

    `on_release` is called once, when the connection is no longer needed: at the end of the rows,
    at `close` or at `detach`.
    """

    def __init__(self, duck: Duck, result: Any, text: str) -> None:
        self._duck = duck
        described = result.description  # before the reader: it takes the rows out of the result
        self._reader = result.arrow_reader()
        self._text = text
        self._kept: Iterator[pa.RecordBatch] | None = None
        self.schema: pa.Schema = self._reader.schema
        self.names: list[str] = [item[0] for item in described]
        self.types: list[object] = [item[1] for item in described]  # DuckDB's own
        self.on_release: Callable[[], None] | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._kept is not None:
            return next(self._kept)
        if self._reader is None:
            raise StopIteration
        try:
            self._duck.check()
            return self._reader.read_next_batch()
        except StopIteration:
            self.close()
            raise
        except DbError:
            self._fail()
            raise
        except (duckdb.Error, OSError, pa.ArrowException, RuntimeError) as error:
            failure = self._duck.error_of(error, self._text)
            self._fail()
            raise failure from error

    def _fail(self) -> None:
        self.close()
        if self._duck.on_failure is not None:
            self._duck.on_failure()

    def detach(self) -> None:
        """Reads the rest into memory so that the connection is free for another statement.

        If that fails, whoever reads the rows is told so when he comes there, and nobody else.
        """
        if self._kept is not None or self._reader is None:
            return
        batches: list[pa.RecordBatch] = []
        try:
            for batch in self._duck.limited(self):
                batches.append(batch)  # noqa: PERF402 - those before an error are kept
        except Exception as error:  # noqa: BLE001 - it is raised where the rows are read
            self.close()
            self._kept = chain(batches, _failing(error))
        else:
            self._kept = iter(batches)

    def close(self) -> None:
        """Ends the statement; what was not read is lost."""
        reader, self._reader = self._reader, None
        if reader is None:
            return
        reader.close()
        self._duck.forget(self)
        if self.on_release is not None:
            self.on_release()


def _failing(error: Exception) -> Iterator[pa.RecordBatch]:
    raise error
    yield  # makes it a generator: it raises when it is read


class Duck:
    """A DuckDB connection used by one session, one statement at a time."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, deadlines: Deadlines | None = None
    ) -> None:
        self.cursor = cursor
        self._deadlines = deadlines  # without any, an interrupt is tried once
        self._open: OpenResult | None = None
        self._names = 0
        # Registered tables by name, and the names in no use by the columns they have.
        self._slots: dict[str, _Slot] = {}
        self._free: dict[pa.Schema, list[str]] = {}
        self._parsed: dict[str, Any] = {}  # None: run once so far
        # Guarded by _lock: whether an interrupt now would hit the statement it is meant for.
        self._lock = threading.Lock()
        self._running = False
        self._number = 0  # of the statement
        self._has_told = False  # the statement knows the reason
        self._memory = 0  # bytes a statement may hold, 0 for no limit
        self._reason: DbError | None = None
        # Called when rows of a statement that had succeeded cannot be given to their end.
        self.on_failure: Callable[[], None] | None = None
        self._has_failed = False  # an error came since BEGIN: DuckDB may have ended the transaction
        # A statement that met others' rows is tried again: nobody needs to know that it failed.
        self.tries_again = False

    # Running.

    def start(self) -> None:
        """Marks the beginning of a statement: from here on `interrupt` ends it."""
        self.settle()
        with self._lock:
            self._running = True
            self._reason = None
            self._has_told = False
            self._number += 1

    @property
    def is_free(self) -> bool:
        """True if no result is open."""
        return self._open is None

    def is_aborted(self) -> bool:
        """True if an error has ended DuckDB's open transaction. Requires: no result is open."""
        try:
            self.cursor.execute("SELECT 1").fetchall()
        except duckdb.Error:
            return True
        return False

    def settle(self) -> None:
        """Frees the connection: what an open result has not given yet is read into memory."""
        if self._open is not None:
            self._open.detach()
            self._open = None

    def finish(self) -> None:
        """Marks its end: later interrupts hit nothing."""
        with self._lock:
            self._running = False

    def interrupt(self, reason: DbError) -> None:
        """Ends the running statement with `reason`; nothing happens when none runs. Any thread.

        Of several reasons the first is told.
        """
        with self._lock:
            if not self._running:
                return
            self._reason = self._reason or reason
            self._insist(self._number, _INSIST_SECONDS)

    def _insist(self, number: int, seconds: float) -> None:
        """Interrupts, until the statement has noticed: DuckDB forgets what comes between queries.

        Requires: _lock is held.
        """
        if not self._running or self._has_told or self._number != number:
            return
        self.cursor.interrupt()
        if self._deadlines is not None:
            later = partial(self._interrupt_again, number, min(2 * seconds, _INSIST_SECONDS_MAX))
            self._deadlines.arm(seconds, later)

    def _interrupt_again(self, number: int, seconds: float) -> None:
        with self._lock:
            self._insist(number, seconds)

    def limit_memory(self, limit: int) -> None:
        """Sorts and hash tables of later statements spill beyond a share of so many bytes."""
        if limit != self._memory:
            spilling = f"'{int(limit * OPERATOR_SHARE)}B'" if limit else "NULL"
            self.execute(f"SET operator_memory_limit = {spilling}")
            self._memory = limit

    def gather(self, result: Iterable[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """The batches in memory, within the statement's limit. Raises: DbError OUT_OF_MEMORY."""
        return list(self.limited(result))

    def limited(self, result: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, for whoever keeps them all. Raises: as `gather`."""
        held = 0
        for batch in result:
            held += batch.nbytes
            if self._memory and held > self._memory:
                raise over_limit(self._memory)
            yield batch

    def check(self) -> None:
        """Raises the reason if the running statement was interrupted."""
        with self._lock:
            if self._reason is not None:
                self._has_told = True
                raise self._reason

    def execute(self, sql: str, parameters: Any = None, text: str = "") -> list[tuple[Any, ...]]:
        """Runs a statement whose few rows are wanted at once. Raises: DbError."""
        if sql == "COMMIT" and self._has_failed:
            self._check_commit()
        try:
            rows = self.cursor.execute(self._statement(sql), parameters).fetchall()
        except (duckdb.Error, RuntimeError) as error:
            if sql == "COMMIT":
                self._drop_all()
            raise self.error_of(error, text) from error
        if sql == "ROLLBACK":
            self._drop_all()
        if sql == "BEGIN TRANSACTION":
            self._has_failed = False
        return rows

    def _statement(self, sql: str) -> Any:
        """The statement as DuckDB has read it before, from its second time on: else its text."""
        known = self._parsed.get(sql, "")
        if known == "":
            if len(sql) > _PARSED_LENGTH_MAX:
                return sql
            if len(self._parsed) >= _PARSED_MAX:
                self._parsed.clear()
            self._parsed[sql] = None
            return sql
        if known is None:
            found = self.cursor.extract_statements(sql)
            known = self._parsed[sql] = found[0] if len(found) == 1 else sql
        return known

    def _check_commit(self) -> None:
        """Raises: DbError FAILED_TRANSACTION, as COMMIT itself undoes all and says nothing."""
        if self.is_aborted():
            self.execute("ROLLBACK")
            message = "a statement has failed: the transaction is rolled back"
            raise DbError(ErrorKind.FAILED_TRANSACTION, message)

    def relation(self, sql: str, parameters: Any = None, text: str = "") -> duckdb.DuckDBPyRelation:
        """Binds a query without running it. Raises: DbError."""
        try:
            return self.cursor.sql(sql, params=parameters or None)
        except (duckdb.Error, RuntimeError) as error:
            raise self.error_of(error, text) from error

    def open(self, sql: str, parameters: Any = None, text: str = "") -> OpenResult:
        """Starts a query; its rows stream. Raises: DbError."""
        self.check()
        try:
            found = submit(self.cursor, sql, parameters or None, "stream", BATCH_ROWS)
            result = OpenResult(self, found, text)
        except (duckdb.Error, RuntimeError, pa.ArrowException) as error:
            raise self.error_of(error, text) from error
        self._open = result
        return result

    def table(self, sql: str, parameters: Any = None, text: str = "") -> pa.Table:
        """Runs a query and gives all of its rows. Raises: DbError."""
        result = self.open(sql, parameters, text)
        return pa.Table.from_batches(list(result), result.schema)

    def forget(self, result: OpenResult) -> None:
        """The result holds the connection no longer."""
        if self._open is result:
            self._open = None

    # Arrow tables as relations.

    def register(self, table: pa.Table) -> str:
        """Makes an Arrow table readable by a name of its own; `unregister` it afterwards.

        Raises: DbError (the statement was interrupted).
        """
        free = self._free.get(table.schema)
        if free:
            name = free.pop()
            self._slots[name].rows = table
            return name
        self._names += 1
        name = f"{ARROW_PREFIX}{self._names}"
        slot = _Slot(table)
        try:
            self.cursor.register(name, slot)
        except duckdb.Error as error:
            raise self.error_of(error, "") from error
        self._slots[name] = slot
        return name

    def unregister(self, names: Iterable[str]) -> None:
        """Forgets registered tables; their names wait for the next ones of the same columns."""
        for name in names:
            slot = self._slots.get(name)
            if slot is None:
                continue  # its transaction was rolled back
            schema = slot.rows.schema
            slot.rows = schema.empty_table()
            if len(self._slots) <= _SLOTS_MAX:
                self._free.setdefault(schema, []).append(name)
            else:
                self._drop(name)

    def _drop(self, name: str) -> None:
        self._slots.pop(name, None)
        # In an aborted transaction the view cannot be dropped, and need not: it ends with it.
        with contextlib.suppress(duckdb.Error):
            self.cursor.unregister(name)

    def _drop_all(self) -> None:
        """After a rollback, which has taken the names that were made since the beginning."""
        for name in list(self._slots):
            self._drop(name)
        self._free.clear()

    # Errors.

    def error_of(self, error: Exception, text: str) -> DbError:
        """What the client sees of a failure on this connection."""
        self._has_failed = True
        with self._lock:
            if self._reason is not None:
                self._has_told = True
                return self._reason
        return translate(error, text)

    def close(self) -> None:
        """Closes the connection."""
        if self._open is not None:
            self._open.close()
        self.cursor.close()
