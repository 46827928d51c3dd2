"""Lays encoded columns out as rows of bytes: PostgreSQL DataRow, MySQL text and binary rows.

Called by the wires once per batch. Each kernel writes one column's cells at every row's current
position and advances it, so one compilation serves any number of columns. Nothing here knows what
a cell means.

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
from server.encode.cells import Bytes, Cells, FixedCells, Mask, Offsets, VarCells
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_INT32,
    READ_INT64,
    READ_MASK,
    READ_MATRIX,
    VOID,
    WRITE_BYTES,
    WRITE_INT64,
    kernel,
    kernel_unchecked,
)

DATA_ROW = ord("D")
SLICE_ROWS = 8192  # one slice's output stays near the CPU's second-level cache
SLICE_BYTES = 4 << 20  # … and wide rows cut a slice earlier, which bounds memory per connection
POSTGRES_ROW_MAX = (1 << 31) - 1  # int32 message length
MYSQL_PACKET_MAX = 0xFFFFFF  # a payload this long continues in the next packet

_VAR = VOID(WRITE_BYTES, WRITE_INT64, READ_INT64, READ_INT32, READ_BYTES, READ_MASK)
_FIXED = VOID(WRITE_BYTES, WRITE_INT64, READ_MATRIX, READ_MASK)

_COPY_LOOP_MAX = 64  # longer cells are copied by slice, which costs more to begin

Positions = npt.NDArray[np.int64]
_ALL_VALID = np.zeros(0, np.bool_)


_Payload = Callable[[Sequence[Cells], Bytes, Positions, Positions], None]


@kernel_unchecked(VOID(WRITE_BYTES, INT, INT, READ_BYTES, INT, INT))
def _copy(out: Bytes, at: int, end: int, data: Bytes, start: int, length: int) -> None:
    """Copies a cell into the row that ends at `end`.

    Short cells are copied as 16 bytes where the row has room: what is too much, later cells
    overwrite. That is one move instead of a loop whose end the CPU cannot predict.
    """
    if at < 0 or end > out.size or start < 0 or length < 0:
        raise IndexError("cell out of bounds")
    if at + length > end or start + length > data.size:
        raise IndexError("cell out of bounds")
    if length <= 16 and at + 16 <= end and start + 16 <= data.size:
        for k in range(16):
            out[at + k] = data[start + k]
    elif length <= _COPY_LOOP_MAX:
        for k in range(length):
            out[at + k] = data[start + k]
    else:
        out[at : at + length] = data[start : start + length]


@kernel(INT(WRITE_BYTES, INT, INT))
def _length_prefix(out: Bytes, at: int, length: int) -> int:
    if length < 251:
        out[at] = length
        return at + 1
    if length <= 0xFFFF:
        out[at] = 0xFC
        count = 2
    elif length <= 0xFFFFFF:
        out[at] = 0xFD
        count = 3
    else:
        out[at] = 0xFE
        count = 8
    for k in range(count):
        out[at + 1 + k] = (length >> (8 * k)) & 255
    return at + 1 + count


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
    _check_shape(columns, rows)
    lengths = np.full(rows, 7 + 4 * len(columns), np.int64)
    for column in columns:
        lengths += column.lengths()
    if rows and lengths.max() > POSTGRES_ROW_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "a result row is longer than 2 GiB")
    for start, stop in slices(lengths):
        is_all = stop - start == rows  # small results are many: they need no slices
        own = lengths if is_all else lengths[start:stop]
        out, position, ends = room(own)
        _postgres_heads(out, position, own - 1, len(columns), code)
        for column in columns:
            part = column if is_all else column.slice(start, stop)
            if isinstance(part, VarCells):
                _postgres_var(out, position, ends, part.offsets, part.data, _mask(part.valid))
            else:
                _postgres_fixed(out, position, part.matrix, _mask(part.valid))
        yield out.data


def mysql_text_rows(columns: Sequence[Cells], rows: int, sequence: int) -> Iterator[Packets]:
    """Text-protocol rows as packets numbered from `sequence`; long rows are split.

    Requires: every column has `rows` cells.
    """
    _check_shape(columns, rows)
    lengths = np.zeros(rows, np.int64)
    for column in columns:
        lengths += _text_lengths(column)
    yield from _mysql_rows(columns, lengths, sequence, _text_payload)


def mysql_binary_rows(columns: Sequence[Cells], rows: int, sequence: int) -> Iterator[Packets]:
    """Binary-protocol rows as packets numbered from `sequence`; long rows are split.

    Fixed cells are copied as they are; variable cells get a length prefix.
    Requires: every column has `rows` cells.
    """
    _check_shape(columns, rows)
    lengths = np.full(rows, 1 + _bitmap_bytes(len(columns)), np.int64)
    for column in columns:
        lengths += _binary_lengths(column)
    yield from _mysql_rows(columns, lengths, sequence, _binary_payload)


def warm() -> None:
    """Loads every kernel once, so that no client waits for it."""
    var = VarCells(np.array([0, 1], np.int32), np.ones(1, np.uint8))
    fixed = FixedCells(np.ones((1, 2), np.uint8))
    list(postgres_rows([var, fixed], 1))
    list(mysql_text_rows([var, fixed], 1, 0))
    list(mysql_binary_rows([var, fixed], 1, 0))


def _check_shape(columns: Sequence[Cells], rows: int) -> None:
    for column in columns:
        assert len(column) == rows
        if isinstance(column, VarCells):
            # The kernels copy what the offsets say: a broken batch must stop here.
            starts = column.offsets
            assert starts[0] >= 0
            assert starts[-1] <= len(column.data)
            assert bool((starts[1:] >= starts[:-1]).all())


def slices(lengths: Positions) -> Iterator[tuple[int, int]]:
    """Cuts rows into runs of at most SLICE_ROWS rows and (one long row aside) SLICE_BYTES bytes."""
    if len(lengths) <= SLICE_ROWS and int(lengths.sum()) <= SLICE_BYTES:
        if len(lengths):
            yield 0, len(lengths)
        return
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + SLICE_BYTES, side="right"))
        stop = max(start + 1, min(fitting, start + SLICE_ROWS, len(lengths)))
        yield start, stop
        start = stop


def room(lengths: Positions) -> tuple[Bytes, Positions, Positions]:
    """A buffer for rows of these lengths, where each begins and where it ends."""
    ends = np.cumsum(lengths)
    return np.empty(int(ends[-1]), np.uint8), ends - lengths, ends


def _mask(valid: Mask | None) -> Mask:
    return _ALL_VALID if valid is None else np.ascontiguousarray(valid)


def _bitmap_bytes(columns: int) -> int:
    return (columns + 2 + 7) // 8


def _text_lengths(column: Cells) -> Positions:
    lengths = column.lengths()
    total = lengths + _prefix_bytes(lengths)
    if column.valid is not None:
        total[~column.valid] = 1
    return total


def _binary_lengths(column: Cells) -> Positions:
    lengths = column.lengths()
    if isinstance(column, FixedCells):
        return lengths
    total = lengths + _prefix_bytes(lengths)
    if column.valid is not None:
        total[~column.valid] = 0
    return total


def _prefix_bytes(lengths: Positions) -> Positions:
    """Bytes of a length-encoded integer: 1, 3, 4 or 9."""
    prefix = np.ones(len(lengths), np.int64)
    if len(lengths) and lengths.max() > 250:
        prefix[lengths > 250] = 3
        prefix[lengths > 0xFFFF] = 4
        prefix[lengths > 0xFFFFFF] = 9
    return prefix


def _text_payload(
    columns: Sequence[Cells], out: Bytes, position: Positions, ends: Positions
) -> None:
    for column in columns:
        if isinstance(column, VarCells):
            _text_var(out, position, ends, column.offsets, column.data, _mask(column.valid))
        else:
            _text_fixed(out, position, column.matrix, _mask(column.valid))


def _binary_payload(
    columns: Sequence[Cells], out: Bytes, position: Positions, ends: Positions
) -> None:
    bitmap = position + 1
    _clear(out, position, 1 + _bitmap_bytes(len(columns)))
    for index, column in enumerate(columns):
        if column.valid is not None:
            _null_bits(out, bitmap, index + 2, _mask(column.valid))
        if isinstance(column, VarCells):
            _binary_var(out, position, ends, column.offsets, column.data, _mask(column.valid))
        else:
            _binary_fixed(out, position, column.matrix, _mask(column.valid))


def _mysql_rows(
    columns: Sequence[Cells], lengths: Positions, sequence: int, payload: _Payload
) -> Iterator[Packets]:
    start = 0
    for huge in [*np.flatnonzero(lengths >= MYSQL_PACKET_MAX).tolist(), len(lengths)]:
        for first, stop in slices(lengths[start:huge]):
            part = [column.slice(start + first, start + stop) for column in columns]
            out, position, ends = room(lengths[start + first : start + stop] + 4)
            _mysql_heads(out, position, lengths[start + first : start + stop], sequence & 0xFF)
            payload(part, out, position, ends)
            sequence = (sequence + stop - first) & 0xFF
            yield Packets(out.data, stop - first, sequence)
        if huge < len(lengths):
            out = np.empty(int(lengths[huge]), np.uint8)
            part = [column.slice(huge, huge + 1) for column in columns]
            payload(part, out, np.zeros(1, np.int64), lengths[huge : huge + 1])
            data, sequence = split_packet(out.data, sequence)
            yield Packets(memoryview(data), 1, sequence)
        start = huge + 1


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


@kernel(VOID(WRITE_BYTES, WRITE_INT64, WRITE_INT64, INT, INT))
def _postgres_heads(
    out: Bytes, position: Positions, lengths: Positions, columns: int, code: int
) -> None:
    for row in range(position.size):
        at = position[row]
        length = lengths[row]
        out[at] = code
        out[at + 1] = (length >> 24) & 255
        out[at + 2] = (length >> 16) & 255
        out[at + 3] = (length >> 8) & 255
        out[at + 4] = length & 255
        out[at + 5] = (columns >> 8) & 255
        out[at + 6] = columns & 255
        position[row] = at + 7


@kernel(_VAR)
def _postgres_var(
    out: Bytes, position: Positions, ends: Positions, offsets: Offsets, data: Bytes, valid: Mask
) -> None:
    for row in range(position.size):
        at = position[row]
        if valid.size and not valid[row]:
            for k in range(4):
                out[at + k] = 255
            position[row] = at + 4
            continue
        start = int(offsets[row])
        length = int(offsets[row + 1]) - start
        out[at] = (length >> 24) & 255
        out[at + 1] = (length >> 16) & 255
        out[at + 2] = (length >> 8) & 255
        out[at + 3] = length & 255
        _copy(out, at + 4, ends[row], data, start, length)
        position[row] = at + 4 + length


@kernel(_FIXED)
def _postgres_fixed(out: Bytes, position: Positions, matrix: Bytes, valid: Mask) -> None:
    width = matrix.shape[1]
    for row in range(position.size):
        at = position[row]
        if valid.size and not valid[row]:
            for k in range(4):
                out[at + k] = 255
            position[row] = at + 4
            continue
        out[at] = (width >> 24) & 255
        out[at + 1] = (width >> 16) & 255
        out[at + 2] = (width >> 8) & 255
        out[at + 3] = width & 255
        for k in range(width):
            out[at + 4 + k] = matrix[row, k]
        position[row] = at + 4 + width


@kernel(VOID(WRITE_BYTES, WRITE_INT64, WRITE_INT64, INT))
def _mysql_heads(out: Bytes, position: Positions, lengths: Positions, sequence: int) -> None:
    for row in range(position.size):
        at = position[row]
        out[at] = lengths[row] & 255
        out[at + 1] = (lengths[row] >> 8) & 255
        out[at + 2] = (lengths[row] >> 16) & 255
        out[at + 3] = (sequence + row) & 255
        position[row] = at + 4


@kernel(_VAR)
def _text_var(
    out: Bytes, position: Positions, ends: Positions, offsets: Offsets, data: Bytes, valid: Mask
) -> None:
    for row in range(position.size):
        at = position[row]
        if valid.size and not valid[row]:
            out[at] = 0xFB
            position[row] = at + 1
            continue
        start = int(offsets[row])
        length = int(offsets[row + 1]) - start
        at = _length_prefix(out, at, length)
        _copy(out, at, ends[row], data, start, length)
        position[row] = at + length


@kernel(_FIXED)
def _text_fixed(out: Bytes, position: Positions, matrix: Bytes, valid: Mask) -> None:
    width = matrix.shape[1]
    for row in range(position.size):
        at = position[row]
        if valid.size and not valid[row]:
            out[at] = 0xFB
            position[row] = at + 1
            continue
        at = _length_prefix(out, at, width)
        for k in range(width):
            out[at + k] = matrix[row, k]
        position[row] = at + width


@kernel(_VAR)
def _binary_var(
    out: Bytes, position: Positions, ends: Positions, offsets: Offsets, data: Bytes, valid: Mask
) -> None:
    for row in range(position.size):
        if valid.size and not valid[row]:
            continue
        start = int(offsets[row])
        length = int(offsets[row + 1]) - start
        at = _length_prefix(out, position[row], length)
        _copy(out, at, ends[row], data, start, length)
        position[row] = at + length


@kernel(_FIXED)
def _binary_fixed(out: Bytes, position: Positions, matrix: Bytes, valid: Mask) -> None:
    width = matrix.shape[1]
    for row in range(position.size):
        if valid.size and not valid[row]:
            continue
        at = position[row]
        for k in range(width):
            out[at + k] = matrix[row, k]
        position[row] = at + width


@kernel(VOID(WRITE_BYTES, WRITE_INT64, INT))
def _clear(out: Bytes, position: Positions, count: int) -> None:
    for row in range(position.size):
        for k in range(count):
            out[position[row] + k] = 0
        position[row] += count


@kernel(VOID(WRITE_BYTES, WRITE_INT64, INT, READ_MASK))
def _null_bits(out: Bytes, bitmap: Positions, bit: int, valid: Mask) -> None:
    for row in range(bitmap.size):
        if not valid[row]:
            out[bitmap[row] + bit // 8] |= 1 << (bit % 8)
