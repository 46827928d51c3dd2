"""Kernels that read timestamps, dates and times of day from cells (ISO 8601, RFC 3339).

Each row gets a status: 0, or NAIVE when the text gave no offset, or SYNTAX / RANGE when bad. What
is bad here may still be a spelling that `times.py` knows (`now`, a zone by name).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sql.decode.jit import (
    BYTES,
    INT,
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
from sql.decode.kernels import KIND, NULL, is_digit, skip_digits, skip_space
from sql.decode.number_kernels import RANGE, SYNTAX, integer, trim

NAIVE = 4
DAY = 86_400
MAX_YEAR = 262_143
_POWERS = np.array([10**n for n in range(10)], np.int64)
_MAX_INT64: Any = np.uint64(0x7FFFFFFFFFFFFFFF)


@part
def _digits(data: Bytes, i: int, end: int, most: int) -> tuple[int, int]:
    """Up to `most` digits: (value or -1 without any, next)."""
    value = -1
    stop = min(i + most, end)
    while i < stop and is_digit(data[i]):
        value = max(value, 0) * 10 + (data[i] - 48)
        i += 1
    return value, i


@part
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar; the year 0 is 1 BC."""
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    shifted = month - 3 if month > 2 else month + 9
    of_year = (153 * shifted + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@part
def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@part
def _checked_days(year: int, month: int, day: int) -> tuple[int, int]:
    """(days, code) of a date that may not exist."""
    if not -MAX_YEAR <= year <= MAX_YEAR or not 1 <= month <= 12:
        return 0, RANGE
    if not 1 <= day <= _month_length(year, month):
        return 0, RANGE
    return _days(year, month, day), 0


@part
def _era(data: Bytes, i: int, end: int) -> tuple[int, bool]:
    """The end without ` BC` or ` AD` and the space before it, and whether it is BC."""
    if end - i < 8 or (data[end - 3] != 32 and not is_digit(data[end - 3])):
        return end, False
    first, second = data[end - 2] | 32, data[end - 1] | 32
    is_bc = first == 98 and second == 99
    if not is_bc and not (first == 97 and second == 100):
        return end, False
    end -= 2
    while end > i and data[end - 1] == 32:
        end -= 1
    return end, is_bc


@part
def _date(data: Bytes, i: int, end: int, is_bc: bool) -> tuple[int, int, int]:
    """A date, its year with or without a sign: (days, next, code)."""
    sign = 0
    if i < end and (data[i] == 45 or data[i] == 43):
        sign = -1 if data[i] == 45 else 1
        i += 1
    year, after = _digits(data, i, end, 6)
    if after - i < 4 or after >= end or (data[after] != 45 and data[after] != 47):
        return 0, i, SYNTAX
    separator = data[after]
    month, i = _digits(data, after + 1, end, 2)
    if month < 0 or i >= end or data[i] != separator:
        return 0, i, SYNTAX
    day, i = _digits(data, i + 1, end, 2)
    if day < 0 or (i < end and is_digit(data[i])):
        return 0, i, SYNTAX
    if sign == 0 and year == 0:  # a year without a sign counts from 1, BC or AD
        return 0, i, RANGE
    if is_bc:
        year = 1 - year
    elif sign < 0:
        year = -year
    days, code = _checked_days(year, month, day)
    return days, i, code


@part
def _fraction(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Digits after a point as nanoseconds, rounded: (0 to 1_000_000_000, next)."""
    value, first = 0, i
    stop = min(i + 9, end)
    while i < stop and is_digit(data[i]):
        value = value * 10 + (data[i] - 48)
        i += 1
    value *= _POWERS[9 - (i - first)]
    if i < end and 53 <= data[i] <= 57:
        value += 1
    return value, skip_digits(data, i, end)


@part
def _clock(data: Bytes, i: int, end: int) -> tuple[int, int, int, int]:
    """A time of day HH:MM[:SS[.f]]: (seconds, nanoseconds, next, code)."""
    hour, i = _digits(data, i, end, 2)
    if hour < 0 or i >= end or data[i] != 58:
        return 0, 0, i, SYNTAX
    minute, i = _digits(data, i + 1, end, 2)
    if minute < 0 or (i < end and is_digit(data[i])):
        return 0, 0, i, SYNTAX
    second, nanos = 0, 0
    if i < end and data[i] == 58:
        second, i = _digits(data, i + 1, end, 2)
        if second < 0 or (i < end and is_digit(data[i])):
            return 0, 0, i, SYNTAX
        if i < end and (data[i] == 46 or data[i] == 44):
            nanos, i = _fraction(data, i + 1, end)
    seconds = hour * 3600 + minute * 60 + second
    late = hour > 24 or (hour == 24 and (seconds != DAY or nanos != 0))
    if late or minute > 59 or second > 60:
        return 0, 0, i, RANGE
    return seconds, nanos, i, 0


@part
def _offset(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """±HH[:MM[:SS]] or ±HHMM from its sign to the end: (seconds east, code)."""
    sign = -1 if data[i] == 45 else 1
    hour, i = _digits(data, i + 1, end, 2)
    minute, second = 0, 0
    if i < end:
        if data[i] == 58:
            i += 1
        minute, i = _digits(data, i, end, 2)
    if i < end and data[i] == 58:
        second, i = _digits(data, i + 1, end, 2)
    if i != end or hour < 0 or minute < 0 or second < 0:
        return 0, SYNTAX
    if hour > 15 or minute > 59 or second > 59:
        return 0, RANGE
    return sign * (hour * 3600 + minute * 60 + second), 0


@part
def _zone(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """What follows a time, to the end: (seconds east of UTC, 0 or NAIVE or a code)."""
    i = skip_space(data, i, end)
    if i >= end:
        return 0, NAIVE
    if data[i] == 43 or data[i] == 45:
        return _offset(data, i, end)
    if end - i == 1 and (data[i] | 32) == 122:
        return 0, 0
    utc = end - i == 3 and (data[i] | 32) == 117 and (data[i + 1] | 32) == 116
    if utc and (data[i + 2] | 32) == 99:
        return 0, 0
    return 0, SYNTAX


@part
def _pair(data: Bytes, i: int) -> int:
    """Two digits; far below zero if they are none."""
    value = -100_000
    if is_digit(data[i]) and is_digit(data[i + 1]):
        value = (data[i] - 48) * 10 + (data[i + 1] - 48)
    return value


@part
def _usual(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    """`YYYY-MM-DD HH:MM:SS…` like `_datetime`, but SYNTAX for whatever is unusual or bad."""
    if end - i < 19 or data[i + 4] != 45 or data[i + 7] != 45:
        return 0, 0, SYNTAX
    if data[i + 13] != 58 or data[i + 16] != 58 or (data[i + 10] != 32 and data[i + 10] != 84):
        return 0, 0, SYNTAX
    hour, minute, second = _pair(data, i + 11), _pair(data, i + 14), _pair(data, i + 17)
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
        return 0, 0, SYNTAX
    year = _pair(data, i) * 100 + _pair(data, i + 2)
    days, code = _checked_days(year, _pair(data, i + 5), _pair(data, i + 8))
    if code != 0 or year < 1:
        return 0, 0, SYNTAX
    nanos = 0
    i += 19
    if i < end and data[i] == 46:
        nanos, i = _fraction(data, i + 1, end)
    offset, status = _zone(data, i, end)
    return days * DAY + hour * 3600 + minute * 60 + second - offset, nanos, status


@part
def _datetime(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    """A whole slice as a date and time: (seconds since the epoch, nanoseconds, status)."""
    end, is_bc = _era(data, i, end)
    days, i, code = _date(data, i, end, is_bc)
    if code != 0:
        return 0, 0, code
    seconds, nanos = 0, 0
    if i < end and (data[i] == 32 or (data[i] | 32) == 116):
        mark = data[i]
        after = skip_space(data, i + 1, end) if mark == 32 else i + 1
        if after < end and is_digit(data[after]):
            seconds, nanos, i, code = _clock(data, after, end)
            if code != 0:
                return 0, 0, code
        elif mark != 32:
            return 0, 0, SYNTAX
    offset, status = _zone(data, i, end)
    return days * DAY + seconds - offset, nanos, status


@part
def _only_digits(data: Bytes, i: int, end: int) -> bool:
    """True for an optional sign and digits only."""
    if i < end and (data[i] == 45 or data[i] == 43):
        i += 1
    return i < end and skip_digits(data, i, end) == end


@part
def _epoch(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """A whole slice of digits as a signed 64-bit integer: (value, code)."""
    magnitude, negative, code = integer(data, i, end)
    if code != 0 or magnitude > _MAX_INT64:
        return 0, RANGE
    value: Any = np.int64(magnitude)
    return (-value if negative else value), 0


@part
def _timestamp(data: Bytes, i: int, end: int, per_second: int) -> tuple[int, int]:
    """A whole slice as a timestamp in units: (value, status)."""
    i, end = trim(data, i, end)
    if _only_digits(data, i, end):
        return _epoch(data, i, end)
    seconds, nanos, status = _usual(data, i, end)
    if status not in (0, NAIVE):
        seconds, nanos, status = _datetime(data, i, end)
    if status != 0 and status != NAIVE:
        return 0, status
    margin = DAY if status == NAIVE else 0  # leaves room for any zone's offset
    most = 9_223_372_036_854_775_807 // per_second - margin
    if not -most < seconds < most:
        return 0, RANGE
    step = 1_000_000_000 // per_second
    return seconds * per_second + (nanos + step // 2) // step, status


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, OUT_INT64, OUT_BYTES)
def parse_timestamps(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    per_second: int,
    out: Int64s,
    status: Bytes,
) -> int:
    """Timestamps in units since 1970; integers are taken as such. Naive ones as if in UTC.

    Returns: all statuses or-ed together. NULL gives 0.
    """
    together = 0
    for row in range(count):
        cell = first + row * step
        out[row] = 0
        status[row] = 0
        if kinds[cell] & KIND != NULL:
            value, code = _timestamp(data, starts[cell], ends[cell], per_second)
            out[row] = value
            status[row] = code
            together |= code
    return together


@part
def _date_only(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """A whole slice as a date, its time of day dropped: (days, status)."""
    i, end = trim(data, i, end)
    if end - i == 8 and skip_digits(data, i, end) == end:
        year, i = _digits(data, i, end, 4)
        month, i = _digits(data, i, end, 2)
        day, i = _digits(data, i, end, 2)
        if year < 1:
            return 0, RANGE
        return _checked_days(year, month, day)
    _, _, status = _datetime(data, i, end)
    if status != 0 and status != NAIVE:
        return 0, status
    end, is_bc = _era(data, i, end)
    days, _, _ = _date(data, i, end, is_bc)
    return days, 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_INT32, OUT_BYTES)
def parse_dates(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Int32s,
    status: Bytes,
) -> int:
    """Days since 1970. Returns: all statuses or-ed together."""
    together = 0
    for row in range(count):
        cell = first + row * step
        out[row] = 0
        status[row] = 0
        if kinds[cell] & KIND != NULL:
            days, code = _date_only(data, starts[cell], ends[cell])
            out[row] = days
            status[row] = code
            together |= code
    return together


@part
def _time_of_day(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """A whole slice as a time of day in microseconds, its offset dropped: (value, status)."""
    i, end = trim(data, i, end)
    if i < end and (data[i] | 32) == 116:
        i += 1
    seconds, nanos, i, code = _clock(data, i, end)
    if code != 0:
        return 0, code
    _, status = _zone(data, i, end)
    if status != 0 and status != NAIVE:
        return 0, status
    micros = seconds * 1_000_000 + (nanos + 500) // 1000
    if micros >= DAY * 1_000_000:
        return 0, RANGE
    return micros, 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_INT64, OUT_BYTES)
def parse_times(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Int64s,
    status: Bytes,
) -> int:
    """Microseconds since midnight. Returns: all statuses or-ed together."""
    together = 0
    for row in range(count):
        cell = first + row * step
        out[row] = 0
        status[row] = 0
        if kinds[cell] & KIND != NULL:
            value, code = _time_of_day(data, starts[cell], ends[cell])
            out[row] = value
            status[row] = code
            together |= code
    return together
