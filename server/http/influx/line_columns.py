"""Kernels that bring what was read of lines in order.

Called by lines.py. Where all lines have the same keys in the same order, as one agent sends them,
nothing has to be sorted or spread: columns are made at once.
"""

from __future__ import annotations

from engine.jit import Bytes, Int32s
from server.encode.kernel import INT, READ_BYTES, WRITE_BYTES, WRITE_INT32, kernel
from server.http.influx.line_kernels import PAIR, READ_INT32S
from server.http.influx.line_values import KIND


@kernel(INT(READ_INT32S, READ_BYTES, INT, WRITE_INT32, WRITE_INT32, WRITE_BYTES))
def columns_of(
    pairs: Int32s, kinds: Bytes, rows: int, starts: Int32s, ends: Int32s, flags: Bytes
) -> int:
    """Values column by column: that of column c in row r is in place c * rows + r.

    Returns: 1; 0 if the lines differ in their columns, or in what these are.
    Requires: `rows` lines, no column twice in one; as many pairs as rows times some number.
    """
    width = kinds.size // rows
    for row in range(rows):
        for column in range(width):
            k = row * width + column
            if pairs[PAIR * k] != pairs[PAIR * column]:
                return 0
            if kinds[k] & KIND != kinds[column] & KIND:
                return 0
            place = column * rows + row
            starts[place] = pairs[PAIR * k + 2]
            ends[place] = pairs[PAIR * k + 3]
            flags[place] = kinds[k]
    return 1


@kernel(INT(READ_INT32S, INT, INT, WRITE_INT32, WRITE_INT32))
def in_order(entries: Int32s, step: int, place: int, starts: Int32s, order: Int32s) -> int:
    """The entries by their key, `entries[step * k + place]`, stable: numbers of those of key 0 …

    Requires: starts[key] is where those of a key begin in `order`; it is moved to their end.
    """
    for k in range(order.size):
        key = entries[step * k + place]
        order[starts[key]] = k
        starts[key] += 1
    return 0
