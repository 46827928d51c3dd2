"""The kernel that turns lines into columns where all of them have the same keys in the same order.

Called by lines.py: that is what one agent sends, and then nothing has to be sorted or spread.
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
