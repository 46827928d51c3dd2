"""A kernel that rewrites the data of LOAD DATA as PostgreSQL's text format.

What follows (types, places in errors) is then COPY's. Source: MySQL 8.4 reference, "LOAD DATA
Statement", section "Field and Line Handling".
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

# Indexes of `state`, all out.
ROWS = 0  # whole rows rewritten
NEXT = 1  # where the row after them begins
USED = 2  # bytes written
STATE_SIZE = 3

NOWHERE = -1  # of `quote` and `escape`: there is none
_BACKSLASH, _TAB, _LF, _CR, _N = 92, 9, 10, 13, 78


@part
def _starts(data: Bytes, i: int, stop: int, word: Bytes) -> int:
    """1 if the word is at `i`, 0 if not, -1 if the data end inside what may be it."""
    if len(word) == 0:
        return 0
    for j in range(len(word)):
        if i + j >= stop:
            return -1
        if data[i + j] != word[j]:
            return 0
    return 1


@part
def _put(out: Bytes, at: int, byte: int) -> int:
    """Writes one byte of a value."""
    if byte in (_BACKSLASH, _TAB, _LF, _CR):
        out[at] = _BACKSLASH
        at += 1
        if byte == _TAB:
            byte = 116
        elif byte == _LF:
            byte = 110
        elif byte == _CR:
            byte = 114
    out[at] = byte
    return at + 1


@part
def _unescaped(byte: int) -> int:
    """What an escape character and this byte mean."""
    if byte == 48:  # 0
        return 0
    if byte == 98:  # b
        return 8
    if byte == 110:  # n
        return _LF
    if byte == 114:  # r
        return _CR
    if byte == 116:  # t
        return _TAB
    if byte == 90:  # Z
        return 26
    return byte


@part
def _quoted(
    data: Bytes,
    i: int,
    stop: int,
    final: int,
    field_end: Bytes,
    line_end: Bytes,
    quote: int,
    escape: int,
    out: Bytes,
    at: int,
) -> tuple[int, int]:
    """An enclosed value from behind its quote: (index behind it, end of `out`); -1: incomplete."""
    while i < stop:
        byte = data[i]
        if byte == escape and escape != quote and i + 1 < stop:
            at = _put(out, at, _unescaped(data[i + 1]))
            i += 2
        elif byte == quote:
            if i + 1 < stop and data[i + 1] == quote:
                at = _put(out, at, byte)
                i += 2
                continue
            field = _starts(data, i + 1, stop, field_end)
            line = _starts(data, i + 1, stop, line_end)
            if (field == -1 or line == -1) and not final:
                return -1, at
            if field == 1 or line == 1 or i + 1 == stop:
                return i + 1, at
            at = _put(out, at, byte)
            i += 1
        else:
            at = _put(out, at, byte)
            i += 1
    return (i if final else -1), at


@part
def _bare(
    data: Bytes,
    i: int,
    stop: int,
    final: int,
    field_end: Bytes,
    line_end: Bytes,
    escape: int,
    out: Bytes,
    at: int,
) -> tuple[int, int]:
    """A value without quotes: as `_quoted`."""
    begin = i
    while i < stop:
        byte = data[i]
        field = _starts(data, i, stop, field_end)
        line = _starts(data, i, stop, line_end)
        if (field == -1 or line == -1) and not final:
            return -1, at
        if field == 1 or line == 1:
            return i, at
        if byte == escape and i + 1 < stop:
            if data[i + 1] == _N and i == begin:
                out[at], out[at + 1] = _BACKSLASH, _N
                at += 2
            else:
                at = _put(out, at, _unescaped(data[i + 1]))
            i += 2
        else:
            at = _put(out, at, byte)
            i += 1
    return (i if final else -1), at


@part
def _is_null_word(out: Bytes, begin: int, end: int) -> bool:
    """True if the value is the word NULL."""
    if end - begin != 4 or out[begin] != _N or out[begin + 1] != 85:
        return False
    return bool(out[begin + 2] == 76 and out[begin + 3] == 76)


@part
def _to_prefix(data: Bytes, i: int, stop: int, final: int, prefix: Bytes, line_end: Bytes) -> int:
    """The index behind the next LINES STARTING BY; -1 if there is none, or not yet."""
    while i < stop:
        found = _starts(data, i, stop, prefix)
        if found == 1:
            return i + len(prefix)
        if found == -1:
            return -1
        i += 1
    return -1


@part
def _row(
    data: Bytes,
    i: int,
    stop: int,
    final: int,
    field_end: Bytes,
    line_end: Bytes,
    quote: int,
    escape: int,
    width: int,
    out: Bytes,
    at: int,
) -> tuple[int, int, int]:
    """One row: (index behind it, end of `out`, fields); -1: incomplete."""
    fields = 0
    while True:
        begin = at
        if i < stop and data[i] == quote:
            i, at = _quoted(data, i + 1, stop, final, field_end, line_end, quote, escape, out, at)
        else:
            i, at = _bare(data, i, stop, final, field_end, line_end, escape, out, at)
            if quote != NOWHERE and _is_null_word(out, begin, at):
                out[begin], out[begin + 1] = _BACKSLASH, _N
                at = begin + 2
        if i < 0:
            return -1, begin, fields
        fields += 1
        if fields > width:
            at = begin
        if _starts(data, i, stop, field_end) == 1:
            i += len(field_end)
            if fields < width:
                out[at] = _TAB
                at += 1
            continue
        while i < stop and _starts(data, i, stop, line_end) != 1:
            i += 1  # behind a closing quote at the end of all data
        return min(i + len(line_end), stop), at, fields


@kernel(
    BYTES,
    INT,
    INT,
    INT,
    BYTES,
    BYTES,
    BYTES,
    INT,
    INT,
    INT,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
)
def rewrite(
    data: Bytes,
    at: int,
    stop: int,
    final: int,
    field_end: Bytes,
    line_start: Bytes,
    line_end: Bytes,
    quote: int,
    escape: int,
    width: int,
    out: Bytes,
    fields: Int32s,
    state: Int64s,
) -> None:
    """Rewrites whole rows of `data[at:stop]`, at most as many as `fields` has room for.

    `fields` gets the number of fields of each row; missing ones are NULL, further ones left out.
    Requires: `out` holds twice the data and `3 * width + 1` bytes for each row.
    """
    rows, used = 0, 0
    while at < stop and rows < len(fields):
        begin = at
        if len(line_start):
            begin = _to_prefix(data, at, stop, final, line_start, line_end)
            if begin < 0:
                if final:
                    at = stop
                break
        after, end, count = _row(
            data, begin, stop, final, field_end, line_end, quote, escape, width, out, used
        )
        if after < 0:
            break
        for missing in range(count, width):
            if missing:
                out[end] = _TAB
                end += 1
            out[end], out[end + 1] = _BACKSLASH, _N
            end += 2
        out[end] = _LF
        used = end + 1
        fields[rows] = count
        rows += 1
        at = after
    state[ROWS], state[NEXT], state[USED] = rows, at, used
