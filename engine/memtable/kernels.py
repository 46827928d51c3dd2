"""Kernels that order and recognise rows: a stable radix sort, text as numbers, fingerprints.

Called by `engine.memtable.order` and `engine.sst.fingerprints`, which prepare the arguments.
"""

from __future__ import annotations

import numpy as np

from engine import jit
from engine.jit import (
    BYTES,
    INT,
    INT64S,
    OFFSETS,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
    Bytes,
    Int32s,
    Int64s,
)


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


@jit.kernel(INT64S, INT64S, OUT_INT32, OUT_INT64, OUT_INT64, INT)
def settle_times(
    keys: Int64s, times: Int64s, order: Int32s, out: Int64s, out_times: Int64s, unique: int
) -> int:
    """Positions sorted by key alone, each key's by time too; and the times in that order.

    A key's rows come in order of time but for a few: these are moved to their place, one by one.
    `unique`: of rows with the same key and time the last stays.

    Returns: how many rows stay; -1 if too many are out of order, `out` has no meaning then.
    """
    count = first = 0  # rows that stay; where those of this key begin
    moves = 4 * len(order)
    last = np.int64(0)
    for position in order:
        key, time = keys[position], times[position]
        if key != last or count == first:
            first, last = count, key
        at = count
        while at > first and out_times[at - 1] > time:
            at -= 1
        moves -= count - at  # looking costs as much as moving, whether or not the row is new
        if moves < 0:
            return -1
        if unique != 0 and at > first and out_times[at - 1] == time:
            out[at - 1] = position
            continue
        for k in range(count, at, -1):
            out[k], out_times[k] = out[k - 1], out_times[k - 1]
        out[at], out_times[at] = position, time
        count += 1
    return count


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


_MULTIPLIER = -7046029254386353131  # 2**64 / golden ratio, odd, as int64


@jit.kernel(OFFSETS, BYTES, OUT_INT64)
def hash_texts(offsets: Int32s, data: Bytes, out: Int64s) -> None:
    """A 64-bit hash of each text; `out` may be longer."""
    for i in range(len(offsets) - 1):
        mixed = np.int64(offsets[i + 1] - offsets[i])
        for at in range(offsets[i], offsets[i + 1]):
            mixed = (mixed ^ np.int64(data[at])) * _MULTIPLIER
            mixed ^= (mixed >> 29) & 0x7FFFFFFFF
        out[i] = mixed


@jit.kernel(OUT_INT64, INT64S, INT64S)
def mix(found: Int64s, codes: Int64s, hashes: Int64s) -> None:
    """Adds a column to the hashes of rows: hashes[code] of each, or the code itself without any."""
    is_plain = len(hashes) == 0
    for i in range(len(found)):
        value = codes[i] if is_plain else hashes[codes[i]]
        mixed = (found[i] ^ value) * _MULTIPLIER
        found[i] = mixed ^ ((mixed >> 32) & 0xFFFFFFFF)


@jit.kernel(INT64S, INT64S, INT64S, OUT_BYTES)
def mark_common(own: Int64s, order: Int64s, other: Int64s, out: Bytes) -> None:
    """Sets out[i] where own[i] is in `other`. `order` sorts `own`; `other` is sorted."""
    at = 0
    for position in order:
        value = own[position]
        while at < len(other) and other[at] < value:
            at += 1
        if at == len(other):
            return
        if other[at] == value:
            out[position] = 1


def warm() -> None:
    """Compiles the kernels."""
    jit.warm()
