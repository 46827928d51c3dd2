"""Dates, times and timestamps as text: kernels that write `2024-02-29 12:30:00.5` in place.

Called by text.py. Days become civil dates by the era arithmetic of the proleptic Gregorian
calendar (https://howardhinnant.github.io/date_algorithms.html), so any 64-bit value has a text.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.datatypes import UNITS_PER_SECOND
from server.encode import zones
from server.encode.cells import Bytes, Mask, Offsets, VarCells, validity, values
from server.encode.kernel import (
    BOOL,
    INT,
    READ_INT32,
    READ_INT64,
    READ_MASK,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    kernel,
)
from server.encode.style import TextStyle

_WIDTH_MAX = 48  # +292277026596-12-04 15:30:08.123456789+00:19:32 BC
ERA_DAYS = -719162  # 0001-01-01
_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_NO_MASK = np.zeros(0, np.bool_)
_NO_SHIFT = np.zeros(0, np.int32)


def timestamp_text(array: pa.Array, unit: str, style: TextStyle, *, zoned: bool) -> VarCells:
    """Timestamps stored in UTC, shown in the style's time zone; `zoned` adds the offset.

    Raises: DbError INVALID_ARGUMENT when the time zone is unknown.
    """
    utc = values(array, np.int64)
    local = zones.local(utc, UNITS_PER_SECOND[unit], style.timezone)
    shifts = _NO_SHIFT
    if zoned and style.zone_suffix:
        shifts = ((local - utc) // UNITS_PER_SECOND[unit]).astype(np.int32)
    digits = min(_UNIT_DIGITS[unit], style.fraction_digits)
    out, offsets = _room(len(array))
    valid = validity(array)
    _timestamps(
        out,
        offsets,
        local,
        _NO_MASK if valid is None else valid,
        shifts,
        UNITS_PER_SECOND[unit],
        digits,
        style.trim_fraction,
        style.era,
    )
    return VarCells(offsets, out, valid)


def date_text(array: pa.Array, style: TextStyle) -> VarCells:
    """Dates stored as days since 1970-01-01."""
    out, offsets = _room(len(array))
    valid = validity(array)
    _dates(out, offsets, values(array, np.int32), _NO_MASK if valid is None else valid, style.era)
    return VarCells(offsets, out, valid)


def time_text(array: pa.Array, style: TextStyle) -> VarCells:
    """Times of day stored as microseconds."""
    out, offsets = _room(len(array))
    valid = validity(array)
    digits = min(6, style.fraction_digits)
    mask = _NO_MASK if valid is None else valid
    _times(out, offsets, values(array, np.int64), mask, digits, style.trim_fraction)
    return VarCells(offsets, out, valid)


def _room(rows: int) -> tuple[Bytes, Offsets]:
    return np.empty(rows * _WIDTH_MAX, np.uint8), np.zeros(rows + 1, np.int32)


@kernel(INT(WRITE_BYTES, INT, INT, INT))
def put_digits(out: Bytes, at: int, number: int, width: int) -> int:
    """Writes a number >= 0 with at least `width` digits; returns the position after it."""
    count = 1
    limit = 10
    while count < 19 and number >= limit:  # 10^19 is beyond 64 bits
        count += 1
        limit *= 10
    count = max(count, width)
    for k in range(count - 1, -1, -1):
        out[at + k] = 48 + number % 10
        number //= 10
    return at + count


@kernel(INT(WRITE_BYTES, INT, INT))
def _put_two(out: Bytes, at: int, number: int) -> int:
    out[at] = 48 + number // 10
    out[at + 1] = 48 + number % 10
    return at + 2


@kernel(INT(WRITE_BYTES, INT, INT, BOOL))
def put_date(out: Bytes, at: int, days: int, era: bool) -> int:
    """Writes YYYY-MM-DD; the sign of the year, if any, first (or left to the ` BC` suffix)."""
    z = days + 719468
    cycle = z // 146097  # 400 years
    day_of_cycle = z - cycle * 146097
    year_of_cycle = (
        day_of_cycle - day_of_cycle // 1460 + day_of_cycle // 36524 - day_of_cycle // 146096
    ) // 365
    day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle // 4 - year_of_cycle // 100)
    month_index = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    year = year_of_cycle + cycle * 400 + (1 if month <= 2 else 0)
    if year <= 0:
        if era:
            year = 1 - year
        elif year < 0:
            out[at] = 45
            at += 1
            year = -year
    elif year > 9999 and not era:  # ISO 8601: longer years have a sign
        out[at] = 43
        at += 1
    at = put_digits(out, at, year, 4)
    out[at] = 45
    at = _put_two(out, at + 1, month)
    out[at] = 45
    return _put_two(out, at + 1, day)


@kernel(INT(WRITE_BYTES, INT, INT, INT, BOOL))
def put_fraction(out: Bytes, at: int, part: int, digits: int, trim: bool) -> int:
    """Writes `.123` for part / 10^digits of a second, without trailing zeros if `trim`."""
    if digits == 0 or (trim and part == 0):
        return at
    out[at] = 46
    for k in range(digits, 0, -1):
        out[at + k] = 48 + part % 10
        part //= 10
    at += digits + 1
    if trim:
        while out[at - 1] == 48:
            at -= 1
    return at


@kernel(INT(WRITE_BYTES, INT, INT))
def _put_clock(out: Bytes, at: int, second_of_day: int) -> int:
    at = _put_two(out, at, second_of_day // 3600)
    out[at] = 58
    at = _put_two(out, at + 1, second_of_day // 60 % 60)
    out[at] = 58
    return _put_two(out, at + 1, second_of_day % 60)


@kernel(INT(WRITE_BYTES, INT, INT, INT, INT, BOOL))
def put_clock_text(
    out: Bytes, at: int, second_of_day: int, part: int, digits: int, trim: bool
) -> int:
    """Writes ` 12:30:00.5` for a second of a day and part / 10^digits of a second."""
    out[at] = 32
    at = _put_clock(out, at + 1, second_of_day)
    return put_fraction(out, at, part, digits, trim)


@kernel(INT(WRITE_BYTES, INT, INT))
def _put_offset(out: Bytes, at: int, shift: int) -> int:
    """Writes `+08`, `+05:30` or `+00:19:32`."""
    out[at] = 45 if shift < 0 else 43
    shift = abs(shift)
    at = _put_two(out, at + 1, shift // 3600)
    if shift % 3600:
        out[at] = 58
        at = _put_two(out, at + 1, shift // 60 % 60)
    if shift % 60:
        out[at] = 58
        at = _put_two(out, at + 1, shift % 60)
    return at


@kernel(INT(WRITE_BYTES, INT, BOOL))
def _put_infinity(out: Bytes, at: int, negative: bool) -> int:
    if negative:
        out[at] = 45
        at += 1
    for letter in (105, 110, 102, 105, 110, 105, 116, 121):
        out[at] = letter
        at += 1
    return at


@kernel(INT(WRITE_BYTES, INT))
def _put_bc(out: Bytes, at: int) -> int:
    for letter in (32, 66, 67):
        out[at] = letter
        at += 1
    return at


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_INT64, READ_MASK, READ_INT32, INT, INT, BOOL, BOOL))
def _timestamps(
    out: Bytes,
    offsets: Offsets,
    local: npt.NDArray[np.int64],
    valid: Mask,
    shifts: npt.NDArray[np.int32],
    unit: int,
    digits: int,
    trim: bool,
    era: bool,
) -> None:
    at = 0
    cut = unit
    for _ in range(digits):
        cut //= 10
    last_days = -1  # neighbours often share their day: its text is then copied
    date_at = 0
    date_size = 0
    for row in range(local.size):
        value = local[row]
        if valid.size and not valid[row]:
            pass
        elif value >= 9223372036854775807 or value <= -9223372036854775807:
            at = _put_infinity(out, at, value < 0)
        else:
            seconds = value // unit
            days = seconds // 86400
            if days == last_days and date_size:
                for k in range(date_size):
                    out[at + k] = out[date_at + k]
                date_at = at
                at += date_size
            else:
                date_at = at
                at = put_date(out, at, days, era)
                date_size = at - date_at
                last_days = days
            part = (value - seconds * unit) // cut
            at = put_clock_text(out, at, seconds - days * 86400, part, digits, trim)
            if shifts.size:
                at = _put_offset(out, at, shifts[row])
            if era and days < ERA_DAYS:
                at = _put_bc(out, at)
        offsets[row + 1] = at


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_INT32, READ_MASK, BOOL))
def _dates(
    out: Bytes, offsets: Offsets, days: npt.NDArray[np.int32], valid: Mask, era: bool
) -> None:
    at = 0
    for row in range(days.size):
        day = int(days[row])
        if valid.size and not valid[row]:
            pass
        elif day >= 2147483647 or day <= -2147483647:
            at = _put_infinity(out, at, day < 0)
        else:
            at = put_date(out, at, day, era)
            if era and day < ERA_DAYS:
                at = _put_bc(out, at)
        offsets[row + 1] = at


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_INT64, READ_MASK, INT, BOOL))
def _times(
    out: Bytes,
    offsets: Offsets,
    micros: npt.NDArray[np.int64],
    valid: Mask,
    digits: int,
    trim: bool,
) -> None:
    at = 0
    cut = 1000000
    for _ in range(digits):
        cut //= 10
    for row in range(micros.size):
        if not valid.size or valid[row]:
            second = micros[row] // 1000000
            at = _put_clock(out, at, second)
            part = (micros[row] - second * 1000000) // cut
            at = put_fraction(out, at, part, digits, trim)
        offsets[row + 1] = at
