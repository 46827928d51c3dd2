"""Kernels that split lines of JSON objects into cells, and undo the escapes of JSON strings.

Called by ndjson.py. What went wrong is a code, never an exception.
"""

from __future__ import annotations

import numpy as np

from sql.decode.jit import (
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
    kernel,
    part,
)
from sql.decode.kernels import DECIMAL, ESCAPED, KIND, NULL, STRING, hex_value
from sql.decode.text_kernels import (
    JSON_AFTER,
    JSON_BAD,
    JSON_VALUE,
    MAX_DEPTH,
    json_space,
    json_step,
    json_string,
)

ABSENT = 16  # a flag beside NULL: the object has no such key

# Codes, and the indexes of `state`.
OK, NO_OBJECT, MALFORMED = 0, 1, 2
ROWS, CODE, AT = 0, 1, 2
STATE_SIZE = 3


@part
def _value_end(data: Bytes, i: int, end: int, stack: Bytes) -> int:
    """The index after a whole value of any depth, or -1."""
    expect, depth = JSON_VALUE, 0
    while True:
        i = json_space(data, i, end)
        if i >= end:
            return -1
        i, expect, depth = json_step(data, i, end, expect, stack, depth)
        if expect == JSON_BAD:
            return -1
        if expect == JSON_AFTER and depth == 0:
            return i


@part
def _has_escape(data: Bytes, i: int, end: int) -> bool:
    for j in range(i, end):  # noqa: SIM110 (kernels have no generators)
        if data[j] == 92:
            return True
    return False


@part
def _same(data: Bytes, i: int, end: int, keys: Bytes, first: int, last: int) -> bool:
    if end - i != last - first:
        return False
    for j in range(end - i):  # noqa: SIM110
        if data[i + j] != keys[first + j]:
            return False
    return True


@part
def _column(
    data: Bytes, i: int, end: int, keys: Bytes, bounds: Int64s, guess: int, scratch: Bytes
) -> int:
    """The index of a key (its slice without quotes), or -1. Keys mostly come in the same order."""
    width = len(bounds) - 1
    if _has_escape(data, i, end):
        if end - i > len(scratch):
            return -1
        end = _undo(data, i, end, scratch, 0)
        i, data = 0, scratch
    for k in range(width):
        column = (guess + k) % width
        if _same(data, i, end, keys, bounds[column], bounds[column + 1]):
            return column
    return -1


@part
def _kind_of(data: Bytes, i: int, end: int) -> int:
    """The kind of a value's cell: NULL, numbers with a point or exponent, or text."""
    if data[i] == 110:
        return NULL
    if data[i] == 45 or 48 <= data[i] <= 57:
        for j in range(i, end):
            if data[j] == 46 or (data[j] | 32) == 101:
                return DECIMAL
    return STRING


@part
def _put(
    data: Bytes,
    i: int,
    end: int,
    cell: int,
    column: int,
    raw: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
) -> None:
    """Stores a value's cell; strings lose their quotes unless the column wants them raw."""
    kind = _kind_of(data, i, end)
    if data[i] == 34 and not raw[column]:
        i, end = i + 1, end - 1
        if _has_escape(data, i, end):
            kind |= ESCAPED
    starts[cell], ends[cell], kinds[cell] = i, end, kind
    seen[column] |= (1 << (kind & KIND)) | (kind & ESCAPED)


@part
def _object(
    data: Bytes,
    i: int,
    end: int,
    keys: Bytes,
    bounds: Int64s,
    raw: Bytes,
    at: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    stack: Bytes,
    scratch: Bytes,
) -> tuple[int, int]:
    """One line from its brace: (code, where it went wrong)."""
    width = len(bounds) - 1
    i = json_space(data, i + 1, end)
    guess = 0
    if i < end and data[i] == 125:
        return (OK, i) if json_space(data, i + 1, end) >= end else (MALFORMED, i + 1)
    while True:
        if i >= end or data[i] != 34:
            return MALFORMED, i
        key = i + 1
        i = json_string(data, i, end)
        if i < 0:
            return MALFORMED, key - 1
        column = -1
        if width:
            column = _column(data, key, i - 1, keys, bounds, guess, scratch)
        i = json_space(data, i, end)
        if i >= end or data[i] != 58:
            return MALFORMED, min(i, end)
        i = json_space(data, i + 1, end)
        after = _value_end(data, i, end, stack)
        if after < 0:
            return MALFORMED, i
        if column >= 0:
            _put(data, i, after, at + column, column, raw, starts, ends, kinds, seen)
            guess = column + 1
        i = json_space(data, after, end)
        if i < end and data[i] == 44:
            i = json_space(data, i + 1, end)
        elif i < end and data[i] == 125:
            return (OK, i) if json_space(data, i + 1, end) >= end else (MALFORMED, i + 1)
        else:
            return MALFORMED, min(i, end)


@kernel(
    BYTES, BYTES, INT64S, BYTES, OUT_INT32, OUT_INT32, OUT_BYTES, OUT_BYTES, OUT_INT32, OUT_INT64
)
def scan_objects(
    data: Bytes,
    keys: Bytes,
    bounds: Int64s,
    raw: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    lines: Int32s,
    state: Int64s,
) -> None:
    """Splits lines of one object each into cells of the keys; the last of equal keys counts.

    Key k is keys[bounds[k]:bounds[k + 1]]; `raw[k]` keeps the quotes of its strings. `lines` gets
    where each row's line begins. Requires: `data` ends with a line; room for one row per line.
    """
    width = len(bounds) - 1
    stack = np.empty(MAX_DEPTH, np.uint8)
    scratch = np.empty(6 * len(keys) + 64, np.uint8)
    rows, i = 0, 0
    while i < len(data):
        end = i
        while end < len(data) and data[end] != 10:
            end += 1
        first = json_space(data, i, end)
        if first < end:
            at = rows * width
            for column in range(width):
                starts[at + column] = ends[at + column] = first
                kinds[at + column] = NULL | ABSENT
            lines[rows] = i
            code, where = NO_OBJECT, first
            if data[first] == 123:
                code, where = _object(
                    data,
                    first,
                    end,
                    keys,
                    bounds,
                    raw,
                    at,
                    starts,
                    ends,
                    kinds,
                    seen,
                    stack,
                    scratch,
                )
            if code != OK:
                state[CODE], state[AT] = code, where
                break
            for column in range(width):
                if kinds[at + column] & KIND == NULL:
                    seen[column] |= 1 << NULL
            rows += 1
        i = end + 1
    state[ROWS] = rows


@part
def _hex4(data: Bytes, i: int) -> int:
    value = 0
    for j in range(i, i + 4):
        value = value * 16 + hex_value(data[j])
    return value


@part
def _utf8(code: int, out: Bytes, at: int) -> int:
    """Writes a code point. Returns the new end."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | (code >> 6)
        out[at + 1] = 0x80 | (code & 0x3F)
        return at + 2
    if code < 0x10000:
        out[at] = 0xE0 | (code >> 12)
        out[at + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[at + 2] = 0x80 | (code & 0x3F)
        return at + 3
    out[at] = 0xF0 | (code >> 18)
    out[at + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[at + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[at + 3] = 0x80 | (code & 0x3F)
    return at + 4


@part
def _escape(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """An escape behind its backslash: (code point or -1, index after it)."""
    byte = data[i]
    if byte == 117:
        code = _hex4(data, i + 1)
        i += 5
        if 0xD800 <= code < 0xDC00 and i + 6 <= end and data[i] == 92 and data[i + 1] == 117:
            low = _hex4(data, i + 2)
            if 0xDC00 <= low < 0xE000:
                return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), i + 6
        # NUL cannot be in a text, and half a pair is no character.
        return (-1 if code == 0 or 0xD800 <= code < 0xE000 else code), i
    if byte == 98:
        return 8, i + 1
    if byte == 102:
        return 12, i + 1
    if byte == 110:
        return 10, i + 1
    if byte == 114:
        return 13, i + 1
    if byte == 116:
        return 9, i + 1
    return byte, i + 1


@part
def _undo(data: Bytes, i: int, end: int, out: Bytes, at: int) -> int:
    """Undoes the escapes of a valid JSON string without its quotes. New end or -1."""
    while i < end:
        byte = data[i]
        i += 1
        if byte == 92:
            code, i = _escape(data, i, end)
            if code < 0:
                return -1
            at = _utf8(code, out, at)
        else:
            out[at] = byte
            at += 1
    return at


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_BYTES, OUT_INT32)
def unescape(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Bytes,
    offsets: Int32s,
) -> int:
    """Copies one column's cells into `out`, unescaped, with Arrow's offsets.

    Requires: `out` holds total_length bytes, `offsets` count + 1. Returns -1, or the first row
    whose escapes spell what no text can hold.
    """
    at = 0
    offsets[0] = 0
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL:
            i, end = starts[cell], ends[cell]
            if kinds[cell] & ESCAPED:
                at = _undo(data, i, end, out, at)
                if at < 0:
                    return row
            else:
                out[at : at + end - i] = data[i:end]
                at += end - i
        offsets[row + 1] = at
    return -1
