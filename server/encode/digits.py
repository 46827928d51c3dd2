"""Kernels' parts that write whole numbers and find the digits of floats.

Called by numbers.py, times.py and whoever prints numbers in a kernel. A float's digits are the
fewest that read back as the same float, and of those the nearest. Source: R. Giulietti, "The
Schubfach way to render doubles" (2020). Decimals of few digits, the usual ones, are found sooner.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.jit import loop_part, multiply_high, part
from server.encode.cells import Bytes

_SMALLEST, _LARGEST = -292, 324  # powers of ten that doubles need
_WORD = (1 << 64) - 1


def _powers_of_ten() -> Any:
    """The leading 128 bits of 10 ** k for each power, rounded up: pairs of words, high first."""
    words = []
    for k in range(_SMALLEST, _LARGEST + 1):
        shift = 127 - ((k * 1_741_647) >> 19)  # 127 less the binary logarithm, rounded down
        power, divisor = 10 ** max(k, 0), 10 ** max(-k, 0)
        if shift >= 0:
            power <<= shift
        else:
            divisor <<= -shift
        leading = -(-power // divisor)
        words += [leading >> 64, leading & _WORD]
    return np.array(words, np.uint64)


_TENS = _powers_of_ten()
_PAIRS = np.frombuffer("".join(f"{n:02}" for n in range(100)).encode(), np.uint8)
_ZERO: Any = np.uint64(0)
_ONE: Any = np.uint64(1)
_TWO: Any = np.uint64(2)
_FOUR: Any = np.uint64(4)
_TEN: Any = np.uint64(10)
_FORTY: Any = np.uint64(40)
_HUNDRED: Any = np.uint64(100)
_TEN_4: Any = np.uint64(10**4)
_TEN_8: Any = np.uint64(10**8)
_TEN_16: Any = np.uint64(10**16)
_63: Any = np.uint64(63)
_HIDDEN: Any = np.uint64(1 << 52)
_SIGNIFICAND: Any = np.uint64((1 << 52) - 1)
_FEW = 1e15  # decimals of so many digits are told apart by doubles, whatever their exponent


@loop_part
def count_digits(number: Any) -> int:
    """How many decimal digits an unsigned word has, 1 for zero."""
    count = 1
    if number >= _TEN_16:
        number //= _TEN_16
        count += 16
    if number >= _TEN_8:
        number //= _TEN_8
        count += 8
    if number >= _TEN_4:
        number //= _TEN_4
        count += 4
    if number >= _HUNDRED:
        number //= _HUNDRED
        count += 2
    return count + 1 if number >= _TEN else count


@loop_part
def _put_pair(out: Bytes, at: int, number: Any) -> None:
    pair = np.int64(number) * 2
    out[at] = _PAIRS[pair]
    out[at + 1] = _PAIRS[pair + 1]


@loop_part
def _put_eight(out: Bytes, at: int, number: Any) -> None:
    """Writes eight digits; their pairs depend on each other as little as can be."""
    high = number // _TEN_4
    low = number - high * _TEN_4
    first, third = high // _HUNDRED, low // _HUNDRED
    _put_pair(out, at, first)
    _put_pair(out, at + 2, high - first * _HUNDRED)
    _put_pair(out, at + 4, third)
    _put_pair(out, at + 6, low - third * _HUNDRED)


@loop_part
def put_word(out: Bytes, end: int, number: Any) -> None:
    """Writes an unsigned word so that its last digit is before `end`. Requires: there is room."""
    while number >= _TEN_8:
        rest = number // _TEN_8
        end -= 8
        _put_eight(out, end, number - rest * _TEN_8)
        number = rest
    while number >= _HUNDRED:
        rest = number // _HUNDRED
        end -= 2
        _put_pair(out, end, number - rest * _HUNDRED)
        number = rest
    if number >= _TEN:
        _put_pair(out, end - 2, number)
    else:
        out[end - 1] = 48 + np.uint8(number)


@loop_part
def put_padded(out: Bytes, at: int, number: Any, width: int) -> Any:
    """Writes the lowest `width` digits of a word from `at` on; returns the digits above them."""
    place = at + width
    while place - at >= 8:
        rest = number // _TEN_8
        place -= 8
        _put_eight(out, place, number - rest * _TEN_8)
        number = rest
    while place - at >= 2:
        rest = number // _HUNDRED
        place -= 2
        _put_pair(out, place, number - rest * _HUNDRED)
        number = rest
    if place > at:
        rest = number // _TEN
        out[at] = 48 + np.uint8(number - rest * _TEN)
        number = rest
    return number


@loop_part
def _to_odd(high: Any, low: Any, number: Any) -> Any:
    """The upper word of a product of 128 and 64 bits; its last bit tells of what is cut off."""
    middle = multiply_high(low, number)
    lower = high * number + middle
    upper = multiply_high(high, number)
    if lower < middle:
        upper += _ONE
    return upper | (_ONE if lower > _ONE else _ZERO)


@loop_part
def _nearest(four: Any, below: Any, q: int, k: int) -> tuple[Any, int]:
    """The number of fewest digits, and its power of ten, that is read as four / 4 * 2 ** q.

    `below` is four less the distance to the lower end of what is read so; k is the power of ten
    below the size of that interval.
    """
    h = np.uint64(q + ((-k * 1_741_647) >> 19) + 1)
    index = 2 * (-k - _SMALLEST)
    high, low = _TENS[index], _TENS[index + 1]
    odd = (four >> _TWO) & _ONE  # an even number's interval includes its ends
    lower = _to_odd(high, low, below << h) + odd
    value = _to_odd(high, low, four << h)
    upper = _to_odd(high, low, (four + _TWO) << h) - odd
    whole = value >> _TWO
    if whole >= _TEN:
        shorter = whole // _TEN
        under = lower <= _FORTY * shorter
        over = _FORTY * shorter + _FORTY <= upper
        if under != over:
            return shorter + (_ONE if over else _ZERO), k + 1
    under = lower <= _FOUR * whole
    over = _FOUR * whole + _FOUR <= upper
    if under == over:
        middle = _FOUR * whole + _TWO
        over = value > middle or (value == middle and (whole & _ONE) != _ZERO)
    return whole + (_ONE if over else _ZERO), k


@loop_part
def shortest(significand: Any, exponent: Any, hidden: Any, lowest: int) -> tuple[Any, int]:
    """The number of fewest digits, and its power of ten, that reads back as a positive float.

    The float has these bits of its significand, without the leading one `hidden`, and this biased
    exponent; 2 ** lowest is the smallest float of its format. Both are unsigned words.
    """
    q = lowest
    if exponent > 0:
        q += exponent - 1
        significand |= hidden
    four = significand << _TWO
    if significand == hidden and exponent > 1:  # the next lower float is nearer
        return _nearest(four, four - _ONE, q, (q * 1_262_611 - 524_031) >> 22)
    return _nearest(four, four - _TWO, q, (q * 1_262_611) >> 22)


@loop_part
def double_digits(size: float, bits: Any) -> tuple[Any, int]:
    """The number of fewest digits, and its power of ten, of a finite double > 0 and its bits.

    A decimal of at most 15 digits that reads back as the double is the shortest: no other does.
    """
    if size < _FEW:
        number = np.uint64(size)
        if np.float64(number) == size:
            return number, 0
        if size < 1e12:
            number = np.uint64(size * 1e3 + 0.5)
            if np.float64(number) / 1e3 == size:
                return number, -3
        if size < 1e9:
            number = np.uint64(size * 1e6 + 0.5)
            if np.float64(number) / 1e6 == size:
                return number, -6
    exponent = np.int64((bits >> np.uint64(52)) & np.uint64(0x7FF))
    return shortest(bits & _SIGNIFICAND, exponent, _HIDDEN, -1074)


@part
def without_zeros(number: Any, power: int) -> tuple[Any, int]:
    """The same number without trailing zeros. Requires: number > 0."""
    rest = number // _TEN
    while rest * _TEN == number:
        number = rest
        power += 1
        rest = number // _TEN
    return number, power


@loop_part
def put_plain(out: Bytes, at: int, number: Any, count: int, power: int) -> int:
    """Writes number * 10 ** power without an exponent; returns the position after it.

    Requires: the number has `count` digits; there is room.
    """
    if power >= 0:
        at += count
        put_word(out, at, number)
        for _ in range(power):
            out[at] = 48
            at += 1
        return at
    whole = count + power  # digits before the point
    if whole > 0:
        rest = put_padded(out, at + whole + 1, number, -power)
        out[at + whole] = 46
        put_word(out, at + whole, rest)
        return at + count + 1
    out[at] = 48
    out[at + 1] = 46
    at += 2
    for _ in range(-whole):
        out[at] = 48
        at += 1
    put_word(out, at + count, number)
    return at + count


@loop_part
def put_scientific(out: Bytes, at: int, number: Any, count: int, power: int, is_long: bool) -> int:
    """As `put_plain`, but 1.5e7, or 1.5e+07 if `is_long`."""
    exponent = power + count - 1
    put_word(out, at + count + 1, number)
    out[at] = out[at + 1]
    at += 1
    if count > 1:
        out[at] = 46
        at += count
    out[at] = 101
    at += 1
    if exponent < 0 or is_long:
        out[at] = 45 if exponent < 0 else 43
        at += 1
    exponent = abs(exponent)
    width = 3 if exponent >= 100 else 2 if exponent >= 10 or is_long else 1
    out[at] = 48
    put_word(out, at + width, np.uint64(exponent))
    return at + width
