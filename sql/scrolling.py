"""Cursors that DECLARE makes: rows that can be read forward, backward and by position.

Called by sql/statements/cursor.py. Rows already given are kept for going back: all of them with
SCROLL, none with NO SCROLL, else as long as they are few; a plain cursor over a large result must
not fill the memory. https://www.postgresql.org/docs/current/sql-fetch.html
"""

from __future__ import annotations

from collections import deque

import numpy as np
import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.results import Cursor, Rows

KEPT_BYTES_MAX = 8 << 20  # of a cursor that was declared without SCROLL or NO SCROLL


class DeclaredCursor(Cursor):
    """A cursor of SQL. Its position is a row's number: 0 is before the first row.

    I1. `_kept` are the rows `_forgotten + 1` to `_read`, in order.
    I2. `_total` is known once the rows have ended; the position after the last is `_total + 1`.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        statement: str = "",
        hold: bool = False,
        scroll: bool | None = None,
        binary: bool = False,
        made_ms: int = 0,
    ) -> None:
        super().__init__(rows, hold=hold)
        # Constant after construction.
        self.statement = statement
        self.scroll = scroll
        self.binary = binary
        self.made_ms = made_ms
        # Changed by reading only.
        self._kept: deque[pa.RecordBatch] = deque()
        self._kept_bytes = 0
        self._forgotten = 0
        self._read = 0
        self._total: int | None = None
        self._at = 0

    def take(self, count: int | None) -> list[pa.RecordBatch]:
        """The next `count` rows, all of them for None."""
        first = self._at + 1
        target = None if count is None else self._at + count
        self._read_to(target)
        last = self._read if target is None else min(target, self._read)
        found = self._rows(first, last)
        self._at = last if target == last else self._read + 1
        self._forget()
        return found

    def back(self, count: int | None) -> list[pa.RecordBatch]:
        """The rows before, the nearest first. Raises: DbError NOT_READY if they are gone."""
        last = self._at - 1
        first = 1 if count is None else max(self._at - count, 1)
        self._must_have(first)
        found = [_reversed(batch) for batch in reversed(self._rows(first, last))]
        self._at = 0 if count is None or count > last else first
        return found

    def absolute(self, row: int) -> list[pa.RecordBatch]:
        """That row; from the end for a negative number. Raises: DbError NOT_READY."""
        if row < 0:
            self._read_to(None)
            row = max(self._read + 1 + row, 0)
        if row <= self._at:
            self._must_have(row)
        return self._move_to(row)

    def relative(self, distance: int) -> list[pa.RecordBatch]:
        """The row so many after this one; 0 is this one again. Raises: DbError NOT_READY."""
        if distance <= 0:
            self._must_have(self._at + distance)
        return self._move_to(max(self._at + distance, 0))

    def _move_to(self, row: int) -> list[pa.RecordBatch]:
        self._read_to(row)
        self._at = min(row, self._read + 1)
        found = self._rows(row, row) if row else []
        self._forget()
        return found

    def _read_to(self, row: int | None) -> None:
        """Reads until that row is there, or all rows are."""
        while self._total is None and (row is None or self._read < row):
            batch = self.next_batch(None if row is None else row - self._read)
            if batch is None:
                self._total = self._read
            elif batch.num_rows:
                self._kept.append(batch)
                self._kept_bytes += batch.nbytes
                self._read += batch.num_rows

    def _rows(self, first: int, last: int) -> list[pa.RecordBatch]:
        """The rows from one number to another. Requires: none of them is forgotten."""
        found: list[pa.RecordBatch] = []
        before = self._forgotten
        for batch in self._kept:
            low, high = max(first - before, 1), min(last - before, batch.num_rows)
            if low <= high:
                found.append(batch.slice(low - 1, high - low + 1))
            before += batch.num_rows
        return found

    def _must_have(self, row: int) -> None:
        """Raises: DbError NOT_READY if the cursor cannot go back to that row."""
        if self.scroll is False or max(row, 0) <= self._forgotten != 0:
            raise DbError(
                ErrorKind.NOT_READY,
                "cursor can only scan forward",
                hint="declare it with the SCROLL option to go back",
            )

    def _forget(self) -> None:
        """Lets rows go that nobody may ask for again."""
        limit = 0 if self.scroll is False else KEPT_BYTES_MAX
        if self.scroll or self._kept_bytes <= limit:
            return
        while self._kept and self._forgotten + self._kept[0].num_rows <= self._at:
            batch = self._kept.popleft()
            self._kept_bytes -= batch.nbytes
            self._forgotten += batch.num_rows


def _reversed(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array(np.arange(batch.num_rows - 1, -1, -1)))
