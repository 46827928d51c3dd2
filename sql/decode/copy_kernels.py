"""Kernels that split COPY data into cells: text, CSV and binary.

They stop before a row that is not complete, so the caller can wait for the rest. Each fills
`state`, see the indexes below, and returns nothing; what went wrong is a code, never an exception.
"""

from __future__ import annotations

from sql.decode.jit import (
    BYTES,
    INT,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
    Bytes,
    Int32s,
    Int64s,
    kernel,
    part,
)
from sql.decode.kernels import ESCAPED, KIND, MAX_COLUMNS, NULL, RAW_BYTES, STRING

# Indexes of `state`.
ROWS = 0  # out: complete rows found
NEXT = 1  # out: where the row after them begins
NEWLINE = 2  # in and out: how lines end, one of the three below
CODE = 3  # out: why it stopped, one of the codes below
COLUMN = 4  # out: at which column of the row after them; ROW_WIDTH: its number of fields
STATE_SIZE = 5

UNKNOWN, LF, CRLF, CR = 0, 1, 2, 3

# Codes.
OK, END, MISSING, EXTRA, STRAY_LF, STRAY_CR, MARKER, UNTERMINATED, FIELD_COUNT, LENGTH = range(10)
_INCOMPLETE = 100


@part
def _line_end(data: Bytes, i: int, end: int, final: int, newline: int) -> tuple[int, int, int]:
    """The line break at `i`: (index after it, style, code)."""
    if data[i] == 10:
        if newline in (UNKNOWN, LF):
            return i + 1, LF, OK
        return i, newline, STRAY_LF
    if i + 1 >= end and not final and newline != CR:
        return i, newline, _INCOMPLETE
    if i + 1 < end and data[i + 1] == 10 and newline in (UNKNOWN, CRLF):
        return i + 2, CRLF, OK
    if newline in (UNKNOWN, CR):
        return i + 1, CR, OK
    return i, newline, STRAY_CR


@part
def _is_null(data: Bytes, i: int, end: int, null: Bytes) -> bool:
    """True if the slice equals the NULL string."""
    if end - i != len(null):
        return False
    for j in range(len(null)):  # noqa: SIM110 (kernels have no generators)
        if data[i + j] != null[j]:
            return False
    return True


@part
def _is_end_marker(data: Bytes, i: int, end: int) -> bool:
    """True for `\\.` at `i`, with the line or the data ending behind it."""
    if i + 1 >= end or data[i] != 92 or data[i + 1] != 46:
        return False
    return i + 2 >= end or data[i + 2] == 10 or data[i + 2] == 13


@part
def _text_field(data: Bytes, i: int, end: int, delimiter: int) -> tuple[int, int]:
    """A field of the text format: (index of what ends it, kind). -1: a `\\.` inside."""
    kind = STRING
    while i < end:
        byte = data[i]
        if byte == 92:
            kind |= ESCAPED
            i += 1
            if i < end:
                if data[i] == 46:
                    return -1, kind
                if data[i] == 120 or 48 <= data[i] <= 55:
                    kind |= RAW_BYTES
        elif byte == delimiter or byte == 10 or byte == 13:
            return i, kind
        i += 1
    return min(i, end), kind


@part
def _store(
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    at: int,
    column: int,
    i: int,
    end: int,
    kind: int,
) -> None:
    """Stores one cell. Requires: column < MAX_COLUMNS."""
    starts[at + column] = i
    ends[at + column] = end
    kinds[at + column] = kind
    seen[column] |= (1 << (kind & KIND)) | (kind & (ESCAPED | RAW_BYTES))


@part
def _finish(
    data: Bytes, i: int, end: int, final: int, fields: int, width: int, state: Int64s
) -> tuple[int, int]:
    """The end of a row at `i`: (index after it, code). Sets the style of line breaks."""
    after, code = i, OK
    if i < end:
        after, newline, code = _line_end(data, i, end, final, state[NEWLINE])
        if code == OK:
            state[NEWLINE] = newline
    elif not final:
        code = _INCOMPLETE
    if code == OK and 0 < width != fields:
        code = MISSING
    return after, code


@part
def _text_row(
    data: Bytes,
    i: int,
    end: int,
    final: int,
    delimiter: int,
    null: Bytes,
    width: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    at: int,
    state: Int64s,
) -> tuple[int, int, int]:
    """One row: (index after it, fields, code)."""
    column = 0
    limit = width if width > 0 else MAX_COLUMNS
    if _is_end_marker(data, i, end) and (final or i + 2 < end):
        return end, 0, END
    while True:
        stop, kind = _text_field(data, i, end, delimiter)
        if stop < 0:
            return i, column, MARKER if final or end - i > 2 else _INCOMPLETE
        if stop >= end and not final:
            return i, column, _INCOMPLETE
        if _is_null(data, i, stop, null):
            kind = NULL
        _store(starts, ends, kinds, seen, at, column, i, stop, kind)
        column += 1
        if stop >= end or data[stop] != delimiter:
            after, code = _finish(data, stop, end, final, column, width, state)
            return after, column, code
        if column >= limit:
            return i, column, EXTRA
        i = stop + 1


@kernel(
    BYTES,
    INT,
    INT,
    INT,
    INT,
    BYTES,
    INT,
    INT,
    OUT_INT32,
    OUT_INT32,
    OUT_BYTES,
    OUT_BYTES,
    OUT_INT64,
)
def scan_text(
    data: Bytes,
    i: int,
    end: int,
    final: int,
    delimiter: int,
    null: Bytes,
    width: int,
    most_rows: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    state: Int64s,
) -> None:
    """Splits COPY's text format. `width` 0 takes the first row of any width (a header).

    Requires: room for end - i + 1 cells, and MAX_COLUMNS in `seen`.
    """
    at, rows, code = 0, 0, OK
    while i < end and rows < most_rows:
        after, fields, code = _text_row(
            data, i, end, final, delimiter, null, width, starts, ends, kinds, seen, at, state
        )
        state[COLUMN] = fields
        if code != OK:
            break
        at += fields
        rows += 1
        i = after
    state[ROWS] = rows
    state[NEXT] = i
    state[CODE] = OK if code == _INCOMPLETE else code


@part
def _csv_field(
    data: Bytes, i: int, end: int, delimiter: int, quote: int, escape: int
) -> tuple[int, int, int, bool]:
    """A CSV field: (index of what ends it, kind, number of quotes, still inside quotes)."""
    inside, quotes, kind = False, 0, STRING
    while i < end:
        byte = data[i]
        if (
            inside
            and byte == escape
            and i + 1 < end
            and (data[i + 1] == quote or data[i + 1] == escape)
        ):
            kind = STRING | ESCAPED
            i += 1
        elif byte == quote:
            inside = not inside
            quotes += 1
        elif not inside and (byte == delimiter or byte == 10 or byte == 13):
            break
        i += 1
    return i, kind, quotes, inside


@part
def _csv_cell(
    data: Bytes, i: int, stop: int, kind: int, quotes: int, quote: int, null: Bytes, force: int
) -> tuple[int, int, int]:
    """What a field's slice means: (start, end, kind). `force`: 1 not null, 2 null."""
    if quotes == 0:
        if not force & 1 and _is_null(data, i, stop, null):
            kind = NULL
        return i, stop, kind
    if kind & ESCAPED or quotes > 2 or data[i] != quote or data[stop - 1] != quote:
        return i, stop, STRING | ESCAPED
    if force & 2 and _is_null(data, i + 1, stop - 1, null):
        kind = NULL
    return i + 1, stop - 1, kind


@part
def _csv_row(
    data: Bytes,
    i: int,
    end: int,
    final: int,
    delimiter: int,
    quote: int,
    escape: int,
    null: Bytes,
    force: Bytes,
    width: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    at: int,
    state: Int64s,
) -> tuple[int, int, int]:
    """One record: (index after it, fields, code)."""
    column = 0
    limit = width if width > 0 else MAX_COLUMNS
    if _is_end_marker(data, i, end) and (final or i + 2 < end):
        return end, 0, END
    while True:
        stop, kind, quotes, inside = _csv_field(data, i, end, delimiter, quote, escape)
        if stop >= end and not final:
            return i, column, _INCOMPLETE
        if inside:
            return i, column, UNTERMINATED
        first, last, kind = _csv_cell(data, i, stop, kind, quotes, quote, null, force[column])
        _store(starts, ends, kinds, seen, at, column, first, last, kind)
        column += 1
        if stop >= end or data[stop] != delimiter:
            after, code = _finish(data, stop, end, final, column, width, state)
            return after, column, code
        if column >= limit:
            return i, column, EXTRA
        i = stop + 1


@kernel(
    BYTES,
    INT,
    INT,
    INT,
    INT,
    INT,
    INT,
    BYTES,
    BYTES,
    INT,
    INT,
    OUT_INT32,
    OUT_INT32,
    OUT_BYTES,
    OUT_BYTES,
    OUT_INT64,
)
def scan_csv(
    data: Bytes,
    i: int,
    end: int,
    final: int,
    delimiter: int,
    quote: int,
    escape: int,
    null: Bytes,
    force: Bytes,
    width: int,
    most_rows: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    state: Int64s,
) -> None:
    """Splits CSV as `scan_text` splits text. Requires: MAX_COLUMNS bytes in `force`."""
    at, rows, code = 0, 0, OK
    while i < end and rows < most_rows:
        after, fields, code = _csv_row(
            data,
            i,
            end,
            final,
            delimiter,
            quote,
            escape,
            null,
            force,
            width,
            starts,
            ends,
            kinds,
            seen,
            at,
            state,
        )
        state[COLUMN] = fields
        if code != OK:
            break
        at += fields
        rows += 1
        i = after
    state[ROWS] = rows
    state[NEXT] = i
    state[CODE] = OK if code == _INCOMPLETE else code


@part
def big_endian(data: Bytes, i: int, width: int) -> int:
    """A signed integer of `width` bytes."""
    value = -1 if data[i] >= 128 else 0
    for j in range(i, i + width):
        value = (value << 8) | data[j]
    return value


@part
def _binary_row(
    data: Bytes,
    i: int,
    end: int,
    width: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    at: int,
    state: Int64s,
) -> tuple[int, int]:
    """One tuple: (index after it, code)."""
    if i + 2 > end:
        return i, _INCOMPLETE
    fields = big_endian(data, i, 2)
    state[COLUMN] = fields
    if fields == -1:
        return i + 2, END
    if fields != width:
        return i, FIELD_COUNT
    i += 2
    for column in range(width):
        state[COLUMN] = column
        if i + 4 > end:
            return i, _INCOMPLETE
        length = big_endian(data, i, 4)
        i += 4
        if length < -1:
            return i, LENGTH
        kind = NULL if length == -1 else STRING
        length = max(length, 0)
        if length > end - i:
            return i, _INCOMPLETE
        _store(starts, ends, kinds, seen, at, column, i, i + length, kind)
        i += length
    return i, OK


@kernel(BYTES, INT, INT, INT, OUT_INT32, OUT_INT32, OUT_BYTES, OUT_BYTES, OUT_INT64)
def scan_binary(
    data: Bytes,
    i: int,
    end: int,
    width: int,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    seen: Bytes,
    state: Int64s,
) -> None:
    """Splits tuples of the binary format, header excluded. Requires: room for end - i cells."""
    at, rows, code = 0, 0, OK
    while i < end:
        after, code = _binary_row(data, i, end, width, starts, ends, kinds, seen, at, state)
        if code != OK:
            if code == END:
                i = after
            break
        at += width
        rows += 1
        i = after
    state[ROWS] = rows
    state[NEXT] = i
    state[CODE] = OK if code == _INCOMPLETE else code
