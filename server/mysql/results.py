"""The rows of one statement on their way to a MySQL client.

Made by answers.py, pulled from worker threads only: a batch becomes cells (rows.py), cells become
packets (server/encode/assemble.py). Nothing here waits or writes to a socket.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pyarrow as pa

from server.encode.assemble import Packets, mysql_binary_rows, mysql_text_rows
from server.encode.cells import Cells, VarCells
from server.mysql.charsets import shown_cells
from server.mysql.columns import bits_of, is_clock, is_text, time_digits
from server.mysql.rows import binary_cells, bit_cells, clock_cells, text_cells, time_cells
from sql.charsets import UTF8MB4, Charset
from sql.results import ResultColumn, Rows


class ResultStream:
    """A result that is sent in pieces: all at once to a query, some rows at a time to a cursor.

    Requires: one thread at a time; whoever makes it closes it.
    """

    def __init__(
        self, rows: Rows, timezone: str, *, binary: bool, charset: Charset = UTF8MB4
    ) -> None:
        # Constant after construction.
        self.columns = rows.columns
        self._rows = rows
        self._batches = iter(rows)
        self._timezone = timezone
        self._binary = binary
        self._charset = charset
        # The batch being sent: its cells, how many rows it has and how many are sent.
        self._cells: list[Cells] = []
        self._length = 0
        self._sent = 0

    def packets(self, sequence: int, rows_max: int = sys.maxsize) -> Iterator[Packets]:
        """The next rows, at most `rows_max`, as packets numbered from `sequence`.

        Raises: what the statement raises while it runs, and DbError for values that the wire
        cannot carry.
        """
        layout = mysql_binary_rows if self._binary else mysql_text_rows
        while rows_max > 0 and self.has_more():
            count = min(rows_max, self._length - self._sent)
            part = [cells.slice(self._sent, self._sent + count) for cells in self._cells]
            for packets in layout(part, count, sequence):
                sequence = packets.sequence
                self._sent += packets.rows
                yield packets
            rows_max -= count

    def has_more(self) -> bool:
        """True if there is another row; runs the statement on to find out."""
        while self._sent == self._length:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._cells = [
                self._encoded(array, column)
                for array, column in zip(batch.columns, self.columns, strict=True)
            ]
            self._length, self._sent = batch.num_rows, 0
        return True

    def _encoded(self, array: pa.Array, column: ResultColumn) -> Cells:
        if is_clock(column):
            return clock_cells(array, time_digits(column), binary=self._binary)
        if bits := bits_of(column):
            return bit_cells(array, bits)
        digits = time_digits(column)
        if digits is not None:
            return time_cells(array, digits, binary=self._binary)
        encode = binary_cells if self._binary else text_cells
        cells = encode(array, column.type, self._timezone)
        if isinstance(cells, VarCells) and not self._charset.is_utf8 and is_text(column):
            return shown_cells(cells, self._charset)
        return cells

    def close(self) -> None:
        """Frees what the statement holds. Any number of times."""
        self._cells, self._length, self._sent = [], 0, 0
        self._batches = iter(())
        self._rows.close()
