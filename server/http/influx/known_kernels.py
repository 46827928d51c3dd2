"""Kernels for lines whose beginnings were seen before: measurement, tags and the keys of fields.

Called by known.py. Agents repeat these byte for byte, in the same order: comparing them takes a
tenth of the time of reading them. Whatever is not exactly as it was is left to line_kernels.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types as nt

from engine.jit import Bytes, Int32s, Int64s, UInt64s, loop_part, part
from engine.words import copy_bytes, find_byte, hash_bytes, same_bytes
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_UINT64,
    WRITE_BYTES,
    WRITE_INT32,
    WRITE_INT64,
    array_kernel,
    kernel,
)
from server.http.influx.line_kernels import READ_INT32S
from server.http.influx.line_values import (
    BACKSLASH,
    BOOLEAN,
    COMMA,
    FLOAT,
    INTEGER,
    NEWLINE,
    SPACE,
    UNSIGNED,
    scaled,
    value_of,
)
from sql.decode.float_kernels import float_bits, rounded

WRITE_UINT64 = nt.uint64[::1]

# Numbers of each entry, and their places. A head is what a line has before its first space; its
# values are those of its tags. A form is what lines with the same measurement and tags look like.
START, SIZE, SHAPE, VALUES, NEXT, HEAD = 0, 1, 2, 3, 4, 5
MEASUREMENT, FIELDS, COUNT, FORM = 0, 1, 2, 3
KEY, KEY_SIZE, KEY_KIND, FIELD = 0, 1, 2, 3
# Places in `state`.
ROWS, CELLS, STATE_SIZE = 0, 1, 2
NO = -1  # a line is not as those before
_I, _U, _MINUS, _POINT = 105, 117, 45, 46
_TEN: Any = np.uint64(10)
_SIGN: Any = np.uint64(1 << 63)
_EXACT: Any = np.uint64(1 << 53)
_DIGITS_MAX = 18  # of a number that 64 bits hold whatever its digits
_uint: Any = np.uint64


@part
def find_head(
    data: Bytes, at: int, size: int, seed: UInt64s, arena: Bytes, heads: Int32s, slots: Int32s
) -> int:
    """The head with these bytes, or NO."""
    mask = slots.size - 1
    slot = hash_bytes(data, at, size, seed) & mask
    while slots[slot] > 0:
        head = int(slots[slot]) - 1
        if heads[HEAD * head + SIZE] == size and same_bytes(
            data, at, arena, heads[HEAD * head + START], size
        ):
            return head
        slot = (slot + 1) & mask
    return NO


@part
def _head(
    data: Bytes,
    at: int,
    end: int,
    last: int,
    seed: UInt64s,
    arena: Bytes,
    heads: Int32s,
    slots: Int32s,
) -> int:
    """The head of the line at a place: most often the one that followed the last one before."""
    guess = NO if last < 0 else int(heads[HEAD * last + NEXT])
    if guess >= 0:
        size = int(heads[HEAD * guess + SIZE])
        if at + size < end and data[at + size] == SPACE:  # noqa: SIM102 (what is dear comes last)
            if same_bytes(data, at, arena, heads[HEAD * guess + START], size):
                return guess
    stop = find_byte(data, at, end, SPACE)
    while at < stop < end and data[stop - 1] == BACKSLASH:
        stop = find_byte(data, stop + 1, end, SPACE)
    if stop >= end:
        return NO
    head = find_head(data, at, stop - at, seed, arena, heads, slots)
    if head >= 0 and last >= 0:
        heads[HEAD * last + NEXT] = head
    return head


@loop_part
def _digits(data: Bytes, at: int, end: int, value: Any) -> tuple[int, Any]:
    """The place after the digits, and the number they add to a value, modulo 2 ** 64."""
    if at < 0 or end > data.size:
        return at, value
    while at < end:
        digit = data[at] - 48
        if digit < 0 or digit > 9:
            break
        value = value * _TEN + _uint(digit)
        at += 1
    return at, value


@part
def _float(data: Bytes, start: int, end: int, cells: UInt64s, cell: int) -> int:
    """Reads a number into a cell as bits of a double; the place after it, or NO."""
    negative = data[start] == _MINUS
    first = start + 1 if negative else start
    at, mantissa = _digits(data, first, end, _uint(0))
    digits, power = at - first, 0
    if at < end and data[at] == _POINT:
        point = at
        at, mantissa = _digits(data, at + 1, end, mantissa)
        power = point + 1 - at
        digits -= power
    if digits == 0:
        return NO
    if digits <= _DIGITS_MAX and (at >= end or data[at] in (COMMA, SPACE, NEWLINE)):
        if power == 0 and mantissa <= _EXACT:
            bits: Any = np.float64(mantissa).view(np.uint64)
        else:
            bits, done = rounded(mantissa, power)
            if not done:
                return NO
        cells[cell] = bits | _SIGN if negative else bits
        return at
    while at < end and data[at] not in (COMMA, SPACE, NEWLINE):
        at += 1
    if data[at - 1] in (_I, _U):
        return NO
    bits, done = float_bits(data, start, at)
    cells[cell] = bits
    return at if done else NO


@part
def _whole(data: Bytes, start: int, end: int, mark: int, cells: UInt64s, cell: int) -> int:
    """Reads a whole number that ends in a mark into a cell; the place after it, or NO."""
    negative = data[start] == _MINUS
    first = start + 1 if negative else start
    at, value = _digits(data, first, end, _uint(0))
    if at == first or at - first > _DIGITS_MAX or at >= end or data[at] != mark:
        return NO
    if negative and mark == _U:
        return NO
    cells[cell] = _uint(0) - value if negative else value
    return at + 1


@part
def _value(
    data: Bytes, at: int, end: int, kind: int, cells: UInt64s, cell: int, found: Int64s
) -> int:
    """Reads a value of that kind into a cell; the place after it, or NO.

    A text's cell has its start and, in the upper half, its end.
    """
    if at >= end:
        return NO
    if kind == FLOAT:
        byte = data[at]
        if 48 <= byte <= 57 or byte in (_MINUS, _POINT):
            return _float(data, at, end, cells, cell)
        return NO
    if kind == INTEGER:
        return _whole(data, at, end, _I, cells, cell)
    if kind == UNSIGNED:
        return _whole(data, at, end, _U, cells, cell)
    at = value_of(data, at, end, found)
    if at < 0 or found[2] != kind:
        return NO
    if kind == BOOLEAN:
        cells[cell] = _uint((data[found[0]] | 32) == 116)
    else:
        cells[cell] = _uint(found[0]) | _uint(found[1]) << _uint(32)
    return at


@part
def _fields(
    data: Bytes,
    at: int,
    end: int,
    form: int,
    forms: Int32s,
    fields: Int32s,
    keys: Bytes,
    cells: UInt64s,
    cell: int,
    found: Int64s,
) -> int:
    """Reads the fields of a form into cells; the place after them, or NO."""
    first = int(forms[FORM * form + FIELDS])
    count = int(forms[FORM * form + COUNT])
    for number in range(count):
        base = FIELD * (first + number)
        size = int(fields[base + KEY_SIZE])
        if at + size >= end or not same_bytes(data, at, keys, fields[base + KEY], size):
            return NO
        at = _value(data, at + size, end, fields[base + KEY_KIND], cells, cell + number, found)
        if at < 0:
            return NO
        if number + 1 < count:
            if at >= end or data[at] != COMMA:
                return NO
            at += 1
    return at


@part
def _time(data: Bytes, at: int, end: int, unit: int, now: int, times: Int64s, row: int) -> int:
    """Reads what follows the fields, a time or nothing; the place after the line, or NO."""
    if at >= end or data[at] == NEWLINE:
        times[row] = now
        return at + 1
    if data[at] != SPACE or at + 1 >= end:
        return NO
    negative = data[at + 1] == _MINUS
    first = at + 2 if negative else at + 1
    at, digits = _digits(data, first, end, _uint(0))
    if at == first or at - first > 19 or digits >= _SIGN or (at < end and data[at] != NEWLINE):
        return NO
    value: Any = np.int64(digits)
    times[row], valid = scaled(-value if negative else value, unit)
    return at + 1 if valid else NO


@array_kernel(
    INT(
        READ_BYTES, INT, INT, INT, INT, READ_UINT64, READ_BYTES, WRITE_INT32, READ_INT32S,
        READ_INT32S, READ_INT32S, READ_INT32S, READ_BYTES, WRITE_INT32, WRITE_INT32, WRITE_INT64,
        WRITE_UINT64, WRITE_INT64,
    )
)  # fmt: skip
def scan_known(
    data: Bytes,
    at: int,
    end: int,
    unit: int,
    now: int,
    seed: UInt64s,
    arena: Bytes,
    heads: Int32s,
    slots: Int32s,
    shapes: Int32s,
    forms: Int32s,
    fields: Int32s,
    keys: Bytes,
    used: Int32s,
    rows: Int32s,
    times: Int64s,
    cells: UInt64s,
    state: Int64s,
) -> int:
    """Reads lines of [at, end), all of which have to be known. Returns 0, or NO.

    Args:
        unit, now: as in `line_kernels.scan`.
        heads, forms, fields: entries, see above; texts of heads lie in `arena`, of fields in
            `keys`, each with its equals sign.
        slots: a hash table of heads, 0 or one more than the head; never full.
        shapes: of each shape its form now.
        used: of each measurement one more than its form in these lines; it may have one alone.
        rows, times: of each line its head, and nanoseconds.
        cells: of each line the bits of its fields, one line after the other.
        state: counts of rows and cells, which go on from call to call.
    """
    found = np.zeros(4, np.int64)
    head = NO
    while at < end:
        head = _head(data, at, end, head, seed, arena, heads, slots)
        if head < 0:
            return NO
        shape = int(heads[HEAD * head + SHAPE])
        if shape >= shapes.size:
            return NO  # another thread has just learned it
        form = int(shapes[shape])
        measurement = int(forms[FORM * form + MEASUREMENT])
        if used[measurement] != form + 1:
            if used[measurement] != 0:
                return NO
            used[measurement] = form + 1
        row = int(state[ROWS])
        cell = int(state[CELLS])
        count = int(forms[FORM * form + COUNT])
        if row >= rows.size or cell + count > cells.size:
            return NO
        at += heads[HEAD * head + SIZE] + 1
        at = _fields(data, at, end, form, forms, fields, keys, cells, cell, found)
        if at < 0:
            return NO
        at = _time(data, at, end, unit, now, times, row)
        if at < 0:
            return NO
        rows[row] = head
        state[ROWS] = row + 1
        state[CELLS] = cell + count
    return 0


@kernel(
    INT(
        READ_BYTES, READ_INT32S, READ_INT32S, READ_INT32S, INT, WRITE_INT32, WRITE_INT32,
        WRITE_BYTES,
    )
)  # fmt: skip
def tags_of(
    arena: Bytes,
    heads: Int32s,
    spans: Int32s,
    rows: Int32s,
    tags: int,
    offsets: Int32s,
    starts: Int32s,
    out: Bytes,
) -> int:
    """The values of the tags of some rows, tag by tag. Returns 0.

    Args:
        rows: the head of each row; all have that many tags.
        offsets: gets those of Arrow's arrays, from 0 on for each tag; one more than rows each.
        starts: gets where the bytes of each tag begin, and where those of the last end.
        out: gets the bytes; has room for all heads.
    """
    count = rows.size
    at = 0
    for tag in range(tags):
        base = tag * (count + 1)
        starts[tag] = at
        offsets[base] = 0
        for row in range(count):
            span = 2 * (heads[HEAD * rows[row] + VALUES] + tag)
            start = int(spans[span])
            size = spans[span + 1] - start
            copy_bytes(arena, start, out, at, size)
            at += size
            offsets[base + row + 1] = at - starts[tag]
    starts[tags] = at
    return 0
