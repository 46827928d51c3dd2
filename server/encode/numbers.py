"""Floats and decimals as text.

Called by text.py. Arrow writes the shortest digits that read back as the same float; the wires
only differ from it in where the exponent begins and how it looks, which one kernel repairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from server.encode.cells import Bytes, Mask, Offsets, VarCells, from_arrow, validity, values
from server.encode.kernel import (
    BOOL,
    INT,
    READ_BYTES,
    READ_INT32,
    READ_MASK,
    READ_UINT64,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    kernel,
)
from server.encode.style import TextStyle
from server.encode.times import put_digits

_FLOAT_WIDTH_MAX = 48
_DECIMAL_WIDTH_MAX = 44
_ARROW_PLAIN = (-6, 10)  # Arrow writes exponents outside this range
_NO_MASK = np.zeros(0, np.bool_)


def float_text(array: pa.Array, style: TextStyle, *, single: bool) -> VarCells:
    """32- or 64-bit floats with the fewest digits that read back the same."""
    cells = from_arrow(pc.cast(array, pa.string()))
    high = style.single_high if single else style.exponent_high
    low = style.exponent_low
    numbers = values(array, np.float32 if single else np.float64)
    if not _needs_repair(numbers, max(low, _ARROW_PLAIN[0]), min(high, _ARROW_PLAIN[1])):
        return cells
    out = np.empty(len(array) * _FLOAT_WIDTH_MAX, np.uint8)
    offsets = np.zeros(len(array) + 1, np.int32)
    _floats(
        out,
        offsets,
        cells.offsets,
        cells.data,
        _mask(cells.valid),
        low,
        high,
        style.long_exponent,
        np.frombuffer(style.nan, np.uint8),
        np.frombuffer(style.infinity, np.uint8),
    )
    return VarCells(offsets, out, cells.valid)


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


def _needs_repair(numbers: npt.NDArray[Any], low: int, high: int) -> bool:
    """True unless all numbers are zero or have a decimal exponent within [low, high)."""
    if not len(numbers):
        return False
    size = np.abs(numbers)
    with np.errstate(invalid="ignore"):
        plain = (size < 10.0**high) & ((size >= 10.0**low) | (size == 0))
    return not bool(plain.all())


@kernel(INT(WRITE_BYTES, INT, READ_BYTES))
def put_bytes(out: Bytes, at: int, text: Bytes) -> int:
    """Copies a whole text; returns the position after it."""
    for k in range(text.size):
        out[at + k] = text[k]
    return at + int(text.size)


@kernel("UniTuple(int64, 2)(Array(uint8, 1, 'C', readonly=True), int64, int64, uint8[::1])")
def _read_float(data: Bytes, start: int, stop: int, digits: Bytes) -> tuple[int, int]:
    """Reads `1.5e-7` into its digits without outer zeros and the exponent of the first one."""
    count = 0
    exponent = -1
    seen_point = False
    k = start
    while k < stop and data[k] != 101:
        if data[k] == 46:
            seen_point = True
        else:
            if count > 0 or data[k] != 48:
                digits[count] = data[k]
                count += 1
                if not seen_point:
                    exponent += 1
            elif seen_point:
                exponent -= 1
        k += 1
    if k < stop:
        k += 1
        negative = data[k] == 45
        if negative or data[k] == 43:
            k += 1
        power = 0
        while k < stop:
            power = power * 10 + (data[k] - 48)
            k += 1
        exponent += -power if negative else power
    while count > 0 and digits[count - 1] == 48:
        count -= 1
    return count, exponent


@kernel(INT(WRITE_BYTES, INT, WRITE_BYTES, INT, INT, BOOL))
def _put_scientific(
    out: Bytes, at: int, digits: Bytes, count: int, exponent: int, long_exponent: bool
) -> int:
    out[at] = digits[0]
    at += 1
    if count > 1:
        out[at] = 46
        at += 1
        for k in range(1, count):
            out[at] = digits[k]
            at += 1
    out[at] = 101
    at += 1
    if exponent < 0:
        out[at] = 45
        at += 1
    elif long_exponent:
        out[at] = 43
        at += 1
    return put_digits(out, at, abs(exponent), 2 if long_exponent else 1)


@kernel(INT(WRITE_BYTES, INT, WRITE_BYTES, INT, INT, INT, INT, BOOL))
def _put_float(
    out: Bytes,
    at: int,
    digits: Bytes,
    count: int,
    exponent: int,
    low: int,
    high: int,
    long_exponent: bool,
) -> int:
    if count == 0:
        out[at] = 48
        return at + 1
    if exponent < low or exponent >= high:
        return _put_scientific(out, at, digits, count, exponent, long_exponent)
    if exponent < 0:
        out[at] = 48
        out[at + 1] = 46
        at += 2
        for _ in range(-exponent - 1):
            out[at] = 48
            at += 1
    for k in range(max(count, exponent + 1)):
        if k == exponent + 1 and exponent >= 0:
            out[at] = 46
            at += 1
        out[at] = digits[k] if k < count else 48
        at += 1
    return at


@kernel(
    VOID(
        WRITE_BYTES,
        WRITE_INT32,
        READ_INT32,
        READ_BYTES,
        READ_MASK,
        INT,
        INT,
        BOOL,
        READ_BYTES,
        READ_BYTES,
    )
)
def _floats(
    out: Bytes,
    offsets: Offsets,
    starts: Offsets,
    data: Bytes,
    valid: Mask,
    low: int,
    high: int,
    long_exponent: bool,
    nan: Bytes,
    infinity: Bytes,
) -> None:
    digits = np.empty(_FLOAT_WIDTH_MAX, np.uint8)
    at = 0
    for row in range(starts.size - 1):
        if not valid.size or valid[row]:
            start = int(starts[row])
            stop = int(starts[row + 1])
            if data[start] == 45:
                out[at] = 45
                at += 1
                start += 1
            if data[start] == 110:  # nan
                at = put_bytes(out, at, nan)
            elif data[start] == 105:  # inf
                at = put_bytes(out, at, infinity)
            else:
                count, exponent = _read_float(data, start, stop, digits)
                at = _put_float(out, at, digits, count, exponent, low, high, long_exponent)
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


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_UINT64, READ_MASK, INT))
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
