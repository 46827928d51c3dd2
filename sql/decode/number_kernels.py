"""Kernels that read numbers and booleans from cells, by PostgreSQL's input rules.

Those that can fail return -1, or row * 4 + code for the first bad row (see `cells.BAD`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sql.decode.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_BYTES,
    OUT_UINT64,
    UINT,
    Bytes,
    Int32s,
    UInt64s,
    kernel,
    part,
)
from sql.decode.kernels import DECIMAL, FALSE, INTEGER, KIND, NULL, TRUE, hex_value, is_digit

SYNTAX, RANGE = 1, 2

# Unsigned words. Kernels that mix them with plain (signed) integers would compute in floats.
_ZERO: Any = np.uint64(0)
_ONE: Any = np.uint64(1)
_TEN: Any = np.uint64(10)
_LOW32: Any = np.uint64(0xFFFFFFFF)
_SHIFT32: Any = np.uint64(32)
_MAX_UINT64: Any = np.uint64(0xFFFFFFFFFFFFFFFF)


@part
def trim(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """The slice without white space around it."""
    while i < end and (data[i] == 32 or 9 <= data[i] <= 13):
        i += 1
    while i < end and (data[end - 1] == 32 or 9 <= data[end - 1] <= 13):
        end -= 1
    return i, end


@part
def _radix(data: Bytes, i: int, end: int) -> int:
    """16, 8 or 2 after a prefix 0x, 0o or 0b; else 10."""
    if i + 2 < end and data[i] == 48:
        letter = data[i + 1] | 32
        if letter == 120:
            return 16
        if letter == 111:
            return 8
        if letter == 98:
            return 2
    return 10


@part
def _magnitude(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """The unsigned number of unusual spelling (radix, `_`) in the whole slice: (value, code)."""
    radix = _radix(data, i, end)
    value = _ZERO
    if radix != 10:
        i += 2
    elif i < end and not is_digit(data[i]):
        return _ZERO, SYNTAX
    if i >= end:
        return _ZERO, SYNTAX
    code = 0
    limit = _MAX_UINT64 // np.uint64(radix)
    while i < end:
        if data[i] == 95 and i + 1 < end:
            i += 1
        digit = hex_value(data[i])
        if digit < 0 or digit >= radix:
            return _ZERO, SYNTAX
        product = value * np.uint64(radix)
        if value > limit or product + np.uint64(digit) < product:
            code = RANGE
        value = product + np.uint64(digit)
        i += 1
    return value, code


@part
def integer(data: Bytes, i: int, end: int) -> tuple[int, bool, int]:
    """A whole slice as an integer: (magnitude, negative, code)."""
    i, end = trim(data, i, end)
    negative = False
    if i < end and (data[i] == 45 or data[i] == 43):
        negative = data[i] == 45
        i += 1
    if i >= end:
        return _ZERO, negative, SYNTAX
    if end - i > 18:
        value, code = _magnitude(data, i, end)
        return value, negative, code
    value = _ZERO
    for j in range(i, end):
        if not is_digit(data[j]):
            value, code = _magnitude(data, i, end)
            return value, negative, code
        value = value * _TEN + np.uint64(data[j] - 48)
    return value, negative, 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, UINT, UINT, INT, OUT_UINT64)
def parse_integers(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    lowest: int,
    highest: int,
    skip_decimals: int,
    out: UInt64s,
) -> int:
    """Integers of magnitude up to `highest`, or `lowest` when negative, in two's complement.

    Cells of kind DECIMAL give 0 when `skip_decimals` is set. NULL gives 0.
    """
    for row in range(count):
        cell = first + row * step
        kind = kinds[cell] & KIND
        if kind == NULL or (skip_decimals and kind == DECIMAL):
            out[row] = _ZERO
            continue
        value, negative, code = integer(data, starts[cell], ends[cell])
        if code == 0 and value > (lowest if negative else highest):
            code = RANGE
        if code != 0:
            return row * 4 + code
        out[row] = _ZERO - value if negative else value
    return -1


@part
def read_exponent(data: Bytes, i: int, end: int) -> tuple[int, bool]:
    """The exponent from the byte after `e` to the end: (value, valid). Clamped to ±100000."""
    negative = False
    if i < end and (data[i] == 45 or data[i] == 43):
        negative = data[i] == 45
        i += 1
    if i >= end:
        return 0, False
    value = 0
    while i < end:
        if not is_digit(data[i]):
            return 0, False
        value = min(value * 10 + (data[i] - 48), 100_000)
        i += 1
    return (-value if negative else value), True


@part
def times_ten(low: int, high: int, digit: int) -> tuple[int, int]:
    """A 128-bit number times ten plus a digit."""
    part0 = (low & _LOW32) * _TEN + np.uint64(digit)
    part1 = (low >> _SHIFT32) * _TEN + (part0 >> _SHIFT32)
    return (part1 << _SHIFT32) | (part0 & _LOW32), high * _TEN + (part1 >> _SHIFT32)


@part
def _decimal_shape(data: Bytes, i: int, end: int) -> tuple[int, int, int]:
    """Where an unsigned decimal's digits end and how many they are: (end, digits, power or -1e6).

    The number is its digits as an integer times ten to the power.
    """
    digits, power, point = 0, 0, False
    while i < end:
        byte = data[i]
        if is_digit(byte):
            digits += 1
            power -= point
        elif byte == 46 and not point:
            point = True
        else:
            break
        i += 1
    stop = i
    if i < end:
        if (data[i] | 32) != 101:
            return stop, digits, -1_000_000
        exponent, valid = read_exponent(data, i + 1, end)
        if not valid:
            return stop, digits, -1_000_000
        power += exponent
    return stop, digits, power


@part
def _unscaled(data: Bytes, i: int, end: int, keep: int) -> tuple[int, int, int]:
    """The first `keep` digits as a 128-bit integer, rounded half away: (low, high, digits)."""
    low, high, significant, index = _ZERO, _ZERO, 0, 0
    carry = False
    for j in range(i, end):
        if data[j] == 46:
            continue
        digit = data[j] - 48
        if index == keep:
            carry = digit >= 5
        if index >= keep:
            break
        low, high = times_ten(low, high, digit)
        significant += significant > 0 or digit > 0
        if significant > 38:
            return low, high, significant
        index += 1
    while index < keep and significant > 0 and significant <= 38:
        low, high = times_ten(low, high, 0)
        significant += 1
        index += 1
    if carry:
        low += _ONE
        high += _ONE if low == _ZERO else _ZERO
    return low, high, significant


@part
def _decimal(
    data: Bytes, i: int, end: int, scale: int, limit_low: int, limit_high: int
) -> tuple[int, int, int]:
    """A whole slice as an unscaled 128-bit decimal: (low, high, code)."""
    i, end = trim(data, i, end)
    negative = False
    if i < end and (data[i] == 45 or data[i] == 43):
        negative = data[i] == 45
        i += 1
    stop, digits, power = _decimal_shape(data, i, end)
    if digits == 0 or power == -1_000_000:
        return _ZERO, _ZERO, SYNTAX
    low, high, significant = _unscaled(data, i, stop, digits + power + scale)
    too_large = high > limit_high or (high == limit_high and low >= limit_low)
    if significant > 38 or too_large:
        return low, high, RANGE
    if negative:
        low = _ZERO - low
        high = ~high + (_ONE if low == _ZERO else _ZERO)
    return low, high, 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, INT, UINT, UINT, OUT_UINT64)
def parse_decimals(
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
    """Decimals of the given scale, rounded half away from zero, as Arrow's decimal128 words.

    A magnitude of `limit` (10 ** precision, in two words) or more is out of range. NULL gives 0.
    """
    for row in range(count):
        cell = first + row * step
        low, high = _ZERO, _ZERO
        if kinds[cell] & KIND != NULL:
            low, high, code = _decimal(data, starts[cell], ends[cell], scale, limit_low, limit_high)
            if code != 0:
                return row * 4 + code
        out[2 * row] = low
        out[2 * row + 1] = high
    return -1


@part
def _begins(data: Bytes, i: int, end: int, word: Bytes) -> bool:
    """True if the slice is a non-empty prefix of the lower-case word, in any case."""
    if end - i > len(word):
        return False
    for j in range(end - i):  # noqa: SIM110 (kernels have no generators)
        if (data[i + j] | 32) != word[j]:
            return False
    return True


_TRUE = np.frombuffer(b"true", np.uint8)
_FALSE = np.frombuffer(b"false", np.uint8)
_YES = np.frombuffer(b"yes", np.uint8)
_NO = np.frombuffer(b"no", np.uint8)
_ON = np.frombuffer(b"on", np.uint8)
_OFF = np.frombuffer(b"off", np.uint8)


@part
def _boolean(data: Bytes, i: int, end: int) -> int:
    """1, 0, or -1 for what is no boolean."""
    i, end = trim(data, i, end)
    if end - i == 1 and (data[i] == 49 or data[i] == 48):
        return 1 if data[i] == 49 else 0
    if i >= end:
        return -1
    if _begins(data, i, end, _TRUE) or _begins(data, i, end, _YES):
        return 1
    if _begins(data, i, end, _FALSE) or _begins(data, i, end, _NO):
        return 0
    if end - i > 1 and _begins(data, i, end, _ON):
        return 1
    if end - i > 1 and _begins(data, i, end, _OFF):
        return 0
    return -1


@part
def _any_digit(data: Bytes, i: int, end: int) -> int:
    """1 if a digit other than 0 is in the slice."""
    for j in range(i, end):
        if 49 <= data[j] <= 57:
            return 1
    return 0


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_BYTES)
def parse_booleans(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Bytes,
) -> int:
    """Booleans as bytes 0 and 1. A cell of kind INTEGER is true unless it is zero."""
    for row in range(count):
        cell = first + row * step
        kind = kinds[cell] & KIND
        value = 0
        if kind == TRUE:
            value = 1
        elif kind == INTEGER:
            value = _any_digit(data, starts[cell], ends[cell])
        elif kind != NULL and kind != FALSE:
            value = _boolean(data, starts[cell], ends[cell])
        if value < 0:
            return row * 4 + SYNTAX
        out[row] = value
    return -1
