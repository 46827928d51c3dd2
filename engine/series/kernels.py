"""Kernels of the index: label sets as numbers of texts, found by hash and compared exactly.

Called by index.py. A series' labels are a run of `arena`: the text of its metric's tag at each
position, -1 where it has none; it ends with the last label there is. `table` is an open-addressing
hash table of series; it never holds more than half of its places.
"""

from __future__ import annotations

from typing import Any

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

_int: Any = np.int64
_uint: Any = np.uint64
_SEED: Any = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER: Any = np.uint64(0xD6E8FEB86659FD93)
_32: Any = np.uint64(32)

DEAD = -1  # in place of a metric

# A varint of 64 bits is at most so long.
_VARINT_MAX = 10
MALFORMED = -1


@jit.part
def _mixed(value: Any, more: Any) -> Any:
    value = (value ^ more) * _MULTIPLIER
    value ^= value >> _32
    return value * _SEED


@jit.part
def _hash(metric: int, codes: Int32s, start: int, width: int, key: Any) -> Any:
    value = _mixed(key, _uint(metric))
    for position in range(width):
        code = codes[start + position]
        if code >= 0:
            value = _mixed(value, (_uint(position) << _32) | _uint(code))
    return value ^ (value >> _32)


@jit.part
def _width(codes: Int32s, start: int, width: int) -> int:
    """The width without the labels at the end that are not there."""
    while width and codes[start + width - 1] < 0:
        width -= 1
    return width


@jit.part
def _place(
    metric: int, codes: Int32s, start: int, width: int, key: Any,
    table: Int32s, metrics: Int32s, starts: Int64s, arena: Int32s,
) -> int:  # fmt: skip
    """The place in `table` of a series, or of the free one where it belongs."""
    mask = len(table) - 1
    place: int = _int(_hash(metric, codes, start, width, key) & _uint(mask))
    while table[place] >= 0:
        known = table[place]
        begin = starts[known]
        if metrics[known] == metric and starts[known + 1] - begin == width:
            same = True
            for position in range(width):
                if arena[begin + position] != codes[start + position]:
                    same = False
                    break
            if same:
                return place
        place = (place + 1) & mask
    return place


@jit.kernel(
    INT, OFFSETS, INT, INT, INT, INT, INT, OUT_INT32, OUT_INT32, OUT_INT64, OUT_INT32, OUT_INT32,
)  # fmt: skip
def find_or_add(
    metric: int, codes: Int32s, width: int, begin: int, count: int, add: int, key: int,
    table: Int32s, metrics: Int32s, starts: Int64s, arena: Int32s, out: Int32s,
) -> tuple[int, int]:  # fmt: skip
    """Series of a metric by their codes, `width` for each, from row `begin` on; -1 if unknown.

    `count` series are known before. With `add` unknown ones become known while there is room.
    Returns: how many rows are done, how many series are known now.
    """
    for row in range(begin, len(out)):
        at = row * width
        used = _width(codes, at, width)
        place = _place(metric, codes, at, used, _uint(key), table, metrics, starts, arena)
        if table[place] < 0 and add:
            if (
                count >= len(metrics)
                or 2 * count >= len(table)
                or starts[count] + used > len(arena)
            ):
                return row, count
            for position in range(used):
                arena[starts[count] + position] = codes[at + position]
            starts[count + 1] = starts[count] + used
            metrics[count] = metric
            table[place] = count
            count += 1
        out[row] = table[place]
    return len(out), count


@jit.kernel(INT, INT, OUT_INT32, OUT_INT32, OUT_INT64, OUT_INT32)
def place_all(
    count: int, key: int, table: Int32s, metrics: Int32s, starts: Int64s, arena: Int32s
) -> None:
    """Fills an empty table (all -1) with the series that are alive."""
    mask = len(table) - 1
    for series in range(count):
        if metrics[series] < 0:
            continue
        start = starts[series]
        width = starts[series + 1] - start
        place = _int(_hash(metrics[series], arena, start, width, _uint(key)) & _uint(mask))
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = series


@jit.kernel(INT, INT, OUT_INT32, OUT_INT32, OUT_INT32)
def collect(head: int, until: int, previous: Int32s, metrics: Int32s, out: Int32s) -> int:
    """A metric's series that are alive, last one first, as far as there is room; how many.

    None is numbered `until` or less.
    """
    count = 0
    while head > until and count < len(out):
        if metrics[head] >= 0:
            out[count] = head
            count += 1
        head = previous[head]
    return count


@jit.kernel(OFFSETS, INT, OUT_INT64, OUT_INT32, OUT_INT32)
def column(series: Int32s, position: int, starts: Int64s, arena: Int32s, out: Int32s) -> None:
    """The code of one label of each of these series, -1 where there is none."""
    for row in range(len(series)):
        start = starts[series[row]]
        has = start + position < starts[series[row] + 1]
        out[row] = arena[start + position] if has else -1


@jit.kernel(OUT_INT32, OUT_INT32, OUT_INT32)
def make_dense(codes: Int32s, marks: Int32s, values: Int32s) -> int:
    """Replaces codes by places in `values`, which lists the distinct ones; how many.

    `marks` has a place for each code, all -1 before and after. Codes below 0 stay.
    """
    count = 0
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            continue
        if marks[code] < 0:
            marks[code] = count
            values[count] = code
            count += 1
        codes[row] = marks[code]
    for k in range(count):
        marks[values[k]] = -1
    return count


# --- Definitions ----------------------------------------------------------------------------------


@jit.part
def _put_varint(out: Bytes, at: int, value: int) -> int:
    while value >= 128:
        out[at] = value & 127 | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@jit.kernel(OFFSETS, INT64S, INT64S, OUT_INT64, OUT_INT32, INT64S, BYTES, OUT_INT32, OUT_BYTES)
def encode(
    series: Int32s, positions: Int64s, tags: Int64s, starts: Int64s, arena: Int32s,
    offsets: Int64s, texts: Bytes, ends: Int32s, out: Bytes,
) -> int:  # fmt: skip
    """Labels of series as bytes: for each its tag and its length as varints, then its text.

    `positions` are in the order of `tags`, the ids of the tags at them. `ends` gets Arrow offsets.
    Returns: how many bytes; -1 if `out` is too small.
    """
    at = 0
    for row in range(len(series)):
        start = starts[series[row]]
        width = starts[series[row] + 1] - start
        for k in range(len(positions)):
            if positions[k] >= width or arena[start + positions[k]] < 0:
                continue
            code = arena[start + positions[k]]
            size = offsets[code + 1] - offsets[code]
            if at + 2 * _VARINT_MAX + size > len(out):
                return -1
            at = _put_varint(out, at, tags[k])
            at = _put_varint(out, at, size)
            for byte in range(size):
                out[at + byte] = texts[offsets[code] + byte]
            at += size
        ends[row + 1] = at
    return at


@jit.part
def _varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A varint and the place behind it; that is MALFORMED if there is none."""
    value, shift = 0, 0
    while at < end and shift < 63:
        byte = int(data[at])
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at
    return 0, MALFORMED


@jit.kernel(BYTES, OFFSETS, OUT_INT64, OUT_INT64, OUT_INT64)
def decode(data: Bytes, ends: Int32s, rows: Int64s, tags: Int64s, spans: Int64s) -> int:
    """What `encode` made: for each label its row, its tag, and where its text is.

    Returns: how many labels, however many there is room for; MALFORMED if they are none.
    """
    count = 0
    for row in range(len(ends) - 1):
        at, end = int(ends[row]), int(ends[row + 1])
        while at < end:
            tag, at = _varint(data, at, end)
            if at < 0:
                return MALFORMED
            size, at = _varint(data, at, end)
            if at < 0 or size > end - at:
                return MALFORMED
            if count < len(rows):
                rows[count] = row
                tags[count] = tag
                spans[2 * count] = at
                spans[2 * count + 1] = at + size
            at += size
            count += 1
    return count
