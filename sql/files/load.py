"""Rows on their way into a table: few are kept in memory, many in a temporary file.

A COPY FROM first reads everything, so that bad data anywhere leaves nothing behind, then writes:
few rows as one write, many in pieces. Called by sql/statements/copy_files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc as ipc

from engine.store.local import translated

# Of one statement. Rows up to this size are one write, which is atomic whatever happens; the engine
# takes 512 MiB at once, and a few such statements shall fit beside its memtables.
MEMORY_BYTES = 64 << 20
PIECE_BYTES = 32 << 20
_ACTION = "keep rows in a temporary file"


def is_small(size: int) -> bool:
    """True if so many bytes of rows are written at once."""
    return size <= MEMORY_BYTES


class Room:
    """Memory that the loads of one statement share."""

    def __init__(self) -> None:
        self._left = MEMORY_BYTES

    def take(self, size: int) -> bool:
        """True if so much was left."""
        if size > self._left:
            return False
        self._left -= size
        return True


class Load:
    """Takes whole rows of one table, then gives them back once, in order.

    I1. Either `_rows` holds everything and `_file` is None, or everything is in `_file`.
    """

    def __init__(self, schema: Any, room: Room, spool: Callable[[], BinaryIO]) -> None:
        self._schema = schema
        self._room = room
        self._spool = spool
        self._rows: list[Any] = []
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self.bytes = 0
        self.count = 0

    def add(self, rows: Any) -> None:
        """Takes more rows. Raises: DbError DISK_FULL, STORAGE_UNAVAILABLE."""
        self.bytes += rows.nbytes
        self.count += rows.num_rows
        waiting = [rows]
        if self._file is None:
            if self._room.take(rows.nbytes):
                self._rows.append(rows)
                return
            self._file = self._spool()
            options = ipc.IpcWriteOptions(compression="lz4")
            self._writer = ipc.new_stream(self._file, self._schema, options=options)
            waiting, self._rows = [*self._rows, rows], []
        with translated(_ACTION):
            for table in waiting:
                self._writer.write_table(table)

    def pieces(self) -> Iterator[Any]:
        """The rows as tables of about PIECE_BYTES; all at once if they are in memory.

        Requires: nothing is added any more.
        """
        if self._file is None:
            if self._rows:
                yield pa.concat_tables(self._rows)
            return
        with translated(_ACTION):
            self._writer.close()
            self._file.seek(0)
            stream = ipc.open_stream(self._file)
        waiting: list[Any] = []
        size = 0
        while True:
            with translated(_ACTION):
                batch = next(stream, None)
            if batch is None:
                break
            waiting.append(batch)
            size += batch.nbytes
            if size >= PIECE_BYTES:
                yield pa.Table.from_batches(waiting, self._schema)
                waiting, size = [], 0
        if waiting:
            yield pa.Table.from_batches(waiting, self._schema)

    def close(self) -> None:
        """Frees memory and disk."""
        self._rows.clear()
        file, self._file = self._file, None
        if file is not None:
            file.close()
