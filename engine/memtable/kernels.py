"""Kernels that order rows: a stable radix sort, and text as numbers that sort like it.

Called by `engine.memtable.order`, which prepares the arguments.
"""

from __future__ import annotations

from engine import jit
from engine.jit import BYTES, INT, INT64S, OFFSETS, OUT_INT32, OUT_INT64, Bytes, Int32s, Int64s


@jit.kernel(INT64S, OUT_INT32, OUT_INT32, OUT_INT64, INT, INT)
def radix_pass(
    keys: Int64s, order: Int32s, out: Int32s, counts: Int64s, shift: int, mask: int
) -> bool:
    """One stable pass over a digit: `order`, sorted by it, into `out`.

    `counts` has `mask` + 1 places. Returns: False if all keys have the same digit; `out` is then
    as it was.
    """
    counts[:] = 0
    for key in keys:
        counts[(key >> shift) & mask] += 1
    start = 0
    for digit in range(mask + 1):
        count = counts[digit]
        if count == len(keys):
            return False
        counts[digit] = start
        start += count
    for position in order:
        digit = (keys[position] >> shift) & mask
        out[counts[digit]] = position
        counts[digit] += 1
    return True


@jit.kernel(INT64S)
def is_ascending(keys: Int64s) -> bool:
    """True if no key is less than the one before."""
    for i in range(1, len(keys)):  # noqa: SIM110 - compiled
        if keys[i] < keys[i - 1]:
            return False
    return True


@jit.kernel(OFFSETS, BYTES)
def common_prefix(offsets: Int32s, data: Bytes) -> int:
    """Bytes that all texts begin with. Text i is data[offsets[i]:offsets[i + 1]]."""
    first = offsets[0]
    length: int = offsets[1] - first
    for i in range(1, len(offsets) - 1):
        start = offsets[i]
        length = min(length, offsets[i + 1] - start)
        j = 0
        while j < length and data[start + j] == data[first + j]:
            j += 1
        length = j
    return length


@jit.kernel(OFFSETS, BYTES, INT, OUT_INT64)
def words(offsets: Int32s, data: Bytes, skip: int, out: Int64s) -> None:
    """Seven bytes of each text from its byte `skip` on, as a number that sorts like them.

    A byte that is there counts one more than its value, one behind the end 0: so a text sorts
    before its continuations.
    """
    for i in range(len(offsets) - 1):
        word = 0
        for j in range(7):
            at = offsets[i] + skip + j
            word *= 257
            if at < offsets[i + 1]:
                word += data[at] + 1
        out[i] = word


def warm() -> None:
    """Compiles the kernels."""
    jit.warm()
