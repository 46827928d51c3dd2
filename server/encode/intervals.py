"""Intervals of months, days and nanoseconds as text, in PostgreSQL's and in ISO 8601's way.

Called by text.py. https://www.postgresql.org/docs/current/datatype-datetime.html (interval output)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from server.encode.cells import Bytes, Mask, Offsets, VarCells, validity, values
from server.encode.kernel import (
    INT,
    READ_INT64,
    READ_MASK,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    array_kernel,
    kernel,
)
from server.encode.numbers import put_bytes
from server.encode.style import IntervalText, TextStyle
from server.encode.times import put_digits, put_fraction

_WIDTH_MAX = 96
_NO_MASK = np.zeros(0, np.bool_)
_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])


def interval_text(array: pa.Array, style: TextStyle) -> VarCells:
    """Months, days and nanoseconds in the style's interval format."""
    months, days, nanos = interval_parts(array)
    out = np.empty(len(array) * _WIDTH_MAX, np.uint8)
    offsets = np.zeros(len(array) + 1, np.int32)
    valid = validity(array)
    write = _intervals if style.interval is IntervalText.POSTGRES else _iso_intervals
    write(
        out,
        offsets,
        months,
        days,
        nanos,
        _NO_MASK if valid is None else valid,
        style.fraction_digits,
    )
    return VarCells(offsets, out, valid)


def interval_parts(array: pa.Array) -> tuple[Any, Any, Any]:
    """The months, days and nanoseconds of an interval array, as int64."""
    parts = values(array, _INTERVAL)
    return tuple(parts[name].astype(np.int64) for name in ("months", "days", "nanos"))  # type: ignore[return-value]


_INTERVAL_SIGNATURE = VOID(
    WRITE_BYTES, WRITE_INT32, READ_INT64, READ_INT64, READ_INT64, READ_MASK, INT
)


@kernel("int64(uint8[::1], int64, int64, Array(uint8, 1, 'C', readonly=True), boolean, boolean)")
def _put_part(out: Bytes, at: int, value: int, unit: Bytes, is_first: bool, is_before: bool) -> int:
    """One ` -2 mons` of PostgreSQL's style: a plus sign follows a negative part."""
    if not is_first:
        out[at] = 32
        at += 1
    if value < 0:
        out[at] = 45
        at += 1
    elif is_before:
        out[at] = 43
        at += 1
    at = put_digits(out, at, abs(value), 1)
    at = put_bytes(out, at, unit)
    if value != 1:
        out[at] = 115
        at += 1
    return at


@kernel("int64(uint8[::1], int64, int64, boolean, boolean, boolean, int64)")
def _put_clock(
    out: Bytes, at: int, nanos: int, negative: bool, is_first: bool, is_before: bool, digits: int
) -> int:
    """The ` -04:05:06.789` of PostgreSQL's style; nanos >= 0."""
    if not is_first:
        out[at] = 32
        at += 1
    if negative:
        out[at] = 45
        at += 1
    elif is_before:
        out[at] = 43
        at += 1
    second = nanos // 1000000000
    cut = 1000000000
    for _ in range(digits):
        cut //= 10
    at = put_digits(out, at, second // 3600, 2)
    out[at] = 58
    at = put_digits(out, at + 1, second // 60 % 60, 2)
    out[at] = 58
    at = put_digits(out, at + 1, second % 60, 2)
    return put_fraction(out, at, nanos % 1000000000 // cut, digits, True)


@array_kernel(_INTERVAL_SIGNATURE)
def _intervals(
    out: Bytes,
    offsets: Offsets,
    months: npt.NDArray[np.int64],
    days: npt.NDArray[np.int64],
    nanos: npt.NDArray[np.int64],
    valid: Mask,
    digits: int,
) -> None:
    units = (
        np.array([32, 121, 101, 97, 114], np.uint8),  # ' year'
        np.array([32, 109, 111, 110], np.uint8),  # ' mon'
        np.array([32, 100, 97, 121], np.uint8),  # ' day'
    )
    at = 0
    for row in range(months.size):
        if not valid.size or valid[row]:
            size = abs(int(months[row]))
            sign = -1 if months[row] < 0 else 1
            parts = (sign * (size // 12), sign * (size % 12), int(days[row]))
            is_first = True
            is_before = False
            for k in range(3):
                if parts[k] != 0:
                    at = _put_part(out, at, parts[k], units[k], is_first, is_before)
                    is_first = False
                    is_before = parts[k] < 0
            time = abs(nanos[row])
            if digits < 9:
                time -= time % 1000  # PostgreSQL knows microseconds only
            if is_first or time != 0:
                negative = nanos[row] < 0 and time != 0
                at = _put_clock(out, at, time, negative, is_first, is_before, digits)
        offsets[row + 1] = at


@kernel("int64(uint8[::1], int64, int64, int64)")
def _put_iso(out: Bytes, at: int, value: int, letter: int) -> int:
    if value == 0:
        return at
    if value < 0:
        out[at] = 45
        at += 1
    at = put_digits(out, at, abs(value), 1)
    out[at] = letter
    return at + 1


@kernel(_INTERVAL_SIGNATURE)
def _iso_intervals(
    out: Bytes,
    offsets: Offsets,
    months: npt.NDArray[np.int64],
    days: npt.NDArray[np.int64],
    nanos: npt.NDArray[np.int64],
    valid: Mask,
    digits: int,
) -> None:
    at = 0
    for row in range(months.size):
        if not valid.size or valid[row]:
            out[at] = 80  # P
            at += 1
            size = abs(int(months[row]))
            sign = -1 if months[row] < 0 else 1
            at = _put_iso(out, at, sign * (size // 12), 89)
            at = _put_iso(out, at, sign * (size % 12), 77)
            at = _put_iso(out, at, int(days[row]), 68)
            time = abs(nanos[row])
            if time != 0 or (size == 0 and days[row] == 0):
                out[at] = 84  # T
                at += 1
                sign = -1 if nanos[row] < 0 else 1
                second = time // 1000000000
                at = _put_iso(out, at, sign * (second // 3600), 72)
                at = _put_iso(out, at, sign * (second // 60 % 60), 77)
                if time % 60000000000 != 0 or time == 0:
                    if sign < 0:
                        out[at] = 45
                        at += 1
                    at = put_digits(out, at, second % 60, 1)
                    at = put_fraction(out, at, time % 1000000000, 9, True)
                    out[at] = 83  # S
                    at += 1
        offsets[row + 1] = at
