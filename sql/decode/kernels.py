"""Kernels shared by all readers: finding literals and gathering cells into strings.

A *cell* is a slice of a byte array with a kind. The cells of a table lie in row-major arrays
(starts, ends, kinds); a kernel that works on one column gets its first index and the step.
"""

from __future__ import annotations

from sql.decode.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_BYTES,
    OUT_INT32,
    Bytes,
    Int32s,
    array_part,
    kernel,
    part,
)

# Kinds of cells, the low four bits.
NULL, TRUE, FALSE, INTEGER, DECIMAL, STRING = 0, 1, 2, 3, 4, 5
KIND = 15
# Flags of cells, the high four bits.
ESCAPED = 64  # the bytes must be unescaped
RAW_BYTES = 128  # ... and contain \x or octal escapes, which may spell invalid UTF-8

# How escapes are undone.
STANDARD, BACKSLASH, COPY_TEXT, CSV = 0, 1, 2, 3

# Results of `scan_values` below zero.
NOT_PLAIN, RAGGED = -1, -2
MAX_COLUMNS = 2048


@part
def skip_space(data: Bytes, i: int, end: int) -> int:
    """The first index at or after `i` that is not white space."""
    while i < end and (data[i] == 32 or 9 <= data[i] <= 13):
        i += 1
    return i


@part
def is_digit(byte: int) -> bool:
    """True for 0 to 9."""
    return 48 <= byte <= 57


@part
def skip_digits(data: Bytes, i: int, end: int) -> int:
    """The first index at or after `i` that is not a digit."""
    while i < end and is_digit(data[i]):
        i += 1
    return i


@part
def _string(data: Bytes, start: int, end: int, backslash: int) -> tuple[int, int]:
    """A quoted string from its opening quote: (index after it or -1, kind)."""
    quote = data[start]
    kind = STRING
    i = start + 1
    while i < end:
        byte = data[i]
        if byte == quote:
            if i + 1 >= end or data[i + 1] != quote:
                return i + 1, kind
            kind = STRING | ESCAPED
            i += 2
        elif byte == 92 and backslash:
            kind = STRING | ESCAPED
            i += 2
        else:
            i += 1
    return -1, kind


@part
def _number(data: Bytes, start: int, end: int) -> tuple[int, int]:
    """A number from its sign or first digit: (index after it or -1, kind)."""
    i = start
    if data[i] == 43 or data[i] == 45:
        i += 1
    first = i
    i = skip_digits(data, i, end)
    digits = i - first
    kind = INTEGER
    if i < end and data[i] == 46:
        kind = DECIMAL
        first = i + 1
        i = skip_digits(data, first, end)
        digits += i - first
    if digits == 0:
        return -1, kind
    if i < end and (data[i] | 32) == 101:
        kind = DECIMAL
        i += 1
        if i < end and (data[i] == 43 or data[i] == 45):
            i += 1
        first = i
        i = skip_digits(data, i, end)
        if i == first:
            return -1, kind
    return i, kind


@part
def _letters(
    data: Bytes, i: int, end: int, first: int, second: int, third: int, fourth: int
) -> bool:
    """True if the four lower-case letters stand at `i` in any case."""
    return (
        i + 4 <= end
        and (data[i] | 32) == first
        and (data[i + 1] | 32) == second
        and (data[i + 2] | 32) == third
        and (data[i + 3] | 32) == fourth
    )


@part
def _word(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """NULL, TRUE or FALSE: (index after it or -1, kind)."""
    if _letters(data, i, end, 110, 117, 108, 108):
        return i + 4, NULL
    if _letters(data, i, end, 116, 114, 117, 101):
        return i + 4, TRUE
    if _letters(data, i, end, 102, 97, 108, 115) and i + 5 <= end and (data[i + 4] | 32) == 101:
        return i + 5, FALSE
    return -1, NULL


@part
def _literal(data: Bytes, i: int, end: int, mysql: int) -> tuple[int, int]:
    """One literal: (index after it or -1, kind)."""
    byte = data[i]
    if byte == 39 or (byte == 34 and mysql):
        return _string(data, i, end, mysql)
    if is_digit(byte) or byte == 43 or byte == 45 or byte == 46:
        return _number(data, i, end)
    return _word(data, i, end)


@part
def _row(
    data: Bytes,
    i: int,
    end: int,
    mysql: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    at: int,
) -> tuple[int, int]:
    """One row from its opening parenthesis: (index after it or -1, number of values).

    On MySQL, TRUE and FALSE are the integers whose text stands behind the end.
    """
    column = 0
    while True:
        i = skip_space(data, i + 1, end)
        if i >= end or column >= MAX_COLUMNS:
            return -1, column
        after, kind = _literal(data, i, end, mysql)
        if after < 0:
            return -1, column
        quotes = 1 if kind & KIND == STRING else 0
        starts[at + column] = i + quotes
        ends[at + column] = after - quotes
        if mysql and kind in (TRUE, FALSE):
            starts[at + column] = end if kind == TRUE else end + 1
            ends[at + column] = starts[at + column] + 1
            kind = INTEGER
        kinds[at + column] = kind
        seen[column] |= (1 << (kind & KIND)) | (kind & ESCAPED)
        column += 1
        i = skip_space(data, after, end)
        if i >= end:
            return -1, column
        if data[i] == 41:
            return i + 1, column
        if data[i] != 44:
            return -1, column


@part
def _at_end(data: Bytes, i: int, end: int) -> bool:
    """True if nothing but white space and one semicolon is left."""
    i = skip_space(data, i, end)
    if i < end and data[i] == 59:
        i = skip_space(data, i + 1, end)
    return i >= end


@kernel(BYTES, INT, INT, INT, OUT_INT32, OUT_INT32, OUT_BYTES, OUT_BYTES)
def scan_values(
    data: Bytes,
    i: int,
    end: int,
    mysql: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
) -> tuple[int, int]:
    """Splits `(literal, …), (…)` at `i` into cells.

    `seen[column]` gets one bit for each kind (1 << kind) and ESCAPED. Requires: room for
    (end - i) / 2 cells; on MySQL the bytes `10` behind the end.
    Returns: (rows, columns), (NOT_PLAIN, 0), or (RAGGED, index of the first row of other width).
    """
    at, rows, width = 0, 0, 0
    while True:
        i = skip_space(data, i, end)
        if i >= end or data[i] != 40:
            return NOT_PLAIN, 0
        i, columns = _row(data, i, end, mysql, starts, ends, kinds, seen, at)
        if i < 0:
            return NOT_PLAIN, 0
        if rows == 0:
            width = columns
        elif columns != width:
            return RAGGED, rows
        at += columns
        rows += 1
        i = skip_space(data, i, end)
        if i >= end or data[i] != 44:
            return (rows, width) if _at_end(data, i, end) else (NOT_PLAIN, 0)
        i += 1


@part
def _undo_quotes(data: Bytes, i: int, end: int, backslash: int, out: Bytes, at: int) -> int:
    """Undoes doubled quotes and, if asked, MySQL's backslash escapes. Returns the new end."""
    quote = data[i - 1]
    while i < end:
        byte = data[i]
        i += 1
        if byte == quote:
            i += 1
        elif byte == 92 and backslash and i < end:
            byte = data[i]
            i += 1
            if byte == 37 or byte == 95:  # \% and \_ stay as they are outside LIKE
                out[at] = 92
                at += 1
            elif byte == 48:
                byte = 0
            elif byte == 90:
                byte = 26
            elif byte == 98 or byte == 110 or byte == 114 or byte == 116:
                byte = _control(byte)
        out[at] = byte
        at += 1
    return at


@part
def _control(letter: int) -> int:
    """The control character that a backslash and this letter spell; others spell themselves."""
    if letter == 98:
        return 8
    if letter == 102:
        return 12
    if letter == 110:
        return 10
    if letter == 114:
        return 13
    if letter == 116:
        return 9
    if letter == 118:
        return 11
    return letter


@part
def hex_value(byte: int) -> int:
    """The value of a hexadecimal digit, -1 for any other byte."""
    if is_digit(byte):
        return byte - 48
    letter = byte | 32
    if 97 <= letter <= 102:
        return letter - 87
    return -1


@part
def _numeric_escape(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """COPY's \\ooo or \\xhh from the byte after the backslash: (value, next), or (-1, i)."""
    value = 0
    if 48 <= data[i] <= 55:
        stop = min(i + 3, end)
        while i < stop and 48 <= data[i] <= 55:
            value = value * 8 + (data[i] - 48)
            i += 1
        return value & 255, i
    if data[i] == 120 and i + 1 < end and hex_value(data[i + 1]) >= 0:
        stop = min(i + 3, end)
        i += 1
        while i < stop and hex_value(data[i]) >= 0:
            value = value * 16 + hex_value(data[i])
            i += 1
        return value, i
    return -1, i


@part
def _undo_copy_text(data: Bytes, i: int, end: int, out: Bytes, at: int) -> int:
    """Undoes the backslash escapes of COPY's text format. Returns the new end."""
    while i < end:
        byte = data[i]
        i += 1
        if byte == 92 and i < end:
            value, after = _numeric_escape(data, i, end)
            if value >= 0:
                byte = value
                i = after
            else:
                byte = _control(data[i])
                i += 1
        out[at] = byte
        at += 1
    return at


@part
def _undo_csv(data: Bytes, i: int, end: int, quote: int, escape: int, out: Bytes, at: int) -> int:
    """Undoes CSV quoting of a whole field, outer quotes included. Returns the new end."""
    inside = False
    while i < end:
        byte = data[i]
        i += 1
        if inside and byte == escape and i < end and (data[i] == quote or data[i] == escape):
            out[at] = data[i]
            at += 1
            i += 1
        elif byte == quote:
            inside = not inside
        else:
            out[at] = byte
            at += 1
    return at


@array_part
def _copy(data: Bytes, i: int, end: int, out: Bytes, at: int) -> int:
    """Copies bytes. Returns the new end."""
    if end - i > 32:
        out[at : at + end - i] = data[i:end]
        return at + end - i
    while i < end:
        out[at] = data[i]
        i += 1
        at += 1
    return at


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT)
def total_length(
    data: Bytes, starts: Int32s, ends: Int32s, kinds: Bytes, first: int, step: int, count: int
) -> int:
    """Sum of the raw lengths of one column's cells."""
    total = 0
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL:
            total += ends[cell] - starts[cell]
    return total


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, INT, INT, OUT_BYTES, OUT_INT32)
def gather(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    mode: int,
    quote: int,
    escape: int,
    out: Bytes,
    offsets: Int32s,
) -> int:
    """Copies one column's cells into `out`, unescaped, with Arrow's offsets.

    Requires: `out` holds total_length bytes, `offsets` count + 1. `quote` and `escape` matter to
    mode CSV only. Returns the number of bytes written.
    """
    at = 0
    offsets[0] = 0
    for row in range(count):
        cell = first + row * step
        kind = kinds[cell]
        i, end = starts[cell], ends[cell]
        if kind & KIND == NULL:
            pass
        elif kind & ESCAPED == 0:
            at = _copy(data, i, end, out, at)
        elif mode == COPY_TEXT:
            at = _undo_copy_text(data, i, end, out, at)
        elif mode == CSV:
            at = _undo_csv(data, i, end, quote, escape, out, at)
        else:
            at = _undo_quotes(data, i, end, mode == BACKSLASH, out, at)
        offsets[row + 1] = at
    return at
