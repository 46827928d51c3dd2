"""Lays encoded columns out as rows of bytes: PostgreSQL DataRow, MySQL text and binary rows.

Called by the wires once per batch. A slice of all columns' cells is gathered into one block of
memory, then one kernel (row_kernels.py) writes row after row. Nothing here knows what a cell means.

Layouts:
    PostgreSQL  'D', int32 length, int16 columns, then per cell int32 length (-1 = NULL) and bytes
    MySQL text  int24 length, sequence, then per cell a length-encoded string (0xFB = NULL)
    MySQL binary  int24 length, sequence, 0x00, NULL bitmap (from bit 2), then the cells not NULL
https://www.postgresql.org/docs/current/protocol-message-formats.html
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.errors import DbError, ErrorKind
from server.encode.cells import Bytes, Cells, FixedCells, VarCells
from server.encode.row_kernels import (
    COPY_BYTES,
    Starts,
    put_mysql_binary,
    put_mysql_text,
    put_postgres,
)

DATA_ROW = ord("D")
SLICE_ROWS = 8192  # one slice's output stays near the CPU's second-level cache
SLICE_BYTES = 4 << 20  # … and wide rows cut a slice earlier, which bounds memory per connection
ROW_MAX = (1 << 31) - 1  # PostgreSQL's length is an int32; MySQL's rows are bounded the same
MYSQL_PACKET_MAX = 0xFFFFFF  # a payload this long continues in the next packet

_NOT_GIVEN = np.zeros(COPY_BYTES, np.uint8)
_ALL_VALID = np.zeros((0, 0), np.bool_)


class Block(NamedTuple):
    """The cells of some rows, as row_kernels.py reads them."""

    arena: Bytes
    starts: Starts
    valid: npt.NDArray[np.bool_]

    def room(self, row_bytes: int, cell_bytes: int) -> Bytes:
        """A buffer for the cells and so many other bytes for each row and cell."""
        columns, rows = self.starts.shape[0], self.starts.shape[1] - 1
        long_prefixes = 64 + (len(self.arena) >> 8)  # of MySQL's cells of 64 KiB and more
        more = rows * (row_bytes + columns * cell_bytes) + long_prefixes
        return np.empty(len(self.arena) + more, np.uint8)


class Packets(NamedTuple):
    """Bytes of whole MySQL packets, how many rows they hold and the sequence number after them."""

    data: memoryview
    rows: int
    sequence: int


def postgres_rows(
    columns: Sequence[Cells], rows: int, code: int = DATA_ROW
) -> Iterator[memoryview]:
    """DataRow messages (or CopyData of the same layout: `code`) for `rows` rows, in MiB pieces.

    Requires: every column has `rows` cells.
    Raises: DbError LIMIT_EXCEEDED when one row does not fit a message.
    """
    for block, _ in blocks(columns, rows, 7, 4):
        out = block.room(7, 4)
        yield out[: put_postgres(out, *block, code)].data


def mysql_text_rows(columns: Sequence[Cells], rows: int, sequence: int) -> Iterator[Packets]:
    """Text-protocol rows as packets numbered from `sequence`; long rows are split.

    Requires: every column has `rows` cells.
    Raises: DbError LIMIT_EXCEEDED when one row has more than 2 GiB.
    """
    return _mysql_rows(columns, rows, sequence, 4, put_mysql_text)


def mysql_binary_rows(columns: Sequence[Cells], rows: int, sequence: int) -> Iterator[Packets]:
    """Binary-protocol rows as packets numbered from `sequence`; long rows are split.

    Fixed cells are copied as they are; variable cells get a length prefix.
    Requires: every column has `rows` cells.
    Raises: DbError LIMIT_EXCEEDED when one row has more than 2 GiB.
    """
    is_fixed = np.array([isinstance(column, FixedCells) for column in columns], np.bool_)

    def put(out: Bytes, arena: Bytes, starts: Starts, valid: npt.NDArray[np.bool_], n: int) -> int:
        return put_mysql_binary(out, arena, starts, valid, is_fixed, n)

    return _mysql_rows(columns, rows, sequence, 5 + (len(columns) + 9) // 8, put)


def warm() -> None:
    """Loads every kernel once, so that no client waits for it."""
    var = VarCells(np.array([0, 1], np.int32), np.ones(1, np.uint8))
    fixed = FixedCells(np.ones((1, 2), np.uint8))
    list(postgres_rows([var, fixed], 1))
    list(mysql_text_rows([var, fixed], 1, 0))
    list(mysql_binary_rows([var, fixed], 1, 0))


def blocks(
    columns: Sequence[Cells], rows: int, row_bytes: int, cell_bytes: int
) -> Iterator[tuple[Block, int]]:
    """Cuts rows into blocks of at most SLICE_ROWS rows and (one long row aside) SLICE_BYTES bytes.

    So many bytes come to each row and cell. Yields: each block and its number of rows.
    Raises: DbError LIMIT_EXCEEDED when one row has more than 2 GiB.
    """
    more = row_bytes + cell_bytes * len(columns)
    for first in range(0, rows, SLICE_ROWS):
        last = min(first + SLICE_ROWS, rows)
        size = sum(_extent(column, first, last) for column in columns) + (last - first) * more
        if size <= SLICE_BYTES:
            yield _block(columns, first, last), last - first
            continue
        lengths = np.full(last - first, more, np.int64)
        for column in columns:
            lengths += column.slice(first, last).lengths()
        for start, stop in _fitting(lengths):
            yield _block(columns, first + start, first + stop), stop - start


def _extent(column: Cells, start: int, stop: int) -> int:
    """Bytes of a run of cells, those of NULLs included."""
    if isinstance(column, FixedCells):
        return (stop - start) * column.width
    return int(column.offsets[stop]) - int(column.offsets[start])


def _fitting(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of rows of at most SLICE_BYTES bytes, or of one row that is longer."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + SLICE_BYTES, side="right"))
        stop = max(start + 1, fitting)
        yield start, stop
        start = stop


def _block(columns: Sequence[Cells], start: int, stop: int) -> Block:
    """The cells of rows start to stop, their bytes one column after the other."""
    rows = stop - start
    starts = np.empty((len(columns), rows + 1), np.int32)
    pieces: list[Bytes] = []
    valid = _ALL_VALID
    at = 0
    for place, column in enumerate(columns):
        if at + _extent(column, start, stop) + COPY_BYTES > ROW_MAX:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "a result row is longer than 2 GiB")
        if isinstance(column, VarCells):
            first, last = int(column.offsets[start]), int(column.offsets[stop])
            np.add(column.offsets[start : stop + 1], at - first, out=starts[place])
            piece = column.data[first:last]
            assert len(piece) == last - first >= 0  # a broken batch must stop here
        else:
            np.multiply(np.arange(rows + 1, dtype=np.int32), column.width, out=starts[place])
            starts[place] += at
            piece = column.matrix[start:stop].reshape(-1)
        pieces.append(piece)
        at += len(piece)
        if column.valid is not None:
            if not valid.size:
                valid = np.ones((len(columns), rows), np.bool_)
            valid[place] = column.valid[start:stop]
    return Block(np.concatenate([*pieces, _NOT_GIVEN]), starts, valid)


def _mysql_rows(
    columns: Sequence[Cells],
    rows: int,
    sequence: int,
    row_bytes: int,
    put: Callable[[Bytes, Bytes, Starts, npt.NDArray[np.bool_], int], int],
) -> Iterator[Packets]:
    for block, count in blocks(columns, rows, row_bytes, 3):
        out = block.room(row_bytes, 3)
        written = out[: put(out, *block, sequence)]
        if count == 1 and len(written) - 4 >= MYSQL_PACKET_MAX:
            data, sequence = split_packet(written[4:].data, sequence)
            yield Packets(memoryview(data), 1, sequence)
        else:
            sequence = (sequence + count) & 0xFF
            yield Packets(written.data, count, sequence)


def split_packet(payload: memoryview | bytes, sequence: int) -> tuple[bytes, int]:
    """One payload as as many packets as it needs, and the next sequence number.

    A payload of an exact multiple of 0xFFFFFF bytes ends with an empty packet.
    """
    pieces = []
    for start in range(0, len(payload) + 1, MYSQL_PACKET_MAX):
        piece = payload[start : start + MYSQL_PACKET_MAX]
        pieces += [len(piece).to_bytes(3, "little"), bytes([sequence & 0xFF]), piece]
        sequence += 1
    return b"".join(pieces), sequence & 0xFF
