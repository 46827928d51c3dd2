"""Kernels that read PostgreSQL's binary values from cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from sql.decode.copy_kernels import big_endian
from sql.decode.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
    OUT_UINT64,
    UINT,
    Bytes,
    Int32s,
    Int64s,
    UInt64s,
    kernel,
    part,
)
from sql.decode.kernels import KIND, NULL
from sql.decode.number_kernels import RANGE, SYNTAX, times_ten

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_ZERO: Any = np.uint64(0)
_ONE: Any = np.uint64(1)
_POSITIVE, _NEGATIVE = 0x0000, 0x4000  # a numeric's sign; the others are NaN and infinities
_NAN, _PLUS_INFINITY, _MINUS_INFINITY = 0xC000, 0xD000, 0xF000


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, OUT_INT64)
def read_integers(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    width: int,
    out: Int64s,
) -> int:
    """Signed big-endian integers of `width` bytes; NULL gives 0.

    Returns -1, or the first row of another length.
    """
    for row in range(count):
        cell = first + row * step
        out[row] = 0
        if kinds[cell] & KIND != NULL:
            if ends[cell] - starts[cell] != width:
                return row
            out[row] = big_endian(data, starts[cell], width)
    return -1


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, OUT_BYTES)
def read_blocks(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    width: int,
    out: Bytes,
) -> int:
    """Copies values of `width` bytes side by side; NULL gives zeros. Returns like the above."""
    for row in range(count):
        cell = first + row * step
        null = kinds[cell] & KIND == NULL
        if not null and ends[cell] - starts[cell] != width:
            return row
        for j in range(width):
            out[row * width + j] = 0 if null else data[starts[cell] + j]
    return -1


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_BYTES, OUT_INT32)
def read_uuids(
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
    """UUIDs of 16 bytes as text. Requires: `out` holds 36 bytes a row. Returns like the above."""
    at = 0
    offsets[0] = 0
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL:
            if ends[cell] - starts[cell] != 16:
                return row
            for j in range(16):
                if j == 4 or j == 6 or j == 8 or j == 10:
                    out[at] = 45
                    at += 1
                byte = data[starts[cell] + j]
                out[at] = _HEX[byte >> 4]
                out[at + 1] = _HEX[byte & 15]
                at += 2
        offsets[row + 1] = at
    return -1


@part
def _numeric_digits(
    data: Bytes, i: int, count: int, weight: int, scale: int
) -> tuple[int, int, int]:
    """The unscaled magnitude, rounded half away: (low, high, significant digits; 99 is bad)."""
    low, high, significant = _ZERO, _ZERO, 0
    carry = False
    for index in range(count):
        group = big_endian(data, i + 2 * index, 2)
        if not 0 <= group <= 9999:
            return low, high, -1
        unit = 1000
        for place in range(3, -1, -1):
            digit = group // unit % 10
            unit //= 10
            exponent = 4 * (weight - index) + place
            if exponent >= -scale:
                low, high = times_ten(low, high, digit)
                significant += significant > 0 or digit > 0
                if significant > 38:
                    return low, high, significant
            elif exponent == -scale - 1:
                carry = digit >= 5
    left = 4 * (weight - count + 1) + scale
    while left > 0 and 0 < significant <= 38:
        low, high = times_ten(low, high, 0)
        significant += 1
        left -= 1
    if carry:
        low += _ONE
        high += _ONE if low == _ZERO else _ZERO
    return low, high, significant


@part
def _numeric(
    data: Bytes, i: int, end: int, scale: int, limit_low: int, limit_high: int
) -> tuple[int, int, int]:
    """One numeric: (low, high, code)."""
    if end - i < 8:
        return _ZERO, _ZERO, SYNTAX
    count = big_endian(data, i, 2)
    weight = big_endian(data, i + 2, 2)
    sign = big_endian(data, i + 4, 2) & 0xFFFF
    if count < 0 or end - i != 8 + 2 * count:
        return _ZERO, _ZERO, SYNTAX
    if sign in (_NAN, _PLUS_INFINITY, _MINUS_INFINITY):
        return _ZERO, _ZERO, RANGE
    if sign not in (_POSITIVE, _NEGATIVE):
        return _ZERO, _ZERO, SYNTAX
    low, high, significant = _numeric_digits(data, i + 8, count, weight, scale)
    if significant < 0:
        return _ZERO, _ZERO, SYNTAX
    if significant > 38 or high > limit_high or (high == limit_high and low >= limit_low):
        return _ZERO, _ZERO, RANGE
    if sign == _NEGATIVE:
        low = _ZERO - low
        high = ~high + (_ONE if low == _ZERO else _ZERO)
    return low, high, 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, UINT, UINT, OUT_UINT64)
def read_numerics(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    scale: int,
    limit_low: int,
    limit_high: int,
    out: UInt64s,
) -> int:
    """Numerics as Arrow's decimal128 words, like `number_kernels.parse_decimals`.

    Returns -1, or row * 4 + code for the first bad row.
    """
    for row in range(count):
        cell = first + row * step
        low, high = _ZERO, _ZERO
        if kinds[cell] & KIND != NULL:
            low, high, code = _numeric(data, starts[cell], ends[cell], scale, limit_low, limit_high)
            if code != 0:
                return row * 4 + code
        out[2 * row] = low
        out[2 * row + 1] = high
    return -1
