"""The kernel that reads floats from cells, correctly rounded.

Decimal digits and a power of ten become a binary64 by one or two multiplications with a table of
powers of five. Source: D. Lemire, "Number Parsing at a Gigabyte per Second" (2021), which follows
an algorithm of M. Eisel. The rare cases it leaves open go to Arrow (see numbers.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.jit import multiply_high
from sql.decode.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_BYTES,
    OUT_UINT64,
    Bytes,
    Int32s,
    UInt64s,
    kernel,
    part,
)
from sql.decode.kernels import KIND, NULL, is_digit
from sql.decode.number_kernels import read_exponent

_SMALLEST, _LARGEST = -342, 308  # powers of ten that may matter
_WORD = (1 << 64) - 1


def _powers_of_five() -> Any:
    """The leading 128 bits of 5 ** q for each power, in pairs of words, high word first."""
    words = []
    for q in range(_SMALLEST, _LARGEST + 1):
        power = 5 ** abs(q)
        bits = power.bit_length()
        if q >= 0:
            leading = power << (128 - bits) if bits <= 128 else power >> (bits - 128)
        elif q >= -27:  # few enough bits that ties occur: the 128-bit reciprocal, rounded up
            leading = (1 << (bits + 127)) // power + 1
        else:
            leading = (1 << (2 * bits + 128)) // power + 1
            leading >>= leading.bit_length() - 128
        words += [leading >> 64, leading & _WORD]
    return np.array(words, np.uint64)


_FIVES = _powers_of_five()
_ZERO: Any = np.uint64(0)
_ONE: Any = np.uint64(1)
_THREE: Any = np.uint64(3)
_TEN: Any = np.uint64(10)
_63: Any = np.uint64(63)
_64: Any = np.uint64(64)
_52: Any = np.uint64(52)
_SPARE: Any = np.uint64(9)  # bits of the product below the 55 that are kept
_UNSURE: Any = np.uint64(0x1FF)
_HIDDEN: Any = np.uint64(1 << 52)
_ALL: Any = np.uint64(_WORD)


@part
def _leading_zeros(word: int) -> int:
    """How many leading bits are zero. Requires: word > 0."""
    zeros = 0
    shift = 32
    while shift > 0:
        if word >> np.uint64(64 - shift) == _ZERO:
            zeros += shift
            word <<= np.uint64(shift)  # type: ignore[assignment]
        shift //= 2
    return zeros


@part
def rounded(mantissa: int, power: int) -> tuple[int, bool]:
    """mantissa * 10 ** power as the bits of a binary64: (bits, done)."""
    if mantissa == _ZERO:
        return _ZERO, True
    if power < _SMALLEST or power > _LARGEST:
        return _ZERO, False
    zeros = _leading_zeros(mantissa)
    word = mantissa << np.uint64(zeros)
    index = 2 * (power - _SMALLEST)
    five = _FIVES[index]
    high, low = multiply_high(word, five), word * five
    if high & _UNSURE == _UNSURE:
        more = multiply_high(word, _FIVES[index + 1])
        low += more
        if low < more:
            high += _ONE
    if low == _ALL and (power < -27 or power > 55):
        return _ZERO, False
    upper = high >> _63
    kept = high >> (upper + _SPARE)
    binary = ((217_706 * power) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if binary <= 0:
        return _ZERO, False  # subnormal
    exact = kept << (upper + _SPARE) == high
    if low <= _ONE and -4 <= power <= 23 and kept & _THREE == _ONE and exact:
        kept -= _ONE  # exactly halfway: to even
    kept = (kept + (kept & _ONE)) >> _ONE
    if kept >= _HIDDEN << _ONE:
        kept = _HIDDEN
        binary += 1
    if binary >= 2047:
        return _ZERO, False
    return (kept & ~_HIDDEN) | (np.uint64(binary) << _52), True


@part
def float_bits(data: Bytes, i: int, end: int) -> tuple[int, bool]:
    """The bits of a float of up to 19 digits: (bits, done)."""
    negative = i < end and data[i] == 45
    if i < end and (negative or data[i] == 43):
        i += 1
    mantissa, digits, power = _ZERO, 0, 0
    significant = 0
    point = False
    while i < end:
        byte = data[i]
        if is_digit(byte):
            mantissa = mantissa * _TEN + np.uint64(byte - 48)
            digits += 1
            significant += significant > 0 or byte > 48
            power -= point
        elif byte == 46 and not point:
            point = True
        else:
            break
        i += 1
    if i < end:
        if (data[i] | 32) != 101:
            return _ZERO, False
        more, valid = read_exponent(data, i + 1, end)
        if not valid:
            return _ZERO, False
        power += more
    if digits == 0 or significant > 19:
        return _ZERO, False
    bits, done = rounded(mantissa, power)
    return (bits | (_ONE << _63) if negative else bits), done


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_UINT64, OUT_BYTES)
def parse_floats(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: UInt64s,
    status: Bytes,
) -> int:
    """The bits of binary64 floats; what is unusual or no float gets status 1. NULL gives 0.

    Returns: how many have status 1.
    """
    others = 0
    for row in range(count):
        cell = first + row * step
        status[row] = 0
        out[row] = _ZERO
        if kinds[cell] & KIND != NULL:
            bits, done = float_bits(data, starts[cell], ends[cell])
            out[row] = bits
            if not done:
                status[row] = 1
                others += 1
    return others
