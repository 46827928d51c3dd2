"""Pieces of the line protocol kernels: names, values and times of a line.

Compiled into line_kernels.py; each reads from a place on and returns the place after, or one of the
errors below, which all are negative.
https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.jit import Bytes, Int64s, loop_part, part

# Kinds of columns, and of the values that they take.
TAG, TEXT, FLOAT, INTEGER, UNSIGNED, BOOLEAN = 1, 2, 3, 4, 5, 6
ESCAPED = 64  # a flag of a value: its bytes hold escapes
KIND = 63

# What is wrong with a line.
NO_MEASUREMENT, NO_TAG_KEY, NO_TAG_VALUE, NO_FIELDS, NO_FIELD_KEY = -1, -2, -3, -4, -5
NO_FIELD_VALUE, BAD_VALUE, BAD_BOOLEAN, UNTERMINATED, NUMBER_RANGE = -6, -7, -8, -9, -10
BAD_TIME, TIME_RANGE, TWICE, CONFLICT, TOO_MANY, BAD_TAG = -11, -12, -13, -14, -15, -16

COMMA, SPACE, EQUALS, NEWLINE, HASH = 44, 32, 61, 10, 35
BACKSLASH, QUOTE = 92, 34
_RETURN, _MINUS, _PLUS, _POINT, _I, _U = 13, 45, 43, 46, 105, 117
_MAX_INT64: Any = np.uint64((1 << 63) - 1)
_MIN_INT64: Any = np.uint64(1 << 63)
_MAX_UINT64: Any = np.uint64((1 << 64) - 1)
_TEN: Any = np.uint64(10)
_ZERO: Any = np.uint64(0)
_TENTH: Any = np.uint64(((1 << 64) - 1) // 10)


@part
def line_ends(data: Bytes, at: int, end: int) -> bool:
    """True at the end of a line: LF, CR LF, or the end of the data."""
    if at >= end or data[at] == NEWLINE:
        return True
    return data[at] == _RETURN and (at + 1 >= end or data[at + 1] == NEWLINE)


@part
def spaces(data: Bytes, at: int, end: int) -> int:
    """The first place from `at` on that is no space."""
    while at < end and data[at] == SPACE:
        at += 1
    return at


@loop_part
def _plain(data: Bytes, at: int, end: int) -> int:
    """The first place from `at` on at which a name may end."""
    if at < 0 or end > data.size:
        return at
    while at < end:
        byte = data[at]
        if byte <= EQUALS or byte == BACKSLASH:
            if byte in (BACKSLASH, EQUALS, COMMA):
                break
            if byte in (SPACE, NEWLINE, _RETURN):
                break
        at += 1
    return at


@part
def name(data: Bytes, at: int, end: int, equals_too: bool) -> tuple[int, int]:
    """Where a name ends that begins at `at`, and ESCAPED if it holds escapes.

    It ends before a comma, a space, the end of the line and, with `equals_too`, an equals sign. A
    backslash before one of these is an escape, any other one is itself.
    """
    flag = 0
    while True:
        at = _plain(data, at, end)
        if at >= end:
            break
        byte = data[at]
        if byte == _RETURN:
            if line_ends(data, at, end):
                break
            at += 1
        elif byte == BACKSLASH:
            at += 1
            if at < end:
                following = data[at]
                special = following in (COMMA, SPACE)
                if special or (equals_too and following == EQUALS):
                    flag = ESCAPED
                    at += 1
        elif byte == EQUALS and not equals_too:
            at += 1
        else:
            break
    return at, flag


@part
def _text(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where a text ends whose bytes begin at `at`: at its quote. UNTERMINATED without one."""
    flag = 0
    while at < end:
        byte = data[at]
        if byte == QUOTE:
            return at, flag
        if byte == BACKSLASH and at + 1 < end:
            following = data[at + 1]
            if following in (QUOTE, BACKSLASH):
                flag = ESCAPED
                at += 1
        at += 1
    return UNTERMINATED, flag


@loop_part
def _digits(data: Bytes, at: int, end: int) -> int:
    """The first place from `at` on that is no digit."""
    if at < 0 or end > data.size:
        return at
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at


@part
def _fits(data: Bytes, at: int, end: int, limit: Any) -> bool:
    """True if the digits are a number up to `limit`."""
    value = _ZERO
    for k in range(at, end):
        digit = np.uint64(data[k] - 48)
        if value > _TENTH:
            return False
        product = value * _TEN
        if product > _MAX_UINT64 - digit:
            return False
        value = product + digit
    return bool(value <= limit)


@part
def _number(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Reads a number: (the place after its digits or an error, its kind)."""
    negative = at < end and data[at] == _MINUS
    start = at + 1 if negative else at
    at = _digits(data, start, end)
    count = at - start
    whole = at
    if at < end and data[at] == _POINT:
        at = _digits(data, at + 1, end)
        count += at - whole - 1
    if count == 0:
        return BAD_VALUE, 0
    if at < end and (data[at] | 32) == 101:
        at += 1
        if at < end and (data[at] == _MINUS or data[at] == 43):
            at += 1
        digits = at
        at = _digits(data, at, end)
        if at == digits:
            return BAD_VALUE, 0
    if at < end and data[at] == _I:
        if at != whole:
            return BAD_VALUE, 0
        fits = _fits(data, start, at, _MIN_INT64 if negative else _MAX_INT64)
        return at if fits else NUMBER_RANGE, INTEGER
    if at < end and data[at] == _U:
        if at != whole or negative:
            return BAD_VALUE, 0
        return at if _fits(data, start, at, _MAX_UINT64) else NUMBER_RANGE, UNSIGNED
    return at, FLOAT


@part
def _spells(data: Bytes, at: int, word: Bytes, upper: int, rest_upper: int) -> bool:
    """True for the word with its first letter, and its others, in that case."""
    for k in range(word.size):
        case = upper if k == 0 else rest_upper
        if data[at + k] != word[k] - 32 * case:
            return False
    return True


_TRUE = np.frombuffer(b"true", np.uint8)
_FALSE = np.frombuffer(b"false", np.uint8)


@part
def _boolean(data: Bytes, at: int, end: int) -> int:
    """The place after t, T, true, True, TRUE and their opposites, or BAD_BOOLEAN."""
    start = at
    while at < end and 97 <= (data[at] | 32) <= 122:
        at += 1
    size = at - start
    first = data[start] | 32
    if size == 1 and (first == 116 or first == 102):
        return at
    word = _TRUE if first == 116 else _FALSE
    if size != word.size:
        return BAD_BOOLEAN
    if (
        _spells(data, start, word, 0, 0)
        or _spells(data, start, word, 1, 0)
        or _spells(data, start, word, 1, 1)
    ):
        return at
    return BAD_BOOLEAN


@part
def value_of(data: Bytes, at: int, end: int, found: Int64s) -> int:
    """Reads a field's value into found: start, end, kind, flag. Returns the place after it."""
    found[0], found[3] = at, 0
    if line_ends(data, at, end) or data[at] == COMMA or data[at] == SPACE:
        return NO_FIELD_VALUE
    byte = data[at]
    if byte == QUOTE:
        found[0], found[2] = at + 1, TEXT
        at, found[3] = _text(data, at + 1, end)
        found[1] = at
        return at + 1 if at >= 0 else at
    if 97 <= (byte | 32) <= 122:
        found[2] = BOOLEAN
        at = _boolean(data, at, end)
        found[1] = at
        return at
    at, kind = _number(data, at, end)
    found[1], found[2] = at, kind
    return at + 1 if at >= 0 and kind != FLOAT else at


@part
def scaled(value: int, unit: int) -> tuple[int, bool]:
    """A time in nanoseconds; unit 0 guesses the unit by its size."""
    if unit == 0:
        size = abs(value)
        if size < 5_000_000_000:
            unit = 1_000_000_000
        elif size < 5_000_000_000_000:
            unit = 1_000_000
        elif size < 5_000_000_000_000_000:
            unit = 1_000
        else:
            unit = 1
    limit = 9_223_372_036_854_775_807 // unit
    if value > limit or value < -limit:
        return 0, False
    return value * unit, True


@part
def time_of(data: Bytes, at: int, end: int, unit: int, now: int, out: Int64s) -> int:
    """Reads what may follow the fields into out[0], the time; returns the end of the line."""
    at = spaces(data, at, end)
    if line_ends(data, at, end):
        out[0] = now
        return at
    negative = data[at] == _MINUS
    start = at + 1 if negative else at
    at = _digits(data, start, end)
    if at == start:
        return BAD_TIME
    stop = at
    at = spaces(data, at, end)
    if not line_ends(data, at, end):
        return BAD_TIME
    if not _fits(data, start, stop, _MAX_INT64):
        return TIME_RANGE
    value = 0
    for k in range(start, stop):
        value = value * 10 + int(data[k] - 48)
    out[0], valid = scaled(-value if negative else value, unit)
    return at if valid else TIME_RANGE


@part
def skip_line(data: Bytes, at: int, end: int) -> int:
    """The place of the line's end."""
    while at < end and data[at] != NEWLINE:
        at += 1
    return at
