"""Integers, floats and decimals as text.

Called by text.py. The wires agree on a float's digits, the fewest that read back as the same
float; they differ in where the exponent begins and how it looks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types as nt

from engine.jit import double_of, loop_part
from server.encode.cells import Bytes, Mask, Offsets, VarCells, validity, values
from server.encode.digits import (
    count_digits,
    double_digits,
    put_plain,
    put_scientific,
    put_word,
    shortest,
    without_zeros,
)
from server.encode.kernel import (
    BOOL,
    INT,
    READ_BYTES,
    READ_MASK,
    READ_UINT64,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    array_kernel,
    kernel,
)
from server.encode.style import TextStyle

FLOAT_WIDTH_MAX = 40  # 17 digits, 14 zeros, `-0.` or `-.e-308`, and two to spare
WORD_WIDTH_MAX = 21
_DECIMAL_WIDTH_MAX = 44
_SIZE: Any = np.uint64((1 << 63) - 1)  # of a double's bits: all but the sign
_NO_MASK = np.zeros(0, np.bool_)
READ_DOUBLES = nt.Array(nt.float64, 1, "C", readonly=True)


def float_text(array: pa.Array, style: TextStyle, *, single: bool) -> VarCells:
    """32- or 64-bit floats with the fewest digits that read back the same."""
    numbers = values(array, np.float32 if single else np.float64)
    words = numbers.view(np.uint32).astype(np.uint64) if single else numbers.view(np.uint64)
    out = np.empty(len(array) * FLOAT_WIDTH_MAX, np.uint8)
    offsets = np.zeros(len(array) + 1, np.int32)
    valid = validity(array)
    _floats(
        out,
        offsets,
        numbers.astype(np.float64, copy=False),
        words,
        single,
        _mask(valid),
        style.exponent_low,
        style.single_high if single else style.exponent_high,
        style.long_exponent,
        np.frombuffer(style.nan, np.uint8),
        np.frombuffer(style.infinity, np.uint8),
    )
    return VarCells(offsets, out, valid)


def integer_text(array: pa.Array) -> VarCells:
    """Integers of any width."""
    is_signed = pa.types.is_signed_integer(array.type)
    width = np.dtype(f"{'i' if is_signed else 'u'}{array.type.bit_width // 8}")
    words = values(array, width).astype(np.int64 if is_signed else np.uint64, copy=False)
    out = np.empty(len(array) * WORD_WIDTH_MAX, np.uint8)
    offsets = np.zeros(len(array) + 1, np.int32)
    valid = validity(array)
    _integers(out, offsets, words.view(np.uint64), is_signed, _mask(valid))
    return VarCells(offsets, out, valid)


def decimal_text(array: pa.Array, scale: int) -> VarCells:
    """128-bit decimals, always plain digits with `scale` decimals."""
    halves = values_128(array)
    out = np.empty(len(array) * _DECIMAL_WIDTH_MAX, np.uint8)
    offsets = np.zeros(len(array) + 1, np.int32)
    valid = validity(array)
    _decimals(out, offsets, halves, _mask(valid), scale)
    return VarCells(offsets, out, valid)


def values_128(array: pa.Array) -> npt.NDArray[np.uint64]:
    """A decimal128 array as low and high 64-bit halves, alternating."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(2 * len(array), np.uint64)
    return np.frombuffer(buffer, np.uint64, 2 * len(array), array.offset * 16)


def _mask(valid: Mask | None) -> Mask:
    return _NO_MASK if valid is None else valid


@kernel(INT(WRITE_BYTES, INT, READ_BYTES))
def put_bytes(out: Bytes, at: int, text: Bytes) -> int:
    """Copies a whole text; returns the position after it."""
    for k in range(text.size):
        out[at + k] = text[k]
    return at + int(text.size)


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_UINT64, BOOL, READ_MASK))
def _integers(
    out: Bytes, offsets: Offsets, words: npt.NDArray[np.uint64], is_signed: bool, valid: Mask
) -> None:
    at = 0
    for row in range(words.size):
        if not valid.size or valid[row]:
            if at + WORD_WIDTH_MAX > out.size:
                raise IndexError("no room for an integer")
            at = put_integer(out, at, words[row], is_signed)
        offsets[row + 1] = at


@loop_part
def put_integer(out: Bytes, at: int, word: Any, is_signed: bool) -> int:
    """Writes an integer; returns the position after it. Requires: there is room."""
    if is_signed and word >> np.uint64(63):
        out[at] = 45
        at += 1
        word = ~word + np.uint64(1)
    at += count_digits(word)
    put_word(out, at, word)
    return at


@loop_part
def _digits(size: float, bits: Any, single: bool) -> tuple[Any, int]:
    """The fewest digits of a finite float > 0, without trailing zeros, and their power of ten."""
    if single:
        exponent = np.int64((bits >> np.uint64(23)) & np.uint64(0xFF))
        hidden = np.uint64(1 << 23)
        number, power = shortest(bits & (hidden - np.uint64(1)), exponent, hidden, -149)
    else:
        number, power = double_digits(size, bits)
    return without_zeros(number, power)


@loop_part
def _put_size(
    out: Bytes, at: int, size: float, bits: Any, single: bool, low: int, high: int, is_long: bool
) -> int:
    """Writes a finite float > 0; returns the position after it. Requires: there is room."""
    number, power = _digits(size, bits, single)
    count = count_digits(number)
    if low <= power + count - 1 < high:
        return put_plain(out, at, number, count, power)
    return put_scientific(out, at, number, count, power, is_long)


@loop_part
def put_finite(out: Bytes, at: int, bits: Any, low: int, high: int) -> int:
    """Writes a double by its bits, with long exponents; -1 if it is infinite or none.

    Returns: the position after it. Requires: there is room.
    """
    value = double_of(bits)
    size = abs(value)
    if not size < np.inf:
        return -1
    if bits >> np.uint64(63):
        out[at] = 45
        at += 1
    if size == 0.0:
        out[at] = 48
        return at + 1
    return _put_size(out, at, size, bits & _SIZE, False, low, high, True)


@kernel(
    VOID(
        *(WRITE_BYTES, WRITE_INT32, READ_DOUBLES, READ_UINT64, BOOL, READ_MASK),
        *(INT, INT, BOOL, READ_BYTES, READ_BYTES),
    )
)
def _floats(
    out: Bytes,
    offsets: Offsets,
    numbers: npt.NDArray[np.float64],
    bits: npt.NDArray[np.uint64],
    single: bool,
    valid: Mask,
    low: int,
    high: int,
    long_exponent: bool,
    nan: Bytes,
    infinity: Bytes,
) -> None:
    at = 0
    for row in range(numbers.size):
        value = numbers[row]
        if valid.size and not valid[row]:
            offsets[row + 1] = at
            continue
        if at + FLOAT_WIDTH_MAX > out.size:
            raise IndexError("no room for a float")
        if value != value:
            offsets[row + 1] = at = put_bytes(out, at, nan)
            continue
        if np.signbit(value):
            out[at] = 45
            at += 1
        size = abs(value)
        if size == np.inf:
            at = put_bytes(out, at, infinity)
        elif size == 0.0:
            out[at] = 48
            at += 1
        else:
            at = _put_size(out, at, size, bits[row], single, low, high, long_exponent)
        offsets[row + 1] = at


@kernel("int64(uint64, uint64, uint8[::1])")
def decimal_digits(low: np.uint64, high: np.uint64, digits: Bytes) -> int:
    """The decimal digits of a 128-bit integer's absolute value, lowest first; returns how many."""
    if high >> np.uint64(63):
        low = ~low + np.uint64(1)
        high = ~high + (np.uint64(1) if low == np.uint64(0) else np.uint64(0))
    count = 0
    mask = np.uint64(0xFFFFFFFF)
    billion = np.uint64(1000000000)
    while high:
        # Long division by 10^9 in 32-bit limbs, highest first.
        rest = np.uint64(0)
        limb3 = high >> np.uint64(32)
        rest = limb3 % billion
        limb3 = limb3 // billion
        limb2 = (rest << np.uint64(32)) | (high & mask)
        rest = limb2 % billion
        limb2 = limb2 // billion
        limb1 = (rest << np.uint64(32)) | (low >> np.uint64(32))
        rest = limb1 % billion
        limb1 = limb1 // billion
        limb0 = (rest << np.uint64(32)) | (low & mask)
        rest = limb0 % billion
        limb0 = limb0 // billion
        high = (limb3 << np.uint64(32)) | limb2
        low = (limb1 << np.uint64(32)) | limb0
        for _ in range(9):
            digits[count] = rest % np.uint64(10)
            rest = rest // np.uint64(10)
            count += 1
    while low:
        digits[count] = low % np.uint64(10)
        low = low // np.uint64(10)
        count += 1
    return count


@array_kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_UINT64, READ_MASK, INT))
def _decimals(
    out: Bytes, offsets: Offsets, halves: npt.NDArray[np.uint64], valid: Mask, scale: int
) -> None:
    digits = np.zeros(48, np.uint8)
    at = 0
    for row in range(offsets.size - 1):
        if not valid.size or valid[row]:
            low = halves[2 * row]
            high = halves[2 * row + 1]
            if high >> np.uint64(63):
                out[at] = 45
                at += 1
            count = decimal_digits(low, high, digits)
            if count <= scale:  # at least one digit before the point
                for k in range(count, scale + 1):
                    digits[k] = 0
                count = scale + 1
            for k in range(count):
                if k == count - scale:
                    out[at] = 46
                    at += 1
                out[at] = 48 + digits[count - 1 - k]
                at += 1
        offsets[row + 1] = at
