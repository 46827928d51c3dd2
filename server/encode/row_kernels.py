"""Kernels that lay cells out as rows of bytes, row after row, one for each wire's layout.

Called by assemble.py with the cells of a slice of rows gathered in one `arena`: cell (c, r) is
arena[starts[c, r] : starts[c, r + 1]], NULL where `valid` (empty: there is none) says so. The last
COPY_BYTES bytes of the arena belong to no cell, so that a short cell can be copied as a whole word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types as nt

from engine.jit import copy_words, loop_part, put_int32
from server.encode.cells import Bytes, Mask
from server.encode.kernel import INT, READ_BYTES, READ_MASK, WRITE_BYTES, kernel_unchecked

COPY_BYTES = 16
_STARTS = nt.Array(nt.int32, 2, "C", readonly=True)
_VALID = nt.Array(nt.boolean, 2, "C", readonly=True)

Starts = npt.NDArray[np.int32]


@loop_part
def _put_cell(out: Bytes, at: int, arena: Bytes, start: int, length: int) -> int:
    """Copies a cell; returns the position after it. More is written, which later cells overwrite.

    Raises: IndexError if the cell is not in the arena or there is no room.
    """
    if length < 0 or start < 0 or start + length + COPY_BYTES > arena.size:
        raise IndexError("a cell is not where it should be")
    if at + length + COPY_BYTES > out.size:
        raise IndexError("no room for a cell")
    copy_words(out, at, arena, start)
    done = COPY_BYTES
    while done < length:
        copy_words(out, at + done, arena, start + done)
        done += COPY_BYTES
    return at + length


@loop_part
def _check_heads(out: Bytes, starts: Starts, row_bytes: int) -> None:
    """Raises: IndexError if there is no room even for rows without cells.

    Each cell is checked when it is written. A check of every row would make the compiler count the
    rows that fit by a division that Numba's programs do not have.
    """
    if (starts.shape[1] - 1) * row_bytes > out.size:
        raise IndexError("no room for the rows")


@loop_part
def _put_length(out: Bytes, at: int, length: int) -> int:
    """Writes MySQL's length-encoded integer; returns the position after it."""
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


@loop_part
def _put_mysql_head(out: Bytes, head: int, end: int, sequence: int) -> None:
    length = end - head - 4
    out[head] = length & 255
    out[head + 1] = (length >> 8) & 255
    out[head + 2] = (length >> 16) & 255
    out[head + 3] = sequence & 255


@kernel_unchecked(INT(WRITE_BYTES, READ_BYTES, _STARTS, _VALID, INT))
def put_postgres(out: Bytes, arena: Bytes, starts: Starts, valid: Any, code: int) -> int:
    """DataRow messages, or CopyData of the same layout. Returns: bytes written."""
    columns = starts.shape[0]
    _check_heads(out, starts, 7)
    room = 4 + COPY_BYTES
    at = 0
    for row in range(starts.shape[1] - 1):
        head = at
        at += 7
        for column in range(columns):
            if valid.size and not valid[column, row]:
                if at + room > out.size:
                    raise IndexError("no room for a NULL")
                put_int32(out, at, -1)
                at += 4
                continue
            start = starts[column, row]
            length = starts[column, row + 1] - start
            if at + room > out.size:
                raise IndexError("no room for a length")
            put_int32(out, at, length)
            at = _put_cell(out, at + 4, arena, start, length)
        out[head] = code
        put_int32(out, head + 1, at - head - 1)
        out[head + 5] = (columns >> 8) & 255
        out[head + 6] = columns & 255
    return at


@kernel_unchecked(INT(WRITE_BYTES, READ_BYTES, _STARTS, _VALID, INT))
def put_mysql_text(out: Bytes, arena: Bytes, starts: Starts, valid: Any, sequence: int) -> int:
    """Packets of the text protocol, numbered from `sequence`. Returns: bytes written."""
    _check_heads(out, starts, 4)
    room = 9 + COPY_BYTES
    at = 0
    for row in range(starts.shape[1] - 1):
        head = at
        at += 4
        for column in range(starts.shape[0]):
            if at + room > out.size:
                raise IndexError("no room for a cell")
            if valid.size and not valid[column, row]:
                out[at] = 0xFB
                at += 1
                continue
            start = starts[column, row]
            length = starts[column, row + 1] - start
            at = _put_cell(out, _put_length(out, at, length), arena, start, length)
        _put_mysql_head(out, head, at, sequence + row)
    return at


@kernel_unchecked(INT(WRITE_BYTES, READ_BYTES, _STARTS, _VALID, READ_MASK, INT))
def put_mysql_binary(
    out: Bytes, arena: Bytes, starts: Starts, valid: Any, is_fixed: Mask, sequence: int
) -> int:
    """Packets of the binary protocol; cells that are `is_fixed` have no length before them."""
    columns = starts.shape[0]
    if columns == 0:
        raise IndexError("the binary protocol has no rows without columns")
    bitmap_bytes = (columns + 9) // 8
    room = 9 + COPY_BYTES
    at = 0
    for row in range(starts.shape[1] - 1):
        head = at
        bitmap = head + 5
        if bitmap + bitmap_bytes > out.size:
            raise IndexError("no room for a row")
        at = head + 4
        while at < bitmap + bitmap_bytes:
            out[at] = 0
            at += 1
        for column in range(columns):
            if valid.size and not valid[column, row]:
                out[bitmap + (column + 2) // 8] |= 1 << ((column + 2) % 8)
                continue
            start = starts[column, row]
            length = starts[column, row + 1] - start
            if at + room > out.size:
                raise IndexError("no room for a cell")
            if not is_fixed[column]:
                at = _put_length(out, at, length)
            at = _put_cell(out, at, arena, start, length)
        _put_mysql_head(out, head, at, sequence + row)
    return at


@kernel_unchecked(INT(WRITE_BYTES, READ_BYTES, _STARTS, _VALID, READ_BYTES, INT))
def put_lines(
    out: Bytes, arena: Bytes, starts: Starts, valid: Any, null: Bytes, delimiter: int
) -> int:
    """CopyData messages of one line each. Returns: bytes written."""
    columns = starts.shape[0]
    _check_heads(out, starts, 6)
    room = 1 + null.size + COPY_BYTES
    at = 0
    for row in range(starts.shape[1] - 1):
        head = at
        at += 5
        for column in range(columns):
            if at + room > out.size:
                raise IndexError("no room for a field")
            if valid.size and not valid[column, row]:
                for k in range(null.size):
                    out[at + k] = null[k]
                at += null.size
            else:
                start = starts[column, row]
                at = _put_cell(out, at, arena, start, starts[column, row + 1] - start)
            out[at] = delimiter
            at += 1
        if columns == 0:
            at += 1
        out[at - 1] = 10
        out[head] = 100  # 'd'
        put_int32(out, head + 1, at - head - 1)
    return at
